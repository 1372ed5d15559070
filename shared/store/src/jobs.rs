//! Jobs and their leases: one run of a job at a time, and a dead one blocks for minutes only.

use aws_sdk_dynamodb::types::AttributeValue;
use couplet_model::job::{Job, JobState};
use couplet_model::{CompanyId, RunId};
use jiff::{SignedDuration, Timestamp};

use crate::Store;
use crate::error::StoreError;
use crate::item::{Item, count_of, number, parsed, text, text_if_any, text_of, time, time_if_any, word, word_of};
use crate::keys;
use crate::requests::{Range, Updated};
use crate::terms::Terms;

/// Attribute with a run's checkpoint; named so since the first version.
const PLACE: &str = "place";
/// Attribute of a job that is on hold again when its run has ended.
const HELD: &str = "held";

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

/// Who holds a lease: one invocation of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The run.
    pub run: RunId,
    /// Which of its invocations, the one that began it being number 0.
    pub invocation: u32,
}

/// How a run left its job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It found everything.
    Well {
        /// State of the job from now on.
        state: JobState,
        /// Whether it was a full synchronization: none is owed any more.
        was_full: bool,
    },
    /// It failed as a whole. What was asked for is still owed.
    Badly {
        /// Why.
        message: String,
        /// Whether the next run goes on from its checkpoint, instead of at the cursor.
        keeps_checkpoint: bool,
    },
    /// Its process ended. The next run goes on from its checkpoint.
    Interrupted {
        /// What is to be known of it.
        message: String,
    },
}

impl Ended {
    /// A run that found everything that had changed.
    pub fn well(state: JobState) -> Self {
        Self::Well { state, was_full: false }
    }

    /// A full synchronization that found everything.
    pub fn well_in_full(state: JobState) -> Self {
        Self::Well { state, was_full: true }
    }

    /// A run that failed as a whole. What was asked for is still owed.
    pub fn badly(message: String, keeps_checkpoint: bool) -> Self {
        Self::Badly { message, keeps_checkpoint }
    }
}

/// What became of the attempt to go on with a run.
#[derive(Clone, Debug, PartialEq)]
pub enum TakenUp {
    /// This invocation may work; the job as it is now, with the run's checkpoint.
    Acquired(Job),
    /// The invocation is being worked already, or the one before still is.
    HeldUntil(Timestamp),
    /// There is nothing to go on with: the run ended, lost its job, or is further already.
    Over,
}

fn read_job(item: &Item) -> Result<Job, StoreError> {
    Ok(Job {
        name: text_of(item, "sk")?.to_owned(),
        state: word_of(item, "state")?,
        run: text_if_any(item, "run").map(|_| parsed(item, "run")).transpose()?,
        invocation: u32::try_from(count_of(item, "leg")?).unwrap_or(u32::MAX),
        checkpoint: text_if_any(item, PLACE).map(str::to_owned),
        lease_until: time_if_any(item, "lease_until")?,
        full_since: time_if_any(item, "full_since")?,
        last_started: time_if_any(item, "last_started")?,
        last_success: time_if_any(item, "last_success")?,
        message: text_if_any(item, "message").map(str::to_owned),
    })
}

/// Only the invocation that holds the lease, as long as no person has stepped in; and only under this condition.
fn held_by(terms: Terms, holder: Holder, condition: &str) -> Terms {
    terms
        .when(format!("#state = :in_process AND #run = :run AND leg = :leg AND {condition}"))
        .name("state")
        .name("run")
        .value("in_process", word(&JobState::InProcess))
        .value("run", text(holder.run.to_string()))
        .value("leg", number(holder.invocation))
}

impl Store {
    /// Starts a run: takes the lease if nobody alive holds it. A run found dead is closed; its checkpoint is handed over
    /// with the job.
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
        self.acquire(company, job, run, now, length, false).await
    }

    /// Starts a full synchronization: as [`Store::acquire_lease`], and in the same write remembers that one was asked
    /// for. That is forgotten only when one has ended well.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn acquire_lease_in_full(
        &self,
        company: CompanyId,
        job: &str,
        run: RunId,
        now: Timestamp,
        length: SignedDuration,
    ) -> Result<LeaseResult, StoreError> {
        self.acquire(company, job, run, now, length, true).await
    }

    async fn acquire(
        &self,
        company: CompanyId,
        job: &str,
        run: RunId,
        now: Timestamp,
        length: SignedDuration,
        in_full: bool,
    ) -> Result<LeaseResult, StoreError> {
        let key = keys::job(company, job);
        let wish = if in_full { ", full_since = if_not_exists(full_since, :now)" } else { "" };
        let terms = Terms::update_with(format!(
            "SET #state = :in_process, #run = :run, leg = :leg, lease_until = :until, last_started = :now{wish}"
        ))
        .when(
            "attribute_not_exists(pk) OR #state IN (:ready, :error, :inactive) \
             OR (#state = :in_process AND lease_until < :now AND attribute_not_exists(held))",
        )
        .name("state")
        .name("run")
        .value("in_process", word(&JobState::InProcess))
        .value("ready", word(&JobState::Ready))
        .value("error", word(&JobState::Error))
        .value("inactive", word(&JobState::OnHoldDueToInactivity))
        .value("run", text(run.to_string()))
        .value("leg", number(0))
        .value("until", time(now + length))
        .value("now", time(now));
        match self.update(&key, &terms).await? {
            Updated::Done(before) => {
                let before = if before.contains_key("state") { read_job(&before)? } else { Job::new(job) };
                if let (JobState::InProcess, Some(dead)) = (before.state, before.run.filter(|dead| *dead != run)) {
                    tracing::warn!(run = %dead, "the holder of the lease is gone, its run is closed");
                    self.abandon_run(company, job, dead, now).await?;
                }
                Ok(LeaseResult::Acquired(Job {
                    state: JobState::InProcess,
                    run: Some(run),
                    invocation: 0,
                    lease_until: Some(now + length),
                    full_since: before.full_since.or(in_full.then_some(now)),
                    last_started: Some(now),
                    ..before
                }))
            }
            Updated::Refused(None) => Err(StoreError::Contended(format!("the lease of {job}"))),
            Updated::Refused(Some(item)) => {
                let standing = read_job(&item)?;
                match (standing.state, standing.run, standing.lease_until) {
                    (JobState::InProcess, Some(holder), _) if holder == run => {
                        // The answer to an earlier attempt of ours was lost on the way.
                        let holder = Holder { run, invocation: 0 };
                        let renewed = self.renew_lease(company, job, holder, now, length, None).await?;
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

    /// Starts a full synchronization of a job that a person has put on hold, as [`Store::acquire_lease_in_full`] does of others. It
    /// is on hold again when the run has ended, however it ends; nobody else starts the job before.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn acquire_held_lease(
        &self,
        company: CompanyId,
        job: &str,
        run: RunId,
        now: Timestamp,
        length: SignedDuration,
    ) -> Result<LeaseResult, StoreError> {
        let terms = Terms::update_with(
            "SET #state = :in_process, #run = :run, leg = :leg, lease_until = :until, last_started = :now, \
             full_since = if_not_exists(full_since, :now), held = :held",
        )
        .when("#state = :on_hold OR (#state = :in_process AND lease_until < :now AND attribute_exists(held))")
        .name("state")
        .name("run")
        .value("in_process", word(&JobState::InProcess))
        .value("on_hold", word(&JobState::OnHold))
        .value("run", text(run.to_string()))
        .value("leg", number(0))
        .value("until", time(now + length))
        .value("now", time(now))
        .value("held", AttributeValue::Bool(true));
        let (item, is_done) = match self.update(&keys::job(company, job), &terms).await? {
            Updated::Done(before) => (before, true),
            Updated::Refused(Some(standing)) => (standing, false),
            Updated::Refused(None) => return Err(StoreError::Contended(format!("the lease of {job}"))),
        };
        let standing = read_job(&item)?;
        let is_ours = standing.state == JobState::InProcess && standing.run == Some(run);
        if is_done {
            if let (JobState::InProcess, Some(dead)) = (standing.state, standing.run.filter(|dead| *dead != run)) {
                self.abandon_run(company, job, dead, now).await?;
            }
        } else if !is_ours {
            let (Some(run), Some(until)) = (standing.run, standing.lease_until) else {
                return Err(StoreError::Contended(format!("the lease of {job}")));
            };
            return Ok(LeaseResult::HeldBy { run, until });
        }
        Ok(LeaseResult::Acquired(Job {
            state: JobState::InProcess,
            run: Some(run),
            invocation: 0,
            lease_until: Some(now + length),
            full_since: standing.full_since.or(Some(now)),
            last_started: Some(now),
            ..standing
        }))
    }

    /// Goes on with a run in a new invocation: takes the lease over from the invocation before, or from a dead worker
    /// of the same one. However often an invocation is asked for, one worker alone works it.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn take_up_lease(
        &self,
        company: CompanyId,
        job: &str,
        holder: Holder,
        now: Timestamp,
        length: SignedDuration,
    ) -> Result<TakenUp, StoreError> {
        let terms = Terms::update_with("SET leg = :leg, lease_until = :until")
            .when(
                "#state = :in_process AND #run = :run \
             AND (leg = :before OR (leg = :leg AND lease_until < :now))",
            )
            .name("state")
            .name("run")
            .value("in_process", word(&JobState::InProcess))
            .value("run", text(holder.run.to_string()))
            .value("leg", number(holder.invocation))
            .value("before", number(i64::from(holder.invocation) - 1))
            .value("until", time(now + length))
            .value("now", time(now));
        match self.update(&keys::job(company, job), &terms).await? {
            Updated::Done(before) => {
                let before = read_job(&before)?;
                Ok(TakenUp::Acquired(Job { invocation: holder.invocation, lease_until: Some(now + length), ..before }))
            }
            Updated::Refused(None) => Ok(TakenUp::Over),
            Updated::Refused(Some(item)) => {
                let standing = read_job(&item)?;
                let is_its = standing.state == JobState::InProcess && standing.run == Some(holder.run);
                match standing.lease_until {
                    Some(until) if is_its && standing.invocation <= holder.invocation => Ok(TakenUp::HeldUntil(until)),
                    _ => Ok(TakenUp::Over),
                }
            }
        }
    }

    /// Makes the lease last longer, and stores the run's checkpoint if there is a new one. `false`: the lease is lost, to
    /// another run, to a later invocation or to a person; the run must stop.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn renew_lease(
        &self,
        company: CompanyId,
        job: &str,
        holder: Holder,
        now: Timestamp,
        length: SignedDuration,
        checkpoint: Option<&str>,
    ) -> Result<bool, StoreError> {
        let terms = match checkpoint {
            Some(checkpoint) => {
                Terms::update_with("SET lease_until = :until, place = :place").value(PLACE, text(checkpoint))
            }
            None => Terms::update_with("SET lease_until = :until"),
        };
        let terms = terms.value("until", time(now + length));
        let updated = self.update(&keys::job(company, job), &held_by(terms, holder, "attribute_exists(pk)")).await?;
        Ok(matches!(updated, Updated::Done(_)))
    }

    /// Ends a run: the job gets this state and, after a failure, this message. Its checkpoint is removed, unless
    /// the next run is to go on from there. Does nothing when the lease is lost.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn release_lease(
        &self,
        company: CompanyId,
        job: &str,
        holder: Holder,
        ended: Ended,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let state = match &ended {
            Ended::Well { state, .. } => *state,
            Ended::Badly { .. } => JobState::Error,
            Ended::Interrupted { .. } => JobState::Ready,
        };
        let mut sets = vec!["#state = :state"];
        let mut removes = vec!["lease_until"];
        match &ended {
            Ended::Well { was_full, .. } => {
                sets.push("last_success = :now");
                removes.extend(["#message", PLACE]);
                removes.extend(was_full.then_some("full_since"));
            }
            Ended::Badly { keeps_checkpoint, .. } => {
                sets.push("#message = :message");
                removes.extend((!keeps_checkpoint).then_some(PLACE));
            }
            Ended::Interrupted { .. } => sets.push("#message = :message"),
        }
        let terms = Terms::update_with(format!("SET {} REMOVE {}", sets.join(", "), removes.join(", ")))
            .name("message")
            .value("state", word(&state));
        let terms = match ended {
            Ended::Well { .. } => terms.value("now", time(now)),
            Ended::Badly { message, .. } | Ended::Interrupted { message } => terms.value("message", text(message)),
        };
        let key = keys::job(company, job);
        let usual = held_by(terms.clone(), holder, "attribute_not_exists(held)");
        if let Updated::Refused(Some(standing)) = self.update(&key, &usual).await?
            && standing.contains_key(HELD)
        {
            // A person has put the job on hold before this run began.
            let terms = terms.and_remove(HELD).value("state", word(&JobState::OnHold));
            self.update(&key, &held_by(terms, holder, "attribute_exists(held)")).await?;
        }
        Ok(())
    }

    /// Makes the next run of a job go on from a checkpoint, whether it ever ran or not. A run under way is not disturbed: it
    /// stores its own.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn set_checkpoint(&self, company: CompanyId, job: &str, checkpoint: &str) -> Result<(), StoreError> {
        let terms = Terms::update_with("SET place = :place, #state = if_not_exists(#state, :ready)")
            .name("state")
            .value(PLACE, text(checkpoint))
            .value("ready", word(&JobState::Ready));
        self.update(&keys::job(company, job), &terms).await?;
        Ok(())
    }

    /// Removes the checkpoint of an unfinished run: the next one begins at the cursor.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn forget_checkpoint(&self, company: CompanyId, job: &str) -> Result<(), StoreError> {
        let terms = Terms::update_with("REMOVE place").when("attribute_exists(pk)");
        self.update(&keys::job(company, job), &terms).await?;
        Ok(())
    }

    /// Makes the next run of a job a full one, and those after it until one has ended well.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn ask_for_full(&self, company: CompanyId, job: &str, now: Timestamp) -> Result<(), StoreError> {
        let terms = Terms::update_with("SET full_since = if_not_exists(full_since, :now)")
            .when("attribute_exists(pk)")
            .value("now", time(now));
        self.update(&keys::job(company, job), &terms).await?;
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

    /// Makes a job ready that a person has put on hold; `false`: it was not on hold.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn release_job(&self, company: CompanyId, name: &str) -> Result<bool, StoreError> {
        let terms = Terms::update_with("SET #state = :ready REMOVE lease_until, held")
            .when("#state = :on_hold")
            .name("state")
            .value("ready", word(&JobState::Ready))
            .value("on_hold", word(&JobState::OnHold));
        Ok(matches!(self.update(&keys::job(company, name), &terms).await?, Updated::Done(_)))
    }

    /// Sets the state by hand: on hold, or ready again. A run that is under way loses its lease and stops.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn set_job_state(&self, company: CompanyId, name: &str, state: JobState) -> Result<(), StoreError> {
        let terms = Terms::update_with("SET #state = :state REMOVE lease_until, held")
            .name("state")
            .value("state", word(&state));
        self.update(&keys::job(company, name), &terms).await?;
        Ok(())
    }
}
