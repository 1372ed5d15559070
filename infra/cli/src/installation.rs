//! One installation on the embedded cloud: settings, data folder, application.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::bail;
use couplet_engine::{Engine, JobPlan};
use couplet_local::{DataFolder, Drained, EmbeddedCloud, EventSource, EventSourceOptions, InterruptedRun};
use couplet_model::catalogue::nearest;
use couplet_model::ids::MappingName;
use couplet_runtime::configuration::{FILE_NAME, Settings, Sources, environment_of_process};
use couplet_runtime::{Application, Held, StartError, Systems, wiring};
use tokio::sync::watch;

use crate::output;
use crate::progress::Progress;

/// How long records may take to be processed before the command gives up on them.
const DRAIN_LIMIT: Duration = Duration::from_secs(3600);
/// Between two looks at what is waited for.
const LOOK: Duration = Duration::from_secs(1);

/// The settings, from the file named, or `couplet.toml` if it is there, and the environment.
///
/// # Errors
/// When a setting is missing or wrong.
pub fn settings(config: Option<&Path>) -> anyhow::Result<Settings> {
    let environment = environment_of_process();
    let sources = match config {
        Some(file) => Sources::of_file(file, true, &environment)?,
        None => Sources::of_file(Path::new(FILE_NAME), false, &environment)?,
    };
    for warning in sources.warnings() {
        output::note(&format!("couplet: {warning}"));
    }
    Ok(Settings::from_sources(&sources)?)
}

/// The application for looking only: on what earlier commands stored, without taking the data folder.
///
/// # Errors
/// When the settings or the catalogue are wrong, or the data cannot be opened.
pub async fn look(config: Option<&Path>) -> anyhow::Result<Application> {
    look_by(&settings(config)?).await
}

/// As [`look`]; and whether there are data yet.
///
/// # Errors
/// As of [`look`].
pub async fn look_for_data(config: Option<&Path>) -> anyhow::Result<(Application, bool)> {
    look_for_data_by(&settings(config)?).await
}

/// As [`look`], by settings that are known.
///
/// # Errors
/// When the catalogue is wrong, or the data cannot be opened.
pub async fn look_by(settings: &Settings) -> anyhow::Result<Application> {
    Ok(look_for_data_by(settings).await?.0)
}

async fn look_for_data_by(settings: &Settings) -> anyhow::Result<(Application, bool)> {
    wiring::catalogue(settings)?;
    let database = DataFolder::existing_database(&settings.data);
    let cloud = match &database {
        Some(database) => EmbeddedCloud::to_look_at(database, settings).await?,
        None => EmbeddedCloud::in_memory(settings).await?,
    };
    let application = by_current_mappings(Application::new(settings, cloud.services())?).await;
    Ok((application, database.is_some()))
}

/// The application on a store in memory that holds nothing, to look at the systems alone.
///
/// # Errors
/// When the settings or the catalogue are wrong.
pub async fn without_store(settings: &Settings) -> anyhow::Result<Application> {
    Ok(Application::new(settings, EmbeddedCloud::in_memory(settings).await?.services())?)
}

/// The application by the mappings as they stand. Where they do not fit, by those that Couplet brings along: whoever looks can
/// see what there is, and whoever changes them can take them back. Says so when the connection is switched off.
pub async fn by_current_mappings(mut application: Application) -> Application {
    match application.engine.current().await {
        Ok(engine) => application.engine = engine,
        Err(error) => output::note(&format!("couplet: {error}")),
    }
    if let Ok(Some(disabled)) = application.engine.disabled().await {
        output::note(&format!("couplet: {}", disabled.message()));
    }
    application
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
    take(&settings).await
}

/// As [`alone`], for a command that may be the first one: data are begun where there are none.
///
/// # Errors
/// When the settings are wrong, or another process works on the data.
pub async fn alone_or_new(config: Option<&Path>) -> anyhow::Result<(Application, DataFolder)> {
    let settings = settings(config)?;
    wiring::catalogue(&settings)?;
    take(&settings).await
}

async fn take(settings: &Settings) -> anyhow::Result<(Application, DataFolder)> {
    let folder = DataFolder::take(&settings.data)?;
    let cloud = EmbeddedCloud::on_file(&folder.database(), settings).await?;
    let application = by_current_mappings(Application::new(settings, cloud.services())?).await;
    // What an earlier process left is closed first, or it would undo later what is chosen now.
    for run in cloud.recover(settings, &application.engine.jobs()).await? {
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
    cloud: EmbeddedCloud,
    settings: Settings,
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
        let application = by_current_mappings(Application::new(settings, cloud.services())?).await;
        application.engine.confirm_owner().await?;
        application.engine.confirm_orders().await?;
        for run in cloud.recover(settings, &application.engine.jobs()).await? {
            output::note(&interrupted(&run));
        }
        let left = cloud.left().records;
        if left > 0 {
            output::note(&format!("{left} records that earlier commands left in the queue are processed as well"));
        }
        let source = EventSource::new(cloud.clone(), application.clone(), EventSourceOptions::default());
        Ok(Self { application, source, cloud, settings: settings.clone(), _folder: folder })
    }

    /// Processes what is in the queue; says what is waited for, and when something is left.
    ///
    /// # Errors
    /// When records are left. They are kept, and the next command goes on with them. When all jobs come to stand still:
    /// then nothing in the queue is processed, and a person has to choose.
    pub async fn finish(&self, stop: &watch::Receiver<bool>, progress: &Progress) -> anyhow::Result<()> {
        let drain = self.source.drain_until(DRAIN_LIMIT, stop);
        tokio::pin!(drain);
        let mut looks = tokio::time::interval(LOOK);
        let mut told = BTreeSet::new();
        let drained = loop {
            tokio::select! {
                drained = &mut drain => break drained?,
                _ = looks.tick() => {
                    tell(&self.source.held(), progress, &mut told);
                    if let Some(halt) = self.application.engine.halted().await? {
                        progress.end();
                        bail!(halt.message());
                    }
                }
            }
        };
        progress.end();
        match drained {
            Drained::Empty { dead: 0 } => Ok(()),
            Drained::Empty { dead } => {
                bail!(
                    "{dead} records were given up after several attempts; see COUPLET_LOG=warn for the reasons; they are kept, and the next command tries them again"
                )
            }
            Drained::TimeUp(depth) => {
                bail!("{} records were not processed in time; the next command goes on with them", depth.open)
            }
            Drained::Stopped(depth) => {
                bail!("{} records are left in the queue; the next command goes on with them", depth.open)
            }
        }
    }

    /// Fails when the file beneath the store does: nothing that happened since can be told from it.
    ///
    /// # Errors
    /// What is wrong with the file, and what to do.
    pub fn storage_is_sound(&self) -> anyhow::Result<()> {
        match self.cloud.trouble() {
            Some(trouble) => bail!("{trouble}"),
            None => Ok(()),
        }
    }

    /// Waits until the file beneath the store fails.
    pub async fn storage_failed(&self) {
        while self.cloud.trouble().is_none() {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Gives back what a run holds that was interrupted in this process, so that the next one need not wait for it.
    ///
    /// # Errors
    /// When the database fails; the next command makes up for it.
    pub async fn give_up_runs(&self) -> anyhow::Result<()> {
        Ok(self.cloud.give_up_runs(&self.settings).await.map(|_| ())?)
    }

    /// How many records and tasks are still in the queues.
    ///
    /// # Errors
    /// When the queue cannot be asked.
    pub async fn left_in_queue(&self) -> anyhow::Result<u64> {
        Ok(self.cloud.depth().await?.open)
    }
}

/// Says what is waited for: in the progress line at every look, and once per reason where nobody watches that.
fn tell(held: &[Held], progress: &Progress, told: &mut BTreeSet<String>) {
    let Some(longest) = held.iter().max_by_key(|held| held.messages) else { return };
    progress.show(&waiting_for(longest));
    if !output::is_watched() {
        for held in held.iter().filter(|held| held.again_in > LOOK) {
            if told.insert(held.reason.clone()) {
                output::note(&waiting_for(held));
            }
        }
    }
}

/// What is waited for, in words.
fn waiting_for(held: &Held) -> String {
    let seconds = held.again_in.as_secs().max(1);
    let records = if held.messages == 1 { "1 record".to_owned() } else { format!("{} records", held.messages) };
    format!("waiting for {records}, tried again in {seconds} s: {}", held.reason)
}

fn interrupted(run: &InterruptedRun) -> String {
    match run.lost {
        0 => format!("an earlier run of {} was interrupted; the next one goes on where it stood", run.job),
        lost => {
            format!("an earlier run of {} was interrupted with {lost} records to go; everything is read again", run.job)
        }
    }
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
/// When there is none, with the nearest name; or when it cannot run.
pub fn job(engine: &Engine, name: &str) -> anyhow::Result<JobPlan> {
    let plans = engine.jobs();
    let is_asked_for = |other: &str| other.eq_ignore_ascii_case(name);
    let exists = plans.iter().any(|plan| is_asked_for(&plan.name));
    if !exists && engine.catalogue().mappings().iter().any(|mapping| is_asked_for(mapping.name.as_str())) {
        bail!(
            "{name} is not part of this installation: its settings under [switches] leave it out; couplet jobs lists what is"
        );
    }
    let names = plans.iter().map(|plan| plan.name.as_str());
    if let Some(near) = nearest(name, names) {
        match plans.iter().find(|plan| plan.name.eq_ignore_ascii_case(name)) {
            Some(plan) => match &plan.ready {
                Ok(()) => return Ok(plan.clone()),
                Err(missing) => bail!("{} cannot run: {missing}", plan.name),
            },
            None => bail!("there is no job {name}; did you mean {near}?"),
        }
    }
    bail!("there is no job {name}; couplet jobs lists them")
}

/// The mapping of that name, or all of them.
///
/// # Errors
/// When there is none of that name, with the nearest one.
pub fn mappings(engine: &Engine, name: Option<&str>) -> anyhow::Result<Vec<MappingName>> {
    match name {
        Some(name) => Ok(vec![mapping(engine, name)?]),
        None => Ok(engine.mappings().iter().map(|mapping| mapping.name.clone()).collect()),
    }
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
