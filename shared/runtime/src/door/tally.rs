//! What was received at the door, counted: whoever sends ten thousand forged notifications gets one line.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

/// Time between two lines.
const LINES_APART: SignedDuration = SignedDuration::from_mins(1);

/// What one request was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// A question whether the door wants to be told.
    Handshake,
    /// A notification.
    Accepted,
    /// A notification that could not be followed just now.
    Failed,
    /// Something else, for this reason.
    Refused(&'static str),
}

/// What was counted since the last line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Notifications.
    pub accepted: u64,
    /// What was refused, by reason.
    pub by_reason: BTreeMap<&'static str, u64>,
}

impl Told {
    /// How much was refused.
    pub fn refused(&self) -> u64 {
        self.by_reason.values().sum()
    }

    /// The reasons with their numbers, in one line.
    pub fn reasons(&self) -> String {
        self.by_reason.iter().map(|(reason, count)| format!("{reason} {count}")).collect::<Vec<_>>().join(", ")
    }
}

/// Counts requests, and says when it is time to tell of them.
#[derive(Debug, Default)]
pub struct Tally {
    last: Option<Timestamp>,
    counted: Told,
}

impl Tally {
    /// Counts a request; gives what is to be told, at most once a minute.
    pub fn note(&mut self, received: Received, now: Timestamp) -> Option<Told> {
        match received {
            Received::Accepted => self.counted.accepted += 1,
            Received::Refused(reason) => *self.counted.by_reason.entry(reason).or_default() += 1,
            Received::Handshake | Received::Failed => {}
        }
        self.due(now)
    }

    /// What is to be told, if anything was counted and the last line is a minute old.
    pub fn due(&mut self, now: Timestamp) -> Option<Told> {
        let is_time = self.last.is_none_or(|last| now.duration_since(last) >= LINES_APART || last > now);
        if !is_time || self.counted == Told::default() {
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.counted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_told_once_a_minute_with_its_number() {
        let at = |seconds| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
        let mut tally = Tally::default();
        assert_eq!(tally.note(Received::Handshake, at(0)), None);
        let first = tally.note(Received::Refused("wrong key"), at(1)).expect("the first is told at once");
        assert_eq!((first.refused(), first.accepted), (1, 0));
        for _ in 0..9_999 {
            assert_eq!(tally.note(Received::Refused("wrong key"), at(60)), None);
        }
        assert_eq!(tally.note(Received::Refused("too large"), at(60)), None);
        let second = tally.note(Received::Accepted, at(61)).expect("a minute is over");
        assert_eq!((second.refused(), second.accepted), (10_000, 1));
        assert_eq!(second.reasons(), "too large 1, wrong key 9999");
        assert_eq!(tally.due(at(1000)), None, "nothing has come since");
        // A clock that was set back does not keep the line away.
        tally.note(Received::Refused("wrong key"), at(0)).expect("told");
    }
}
