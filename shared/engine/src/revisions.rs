//! The mappings as the installation has them: which revision is in force, and the engine that works by one.
//!
//! What a run finds bears the revision of the run, so a change takes effect with the next run, and messages under way are
//! treated by the mappings they were found by.

use couplet_model::Catalogue;
use couplet_model::catalogue::{Overlay, OverlayProblem, StoredOverlay};
use couplet_store::MappingsStored;

use crate::engine::Engine;
use crate::error::EngineError;
use crate::plan::Plan;

/// Revisions that a process keeps ready; those under way at a time are hardly ever more than two.
const MOST_READY: usize = 4;

/// The mappings of an installation as they stand, for a person who changes them.
#[derive(Clone, Debug)]
pub struct StandingMappings {
    /// The revision; 0 before the first change.
    pub revision: u64,
    /// What the installation changes.
    pub stored: StoredOverlay,
}

/// Why mappings were not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The mappings would not be valid.
    #[error("{}", in_one_line(.0))]
    Invalid(Vec<OverlayProblem>),
    /// Somebody else has changed them since they were read.
    #[error("somebody else has changed the mappings meanwhile; nothing was changed here, call the command again")]
    Overtaken,
    /// The store failed, or the rules of a mapping do not fit.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

fn in_one_line(problems: &[OverlayProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl Engine {
    /// This engine by the mappings that are in force now. Costs one read of a small item.
    ///
    /// # Errors
    /// When the store cannot be read, or what it holds does not fit this version.
    pub async fn current(&self) -> Result<Self, EngineError> {
        let revision = self.store().mappings_revision(self.company()).await?;
        self.of_revision(revision).await?.ok_or_else(|| {
            EngineError::SetUp(format!(
                "the mappings of revision {revision} are missing in the store; restore it from a backup"
            ))
        })
    }

    /// This engine by the mappings of a revision; `None` when they are not kept any more.
    pub(crate) async fn of_revision(&self, revision: u64) -> Result<Option<Self>, EngineError> {
        if revision == self.revision {
            return Ok(Some(self.clone()));
        }
        let ready = self.revisions.ready.lock().get(&revision).cloned();
        if let Some(plan) = ready {
            return Ok(Some(self.by(plan, revision)));
        }
        let Some(stored) = self.stored_mappings(revision).await? else { return Ok(None) };
        let catalogue = stored.applied_to(&self.revisions.catalogue, self.installation.switches());
        let catalogue = catalogue.map_err(|problems| {
            EngineError::SetUp(format!(
                "what this installation changes of its mappings does not fit this version or its settings: {}; take the change \
                 back with couplet mapping reset",
                in_one_line(&problems)
            ))
        })?;
        let plan = Plan::of(self.installation.with_catalogue(catalogue))?;
        let mut ready = self.revisions.ready.lock();
        while ready.len() >= MOST_READY {
            ready.pop_first();
        }
        ready.insert(revision, plan.clone());
        drop(ready);
        Ok(Some(self.by(plan, revision)))
    }

    fn by(&self, plan: Plan, revision: u64) -> Self {
        let Plan { installation, mappings, jobs } = plan;
        Self { installation, mappings, jobs, revision, ..self.clone() }
    }

    async fn stored_mappings(&self, revision: u64) -> Result<Option<StoredOverlay>, EngineError> {
        if revision == 0 {
            return Ok(Some(StoredOverlay::default()));
        }
        let Some(document) = self.store().mappings_of(self.company(), revision).await? else { return Ok(None) };
        let read = serde_json::from_value(document);
        read.map(Some).map_err(|error| {
            EngineError::SetUp(format!(
                "the mappings of revision {revision} are of another version: {error}; use that version"
            ))
        })
    }

    /// The catalogue without what the installation changes.
    pub fn catalogue_as_shipped(&self) -> &Catalogue {
        &self.revisions.catalogue
    }

    /// The switches of the installation.
    pub fn switches(&self) -> &couplet_model::Switches {
        self.installation.switches()
    }

    /// The mappings as they stand, whether or not they fit this version.
    ///
    /// # Errors
    /// When the store cannot be read, or holds what no version wrote.
    pub async fn standing_mappings(&self) -> Result<StandingMappings, EngineError> {
        let revision = self.store().mappings_revision(self.company()).await?;
        let stored = self.stored_mappings(revision).await?.unwrap_or_default();
        Ok(StandingMappings { revision, stored })
    }

    /// The mappings as an overlay would make them, checked and not stored.
    ///
    /// # Errors
    /// [`ChangeError::Invalid`] with everything that is wrong.
    pub fn try_mappings(
        &self,
        standing: &StandingMappings,
        overlay: Overlay,
    ) -> Result<(StoredOverlay, Catalogue), ChangeError> {
        let (catalogue, switches) = (&self.revisions.catalogue, self.installation.switches());
        let next = standing.revision + 1;
        let (stored, changed) =
            standing.stored.followed_by(overlay, next, catalogue, switches).map_err(ChangeError::Invalid)?;
        // Also what the rules of the mappings read must be there.
        Plan::of(self.installation.with_catalogue(changed.clone()))?;
        Ok((stored, changed))
    }

    /// Changes the mappings from how they stood; gives the new revision. The next run of each job works by it.
    ///
    /// # Errors
    /// As [`Self::try_mappings`]; [`ChangeError::Overtaken`] when they do not stand like that any more. Then nothing changed.
    pub async fn change_mappings(&self, standing: &StandingMappings, overlay: Overlay) -> Result<u64, ChangeError> {
        let (stored, _) = self.try_mappings(standing, overlay)?;
        let document = serde_json::to_value(&stored)
            .map_err(|error| EngineError::SetUp(format!("the mappings cannot be stored: {error}")))?;
        let done = self.store().store_mappings(self.company(), standing.revision, &document).await;
        match done.map_err(EngineError::from)? {
            MappingsStored::As(revision) => Ok(revision),
            MappingsStored::Overtaken => Err(ChangeError::Overtaken),
        }
    }
}

#[cfg(test)]
mod tests;
