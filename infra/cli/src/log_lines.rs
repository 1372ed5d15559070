//! The functions' log lines, made readable.

use clap::ValueEnum;
use couplet_model::ids::{RecordId, RunId};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// Fields that are shown in a place of their own, or are the same on every line.
const NOT_REPEATED: [&str; 7] = ["timestamp", "level", "message", "target", "span", "spans", "company"];
/// What Lambda itself writes about an invocation.
const PLATFORM: [&str; 6] =
    ["START RequestId", "END RequestId", "REPORT RequestId", "INIT_START", "EXTENSION", "XRAY "];

/// How severe a line is; the first is the most severe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Level {
    /// A run failed as a whole, a message cannot be read, a function cannot start.
    Error,
    /// A record goes back into the queue.
    Warn,
    /// A run found its changes or ended.
    Info,
    /// Every request.
    Debug,
    /// Everything.
    Trace,
}

/// Which lines are shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// At least so severe.
    pub level: Option<Level>,
    /// About this run.
    pub run: Option<RunId>,
    /// About this record.
    pub record: Option<RecordId>,
}

/// One line of a function's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written.
    pub at: Timestamp,
    /// Which function wrote it.
    pub function: String,
    /// What was written.
    pub text: String,
}

/// What a line holds.
enum Content {
    /// One of ours: an object with a message.
    Fields(Map<String, Value>),
    /// Numbers for CloudWatch's metrics, in the embedded metric format.
    Metrics,
    /// Anything else: Lambda's own lines, a panic.
    Text,
}

impl LogLine {
    fn content(&self) -> Content {
        match serde_json::from_str::<Map<String, Value>>(&self.text) {
            Ok(fields) if fields.contains_key("_aws") => Content::Metrics,
            Ok(fields) if fields.contains_key("message") => Content::Fields(fields),
            _ => Content::Text,
        }
    }

    /// The line as a person reads it: time, function, level, message, fields. `None` when it is not wanted.
    pub fn readable(&self, wanted: &Wanted) -> Option<String> {
        let content = self.content();
        if !self.is_wanted(&content, wanted) {
            return None;
        }
        let place = format!("{:.3} {}", self.at, self.function);
        match content {
            Content::Metrics => None,
            Content::Text => Some(format!("{place} {}", self.text.trim_end())),
            Content::Fields(fields) => {
                let level = fields.get("level").map(shown).unwrap_or_default();
                let message = fields.get("message").map(shown).unwrap_or_default();
                let mut line = format!("{place} {level} {message}");
                for (name, value) in every_field(&fields).filter(|(name, _)| !NOT_REPEATED.contains(&name.as_str())) {
                    line.push_str(&format!(" {name}={}", quoted(&shown(value))));
                }
                Some(line)
            }
        }
    }

    /// The line as one JSON object, metrics included. `None` when it is not wanted.
    pub fn object(&self, wanted: &Wanted) -> Option<Value> {
        let content = self.content();
        let line = match serde_json::from_str(&self.text) {
            Ok(fields @ Value::Object(_)) => fields,
            _ => Value::from(self.text.trim_end()),
        };
        self.is_wanted(&content, wanted).then(|| json!({ "at": self.at, "function": self.function, "line": line }))
    }

    fn is_wanted(&self, content: &Content, wanted: &Wanted) -> bool {
        let names = |field: &str, id: &str| match content {
            Content::Fields(fields) => every_field(fields).any(|(name, value)| name == field && value == id),
            Content::Metrics | Content::Text => self.text.contains(id),
        };
        wanted.run.is_none_or(|run| names("run", &run.to_string()))
            && wanted.record.is_none_or(|record| names("record", &record.to_string()))
            && wanted.level.is_none_or(|least| match content {
                Content::Fields(fields) => level(fields).is_none_or(|level| level <= least),
                Content::Metrics => false,
                // What is neither ours nor Lambda's is what a function said when it broke.
                Content::Text => !PLATFORM.iter().any(|start| self.text.starts_with(start)),
            })
    }
}

fn level(fields: &Map<String, Value>) -> Option<Level> {
    Level::from_str(fields.get("level")?.as_str()?, true).ok()
}

/// The fields of a line and of the span around it, the span's behind and each name once.
fn every_field(fields: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    let span = fields.get("span").and_then(Value::as_object);
    let of_span = span.into_iter().flatten().filter(|(name, _)| *name != "name" && !fields.contains_key(*name));
    fields.iter().chain(of_span)
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.replace(['\n', '\r'], " "),
        other => other.to_string(),
    }
}

fn quoted(text: &str) -> String {
    if text.is_empty() || text.contains([' ', '"', '=']) { format!("{text:?}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "0198c0de-0000-7000-8000-000000000001";
    const RECORD: &str = "5c1d8f2e-3b6a-4e0f-9a7c-1d2e3f4a5b6c";

    fn line(text: &str) -> LogLine {
        LogLine {
            at: "2026-01-31T08:00:00.12Z".parse().expect("a time"),
            function: "sync-record".to_owned(),
            text: text.to_owned(),
        }
    }

    fn returned() -> LogLine {
        line(&format!(
            r#"{{"timestamp":"2026-01-31T08:00:00.120000Z","level":"WARN","message":"the record goes back into the queue: Dataverse is down","mapping":"ITEM-PRODUCT","run":"{RUN}","record":"{RECORD}","receive_count":3,"target":"couplet_runtime::handlers","span":{{"company":"c","messages":7,"name":"sync_record"}}}}"#
        ))
    }

    fn metrics() -> LogLine {
        line(&format!(r#"{{"_aws":{{"Timestamp":1}},"job":"CURRENCY","run":"{RUN}","records":3}}"#))
    }

    #[test]
    fn a_line_reads_as_time_function_level_message_and_fields() {
        let everything = Wanted::default();
        assert_eq!(
            returned().readable(&everything).expect("shown"),
            format!(
                "2026-01-31T08:00:00.120Z sync-record WARN the record goes back into the queue: Dataverse is down \
                 mapping=ITEM-PRODUCT run={RUN} record={RECORD} receive_count=3 messages=7"
            )
        );
        let spaced = line(r#"{"level":"INFO","message":"run ended","job":"Item Availability"}"#);
        assert!(spaced.readable(&everything).expect("shown").ends_with(r#"run ended job="Item Availability""#));
    }

    #[test]
    fn what_is_no_json_is_shown_as_it_is_and_metrics_are_not_shown() {
        let everything = Wanted::default();
        let panic = line("thread 'main' panicked at src/main.rs:1\n");
        let shown = panic.readable(&everything).expect("shown");
        assert_eq!(shown, "2026-01-31T08:00:00.120Z sync-record thread 'main' panicked at src/main.rs:1");
        let platform = line(r#"{"time":"2026","type":"platform.start"}"#);
        assert!(platform.readable(&everything).expect("shown").ends_with(r#""type":"platform.start"}"#));
        assert_eq!(metrics().readable(&everything), None);
        assert_eq!(metrics().object(&everything).expect("shown")["line"]["records"], json!(3));
    }

    #[test]
    fn lines_are_chosen_by_level_run_and_record() {
        let level = |level| Wanted { level: Some(level), ..Wanted::default() };
        let run = |id: &str| Wanted { run: Some(id.parse().expect("an id")), ..Wanted::default() };
        let record = |id: &str| Wanted { record: Some(id.parse().expect("an id")), ..Wanted::default() };
        let info = || line(r#"{"level":"INFO","message":"run ended"}"#);
        let in_span = || line(&format!(r#"{{"level":"INFO","message":"read","span":{{"run":"{RUN}","name":"run"}}}}"#));
        let report = || line("REPORT RequestId: 1 Duration: 2 ms");
        let panic = || line(&format!("thread panicked at {RECORD}"));
        let cases = [
            ("severe enough", returned(), level(Level::Warn), true),
            ("not severe enough", returned(), level(Level::Error), false),
            ("info", info(), level(Level::Info), true),
            ("info is no warning", info(), level(Level::Warn), false),
            ("Lambda's own lines have no level", report(), level(Level::Info), false),
            ("a panic is always severe", panic(), level(Level::Error), true),
            ("the run", returned(), run(RUN), true),
            ("another run", returned(), run(RECORD), false),
            ("the run of the span", in_span(), run(RUN), true),
            ("the record", returned(), record(RECORD), true),
            ("another record", returned(), record(RUN), false),
            ("a record in plain text", panic(), record(RECORD), true),
            ("neither", info(), run(RUN), false),
        ];
        for (what, line, wanted, is_shown) in cases {
            assert_eq!(line.readable(&wanted).is_some(), is_shown, "{what}");
            assert_eq!(line.object(&wanted).is_some(), is_shown, "{what}");
        }
    }
}
