//! Why messages are away from their queue just now, for whoever watches the queue in the same process.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

/// Messages that went back and have not come again yet. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct HeldBack(Arc<Mutex<HashMap<String, Away>>>);

#[derive(Debug)]
struct Away {
    reason: String,
    until: Instant,
}

/// Messages that wait for the same reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Why they went back.
    pub reason: String,
    /// How many.
    pub messages: u64,
    /// When the first of them comes again, counted from now.
    pub again_in: Duration,
}

impl HeldBack {
    /// Notes that a message went back for so long.
    pub(crate) fn note(&self, message_id: &str, reason: &str, pause: Duration, now: Instant) {
        let mut away = self.away();
        away.retain(|_, message| message.until > now);
        if let Some(until) = now.checked_add(pause).filter(|until| *until > now) {
            away.insert(message_id.to_owned(), Away { reason: reason.to_owned(), until });
        }
    }

    /// What is away at this moment, by reason.
    pub fn at(&self, now: Instant) -> Vec<Held> {
        let mut by_reason: BTreeMap<String, Held> = BTreeMap::new();
        for message in self.away().values().filter(|message| message.until > now) {
            let again_in = message.until - now;
            let held = by_reason.entry(message.reason.clone()).or_insert_with(|| Held {
                reason: message.reason.clone(),
                messages: 0,
                again_in,
            });
            held.messages += 1;
            held.again_in = held.again_in.min(again_in);
        }
        by_reason.into_values().collect()
    }

    fn away(&self) -> MutexGuard<'_, HashMap<String, Away>> {
        // The map is whole after every call.
        self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f14_what_is_waited_for_is_known_by_reason_until_it_comes_again() {
        let (held, now) = (HeldBack::default(), Instant::now());
        let seconds = Duration::from_secs;
        held.note("a", "another worker holds the pair", seconds(180), now);
        held.note("b", "another worker holds the pair", seconds(60), now);
        held.note("c", "Dataverse is down", seconds(30), now);
        held.note("d", "given up", Duration::ZERO, now);
        let told: Vec<_> = held.at(now).into_iter().map(|held| (held.reason, held.messages, held.again_in)).collect();
        let claim = "another worker holds the pair".to_owned();
        assert_eq!(told, [("Dataverse is down".to_owned(), 1, seconds(30)), (claim.clone(), 2, seconds(60))]);
        let later = held.at(now + seconds(100));
        assert_eq!(later, [Held { reason: claim, messages: 1, again_in: seconds(80) }]);
        assert_eq!(held.at(now + seconds(200)), []);
    }
}
