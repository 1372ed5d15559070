//! Workers that are killed at a moment a test chooses.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use couplet_engine::{EngineOptions, Failpoint, Failpoints};

use crate::world::World;

/// One death of an engine, as of a process that is killed.
#[derive(Clone, Debug)]
pub struct Killing {
    at: Failpoint,
    happened: Arc<AtomicBool>,
}

impl Killing {
    /// The engine dies the first time it comes by there.
    #[must_use]
    pub fn at(at: Failpoint) -> Self {
        Self { at, happened: Arc::default() }
    }

    /// These options, for the engine that is to die.
    #[must_use]
    pub fn of(&self, options: EngineOptions) -> EngineOptions {
        let Self { at, happened } = self.clone();
        let dies = move |reached| reached == at && !happened.swap(true, Ordering::SeqCst);
        EngineOptions { failpoints: Failpoints::new(dies), ..options }
    }

    /// Whether the engine came by there.
    #[must_use]
    pub fn has_happened(&self) -> bool {
        self.happened.load(Ordering::SeqCst)
    }

    /// Fails a test whose engine never came by there: it would have proved nothing.
    ///
    /// # Panics
    /// When the engine is not dead.
    pub fn assert_happened(&self) {
        assert!(self.has_happened(), "nothing was killed: the engine never reached {:?}", self.at);
    }
}

impl World {
    /// Works the queue until it is dry, with an engine that is killed once on its way.
    ///
    /// # Panics
    /// When it never reaches the place where it is to die.
    pub async fn drain_killed(&self, at: Failpoint, options: EngineOptions) {
        let killing = Killing::at(at);
        self.drain_with(&self.another_engine(killing.of(options))).await;
        killing.assert_happened();
    }
}
