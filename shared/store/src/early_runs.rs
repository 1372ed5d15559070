//! When jobs were last due to start early, because a notification told of a change.

use couplet_model::CompanyId;
use couplet_model::notification::{EARLY_RUNS_APART, EarlyRun, early_run};
use jiff::{SignedDuration, Timestamp};

use crate::Store;
use crate::error::StoreError;
use crate::item::{EXPIRES, expiry, time, time_if_any};
use crate::keys;
use crate::requests::Updated;
use crate::terms::Terms;

/// Attribute with the time.
const DUE: &str = "due";
/// A time is of use for a minute; it is kept for a person who looks.
const KEPT: SignedDuration = SignedDuration::from_hours(24);
/// Times that somebody else may be faster. Each of them has noted a start that follows this notification, so that the second
/// look hardly ever finds anything to do.
const ATTEMPTS: usize = 5;

impl Store {
    /// What becomes of a notification that arrives now for a job: of all that arrive within a minute, at this or other
    /// machines, one alone is answered with [`EarlyRun::Now`] or [`EarlyRun::At`] for the same start.
    ///
    /// # Errors
    /// When the store cannot be read or written. Nothing may be noted then.
    pub async fn note_early_run(&self, company: CompanyId, job: &str, now: Timestamp) -> Result<EarlyRun, StoreError> {
        let key = keys::early_run(company, job);
        let mut standing = self.read(&key).await?;
        for _ in 0..ATTEMPTS {
            let before = standing.as_ref().map(|item| time_if_any(item, DUE)).transpose()?.flatten();
            let decided = early_run(before, now);
            let due = match decided {
                EarlyRun::Now => now,
                EarlyRun::At(due) => due,
                EarlyRun::AlreadyDue(_) => return Ok(decided),
            };
            match self.set_early_run(company, job, before, due).await? {
                Updated::Done(_) => return Ok(decided),
                Updated::Refused(item) => standing = item,
            }
        }
        Err(StoreError::Contended(format!("the early start of {job}")))
    }

    /// Takes back what [`Store::note_early_run`] has noted, because the start could not be asked for: the next notification
    /// asks for it. Does nothing when another one has been noted since.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn take_back_early_run(&self, company: CompanyId, job: &str, due: Timestamp) -> Result<(), StoreError> {
        self.set_early_run(company, job, Some(due), due - EARLY_RUNS_APART).await.map(|_| ())
    }

    async fn set_early_run(
        &self,
        company: CompanyId,
        job: &str,
        before: Option<Timestamp>,
        due: Timestamp,
    ) -> Result<Updated, StoreError> {
        let terms = Terms::update_with("SET due = :due, #expires = :expires")
            .name(EXPIRES)
            .value(DUE, time(due))
            .value(EXPIRES, expiry(due, KEPT));
        let terms = match before {
            Some(before) => terms.when("due = :before").value("before", time(before)),
            None => terms.when("attribute_not_exists(due)"),
        };
        self.update(&keys::early_run(company, job), &terms).await
    }
}
