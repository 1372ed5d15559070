//! Jobs that a person stops, and lets go on.

use couplet_model::job::JobState;

use crate::engine::Engine;
use crate::error::EngineError;

impl Engine {
    /// Puts jobs on hold, each by its name, or all of them: no timer and nobody else starts them until they are released. A run
    /// that is under way stops; what it has put into the queue is still processed. Gives their names.
    ///
    /// # Errors
    /// When a job is not known, with the nearest name; then none is put on hold. Else when the store fails: it can be repeated.
    pub async fn hold_jobs(&self, jobs: &[String]) -> Result<Vec<String>, EngineError> {
        let names = self.names_of(jobs)?;
        for name in &names {
            self.store().set_job_state(self.company(), name, JobState::OnHold).await?;
        }
        Ok(names)
    }

    /// Makes jobs ready that are on hold, each by its name, or all of them. Gives the names of those that were.
    ///
    /// # Errors
    /// As of [`Engine::hold_jobs`].
    pub async fn release_jobs(&self, jobs: &[String]) -> Result<Vec<String>, EngineError> {
        let mut released = Vec::new();
        for name in self.names_of(jobs)? {
            if self.store().release_job(self.company(), &name).await? {
                released.push(name);
            }
        }
        Ok(released)
    }

    /// The names of jobs as they are stored; of all that can run, if none is named.
    fn names_of(&self, jobs: &[String]) -> Result<Vec<String>, EngineError> {
        if jobs.is_empty() {
            let ready = self.jobs.iter().filter(|job| job.work().is_ok());
            return Ok(ready.map(|job| job.plan.name.clone()).collect());
        }
        jobs.iter().map(|name| Ok(self.jobs.named(name)?.plan.name.clone())).collect()
    }
}
