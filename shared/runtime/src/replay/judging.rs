//! What becomes of a dead letter: a decision over values.

use std::collections::BTreeSet;

use couplet_model::ids::ReplayId;
use jiff::Timestamp;
use serde::Serialize;

use super::dead_letter::{Content, DeadMessage};

/// What becomes of a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayOutcome {
    /// Sent back to its queue; in a rehearsal: it would be.
    Moved,
    /// Its change has been synchronized since: counted on its run and removed; in a rehearsal: it would be.
    SynchronizedMeanwhile,
    /// Deleted, its record noted as failed; in a rehearsal: it would be.
    Deleted,
    /// Left: sent outside the window that was asked for.
    OutsideWindow,
    /// Left: of another mapping than the one that was asked for.
    OtherMapping,
    /// Left: another letter than those that were asked for.
    OtherMessage,
    /// Left: it cannot be read, so nobody knows what sending it back would do.
    Unreadable,
    /// Left: this very replay brought it back, and it died again.
    DiedAgain,
    /// Left: the replay ended before its turn.
    NotReached,
}

/// Which dead letters are to be brought back, and by which replay.
#[derive(Clone, Debug)]
pub(super) struct Criteria {
    pub replay: ReplayId,
    /// When the replay began.
    pub began: Timestamp,
    /// First sent at or after this.
    pub since: Option<Timestamp>,
    /// First sent before this.
    pub until: Option<Timestamp>,
    /// Of this mapping; for a task: of this job.
    pub mapping: Option<String>,
    /// With these message ids.
    pub messages: Option<BTreeSet<String>>,
    /// Whether they are deleted instead.
    pub deletes: bool,
}

impl Criteria {
    /// Why a dead letter is left where it is; `None` when it is to be brought back, or deleted.
    pub fn leaves(&self, dead_letter: &DeadMessage) -> Option<ReplayOutcome> {
        if self.messages.as_ref().is_some_and(|wanted| !wanted.contains(&dead_letter.message_id)) {
            return Some(ReplayOutcome::OtherMessage);
        }
        if !self.covers(dead_letter.sent) {
            return Some(ReplayOutcome::OutsideWindow);
        }
        let (mapping, is_ours) = match &dead_letter.content {
            // Nobody knows which mapping it is of; but it may go.
            Content::Unreadable(_) if self.deletes && self.mapping.is_none() => return None,
            Content::Unreadable(_) => return Some(ReplayOutcome::Unreadable),
            Content::Record(record) => (record.mapping.as_str(), record.replay == Some(self.replay)),
            // A task travels as it was and so bears no mark; but what we sent back was sent after we began.
            Content::Task(message) => (message.task.job(), dead_letter.sent.is_some_and(|sent| sent >= self.began)),
        };
        if self.mapping.as_ref().is_some_and(|wanted| !wanted.eq_ignore_ascii_case(mapping)) {
            return Some(ReplayOutcome::OtherMapping);
        }
        is_ours.then_some(ReplayOutcome::DiedAgain)
    }

    /// A dead letter whose time is unknown is in no window.
    fn covers(&self, sent: Option<Timestamp>) -> bool {
        match sent {
            Some(sent) => self.since.is_none_or(|since| sent >= since) && self.until.is_none_or(|until| sent < until),
            None => self.since.is_none() && self.until.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
    use couplet_model::ids::CompanyId;
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::super::dead_letter::QueueName;
    use super::*;

    const COMPANY: CompanyId = CompanyId(Uuid::from_u128(1));
    const OURS: ReplayId = ReplayId(Uuid::from_u128(7));
    const EARLIER: ReplayId = ReplayId(Uuid::from_u128(6));

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("a time")
    }

    /// A replay that began at 1000, of everything.
    fn everything() -> Criteria {
        Criteria {
            replay: OURS,
            began: at(1000),
            since: None,
            until: None,
            mapping: None,
            messages: None,
            deletes: false,
        }
    }

    fn dead_letter(queue: QueueName, sent: Option<i64>, body: &str) -> DeadMessage {
        let message = Message::builder().message_id("id").receipt_handle("receipt").body(body);
        let message = match sent {
            Some(seconds) => {
                message.attributes(MessageSystemAttributeName::SentTimestamp, format!("{}", seconds * 1000))
            }
            None => message,
        };
        DeadMessage::read(queue, COMPANY, message.build()).expect("a letter")
    }

    fn record_body(company: CompanyId, replay: Option<ReplayId>) -> Value {
        let id = Uuid::from_u128(3);
        let mut body = json!({
            "v": 1, "company": company, "mapping": "CUSTOMER", "direction": "to_dataverse", "record": id,
            "job": "CUSTOMER", "run": id,
            "snapshot": {"read_at": "2026-01-01T00:00:00Z", "values": {"displayName": "Old"}},
        });
        if let Some(replay) = replay {
            body["replay"] = json!(replay);
        }
        body
    }

    fn record(sent: Option<i64>, replay: Option<ReplayId>) -> DeadMessage {
        dead_letter(QueueName::Records, sent, &record_body(COMPANY, replay).to_string())
    }

    fn task(sent: i64) -> DeadMessage {
        let next = json!({"job": "CUSTOMER", "run": Uuid::from_u128(3), "leg": 2});
        let body = json!({"v": 1, "company": COMPANY, "task": {"continue_run": next}});
        dead_letter(QueueName::Tasks, Some(sent), &body.to_string())
    }

    #[test]
    fn every_letter_has_one_fate() {
        let window =
            |since: i64, until: i64| Criteria { since: Some(at(since)), until: Some(at(until)), ..everything() };
        let of_mapping = |name: &str| Criteria { mapping: Some(name.to_owned()), ..everything() };
        let asked_for = |id: &str| Criteria { messages: Some([id.to_owned()].into()), ..everything() };
        let deleting = |criteria: Criteria| Criteria { deletes: true, ..criteria };
        let poison = || dead_letter(QueueName::Records, Some(500), "poison");
        let cases = [
            ("a record", everything(), record(Some(500), None), None),
            ("a record whose time is unknown", everything(), record(None, None), None),
            ("a record of an earlier replay", everything(), record(Some(500), Some(EARLIER)), None),
            ("a record we brought back", everything(), record(Some(1001), Some(OURS)), Some(ReplayOutcome::DiedAgain)),
            ("at the window's beginning", window(500, 600), record(Some(500), None), None),
            ("before the window", window(501, 600), record(Some(500), None), Some(ReplayOutcome::OutsideWindow)),
            ("at the window's end", window(400, 500), record(Some(500), None), Some(ReplayOutcome::OutsideWindow)),
            ("no time, but a window", window(0, 600), record(None, None), Some(ReplayOutcome::OutsideWindow)),
            ("of the mapping", of_mapping("customer"), record(Some(500), None), None),
            ("of another mapping", of_mapping("VENDOR"), record(Some(500), None), Some(ReplayOutcome::OtherMapping)),
            ("poison", everything(), poison(), Some(ReplayOutcome::Unreadable)),
            ("poison outside the window", window(0, 100), poison(), Some(ReplayOutcome::OutsideWindow)),
            ("poison of no mapping", of_mapping("CUSTOMER"), poison(), Some(ReplayOutcome::Unreadable)),
            ("poison that is deleted", deleting(everything()), poison(), None),
            (
                "poison of no mapping that is deleted",
                deleting(of_mapping("CUSTOMER")),
                poison(),
                Some(ReplayOutcome::Unreadable),
            ),
            ("a record that is deleted", deleting(everything()), record(Some(500), None), None),
            ("a letter that is asked for", asked_for("id"), record(Some(500), None), None),
            ("another letter", asked_for("di"), record(Some(500), None), Some(ReplayOutcome::OtherMessage)),
            ("poison that is asked for", asked_for("id"), poison(), Some(ReplayOutcome::Unreadable)),
            ("a task", everything(), task(500), None),
            ("a task of the job", of_mapping("CUSTOMER"), task(500), None),
            ("a task of another job", of_mapping("VENDOR"), task(500), Some(ReplayOutcome::OtherMapping)),
            ("a task sent since we began", everything(), task(1000), Some(ReplayOutcome::DiedAgain)),
        ];
        for (what, criteria, dead_letter, outcome) in cases {
            assert_eq!(criteria.leaves(&dead_letter), outcome, "{what}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let newer = record_body(COMPANY, None).to_string().replace("\"v\":1", "\"v\":2");
        let foreign = record_body(CompanyId(Uuid::from_u128(2)), None).to_string();
        let half = "{\"v\":1,";
        for (queue, body, why) in [
            (QueueName::Records, newer.as_str(), "its format 2 is not 1"),
            (QueueName::Records, foreign.as_str(), "it is of company 00000000-0000-0000-0000-000000000002"),
            (QueueName::Records, half, "EOF while parsing"),
            (QueueName::Tasks, foreign.as_str(), "unknown field"),
        ] {
            match dead_letter(queue, Some(1), body).content {
                Content::Unreadable(problem) => assert!(problem.contains(why), "{problem}"),
                other => panic!("{other:?} is readable"),
            }
        }
    }

    #[test]
    fn a_record_travels_marked_and_without_what_was_read_and_a_task_as_it_was() {
        let sent = record(Some(1), Some(EARLIER)).body_to_send(OURS).expect("JSON");
        let sent: couplet_model::message::RecordMessage = serde_json::from_str(&sent).expect("a message");
        assert_eq!((sent.snapshot, sent.replay), (None, Some(OURS)));
        let task = task(1);
        assert_eq!(task.body_to_send(OURS).expect("JSON"), task.body);
    }
}
