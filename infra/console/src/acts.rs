//! The acts of this process: what is under way, and how the last ones ended.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::act::Act;
use crate::operator::{Done, Operator};

/// Acts that are remembered.
const REMEMBERED: usize = 50;
/// How long the answer to a form waits for the end of its act. Most end sooner, and the person sees the result at once.
const PATIENCE: Duration = Duration::from_secs(4);

/// An act, and how far it is.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its number.
    pub number: u64,
    /// What it is, in words.
    pub words: String,
    /// When it began.
    pub began: Timestamp,
    /// How it ended, once it has.
    pub done: Option<Done>,
}

#[derive(Default)]
struct Remembered {
    entries: VecDeque<Entry>,
    last: u64,
}

/// The acts of this process. Clones share them.
#[derive(Clone, Default)]
pub struct Acts(Arc<Mutex<Remembered>>);

impl Acts {
    /// Begins an act, which goes on whatever becomes of the answer, and waits a little for its end; gives its number.
    pub async fn begin(&self, operator: Arc<dyn Operator>, act: Act) -> u64 {
        let number = self.note(act.in_words(), operator.now());
        let (ended, mut end) = watch::channel(false);
        let acts = self.clone();
        tokio::spawn(async move {
            // An act that panics must not stand there as under way for ever.
            let carried_out = tokio::spawn(async move { operator.act(&act).await }).await;
            let broke_off = |_| Done::badly("it broke off; see the terminal of this console");
            acts.end(number, carried_out.unwrap_or_else(broke_off));
            // Nobody may be waiting any more.
            let _ = ended.send(true);
        });
        let _ = tokio::time::timeout(PATIENCE, end.wait_for(|ended| *ended)).await;
        number
    }

    /// An act by its number.
    pub fn entry(&self, number: u64) -> Option<Entry> {
        self.0.lock().entries.iter().find(|entry| entry.number == number).cloned()
    }

    /// What is under way, the oldest first.
    pub fn under_way(&self) -> Vec<Entry> {
        self.0.lock().entries.iter().filter(|entry| entry.done.is_none()).cloned().collect()
    }

    fn note(&self, words: String, began: Timestamp) -> u64 {
        let mut remembered = self.0.lock();
        remembered.last += 1;
        let number = remembered.last;
        remembered.entries.push_back(Entry { number, words, began, done: None });
        while remembered.entries.len() > REMEMBERED {
            // What is under way is forgotten last.
            let place = remembered.entries.iter().position(|entry| entry.done.is_some()).unwrap_or(0);
            remembered.entries.remove(place);
        }
        number
    }

    fn end(&self, number: u64, done: Done) {
        if let Some(entry) = self.0.lock().entries.iter_mut().find(|entry| entry.number == number) {
            entry.done = Some(done);
        }
    }
}
