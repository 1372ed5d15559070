//! A fact that is read when it is first needed, and again when it has aged: whoever runs for days learns of what people
//! changed, and nobody reads a fact for every batch.

use std::future::Future;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

/// How long a fact is believed. What a person sets up is expected to be seen within the hour.
pub(crate) const BELIEVED: SignedDuration = SignedDuration::from_hours(1);

/// A fact and when it was read.
#[derive(Debug)]
pub(crate) struct Aging<T>(Mutex<Option<(Timestamp, T)>>);

impl<T> Default for Aging<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> Aging<T> {
    /// The fact; read when it is not known, or was read more than [`BELIEVED`] before `now`. Callers wait for one read.
    ///
    /// # Errors
    /// Those of the read; then an older fact stays unknown to this caller, and the next one reads again.
    pub async fn get<E>(&self, now: Timestamp, read: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let mut known = self.0.lock().await;
        if let Some((_, fact)) = known.as_ref().filter(|(at, _)| now.duration_since(*at) < BELIEVED) {
            return Ok(fact.clone());
        }
        let fact = read.await?;
        *known = Some((now, fact.clone()));
        Ok(fact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn r283_a_fact_is_read_once_until_it_has_aged_and_a_failure_is_not_kept() {
        let fact: Aging<u32> = Aging::default();
        let at = |minutes| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes);
        assert_eq!(fact.get(at(0), async { Err("down") }).await, Err("down"));
        for (minutes, read, expected) in [(1, 7, 7), (2, 8, 7), (60, 9, 7), (61, 10, 10), (62, 11, 10)] {
            assert_eq!(fact.get(at(minutes), async { Ok::<_, &str>(read) }).await, Ok(expected), "after {minutes} min");
        }
        assert_eq!(fact.get(at(200), async { Err("down") }).await, Err("down"), "an aged fact is not believed");
    }
}
