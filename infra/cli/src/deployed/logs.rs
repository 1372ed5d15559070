//! The log lines of a deployed stack's functions.

use std::collections::HashMap;

use anyhow::bail;
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;
use jiff::{SignedDuration, Timestamp};

use super::Stack;
use crate::log_lines::LogLine;

/// The functions that log. Those that a stack does not have yet are passed over.
pub const FUNCTIONS: [&str; 5] = ["run-job", "refresh-availability", "sync-record", "run-task", "receive-change"];
/// How long after a line was written it may still turn up: while following, so much is read again each time.
const LATENESS: SignedDuration = SignedDuration::from_secs(30);

/// How far the logs have been read.
pub struct Position {
    since: Timestamp,
    /// Lines that were given out and may be read again, by event id.
    given: HashMap<String, Timestamp>,
}

impl Position {
    /// Everything from this moment on.
    pub fn since(since: Timestamp) -> Self {
        Self { since, given: HashMap::new() }
    }

    /// Whether an event is new. It is not, the next time.
    fn is_new(&mut self, event: impl Into<String>, at: Timestamp) -> bool {
        self.given.insert(event.into(), at).is_none()
    }

    /// The next reading begins a little before the newest line.
    fn move_on(&mut self) {
        let Some(newest) = self.given.values().max() else { return };
        let since = newest.checked_sub(LATENESS).unwrap_or(*newest).max(self.since);
        self.since = since;
        self.given.retain(|_, at| *at >= since);
    }
}

impl Stack {
    /// The lines of these functions that were not given out before, in the order of time.
    ///
    /// # Errors
    /// When the logs cannot be read, or a function that `must_exist` has none; or none of them has.
    pub async fn log_lines(
        &self,
        functions: &[String],
        must_exist: bool,
        position: &mut Position,
    ) -> anyhow::Result<Vec<LogLine>> {
        let client = Client::new(&self.aws);
        let mut lines = Vec::new();
        let mut known = 0;
        for function in functions {
            let Some(events) = self.events(&client, function, position.since).await? else {
                if must_exist {
                    bail!("{} has no log group: its functions are {}", self.function(function), FUNCTIONS.join(", "));
                }
                continue;
            };
            known += 1;
            for event in events {
                let at = event.timestamp.and_then(|at| Timestamp::from_millisecond(at).ok()).unwrap_or(position.since);
                let text = event.message.unwrap_or_default();
                let id = event.event_id.unwrap_or_else(|| format!("{function} {at} {text}"));
                if position.is_new(id, at) {
                    lines.push(LogLine { at, function: function.clone(), text });
                }
            }
        }
        if known == 0 {
            bail!(
                "there is no stack {} in {}, or it logs nowhere: name it with --stack, and its region with AWS_REGION",
                self.name,
                self.region
            );
        }
        position.move_on();
        lines.sort_by_key(|line| line.at);
        Ok(lines)
    }

    /// The events of a function; `None` when it has no log group.
    async fn events(
        &self,
        client: &Client,
        function: &str,
        since: Timestamp,
    ) -> anyhow::Result<Option<Vec<FilteredLogEvent>>> {
        let group = format!("/couplet/{}/{function}", self.name);
        let mut events = Vec::new();
        let mut next = None;
        loop {
            let request = client.filter_log_events().log_group_name(&group).start_time(since.as_millisecond());
            let answer = match request.set_next_token(next).send().await {
                Ok(answer) => answer,
                Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) => {
                    return Ok(None);
                }
                Err(error) => return Err(self.refused(&format!("the logs {group}"), &error)),
            };
            events.extend(answer.events.unwrap_or_default());
            next = answer.next_token;
            if next.is_none() {
                return Ok(Some(events));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("a time")
    }

    #[test]
    fn a_line_is_given_out_once_however_late_it_comes() {
        let mut position = Position::since(at(0));
        position.move_on();
        assert_eq!(position.since, at(0), "nothing was read");
        assert!(position.is_new("first", at(100)));
        assert!(position.is_new("second", at(135)));
        position.move_on();
        assert_eq!(position.since, at(105), "a late line would be read");
        assert!(!position.is_new("second", at(135)));
        assert!(position.is_new("late", at(106)));
        assert_eq!(position.given.len(), 2, "what is not read again is forgotten");
    }

    #[test]
    fn reading_never_begins_before_what_was_asked_for() {
        let mut position = Position::since(at(100));
        assert!(position.is_new("first", at(101)));
        position.move_on();
        assert_eq!(position.since, at(100));
    }
}
