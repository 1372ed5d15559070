//! Notifications that arrive twice or out of order, drawn from a seed: the same seed gives the same draws.

use serde::{Deserialize, Serialize};

/// How often notifications go astray, in thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotificationFaults {
    /// Start of the random sequence.
    pub seed: u64,
    /// Notifications delivered twice.
    #[serde(default)]
    pub duplicate: u16,
    /// Notifications held back until the next one was delivered.
    #[serde(default)]
    pub reorder: u16,
}

/// How one notification is to be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivering {
    Once,
    Twice,
    /// After the next one.
    Late,
}

/// The sequence of draws.
#[derive(Debug)]
pub(crate) struct Draws {
    faults: NotificationFaults,
    state: u64,
}

impl Draws {
    pub fn new(faults: NotificationFaults) -> Self {
        // Never zero, from which the generator would not move.
        Self { faults, state: faults.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1 }
    }

    pub fn next(&mut self) -> Delivering {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        let draw = self.state % 1000;
        let (duplicate, reorder) = (u64::from(self.faults.duplicate), u64::from(self.faults.reorder));
        if draw < duplicate {
            Delivering::Twice
        } else if draw < duplicate + reorder {
            Delivering::Late
        } else {
            Delivering::Once
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_draws_and_each_kind_comes_up() {
        let faults = NotificationFaults { seed: 7, duplicate: 300, reorder: 300 };
        let draw = || {
            let mut draws = Draws::new(faults);
            (0..100).map(|_| draws.next()).collect::<Vec<_>>()
        };
        assert_eq!(draw(), draw());
        for kind in [Delivering::Once, Delivering::Twice, Delivering::Late] {
            assert!(draw().contains(&kind), "{kind:?}");
        }
        let mut always = Draws::new(NotificationFaults { seed: 1, duplicate: 1000, reorder: 0 });
        assert!((0..50).all(|_| always.next() == Delivering::Twice));
    }
}
