//! What a replay of dead letters must know of the records in them: which of them were synchronized meanwhile.

use std::collections::{BTreeMap, HashMap};

use couplet_model::message::{Direction, SyncOptions, Wish};
use couplet_model::outcome::DataFailure;
use couplet_model::task::TaskMessage;
use couplet_model::{Counters, Coupling, MappingName, Outcome, RecordId, RecordMessage, RunId};
use couplet_store::{Commit, CommitResult, ErrorKind, ErrorRecord, Failure, FailureChange, FailureKind};

use crate::couple::ask_again;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::sync::admission::is_untouched;

/// A record whose message a person deletes from the dead letters.
#[derive(Clone, Debug)]
pub struct GivenUp {
    /// The message.
    pub message: RecordMessage,
    /// Why the queue gave up on it, if that was noted.
    pub reason: Option<String>,
}

impl Engine {
    /// Notes records whose messages a person deletes from the dead letters as failed, each on its run, so that their runs can
    /// finish. What failed can be tried again by a person, and what a person had asked for has to be asked for again, which its note
    /// says; nothing tries it by itself.
    ///
    /// # Errors
    /// When the store cannot be read or written; some may have been noted.
    pub async fn give_up(&self, records: &[GivenUp]) -> Result<(), EngineError> {
        let mut groups: BTreeMap<(&MappingName, &str, RunId, Direction), Vec<&GivenUp>> = BTreeMap::new();
        for one in records {
            let message = &one.message;
            let group = (&message.mapping, message.job.as_str(), message.run, message.direction);
            groups.entry(group).or_default().push(one);
        }
        let (store, company, now) = (self.store(), self.company(), self.now());
        for ((mapping, job, run, direction), records) in groups {
            let ids: Vec<RecordId> = records.iter().map(|one| one.message.record).collect();
            let pairs = store.couplings_by_id(company, mapping, direction.source(), &ids).await?;
            let earlier = store.failures_of(company, mapping, direction, &ids).await?;
            let (mut commits, mut errors) = (Vec::new(), Vec::new());
            for GivenUp { message, reason } in records {
                let record = message.record;
                let (pair, before) = (pairs.get(&record), earlier.get(&record));
                let label = pair.and_then(|pair| pair.key.clone()).unwrap_or_else(|| record.to_string());
                let other = pair.map(|pair| pair.id(direction.destination()));
                let why = reason.as_deref().unwrap_or("nobody could note why");
                let said = format!(
                    "a person deleted its message from the dead letters, where it was because: {why}; {}",
                    ask_again(message)
                );
                // What was to be coupled with a chosen record gets no other partner when it is tried again.
                let create =
                    message.options.create && !matches!(message.wish, Some(Wish::Couple(_) | Wish::CoupleOnly(_)));
                if before.is_some_and(|before| before.run == run && before.message == said) {
                    // An attempt that broke off has noted and counted it.
                    continue;
                }
                let mut outcome = Counters::default();
                outcome.count(&Outcome::Failed(DataFailure::new(said.clone())));
                errors.push(ErrorRecord {
                    run,
                    job: job.to_owned(),
                    mapping: mapping.clone(),
                    direction,
                    record,
                    other,
                    label: label.clone(),
                    at: now,
                    field: None,
                    message: said.clone(),
                    kind: ErrorKind::Data,
                });
                let failure = FailureChange::Set(Failure {
                    mapping: mapping.clone(),
                    direction,
                    record,
                    other,
                    label,
                    run,
                    first_at: before.map_or(now, |before| before.first_at),
                    at: now,
                    attempts: before.map_or(0, |before| before.attempts) + 1,
                    kind: FailureKind::Data,
                    field: None,
                    message: said,
                    conflicts: Vec::new(),
                    options: SyncOptions { waited_since: None, create, ..message.options },
                    retry_at: None,
                    gone: None,
                });
                commits.push(Commit { record, direction, coupling: None, failure, wait: None, outcome });
            }
            store.record_errors(company, errors).await?;
            let results = store.commit(company, mapping, job, run, commits).await?;
            // Without a coupling there is nothing that could be stale.
            debug_assert!(results.iter().all(|result| *result == CommitResult::Stored));
        }
        Ok(())
    }

    /// Ends the run of a task that a person deletes from the dead letters, unless it has ended.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn give_up_task(&self, message: &TaskMessage, reason: Option<&str>) -> Result<(), EngineError> {
        let (store, company, job, run) = (self.store(), self.company(), message.task.job(), message.task.run());
        let is_open = store.run(company, job, run).await?.is_some_and(|run| run.finished.is_none());
        if is_open {
            let why = reason.unwrap_or("nobody could note why");
            let said =
                format!("a person deleted its task from the dead letters, where it was because: {why}; run it again");
            store.fail_run(company, job, run, self.now(), said).await?;
        }
        Ok(())
    }

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
