//! What a replay of dead letters must know of the records in them: which of them were synchronized meanwhile.

use std::collections::{BTreeMap, HashMap};

use couplet_model::message::Direction;
use couplet_model::{Counters, Coupling, MappingName, Outcome, RecordId, RecordMessage, RunId};
use couplet_store::{Commit, CommitResult, FailureChange};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::sync::admission::is_untouched;

impl Engine {
    /// Whether the change each message stands for has been synchronized since, so that it need not be sent again. One
    /// answer per message, in order; the couplings are read in bulk and neither system is asked.
    ///
    /// It has been, if the record as the message shows it is, value by value, what both sides last agreed on. Nothing
    /// less will do: neither a later synchronization of the pair nor a newer version of the record proves it, because
    /// our own write to a record moves both without carrying an earlier change of that record across. Therefore a
    /// message without a snapshot, a forced one, and one of a record that is not coupled are never taken for
    /// synchronized; nor is one whose snapshot does not fit the catalogue, or whose pair is claimed: what its worker,
    /// alive or dead, has written is in no base yet.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn synchronized_meanwhile(&self, messages: &[RecordMessage]) -> Result<Vec<bool>, EngineError> {
        let mut wanted: BTreeMap<(MappingName, Direction), Vec<RecordId>> = BTreeMap::new();
        let with_snapshot =
            messages.iter().filter(|message| message.snapshot.is_some() && !message.options.precedence.is_forced());
        for message in with_snapshot.filter(|message| message.company == self.company()) {
            wanted.entry((message.mapping.clone(), message.direction)).or_default().push(message.record);
        }
        let mut couplings: HashMap<(MappingName, Direction), HashMap<RecordId, Coupling>> = HashMap::new();
        for ((mapping, direction), mut ids) in wanted {
            ids.sort_unstable();
            ids.dedup();
            let found = self.store().couplings_by_id(self.company(), &mapping, direction.source(), &ids).await?;
            couplings.insert((mapping, direction), found);
        }
        let answer = |message: &RecordMessage| {
            let of_mapping = couplings.get(&(message.mapping.clone(), message.direction));
            self.shows_what_was_agreed(message, of_mapping.and_then(|found| found.get(&message.record)))
        };
        Ok(messages.iter().map(answer).collect())
    }

    fn shows_what_was_agreed(&self, message: &RecordMessage, coupling: Option<&Coupling>) -> bool {
        let (Some(snapshot), Ok(mapping)) = (&message.snapshot, self.mapping(&message.mapping)) else { return false };
        let Ok(record) = snapshot.unpack(mapping.table(message.direction.source()), message.record) else {
            return false;
        };
        // What a snapshot does not tell may hold a change.
        let needed = mapping.source_columns(message.direction);
        needed.iter().all(|name| record.known(name).is_some())
            && coupling.is_some_and(|coupling| coupling.claimed_until.is_none())
            && is_untouched(mapping, message.direction, message.options, &record, coupling)
    }

    /// Counts records that need not be sent again as processed and unchanged, each on its run, so that their runs can
    /// finish. Couplings and failures stay as they are.
    ///
    /// Counting twice, as after a crash between this and the deletion of the messages, at worst finishes a run before
    /// its last record is processed; a message delivered twice does the same.
    ///
    /// # Errors
    /// When the store cannot be written; some may have been counted.
    pub async fn count_as_synchronized(&self, messages: &[RecordMessage]) -> Result<(), EngineError> {
        let mut unchanged = Counters::default();
        unchanged.count(&Outcome::Unchanged);
        let mut groups: BTreeMap<(&MappingName, &str, RunId), Vec<Commit>> = BTreeMap::new();
        for message in messages {
            groups.entry((&message.mapping, message.job.as_str(), message.run)).or_default().push(Commit {
                record: message.record,
                direction: message.direction,
                coupling: None,
                failure: FailureChange::Keep,
                wait: None,
                outcome: unchanged,
            });
        }
        for ((mapping, job, run), commits) in groups {
            let results = self.store().commit(self.company(), mapping, job, run, commits).await?;
            // Without a coupling there is nothing that could be stale.
            debug_assert!(results.iter().all(|result| *result == CommitResult::Stored));
        }
        Ok(())
    }
}
