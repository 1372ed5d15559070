//! Where a person types answers: a terminal, or lines that are piped in.

use std::io::{self, BufRead, IsTerminal};

use console::Term;

use crate::output;

/// Where answers are typed.
pub struct Console {
    is_terminal: bool,
}

impl Console {
    /// The standard input of this process.
    pub fn new() -> Self {
        Self { is_terminal: io::stdin().is_terminal() && output::is_watched() }
    }

    /// Whether a person sits there.
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Asks, and gives the line that was typed; `None` when there are no more.
    ///
    /// # Errors
    /// When the input cannot be read.
    pub fn line(&self, question: &str) -> io::Result<Option<String>> {
        output::ask(question);
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line)?;
        if !self.is_terminal {
            output::note("");
        }
        Ok((read > 0).then(|| line.trim().to_owned()))
    }

    /// As [`Self::line`], without showing in a terminal what is typed.
    ///
    /// # Errors
    /// When the input cannot be read.
    pub fn hidden(&self, question: &str) -> io::Result<Option<String>> {
        if !self.is_terminal {
            return self.line(question);
        }
        output::ask(question);
        Ok(Some(Term::stderr().read_secure_line()?.trim().to_owned()))
    }
}

/// Shows what is typed again, for somebody who leaves while it is hidden.
pub fn show_again() {
    #[cfg(unix)]
    // Whoever has no stty has typed nothing that was hidden by it either.
    let _ = std::process::Command::new("stty").arg("echo").status();
}
