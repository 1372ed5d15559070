//! The coupling of a record after it was synchronized: what both sides hold now, and how the last attempt ended.

use couplet_model::coupling::{Base, LastResult, SideState};
use couplet_model::outcome::FieldNote;
use couplet_model::table::Side;
use couplet_model::{Coupling, CouplingState, Outcome};
use jiff::Timestamp;

use super::batch::Batch;
use super::committing::conflict_failure;
use super::stages::{Decided, Done, Ended, Lines};

impl Batch<'_> {
    /// The coupling to store; `None` leaves the stored one as it is.
    pub(super) fn coupling_after(&self, record: &Ended, now: Timestamp) -> Option<Coupling> {
        // A damaged one is left as it is, for whoever mends it.
        let is_stored_now = self.couples_only(record.index) && record.done.is_some();
        let is_whole = |coupling: &&Coupling| (coupling.revision > 0 || is_stored_now) && coupling.damage.is_none();
        let coupling = record.coupling().filter(is_whole)?;
        let failed = |message: String| {
            let mut next = released(coupling);
            next.set_result(self.direction, LastResult { run: self.run, at: now, failure: Some(message) });
            Some(next)
        };
        match (&record.outcome, &record.done) {
            (Outcome::Unchanged, Some(done)) if self.couples_only(record.index) => {
                Some(self.only_coupled(&released(coupling), &done.decided))
            }
            (Outcome::Inserted | Outcome::Modified | Outcome::Unchanged, Some(done)) => {
                Some(self.synchronized(coupling, done, now))
            }
            // Nothing was created: the reservation is taken back.
            (Outcome::Failed(_), _) if self.is_refused(record) => None,
            (Outcome::Failed(failure), _) => failed(failure.message.clone()),
            (Outcome::Conflict(conflicts), _) => failed(conflict_failure(conflicts).message),
            (Outcome::WaitingInVain(need), _) => failed(self.engine.waiting_failure(need).message),
            // It waits for the sake of a line, and nobody holds it meanwhile.
            (Outcome::Waiting(_), _) if record.is_written() => Some(released(coupling)),
            _ => None,
        }
    }

    /// The coupling of a pair that agrees now.
    fn synchronized(&self, coupling: &Coupling, done: &Done, now: Timestamp) -> Coupling {
        let Done { decided, beside } = done;
        let mut next = released(coupling);
        let base = decided.verdict.base();
        match &decided.agreement {
            Some(agreement) => {
                next.base = agreement.base_after(base);
                next.pending = agreement.pending_after(coupling, base);
            }
            None => {
                next.base = base.clone();
                next.pending.clear();
            }
        }
        next.base.lines.clone_from(&coupling.base.lines);
        if let Lines::Written(lines) = &decided.lines {
            next.base.lines.insert(self.direction.source(), lines.digest);
        }
        next.state = CouplingState::Coupled;
        next.intent = None;
        next.acting = None;
        self.note_given_key(decided, &mut next.base);
        next.related.extend(beside.related.clone());
        for (column, value) in &beside.values {
            next.base.set(self.direction.destination(), column, value);
        }
        let source = &decided.source;
        *next.side_mut(self.direction.source()) =
            SideState { version: source.version.clone(), modified: source.modified };
        if let Some(written) = &decided.written {
            *next.side_mut(self.direction.destination()) =
                SideState { version: written.version.clone(), modified: written.modified };
        }
        // Lookups by code find a record by it, and so does one that was made again under it.
        next.key = self.key_of(decided).or(next.key);
        self.note_what_is_shown(decided, &mut next.base);
        let left: Vec<FieldNote> = decided.notes.iter().filter(|note| note.is_left).cloned().collect();
        let failure = (!left.is_empty()).then(|| FieldNote::joined(&left).message);
        next.set_result(self.direction, LastResult { run: self.run, at: now, failure });
        next
    }

    /// What the answer shows is what the record holds, whatever was asked for. Of columns that were not written it shows
    /// what others have changed, which has still to be brought back.
    fn note_what_is_shown(&self, decided: &Decided, base: &mut Base) {
        let destination = self.destination_table();
        let shown = decided.written.as_ref().and_then(|written| written.values.as_ref());
        let Some(shown) = shown else { return };
        for (name, sent) in decided.verdict.values().into_iter().flatten() {
            if let (Some(column), Some(shown)) = (destination.column(name), shown.get(name))
                && base.get(destination.side, column).as_ref() == Some(sent)
            {
                base.set(destination.side, name, shown);
            }
        }
        // A field that stayed behind when the record was made holds what the system filled in: no user's change.
        for row in self.mapping.rows(self.direction).filter(|_| decided.verdict.creates()) {
            let column = match destination.side {
                Side::BusinessCentral => &row.business_central,
                Side::Dataverse => &row.dataverse,
            };
            if let Some(column) = column
                && base.get(destination.side, column).is_none()
                && let Some(shown) = shown.get(column.name.as_str())
            {
                base.set(destination.side, &column.name, shown);
            }
        }
    }

    /// A number series may have given the new record another key than the one that was sent.
    fn note_given_key(&self, decided: &Decided, base: &mut Base) {
        let (side, table) = (self.direction.destination(), self.destination_table());
        let Some(column) = table.label_column.as_deref().and_then(|name| table.column(name)) else { return };
        let given = decided.written.as_ref().and_then(|written| written.values.as_ref()?.get(column.name.as_str()));
        if let Some(given) = given.filter(|_| decided.verdict.creates() && base.get(side, column).is_some()) {
            base.set(side, &column.name, given);
        }
    }

    /// The key other records refer to the Business Central record by.
    pub(super) fn key_of(&self, decided: &Decided) -> Option<String> {
        let column = self.mapping.business_central.label_column.as_deref().filter(|_| self.mapping.rules.has_key())?;
        let value = match self.direction.source() {
            Side::BusinessCentral => Some(decided.source.get(column)),
            Side::Dataverse => {
                let written = decided.written.as_ref().and_then(|written| written.values.as_ref()?.get(column));
                written.or_else(|| decided.destination.as_ref().map(|record| record.get(column)))
            }
        };
        value.and_then(|value| value.as_text()).map(str::to_owned)
    }
}

/// A coupling that nobody holds. What a create that failed was to look for is not there; what it made before is.
fn released(coupling: &Coupling) -> Coupling {
    let intent = coupling.intent.clone().filter(|intent| intent.made);
    Coupling { claimed_until: None, claimed_by: None, intent, ..coupling.clone() }
}
