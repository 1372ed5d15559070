//! Steps 3 and 4: transfer the fields and decide what to write.

use std::sync::Arc;

use couplet_model::catalogue::usual_form;
use couplet_model::coupling::Base;
use couplet_model::decision::{ConflictRule, Decision, Situation, TransferredField, Travel, decide};
use couplet_model::facts::{ColumnFact, TableFacts};
use couplet_model::ids::derived_id;
use couplet_model::message::Precedence;
use couplet_model::outcome::{DataFailure, FieldConflict, FieldNote};
use couplet_model::own_writes::{Agreement, Tables, recognize};
use couplet_model::record::Values;
use couplet_model::shape::shape;
use couplet_model::table::{Side, Table};
use couplet_model::{Outcome, Record};

use super::matching::pair;
use super::{Batch, Stop};
use crate::mappings::rules::{Context, Obstacle, Transferring};
use crate::sync::transferring::{References, Transferred, transfer};

impl Batch<'_> {
    pub(super) fn context(&self) -> Context<'_> {
        Context { installation: &self.engine.installation, mapping: self.mapping, direction: self.direction }
    }

    /// Transfers fields and decides, record by record, from what was read in bulk.
    pub(super) async fn decide(&mut self) -> Result<(), Stop> {
        let sources: Vec<&Record> = self.open().filter_map(|entry| entry.source.as_ref()).collect();
        if sources.is_empty() {
            return Ok(());
        }
        let references = References::read(self.engine, self.mapping, self.direction, &sources).await?;
        let transferring: Vec<Transferring<'_>> = self
            .open()
            .filter_map(|entry| {
                let source = entry.source.as_ref()?;
                Some(Transferring { source, destination: entry.destination.as_ref(), creating: entry.creating })
            })
            .collect();
        let prepared = self.mapping.rules.prepare(self.context(), &transferring).await?;
        let destination = self.mapping.table(self.direction.destination());
        let facts = self.engine.installation.table_facts(destination).await?;
        let (mapping, direction) = (self.mapping, self.direction);
        let company = self.engine.company();
        let empty = Base::default();
        let tables = Tables { business_central: &mapping.business_central, dataverse: &mapping.dataverse };
        for entry in self.entries.iter_mut().filter(|entry| entry.is_open()) {
            let Some(source) = &entry.source else { continue };
            let record = Transferring { source, destination: entry.destination.as_ref(), creating: entry.creating };
            let transferred = transfer(mapping, direction, &references, source).and_then(|mut transferred| {
                prepared.adjust(record, &mut transferred.fields)?;
                transferred.notes.extend(bring_into_form(&mut transferred.fields, destination, &facts));
                transferred.notes.extend(prepared.leave_behind(record, &mut transferred.fields));
                // What may not be written is left as it is there; the run names the column.
                transferred.fields.retain(|field| facts.may_write(&field.destination.name, record.creating));
                Ok(transferred)
            });
            let Transferred { mut fields, notes, missing } = match transferred {
                Ok(transferred) => transferred,
                Err(Obstacle::Failure(failure)) => {
                    entry.settle(Outcome::Failed(failure));
                    continue;
                }
                Err(Obstacle::Wait(need)) => {
                    entry.settle(Outcome::Waiting(need));
                    continue;
                }
            };
            if entry.message.options.precedence == Precedence::Destination && !entry.creating {
                fields.retain(|field| field.travel != Travel::BothWays);
            }
            let agreement = entry.coupling.as_ref().zip(entry.base()).map(|(coupling, base)| {
                recognize(base, &coupling.pending, direction, tables, source, entry.destination.as_ref())
            });
            let mut decision = decide(
                &Situation {
                    direction,
                    source,
                    destination: entry.destination.as_ref(),
                    creating: entry.creating && entry.destination.is_none(),
                    base: agreement.as_ref().map_or(&empty, |agreement| &agreement.known),
                    force: entry.message.options.precedence.is_forced() || entry.adopted,
                    rule: mapping.update_conflict,
                },
                &fields,
            );
            if let Decision::Conflict(conflicts) = decision {
                entry.settle(conflict(mapping.update_conflict, conflicts));
                continue;
            }
            if let Some(agreement) = &agreement {
                decision = fence(decision, agreement, entry.destination.as_ref());
            }
            if let (Decision::Update { values, .. }, Some(destination)) = (&mut decision, &entry.destination) {
                complete(values, destination, prepared.travel_together());
            }
            let is_left =
                |column: &str| notes.iter().any(|note| note.is_left && note.source.as_deref() == Some(column));
            // What the rules watch at the source belongs to the base, so that an untouched record is known as such.
            if let Decision::Create { base, .. } | Decision::Update { base, .. } | Decision::Unchanged { base } =
                &mut decision
            {
                for name in self.mapping.rules.source_columns(direction) {
                    if let Some(value) = source.known(name) {
                        base.set(direction.source(), name, value);
                    }
                }
                for row in mapping.rows(direction) {
                    let column = match direction.source() {
                        Side::BusinessCentral => &row.business_central,
                        Side::Dataverse => &row.dataverse,
                    };
                    // Rows that do not travel this time (read-only or left alone) still count as seen.
                    if let Some(column) = column
                        && !is_left(&column.name)
                        && let Some(value) = source.known(&column.name)
                        && base.get(direction.source(), column).is_none()
                    {
                        base.set(direction.source(), &column.name, value);
                    }
                }
            }
            if entry.coupling.is_none() {
                let id = derived_id(company, &mapping.name, direction.as_str(), entry.message.record);
                entry.coupling = Some(pair(direction.source(), entry.message.record, id));
            }
            entry.fields = fields;
            entry.agreement = agreement;
            entry.notes = notes;
            entry.missing = missing;
            entry.decision = Some(decision);
        }
        self.prepared = Some(prepared);
        Ok(())
    }
}

/// Brings values into the form that their columns keep; gives a note for each text that is cut.
fn bring_into_form(fields: &mut [TransferredField], table: &Table, facts: &TableFacts) -> Vec<FieldNote> {
    let mut notes = Vec::new();
    for field in fields {
        let name = &field.destination.name;
        let usual = if table.side == Side::Dataverse { usual_form(&table.name, name) } else { ColumnFact::default() };
        let shaped = shape(field.desired.clone(), &field.destination.field, facts.column(name).or(usual));
        if let Some((length, kept)) = shaped.cut {
            let source = field.source.as_ref();
            let caption = source.map_or(&field.destination.caption, |source| &source.caption);
            let message = format!(
                "{caption} has {length} characters and column {name} of {} in {} keeps {kept}: the text is cut there; shorten it",
                table.name, table.side
            );
            notes.push(FieldNote::altered(caption.clone(), source.map(|source| source.name.as_str()), message));
        }
        field.desired = shaped.value;
    }
    notes
}

/// Adds what the destination holds in the columns that travel together with one that is written.
fn complete(values: &mut Values, destination: &Record, together: Option<(&'static str, &'static [&'static str])>) {
    let Some((first, others)) = together.filter(|(first, _)| values.contains_key(*first)) else { return };
    for name in others.iter().filter(|name| **name != first) {
        if let Some(value) = destination.known(name) {
            values.entry(Arc::from(*name)).or_insert_with(|| value.clone());
        }
    }
}

fn conflict(rule: ConflictRule, conflicts: Vec<FieldConflict>) -> Outcome {
    match rule {
        ConflictRule::None => Outcome::Conflict(conflicts),
        // The decision settles conflicts under any other rule itself.
        ConflictRule::ToDataverse | ConflictRule::FromDataverse => {
            Outcome::Failed(DataFailure::new("both sides changed the same fields"))
        }
    }
}

/// Writes what stands there already, when nothing else is to be written and an earlier write of ours may still be under
/// way: a write is guarded by the version it was decided on, and this one makes a new version, so that the other is
/// refused should it arrive after all. Without a version there is no guard, and nothing to gain.
fn fence(decision: Decision, agreement: &Agreement, destination: Option<&Record>) -> Decision {
    match decision {
        Decision::Unchanged { base }
            if !agreement.may_arrive.is_empty() && destination.is_some_and(|record| record.version.is_some()) =>
        {
            Decision::Update { values: agreement.may_arrive.clone(), base }
        }
        decision => decision,
    }
}
