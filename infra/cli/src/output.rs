//! The only place that writes: results to standard output, everything else to standard error. What systems and records hold
//! may move a cursor or turn the order of letters around; it is shown as an escape instead.

use std::borrow::Cow;
use std::io::{self, ErrorKind, IsTerminal, Write};

/// Writes a result.
///
/// # Errors
/// When nobody reads it.
pub fn result(text: &str) -> io::Result<()> {
    let mut standard_output = io::stdout().lock();
    writeln!(standard_output, "{}", plain(text))?;
    standard_output.flush()
}

/// Writes one JSON object.
///
/// # Errors
/// When nobody reads it.
pub fn json(value: &serde_json::Value) -> io::Result<()> {
    // Inside the strings of JSON only; what is not escaped there by itself is escaped as JSON does.
    result(&escaped(&format!("{value:#}"), |letter| format!("\\u{:04x}", u32::from(letter))))
}

/// Writes a remark for the person at the terminal.
pub fn note(text: &str) {
    // Nobody to tell that nobody listens.
    let _ = writeln!(io::stderr().lock(), "{}", plain(text));
}

/// Writes a question, behind which the answer is typed.
pub fn ask(text: &str) {
    let mut standard_error = io::stderr().lock();
    // Nobody to tell that nobody listens.
    let _ = write!(standard_error, "{}", plain(text));
    let _ = standard_error.flush();
}

/// A text without letters that do more than being shown; lines stay lines.
pub fn plain(text: &str) -> Cow<'_, str> {
    escaped(text, |letter| letter.escape_unicode().to_string())
}

fn escaped(text: &str, escape: impl Fn(char) -> String) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if acts(letter) { shown.push_str(&escape(letter)) } else { shown.push(letter) }
    }
    Cow::Owned(shown)
}

/// Whether a terminal does something at this letter: control characters of both sets, and marks that turn the direction of
/// writing or part lines.
fn acts(letter: char) -> bool {
    let turns =
        matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let parts = matches!(letter, '\u{2028}' | '\u{2029}');
    (letter.is_control() && letter != '\n') || turns || parts
}

/// Whether a person watches standard error.
pub fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Whether the error says that the reader of our output went away, as `head` does.
pub fn reader_is_gone(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f28_nothing_that_a_record_holds_moves_the_terminal() {
        for (text, shown) in [
            ("Müller & Söhne 株式会社 😀", "Müller & Söhne 株式会社 😀"),
            ("two\nlines", "two\nlines"),
            ("\u{1b}[31mred\u{1b}[0m", "\\u{1b}[31mred\\u{1b}[0m"),
            ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"),
            ("over\rwritten\u{8}\u{7f}", "over\\u{d}written\\u{8}\\u{7f}"),
            ("\u{9b}2J\u{85}", "\\u{9b}2J\\u{85}"),
            ("\u{202e}txt.exe\u{2066}", "\\u{202e}txt.exe\\u{2066}"),
            ("a\u{2028}b", "a\\u{2028}b"),
        ] {
            assert_eq!(plain(text), shown, "{text:?}");
        }
    }

    #[test]
    fn f28_json_stays_json_and_says_the_same() {
        let value = serde_json::json!({ "a\u{9b}": ["\u{1b}[31m", "\u{202e}", "\u{85}", "😀"] });
        let text = format!("{value:#}");
        let shown = escaped(&text, |letter| format!("\\u{:04x}", u32::from(letter)));
        assert!(!shown.chars().any(acts), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).expect("JSON"), value);
    }
}
