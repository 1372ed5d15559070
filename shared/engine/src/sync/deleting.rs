//! Coupled records that were deleted at the source: what becomes of their partners is for the mapping's rules.

use std::collections::HashMap;
use std::time::Duration;

use couplet_model::outcome::IgnoreReason;
use couplet_model::system::{SystemErrorKind, Write, WriteAction};
use couplet_model::{Coupling, CouplingState, Outcome};
use couplet_store::StoreError;

use super::batch::{Batch, Stop};
use super::stages::{Admitted, Received};
use crate::bulk::paired;
use crate::failpoints::Failpoint;
use crate::mappings::rules::OnDeletion;

/// What follows when a record has left the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterLeaving {
    /// Nothing: it does not take part any more.
    Ends,
    /// It comes again, uncoupled, and gets another partner.
    Returns,
}

impl Batch<'_> {
    /// Ends coupled records that do not take part any more: their partners are deleted, then their couplings removed, so
    /// that whoever does it again meets a partner that is gone already.
    pub(super) async fn take_leave(&mut self, leaving: Vec<(Admitted, AfterLeaving)>) -> Result<(), Stop> {
        if leaving.is_empty() {
            return Ok(());
        }
        let after: HashMap<usize, AfterLeaving> =
            leaving.iter().map(|(record, after)| (record.index, *after)).collect();
        let records =
            leaving.into_iter().map(|(record, _)| Received { index: record.index, coupling: record.coupling });
        let parted = self.delete_partners(records.collect()).await?;
        for mut record in parted {
            let Some(coupling) = record.coupling.take() else { continue };
            if !self.remove_coupling(record.index, &coupling).await? {
                continue;
            }
            match after.get(&record.index) {
                Some(AfterLeaving::Returns) => {
                    let reason = "its partner could not become what it has to be and was deleted; it gets another one";
                    self.postpone(record.index, reason, Duration::ZERO);
                }
                Some(AfterLeaving::Ends) | None => self.settle(record.settle(Outcome::Modified)),
            }
        }
        Ok(())
    }

    /// Ends records that are not at the source any more. A partner is deleted before the coupling is removed, so that
    /// whoever does it again finds the coupling and meets a partner that is gone already.
    pub(super) async fn end_deleted(&mut self, gone: Vec<Received>) -> Result<(), Stop> {
        let rule = self.mapping.rules.on_deletion(self.direction);
        let is_concerned = |record: &Received| {
            let coupling = record.coupling.as_ref().filter(|coupling| !coupling.skipped);
            rule != OnDeletion::Nothing && coupling.is_some_and(|coupling| coupling.state == CouplingState::Coupled)
        };
        let (concerned, others): (Vec<Received>, Vec<Received>) = gone.into_iter().partition(is_concerned);
        for record in others {
            self.settle(record.settle(Outcome::Ignored(IgnoreReason::Deleted)));
        }
        let parted = match rule {
            OnDeletion::Nothing | OnDeletion::Uncouple => concerned,
            OnDeletion::DeletePartner => self.delete_partners(concerned).await?,
        };
        for mut record in parted {
            let Some(coupling) = record.coupling.take() else { continue };
            if self.remove_coupling(record.index, &coupling).await? {
                let outcome = if rule == OnDeletion::DeletePartner { Outcome::Modified } else { Outcome::Unchanged };
                self.settle(record.settle(outcome));
            }
        }
        Ok(())
    }

    /// Deletes the partners of records; gives those whose partner is gone now.
    async fn delete_partners(&mut self, records: Vec<Received>) -> Result<Vec<Received>, Stop> {
        let side = self.direction.destination();
        let couplings = records.iter().filter_map(|record| record.coupling.as_ref());
        let delete = |coupling: &Coupling| Write {
            action: WriteAction::Delete { id: coupling.id(side) },
            values: couplet_model::record::Values::new(),
        };
        let writes: Vec<Write> = couplings.map(delete).collect();
        let results = self.write_all(&writes).await;
        if !writes.is_empty() {
            self.pass(Failpoint::Parted)?;
        }
        let mut parted = Vec::with_capacity(records.len());
        for (record, result) in paired("deletions", records, results)? {
            match result {
                Ok(_) => parted.push(record),
                Err(error) if error.kind == SystemErrorKind::NotFound => parted.push(record),
                Err(error) => self.refuse_received(record, &error),
            }
        }
        Ok(parted)
    }

    /// Removes a coupling. `false`: another worker changed it, and the record comes again.
    pub(super) async fn remove_coupling(&mut self, index: usize, coupling: &Coupling) -> Result<bool, Stop> {
        let engine = self.engine;
        match engine.store().remove_coupling(engine.company(), &self.mapping.name, coupling).await {
            Ok(()) => Ok(true),
            Err(StoreError::Stale { .. }) => {
                self.give_back(index, "another worker changed this pair meanwhile", None);
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}
