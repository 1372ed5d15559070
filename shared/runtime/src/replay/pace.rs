//! How fast a replay goes.

use std::time::Duration;

/// How a replay goes about it.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Letters of one round at most.
    pub round: usize,
    /// How often it looks again before it believes that nothing new is left: a queue may answer that it is empty when
    /// it is not.
    pub looks: u32,
    /// How long it waits for letters when it looks again.
    pub wait: Duration,
    /// How long a letter that was taken stays hidden from others: longer than a round takes. A replay that is killed
    /// leaves its letters hidden for so long.
    pub hidden: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { round: 1000, looks: 2, wait: Duration::from_secs(1), hidden: Duration::from_secs(300) }
    }
}
