//! What is said of a message that cannot be read: all of it in the store, and its place in a log. The parser repeats what it
//! found, which may be a value of a record.

use couplet_model::Said;

/// Why a message is no message.
pub(super) fn unreadable(error: &serde_json::Error) -> Said {
    let kind = match error.classify() {
        serde_json::error::Category::Data => "it has another shape",
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "it is no JSON",
    };
    Said::split(error.to_string(), format!("{kind}, at line {} column {}", error.line(), error.column()))
}

/// The whole sentence.
pub(super) fn cannot_be_read(what: &str, problem: &Said) -> Said {
    Said::split(format!("{what} cannot be read: {problem}"), format!("{what} cannot be read: {}", problem.for_log()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f28_a_log_tells_where_a_message_is_damaged_and_not_what_stands_there() {
        for (text, logged) in [
            ("{\"v\": \"Jo\"}", "it has another shape, at line 1 column 10"),
            ("Jo", "it is no JSON, at line 1 column 1"),
            ("{", "it ends too early, at line 1 column 1"),
        ] {
            let error = serde_json::from_str::<couplet_model::RecordMessage>(text).expect_err("no message");
            let said = cannot_be_read("the message", &unreadable(&error));
            assert_eq!(said.for_log(), format!("the message cannot be read: {logged}"));
            assert!(said.contains(&error.to_string()), "{said}");
        }
    }
}
