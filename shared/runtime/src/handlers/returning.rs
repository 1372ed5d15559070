//! Messages that go back into their queue: when they come again, and what is kept of those that do not.
//!
//! A message whose attempt failed is *returned*: it stays the same message, its delivery counts, and after the last one
//! the queue gives it up. A message that found another worker at its record or run, a system that does not answer, or all
//! jobs standing still, is *postponed*: nothing was tried, so it is sent anew, to be delivered after a pause, and the one
//! that was delivered is done with. Its deliveries are counted from the beginning. Its waits are counted too, so that no
//! loop is without end: a message that has waited for weeks is returned like one whose attempt failed.

use std::time::{Duration, Instant};

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsMessage};
use aws_sdk_sqs::types::ChangeMessageVisibilityBatchRequestEntry;
use couplet_model::{RetrySchedule, Said};
use couplet_store::DeadLetter;

use crate::aws_failure::in_one_line;
use crate::queue::{Later, WAITS, in_requests, send_later};
use crate::wiring::{Application, Retries};

/// Longest pause before a message comes back; the service allows 12 hours, a person waits less gladly.
const LONGEST_RETRY: Duration = Duration::from_secs(900);
/// Longest pause that a system can ask for: the service hides a message for 12 hours at most, counted from its delivery.
const LONGEST_ASKED: Duration = Duration::from_secs(11 * 3600);
/// Messages in one request to change their visibility; the service takes no more.
const VISIBILITY_BATCH: usize = 10;
/// Waits after which a message is returned instead: at the five minutes of an outage, more than 17 days. Lambda's own
/// detection of loops is switched off for the functions that send messages to themselves.
const MOST_WAITS: u32 = 5000;
/// What a postponed message waits longer than it must: the clocks of two machines differ by less.
const CLOCKS_DIFFER: Duration = Duration::from_secs(1);

/// What the queue says about a message it delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Envelope {
    pub message_id: String,
    pub receipt_handle: Option<String>,
    pub receive_count: u32,
    /// How often it was sent anew, to wait, before this delivery.
    pub waits: u32,
}

impl Envelope {
    pub fn of(message: &SqsMessage) -> Self {
        let receive_count = message.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok());
        let waits = message.message_attributes.get(WAITS).and_then(|waits| waits.string_value.as_ref()?.parse().ok());
        Self {
            message_id: message.message_id.clone().unwrap_or_default(),
            receipt_handle: message.receipt_handle.clone(),
            receive_count: receive_count.unwrap_or(1),
            waits: waits.unwrap_or(0),
        }
    }
}

/// A message that goes back into its queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Returned {
    pub envelope: Envelope,
    /// Why.
    pub reason: Said,
    /// Until it comes again.
    pub pause: Duration,
    /// Whether it does not: the queue moves it to the dead letters.
    pub is_given_up: bool,
}

impl Returned {
    /// Gives a message back, after a pause that was asked for, or one that doubles with every attempt.
    pub fn new(retries: Retries, envelope: Envelope, reason: impl Into<Said>, after: Option<Duration>) -> Self {
        let is_given_up = envelope.receive_count >= retries.max_receives;
        let pause = match after {
            // The queue sees that its receives are used up only when it would deliver it again.
            _ if is_given_up => Duration::ZERO,
            Some(after) => after.min(LONGEST_ASKED),
            None => RetrySchedule::new(retries.first, LONGEST_RETRY).pause(envelope.receive_count),
        };
        Self { envelope, reason: reason.into(), pause, is_given_up }
    }
}

/// A message that found another worker at its record or run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Postponed {
    pub envelope: Envelope,
    /// What is to be delivered later.
    pub body: String,
    /// Who is waited for.
    pub reason: Said,
    /// Until it is delivered.
    pub pause: Duration,
}

impl Postponed {
    /// Lets a message wait until another worker must be done. One that has waited too often is returned instead, with
    /// the same pause: from now on its deliveries are attempts.
    pub fn or_returned(
        retries: Retries,
        envelope: Envelope,
        body: String,
        reason: impl Into<Said>,
        after: Duration,
    ) -> Result<Self, Returned> {
        let reason = reason.into();
        let pause = after.saturating_add(CLOCKS_DIFFER).min(LONGEST_RETRY);
        if envelope.waits >= MOST_WAITS {
            let waits = format!("; it has waited {} times and is no longer waited for", envelope.waits);
            let reason = reason.followed_by(&waits);
            return Err(Returned::new(retries, envelope, reason, Some(pause)));
        }
        Ok(Self { envelope, body, reason, pause })
    }

    /// What is sent.
    fn later(&self) -> Later {
        Later {
            body: self.body.clone(),
            delay_seconds: whole_seconds(self.pause),
            waits: self.envelope.waits.saturating_add(1),
        }
    }
}

/// A pause in the whole seconds queues count in, rounded up: a message that comes too early comes in vain.
fn whole_seconds(pause: Duration) -> i32 {
    let started = u64::from(pause.subsec_nanos() > 0);
    i32::try_from(pause.as_secs().saturating_add(started)).unwrap_or(i32::MAX)
}

/// Sends postponed messages anew. Those that cannot be sent are returned instead: they must not be lost, and their
/// pause is the same.
///
/// In between both are in the queue, which is a record delivered twice.
pub(super) async fn postpone(application: &Application, queue_url: &str, postponed: Vec<Postponed>) -> Vec<Returned> {
    let mut left = Vec::new();
    for request in in_requests(postponed, |message| message.body.len()) {
        let messages = request.iter().map(Postponed::later).collect();
        if let Err(error) = send_later(&application.cloud.sqs, queue_url, messages).await {
            tracing::warn!(messages = request.len(), "messages that wait could not be sent anew: {error}");
            left.extend(request);
        } else if let Some(held_back) = &application.held_back {
            let now = Instant::now();
            for message in &request {
                held_back.note(&message.envelope.message_id, &message.reason, message.pause, now);
            }
        }
    }
    let retries = application.retries;
    let returned = |message: Postponed| Returned::new(retries, message.envelope, message.reason, Some(message.pause));
    left.into_iter().map(returned).collect()
}

/// Gives messages back: notes why those that are given up were, sets the others' pauses, and names all in the answer.
pub(super) async fn give_back(application: &Application, queue_url: &str, returned: Vec<Returned>) -> SqsBatchResponse {
    note_dead_letters(application, &returned).await;
    set_pauses(application, queue_url, &returned).await;
    if let Some(held_back) = &application.held_back {
        let now = Instant::now();
        for message in returned.iter().filter(|message| !message.is_given_up) {
            held_back.note(&message.envelope.message_id, &message.reason, message.pause, now);
        }
    }
    let mut response = SqsBatchResponse::default();
    response.set_failures(returned.into_iter().map(|message| message.envelope.message_id));
    response
}

/// Keeps the reasons of those that are given up, for whoever looks through the dead letters. If that fails they are
/// dead letters without a reason.
async fn note_dead_letters(application: &Application, returned: &[Returned]) {
    let now = application.clock.now();
    let letters: Vec<DeadLetter> = returned
        .iter()
        .filter(|message| message.is_given_up)
        .map(|message| DeadLetter {
            message_id: message.envelope.message_id.clone(),
            reason: message.reason.to_string(),
            at: now,
        })
        .collect();
    if letters.is_empty() {
        return;
    }
    let engine = &application.engine;
    if let Err(error) = engine.store().note_dead_letters(engine.company(), &letters).await {
        tracing::warn!(
            messages = letters.len(),
            "why messages became dead letters could not be noted: {}",
            error.for_log()
        );
    }
}

/// Tells the queue when the messages shall come again. If that fails they come when their visibility ends.
async fn set_pauses(application: &Application, queue_url: &str, returned: &[Returned]) {
    for chunk in returned.chunks(VISIBILITY_BATCH) {
        let entries: Vec<_> = chunk
            .iter()
            .enumerate()
            .filter_map(|(index, message)| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(index.to_string())
                    .receipt_handle(message.envelope.receipt_handle.as_ref()?)
                    .visibility_timeout(whole_seconds(message.pause))
                    .build()
                    .ok()
            })
            .collect();
        if entries.is_empty() {
            continue;
        }
        let request = application.cloud.sqs.change_message_visibility_batch().queue_url(queue_url);
        if let Err(error) = request.set_entries(Some(entries)).send().await {
            tracing::warn!("the pause of returned messages could not be set: {}", in_one_line(&error));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(30);
    const RETRIES: Retries = Retries { first: FIRST, max_receives: 5 };

    fn returned(receive_count: u32, after: Option<Duration>) -> Returned {
        Returned::new(RETRIES, envelope(receive_count, 0), "down", after)
    }

    fn envelope(receive_count: u32, waits: u32) -> Envelope {
        Envelope { message_id: "m".to_owned(), receipt_handle: None, receive_count, waits }
    }

    #[test]
    fn f32_a_message_that_goes_round_without_end_is_given_up_in_the_end() {
        let delivered = |receive_count, waits| {
            let after = Duration::from_secs(300);
            Postponed::or_returned(RETRIES, envelope(receive_count, waits), "body".to_owned(), "down", after)
        };
        assert_eq!(delivered(5, 0).expect("waits").later().waits, 1);
        assert_eq!(delivered(1, MOST_WAITS - 1).expect("waits for the last time").later().waits, MOST_WAITS);
        let returned = delivered(1, MOST_WAITS).expect_err("no more");
        assert_eq!((returned.pause.as_secs(), returned.is_given_up), (301, false));
        assert_eq!(returned.reason, "down; it has waited 5000 times and is no longer waited for");
        assert!(delivered(5, MOST_WAITS).expect_err("no more").is_given_up);
        assert!(
            Duration::from_secs(300) * MOST_WAITS > Duration::from_hours(14 * 24),
            "an outage of two weeks is waited for"
        );
    }

    #[test]
    fn f32_the_waits_of_a_message_are_read_from_its_attribute() {
        let read = |attributes: &str| {
            let text = format!(r#"{{"messageId": "m", "messageAttributes": {{{attributes}}}}}"#);
            Envelope::of(&serde_json::from_str::<SqsMessage>(&text).expect("a message")).waits
        };
        assert_eq!(read(""), 0);
        assert_eq!(read(r#""waits": {"stringValue": "17", "dataType": "Number"}"#), 17);
        assert_eq!(read(r#""waits": {"stringValue": "many", "dataType": "String"}"#), 0);
    }

    #[test]
    fn f26_a_pause_the_system_asked_for_is_kept_as_far_as_the_queue_can() {
        assert_eq!(returned(1, None).pause, FIRST);
        assert_eq!(returned(3, None).pause, FIRST * 4);
        assert_eq!(returned(1, Some(Duration::ZERO)).pause, Duration::ZERO);
        assert_eq!(returned(1, Some(Duration::from_secs(7200))).pause, Duration::from_secs(7200));
        assert_eq!(returned(1, Some(Duration::from_secs(100_000))).pause, LONGEST_ASKED);
        assert_eq!(returned(4, None).pause, FIRST * 8);
    }

    #[test]
    fn f24_a_pause_is_rounded_up_to_whole_seconds_and_never_down() {
        let cases = [(0, 0), (1, 1), (999, 1), (1000, 1), (1001, 2), (178_400, 179), (900_000, 900)];
        for (milliseconds, seconds) in cases {
            assert_eq!(whole_seconds(Duration::from_millis(milliseconds)), seconds, "{milliseconds} ms");
        }
        assert_eq!(whole_seconds(Duration::MAX), i32::MAX);
    }

    #[test]
    fn f24_a_message_that_waits_comes_only_when_the_other_worker_must_be_done() {
        let wait = |milliseconds| {
            let after = Duration::from_millis(milliseconds);
            let waiting = Postponed::or_returned(RETRIES, envelope(5, 0), String::new(), "held", after);
            whole_seconds(waiting.expect("waits").pause)
        };
        // By a clock that is up to a second ahead of the other worker's.
        assert_eq!([wait(0), wait(200), wait(178_400)], [1, 2, 180]);
        assert_eq!(wait(10_000_000), 900);
    }

    #[test]
    fn a_message_whose_receives_are_used_up_becomes_a_dead_letter_at_once() {
        assert!(!returned(4, None).is_given_up);
        for count in [5, 6] {
            let last = returned(count, Some(Duration::from_secs(60)));
            assert!(last.is_given_up);
            assert_eq!(last.pause, Duration::ZERO);
        }
    }

    #[test]
    fn the_pause_doubles_with_every_receive_up_to_a_quarter_of_an_hour() {
        let retries = Retries { first: FIRST, max_receives: u32::MAX };
        let pause = |receive_count| Returned::new(retries, envelope(receive_count, 0), "down", None).pause;
        assert_eq!([pause(1), pause(2), pause(4)], [FIRST, FIRST * 2, FIRST * 8]);
        assert_eq!([pause(40), pause(4_000_000)], [LONGEST_RETRY; 2]);
    }
}
