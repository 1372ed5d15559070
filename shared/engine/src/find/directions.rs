//! A run's way through the directions and sources of its mapping.

use std::sync::Arc;

use couplet_model::catalogue::{MappingDirection, NamedRows};
use couplet_model::decision::ConflictRule;
use couplet_model::message::{Direction, Precedence, SyncOptions};
use couplet_model::table::Side;
use couplet_model::{ActiveMapping, MappingName};

use super::checkpoint::{Checkpoint, Invocation, Reached, Start, directions};
use super::finder::{Finder, Reach};
use super::found::{Brought, RunMode};
use super::named::NamedRecords;
use super::records::OwnRecords;
use super::source::ChangeSource;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::jobs::{Finds, Work};
use crate::mappings::installed::InstalledMapping;

impl Engine {
    /// Looks for work from a checkpoint on, or from the cursor, until everything is found or the time of the invocation is
    /// up.
    pub(crate) async fn find(
        &self,
        invocation: &Invocation<'_>,
        work: &Work,
        start: Start,
    ) -> Result<Reached, EngineError> {
        match &work.finds {
            Finds::Changes(ways) => self.find_changes(invocation, &work.mapping, *ways, start).await,
            Finds::New(direction) => self.find_new(invocation, &work.mapping, *direction, start).await,
            Finds::Named(rows) => self.find_named(invocation, &work.mapping, rows, start).await,
        }
    }

    /// Reads rows that name records, and nothing else. The job's name is that of the cursor.
    async fn find_named(
        &self,
        invocation: &Invocation<'_>,
        mapping: &Arc<InstalledMapping>,
        rows: &NamedRows,
        start: Start,
    ) -> Result<Reached, EngineError> {
        let source = NamedRecords::new(rows.clone(), mapping, MappingName::from(invocation.job));
        let Start { mode, checkpoint, found } = start;
        let checkpoint = checkpoint.unwrap_or_else(|| Checkpoint::at_beginning(mode, rows.direction, found));
        let (options, mut brought) = (SyncOptions::default(), Brought::default());
        let finder = Finder::new(invocation, mapping, Box::new(source), options, checkpoint, &mut brought).await?;
        Ok(match finder.find().await? {
            (Reach::End, checkpoint) => Reached::End(checkpoint.found),
            (Reach::TimeUp, checkpoint) => Reached::Checkpoint(checkpoint.found),
        })
    }

    /// Reads the mapping's own records in one direction and gives partners to those that have none. The job's name is that
    /// of the cursor, so that the mapping's own job reads on where it stood.
    async fn find_new(
        &self,
        invocation: &Invocation<'_>,
        mapping: &Arc<InstalledMapping>,
        direction: Direction,
        start: Start,
    ) -> Result<Reached, EngineError> {
        let Start { mode, checkpoint, mut found } = start;
        let cursor = MappingName::from(invocation.job);
        let checkpoint = match checkpoint {
            Some(checkpoint) => checkpoint,
            None => {
                found.notes.extend(self.installation.column_notes(mapping).await?);
                let checkpoint = Checkpoint::at_beginning(mode, direction, found);
                if mode == RunMode::Full {
                    invocation.keep_checkpoint(&checkpoint).await?;
                    self.store().clear_cursors(self.company(), &cursor).await?;
                }
                checkpoint
            }
        };
        let filter = self.installation.filter(mapping, direction.source()).await?;
        let source = OwnRecords::new_ones(mapping, direction, &filter, cursor);
        let (options, mut brought) = (SyncOptions { create: true, ..SyncOptions::default() }, Brought::default());
        let finder = Finder::new(invocation, mapping, Box::new(source), options, checkpoint, &mut brought).await?;
        Ok(match finder.find().await? {
            (Reach::End, checkpoint) => Reached::End(checkpoint.found),
            (Reach::TimeUp, checkpoint) => Reached::Checkpoint(checkpoint.found),
        })
    }

    async fn find_changes(
        &self,
        invocation: &Invocation<'_>,
        mapping: &Arc<InstalledMapping>,
        ways: MappingDirection,
        Start { mode, checkpoint, mut found }: Start,
    ) -> Result<Reached, EngineError> {
        let directions = directions(ways, checkpoint.as_ref().and_then(|checkpoint| checkpoint.wins));
        let known = checkpoint.and_then(|checkpoint| {
            let index = directions.iter().position(|direction| *direction == checkpoint.direction)?;
            Some((index, checkpoint))
        });
        let (begun, mut checkpoint) = match known {
            Some((index, checkpoint)) => (index, checkpoint),
            None => {
                let Some(first) = directions.first() else { return Ok(Reached::End(found)) };
                found.notes.extend(self.installation.column_notes(mapping).await?);
                let checkpoint = Checkpoint::at_feed(mode, *first, first_feed(mapping, *first), found);
                if mode == RunMode::Full {
                    // Whoever goes on with this run has to know that it is a full one, before it shows in the cursors.
                    invocation.keep_checkpoint(&checkpoint).await?;
                    if !mapping.rules.tells_news_only() {
                        self.store().clear_cursors(self.company(), &mapping.name).await?;
                    }
                }
                (0, checkpoint)
            }
        };
        for (index, direction) in directions.iter().enumerate().skip(begun) {
            if index > begun {
                checkpoint = checkpoint.at_direction(*direction, first_feed(mapping, *direction));
                if invocation.is_over().await? {
                    invocation.keep_checkpoint(&checkpoint).await?;
                    return Ok(Reached::Checkpoint(checkpoint.found));
                }
            }
            // What one source of a direction has enqueued no other enqueues again: a record counts once in a run.
            let mut brought = Brought::default();
            loop {
                if checkpoint.feed > 0 && !self.reads_named_rows(mapping, &checkpoint).await? {
                    let note = mapping.rules.refresh(&self.installation).await?;
                    checkpoint.found.notes.extend(note);
                } else {
                    let (source, options) = self.source(mapping, ways, &checkpoint).await?;
                    let finder = Finder::new(invocation, mapping, source, options, checkpoint, &mut brought).await?;
                    match finder.find().await? {
                        (Reach::End, reached) => checkpoint = reached,
                        (Reach::TimeUp, reached) => return Ok(Reached::Checkpoint(reached.found)),
                    }
                }
                let Some(next) = next_feed(mapping, *direction, checkpoint.feed) else { break };
                checkpoint = checkpoint.at_direction(*direction, next);
            }
        }
        Ok(Reached::End(checkpoint.found))
    }

    /// Whether rows that name records tell anything: not where every record is read anyway.
    async fn reads_named_rows(&self, mapping: &ActiveMapping, checkpoint: &Checkpoint) -> Result<bool, EngineError> {
        let cursor = self.store().cursor(self.company(), &mapping.name, checkpoint.direction).await?;
        Ok(checkpoint.mode == RunMode::Modified && cursor.is_some())
    }

    /// The source a checkpoint stands in, and how the records that it brings are synchronized.
    async fn source(
        &self,
        mapping: &Arc<InstalledMapping>,
        ways: MappingDirection,
        checkpoint: &Checkpoint,
    ) -> Result<(Box<dyn ChangeSource>, SyncOptions), EngineError> {
        let direction = checkpoint.direction;
        let rows = checkpoint.feed.checked_sub(1).and_then(|index| mapping.named_by(direction).nth(index));
        Ok(match rows {
            None => {
                let filter = self.installation.filter(mapping, direction.source()).await?;
                let winner = Winner::of(checkpoint.wins, mapping.update_conflict);
                let options = sync_options(checkpoint.mode, winner, ways, direction);
                (Box::new(OwnRecords::new(mapping, direction, &filter)), options)
            }
            Some(rows) => {
                let cursor = MappingName::from(format!("{} by {}", mapping.name, rows.table.name).as_str());
                (Box::new(NamedRecords::new(rows.clone(), mapping, cursor)), SyncOptions::default())
            }
        })
    }
}

/// The sources of a direction by number, in the order they are read: the rows that name records first, from 1 on, so that
/// what they name has been read after them; then the mapping's own records, 0.
fn first_feed(mapping: &ActiveMapping, direction: Direction) -> usize {
    usize::from(mapping.named_by(direction).next().is_some())
}

fn next_feed(mapping: &ActiveMapping, direction: Direction, feed: usize) -> Option<usize> {
    match feed {
        0 => None,
        last if last >= mapping.named_by(direction).count() => Some(0),
        other => Some(other + 1),
    }
}

/// Who wins in a full synchronization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Winner {
    /// Business Central, as usual (R83).
    Usual,
    /// Whoever changed something since both agreed: the mapping has Dataverse win conflicts, so nothing of Business Central is
    /// forced upon it, and what changed in Business Central alone is not undone either.
    WhoChanged,
    /// The side that a person chose.
    Chosen(Side),
}

impl Winner {
    fn of(chosen: Option<Side>, conflicts: ConflictRule) -> Self {
        match (chosen, conflicts) {
            (Some(side), _) => Self::Chosen(side),
            (None, ConflictRule::FromDataverse) => Self::WhoChanged,
            (None, ConflictRule::None | ConflictRule::ToDataverse) => Self::Usual,
        }
    }
}

/// How a run treats the records of a direction. A full synchronization of a mapping that travels both ways lets
/// Business Central win (R83): its values are forced one way, and not overwritten the other way. Where a person chose the
/// winner, the other side's values do not travel at all, and what the winner misses over there is created again.
fn sync_options(mode: RunMode, winner: Winner, mapping: MappingDirection, direction: Direction) -> SyncOptions {
    if mode == RunMode::Modified {
        return SyncOptions::default();
    }
    let one_way = mapping != MappingDirection::Bidirectional;
    match winner {
        Winner::Usual | Winner::WhoChanged => {
            let forced = one_way || winner == Winner::Usual && direction == Direction::ToDataverse;
            let precedence = if forced { Precedence::Source } else { Precedence::Changed };
            SyncOptions { create: true, precedence, ..SyncOptions::default() }
        }
        Winner::Chosen(side) => {
            let precedence = match (direction.source() == side, one_way) {
                (true, _) => Precedence::SourceRestoring,
                (false, true) => Precedence::Source,
                (false, false) => Precedence::Destination,
            };
            SyncOptions { create: true, precedence, ..SyncOptions::default() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f12_the_side_a_person_chose_wins_and_the_other_one_only_adds() {
        use Direction::{FromDataverse as From, ToDataverse as To};
        use MappingDirection::{Bidirectional, FromDataverse, ToDataverse};
        let wins = |precedence| SyncOptions { create: true, precedence, waited_since: None };
        for (mode, winner, mapping, direction, expected) in [
            (RunMode::Modified, None, Bidirectional, To, SyncOptions::default()),
            (RunMode::Full, None, Bidirectional, To, wins(Precedence::Source)),
            (RunMode::Full, None, Bidirectional, From, wins(Precedence::Changed)),
            (RunMode::Full, None, FromDataverse, From, wins(Precedence::Source)),
            (RunMode::Full, Some(Side::BusinessCentral), Bidirectional, To, wins(Precedence::SourceRestoring)),
            (RunMode::Full, Some(Side::BusinessCentral), Bidirectional, From, wins(Precedence::Destination)),
            (RunMode::Full, Some(Side::Dataverse), Bidirectional, From, wins(Precedence::SourceRestoring)),
            (RunMode::Full, Some(Side::Dataverse), Bidirectional, To, wins(Precedence::Destination)),
            (RunMode::Full, Some(Side::Dataverse), ToDataverse, To, wins(Precedence::Source)),
        ] {
            let winner = Winner::of(winner, ConflictRule::None);
            assert_eq!(
                sync_options(mode, winner, mapping, direction),
                expected,
                "{winner:?} {mapping:?} {direction:?}"
            );
        }
    }

    #[test]
    fn r83_nothing_is_forced_both_ways_where_dataverse_wins_conflicts_unless_a_person_chose() {
        let options = |chosen, ways, direction| {
            let winner = Winner::of(chosen, ConflictRule::FromDataverse);
            sync_options(RunMode::Full, winner, ways, direction).precedence
        };
        for direction in Direction::BOTH {
            assert_eq!(options(None, MappingDirection::Bidirectional, direction), Precedence::Changed, "{direction}");
        }
        assert_eq!(options(None, MappingDirection::FromDataverse, Direction::FromDataverse), Precedence::Source);
        let chosen = options(Some(Side::Dataverse), MappingDirection::Bidirectional, Direction::FromDataverse);
        assert_eq!(chosen, Precedence::SourceRestoring);
    }
}
