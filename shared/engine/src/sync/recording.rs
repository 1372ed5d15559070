//! The history of records: what became of each and why, from what was decided.
//!
//! It is written before the outcome is stored: whoever comes after a crash finds the outcome missing and writes the same entry
//! again, whereas a history that followed the outcome would be lost with it. An end that is not stored after all, because
//! another worker was faster, is told once more by the attempt that follows. A history that cannot be written fails no record.

use couplet_model::field_rule::FieldRule;
use couplet_model::history::{Cause, FieldReason, HistoryEntry, HistoryOutcome, Origin, cut_message, ignored_in_words};
use couplet_model::message::{Precedence, Wish};
use couplet_model::outcome::FieldNote;
use couplet_model::table::Side;
use couplet_model::{Coupling, CouplingState, MappingName, Outcome, RecordId};
use jiff::Timestamp;
use tracing::warn;

use super::batch::Batch;
use super::committing::conflict_failure;
use super::stages::{Earlier, Ended, Lines, Pairing};

/// What the history of a record depends on.
struct Facts<'a> {
    outcome: &'a Outcome,
    /// The cause, where the step that ended the record knows it.
    told: Option<Cause>,
    /// What a person asked for.
    wish: Option<&'a Wish>,
    /// Whether a person asked for this very record.
    is_asked_for: bool,
    /// Whether an earlier delivery in this run has told what became of it.
    is_told: bool,
    /// Whether its pair is new although both records were there.
    is_matched: bool,
    /// Whether its partner was there before and is made anew.
    is_restored: bool,
    /// Whether an attempt that broke off has written, or created, what this one finds.
    earlier: Option<Earlier>,
    /// Whether the source won in a field that it alone would not have been written for.
    source_wins: bool,
    /// Whether any field was written.
    writes: bool,
    /// Whether a line was written.
    writes_lines: bool,
    /// Whether a failure that was told before is over.
    ends_failure: bool,
}

/// What the history tells of an end, if anything: what was left alone or found unchanged is told only where a person asked for
/// the record, or where something ended by it.
fn told(facts: &Facts<'_>) -> Option<(HistoryOutcome, Cause)> {
    use HistoryOutcome as Told;
    let wanted = facts.wish.map(|wish| match wish {
        Wish::Resolve(_) => Cause::Settled,
        Wish::Couple(_) | Wish::CoupleOnly(_) => Cause::CoupledByPerson,
        Wish::Uncouple => Cause::UncoupledByPerson,
        Wish::Skip => Cause::SkippedByPerson,
        Wish::Unskip => Cause::Unskipped,
        Wish::LeaveCompany => Cause::LeftCompany,
        Wish::Mend(_) | Wish::TellIfGone => Cause::AskedFor,
    });
    let known = facts.told.or(wanted);
    let created = || if facts.is_restored { Cause::Restored } else { Cause::NewRecord };
    let asked = || facts.is_asked_for.then(|| known.unwrap_or(Cause::AskedFor));
    Some(match facts.outcome {
        Outcome::Inserted => (Told::Inserted, facts.told.unwrap_or_else(created)),
        Outcome::Unchanged | Outcome::Modified if facts.earlier == Some(Earlier::Created) => {
            (Told::Inserted, created())
        }
        Outcome::Modified => {
            let found = match facts {
                Facts { is_matched: true, .. } => Cause::Matched,
                Facts { earlier: Some(_), .. } => Cause::EarlierAttempt,
                Facts { source_wins: true, .. } => Cause::SourceWins,
                Facts { writes: true, .. } => Cause::Changed,
                Facts { writes_lines: true, .. } => Cause::Lines,
                _ => Cause::Beside,
            };
            (Told::Modified, known.unwrap_or(found))
        }
        Outcome::Unchanged if facts.earlier.is_some() => (Told::Modified, known.unwrap_or(Cause::EarlierAttempt)),
        Outcome::Unchanged if facts.is_matched => (Told::Coupled, known.unwrap_or(Cause::Matched)),
        Outcome::Unchanged => {
            let over = || facts.ends_failure.then_some(Cause::FailureOver);
            let asked = || asked().filter(|_| !facts.is_told);
            (Told::Unchanged, facts.told.or_else(asked).or_else(over)?)
        }
        // Whoever uncouples a record that is coupled no more is told of its end already.
        Outcome::Ignored(_) if facts.wish == Some(&Wish::Uncouple) => return None,
        Outcome::Ignored(_) => (Told::Ignored, facts.told.or(facts.is_asked_for.then_some(Cause::AskedFor))?),
        Outcome::Skipped => (Told::Skipped, facts.told.or_else(asked)?),
        Outcome::Uncoupled => (Told::Uncoupled, facts.told.unwrap_or(Cause::UncoupledByPerson)),
        Outcome::Conflict(_) => (Told::Conflict, Cause::BothSides),
        Outcome::Failed(_) => (Told::Failed, facts.told.unwrap_or(Cause::NotPossible)),
        Outcome::Waiting(_) => (Told::Waiting, Cause::Needs),
        Outcome::WaitingInVain(_) => (Told::WaitingInVain, Cause::Needs),
    })
}

impl Batch<'_> {
    /// What the history tells of the end of a record, if anything.
    pub(super) fn history_of(&self, record: &Ended, ends_failure: bool, now: Timestamp) -> Option<HistoryEntry> {
        if !self.engine.store().keeps_history() || self.recorded.contains(&record.index) {
            return None;
        }
        let message = &self.delivered[record.index].message;
        let is_asked_for = self.lines.is_none()
            && (message.wish.is_some()
                || message.snapshot.is_none() && message.options.precedence != Precedence::Changed);
        let fields = self.fields_of(record);
        let decided = record.done.as_ref().map(|done| &done.decided);
        let former = decided.and_then(|decided| decided.restores);
        let is_synchronized = record.is_synchronized();
        let is_matched = match record.pairing() {
            Pairing::Adopted | Pairing::Made => is_synchronized,
            Pairing::Stored | Pairing::Creating => false,
        };
        let (outcome, cause) = told(&Facts {
            outcome: &record.outcome,
            told: record.told(),
            wish: message.wish.as_ref(),
            is_asked_for,
            is_told: record
                .coupling()
                .and_then(|coupling| coupling.result(self.direction))
                .is_some_and(|result| result.run == self.run),
            is_matched,
            is_restored: former.is_some(),
            earlier: decided.and_then(|decided| decided.earlier),
            source_wins: fields.iter().any(|field| field.written.is_some() && field.rule == FieldRule::SourceWins),
            writes: fields.iter().any(|field| field.written.is_some()),
            writes_lines: decided
                .is_some_and(|decided| matches!(&decided.lines, Lines::Written(lines) if lines.any_written)),
            ends_failure,
        })?;
        let coupling = record.coupling().filter(|coupling| is_synchronized || coupling.state == CouplingState::Coupled);
        let of_row = matches!(message.wish, Some(Wish::LeaveCompany));
        let here = if of_row { Side::Dataverse } else { self.direction.source() };
        let id_on = |side| match coupling {
            Some(coupling) => Some(coupling.id(side)),
            None => Some(message.record).filter(|_| side == here),
        };
        let is_waiting = outcome == HistoryOutcome::Waiting;
        let source = record.source();
        let seen = source.map(|source| format!("{:?} {:?}", source.version, source.modified)).unwrap_or_default();
        Some(HistoryEntry {
            at: now,
            run: self.run,
            job: self.job.clone(),
            direction: self.direction,
            business_central: id_on(Side::BusinessCentral),
            dataverse: id_on(Side::Dataverse),
            former,
            outcome,
            cause,
            message: self.message_of(record).map(|message| cut_message(&message)),
            fields,
            more_fields: 0,
            change: change(&format!("{is_waiting} {seen}")),
        })
    }

    /// What is told of the end of a record in words.
    fn message_of(&self, record: &Ended) -> Option<String> {
        match &record.outcome {
            Outcome::Failed(failure) => Some(failure.message.clone()),
            Outcome::Conflict(conflicts) => Some(conflict_failure(conflicts).message),
            Outcome::Waiting(need) => {
                Some(format!("{} {} must be coupled by {}", need.field, need.value, need.dependency.mapping))
            }
            Outcome::WaitingInVain(need) => Some(self.engine.waiting_failure(need).message),
            Outcome::Ignored(reason) => Some(ignored_in_words(reason)),
            _ if !record.notes().is_empty() => Some(FieldNote::joined(record.notes()).message),
            _ => None,
        }
    }

    /// The fields that differed, those that were written first.
    fn fields_of(&self, record: &Ended) -> Vec<FieldReason> {
        let mut fields: Vec<FieldReason> = match record.done.as_ref().map(|done| &done.decided) {
            Some(decided) => decided.reasons_now(),
            None => record.reasons().to_vec(),
        };
        for note in record.notes().iter().filter(|note| note.is_left) {
            let (Some(name), Some(source)) = (&note.source, record.source()) else { continue };
            if fields.iter().any(|field| field.source.as_ref() == Some(name)) {
                continue;
            }
            let mut rows = self.mapping.rows(self.direction);
            let row = rows.find(|row| row.column(self.direction.source()).is_some_and(|column| column.name == *name));
            let destination = row.and_then(|row| row.column(self.direction.destination()));
            let destination = destination.map(|column| column.name.clone()).unwrap_or_default();
            fields.push(FieldReason::left_behind(name, destination, source.known(name)));
        }
        if let Some(beside) = record.done.as_ref().map(|done| &done.beside).filter(|beside| beside.is_change) {
            fields.extend(beside.values.iter().map(|(column, value)| FieldReason::beside(column, value)));
        }
        fields.sort_by_key(|field| field.written.is_none());
        fields
    }

    /// Tells of pairs that are about to end. Afterwards nothing would lead to them.
    pub(super) async fn record_ends(&self, mapping: &MappingName, pairs: &[Coupling], cause: Cause) {
        if !self.engine.store().keeps_history() {
            return;
        }
        let at = self.engine.now();
        let real = pairs.iter().filter(|pair| pair.state == CouplingState::Coupled);
        let end = |pair: &Coupling| HistoryEntry {
            at,
            run: self.run,
            job: self.job.clone(),
            direction: self.direction,
            business_central: Some(RecordId::from(pair.system_id)),
            dataverse: Some(RecordId::from(pair.dataverse_id)),
            former: None,
            outcome: HistoryOutcome::Uncoupled,
            cause,
            message: None,
            fields: Vec::new(),
            more_fields: 0,
            change: change("end"),
        };
        self.write_history(mapping, &real.map(end).collect::<Vec<_>>()).await;
    }

    /// Writes entries. What cannot be written is told in the log, without any value: the record matters more than its history.
    pub(super) async fn write_history(&self, mapping: &MappingName, entries: &[HistoryEntry]) {
        if entries.is_empty() {
            return;
        }
        let engine = self.engine;
        if let Err(error) = engine.store().record_history(engine.company(), mapping, entries).await {
            warn!(
                mapping = %mapping,
                records = entries.len(),
                error = error.for_log(),
                "the history of records could not be written and lacks what became of them in this run"
            );
        }
    }
}

/// Where the values of the rows of a mapping come from, by their columns at the destination.
pub(super) fn origins(
    mapping: &couplet_model::ActiveMapping,
    direction: couplet_model::message::Direction,
) -> std::collections::HashMap<String, Origin> {
    let rows = mapping.rows(direction);
    let origin = |row: &couplet_model::catalogue::FieldMapping| {
        let column = row.column(direction.destination())?;
        let origin = if row.constant.is_some() {
            Origin::Constant
        } else if row.transformation(direction).is_some() {
            Origin::Transformation
        } else {
            Origin::Field
        };
        Some((column.name.clone(), origin))
    };
    rows.filter_map(origin).collect()
}

/// A number for a change, the same whenever the same change is met: FNV-1a. Stored keys depend on it.
fn change(seen: &str) -> u32 {
    seen.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests;
