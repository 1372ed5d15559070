//! One installation on the embedded cloud: settings, data folder, application.

use std::path::Path;
use std::time::Duration;

use anyhow::bail;
use couplet_engine::{Engine, JobPlan};
use couplet_local::{DataFolder, Drained, EmbeddedCloud, EventSource, EventSourceOptions, InterruptedRun, recover};
use couplet_model::catalogue::nearest;
use couplet_model::ids::MappingName;
use couplet_runtime::configuration::{Environment, FILE_NAME, Settings, Sources};
use couplet_runtime::{Application, StartError, Systems, wiring};

use crate::output;

/// How long records may take to be processed before the command gives up on them.
const DRAIN_LIMIT: Duration = Duration::from_secs(3600);

/// How often a command that waits for its records looks whether all jobs stand still.
const LOOK_AROUND: Duration = Duration::from_secs(1);

/// The settings, from the file named, or `couplet.toml` if it is there, and the environment.
///
/// # Errors
/// When a setting is missing or wrong.
pub fn settings(config: Option<&Path>) -> anyhow::Result<Settings> {
    let environment: Environment = std::env::vars().collect();
    let sources = match config {
        Some(file) => Sources::of_file(file, true, &environment)?,
        None => Sources::of_file(Path::new(FILE_NAME), false, &environment)?,
    };
    Ok(Settings::from_sources(&sources)?)
}

/// The application for looking only: on what earlier commands stored, without taking the data folder.
///
/// # Errors
/// When the settings or the catalogue are wrong, or the data cannot be opened.
pub async fn look(config: Option<&Path>) -> anyhow::Result<Application> {
    let settings = settings(config)?;
    wiring::catalogue(&settings)?;
    let cloud = match DataFolder::existing_database(&settings.data) {
        Some(database) => EmbeddedCloud::on_file(&database, &settings).await?,
        None => EmbeddedCloud::in_memory(&settings).await?,
    };
    Ok(Application::new(&settings, cloud.services())?)
}

/// The application on this machine's data alone, for a command that changes them without entering the systems.
///
/// # Errors
/// When the settings are wrong, there are no data, or another process works on them.
pub async fn alone(config: Option<&Path>) -> anyhow::Result<(Application, DataFolder)> {
    let settings = settings(config)?;
    wiring::catalogue(&settings)?;
    if DataFolder::existing_database(&settings.data).is_none() {
        bail!("there are no data in {} yet", settings.data.display());
    }
    let folder = DataFolder::take(&settings.data)?;
    let cloud = EmbeddedCloud::on_file(&folder.database(), &settings).await?;
    let application = Application::new(&settings, cloud.services())?;
    // What an earlier process left is closed first, or it would undo later what is chosen now.
    for run in recover(application.engine.store(), settings.company).await? {
        output::note(&interrupted(&run));
    }
    Ok((application, folder))
}

/// An installation that works: it has the data folder to itself.
pub struct Installation {
    /// The engine and its clients.
    pub application: Application,
    /// What brings records to the handlers.
    pub source: EventSource,
    _folder: DataFolder,
}

impl Installation {
    /// Opens the installation once both systems have let us in; makes up for a process that did not end well.
    ///
    /// # Errors
    /// When the settings, the catalogue or the job's name are wrong, a system refuses, or the folder is taken.
    pub async fn open(settings: &Settings) -> anyhow::Result<Self> {
        let catalogue = wiring::catalogue(settings)?;
        // Nothing is created on this machine before it is known that there is something to work with.
        enter(settings, &Systems::new(settings, &catalogue)?).await?;
        let folder = DataFolder::take(&settings.data)?;
        let cloud = EmbeddedCloud::on_file(&folder.database(), settings).await?;
        let application = Application::new(settings, cloud.services())?;
        application.engine.confirm_owner().await?;
        for run in recover(application.engine.store(), settings.company).await? {
            output::note(&interrupted(&run));
        }
        let source = EventSource::new(cloud, application.clone(), EventSourceOptions::default());
        Ok(Self { application, source, _folder: folder })
    }

    /// Processes what is in the queue; says so when something is left.
    ///
    /// # Errors
    /// When records are left; they are read again after the next start.
    pub async fn finish(&self) -> anyhow::Result<()> {
        match self.drained().await? {
            Drained::Empty { dead: 0 } => Ok(()),
            Drained::Empty { dead } => {
                bail!(
                    "{dead} records were given up after several attempts; see COUPLET_LOG=warn for the reasons; they are read again by the next command"
                )
            }
            Drained::TimeUp(depth) => {
                bail!("{} records were not processed in time; they are read again by the next command", depth.open)
            }
        }
    }
}

impl Installation {
    /// Processes what is in the queue, unless all jobs come to stand still: then nothing in it is processed, and a person
    /// has to choose.
    async fn drained(&self) -> anyhow::Result<Drained> {
        let stopped = async {
            loop {
                tokio::time::sleep(LOOK_AROUND).await;
                if let Some(halt) = self.application.engine.halted().await? {
                    return Ok::<_, anyhow::Error>(halt.message());
                }
            }
        };
        tokio::select! {
            drained = self.source.drain(DRAIN_LIMIT) => Ok(drained?),
            message = stopped => bail!(message?),
        }
    }
}

fn interrupted(run: &InterruptedRun) -> String {
    let again = if run.was_full { "; it was a full synchronization: run it again with --full" } else { "" };
    format!(
        "an earlier run of {} was interrupted with {} records to go; everything is read again{again}",
        run.job, run.lost
    )
}

/// Asks both systems who we are; tells what is wrong otherwise.
///
/// # Errors
/// When a system refuses, or the company is not in the environment.
pub async fn enter(settings: &Settings, systems: &Systems) -> anyhow::Result<()> {
    let companies = systems.business_central.companies().await.map_err(StartError::from)?;
    if !companies.iter().any(|company| company.id == settings.company) {
        let names: Vec<String> = companies.iter().map(|company| format!("{} ({})", company.name, company.id)).collect();
        bail!(
            "the company {} is not in this environment of Business Central; set company to one of: {}",
            settings.company,
            names.join(", ")
        );
    }
    systems.dataverse.who_am_i().await.map_err(StartError::from)?;
    Ok(())
}

/// The job of that name, whatever its case.
///
/// # Errors
/// When there is none, with the nearest name; or when it cannot run yet.
pub fn job(engine: &Engine, name: &str) -> anyhow::Result<JobPlan> {
    let plans = engine.jobs();
    let names = plans.iter().map(|plan| plan.name.as_str());
    if let Some(near) = nearest(name, names) {
        match plans.iter().find(|plan| plan.name.eq_ignore_ascii_case(name)) {
            Some(plan) => match &plan.ready {
                Ok(()) => return Ok(plan.clone()),
                Err(missing) => bail!("{} cannot run yet: {missing}", plan.name),
            },
            None => bail!("there is no job {name}; did you mean {near}?"),
        }
    }
    bail!("there is no job {name}; couplet jobs lists them")
}

/// The mapping of that name, whatever its case.
///
/// # Errors
/// When there is none, with the nearest name.
pub fn mapping(engine: &Engine, name: &str) -> anyhow::Result<MappingName> {
    let mappings = engine.mappings();
    if let Some(mapping) = mappings.iter().find(|mapping| mapping.name.as_str().eq_ignore_ascii_case(name)) {
        return Ok(mapping.name.clone());
    }
    match nearest(name, mappings.iter().map(|mapping| mapping.name.as_str())) {
        Some(near) => bail!("there is no mapping {name}; did you mean {near}?"),
        None => bail!("there is no mapping {name}; couplet jobs lists them"),
    }
}
