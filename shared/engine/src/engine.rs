//! The engine: an installation, the queues its work travels by, and what one process remembers of it.

use std::sync::Arc;

use couplet_model::table::Side;
use couplet_model::{ActiveMapping, Catalogue, CompanyId, MappingName, Switches, System};
use couplet_store::Store;
use jiff::Timestamp;

use crate::claims::Asking;
use crate::error::EngineError;
use crate::installation::{EngineOptions, Installation, InstallationParts};
use crate::jobs::{JobPlan, Jobs};
use crate::mappings::installed::{InstalledMapping, Mappings};
use crate::memory::Memory;
use crate::plan::{Plan, Revisions};
use crate::ports::{RecordsQueue, TasksQueue};

/// What an engine is made of.
pub struct EngineParts {
    /// The Business Central company.
    pub company: CompanyId,
    /// Mappings and tables.
    pub catalogue: Arc<Catalogue>,
    /// Choices of the installation.
    pub switches: Switches,
    /// Client of Business Central.
    pub business_central: Arc<dyn System>,
    /// Client of Dataverse.
    pub dataverse: Arc<dyn System>,
    /// The store.
    pub store: Store,
    /// The records queue.
    pub queue: Arc<dyn RecordsQueue>,
    /// The tasks queue.
    pub tasks: Arc<dyn TasksQueue>,
    /// Times and limits.
    pub options: EngineOptions,
}

/// The use cases of one company. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(crate) installation: Arc<Installation>,
    pub(crate) mappings: Arc<Mappings>,
    pub(crate) jobs: Arc<Jobs>,
    pub(crate) queue: Arc<dyn RecordsQueue>,
    pub(crate) tasks: Arc<dyn TasksQueue>,
    pub(crate) memory: Arc<Memory>,
    /// The revision of the installation's mappings that this engine works by; 0 as the catalogue has them.
    pub(crate) revision: u64,
    pub(crate) revisions: Arc<Revisions>,
}

impl Engine {
    /// An engine of these parts.
    ///
    /// # Errors
    /// [`EngineError::SetUp`] when the rules of a mapping read a column that the catalogue does not have.
    pub fn new(parts: EngineParts) -> Result<Self, EngineError> {
        let EngineParts { company, catalogue, switches, business_central, dataverse, store, queue, tasks, options } =
            parts;
        let parts = InstallationParts { company, catalogue, switches, business_central, dataverse, store, options };
        let revisions = Arc::new(Revisions::of(&parts.catalogue));
        let Plan { installation, mappings, jobs } = Plan::of(Installation::new(parts))?;
        Ok(Self { installation, mappings, jobs, queue, tasks, memory: Arc::default(), revision: 0, revisions })
    }

    /// The jobs of this installation, each after all it depends on; those that belong to no mapping last.
    pub fn jobs(&self) -> Vec<JobPlan> {
        self.jobs.iter().map(|job| job.plan.clone()).collect()
    }

    /// The mappings of this installation, those included that cannot run.
    pub fn mappings(&self) -> Vec<&ActiveMapping> {
        let all = self.mappings.iter().map(|mapping| match mapping {
            Ok(mapping) => &***mapping,
            Err(unavailable) => &unavailable.mapping,
        });
        all.collect()
    }

    /// The mapping of that name, or why it cannot run here.
    pub(crate) fn mapping(&self, name: &MappingName) -> Result<&Arc<InstalledMapping>, &'static str> {
        self.mappings.named(name)
    }

    /// The store.
    pub fn store(&self) -> &Store {
        self.installation.store()
    }

    /// The catalogue.
    pub fn catalogue(&self) -> &Catalogue {
        self.installation.catalogue()
    }

    /// The company.
    pub fn company(&self) -> CompanyId {
        self.installation.company()
    }

    /// The client of a side.
    pub fn system(&self, side: Side) -> &dyn System {
        self.installation.system(side)
    }

    pub(crate) fn options(&self) -> &EngineOptions {
        self.installation.options()
    }

    /// Who asks whether a pair is held.
    pub(crate) fn asking(&self) -> Asking {
        let options = self.options();
        Asking { process: options.process, is_alone: options.is_alone, longest: options.claim }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.installation.now()
    }
}
