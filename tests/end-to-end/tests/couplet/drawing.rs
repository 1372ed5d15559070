//! Numbers that look random and follow from a seed: what fails once fails again.

use rust_decimal::Decimal;

/// A sequence of numbers.
pub struct Draws {
    /// What it follows from.
    pub seed: u64,
    state: u64,
}

impl Draws {
    /// The sequence of a seed.
    pub fn of(seed: u64) -> Self {
        Self { seed, state: seed }
    }

    /// A number below an end.
    pub fn below(&mut self, end: usize) -> usize {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.state >> 33).expect("31 bits") % end
    }

    /// Whether one of so many cases is met.
    pub fn one_of(&mut self, cases: usize) -> bool {
        self.below(cases) == 0
    }

    /// A number up to an end with so many decimals.
    pub fn decimal(&mut self, end: u32, decimals: u32) -> Decimal {
        let units = u64::from(end) * 10_u64.pow(decimals);
        let drawn = self.below(usize::try_from(units).expect("64 bits"));
        Decimal::new(i64::try_from(drawn).expect("small"), decimals).normalize()
    }
}
