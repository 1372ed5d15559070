//! The queue delivers a batch of records to be synchronized.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use couplet_engine::{Delivery, Disposition, GroupReport};
use couplet_model::Said;
use couplet_model::message::{MESSAGE_FORMAT, RecordMessage};
use parking_lot::Mutex;
use tracing::Instrument;

use super::isolation::isolated;
use super::reading::{cannot_be_read, unreadable};
use super::returning::{Envelope, Postponed, Returned, give_back, postpone};
use crate::metrics::{Metric, Metrics};
use crate::wiring::{Application, Retries};

/// Records named in one line of the log; the others follow with `debug`.
const NAMED_RECORDS: usize = 10;

/// A message that was delivered.
struct Incoming {
    envelope: Envelope,
    body: Result<RecordMessage, Said>,
}

/// A record, or a message that is none, that goes back.
struct Back<'a> {
    message: Returned,
    record: Option<&'a RecordMessage>,
}

/// What goes back of a batch.
#[derive(Default)]
struct Judged<'a> {
    back: Vec<Back<'a>>,
    waiting: Vec<Postponed>,
}

/// Synchronizes the records of an event. What is named in the answer goes back into the queue and comes again after a
/// pause; everything else is done, whatever became of it.
pub async fn sync_record(application: &Application, event: SqsEvent) -> SqsBatchResponse {
    let incoming: Vec<Incoming> = event.records.iter().map(read).collect();
    let deliveries = incoming.iter().filter_map(delivery).collect();
    let span = tracing::info_span!("sync_record", company = %application.engine.company());
    let engine = application.engine.clone();
    let groups: Arc<Mutex<Vec<GroupReport>>> = Arc::default();
    let reports = Arc::clone(&groups);
    let synchronize = move |part: Vec<Delivery>| {
        let engine = engine.clone();
        let reports = Arc::clone(&reports);
        async move {
            let report = engine.sync_batch(part).await;
            reports.lock().extend(report.groups);
            report.dispositions
        }
        .in_current_span()
    };
    let messages = incoming.len();
    async move {
        let dispositions = isolated(deliveries, synchronize).await;
        let Judged { back, waiting } = judge(&incoming, dispositions, application.retries);
        log(&back);
        log_waiting(&waiting);
        let groups = std::mem::take(&mut *groups.lock());
        measure(&application.metrics, messages, &groups, &back);
        let queue_url = &application.cloud.queue_url;
        let mut returned: Vec<Returned> = back.into_iter().map(|back| back.message).collect();
        returned.extend(postpone(application, queue_url, waiting).await);
        give_back(application, queue_url, returned).await
    }
    .instrument(span)
    .await
}

fn read(message: &SqsMessage) -> Incoming {
    Incoming { envelope: Envelope::of(message), body: parse(message.body.as_deref().unwrap_or_default()) }
}

fn parse(body: &str) -> Result<RecordMessage, Said> {
    let message: RecordMessage = serde_json::from_str(body).map_err(|error| unreadable(&error))?;
    if message.v == MESSAGE_FORMAT {
        Ok(message)
    } else {
        Err(Said::safe(format!("its format {} is not {MESSAGE_FORMAT}", message.v)))
    }
}

fn delivery(incoming: &Incoming) -> Option<Delivery> {
    let message = incoming.body.as_ref().ok()?.clone();
    Some(Delivery { message, receive_count: incoming.envelope.receive_count })
}

/// Which messages go back, and when they come again. `dispositions` answers the readable messages, in order.
fn judge(incoming: &[Incoming], dispositions: Vec<Disposition>, retries: Retries) -> Judged<'_> {
    let mut dispositions = dispositions.into_iter();
    let mut judged = Judged::default();
    for message in incoming {
        let (record, reason, after) = match &message.body {
            Err(problem) => (None, cannot_be_read("the message", problem), None),
            Ok(record) => match dispositions.next() {
                Some(Disposition::Done) => continue,
                Some(Disposition::Return { reason, after }) => (Some(record), reason, after),
                Some(Disposition::Postpone { reason, after }) => match later(record) {
                    Ok(body) => {
                        let envelope = message.envelope.clone();
                        match Postponed::or_returned(retries, envelope, body, reason, after) {
                            Ok(waiting) => judged.waiting.push(waiting),
                            Err(message) => judged.back.push(Back { message, record: Some(record) }),
                        }
                        continue;
                    }
                    Err(_) => (Some(record), Said::from("it waits, and cannot be sent anew"), Some(after)),
                },
                None => (Some(record), Said::from("it was not answered for"), None),
            },
        };
        let message = Returned::new(retries, message.envelope.clone(), reason, after);
        judged.back.push(Back { message, record });
    }
    judged
}

/// The message to send for a record that waits. It travels without its snapshot: the worker it waits for is changing
/// what that shows.
fn later(record: &RecordMessage) -> Result<String, serde_json::Error> {
    serde_json::to_string(&RecordMessage { snapshot: None, ..record.clone() })
}

/// One line per worker that is waited for.
fn log_waiting(waiting: &[Postponed]) {
    let mut groups: BTreeMap<&str, (usize, Duration)> = BTreeMap::new();
    for message in waiting {
        let (records, pause) = groups.entry(message.reason.for_log()).or_default();
        *records += 1;
        *pause = message.pause.max(*pause);
    }
    for (reason, (records, pause)) in groups {
        tracing::info!(records, seconds = pause.as_secs(), "records wait: {reason}");
    }
}

/// One line per reason and run, not one per record: an outage returns thousands for one reason.
fn log(back: &[Back<'_>]) {
    let mut groups: BTreeMap<(&str, bool, Option<String>), Vec<&Back<'_>>> = BTreeMap::new();
    for back in back {
        let run = back.record.map(|record| format!("{} {} {}", record.mapping, record.direction, record.run));
        groups.entry((back.message.reason.for_log(), back.message.is_given_up, run)).or_default().push(back);
        if let Some(record) = back.record {
            tracing::debug!(
                mapping = %record.mapping, direction = record.direction.as_str(), run = %record.run,
                record = %record.record, message_id = back.message.envelope.message_id,
                receive_count = back.message.envelope.receive_count, "record returned: {}", back.message.reason.for_log()
            );
        }
    }
    for ((reason, is_given_up, _), group) in groups {
        let records = group.len();
        let receive_count = group.iter().map(|back| back.message.envelope.receive_count).max();
        let first = group.first().and_then(|back| back.record);
        let Some(record) = first else {
            let ids = listed(group.iter().map(|back| back.message.envelope.message_id.clone()));
            tracing::error!(message_id = ids, receive_count, "{reason}");
            continue;
        };
        let ids = listed(group.iter().filter_map(|back| back.record).map(|record| record.record.to_string()));
        let (mapping, direction, run) = (&record.mapping, record.direction.as_str(), record.run);
        if is_given_up {
            tracing::error!(
                %mapping, direction, %run, record = ids, records, receive_count,
                "records become dead letters: {reason}"
            );
        } else {
            tracing::warn!(
                %mapping, direction, %run, record = ids, records, receive_count,
                "records go back into the queue: {reason}"
            );
        }
    }
}

/// The first few, separated by blanks.
fn listed(ids: impl Iterator<Item = String>) -> String {
    ids.take(NAMED_RECORDS).collect::<Vec<_>>().join(" ")
}

/// What became of the batch, in numbers.
fn measure(metrics: &Metrics, messages: usize, groups: &[GroupReport], back: &[Back<'_>]) {
    let given_up = back.iter().filter(|back| back.message.is_given_up).count() as u64;
    let batch = [Metric::count("BatchSize", messages as u64), Metric::count("DeadLetters", given_up)];
    metrics.tell(("Function", "sync-record"), &batch, &[]);
    for group in groups {
        let beside = [
            ("mapping", group.mapping.to_string()),
            ("direction", group.direction.as_str().to_owned()),
            ("run", group.run.to_string()),
        ];
        let counts = [
            ("Inserted", group.outcomes.inserted),
            ("Modified", group.outcomes.modified),
            ("Unchanged", group.outcomes.unchanged),
            ("Ignored", group.outcomes.ignored),
            ("Skipped", group.outcomes.skipped),
            ("Failed", group.outcomes.failed),
            ("Waiting", group.outcomes.waiting),
            ("Returned", group.returned),
            ("Outages", group.outages),
        ];
        let happened = counts.into_iter().filter(|(_, count)| *count > 0);
        let outcomes: Vec<Metric> = happened.map(|(name, count)| Metric::count(name, count)).collect();
        metrics.tell(("Direction", group.direction.as_str()), &outcomes, &beside);
        let lags = group.lags.iter().map(|lag| u64::try_from(lag.as_millis()).unwrap_or(0)).collect();
        metrics.tell(("Mapping", group.mapping.as_str()), &[Metric::durations("Lag", lags)], &beside);
    }
}

#[cfg(test)]
mod tests {
    use couplet_model::Counters;
    use couplet_model::ids::{MappingName, RunId};
    use couplet_model::message::Direction;
    use jiff::SignedDuration;
    use serde_json::Value;

    use super::*;

    const RETRIES: Retries = Retries { first: Duration::from_secs(30), max_receives: 5 };

    fn event() -> Vec<Incoming> {
        let event: SqsEvent = serde_json::from_str(include_str!("fixtures/sync-record.json")).expect("the event");
        event.records.iter().map(read).collect()
    }

    fn ids(incoming: &[Incoming], dispositions: Vec<Disposition>) -> Vec<String> {
        let back = judge(incoming, dispositions, RETRIES).back;
        back.into_iter().map(|back| back.message.envelope.message_id).collect()
    }

    #[test]
    fn a_message_that_cannot_be_read_fails_alone() {
        let incoming = event();
        assert_eq!(incoming.iter().filter_map(delivery).count(), 2);
        assert_eq!(ids(&incoming, vec![Disposition::Done, Disposition::Done]), ["poison", "newer-format"]);
    }

    #[test]
    fn a_returned_record_comes_again_later_with_every_attempt() {
        let incoming = event();
        let down = || Disposition::Return { reason: "Dataverse failed for the moment".into(), after: None };
        let back = judge(&incoming, vec![down(), down()], RETRIES).back;
        let pauses: Vec<_> =
            back.iter().map(|back| (back.message.envelope.message_id.as_str(), back.message.pause.as_secs())).collect();
        assert_eq!(pauses, [("first", 30), ("poison", 60), ("third", 120), ("newer-format", 30)]);
        assert_eq!(back[0].message.reason, "Dataverse failed for the moment");
    }

    #[test]
    fn f24_a_record_that_waits_for_another_worker_is_sent_anew_without_its_snapshot() {
        let incoming = event();
        let wait = || Disposition::Postpone { reason: "held".into(), after: Duration::from_millis(178_400) };
        let judged = judge(&incoming, vec![wait(), Disposition::Done], RETRIES);
        assert_eq!(judged.waiting.len(), 1);
        let sent: RecordMessage = serde_json::from_str(&judged.waiting[0].body).expect("a record message");
        let first = incoming[0].body.as_ref().expect("readable");
        assert_eq!(sent, RecordMessage { snapshot: None, ..first.clone() });
        let back: Vec<_> = judged.back.iter().map(|back| back.message.envelope.message_id.as_str()).collect();
        assert_eq!(back, ["poison", "newer-format"], "the one that waits does not go back as an attempt");
    }

    #[test]
    fn an_answer_that_is_missing_is_no_success() {
        assert_eq!(ids(&event(), vec![Disposition::Done]), ["poison", "third", "newer-format"]);
    }

    #[test]
    fn metrics_tell_what_happened_and_leave_out_what_did_not() {
        let told: Arc<Mutex<Vec<Value>>> = Arc::default();
        let lines = Arc::clone(&told);
        let metrics = Metrics::to("Couplet", couplet_model::Clock::default(), move |line| {
            lines.lock().push(serde_json::from_str(line).expect("JSON"));
        });
        let group = GroupReport {
            mapping: MappingName::from("CUSTOMER"),
            direction: Direction::ToDataverse,
            run: RunId(uuid::Uuid::nil()),
            outcomes: Counters { modified: 2, ..Counters::default() },
            returned: 1,
            outages: 0,
            lags: vec![SignedDuration::from_millis(1500), SignedDuration::from_millis(700)],
        };
        measure(&metrics, 3, &[group], &[]);
        let told = told.lock();
        assert_eq!(told.len(), 3);
        assert_eq!(told[0]["BatchSize"].as_u64(), Some(3));
        assert_eq!((told[1]["Modified"].as_u64(), told[1]["Returned"].as_u64()), (Some(2), Some(1)));
        assert_eq!(told[1].get("Inserted"), None);
        assert_eq!(told[1]["Direction"], "to_dataverse");
        assert_eq!(told[2]["Lag"].to_string(), "[700,1500]");
        assert_eq!(told[2]["Mapping"], "CUSTOMER");
    }
}
