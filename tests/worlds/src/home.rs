//! An installation at home: both systems, and a data folder that one process after the other works in.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use business_central_simulator::{BusinessCentralSimulator, DemoSize};
use couplet_engine::{EngineError, RunMode, RunReport, RunRequest};
use couplet_local::{DataFolder, Drained, EmbeddedCloud, EventSource, EventSourceOptions, InterruptedRun};
use couplet_model::job::{Job, Run, Trigger};
use couplet_model::{CompanyId, MappingName, RunId};
use couplet_runtime::configuration::CloudSection;
use couplet_runtime::{Application, Settings};
use couplet_store::Store;
use dataverse_simulator::DataverseSimulator;
use tempfile::TempDir;

use crate::settings::settings;
use crate::systems::Systems;

/// Longest time for the records of a job.
const LONGEST_DRAIN: Duration = Duration::from_secs(60);
/// Records read at once, so that there are several pages.
const PAGE_SIZE: u32 = 3;

/// Both systems and the folder; what outlives every process.
pub struct Home {
    /// The ERP.
    pub business_central: BusinessCentralSimulator,
    /// The CRM.
    pub dataverse: DataverseSimulator,
    settings: Settings,
    _folder: TempDir,
}

/// A process that works in the folder. It is killed by being dropped.
pub struct Process {
    /// What its handlers work with.
    pub application: Application,
    /// Its services.
    pub cloud: EmbeddedCloud,
    /// What brings messages to the handlers.
    pub source: EventSource,
    /// What it found of the process before it.
    pub interrupted: Vec<InterruptedRun>,
    _folder: DataFolder,
}

impl Home {
    /// Twelve items and six customers, read three at a time, and an empty folder.
    pub async fn start() -> Self {
        let size = DemoSize { items: 12, blocked_items: 0, customers: 6, ..DemoSize::default() };
        let systems = Systems::start(size).await;
        let folder = tempfile::tempdir().expect("a folder");
        let mut settings = settings(&systems);
        settings.data = folder.path().join("data");
        settings.business_central.page_size = PAGE_SIZE;
        settings.dataverse.page_size = PAGE_SIZE;
        settings.cloud = CloudSection::default();
        let Systems { business_central, dataverse } = systems;
        Self { business_central, dataverse, settings, _folder: folder }
    }

    /// The file everything is kept in.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.settings.data.join("couplet.db")
    }

    /// The settings of its processes.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Starts a process, as a command does.
    pub async fn process(&self) -> Process {
        let folder = DataFolder::take(&self.settings.data).expect("no other process is in the folder");
        let cloud = EmbeddedCloud::on_file(&folder.database(), &self.settings).await.expect("the cloud opens");
        let mut application = Application::new(&self.settings, cloud.services()).expect("the application is wired");
        application.retries.first = Duration::ZERO;
        let jobs = application.engine.jobs();
        let interrupted = cloud.recover(&self.settings, &jobs).await.expect("what was left is mended");
        let source = EventSource::new(cloud.clone(), application.clone(), EventSourceOptions::default());
        Process { application, cloud, source, interrupted, _folder: folder }
    }
}

impl Process {
    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        self.application.engine.store()
    }

    /// The company.
    #[must_use]
    pub fn company(&self) -> CompanyId {
        self.application.engine.company()
    }

    /// Looks for changes of a job until a moment, without applying them.
    ///
    /// # Errors
    /// When the run fails.
    pub async fn find(&self, job: &str, mode: RunMode, until: Option<Instant>) -> Result<RunReport, EngineError> {
        let request = RunRequest { job: job.to_owned(), mode, trigger: Trigger::Manual, until };
        self.application.engine.run_job(&request).await
    }

    /// Applies what is in the queues, until they are empty; how much was given up.
    pub async fn drain(&self) -> u64 {
        match self.source.drain(LONGEST_DRAIN).await.expect("the queue answers") {
            Drained::Empty { dead } => dead,
            other => panic!("the queue does not run dry: {other:?}"),
        }
    }

    /// Runs a job to its end.
    pub async fn run(&self, job: &str, mode: RunMode) -> Run {
        let report = self.find(job, mode, None).await.unwrap_or_else(|error| panic!("{job} fails: {error}"));
        self.drain().await;
        self.run_of(job, report.run).await
    }

    /// A run as it is stored.
    pub async fn run_of(&self, job: &str, run: RunId) -> Run {
        self.store().run(self.company(), job, run).await.expect("the store answers").expect("the run is stored")
    }

    /// A job as it is stored.
    pub async fn job(&self, job: &str) -> Job {
        self.store().job(self.company(), job).await.expect("the store answers").expect("the job ran")
    }

    /// How many couplings a mapping has.
    pub async fn couplings(&self, mapping: &str) -> u64 {
        self.store().count_couplings(self.company(), &MappingName::from(mapping)).await.expect("the store answers")
    }
}
