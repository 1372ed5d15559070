//! When a job starts early: at most once a minute, however many notifications there are, and none of them in vain.

use jiff::{SignedDuration, Timestamp};

/// Time between two early starts of one job.
pub const EARLY_RUNS_APART: SignedDuration = SignedDuration::from_mins(1);

/// What becomes of a notification for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EarlyRun {
    /// The job starts now.
    Now,
    /// It started less than a minute ago, perhaps before the change: it starts again at this time.
    At(Timestamp),
    /// It is about to start at this time anyway, and will find the change.
    AlreadyDue(Timestamp),
}

/// What becomes of a notification that arrives now for a job that was last due to start early at a time.
///
/// A time that lies further ahead than any notification could have put it was noted by a clock that was wrong: it counts for
/// nothing, or the job would not start early until then.
pub fn early_run(last_due: Option<Timestamp>, now: Timestamp) -> EarlyRun {
    match last_due.map(|due| (due, due.duration_since(now))) {
        Some((due, ahead)) if ahead.is_positive() && ahead <= EARLY_RUNS_APART => EarlyRun::AlreadyDue(due),
        Some((due, ahead)) if !ahead.is_positive() && -ahead < EARLY_RUNS_APART => EarlyRun::At(due + EARLY_RUNS_APART),
        Some(_) | None => EarlyRun::Now,
    }
}
