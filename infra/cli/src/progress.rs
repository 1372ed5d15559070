//! The progress bar, for a person who watches.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::output;

/// A bar on standard error; nothing at all when that is no terminal.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar.
    pub fn new() -> Self {
        if !output::is_watched() {
            return Self { bar: ProgressBar::hidden() };
        }
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise} {msg:40} {bar:30} {pos}/{len}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar }
    }

    /// A step without a length.
    pub fn show(&self, what: &str) {
        self.bar.set_length(0);
        self.bar.set_position(0);
        self.bar.set_message(output::plain(what).into_owned());
    }

    /// How far a step of that length is.
    pub fn advance(&self, done: u64, of: u64) {
        self.bar.set_length(of);
        self.bar.set_position(done);
    }

    /// Takes the bar away.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}
