//! One record that cannot be read or stored fails alone, and says which of its columns is at fault.

use couplet_model::outcome::DataFailure;
use couplet_model::record::Unreadable;
use couplet_model::table::Table;
use couplet_model::{Coupling, Outcome};
use couplet_store::StoreError;

use super::batch::Batch;
use super::stages::{Admitted, Decided};

impl Batch<'_> {
    /// Fails the records whose partner cannot be read: what it holds is not known, so it is not overwritten.
    pub(super) fn fail_unreadable_destinations(&mut self, admitted: Vec<Admitted>) -> Vec<Admitted> {
        let mut open = Vec::with_capacity(admitted.len());
        for record in admitted {
            match record.destination.as_ref().and_then(|destination| destination.unreadable.as_ref()) {
                Some(unreadable) => {
                    let failure = unreadable_failure(self.destination_table(), unreadable);
                    self.settle(record.settle(Outcome::Failed(failure)));
                }
                None => open.push(record),
            }
        }
        open
    }

    /// Fails the records whose coupling would be larger than the store takes, before anything is written.
    pub(super) fn fail_what_cannot_be_stored(&mut self, decided: Vec<Decided>) -> Vec<Decided> {
        let (engine, mapping) = (self.engine, &self.mapping.name);
        let mut open = Vec::with_capacity(decided.len());
        for record in decided {
            let (coupling, beside) = next_coupling(&record);
            match engine.store().check_coupling(engine.company(), mapping, &coupling, beside) {
                Err(StoreError::TooLarge { bytes, .. }) => {
                    let (column, length) = coupling.base.longest().unwrap_or_default();
                    let message = format!(
                        "with {bytes} bytes the record is larger than the store takes (409,600); shorten {column}, which \
                         is {length} bytes long"
                    );
                    let failure = DataFailure::of_field(column, message);
                    self.settle(record.settle(Outcome::Failed(failure)));
                }
                _ => open.push(record),
            }
        }
        open
    }
}

/// The coupling as it is to be stored in the end, and how many bytes are written beside it while it is claimed.
fn next_coupling(decided: &Decided) -> (Coupling, usize) {
    let length = |(name, value): (&std::sync::Arc<str>, &couplet_model::Value)| name.len() + value.to_string().len();
    let beside = decided.verdict.values().into_iter().flatten().map(length).sum();
    (Coupling { base: decided.verdict.base().clone(), ..decided.coupling.clone() }, beside)
}

/// The failure of a record of which a value cannot be read.
pub(super) fn unreadable_failure(table: &Table, unreadable: &Unreadable) -> DataFailure {
    let Unreadable { column, detail } = unreadable;
    let message = format!(
        "column {column} of the {} in {} cannot be read: {detail}; correct it there, the record is tried again",
        table.caption(),
        table.side
    );
    DataFailure::of_field(column.clone(), message)
}
