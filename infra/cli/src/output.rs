//! The only place that writes: results to standard output, everything else to standard error.

use std::io::{self, ErrorKind, IsTerminal, Write};

/// Writes a result.
///
/// # Errors
/// When nobody reads it.
pub fn result(text: &str) -> io::Result<()> {
    let mut standard_output = io::stdout().lock();
    writeln!(standard_output, "{text}")?;
    standard_output.flush()
}

/// Writes one JSON object.
///
/// # Errors
/// When nobody reads it.
pub fn json(value: &serde_json::Value) -> io::Result<()> {
    result(&format!("{value:#}"))
}

/// Writes a remark for the person at the terminal.
pub fn note(text: &str) {
    // Nobody to tell that nobody listens.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Whether a person watches standard error.
pub fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Whether the error says that the reader of our output went away, as `head` does.
pub fn reader_is_gone(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
