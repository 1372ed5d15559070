//! The clock every time of a simulated service comes from.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer};

/// The machine's clock, ahead or behind by a span that can be changed at run time. Times are whole milliseconds.
#[derive(Debug)]
pub struct Clock {
    ahead_milliseconds: AtomicI64,
    /// Milliseconds since 1970 to stand still at, or [`RUNNING`].
    standing: AtomicI64,
}

const RUNNING: i64 = i64::MIN;

/// How far a clock may be moved, in seconds: a hundred years.
const FURTHEST: u128 = 100 * 365 * 86_400;

impl Default for Clock {
    fn default() -> Self {
        Self { ahead_milliseconds: AtomicI64::new(0), standing: AtomicI64::new(RUNNING) }
    }
}

impl Clock {
    /// What the clock shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let standing = self.standing.load(Ordering::SeqCst);
        if standing != RUNNING {
            return Timestamp::from_millisecond(standing).unwrap_or(Timestamp::UNIX_EPOCH);
        }
        let shown = Timestamp::now().as_millisecond().saturating_add(self.ahead_milliseconds());
        Timestamp::from_millisecond(shown).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Stops the clock at an instant, or lets it run again.
    pub fn stand_at(&self, instant: Option<Timestamp>) {
        self.standing.store(instant.map_or(RUNNING, Timestamp::as_millisecond), Ordering::SeqCst);
    }

    /// Sets the clock ahead of the machine's, or behind it; replaces what was set or advanced before.
    pub fn set_skew(&self, skew: SignedDuration) {
        self.ahead_milliseconds.store(i64::try_from(skew.as_millis()).unwrap_or(0), Ordering::SeqCst);
    }

    /// Moves the clock forward from where it stands.
    pub fn advance(&self, by: std::time::Duration) {
        let milliseconds = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        let _ = self
            .ahead_milliseconds
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |ahead| Some(ahead.saturating_add(milliseconds)));
    }

    /// How far the clock is ahead of the machine's, in milliseconds.
    #[must_use]
    pub fn ahead_milliseconds(&self) -> i64 {
        self.ahead_milliseconds.load(Ordering::SeqCst)
    }
}

/// Reads seconds by which a clock is to be moved, from a request: a hundred years at most, so that every time it shows is one.
///
/// # Errors
/// When the number is none or too large.
pub fn within_a_century<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de> + Copy + Into<i128>,
    D: Deserializer<'de>,
{
    match Option::<T>::deserialize(deserializer)? {
        Some(seconds) if seconds.into().unsigned_abs() > FURTHEST => {
            Err(serde::de::Error::custom("a clock is moved by a hundred years at most"))
        }
        seconds => Ok(seconds),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_clock_is_ahead_by_what_it_was_set_and_advanced() {
        let clock = Clock::default();
        clock.set_skew(SignedDuration::from_secs(-3600));
        clock.advance(Duration::from_secs(60));
        assert_eq!(clock.ahead_milliseconds(), -3_540_000);
        let behind = Timestamp::now().duration_since(clock.now());
        assert!((3_540..3_545).contains(&behind.as_secs()), "{behind:?}");
        let noon = "2024-01-01T12:00:00Z".parse().expect("an instant");
        clock.stand_at(Some(noon));
        assert_eq!(clock.now(), noon);
        clock.stand_at(None);
        assert_ne!(clock.now(), noon);
    }

    #[test]
    fn no_movement_leads_to_a_time_that_is_none() {
        let clock = Clock::default();
        clock.advance(Duration::MAX);
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), Timestamp::UNIX_EPOCH);
        let moved = |seconds: Value| within_a_century::<i64, _>(seconds);
        assert_eq!(moved(json!(-3_153_600_000_i64)).expect("a hundred years"), Some(-3_153_600_000));
        assert!(moved(json!(3_153_600_001_i64)).is_err());
        assert_eq!(moved(Value::Null).expect("nothing"), None);
    }
}
