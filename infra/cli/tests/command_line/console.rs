//! `couplet console`: what its pages show and its buttons do, on this machine, beside running jobs, and at a deployed stack.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Child;

use crate::aws::{Aws, STACK};
use crate::command::Workplace;
use business_central_simulator::{BusinessCentralSimulator, DemoSize};
use couplet_local::{DataFolder, scheduler};
use couplet_model::job::Trigger;
use couplet_runtime::handlers::RunMode;
use couplet_worlds::Systems;
use dataverse_simulator::DataverseSimulator;
use serde_json::{Value, json};

/// What customers depend on, and they themselves.
const JOBS: [&str; 6] = ["SALESPEOPLE", "CURRENCY", "PAYMENT TERMS", "SHIPMENT METHOD", "SHIPPING AGENT", "CUSTOMER"];

/// Both systems with coupled customers, and a way to call the command.
struct World {
    business_central: BusinessCentralSimulator,
    dataverse: DataverseSimulator,
    workplace: Workplace,
    aws: Option<Aws>,
}

impl World {
    async fn coupled(deployed: bool) -> Self {
        let size = DemoSize { items: 3, customers: 4, ..DemoSize::default() };
        let Systems { business_central, dataverse } = Systems::start(size).await;
        let aws = if deployed { Some(Aws::start(&business_central, &dataverse).await) } else { None };
        let workplace = if deployed { Workplace::empty() } else { Workplace::at(&business_central, &dataverse) };
        let world = Self { business_central, dataverse, workplace, aws };
        for job in JOBS {
            world.couplet(&["run", job, "--full", "--json"]);
        }
        world
    }

    fn arguments<'a>(&self, arguments: &[&'a str]) -> Vec<&'a str> {
        let place: &[&str] = if self.aws.is_some() { &["--profile", "aws", "--stack", STACK] } else { &[] };
        [place, arguments].concat()
    }

    fn couplet(&self, arguments: &[&str]) {
        let variables = self.aws.as_ref().map(Aws::variables).unwrap_or_default();
        let ended = self.workplace.couplet_with(&self.arguments(arguments), &variables);
        assert_eq!(ended.code, 0, "{arguments:?}: {ended:?}");
    }

    fn console(&self, arguments: &[&str]) -> Console {
        let variables = self.aws.as_ref().map(Aws::variables).unwrap_or_default();
        Console::open(self.workplace.started(&self.arguments(arguments), &variables))
    }

    /// The id of a customer, and that of its account.
    fn pair(&self, number: &str) -> (String, String) {
        let variables = self.aws.as_ref().map(Aws::variables).unwrap_or_default();
        let arguments = self.arguments(&["couplings", "CUSTOMER", "--json"]);
        let listed = self.workplace.couplet_with(&arguments, &variables).object();
        let pairs = listed["couplings"].as_array().expect("couplings");
        let pair = pairs.iter().find(|pair| pair["key"] == json!(number)).expect(number);
        let id = |side: &str| pair[side].as_str().expect("an id").to_owned();
        (id("business_central"), id("dataverse"))
    }

    fn rename(&self, customer: &str, name: &str) {
        let id = customer.parse().expect("an id");
        self.business_central.update_as_user("Customer", id, json!({ "displayName": name })).expect("taken");
    }

    fn rename_account(&self, account: &str, name: &str) {
        let id = account.parse().expect("an id");
        self.dataverse.update_as_user("account", id, json!({ "name": name })).expect("taken");
    }

    fn names(&self, (customer, account): &(String, String)) -> (Value, Value) {
        let row = self.business_central.row("Customer", customer.parse().expect("an id")).expect("a customer");
        let account = self.dataverse.row("account", account.parse().expect("an id")).expect("an account");
        (row["displayName"].clone(), account["name"].clone())
    }
}

/// A console that is open in a browser.
struct Console {
    process: Child,
    host: String,
    cookie: String,
    token: String,
}

impl Drop for Console {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Console {
    /// Opens the address that the command prints.
    fn open(mut process: Child) -> Self {
        let printed = process.stdout.take().expect("standard output");
        let line = BufReader::new(printed).lines().next().expect("a line").expect("text");
        let address = line.strip_prefix("console: http://").expect("an address");
        let (host, path) = address.split_at(address.find('/').expect("a path"));
        let mut console = Self { process, host: host.to_owned(), cookie: String::new(), token: String::new() };
        let (head, _) = console.ask("GET", path, "");
        let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a cookie");
        console.cookie = cookie.split(';').next().expect("a cookie").to_owned();
        let jobs = console.page("/jobs");
        let token = jobs.split(r#"name="token" value=""#).nth(1).expect("a form");
        console.token = token.split('"').next().expect("a token").to_owned();
        console
    }

    /// Head and body of an answer.
    fn ask(&self, method: &str, path: &str, body: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.host).expect("the console listens");
        let (host, cookie, length) = (&self.host, &self.cookie, body.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nCookie: {cookie}\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        (head.to_owned(), body.to_owned())
    }

    fn page(&self, path: &str) -> String {
        let (head, body) = self.ask("GET", path, "");
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}\n{body}");
        body
    }

    /// Presses a button; gives what is told of the act once it has ended.
    fn act(&self, act: &str, fields: &[(&str, &str)]) -> String {
        let own = [("token", self.token.as_str()), ("back", "/runs"), ("act", act)];
        let all = own.iter().chain(fields).map(|(name, value)| format!("{}={}", coded(name), coded(value)));
        let (head, body) = self.ask("POST", "/act", &all.collect::<Vec<_>>().join("&"));
        assert!(head.starts_with("HTTP/1.1 303"), "{head}\n{body}");
        let leads = head.lines().find_map(|line| line.strip_prefix("location: ")).expect("a way back").to_owned();
        // A slow machine may take longer than the answer waits.
        for _ in 0..1_000 {
            let page = self.page(&leads);
            let notice = page.split(r#"<p class="notice "#).nth(1).expect("a notice");
            let notice = notice.split("</p>").next().expect("its end").to_owned();
            if !notice.starts_with("busy") {
                return notice;
            }
        }
        panic!("{act} does not end");
    }
}

/// A text as forms write it.
fn coded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

async fn a_conflict_is_seen_with_its_base_and_settled_by_a_button(deployed: bool) {
    let world = World::coupled(deployed).await;
    let pair = world.pair("C00010");
    let (agreed, _) = world.names(&pair);
    world.rename(&pair.0, "As Finance calls it");
    world.rename_account(&pair.1, "As Sales calls it");
    let console = world.console(&["console", "--port", "0"]);
    assert!(console.page("/conflicts").contains("No record was changed on both sides."));
    let notice = console.act("run", &[("job", "customer")]);
    assert!(notice.starts_with("bad") && notice.contains(" failed"), "{notice}");
    let page = console.page("/conflicts?mapping=customer");
    for shown in [agreed.as_str().expect("a name"), "As Finance calls it", "As Sales calls it", &pair.0] {
        assert!(page.contains(shown), "{shown} is missing in {page}");
    }
    let record = [("mapping", "CUSTOMER"), ("side", "bc"), ("record", pair.0.as_str()), ("label", "C00010")];
    let wins = |side| [&record[..], &[("wins", side)]].concat();
    let notice = console.act("resolve", &wins("dataverse"));
    assert!(notice.starts_with("good") && notice.contains("Resolve C00010 of CUSTOMER: Dataverse wins"), "{notice}");
    assert_eq!(world.names(&pair), (json!("As Sales calls it"), json!("As Sales calls it")));
    assert!(console.page("/conflicts").contains("No record was changed on both sides."));
    // What became of it, found by its number, and by its name in Dataverse.
    let found = console.page("/couplings?mapping=CUSTOMER&side=dataverse&name=As%20Sales%20calls%20it");
    assert!(found.contains("C00010") && found.contains(&pair.1), "{found}");
    let told = console.page("/history?mapping=CUSTOMER&side=bc&name=C00010");
    assert!(told.contains("a person settled what both sides had changed"), "{told}");
    // Skipped, and brought back.
    assert!(console.act("skip", &record).contains("1 skipped"));
    assert!(console.page("/skipped?mapping=CUSTOMER").contains("C00010"));
    assert!(console.act("unskip-all", &[("mapping", "CUSTOMER")]).starts_with("good"));
    assert!(console.page("/skipped?mapping=CUSTOMER").contains("No record is skipped."));
    // What a command refuses, a button refuses with the same sentence.
    let fields = [&record[..], &[("wins", "fields"), ("field:Fex", "bc")]].concat();
    let notice = console.act("resolve", &fields);
    assert!(notice.starts_with("bad") && notice.contains("has no field"), "{notice}");
    assert!(console.act("hold", &[("job", "CUSTOMER")]).contains("on hold until they are released: CUSTOMER"));
    assert!(console.page("/jobs").contains("On Hold"));
    assert!(console.act("run", &[("job", "CUSTOMER")]).contains("CUSTOMER is on hold"));
    assert!(console.act("release", &[("job", "CUSTOMER")]).contains("their timers start them again: CUSTOMER"));
    for page in ["/", "/runs?job=CUSTOMER", "/errors", "/waiting", "/mappings", "/mappings?mapping=customer"] {
        assert!(console.page(page).contains("<h1>"), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_seen_with_its_base_and_settled_by_a_button_on_this_machine() {
    a_conflict_is_seen_with_its_base_and_settled_by_a_button(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_seen_with_its_base_and_settled_by_a_button_at_a_stack() {
    a_conflict_is_seen_with_its_base_and_settled_by_a_button(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_others_work_on_the_data_it_looks_and_does_not_act() {
    let world = World::coupled(false).await;
    let (customer, _) = world.pair("C00010");
    let console = world.console(&["console", "--port", "0"]);
    let folder = DataFolder::take(&world.workplace.path("data")).expect("the data are free");
    assert!(console.page("/couplings?mapping=CUSTOMER").contains(&customer));
    let record = [("mapping", "CUSTOMER"), ("side", "bc"), ("record", customer.as_str()), ("label", "C00010")];
    for (act, fields) in [("skip", &record[..]), ("run", &[("job", "CUSTOMER")]), ("hold", &[("job", "CUSTOMER")])] {
        let notice = console.act(act, fields);
        assert!(notice.starts_with("bad") && notice.contains("another couplet works in the data folder"), "{notice}");
    }
    drop(folder);
    assert!(console.act("skip", &record).contains("1 skipped"));
    // There can be no dead letters here, and it says so.
    assert!(console.page("/dead-letters").contains("there is nothing to replay on this machine"));
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_the_jobs_it_acts_in_their_process() {
    let world = World::coupled(false).await;
    let pair = world.pair("C00010");
    let console = world.console(&["serve", "--console", "0"]);
    world.rename(&pair.0, "Renamed");
    let record = [("mapping", "CUSTOMER"), ("side", "bc"), ("record", pair.0.as_str()), ("label", "C00010")];
    let notice = console.act("sync", &record);
    assert!(notice.starts_with("good") && notice.contains("1 modified"), "{notice}");
    assert_eq!(world.names(&pair).1, json!("Renamed"));
    assert!(console.act("hold", &[("job", "CUSTOMER")]).contains("on hold until they are released"));
    assert!(console.act("run", &[("job", "CUSTOMER")]).contains("is on hold"));
    assert!(console.act("release", &[("job", "CUSTOMER")]).starts_with("good"));
    assert!(console.act("run", &[("job", "CUSTOMER")]).starts_with("good"));
    let overview = console.page("/");
    assert!(overview.contains("dead letters") && overview.contains("Requests since this process began"), "{overview}");
    assert!(console.page("/dead-letters").contains("No dead letters."));
    // Others find the data taken, as beside any serve.
    let ended = world.workplace.couplet(&["skip", "CUSTOMER", "--all"]);
    assert!(ended.errors.contains("another couplet works in the data folder"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_of_a_stack_come_back_one_or_all() {
    let world = World::coupled(true).await;
    let aws = world.aws.as_ref().expect("a stack");
    let pairs = ["C00010", "C00020", "C00030"].map(|number| world.pair(number));
    for (customer, _) in &pairs {
        world.rename(customer, "Died on the way");
    }
    let application = aws.application();
    scheduler::start(&application, "CUSTOMER", RunMode::Modified, Trigger::Schedule).await.expect("a run");
    aws.let_records_die().await;
    let console = world.console(&["console", "--port", "0"]);
    let page = console.page("/dead-letters");
    let message = |record: &str| {
        let row = page.split("<tr").find(|row| row.contains(record)).expect("a row");
        let value = row.split(r#"name="message" value=""#).nth(1).expect("a button");
        value.split('"').next().expect("an id").to_owned()
    };
    let count = page.matches(r#"name="message""#).count();
    let one = message(&pairs[1].0);
    assert!(count >= 3 && page.contains(">C00020</a>"), "{page}");
    let waiting = || async { aws.depth(&application.cloud.queue_url).await };
    let notice = console.act("replay", &[("message", &one)]);
    assert!(notice.starts_with("good") && notice.contains("1 dead letters: 1 moved"), "{notice}");
    assert_eq!(waiting().await, 1, "one came back, and no other");
    let notice = console.act("replay", &[("message", &one)]);
    assert!(notice.starts_with("bad") && notice.contains("not there any more"), "{notice}");
    let notice = console.act("replay-all", &[]);
    assert!(notice.starts_with("good") && notice.contains(&format!("{} dead letters: ", count - 1)), "{notice}");
    assert!(waiting().await >= 3, "all that were changed came back");
    assert!(console.page("/dead-letters").contains("No dead letters."));
}
