//! The queue delivers a batch of records to be synchronized.

use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_sqs::types::ChangeMessageVisibilityBatchRequestEntry;
use couplet_engine::{Delivery, Disposition};
use couplet_model::message::{MESSAGE_FORMAT, RecordMessage};
use tracing::Instrument;

use super::isolation::isolated;
use crate::aws_failure::in_one_line;
use crate::wiring::Application;

/// Longest pause before a message comes back; the service allows 12 hours, a person waits less gladly.
const LONGEST_RETRY: Duration = Duration::from_secs(900);
/// Messages in one request to change their visibility; the service takes no more.
const VISIBILITY_BATCH: usize = 10;

/// A message that was delivered.
struct Incoming {
    message_id: String,
    receipt_handle: Option<String>,
    receive_count: u32,
    body: Result<RecordMessage, String>,
}

/// A message that goes back into the queue.
#[derive(Debug, PartialEq, Eq)]
struct Returned {
    message_id: String,
    receipt_handle: Option<String>,
    pause: Duration,
}

/// Synchronizes the records of an event. What is named in the answer goes back into the queue and comes again after a
/// pause; everything else is done, whatever became of it.
pub async fn sync_record(application: &Application, event: SqsEvent) -> SqsBatchResponse {
    let incoming: Vec<Incoming> = event.records.into_iter().map(read).collect();
    let deliveries = incoming.iter().filter_map(delivery).collect();
    let span = tracing::info_span!("sync_record", company = %application.engine.company(), messages = incoming.len());
    let engine = application.engine.clone();
    let synchronize = move |part: Vec<Delivery>| {
        let engine = engine.clone();
        let span = tracing::Span::current();
        async move { engine.sync_batch(part).await }.instrument(span)
    };
    let dispositions = isolated(deliveries, synchronize).instrument(span).await;
    let returned = judge(&incoming, dispositions, application.first_retry);
    postpone(application, &returned).await;
    let mut response = SqsBatchResponse::default();
    response.set_failures(returned.into_iter().map(|message| message.message_id));
    response
}

fn read(message: SqsMessage) -> Incoming {
    let receive_count = message.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok());
    Incoming {
        message_id: message.message_id.unwrap_or_default(),
        receipt_handle: message.receipt_handle,
        receive_count: receive_count.unwrap_or(1),
        body: parse(message.body.as_deref().unwrap_or_default()),
    }
}

fn parse(body: &str) -> Result<RecordMessage, String> {
    let message: RecordMessage = serde_json::from_str(body).map_err(|error| error.to_string())?;
    if message.v == MESSAGE_FORMAT {
        Ok(message)
    } else {
        Err(format!("its format {} is not {MESSAGE_FORMAT}", message.v))
    }
}

fn delivery(incoming: &Incoming) -> Option<Delivery> {
    let message = incoming.body.as_ref().ok()?.clone();
    Some(Delivery { message, receive_count: incoming.receive_count })
}

/// Which messages go back, and when they come again. `dispositions` answers the readable messages, in order.
fn judge(incoming: &[Incoming], dispositions: Vec<Disposition>, first_retry: Duration) -> Vec<Returned> {
    let mut dispositions = dispositions.into_iter();
    let mut returned = Vec::new();
    for message in incoming {
        let after = match &message.body {
            Err(problem) => {
                tracing::error!(message_id = %message.message_id, "a message cannot be read: {problem}");
                None
            }
            Ok(record) => match dispositions.next() {
                Some(Disposition::Done) => continue,
                Some(Disposition::Return { reason, after }) => {
                    tracing::warn!(
                        mapping = %record.mapping, run = %record.run, record = %record.record,
                        receive_count = message.receive_count, "the record goes back into the queue: {reason}"
                    );
                    after
                }
                None => None,
            },
        };
        returned.push(Returned {
            message_id: message.message_id.clone(),
            receipt_handle: message.receipt_handle.clone(),
            pause: after.unwrap_or_else(|| back_off(message.receive_count, first_retry)).min(LONGEST_RETRY),
        });
    }
    returned
}

/// The pause after so many attempts: it doubles each time.
fn back_off(receive_count: u32, first: Duration) -> Duration {
    first.saturating_mul(1_u32.checked_shl(receive_count.saturating_sub(1)).unwrap_or(u32::MAX))
}

/// Tells the queue when the messages shall come again. If that fails they come when their visibility ends.
async fn postpone(application: &Application, returned: &[Returned]) {
    for chunk in returned.chunks(VISIBILITY_BATCH) {
        let entries: Vec<_> = chunk
            .iter()
            .enumerate()
            .filter_map(|(index, message)| {
                let seconds = i32::try_from(message.pause.as_secs()).unwrap_or(i32::MAX);
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(index.to_string())
                    .receipt_handle(message.receipt_handle.as_ref()?)
                    .visibility_timeout(seconds)
                    .build()
                    .ok()
            })
            .collect();
        if entries.is_empty() {
            continue;
        }
        let request = application.cloud.sqs.change_message_visibility_batch().queue_url(&application.cloud.queue_url);
        if let Err(error) = request.set_entries(Some(entries)).send().await {
            tracing::warn!("the pause of returned messages could not be set: {}", in_one_line(&error));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(30);

    fn event() -> Vec<Incoming> {
        let event: SqsEvent = serde_json::from_str(include_str!("fixtures/sync-record.json")).expect("the event");
        event.records.into_iter().map(read).collect()
    }

    fn ids(returned: &[Returned]) -> Vec<&str> {
        returned.iter().map(|message| message.message_id.as_str()).collect()
    }

    #[test]
    fn a_message_that_cannot_be_read_fails_alone() {
        let incoming = event();
        assert_eq!(incoming.iter().filter_map(delivery).count(), 2);
        let returned = judge(&incoming, vec![Disposition::Done, Disposition::Done], FIRST);
        assert_eq!(ids(&returned), ["poison", "newer-format"]);
    }

    #[test]
    fn a_returned_record_comes_again_later_with_every_attempt() {
        let incoming = event();
        let back = || Disposition::Return { reason: "Dataverse failed for the moment".to_owned(), after: None };
        let returned = judge(&incoming, vec![back(), back()], FIRST);
        assert_eq!(ids(&returned), ["first", "poison", "third", "newer-format"]);
        assert_eq!(returned[0].pause, FIRST);
        assert_eq!(returned[2].pause, FIRST * 4, "it was received three times");
    }

    #[test]
    fn a_pause_the_system_asked_for_is_kept_within_reason() {
        let incoming = event();
        let after = |seconds| Disposition::Return { reason: String::new(), after: Some(Duration::from_secs(seconds)) };
        let returned = judge(&incoming, vec![after(0), after(100_000)], FIRST);
        assert_eq!(returned[0].pause, Duration::ZERO);
        assert_eq!(returned[2].pause, LONGEST_RETRY);
    }

    #[test]
    fn an_answer_that_is_missing_is_no_success() {
        assert_eq!(ids(&judge(&event(), vec![Disposition::Done], FIRST)), ["poison", "third", "newer-format"]);
    }

    #[test]
    fn the_pause_does_not_overflow() {
        assert_eq!(back_off(1, FIRST), FIRST);
        assert_eq!(back_off(4, FIRST), FIRST * 8);
        assert!(back_off(4_000_000, FIRST) > LONGEST_RETRY);
    }
}
