//! From messages to records: couplings and sources in bulk, and who takes part.

use couplet_model::outcome::{DataFailure, Dependency, Need};
use couplet_model::table::Side;
use couplet_model::{Coupling, Outcome, RecordId, Said};
use jiff::Timestamp;

use super::admission::{Admission, admit, is_untouched, is_untouched_with_lines};
use super::batch::{Batch, Stop};
use super::isolating::unreadable_failure;
use super::stages::{Admitted, Lines, Received, by_id};
use crate::claims::held_until;

impl Batch<'_> {
    /// Reads the couplings of all records. Those that another worker is writing wait; so do those that the other
    /// direction reserved and did not finish: it goes on under the same id, and what must follow the creation comes
    /// before any change. A damaged coupling fails its record: nothing is known of what was agreed, so nothing is written.
    pub(super) async fn receive(&mut self) -> Result<Vec<Received>, Stop> {
        let ids: Vec<RecordId> = self.delivered.iter().map(|delivered| delivered.message.record).collect();
        let engine = self.engine;
        let side = self.direction.source();
        let mut couplings = engine.store().couplings_by_id(engine.company(), &self.mapping.name, side, &ids).await?;
        let now = engine.now();
        let mut received = Vec::with_capacity(ids.len());
        for (index, id) in ids.into_iter().enumerate() {
            let record = Received { index, coupling: couplings.remove(&id) };
            let Some(coupling) = &record.coupling else {
                received.push(record);
                continue;
            };
            if let Some(until) = held_until(coupling, now, engine.asking()) {
                let wait = until.duration_since(now).unsigned_abs();
                let reason = format!("another worker is writing this pair, until {until} at the latest");
                self.postpone(index, Said::safe(reason), wait);
            } else if coupling.reserved_by() == Some(self.direction.reverse()) {
                let need = Need {
                    dependency: Dependency {
                        mapping: self.mapping.name.clone(),
                        side: Side::Dataverse,
                        key: coupling.dataverse_id.to_string(),
                    },
                    field: "the creation in the other direction".to_owned(),
                    value: coupling.id(self.direction.destination()).to_string(),
                };
                self.settle(record.settle(Outcome::Waiting(need)));
            } else if let Some(damage) = &coupling.damage {
                let message = format!(
                    "its coupling is damaged in the store ({damage}); restore that item from a backup, or delete it: then \
                     the record is looked for in the other system and coupled again"
                );
                self.settle(record.settle(Outcome::Failed(DataFailure::new(message))));
            } else {
                received.push(record);
            }
        }
        Ok(received)
    }

    /// Whether messages of a later run may have come before those of this one, where it matters: a record that has left, or is
    /// gone, by a later message must not be made of an earlier one.
    async fn is_overtaken(&self, received: &[Received]) -> Result<bool, Stop> {
        let is_new =
            |record: &Received| record.coupling.is_none() && self.delivered[record.index].message.snapshot.is_some();
        match self.lines.is_none() && received.iter().any(is_new) {
            true => Ok(self.engine.is_overtaken(&self.mapping.name, self.run).await?),
            false => Ok(false),
        }
    }

    /// Takes the sources from fresh snapshots and reads the others again.
    pub(super) async fn read_sources(&mut self, received: Vec<Received>) -> Result<Vec<Admitted>, Stop> {
        let engine = self.engine;
        let table = self.mapping.table(self.direction.source());
        let facts = engine.installation.table_facts(table).await?;
        let columns = self.mapping.source_columns(self.direction);
        let now = engine.now();
        let is_overtaken = self.is_overtaken(&received).await?;
        let (mut read, mut missing) = (Vec::with_capacity(received.len()), Vec::new());
        for record in received {
            let delivered = &self.delivered[record.index];
            let snapshot = delivered.message.snapshot.as_ref().filter(|snapshot| {
                let fresh = now.duration_since(snapshot.read_at) <= engine.options().snapshot_max_age;
                // A message that was delivered before may show what was true then.
                let is_first = delivered.receive_count <= 1;
                // Of a pair its last result tells whether the snapshot is newer; of a record without one nothing does.
                let may_be_old = is_overtaken && record.coupling.is_none();
                is_first && fresh && !may_be_old && is_current(record.coupling.as_ref(), snapshot.read_at)
            });
            // A snapshot that no longer fits the catalogue is read again like an old one, and so is one that knows
            // nothing of a column that could be read.
            let source = snapshot
                .and_then(|snapshot| snapshot.unpack(table, delivered.message.record).ok())
                .filter(|record| columns.iter().all(|name| record.known(name).is_some() || !facts.may_read(name)));
            match source {
                Some(source) => read.push(record.read(source)),
                None => missing.push(record),
            }
        }
        if missing.is_empty() {
            return Ok(read);
        }
        let ids: Vec<RecordId> = missing.iter().map(|record| self.record(record.index)).collect();
        let mut found = by_id(engine.system(table.side).fetch(table, &ids, columns).await?);
        let (mut reread, mut gone) = (Vec::with_capacity(missing.len()), Vec::new());
        for record in missing {
            match found.remove(&self.record(record.index)) {
                Some(source) => reread.push(record.read(source)),
                None => gone.push(record),
            }
        }
        self.end_deleted(gone).await?;
        let mut pairs: Vec<_> =
            reread.iter_mut().map(|record| (&mut record.source, record.coupling.as_ref())).collect();
        let notes = engine.installation.distrust_blanks(table, columns, &mut pairs).await?;
        self.remark(notes);
        read.extend(reread);
        read.sort_unstable_by_key(|record| record.index);
        Ok(read)
    }

    /// Settles records that are outside the filter, not coupled, skipped, untouched, or that cannot be read.
    pub(super) async fn admit(&mut self, read: Vec<Admitted>) -> Result<Vec<Admitted>, Stop> {
        let filter = self.engine.installation.filter(self.mapping, self.direction.source()).await?;
        let (mapping, direction) = (self.mapping, self.direction);
        let mut taking_part = Vec::with_capacity(read.len());
        for record in read {
            let options = self.options(record.index);
            match admit(mapping, &filter, direction, options, &record.source, record.coupling.as_ref()) {
                Admission::Settled(outcome) => self.settle(record.settle(outcome)),
                Admission::Process => taking_part.push(record),
            }
        }
        let taking_part = self.read_lines(taking_part).await?;
        let mut admitted = Vec::with_capacity(taking_part.len());
        for record in taking_part {
            let (options, coupling) = (self.options(record.index), record.coupling.as_ref());
            let is_untouched = match &record.lines {
                Lines::Read(lines) => {
                    is_untouched_with_lines(mapping, direction, options, &record.source, coupling, lines.digest)
                }
                Lines::None | Lines::Written(_) => is_untouched(mapping, direction, options, &record.source, coupling),
            };
            let unreadable = record.source.unreadable.as_ref();
            if is_untouched {
                self.settle(record.settle(Outcome::Unchanged));
            } else if let Some(unreadable) = unreadable {
                let failure = unreadable_failure(self.source_table(), unreadable);
                self.settle(record.settle(Outcome::Failed(failure)));
            } else {
                admitted.push(record);
            }
        }
        Ok(admitted)
    }
}

/// Whether a snapshot read at this time shows the record as it was after the pair was last written.
/// While a write of ours is not confirmed, nothing but the record itself does.
fn is_current(coupling: Option<&Coupling>, read_at: Timestamp) -> bool {
    coupling.is_none_or(|coupling| {
        if !coupling.pending.is_empty() {
            return false;
        }
        let results = [&coupling.to_dataverse, &coupling.from_dataverse];
        results.into_iter().flatten().all(|result| result.at < read_at)
    })
}
