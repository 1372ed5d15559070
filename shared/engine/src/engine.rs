//! The engine: both systems, the store and the queue of one company, and the jobs it can run.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use couplet_model::catalogue::{ITEM_AVAILABILITY, MappingDirection};
use couplet_model::table::Side;
use couplet_model::{ActiveMapping, Catalogue, Clock, CompanyId, DataverseId, ProcessId, Switches, System};
use couplet_store::Store;
use jiff::{SignedDuration, Timestamp};

use crate::claims::Asking;
use crate::landscape::Landscape;
use crate::partners::KnownPartners;
use crate::ports::{Checkpoints, RecordsQueue, TasksQueue};
use crate::rules;
use crate::trust::KnownRuns;

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

/// Times and limits.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// How long a run holds its job without renewing the lease.
    pub lease: SignedDuration,
    /// How long one worker holds the pairs it is writing. A dead worker blocks its pairs for so long.
    pub claim: SignedDuration,
    /// The process this engine works in; its claims bear it.
    pub process: ProcessId,
    /// Whether no other process works on the same store, as on one machine that has its data folder to itself. Then a
    /// claim of another process is of one that is gone, and ends at once.
    pub is_alone: bool,
    /// A snapshot older than this is read again.
    pub snapshot_max_age: SignedDuration,
    /// How far reading by time of change reaches back before the cursor: longer than any transaction of either system
    /// stays open, or what it wrote may be missed.
    pub look_back: SignedDuration,
    /// The row of the company in Dataverse, if known; looked up otherwise.
    pub company_row: Option<DataverseId>,
    /// Short product name in the names of price lists.
    pub product_name: String,
    /// Where a crash test stops the engine.
    pub checkpoints: Checkpoints,
    /// Where the time comes from.
    pub clock: Clock,
    /// Records a run hands to the queue at a time.
    pub enqueue_size: usize,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            lease: SignedDuration::from_mins(15),
            claim: SignedDuration::from_mins(3),
            process: ProcessId::current(),
            is_alone: false,
            snapshot_max_age: SignedDuration::from_mins(5),
            look_back: SignedDuration::from_mins(5),
            company_row: None,
            product_name: "Business Central".to_owned(),
            checkpoints: Checkpoints::default(),
            clock: Clock::default(),
            enqueue_size: 1000,
        }
    }
}

/// A job as it can be scheduled.
#[derive(Clone, Debug)]
pub struct JobPlan {
    /// Name.
    pub name: String,
    /// Description shown to people.
    pub description: String,
    /// Which ways its mapping travels; `None` for jobs without a mapping.
    pub direction: Option<MappingDirection>,
    /// Period in minutes.
    pub every_minutes: u32,
    /// Inactivity time in minutes.
    pub inactivity_minutes: u32,
    /// Whether it can run, or why not yet.
    pub ready: Result<(), String>,
}

/// The use cases of one company. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(crate) parts: Arc<EngineParts>,
    pub(crate) landscape: Arc<Landscape>,
    active: Arc<Vec<ActiveMapping>>,
    /// Ids of tables that were searched for partners.
    pub(crate) partners: Arc<KnownPartners>,
    /// Runs that the store was seen to know.
    pub(crate) runs: Arc<KnownRuns>,
    /// Set when this process has seen that the store belongs to whom the settings lead to.
    pub(crate) owner_is_confirmed: Arc<AtomicBool>,
}

impl Engine {
    /// An engine of these parts.
    pub fn new(parts: EngineParts) -> Self {
        let active = parts.catalogue.active(&parts.switches);
        let landscape = Landscape::new(parts.options.company_row);
        Self {
            parts: Arc::new(parts),
            landscape: Arc::new(landscape),
            active: Arc::new(active),
            partners: Arc::default(),
            runs: Arc::default(),
            owner_is_confirmed: Arc::default(),
        }
    }

    /// The jobs of this installation, each after all it depends on; Item Availability last.
    pub fn jobs(&self) -> Vec<JobPlan> {
        let mut plans: Vec<JobPlan> = self
            .active
            .iter()
            .filter_map(|mapping| {
                let job = mapping.job.as_ref()?;
                Some(JobPlan {
                    name: mapping.name.to_string(),
                    description: job.description.clone(),
                    direction: Some(mapping.direction),
                    every_minutes: job.every_minutes,
                    inactivity_minutes: job.inactivity_minutes,
                    ready: rules::of(mapping).map(|_| ()).map_err(|missing| missing.to_owned()),
                })
            })
            .collect();
        let other = self.parts.catalogue.other_jobs().iter();
        plans.extend(other.filter(|job| job.exists(&self.parts.switches)).filter_map(|job| {
            Some(JobPlan {
                name: job.name.clone(),
                description: job.description.clone(),
                direction: None,
                every_minutes: job.every_minutes?,
                inactivity_minutes: job.inactivity_minutes,
                ready: if job.name == ITEM_AVAILABILITY { Ok(()) } else { Err("this job is not built yet".to_owned()) },
            })
        }));
        plans
    }

    /// The mappings of this installation.
    pub fn mappings(&self) -> &[ActiveMapping] {
        &self.active
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.parts.store
    }

    /// The catalogue.
    pub fn catalogue(&self) -> &Catalogue {
        &self.parts.catalogue
    }

    /// The company.
    pub fn company(&self) -> CompanyId {
        self.parts.company
    }

    /// The client of a side.
    pub fn system(&self, side: Side) -> &dyn System {
        match side {
            Side::BusinessCentral => self.parts.business_central.as_ref(),
            Side::Dataverse => self.parts.dataverse.as_ref(),
        }
    }

    pub(crate) fn options(&self) -> &EngineOptions {
        &self.parts.options
    }

    /// Who asks whether a pair is held.
    pub(crate) fn asking(&self) -> Asking {
        let options = &self.parts.options;
        Asking { process: options.process, is_alone: options.is_alone, longest: options.claim }
    }

    pub(crate) fn mapping(&self, name: &str) -> Option<&ActiveMapping> {
        self.active.iter().find(|mapping| mapping.name.as_str() == name)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.parts.options.clock.now()
    }
}
