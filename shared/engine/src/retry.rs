//! When a record that failed is tried again.
//!
//! The built-in integration gives up on a record after the same error twice (R108). Couplet never gives up: the first
//! retries come with the next runs, then the pauses grow to a day, and any change of the source record tries at once.

use jiff::{SignedDuration, Timestamp};

/// Retries that come with the very next run.
const EAGER_ATTEMPTS: u32 = 3;
/// First pause after the eager retries.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_hours(1);
/// Longest pause.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(24);

/// When to try again after this many failed attempts.
pub(crate) fn retry_at(attempts: u32, now: Timestamp) -> Timestamp {
    if attempts <= EAGER_ATTEMPTS {
        return now;
    }
    let doublings = (attempts - EAGER_ATTEMPTS - 1).min(5);
    let pause = (FIRST_PAUSE * (1 << doublings)).min(LONGEST_PAUSE);
    now.checked_add(pause).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u1_a_failed_record_is_tried_for_ever_with_growing_pauses() {
        let now = Timestamp::UNIX_EPOCH;
        let pauses: Vec<i64> = (1..=10).map(|n| retry_at(n, now).duration_since(now).as_hours()).collect();
        assert_eq!(pauses, [0, 0, 0, 1, 2, 4, 8, 16, 24, 24]);
    }
}
