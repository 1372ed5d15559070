//! A made-up installation behind the console: empty or full, and what was asked of it.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use couplet_console::{
    Act, Answer, Conflict, Counts, DeadLetters, Done, Failures, Guard, JobLine, Jobs, Listed, MappingDetails,
    MappingLine, Mappings, Operator, Overview, Pairs, Refusal, Search, Story, SystemRequests, Waiting, router,
};
use couplet_engine::{JobPlan, Named, RecordStory};
use couplet_model::catalogue::MappingDirection;
use couplet_model::coupling::{Coupling, CouplingState, LastResult};
use couplet_model::field_rule::FieldRule;
use couplet_model::history::{Cause, FieldReason, HistoryEntry, HistoryOutcome, Origin};
use couplet_model::ids::{CompanyId, DataverseId, MappingName, RecordId, RunId, SystemId};
use couplet_model::job::{Job, JobState, Run, Trigger};
use couplet_model::message::{Direction, MESSAGE_FORMAT, RecordMessage, SyncOptions};
use couplet_model::outcome::{Counters, Dependency, FieldConflict};
use couplet_model::table::Side;
use couplet_runtime::replay::{QueueName, ReplayOutcome, ReportedDeadLetter};
use couplet_store::{ErrorKind, ErrorRecord, Failure, FailureKind, Wait};
use jiff::Timestamp;
use tower::ServiceExt;
use uuid::Uuid;

/// What a customer is called whose name is a script.
pub const SCRIPT: &str = "<script>alert(1)</script>";
/// The host that a browser of this machine names.
pub const HOST: &str = "127.0.0.1:7788";
/// All pages, each with what it may be asked for.
pub const PAGES: [&str; 18] = [
    "/",
    "/jobs",
    "/runs",
    "/runs?job=CUSTOMER",
    "/conflicts",
    "/conflicts?mapping=CUSTOMER",
    "/errors",
    "/errors?mapping=CUSTOMER",
    "/waiting",
    "/skipped",
    "/skipped?mapping=CUSTOMER",
    "/dead-letters",
    "/couplings",
    "/couplings?mapping=CUSTOMER&side=bc&name=10000",
    "/history",
    "/history?mapping=CUSTOMER&side=bc&name=10000",
    "/mappings",
    "/mappings?mapping=CUSTOMER",
];

/// What the installation holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    Nothing,
    Everything,
    /// It cannot be reached.
    Unreachable,
}

pub struct Made {
    holds: Holds,
    /// What was carried out.
    pub acts: Mutex<Vec<Act>>,
}

fn now() -> Timestamp {
    "2026-03-02T12:00:00Z".parse().expect("a time")
}

fn earlier() -> Timestamp {
    "2026-03-02T11:57:00Z".parse().expect("a time")
}

pub fn id(number: u128) -> RecordId {
    RecordId(Uuid::from_u128(number))
}

fn mapping() -> MappingName {
    MappingName::from("CUSTOMER")
}

fn run_id() -> RunId {
    RunId(Uuid::from_u128(77))
}

fn run() -> Run {
    let counters =
        Counters { inserted: 3, modified: 2, unchanged: 1_500, failed: 1, waiting: 1, ..Counters::default() };
    Run {
        found: Some(earlier()),
        enqueued: 10,
        processed: 7,
        counters,
        message: Some(format!("about {SCRIPT}")),
        ..Run::begun(run_id(), "CUSTOMER", Trigger::Manual, earlier())
    }
}

fn job() -> JobLine {
    let plan = JobPlan {
        name: "CUSTOMER".to_owned(),
        description: format!("Customers {SCRIPT}"),
        direction: Some(MappingDirection::Bidirectional),
        function: "run-job".to_owned(),
        every_minutes: Some(30),
        inactivity_minutes: 0,
        cursors: Vec::new(),
        ready: Ok(()),
    };
    let job = Job { state: JobState::InProcess, message: Some(SCRIPT.to_owned()), ..Job::new("CUSTOMER") };
    JobLine { plan, job: Some(job), last: Some(run()), waiting: Some(1) }
}

fn failure(kind: FailureKind) -> Failure {
    Failure {
        mapping: mapping(),
        direction: Direction::ToDataverse,
        record: id(1),
        other: Some(id(2)),
        label: format!("10000 {SCRIPT}"),
        run: run_id(),
        first_at: earlier(),
        at: now(),
        attempts: 3,
        kind,
        field: Some("Name".to_owned()),
        message: format!("the name {SCRIPT} is too long"),
        conflicts: vec![FieldConflict {
            business_central: "Name".to_owned(),
            business_central_value: SCRIPT.to_owned(),
            dataverse: "Account Name".to_owned(),
            dataverse_value: "Adatum \"and\" Sons".to_owned(),
        }],
        options: SyncOptions::default(),
        retry_at: None,
        gone: None,
    }
}

fn pair(skipped: bool) -> Coupling {
    let result = LastResult { run: run_id(), at: earlier(), failure: Some(SCRIPT.to_owned()) };
    Coupling {
        key: Some(format!("10000 {SCRIPT}")),
        skipped,
        to_dataverse: Some(result),
        ..Coupling::new(SystemId(id(1).0), DataverseId(id(2).0), CouplingState::Coupled)
    }
}

fn wait() -> Wait {
    let message = RecordMessage {
        v: MESSAGE_FORMAT,
        company: CompanyId(Uuid::from_u128(9)),
        mapping: mapping(),
        direction: Direction::ToDataverse,
        record: id(1),
        job: "CUSTOMER".to_owned(),
        run: run_id(),
        options: SyncOptions::default(),
        snapshot: None,
        replay: None,
        wish: None,
    };
    Wait {
        dependency: Dependency { mapping: mapping(), side: Side::BusinessCentral, key: SCRIPT.to_owned() },
        message,
        label: SCRIPT.to_owned(),
        field: "Salesperson".to_owned(),
        value: SCRIPT.to_owned(),
        since: Some(earlier()),
    }
}

fn entry() -> HistoryEntry {
    HistoryEntry {
        at: earlier(),
        run: run_id(),
        job: "CUSTOMER".to_owned(),
        direction: Direction::FromDataverse,
        business_central: Some(id(1)),
        dataverse: Some(id(2)),
        former: None,
        outcome: HistoryOutcome::Modified,
        cause: Cause::Changed,
        message: Some(SCRIPT.to_owned()),
        fields: vec![FieldReason {
            source: Some("name".to_owned()),
            destination: "displayName".to_owned(),
            source_value: Some(SCRIPT.to_owned()),
            destination_value: Some("of Business Central".to_owned()),
            base: Some("agreed".to_owned()),
            written: Some(SCRIPT.to_owned()),
            rule: FieldRule::EarlierAttempt,
            origin: Origin::Field,
        }],
        more_fields: 2,
        change: 0,
    }
}

fn letter(message: &str, unreadable: bool) -> ReportedDeadLetter {
    ReportedDeadLetter {
        queue: QueueName::Records,
        outcome: if unreadable { ReplayOutcome::Unreadable } else { ReplayOutcome::Moved },
        message_id: message.to_owned(),
        sent: Some(earlier()),
        reason: Some(format!("Dataverse is down {SCRIPT}")),
        died: Some(now()),
        unreadable: unreadable.then(|| SCRIPT.to_owned()),
        mapping: (!unreadable).then(mapping),
        direction: (!unreadable).then_some(Direction::ToDataverse),
        record: (!unreadable).then(|| id(1)),
        job: None,
        run: None,
        invocation: None,
        brought_back_by: None,
    }
}

impl Made {
    fn all<T>(&self, make: impl FnOnce() -> Vec<T>) -> Answer<Vec<T>> {
        match self.holds {
            Holds::Nothing => Ok(Vec::new()),
            Holds::Everything => Ok(make()),
            Holds::Unreachable => Err(Refusal(format!("the store cannot be reached {SCRIPT}; try again"))),
        }
    }
}

#[async_trait]
impl Operator for Made {
    fn place(&self) -> String {
        format!("here {SCRIPT}")
    }

    fn now(&self) -> Timestamp {
        now()
    }

    async fn mapping_names(&self) -> Answer<Vec<String>> {
        self.all(|| vec!["CUSTOMER".to_owned(), SCRIPT.to_owned()])
    }

    async fn overview(&self) -> Answer<Overview> {
        let counts = match self.holds {
            Holds::Everything => Counts { failed: 1, conflicts: 1, waiting: 1, dead_letters: Some(2) },
            _ => Counts::default(),
        };
        let requests = self.all(|| vec![SystemRequests { side: Side::Dataverse, requests: 5, throttled: 1 }])?;
        let runs = self.all(|| vec![run(), Run { finished: Some(now()), ..run() }])?;
        Ok(Overview { jobs: self.jobs().await?, counts, runs, runs_since: None, requests })
    }

    async fn jobs(&self) -> Answer<Jobs> {
        let lines = self.all(|| vec![job()])?;
        let stands_still = (!lines.is_empty()).then(|| SCRIPT.to_owned());
        Ok(Jobs { lines, stands_still, disabled: None })
    }

    async fn runs(&self, _: Option<&str>) -> Answer<Vec<Run>> {
        self.all(|| vec![run(), Run { finished: Some(now()), ..run() }])
    }

    async fn failures(&self, _: Option<&str>) -> Answer<Failures> {
        let open = self.all(|| vec![failure(FailureKind::Data), failure(FailureKind::Waiting)])?;
        let error = || ErrorRecord {
            run: run_id(),
            job: "CUSTOMER".to_owned(),
            mapping: mapping(),
            direction: Direction::FromDataverse,
            record: id(2),
            other: None,
            label: SCRIPT.to_owned(),
            at: earlier(),
            field: Some(SCRIPT.to_owned()),
            message: SCRIPT.to_owned(),
            kind: ErrorKind::Altered,
        };
        Ok(Failures { open: Listed { total: open.len() + 5, shown: open }, latest: self.all(|| vec![error()])? })
    }

    async fn conflicts(&self, _: Option<&str>) -> Answer<Listed<Conflict>> {
        let conflict = |failure: Failure| Conflict {
            record: Some(id(1)),
            row: Some(id(2)),
            bases: failure.conflicts.iter().map(|_| Some("what both last had".to_owned())).collect(),
            failure,
        };
        let by_rules = || Failure { conflicts: Vec::new(), ..failure(FailureKind::Conflict) };
        let all = self.all(|| vec![conflict(failure(FailureKind::Conflict)), conflict(by_rules())])?;
        Ok(Listed::first(all, 100))
    }

    async fn waiting(&self, _: Option<&str>) -> Answer<Listed<Waiting>> {
        let waiting = || Waiting { wait: wait(), released_by: format!("the job of {SCRIPT}") };
        Ok(Listed::first(self.all(|| vec![waiting()])?, 100))
    }

    async fn couplings(&self, _: &str, search: &Search) -> Answer<Pairs> {
        let shown = self.all(|| vec![pair(search.skipped), pair(true)])?;
        let uncoupled = self.all(|| vec![Named { id: id(3), label: SCRIPT.to_owned() }])?;
        let next = (!shown.is_empty()).then(|| "3#x&y=\"".to_owned());
        Ok(Pairs { mapping: mapping(), total: shown.len() as u64, shown, uncoupled, next })
    }

    async fn history(&self, _: &str, side: Side, name: &str) -> Answer<Story> {
        let story = RecordStory {
            coupling: self.all(|| vec![pair(false)])?.pop(),
            failures: self.all(|| vec![failure(FailureKind::Fields)])?,
            waits: self.all(|| vec![wait()])?,
            entries: self.all(|| vec![entry()])?,
        };
        Ok(Story { mapping: mapping(), side, record: Named { id: id(1), label: format!("{name} {SCRIPT}") }, story })
    }

    async fn mappings(&self) -> Answer<Mappings> {
        let line = || MappingLine {
            name: SCRIPT.to_owned(),
            business_central: "Customer".to_owned(),
            dataverse: "account".to_owned(),
            direction: "both ways".to_owned(),
            only_coupled: true,
            fields: 12,
            origin: "added".to_owned(),
        };
        Ok(Mappings {
            revision: "revision 3 of the mappings is in force".to_owned(),
            lines: self.all(|| vec![line()])?,
        })
    }

    async fn mapping(&self, name: &str) -> Answer<MappingDetails> {
        let facts = self.all(|| vec![("filter".to_owned(), SCRIPT.to_owned())])?;
        let rows = self.all(|| vec![[SCRIPT.to_owned(), "both ways".to_owned(), "yes".to_owned(), String::new()]])?;
        Ok(MappingDetails { name: name.to_owned(), facts, rows })
    }

    async fn dead_letters(&self) -> Answer<DeadLetters> {
        let letters = self.all(|| vec![letter("m1", false), letter("m2", true)])?;
        let remark = letters.is_empty().then(|| SCRIPT.to_owned());
        Ok(DeadLetters { letters, labels: BTreeMap::from([(id(1), format!("10000 {SCRIPT}"))]), remark })
    }

    async fn act(&self, act: &Act) -> Done {
        self.acts.lock().expect("a lock").push(act.clone());
        Done::well(format!("1 modified {SCRIPT}"))
    }
}

/// A browser that was let in, and the console it looks at.
pub struct Browser {
    pub made: Arc<Made>,
    router: Router,
    pub cookie: String,
    pub token: String,
    pub entrance: String,
}

/// An answer.
#[derive(Debug)]
pub struct Answered {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Browser {
    /// Opens the printed address of a console.
    pub async fn enter(holds: Holds) -> Self {
        let made = Arc::new(Made { holds, acts: Mutex::default() });
        let guard = Guard::new(7788);
        let entrance = guard.entrance();
        let router = router(Arc::<Made>::clone(&made), guard);
        let mut browser = Self { made, router, cookie: String::new(), token: String::new(), entrance };
        let entered = browser.get(&browser.entrance.clone()).await;
        assert_eq!(entered.status, StatusCode::OK, "{entered:?}");
        let cookie = entered.headers[header::SET_COOKIE].to_str().expect("text");
        browser.cookie = cookie.split(';').next().expect("a cookie").to_owned();
        // A page with forms holds the token, whatever else there is.
        if holds == Holds::Everything {
            let page = browser.get("/jobs").await.body;
            let after = page.split(r#"name="token" value=""#).nth(1).expect("a form");
            browser.token = after.split('"').next().expect("a token").to_owned();
        }
        browser
    }

    pub async fn get(&self, path: &str) -> Answered {
        self.ask("GET", path, &[], String::new()).await
    }

    /// Sends a form as the pages do.
    pub async fn post(&self, fields: &[(&str, &str)]) -> Answered {
        let origin = format!("http://{HOST}");
        self.ask("POST", "/act", &[("origin", &origin)], form(fields)).await
    }

    /// Asks with headers beside those of the browser; one of the same name takes the place of its own.
    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: String) -> Answered {
        let own =
            [("host", HOST), ("cookie", self.cookie.as_str()), ("content-type", "application/x-www-form-urlencoded")];
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in own.iter().filter(|(name, _)| !headers.iter().any(|(other, _)| other == name)) {
            request = request.header(*name, *value);
        }
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body)).expect("a request");
        let answer = self.router.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = answer.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a body");
        let body = String::from_utf8(body.to_vec()).expect("text");
        Answered { status: parts.status, headers: parts.headers, body }
    }

    /// The fields of a form that retries a record, as the page of the errors has it.
    pub fn retry<'a>(&'a self, record: &'a str) -> Vec<(&'a str, &'a str)> {
        vec![
            ("token", self.token.as_str()),
            ("back", "/errors?mapping=CUSTOMER&act=3"),
            ("act", "retry"),
            ("mapping", "CUSTOMER"),
            ("side", "bc"),
            ("record", record),
            ("label", "10000"),
        ]
    }

    pub fn acts(&self) -> Vec<Act> {
        self.made.acts.lock().expect("a lock").clone()
    }
}

pub fn form(fields: &[(&str, &str)]) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    form.finish()
}
