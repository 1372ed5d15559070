//! Chance from a seed: the same seed gives the same sequence.

/// A sequence of draws in thousandths.
#[derive(Clone, Debug, Default)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// The sequence of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Draws once, and gives the position of the rate (in thousandths) that was hit. Rates share the thousand in their order.
    pub fn hit(&mut self, rates: &[u32]) -> Option<usize> {
        let draw = mix(&mut self.state) % 1000;
        let mut edge = 0;
        rates.iter().position(|rate| {
            edge += u64::from(*rate);
            draw < edge
        })
    }
}

/// One step of the splitmix64 sequence.
pub fn mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_hit_about_as_often_as_they_say() {
        let draw = || {
            let mut dice = Dice::new(7);
            (0..10_000).map(|_| dice.hit(&[100, 300])).collect::<Vec<_>>()
        };
        assert_eq!(draw(), draw(), "the same seed");
        let count = |wanted| draw().iter().filter(|hit| **hit == wanted).count();
        for (wanted, expected) in [(Some(0), 1000_usize), (Some(1), 3000), (None, 6000)] {
            assert!(count(wanted).abs_diff(expected) < 200, "{wanted:?}: {}", count(wanted));
        }
        let mut dice = Dice::new(0);
        assert!((0..100).all(|_| dice.hit(&[1000]) == Some(0)) && (0..100).all(|_| dice.hit(&[0, 0]).is_none()));
    }
}
