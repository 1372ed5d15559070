//! `couplet setup` against both systems: asked question by question, and by a file with answers.

use std::io::{BufReader, Read};

use crate::command::{Ended, Workplace};
use business_central_simulator::DemoSize;
use couplet_worlds::Systems;
use serde_json::json;

/// The secret of Dataverse, and that of Business Central, in the environment.
const VARIABLES: [&str; 2] = ["COUPLET_ENTRA_CLIENT_SECRET", "COUPLET_BUSINESS_CENTRAL_CLIENT_SECRET"];

struct World {
    systems: Systems,
    workplace: Workplace,
}

/// Answers by their names, in the order in which they are asked.
type Given = Vec<(&'static str, String)>;

impl World {
    async fn start() -> Self {
        let size = DemoSize { items: 2, customers: 1, ..DemoSize::default() };
        Self { systems: Systems::start(size).await, workplace: Workplace::empty() }
    }

    fn secrets(&self) -> [String; 2] {
        [self.systems.dataverse.credentials().2, self.systems.business_central.credentials().2]
    }

    /// What a person answers who sets both systems up.
    fn good(&self) -> Given {
        let (dataverse, erp) = (&self.systems.dataverse, &self.systems.business_central);
        let [(tenant, client, secret), (erp_tenant, erp_client, erp_secret)] =
            [dataverse.credentials(), erp.credentials()];
        let environment = erp.url().rsplit('/').next().expect("an environment").to_owned();
        vec![
            ("dataverse.url", format!("{}/main.aspx", dataverse.url())),
            ("entra.tenant", tenant),
            ("entra.authority", dataverse.authority()),
            ("entra.client_id", client),
            ("sign_in", "secret".to_owned()),
            ("secret_in", "environment".to_owned()),
            ("entra.client_secret", secret),
            ("business_central.url", erp.authority()),
            ("one_application", "false".to_owned()),
            ("business_central.tenant", erp_tenant),
            ("business_central.authority", erp.authority()),
            ("business_central.client_id", erp_client),
            ("business_central.client_secret", erp_secret),
            ("business_central.environment", environment),
            ("company", erp.company_name()),
            ("business_central.companion", "true".to_owned()),
            ("switches.ownership", "person".to_owned()),
            ("switches.unit_groups", "false".to_owned()),
            ("switches.extended_pricing", "true".to_owned()),
            ("switches.item_availability", "true".to_owned()),
            ("switches.sales_orders", "off".to_owned()),
            ("full_sync", "true".to_owned()),
            // Both sides have customers.
            ("full_sync_by", "none".to_owned()),
        ]
    }

    /// The good answers with some changed or left out (`None`).
    fn answers(&self, changed: &[(&'static str, Option<&str>)]) -> Given {
        let mut answers = self.good();
        for (name, value) in changed {
            answers.retain(|(known, _)| known != name);
            answers.extend(value.map(|value| (*name, value.to_owned())));
        }
        answers
    }

    /// Writes a file with answers, without secrets unless they are among those that were changed.
    fn write(&self, changed: &[(&'static str, Option<&str>)]) {
        let is_changed = |name: &str| changed.iter().any(|(known, _)| *known == name);
        let answers = self.answers(changed);
        let kept = answers.iter().filter(|(name, _)| !name.ends_with("client_secret") || is_changed(name));
        let lines: String = kept.map(|(name, value)| format!("{name} = {}\n", json!(value))).collect();
        self.workplace.write_private("answers.toml", lines.as_bytes());
    }

    /// Sets up by a file with answers, the secrets in the environment.
    fn by_file(&self, changed: &[(&'static str, Option<&str>)], more: &[&str]) -> Ended {
        self.write(changed);
        let secrets = self.secrets();
        let variables: Vec<(&str, &str)> = VARIABLES.into_iter().zip(secrets.iter().map(String::as_str)).collect();
        self.workplace.couplet_with(&[&["setup", "--answers", "answers.toml"], more].concat(), &variables)
    }

    /// No secret is in any of these texts, nor in a file but those named.
    fn keeps_secrets(&self, ended: &Ended, but: &[&str]) {
        for secret in self.secrets() {
            assert!(!ended.results.contains(&secret) && !ended.errors.contains(&secret), "{ended:?}");
            for (path, text) in self.workplace.files() {
                let may = but.iter().any(|name| path.ends_with(name));
                assert!(may || !text.contains(&secret), "{}", path.display());
            }
        }
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        VARIABLES.into_iter().zip(self.secrets()).collect()
    }

    /// Calls the command with the secrets in the environment.
    fn couplet(&self, arguments: &[&str]) -> Ended {
        let variables = self.variables();
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.workplace.couplet_with(arguments, &variables)
    }

    /// Both systems are entered, and the full synchronization has ended well.
    fn is_set_up(&self) {
        let checked = self.couplet(&["check", "--json"]).object();
        assert_eq!(checked["good"], json!(true), "{checked}");
        let status = self.couplet(&["full-sync", "status", "--json"]).object();
        assert_eq!(status["finished"], json!(true), "{status}");
        let coupled = self.couplet(&["couplings", "CUSTOMER", "--json"]).object();
        assert!(coupled["total"].as_u64().is_some_and(|total| total > 0), "{coupled}");
    }
}

fn lines<'a>(answers: &'a [(&'static str, String)]) -> Vec<&'a str> {
    answers.iter().map(|(_, value)| value.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn from_an_empty_folder_to_both_systems_in_step_question_by_question() {
    let world = World::start().await;
    let answers = world.good();
    let ended = world.workplace.couplet_told(&["setup"], &[], &lines(&answers));
    assert_eq!(ended.code, 0, "{ended:?}");
    for words in [
        "/main.aspx is left out",
        "Dataverse lets the application in",
        "1  CRONUS",
        "couplet.toml is written",
        "read -rs COUPLET_ENTRA_CLIENT_SECRET && export COUPLET_ENTRA_CLIENT_SECRET",
        "read -rs COUPLET_BUSINESS_CENTRAL_CLIENT_SECRET",
    ] {
        assert!(ended.errors.contains(words), "{words}: {}", ended.errors);
    }
    assert!(
        ended.results.contains("0 bad") && ended.results.contains("mappings are synchronized"),
        "{}",
        ended.results
    );
    world.keeps_secrets(&ended, &[]);
    assert!(!world.workplace.has("couplet.setup.toml"), "nothing is left of the way");
    world.is_set_up();

    // Again: what the file says is offered, a wrong secret is asked again, and nothing is replaced without a word.
    let before = world.workplace.settings();
    let [secret, erp_secret] = world.secrets();
    let mut typed = vec![""; 6];
    typed.extend(["Wr0ng", secret.as_str(), "", "", "", "", "", erp_secret.as_str(), "", "", "", "", "", "", "no", ""]);
    let again = world.workplace.couplet_told(&["setup"], &[], &[&typed[..], &["no"]].concat());
    for words in [
        "couplet.toml is there",
        "AADSTS7000215",
        "switches.item_availability: true -> false",
        "couplet.toml is as it was",
    ] {
        assert!(again.errors.contains(words), "{words}: {}", again.errors);
    }
    assert_eq!((again.code, world.workplace.settings()), (1, before.clone()), "{}", again.errors);
    assert!(!again.errors.contains("Wr0ng"), "{}", again.errors);
    let again = world.workplace.couplet_told(&["setup", "--again"], &[], &[&typed[..], &["yes", "no"]].concat());
    assert_eq!(again.code, 0, "{again:?}");
    assert!(world.workplace.settings().contains("item_availability = false"), "{}", world.workplace.settings());
    let copy = world.workplace.files().into_iter().find(|(path, _)| path.ends_with("couplet.toml.bak"));
    assert_eq!(copy.expect("a copy").1, before);
    world.keeps_secrets(&again, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_answer_is_explained_and_asked_again() {
    let world = World::start().await;
    let good = world.good();
    let right = lines(&good);
    let mut typed = vec!["http://test1.com", "http://127.0.0.1:9", right[0], "nobody.example"];
    typed.extend(&right[2..4]);
    typed.push("by telepathy");
    typed.extend(&right[4..7]);
    typed.push(right[1]);
    typed.extend(&right[7..13]);
    typed.extend(["Prodution", right[13], "Fabrikam"]);
    typed.extend(&right[14..21]);
    typed.push("no");
    let ended = world.workplace.couplet_told(&["setup"], &[], &typed);
    for words in [
        "that is not encrypted; use https",
        "nobody answers at http://127.0.0.1:9",
        "answer one of secret, certificate, web-identity",
        "AADSTS90002",
        "give the environment's name",
        "there is no company Fabrikam in that environment; choose one of",
    ] {
        assert!(ended.errors.contains(words), "{words}: {}", ended.errors);
    }
    assert_eq!(ended.code, 0, "{}", ended.errors);
    assert!(world.workplace.has("couplet.toml") && !world.workplace.has("couplet-data"));
    world.keeps_secrets(&ended, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_where_it_was_left_or_killed() {
    let world = World::start().await;
    let good = world.good();
    let typed = lines(&good);
    let mut child = world.workplace.begin(&["setup"], &[], &typed[..10]);
    // Answers are kept before the next question is asked.
    let (mut said, mut letters) = (String::new(), BufReader::new(child.stderr.take().expect("its notes")));
    while !said.contains("Address that gives tokens for Business Central") {
        let mut letter = [0];
        assert_eq!(letters.read(&mut letter).expect("a letter"), 1, "it ended: {said}");
        said.push(char::from(letter[0]));
    }
    let kept = std::fs::read_to_string(world.workplace.path("couplet.setup.toml")).expect("what is kept");
    assert!(kept.contains("business_central.tenant"), "{kept}");
    child.kill().expect("ours");
    child.wait().expect("it ends");
    assert!(!kept.contains(&world.secrets()[0]), "{kept}");
    assert!(!world.workplace.has("couplet.toml"), "nothing is half written");

    // The secret was kept nowhere, and is asked for again; what was answered is not.
    let mut rest = vec![typed[6]];
    rest.extend(&typed[10..16]);
    let ended = world.workplace.couplet_told(&["setup"], &[], &rest);
    assert!(ended.errors.contains("going on with the answers in couplet.setup.toml"), "{}", ended.errors);
    assert!(ended.errors.contains("the input ended at the question switches.ownership"), "{}", ended.errors);
    assert_eq!(ended.code, 1);
    let mut rest = vec![typed[6], typed[12]];
    rest.extend(&typed[16..]);
    let ended = world.workplace.couplet_told(&["setup"], &[], &rest);
    assert_eq!(ended.code, 0, "{ended:?}");
    world.keeps_secrets(&ended, &[]);
    world.is_set_up();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_answers_sets_everything_up_without_a_question() {
    let world = World::start().await;
    let ended = world.by_file(&[], &[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    world.keeps_secrets(&ended, &[]);
    world.is_set_up();
    // Again, the file says so already; with something else it takes a word.
    let again = world.by_file(&[("full_sync", Some("false"))], &[]);
    assert_eq!(again.code, 0, "{again:?}");
    let other = [("switches.item_availability", Some("false")), ("full_sync", Some("false"))];
    let refused = world.by_file(&other, &[]);
    assert!(refused.errors.contains("is as it was") && refused.code == 1, "{refused:?}");
    let replaced = world.by_file(&[&other[..], &[("replace", Some("true"))]].concat(), &[]);
    assert_eq!(replaced.code, 0, "{replaced:?}");
    // Units do not change under data (S347).
    let units = world.by_file(&[("switches.unit_groups", Some("true")), ("replace", Some("true"))], &[]);
    assert!(units.failed_with_one_line().contains("couplet switch-units"));
}

/// An answer that is refused ends the command with one line, and nothing is written.
#[tokio::test(flavor = "multi_thread")]
async fn c_118_c_119_c_128_c_129_s343_s344_a_bad_answer_ends_it_with_one_line_and_its_remedy() {
    let world = World::start().await;
    for (changed, words) in [
        (&[("dataverse.url", Some("http://somedomain.dynamics.com"))][..], "not encrypted; use https"),
        (&[("dataverse.url", Some("http://127.0.0.1:9"))], "nobody answers at http://127.0.0.1:9"),
        (&[("dataverse.url", None)], "does not answer dataverse.url"),
        (&[("entra.tenant", Some("nobody.example"))], "give the tenant's id"),
        (&[("entra.client_id", Some("00000000-0000-0000-0000-000000000001"))], "give the application (client) id"),
        (&[("company", Some("Fabrikam"))], "choose one of: CRONUS"),
        (&[("business_central.environment", Some("Prodution"))], "give the environment's name"),
        (&[("switches.sales_orders", Some("legacy, bidirectional"))], "exclude each other"),
        (&[("switches.auto_create_orders", Some("true"))], "set switches.sales_orders to legacy or bidirectional"),
        (&[("switches.ownership", Some("nobody"))], "answer one of team, person"),
        (&[("entra.certificate_file", Some("x.pem"))], "proves itself in one way"),
        (
            &[
                ("secret_in", Some("file")),
                ("entra.client_secret_file", Some("no.secret")),
                ("sign_in", Some("certificate")),
            ],
            "in one way",
        ),
    ] {
        let line = world.by_file(changed, &[]).failed_with_one_line();
        assert!(line.contains(words), "{changed:?}: {line}");
        let names: Vec<_> = world.workplace.files().into_iter().map(|(path, _)| path).collect();
        assert!(names.iter().all(|path| path.ends_with("answers.toml")), "nothing else is written: {names:?}");
    }
    // A wrong secret, and none.
    world.write(&[]);
    let wrong = world.workplace.couplet_with(&["setup", "--answers", "answers.toml"], &[(VARIABLES[0], "Wr0ng")]);
    let line = wrong.failed_with_one_line();
    assert!(line.contains("AADSTS7000215") && line.contains("the secret's value") && !line.contains("Wr0ng"), "{line}");
    let none = world.workplace.couplet(&["setup", "--answers", "answers.toml"]).failed_with_one_line();
    assert!(none.contains("set the environment variable COUPLET_ENTRA_CLIENT_SECRET"), "{none}");
    world.workplace.write_private("answers.toml", b"entra.tennant = \"x\"");
    let unknown = world.workplace.couplet(&["setup", "--answers", "answers.toml"]).failed_with_one_line();
    assert!(unknown.contains("did you mean entra.tenant?"), "{unknown}");
    for (text, words) in [
        ("AuthType=ClientSecret; s3cret", "part 2 of the connection string has no `=`"),
        ("AuthType=Office365; Url=https://contoso.crm4.dynamics.com; Password=s3cret", "by password"),
    ] {
        world.workplace.write_private("string.txt", text.as_bytes());
        let ended = world.workplace.couplet(&["setup", "--connection-string", "string.txt"]);
        assert_eq!(ended.code, 1, "{ended:?}");
        let line = ended.errors;
        assert!(line.contains(words) && !line.contains("s3cret"), "{line}");
    }
    assert!(!world.workplace.has("couplet.toml") && !world.workplace.has("couplet-data"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_kept_where_the_person_wants_it_and_nowhere_else() {
    let world = World::start().await;
    let (tenant, client, secret) = world.systems.dataverse.credentials();
    let string = format!(
        "AuthType=ClientSecret; Url={}; ClientId={client}; ClientSecret={secret}",
        world.systems.dataverse.url()
    );
    world.workplace.write_private("string.txt", string.as_bytes());
    let good = world.good();
    let typed = lines(&good);
    // The address, the application, the way and the secret are in the string; the file is chosen for the secrets.
    let mut told = vec![tenant.as_str(), typed[2], "file", "", typed[7], typed[8], typed[9], typed[10], typed[11], ""];
    told.extend(&typed[12..]);
    let full_sync = told.len() - 2;
    told[full_sync] = "no";
    let ended = world.workplace.couplet_told(&["setup", "--connection-string", "string.txt"], &[], &told);
    assert_eq!(ended.code, 0, "{ended:?}");
    world.keeps_secrets(&ended, &["string.txt", "couplet.secret", "couplet.bc.secret"]);
    let settings = world.workplace.settings();
    assert!(settings.contains("client_secret_file = \"couplet.secret\""), "{settings}");
    let checked = world.workplace.couplet(&["check", "--json"]);
    assert_eq!(
        (checked.code, checked.errors.as_str()),
        (0, ""),
        "the files are found, and for their owner alone: {checked:?}"
    );

    std::fs::remove_file(world.workplace.path("couplet.secret")).expect("ours");
    let line = world.workplace.couplet(&["run", "CUSTOMER"]).failed_with_one_line();
    assert!(line.contains("the secret file couplet.secret cannot be read"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_cannot_have_the_secret_is_refused_before_anything_is_written() {
    let world = World::start().await;
    let refused = world.by_file(&[], &["--sam", "stack.toml"]).failed_with_one_line();
    assert!(refused.contains("from Secrets Manager alone"), "{refused}");
    assert!(!world.workplace.has("stack.toml"));
}

#[test]
fn c_132_a_set_up_that_is_not_there_asks_for_what_is_missing() {
    let line = Workplace::empty().couplet(&["check"]).failed_with_one_line();
    assert!(line.contains("is missing") && line.contains("couplet.toml"), "{line}");
    let example = Workplace::empty().couplet(&["setup", "--example"]);
    assert!(example.results.contains("dataverse.url = \"…\"") && example.code == 0, "{example:?}");
}
