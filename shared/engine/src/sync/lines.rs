//! How the lines of documents go through the steps, as one batch of their mapping.

use std::collections::HashMap;

use couplet_model::record::Values;
use couplet_model::system::{SystemErrorKind, Write, WriteAction, Written};
use couplet_model::{Counters, Coupling, Outcome, Record, RecordId, SystemError};
use couplet_store::{Commit, CommitResult, FailureChange};

use super::batch::{Batch, End, Stop, Stored};
use super::stages::{Admitted, DecidedBatch, Done, Ended};
use crate::failpoints::Failpoint;

impl Batch<'_> {
    /// Takes lines through all steps; gives those that have ended. The others go back to the queue with their header.
    pub(super) async fn line_steps(&mut self, mut sources: HashMap<RecordId, Record>) -> Result<Vec<Ended>, Stop> {
        let received = self.receive().await?;
        let mut read: Vec<Admitted> = Vec::with_capacity(received.len());
        for line in received {
            if let Some(source) = sources.remove(&self.record(line.index)) {
                read.push(line.read(source));
            }
        }
        let (table, columns) =
            (self.mapping.table(self.direction.source()), self.mapping.source_columns(self.direction));
        let mut pairs: Vec<_> = read.iter_mut().map(|line| (&mut line.source, line.coupling.as_ref())).collect();
        let notes = self.engine.installation.distrust_blanks(table, columns, &mut pairs).await?;
        self.remark(notes);
        let admitted = self.admit(read).await?;
        let admitted = self.find_earlier_attempts(admitted).await?;
        let admitted = self.match_existing(admitted).await?;
        let admitted = self.read_destinations(admitted).await?;
        let admitted = self.fail_unreadable_destinations(admitted);
        let decided = self.decide(admitted).await?;
        let decided = DecidedBatch { records: self.fail_what_cannot_be_stored(decided.records), ..decided };
        let done = self.write(decided).await?;
        let ended = self.commit_lines(done).await?;
        self.release_waiting(&ended).await?;
        Ok(ended)
    }

    /// Stores the couplings of lines. What becomes of them besides is told, counted and tried again with their header.
    async fn commit_lines(&mut self, done: Vec<Done>) -> Result<Vec<Ended>, Stop> {
        let (engine, mapping) = (self.engine, &self.mapping.name);
        let now = engine.now();
        let destination = self.direction.destination();
        let settled = std::mem::take(&mut self.settled).into_iter().map(Ended::from);
        let ended: Vec<Ended> = settled.chain(done.into_iter().map(|done| Ended::of(done, destination))).collect();
        let (mut commits, mut committed) = (Vec::new(), Vec::new());
        let history: Vec<_> = ended.iter().filter_map(|line| self.history_of(line, false, now)).collect();
        self.write_history(mapping, &history).await;
        self.pass(Failpoint::Recorded)?;
        for (place, line) in ended.iter().enumerate() {
            let Some(coupling) = self.coupling_after(line, now) else { continue };
            committed.push(place);
            commits.push(Commit {
                record: self.record(line.index),
                direction: self.direction,
                coupling: Some(coupling),
                failure: FailureChange::Keep,
                wait: None,
                outcome: Counters::default(),
            });
        }
        let results = match commits.is_empty() {
            true => Vec::new(),
            false => engine.store().commit(engine.company(), mapping, &self.job, self.run, commits).await?,
        };
        let refused: Vec<Coupling> =
            ended.iter().filter(|line| self.is_refused(line)).filter_map(|line| line.coupling().cloned()).collect();
        engine.store().release_reservations(engine.company(), mapping, &refused).await?;
        for (place, result) in crate::bulk::paired("commits of lines", committed, results)? {
            if result == CommitResult::Stale {
                self.give_back(ended[place].index, "another worker changed one of its lines meanwhile", None);
            }
        }
        for line in &ended {
            let stored = Stored { outcome: line.outcome.clone(), other: None, modified: None };
            self.delivered[line.index].end.get_or_insert(End::Stored(stored));
        }
        self.pass(Failpoint::Stored)?;
        Ok(ended)
    }

    /// Writes to the destination, together with the deletions of lines that are gone at the source; one result per write.
    pub(super) async fn write_and_delete(&mut self, writes: &[Write]) -> Vec<Result<Written, SystemError>> {
        let Some(lines) = self.lines.as_mut().filter(|lines| !lines.leaving.is_empty()) else {
            return self.write_all(writes).await;
        };
        let leaving = std::mem::take(&mut lines.leaving);
        let side = self.direction.destination();
        let delete = |coupling: &Coupling| Write {
            action: WriteAction::Delete { id: coupling.id(side) },
            values: Values::new(),
        };
        let deletions = leaving.iter().map(|(_, coupling)| delete(coupling));
        let all: Vec<Write> = writes.iter().cloned().chain(deletions).collect();
        let mut results = self.write_all(&all).await;
        let answers = results.split_off(writes.len());
        let deleted = leaving.into_iter().zip(answers).map(|((header, coupling), answer)| {
            let end = match answer {
                Ok(_) => Ok(()),
                // Somebody has deleted it, or an earlier attempt has.
                Err(error) if error.kind == SystemErrorKind::NotFound => Ok(()),
                Err(error) => Err(error),
            };
            (header, coupling, end)
        });
        if let Some(lines) = &mut self.lines {
            lines.deleted.extend(deleted);
        }
        results
    }

    /// The destination records with some ids. Lines were read with their headers; only one that is not among those is
    /// asked for again.
    pub(super) async fn fetch_destinations(&mut self, ids: Vec<RecordId>) -> Result<Vec<Record>, Stop> {
        let (mut found, mut unknown) = (Vec::with_capacity(ids.len()), Vec::new());
        for id in ids {
            match self.lines.as_mut().and_then(|lines| lines.there.remove(&id)) {
                Some(record) => found.push(record),
                None => unknown.push(id),
            }
        }
        if !unknown.is_empty() {
            let side = self.direction.destination();
            let (table, columns) = (self.mapping.table(side), self.mapping.destination_columns(self.direction));
            found.extend(self.engine.system(side).fetch(table, &unknown, columns).await?);
        }
        Ok(found)
    }

    /// Whether a line of this end keeps its header from being done, and how.
    pub(super) fn is_behind(outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Failed(_) | Outcome::Conflict(_) | Outcome::Waiting(_) | Outcome::WaitingInVain(_) => true,
            Outcome::Inserted
            | Outcome::Modified
            | Outcome::Unchanged
            | Outcome::Ignored(_)
            | Outcome::Skipped
            | Outcome::Uncoupled => false,
        }
    }
}
