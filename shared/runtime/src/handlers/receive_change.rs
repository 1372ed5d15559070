//! One of the systems tells of a change, or somebody pretends to.

use std::collections::BTreeSet;

use couplet_model::notification::{ChangedTable, EarlyRun, LARGEST_BODY, NotificationRequest, Refusal, Verdict, judge};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use tracing::Instrument;

use crate::door::{Notifications, Received, Told};
use crate::metrics::Metric;
use crate::wiring::Application;

/// Name of the function, in logs and metrics.
const FUNCTION: &str = "receive-change";

/// A request at the door.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeRequest {
    /// The verb.
    pub method: String,
    /// The path, as it was sent.
    pub path: String,
    /// The query without its question mark, as it was sent.
    pub query: String,
    /// Value of the header `code`.
    pub key: Option<String>,
    /// The body; `None`: it is larger than any notification and was not read.
    pub body: Option<Vec<u8>>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeAnswer {
    /// HTTP status.
    pub status: u16,
    /// Plain text; empty but for a handshake.
    pub body: String,
}

impl ChangeAnswer {
    /// The headers of every answer: a text that somebody else chose is shown by no browser as anything else.
    pub const HEADERS: [(&'static str, &'static str); 3] = [
        ("content-type", "text/plain; charset=utf-8"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
    ];

    fn of(status: u16) -> Self {
        Self { status, body: String::new() }
    }
}

/// Answers a request: a handshake with its token, a notification when the jobs that it concerns are due, and whatever else with
/// a refusal that costs nothing and is counted.
pub async fn receive_change(application: &Application, request: &ChangeRequest) -> ChangeAnswer {
    let span = tracing::info_span!("receive_change", company = %application.engine.company());
    answer(application, request).instrument(span).await
}

async fn answer(application: &Application, request: &ChangeRequest) -> ChangeAnswer {
    let Some(notifications) = &application.notifications else { return ChangeAnswer::of(404) };
    let now = application.clock.now();
    let (answer, received) = match judged(application, notifications, request).await {
        Ok(Verdict::Handshake(token)) => (ChangeAnswer { status: 200, body: token }, Received::Handshake),
        Ok(Verdict::Refused(refusal)) => (ChangeAnswer::of(refusal.status()), Received::Refused(refusal.word())),
        Ok(Verdict::Accepted(tables)) => match announce(application, notifications, tables, now).await {
            Ok(()) => (ChangeAnswer::of(200), Received::Accepted),
            // Both systems send it again.
            Err(()) => (ChangeAnswer::of(503), Received::Failed),
        },
        Err(()) => (ChangeAnswer::of(503), Received::Refused("no secret to compare with")),
    };
    let told = notifications.tally.lock().note(received, now);
    tell(application, told);
    answer
}

/// Tells what was received and not told yet, when its minute is over; for a process that goes on without further requests.
pub fn tell_received(application: &Application) {
    if let Some(notifications) = &application.notifications {
        let told = notifications.tally.lock().due(application.clock.now());
        tell(application, told);
    }
}

fn tell(application: &Application, told: Option<Told>) {
    let Some(told) = told else { return };
    let numbers =
        [Metric::count("NotificationsAccepted", told.accepted), Metric::count("NotificationsRefused", told.refused())];
    application.metrics.tell(("Function", FUNCTION), &numbers, &[]);
    if told.refused() > 0 {
        let reasons = told.reasons();
        tracing::warn!(refused = told.refused(), reasons, accepted = told.accepted, "notifications were refused");
    }
}

/// What a request is worth, by the secret as it is now: one that was exchanged is read again, at most once a minute.
async fn judged(
    application: &Application,
    notifications: &Notifications,
    request: &ChangeRequest,
) -> Result<Verdict, ()> {
    let token = value_of(&request.query, "validationToken");
    let key = value_of(&request.query, "code").or_else(|| request.key.clone());
    // One byte more than is allowed stands for what was not read.
    let too_large = vec![0; if request.body.is_none() { LARGEST_BODY + 1 } else { 0 }];
    let seen = NotificationRequest {
        method: &request.method,
        path: &request.path,
        validation_token: token.as_deref(),
        key: key.as_deref(),
        body: request.body.as_deref().unwrap_or(&too_large),
    };
    let company = application.engine.company();
    let secret = notifications.secret.get().await.map_err(drop)?;
    let verdict = judge(&seen, secret.expose_secret(), company);
    let shows_another_key = verdict == Verdict::Refused(Refusal::WrongKey);
    match shows_another_key.then_some(notifications.secret.instead_of(&secret)) {
        Some(newer) => match newer.await {
            Ok(Some(newer)) => Ok(judge(&seen, newer.expose_secret(), company)),
            Ok(None) | Err(_) => Ok(verdict),
        },
        None => Ok(verdict),
    }
}

/// The value of a name in a query.
fn value_of(query: &str, name: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.into_owned())
}

/// Has the jobs of these tables start early, unless they are due anyway.
async fn announce(
    application: &Application,
    notifications: &Notifications,
    tables: BTreeSet<ChangedTable>,
    now: Timestamp,
) -> Result<(), ()> {
    for table in tables.into_iter().filter(|table| !notifications.is_due(table, now)) {
        let alone = [table.clone()].into();
        match application.engine.announce(&alone, |job| notifications.may_start(job)).await {
            Ok(starts) => {
                let due = |start: &EarlyRun| match start {
                    EarlyRun::Now => now,
                    EarlyRun::At(due) | EarlyRun::AlreadyDue(due) => *due,
                };
                for early in starts.iter().filter(|early| !matches!(early.start, EarlyRun::AlreadyDue(_))) {
                    tracing::info!(job = early.job, due = %due(&early.start), "a notification starts a job early");
                }
                if let Some(first) = starts.iter().map(|early| due(&early.start)).min() {
                    notifications.remember(table, first);
                }
            }
            Err(error) => {
                tracing::warn!(error = error.for_log(), "a notification could not be followed; it is asked for again");
                return Err(());
            }
        }
    }
    Ok(())
}
