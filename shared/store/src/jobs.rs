//! Jobs and their leases: one run of a job at a time, and a dead one blocks for minutes only.

use couplet_model::job::{Job, JobState};
use couplet_model::{CompanyId, RunId};
use jiff::{SignedDuration, Timestamp};

use crate::Store;
use crate::error::StoreError;
use crate::item::{Item, parsed, text, text_if_any, text_of, time, time_if_any, word, word_of};
use crate::keys;
use crate::requests::{Range, Updated};
use crate::terms::Terms;

/// What became of the attempt to start a run.
#[derive(Clone, Debug, PartialEq)]
pub enum LeaseResult {
    /// The run may work; the job as it is now.
    Acquired(Job),
    /// Another run works.
    HeldBy {
        /// Which one.
        run: RunId,
        /// Until when at most, if its holder is dead.
        until: Timestamp,
    },
    /// A person stopped the job.
    OnHold,
}

fn read_job(item: &Item) -> Result<Job, StoreError> {
    Ok(Job {
        name: text_of(item, "sk")?.to_owned(),
        state: word_of(item, "state")?,
        run: text_if_any(item, "run").map(|_| parsed(item, "run")).transpose()?,
        lease_until: time_if_any(item, "lease_until")?,
        last_started: time_if_any(item, "last_started")?,
        last_success: time_if_any(item, "last_success")?,
        message: text_if_any(item, "message").map(str::to_owned),
    })
}

/// Only the run that holds the lease, as long as no person has stepped in.
fn held_by(terms: Terms, run: RunId) -> Terms {
    terms
        .when("#state = :in_process AND #run = :run")
        .name("state")
        .name("run")
        .value("in_process", word(&JobState::InProcess))
        .value("run", text(run.to_string()))
}

impl Store {
    /// Starts a run, or takes it up again: takes the lease if nobody alive holds it. A run found dead is closed.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn acquire_lease(
        &self,
        company: CompanyId,
        job: &str,
        run: RunId,
        now: Timestamp,
        length: SignedDuration,
    ) -> Result<LeaseResult, StoreError> {
        let key = keys::job(company, job);
        let terms =
            Terms::update_with("SET #state = :in_process, #run = :run, lease_until = :until, last_started = :now")
                .when(
                    "attribute_not_exists(pk) OR #state IN (:ready, :error, :inactive) \
             OR (#state = :in_process AND lease_until < :now)",
                )
                .name("state")
                .name("run")
                .value("in_process", word(&JobState::InProcess))
                .value("ready", word(&JobState::Ready))
                .value("error", word(&JobState::Error))
                .value("inactive", word(&JobState::OnHoldDueToInactivity))
                .value("run", text(run.to_string()))
                .value("until", time(now + length))
                .value("now", time(now));
        match self.update(&key, &terms).await? {
            Updated::Done(before) => {
                let before = if before.contains_key("state") { read_job(&before)? } else { Job::new(job) };
                if let (JobState::InProcess, Some(dead)) = (before.state, before.run.filter(|dead| *dead != run)) {
                    tracing::warn!(job, run = %dead, "the holder of the lease is gone, its run is closed");
                    self.abandon_run(company, job, dead, now).await?;
                }
                Ok(LeaseResult::Acquired(Job {
                    state: JobState::InProcess,
                    run: Some(run),
                    lease_until: Some(now + length),
                    last_started: Some(now),
                    ..before
                }))
            }
            Updated::Refused(None) => Err(StoreError::Contended(format!("the lease of {job}"))),
            Updated::Refused(Some(item)) => {
                let standing = read_job(&item)?;
                match (standing.state, standing.run, standing.lease_until) {
                    (JobState::InProcess, Some(holder), _) if holder == run => {
                        let renewed = self.renew_lease(company, job, run, now, length).await?;
                        if !renewed {
                            return Err(StoreError::Contended(format!("the lease of {job}")));
                        }
                        Ok(LeaseResult::Acquired(Job { lease_until: Some(now + length), ..standing }))
                    }
                    (JobState::InProcess, Some(holder), Some(until)) => Ok(LeaseResult::HeldBy { run: holder, until }),
                    (JobState::OnHold, _, _) => Ok(LeaseResult::OnHold),
                    _ => Err(StoreError::corrupt(format!("the job {job}"), "a lease without a holder")),
                }
            }
        }
    }

    /// Makes the lease last longer. `false`: it is lost, to another run or to a person; the run must stop.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn renew_lease(
        &self,
        company: CompanyId,
        job: &str,
        run: RunId,
        now: Timestamp,
        length: SignedDuration,
    ) -> Result<bool, StoreError> {
        let terms = Terms::update_with("SET lease_until = :until").value("until", time(now + length));
        let updated = self.update(&keys::job(company, job), &held_by(terms, run)).await?;
        Ok(matches!(updated, Updated::Done(_)))
    }

    /// Ends a run: the job gets this state and, after a failure, this message. Does nothing when the lease is lost.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn release_lease(
        &self,
        company: CompanyId,
        job: &str,
        run: RunId,
        state: JobState,
        message: Option<String>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut sets = vec!["#state = :state"];
        let mut removes = vec!["lease_until"];
        if state != JobState::Error {
            sets.push("last_success = :now");
        }
        if message.is_some() {
            sets.push("#message = :message");
        } else {
            removes.push("#message");
        }
        let mut terms = Terms::update_with(format!("SET {} REMOVE {}", sets.join(", "), removes.join(", ")))
            .name("message")
            .value("state", word(&state));
        if state != JobState::Error {
            terms = terms.value("now", time(now));
        }
        if let Some(message) = message {
            terms = terms.value("message", text(message));
        }
        self.update(&keys::job(company, job), &held_by(terms, run)).await?;
        Ok(())
    }

    /// A job; `None` when it never ran.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn job(&self, company: CompanyId, name: &str) -> Result<Option<Job>, StoreError> {
        self.read(&keys::job(company, name)).await?.as_ref().map(read_job).transpose()
    }

    /// All jobs that ever ran, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn jobs(&self, company: CompanyId) -> Result<Vec<Job>, StoreError> {
        let items = self.query(Range::starting(keys::jobs_pk(company), "")).await?;
        items.iter().map(read_job).collect()
    }

    /// Sets the state by hand: on hold, or ready again. A run that is under way loses its lease and stops.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn set_job_state(&self, company: CompanyId, name: &str, state: JobState) -> Result<(), StoreError> {
        let terms =
            Terms::update_with("SET #state = :state REMOVE lease_until").name("state").value("state", word(&state));
        self.update(&keys::job(company, name), &terms).await?;
        Ok(())
    }
}
