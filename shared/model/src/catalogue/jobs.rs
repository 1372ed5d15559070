//! Jobs that belong to no mapping.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::CatalogueError;
use super::files::{self, EnqueuesFile, JobsFile, NamedFile};
use super::mapping::Mapping;
use super::named_rows::NamedRows;
use crate::ids::MappingName;
use crate::message::Direction;
use crate::switches::{Switches, When};
use crate::table::{Side, Table};

/// The function of the bundle that runs a job which names none.
pub const RUN_JOB: &str = "run-job";

/// What a job that belongs to no mapping enqueues.
#[derive(Clone, Debug)]
pub struct Enqueues {
    /// The mapping whose records are enqueued.
    pub mapping: MappingName,
    /// Where they are found.
    pub found: FoundIn,
}

/// Where a job that belongs to no mapping finds the records it enqueues.
#[derive(Clone, Debug)]
pub enum FoundIn {
    /// In rows that name them.
    Rows(NamedRows),
    /// Among the changes of the mapping's own records in a direction: those that are not coupled yet, which get a partner.
    Changes(Direction),
}

/// A job that belongs to no mapping.
#[derive(Clone, Debug)]
pub struct OtherJob {
    /// Name.
    pub name: String,
    /// Description shown to people.
    pub description: String,
    /// Period in minutes; `None` for jobs run on demand.
    pub every_minutes: Option<u32>,
    /// Inactivity time in minutes.
    pub inactivity_minutes: u32,
    /// When it exists; `None` = always.
    pub when: Option<When>,
    /// The function of the bundle that runs it.
    pub function: String,
    /// What it enqueues; `None` for a job that enqueues nothing and cannot run.
    pub enqueues: Option<Enqueues>,
    /// What it does.
    pub what: String,
}

impl OtherJob {
    /// Whether the job exists under these switches.
    pub fn exists(&self, switches: &Switches) -> bool {
        self.when.is_none_or(|when| when.holds(switches))
    }
}

/// Reads the jobs.
pub fn load(
    file: &NamedFile,
    mappings: &[Mapping],
    business_central: &BTreeMap<String, Arc<Table>>,
    dataverse: &BTreeMap<String, Arc<Table>>,
) -> Result<Vec<OtherJob>, CatalogueError> {
    let raw: JobsFile = files::parse(file)?;
    let mut jobs = Vec::with_capacity(raw.jobs.len());
    for job in raw.jobs {
        if job.recurring && job.every_minutes.is_none() {
            return Err(CatalogueError::of_file(&file.name, format!("job {} recurs but has no period", job.name)));
        }
        let enqueues = match job.enqueues {
            None => None,
            Some(EnqueuesFile { mapping, rows, changes }) => {
                let named = mappings.iter().find(|known| known.name.as_str() == mapping);
                let checked = named.ok_or_else(|| format!("there is no mapping {mapping}")).and_then(|named| {
                    let found = match (rows, changes) {
                        (Some(rows), None) => {
                            let table = match rows.side() {
                                Side::BusinessCentral => &named.business_central,
                                Side::Dataverse => &named.dataverse,
                            };
                            FoundIn::Rows(rows.check(business_central, dataverse, table)?)
                        }
                        (None, Some(way)) => {
                            let mut entries = mappings.iter().filter(|known| known.name == named.name);
                            if let Some(other) = entries.find(|entry| !entry.designed_for.includes(way)) {
                                return Err(format!("{} of {} does not travel {way}", other.name, other.file));
                            }
                            FoundIn::Changes(way)
                        }
                        _ => return Err("needs rows that name records, or changes in a direction".to_owned()),
                    };
                    Ok(Enqueues { mapping: named.name.clone(), found })
                });
                let in_job = |problem: String| {
                    CatalogueError::of_file(&file.name, format!("job {}: enqueues: {problem}", job.name))
                };
                Some(checked.map_err(in_job)?)
            }
        };
        jobs.push(OtherJob {
            name: job.name,
            description: job.description,
            every_minutes: job.every_minutes,
            inactivity_minutes: job.inactivity_minutes.unwrap_or(0),
            when: job.when,
            function: job.function.unwrap_or_else(|| RUN_JOB.to_owned()),
            enqueues,
            what: job.what,
        });
    }
    Ok(jobs)
}
