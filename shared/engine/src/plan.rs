//! What follows from the mappings of an installation, revision by revision.

use std::collections::BTreeMap;
use std::sync::Arc;

use couplet_model::Catalogue;
use parking_lot::Mutex;

use crate::error::EngineError;
use crate::installation::Installation;
use crate::jobs::Jobs;
use crate::mappings::installed::Mappings;

/// What follows from the mappings of a revision.
#[derive(Clone)]
pub(crate) struct Plan {
    pub installation: Arc<Installation>,
    pub mappings: Arc<Mappings>,
    pub jobs: Arc<Jobs>,
}

impl Plan {
    /// What follows from the catalogue of an installation.
    ///
    /// # Errors
    /// [`EngineError::SetUp`] when the rules of a mapping read a column that the catalogue does not have.
    pub fn of(installation: Installation) -> Result<Self, EngineError> {
        let mappings = Mappings::install(installation.catalogue(), installation.switches())?;
        let jobs = Jobs::of(&installation, &mappings);
        Ok(Self { installation: Arc::new(installation), mappings: Arc::new(mappings), jobs: Arc::new(jobs) })
    }
}

/// The revisions a process has met.
pub(crate) struct Revisions {
    /// The catalogue without what the installation changes.
    pub catalogue: Arc<Catalogue>,
    /// What follows from each of them.
    pub ready: Mutex<BTreeMap<u64, Plan>>,
}

impl Revisions {
    pub fn of(catalogue: &Arc<Catalogue>) -> Self {
        Self { catalogue: Arc::clone(catalogue), ready: Mutex::default() }
    }
}
