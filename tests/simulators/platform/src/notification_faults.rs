//! Notifications that are lost, arrive twice or out of order, drawn from a seed: the same seed gives the same draws.

use serde::{Deserialize, Serialize};

use crate::dice::Dice;

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
    /// Notifications that nobody ever gets.
    #[serde(default)]
    pub lose: u16,
}

/// How one notification is to be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivering {
    /// As usual.
    Once,
    /// Two times.
    Twice,
    /// After the next one.
    Late,
    /// Never.
    Never,
}

/// The sequence of draws.
#[derive(Debug)]
pub struct Draws {
    faults: NotificationFaults,
    dice: Dice,
}

impl Draws {
    /// The sequence of these faults, from its start.
    #[must_use]
    pub fn new(faults: NotificationFaults) -> Self {
        Self { faults, dice: Dice::new(faults.seed) }
    }

    /// How the next notification is to be delivered.
    pub fn draw(&mut self) -> Delivering {
        let NotificationFaults { duplicate, reorder, lose, .. } = self.faults;
        match self.dice.hit(&[duplicate.into(), reorder.into(), lose.into()]) {
            Some(0) => Delivering::Twice,
            Some(1) => Delivering::Late,
            Some(_) => Delivering::Never,
            None => Delivering::Once,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_draws_and_each_kind_comes_up() {
        let faults = NotificationFaults { seed: 7, duplicate: 300, reorder: 300, lose: 200 };
        let draw = || {
            let mut draws = Draws::new(faults);
            (0..100).map(|_| draws.draw()).collect::<Vec<_>>()
        };
        assert_eq!(draw(), draw());
        for kind in [Delivering::Once, Delivering::Twice, Delivering::Late, Delivering::Never] {
            assert!(draw().contains(&kind), "{kind:?}");
        }
        let mut always = Draws::new(NotificationFaults { seed: 1, duplicate: 1000, ..NotificationFaults::default() });
        assert!((0..50).all(|_| always.draw() == Delivering::Twice));
    }
}
