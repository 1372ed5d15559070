//! Jobs that belong to no mapping.

use super::error::CatalogueError;
use super::files::{self, JobsFile, NamedFile};
use crate::switches::{Switches, When};

/// Name of the job that refreshes item availability.
pub const ITEM_AVAILABILITY: &str = "Item Availability";

/// A job that belongs to no mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherJob {
    /// Name.
    pub name: String,
    /// Description shown to people.
    pub description: String,
    /// Period in minutes; `None` for jobs run on demand.
    pub every_minutes: Option<u32>,
    /// Inactivity time in minutes.
    pub inactivity_minutes: u32,
    /// Attempts before a job is left in Error.
    pub max_attempts: u32,
    /// Pause before another attempt, in seconds.
    pub retry_seconds: u32,
    /// When it exists; `None` = always.
    pub when: Option<When>,
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
pub fn load(file: &NamedFile) -> Result<Vec<OtherJob>, CatalogueError> {
    let raw: JobsFile = files::parse(file)?;
    let mut jobs = Vec::with_capacity(raw.jobs.len());
    for job in raw.jobs {
        if job.recurring && job.every_minutes.is_none() {
            return Err(CatalogueError::of_file(&file.name, format!("job {} recurs but has no period", job.name)));
        }
        jobs.push(OtherJob {
            name: job.name,
            description: job.description,
            every_minutes: job.every_minutes,
            inactivity_minutes: job.inactivity_minutes.unwrap_or(0),
            max_attempts: job.max_attempts,
            retry_seconds: job.retry_seconds,
            when: job.when,
            what: job.what,
        });
    }
    Ok(jobs)
}
