//! One record that cannot be read or stored fails alone, and says which of its columns is at fault.

use couplet_model::decision::Decision;
use couplet_model::outcome::DataFailure;
use couplet_model::record::Unreadable;
use couplet_model::table::Table;
use couplet_model::{Coupling, Outcome};
use couplet_store::StoreError;

use super::{Batch, Entry};

impl Batch<'_> {
    /// Fails the records whose coupling cannot be read: nothing is known of what was agreed, so nothing is written.
    pub(super) fn fail_damaged_couplings(&mut self) {
        for entry in self.open_mut() {
            if let Some(damage) = entry.coupling.as_ref().and_then(|coupling| coupling.damage.clone()) {
                let message = format!(
                    "its coupling is damaged in the store ({damage}); restore that item from a backup, or delete it: then \
                     the record is looked for in the other system and coupled again"
                );
                entry.settle(Outcome::Failed(DataFailure::new(message)));
            }
        }
    }

    /// Fails the records of which a value cannot be read at the source.
    pub(super) fn fail_unreadable_sources(&mut self) {
        let table = self.mapping.table(self.direction.source());
        for entry in self.open_mut() {
            if let Some(unreadable) = entry.source.as_ref().and_then(|record| record.unreadable.as_ref()) {
                let failure = failure(table, unreadable);
                entry.settle(Outcome::Failed(failure));
            }
        }
    }

    /// Fails the records whose partner cannot be read: what it holds is not known, so it is not overwritten.
    pub(super) fn fail_unreadable_destinations(&mut self) {
        let table = self.mapping.table(self.direction.destination());
        for entry in self.open_mut() {
            if let Some(unreadable) = entry.destination.as_ref().and_then(|record| record.unreadable.as_ref()) {
                let failure = failure(table, unreadable);
                entry.settle(Outcome::Failed(failure));
            }
        }
    }

    /// Fails the records whose coupling would be larger than the store takes, before anything is written.
    pub(super) fn fail_what_cannot_be_stored(&mut self) {
        let (engine, mapping) = (self.engine, &self.mapping.name);
        for entry in self.open_mut() {
            let Some((coupling, beside)) = next_coupling(entry) else { continue };
            let stored = engine.store().check_coupling(engine.company(), mapping, &coupling, beside);
            if let Err(StoreError::TooLarge { bytes, .. }) = stored {
                let (column, length) = coupling.base.longest().unwrap_or_default();
                let message = format!(
                    "with {bytes} bytes the record is larger than the store takes (409,600); shorten {column}, which is \
                     {length} bytes long"
                );
                entry.settle(Outcome::Failed(DataFailure::of_field(column, message)));
            }
        }
    }
}

/// The coupling as it is to be stored in the end, and how many bytes are written beside it while it is claimed.
fn next_coupling(entry: &Entry) -> Option<(Coupling, usize)> {
    let (base, values) = match entry.decision.as_ref()? {
        Decision::Create { base, values } | Decision::Update { base, values } => (base, Some(values)),
        Decision::Unchanged { base } => (base, None),
        Decision::Conflict(_) => return None,
    };
    let length = |(name, value): (&std::sync::Arc<str>, &couplet_model::Value)| name.len() + value.to_string().len();
    let beside = values.into_iter().flatten().map(length).sum();
    let coupling = entry.coupling.as_ref()?;
    Some((Coupling { base: base.clone(), ..coupling.clone() }, beside))
}

fn failure(table: &Table, unreadable: &Unreadable) -> DataFailure {
    let Unreadable { column, detail } = unreadable;
    let message = format!(
        "column {column} of the {} in {} cannot be read: {detail}; correct it there, the record is tried again",
        table.caption(),
        table.side
    );
    DataFailure::of_field(column.clone(), message)
}
