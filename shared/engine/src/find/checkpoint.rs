//! Checkpoints: where a run stands while it looks for work, so that another invocation can go on with it.
//!
//! A run is read in steps: the rows that name records, page by page, then the records themselves, then what earlier runs
//! left over; for each direction of its mapping. Its checkpoint is stored with its lease after every page. An invocation
//! whose time is up hands the run over to the next one; whoever finds a run dead goes on from its checkpoint.

use std::time::Instant;

use couplet_model::catalogue::MappingDirection;
use couplet_model::message::Direction;
use couplet_model::system::PageToken;
use couplet_model::table::Side;
use couplet_store::Holder;
use serde::{Deserialize, Serialize};

use super::found::{Found, RunMode};
use crate::engine::Engine;
use crate::error::EngineError;

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// What the run looks at.
    pub mode: RunMode,
    /// The direction it is reading; those before it are done.
    pub direction: Direction,
    /// Which feed of this direction it is reading: 0 the mapping's own records, from 1 on the rows that name records.
    #[serde(default)]
    pub feed: usize,
    /// What comes next in this feed.
    pub step: Step,
    /// What was found so far.
    pub found: Found,
    /// The side that wins in this full synchronization, when a person chose one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wins: Option<Side>,
    /// The revision of the mappings by which it was read.
    #[serde(default, skip_serializing_if = "is_first")]
    pub mappings: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_first(revision: &u64) -> bool {
    *revision == 0
}

/// What an invocation begins with.
#[derive(Debug)]
pub(crate) struct Start {
    /// What the run looks at, unless it goes on from a checkpoint.
    pub mode: RunMode,
    /// Where it goes on.
    pub checkpoint: Option<Checkpoint>,
    /// What is known of a run that begins anew.
    pub found: Found,
}

/// How far an invocation came with a run.
#[derive(Debug)]
pub(crate) enum Reached {
    /// Everything is found and enqueued.
    End(Found),
    /// Its time is up, and the checkpoint stored.
    Checkpoint(Found),
}

/// A step of one direction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    /// This page of the change feed; without one, the feed from the cursor.
    Feed(Option<PageToken>),
    /// Earlier failures whose time has come, and waits that are over.
    LeftOver,
}

impl Checkpoint {
    /// The beginning of a direction.
    pub fn at_beginning(mode: RunMode, direction: Direction, found: Found) -> Self {
        Self::at_feed(mode, direction, 0, found)
    }

    /// The beginning of a feed of a direction.
    pub fn at_feed(mode: RunMode, direction: Direction, feed: usize, found: Found) -> Self {
        Self { mode, direction, feed, step: Step::Feed(None), found, wins: None, mappings: 0 }
    }

    /// The beginning of a full synchronization in which a side wins, of a job that travels these ways.
    pub fn at_beginning_with(wins: Side, ways: MappingDirection, found: Found) -> Option<Self> {
        let first = *directions(ways, Some(wins)).first()?;
        Some(Self { wins: Some(wins), ..Self::at_beginning(RunMode::Full, first, found) })
    }

    /// The beginning of another feed of the same run.
    pub fn at_direction(self, direction: Direction, feed: usize) -> Self {
        Self { direction, feed, step: Step::Feed(None), ..self }
    }

    /// The same run from its beginning, in these directions.
    pub fn begin_again(&mut self, ways: MappingDirection) {
        if let Some(first) = directions(ways, self.wins).first() {
            (self.direction, self.feed, self.step) = (*first, 0, Step::Feed(None));
        }
    }

    /// Whether a run asked for in this mode goes on here. A full synchronization begins anew, unless it is one already.
    pub fn serves(&self, mode: RunMode) -> bool {
        mode == RunMode::Modified || self.mode == RunMode::Full
    }

    pub fn text(&self) -> Result<String, EngineError> {
        serde_json::to_string(self)
            .map_err(|error| EngineError::SetUp(format!("a checkpoint cannot be stored: {error}")))
    }

    /// A stored checkpoint; one that an older version stored may mean nothing any more: then the run begins at the cursor.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// The directions of a job in the order of a run: towards Dataverse first, unless Dataverse wins. So the winner's values
/// are the first to be looked for.
pub(crate) fn directions(ways: MappingDirection, wins: Option<Side>) -> Vec<Direction> {
    let mut directions: Vec<Direction> = ways.directions().collect();
    if wins == Some(Side::Dataverse) {
        directions.reverse();
    }
    directions
}

/// One invocation's part of a run.
pub(crate) struct Invocation<'a> {
    pub engine: &'a Engine,
    pub job: &'a str,
    pub holder: Holder,
    /// When the invocation has to hand the run over; `None`: never.
    pub until: Option<Instant>,
}

impl Invocation<'_> {
    /// Whether the next page is for another invocation: the time is up, or the connection was switched off meanwhile.
    pub async fn is_over(&self) -> Result<bool, EngineError> {
        Ok(self.until.is_some_and(|until| Instant::now() >= until) || self.engine.disabled().await?.is_some())
    }

    /// Renews the lease.
    pub async fn keep_lease(&self) -> Result<(), EngineError> {
        self.keep(None).await
    }

    /// Renews the lease and remembers where the run stands.
    pub async fn keep_checkpoint(&self, checkpoint: &Checkpoint) -> Result<(), EngineError> {
        let checkpoint = Checkpoint { mappings: self.engine.revision, ..checkpoint.clone() };
        self.keep(Some(&checkpoint.text()?)).await
    }

    async fn keep(&self, checkpoint: Option<&str>) -> Result<(), EngineError> {
        let engine = self.engine;
        let (company, now, length) = (engine.company(), engine.now(), engine.options().lease);
        if engine.store().renew_lease(company, self.job, self.holder, now, length, checkpoint).await? {
            Ok(())
        } else {
            Err(EngineError::LeaseLost(self.job.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_synchronization_goes_on_only_from_a_full_one() {
        for (standing, asked, serves) in [
            (RunMode::Modified, RunMode::Modified, true),
            (RunMode::Full, RunMode::Modified, true),
            (RunMode::Full, RunMode::Full, true),
            (RunMode::Modified, RunMode::Full, false),
        ] {
            let checkpoint = Checkpoint::at_beginning(standing, Direction::ToDataverse, Found::default());
            assert_eq!(checkpoint.serves(asked), serves, "{standing:?}, asked for {asked:?}");
        }
    }

    #[test]
    fn a_place_survives_being_stored_and_a_strange_one_is_no_place() {
        let mut checkpoint = Checkpoint::at_beginning(RunMode::Full, Direction::FromDataverse, Found::default());
        checkpoint.step = Step::Feed(Some(PageToken("the next page".to_owned())));
        checkpoint.found.enqueued = 7;
        checkpoint.wins = Some(Side::Dataverse);
        checkpoint.mappings = 3;
        assert_eq!(Checkpoint::read(&checkpoint.text().expect("JSON")), Some(checkpoint.clone()));
        assert_eq!(Checkpoint::read(r#"{"page":3}"#), None);
        let mut again = checkpoint;
        again.begin_again(MappingDirection::Bidirectional);
        assert_eq!((again.direction, again.step), (Direction::FromDataverse, Step::Feed(None)), "Dataverse wins");
        assert_eq!(again.found.enqueued, 7);
    }
}
