//! How long is waited between attempts, everywhere: pauses that double, up to a longest one.

use std::time::Duration;

/// Pauses between the attempts of one piece of work. It knows no number of attempts: whoever repeats something counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetrySchedule {
    first: Duration,
    longest: Duration,
}

impl RetrySchedule {
    /// A schedule whose first pause is `first`, and whose pauses double until they are `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// The pause after that many attempts, the first being 1.
    pub fn pause(&self, attempts: u32) -> Duration {
        let times = 1_u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first.saturating_mul(times).min(self.longest)
    }

    /// As [`RetrySchedule::pause`], shortened by up to a half, so that callers who met once do not meet again. `chance` is
    /// a random number in 0..1; 1 leaves the pause as it is.
    pub fn spread_pause(&self, attempts: u32, chance: f64) -> Duration {
        self.pause(attempts).mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const SCHEDULE: RetrySchedule = RetrySchedule::new(SECOND, Duration::from_secs(60));

    #[test]
    fn pauses_double_up_to_the_longest_and_never_overflow() {
        let pauses: Vec<u64> = (0..=9).map(|attempts| SCHEDULE.pause(attempts).as_secs()).collect();
        assert_eq!(pauses, [1, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(SCHEDULE.pause(u32::MAX), 60 * SECOND);
        assert_eq!(RetrySchedule::new(Duration::MAX, Duration::MAX).pause(40), Duration::MAX);
    }

    #[test]
    fn a_spread_pause_is_between_half_and_all_of_it() {
        for (chance, expected) in [(-1.0, 2.0), (0.0, 2.0), (0.5, 3.0), (1.0, 4.0), (7.0, 4.0)] {
            let pause = SCHEDULE.spread_pause(3, chance);
            assert_eq!(pause.as_secs_f64(), expected, "{chance}");
        }
    }
}
