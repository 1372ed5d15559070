//! When a record that failed is tried again.
//!
//! The built-in integration gives up on a record after the same error twice (R108). Couplet never gives up: the first
//! retries come with the next runs, then the pauses grow to a day, and any change of the source record tries at once.

use std::time::Duration;

use couplet_model::RetrySchedule;
use jiff::Timestamp;

/// Retries that come with the very next run.
const EAGER_ATTEMPTS: u32 = 3;
/// Pauses after the eager retries.
const PAUSES: RetrySchedule = RetrySchedule::new(Duration::from_hours(1), Duration::from_hours(24));

/// When to try again after this many failed attempts.
pub(crate) fn retry_at(attempts: u32, now: Timestamp) -> Timestamp {
    if attempts <= EAGER_ATTEMPTS {
        return now;
    }
    now.checked_add(PAUSES.pause(attempts - EAGER_ATTEMPTS)).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u1_r108_a_failed_record_is_tried_for_ever_with_growing_pauses() {
        let now = Timestamp::UNIX_EPOCH;
        let pauses: Vec<i64> = (1..=10).map(|n| retry_at(n, now).duration_since(now).as_hours()).collect();
        assert_eq!(pauses, [0, 0, 0, 1, 2, 4, 8, 16, 24, 24]);
    }
}
