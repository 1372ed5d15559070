//! The clock every timestamp of the service comes from.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

/// Wall clock plus a skew that can be set at run time; milliseconds, as the service stores them.
#[derive(Debug)]
pub(crate) struct Clock {
    skew_milliseconds: AtomicI64,
    /// An instant to stand still at, or [`RUNNING`].
    standing: AtomicI64,
}

const RUNNING: i64 = i64::MIN;

impl Default for Clock {
    fn default() -> Self {
        Self { skew_milliseconds: AtomicI64::new(0), standing: AtomicI64::new(RUNNING) }
    }
}

impl Clock {
    pub(crate) fn now(&self) -> Timestamp {
        let standing = self.standing.load(Ordering::SeqCst);
        if standing != RUNNING {
            return Timestamp::from_millisecond(standing).unwrap_or(Timestamp::UNIX_EPOCH);
        }
        let skewed = Timestamp::now().as_millisecond().saturating_add(self.skew_milliseconds.load(Ordering::SeqCst));
        Timestamp::from_millisecond(skewed).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Stops the clock at an instant, or lets it run again.
    pub(crate) fn stand_at(&self, instant: Option<Timestamp>) {
        self.standing.store(instant.map_or(RUNNING, Timestamp::as_millisecond), Ordering::SeqCst);
    }

    pub(crate) fn set_skew(&self, skew: SignedDuration) {
        let milliseconds = i64::try_from(skew.as_millis()).unwrap_or(0);
        self.skew_milliseconds.store(milliseconds, Ordering::SeqCst);
    }

    pub(crate) fn advance(&self, milliseconds: i64) {
        let _ = self
            .skew_milliseconds
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |skew| Some(skew.saturating_add(milliseconds)));
    }

    pub(crate) fn skew_milliseconds(&self) -> i64 {
        self.skew_milliseconds.load(Ordering::SeqCst)
    }
}
