//! The jobs of an installation: built once, from the catalogue. A job has a name, what it enqueues and where it finds that;
//! a job of a mapping is one entry of this list, and so is a job that belongs to none.

use std::sync::Arc;

use couplet_model::MappingName;
use couplet_model::catalogue::{FoundIn, MappingDirection, NamedRows, OtherJob, RUN_JOB, UnknownMapping, nearest};
use couplet_model::message::Direction;

use crate::error::EngineError;
use crate::installation::Installation;
use crate::mappings::installed::{InstalledMapping, Mappings};

/// A job as it can be scheduled.
#[derive(Clone, Debug)]
pub struct JobPlan {
    /// Name.
    pub name: String,
    /// Description shown to people.
    pub description: String,
    /// Which ways its mapping travels; `None` for jobs without a mapping of their own.
    pub direction: Option<MappingDirection>,
    /// The function of the bundle that runs it.
    pub function: String,
    /// Period in minutes; `None` for a job that runs on demand only.
    pub every_minutes: Option<u32>,
    /// Inactivity time in minutes.
    pub inactivity_minutes: u32,
    /// The names of the cursors it reads from. Without them it reads everything again.
    pub cursors: Vec<MappingName>,
    /// Whether it can run, or why not yet.
    pub ready: Result<(), String>,
}

/// What a job does.
#[derive(Clone)]
pub(crate) struct Work {
    /// The mapping whose records it enqueues.
    pub mapping: Arc<InstalledMapping>,
    /// Where it finds them.
    pub finds: Finds,
}

/// Where a job finds the records it enqueues.
#[derive(Clone)]
pub(crate) enum Finds {
    /// In the change feeds of the mapping, and in the rows that name its records, in the directions of its job.
    Changes(MappingDirection),
    /// Among the changes of the mapping's own records in one direction: what is not coupled yet gets a partner, the others are
    /// for the job of the mapping.
    New(Direction),
    /// In rows of another table alone.
    Named(NamedRows),
}

impl Work {
    /// The directions in which it reads.
    pub fn ways(&self) -> MappingDirection {
        match &self.finds {
            Finds::Changes(ways) => *ways,
            Finds::New(Direction::ToDataverse) => MappingDirection::ToDataverse,
            Finds::New(Direction::FromDataverse) => MappingDirection::FromDataverse,
            Finds::Named(rows) => match rows.direction {
                Direction::ToDataverse => MappingDirection::ToDataverse,
                Direction::FromDataverse => MappingDirection::FromDataverse,
            },
        }
    }
}

/// One job.
pub(crate) struct Job {
    /// As it is shown and scheduled.
    pub plan: JobPlan,
    /// What it does; a job that is not ready does nothing.
    work: Option<Work>,
}

impl Job {
    /// What the job does.
    ///
    /// # Errors
    /// [`EngineError::CannotRun`] with the reason.
    pub fn work(&self) -> Result<&Work, EngineError> {
        self.work.as_ref().ok_or_else(|| EngineError::CannotRun {
            mapping: self.plan.name.clone(),
            missing: self.plan.ready.clone().err().unwrap_or_default(),
        })
    }
}

/// All jobs, each after all it depends on.
pub(crate) struct Jobs {
    jobs: Vec<Job>,
    /// Jobs that the settings switch off.
    switched_off: Vec<MappingName>,
}

impl Jobs {
    /// The jobs of an installation.
    pub fn of(installation: &Installation, mappings: &Mappings) -> Self {
        let of_mappings = mappings.iter().filter_map(|mapping| match mapping {
            Ok(mapping) => Some((mapping.job.as_ref()?, Ok(mapping), &***mapping)),
            Err(unavailable) => {
                Some((unavailable.mapping.job.as_ref()?, Err(unavailable.reason), &unavailable.mapping))
            }
        });
        let mut jobs: Vec<Job> = of_mappings
            .map(|(job, installed, mapping)| Job {
                plan: JobPlan {
                    name: mapping.name.to_string(),
                    description: job.description.clone(),
                    direction: Some(job.direction),
                    function: RUN_JOB.to_owned(),
                    every_minutes: job.every_minutes,
                    inactivity_minutes: job.inactivity_minutes,
                    cursors: vec![mapping.name.clone()],
                    ready: installed.map(|_| ()).map_err(str::to_owned),
                },
                work: installed
                    .ok()
                    .map(|mapping| Work { mapping: Arc::clone(mapping), finds: Finds::Changes(job.direction) }),
            })
            .collect();
        let others = installation.catalogue().other_jobs();
        let (there, off): (Vec<&OtherJob>, Vec<&OtherJob>) = others
            .iter()
            .filter(|job| job.every_minutes.is_some())
            .partition(|job| job.exists(installation.switches()));
        jobs.extend(there.into_iter().filter_map(|job| other_job(job, mappings)));
        let active = mappings.iter().map(|mapping| match mapping {
            Ok(mapping) => &mapping.name,
            Err(unavailable) => &unavailable.mapping.name,
        });
        let active: Vec<&MappingName> = active.collect();
        let entries = installation.catalogue().mappings().iter().map(|entry| entry.name.clone());
        let mut switched_off: Vec<MappingName> = entries.filter(|name| !active.contains(&name)).collect();
        switched_off.extend(off.into_iter().map(|job| MappingName::from(job.name.as_str())));
        Self { jobs, switched_off }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter()
    }

    /// The job of that name, in whatever case it is written.
    ///
    /// # Errors
    /// [`EngineError::UnknownMapping`] with the nearest name, or that it is switched off.
    pub fn named(&self, name: &str) -> Result<&Job, EngineError> {
        if let Some(job) = self.jobs.iter().find(|job| job.plan.name.eq_ignore_ascii_case(name)) {
            return Ok(job);
        }
        if let Some(off) = self.switched_off.iter().find(|off| off.as_str().eq_ignore_ascii_case(name)) {
            return Err(UnknownMapping::SwitchedOff(off.clone()).into());
        }
        let names = self.jobs.iter().map(|job| job.plan.name.as_str());
        let nearest = nearest(name, names).map(str::to_owned);
        Err(UnknownMapping::NoSuchName { name: name.to_owned(), nearest }.into())
    }
}

/// A job that belongs to no mapping, unless it runs on demand only.
fn other_job(job: &OtherJob, mappings: &Mappings) -> Option<Job> {
    let name = MappingName::from(job.name.as_str());
    let work = match &job.enqueues {
        None => Err("its entry in jobs.json says nothing of what it enqueues".to_owned()),
        Some(enqueues) => match mappings.named(&enqueues.mapping) {
            Ok(mapping) => {
                let (finds, way) = match &enqueues.found {
                    FoundIn::Rows(rows) => (Finds::Named(rows.clone()), rows.direction),
                    FoundIn::Changes(direction) => (Finds::New(*direction), *direction),
                };
                if mapping.direction.includes(way) {
                    Ok(Work { mapping: Arc::clone(mapping), finds })
                } else {
                    let goes = mapping.direction.in_words();
                    Err(format!("the mapping {} goes {goes} only in this installation", enqueues.mapping))
                }
            }
            Err(reason) => Err(format!("the mapping {} cannot run: {reason}", enqueues.mapping)),
        },
    };
    // Rows without a cursor of their own are read from where the named records were last read.
    let named = work.as_ref().ok().filter(|work| matches!(work.finds, Finds::Named(_)));
    let named = named.map(|work| work.mapping.name.clone());
    let direction = work.as_ref().ok().and_then(|work| match work.finds {
        Finds::New(Direction::ToDataverse) => Some(MappingDirection::ToDataverse),
        Finds::New(Direction::FromDataverse) => Some(MappingDirection::FromDataverse),
        Finds::Changes(_) | Finds::Named(_) => None,
    });
    let plan = JobPlan {
        name: job.name.clone(),
        description: job.description.clone(),
        direction,
        function: job.function.clone(),
        every_minutes: Some(job.every_minutes?),
        inactivity_minutes: job.inactivity_minutes,
        cursors: [name].into_iter().chain(named).collect(),
        ready: work.as_ref().map(|_| ()).map_err(Clone::clone),
    };
    Some(Job { plan, work: work.ok() })
}
