//! The one pause all callers of an identity share when the system asks for it. Pure: the caller brings the time.

use std::time::{Duration, Instant};

use couplet_model::RetrySchedule;

/// Shorter requests for a pause count as none: obeying "wait 0 seconds" would hammer a service that is refusing.
const SHORTEST_ASKED: Duration = Duration::from_millis(100);
/// Pauses when the system does not say how long.
const UNSTATED: RetrySchedule = RetrySchedule::new(Duration::from_secs(1), Duration::from_secs(60));

/// Until when nobody sends, and how often the system has asked for that in a row.
#[derive(Clone, Debug, Default)]
pub struct Pause {
    until: Option<Instant>,
    in_a_row: u32,
}

impl Pause {
    /// The time left to wait at `now`; zero when nothing holds.
    pub fn left(&self, now: Instant) -> Duration {
        self.until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// The system refused a request at `now` and may have said for how long. Refusals that arrive while a pause
    /// already holds belong to the same event: they lengthen it at most to what they ask for.
    ///
    /// `chance`, a random number in 0..1, spreads identities that were refused together.
    pub fn refuse(&mut self, now: Instant, asked: Option<Duration>, chance: f64) {
        let holding = self.left(now) > Duration::ZERO;
        if !holding {
            self.in_a_row = self.in_a_row.saturating_add(1);
        }
        let wait = match asked.filter(|asked| *asked >= SHORTEST_ASKED) {
            Some(asked) => asked,
            None if holding => return,
            None => UNSTATED.spread_pause(self.in_a_row, chance),
        };
        let until = now + wait;
        if self.until.is_none_or(|known| known < until) {
            self.until = Some(until);
        }
    }

    /// A request went through.
    pub fn accept(&mut self, now: Instant) {
        if self.left(now).is_zero() {
            self.until = None;
            self.in_a_row = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_storm_of_refusals_is_one_pause() {
        let now = Instant::now();
        let mut pause = Pause::default();
        for _ in 0..50 {
            pause.refuse(now, Some(7 * SECOND), 1.0);
        }
        assert_eq!(pause.left(now), 7 * SECOND);
        assert_eq!(pause.left(now + 7 * SECOND), Duration::ZERO);
    }

    #[test]
    fn a_longer_request_lengthens_a_shorter_does_not_shorten() {
        let now = Instant::now();
        let mut pause = Pause::default();
        pause.refuse(now, Some(5 * SECOND), 1.0);
        pause.refuse(now, Some(2 * SECOND), 1.0);
        assert_eq!(pause.left(now), 5 * SECOND);
        pause.refuse(now, Some(9 * SECOND), 1.0);
        assert_eq!(pause.left(now), 9 * SECOND);
    }

    #[test]
    fn without_a_length_the_pause_doubles_until_a_request_goes_through() {
        let mut now = Instant::now();
        let mut pause = Pause::default();
        for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
            pause.refuse(now, None, 1.0);
            pause.refuse(now, None, 1.0);
            assert_eq!(pause.left(now).as_secs(), expected);
            now += pause.left(now);
        }
        pause.accept(now);
        pause.refuse(now, None, 1.0);
        assert_eq!(pause.left(now).as_secs(), 1);
    }

    #[test]
    fn being_asked_for_no_pause_at_all_still_backs_off() {
        let now = Instant::now();
        let mut pause = Pause::default();
        pause.refuse(now, Some(Duration::ZERO), 1.0);
        assert_eq!(pause.left(now), SECOND);
    }

    #[test]
    fn a_late_success_does_not_lift_a_pause() {
        let now = Instant::now();
        let mut pause = Pause::default();
        pause.refuse(now, Some(5 * SECOND), 1.0);
        pause.accept(now);
        assert_eq!(pause.left(now), 5 * SECOND);
    }
}
