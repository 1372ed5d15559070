//! Whether a found record takes part at all, and whether anything about it needs work.

use couplet_model::message::{Direction, SyncOptions};
use couplet_model::outcome::IgnoreReason;
use couplet_model::{Coupling, CouplingState, Filter, Outcome, Record};
use uuid::Uuid;

use crate::mappings::installed::InstalledMapping;
use crate::mappings::rules::opened;

/// What a record's first look says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It takes part.
    Process,
    /// It is finished here, with this outcome.
    Settled(Outcome),
}

/// Judges a source record by filter, coupling and the mapping's rules; pure.
pub(crate) fn admit(
    mapping: &InstalledMapping,
    filter: &Filter,
    direction: Direction,
    options: SyncOptions,
    record: &Record,
    coupling: Option<&Coupling>,
) -> Admission {
    if coupling.is_some_and(|coupling| coupling.skipped) {
        return Admission::Settled(Outcome::Skipped);
    }
    if let Some(column) = mapping.rules.is_outside_by(direction, record) {
        return Admission::Settled(Outcome::Ignored(IgnoreReason::OutsideFilter(column.to_owned())));
    }
    for condition in &filter.conditions {
        let still_travels = coupling.is_some() && mapping.rules.keeps_coupled(direction, &condition.column);
        // A coupled record has met the condition before: a column that cannot be read now does not put it out.
        let unknown_counts_as_met = coupling.is_some();
        if !still_travels && !condition.holds(record).unwrap_or(unknown_counts_as_met) {
            let reason = IgnoreReason::OutsideFilter(condition.column.clone());
            return Admission::Settled(Outcome::Ignored(reason));
        }
    }
    if coupling.is_none() && mapping.only_coupled && !options.create {
        return Admission::Settled(Outcome::Ignored(IgnoreReason::NotCoupled));
    }
    Admission::Process
}

/// Whether a coupled record is, as far as it is known, exactly what it was when both sides last agreed, or what we wrote to
/// it since, so that there is nothing to do. What is unknown is no work: it could not be brought across anyway. Nothing can
/// be said of a record while a write *from* it is not confirmed: also the value that was agreed last may have to travel
/// again. Never so in a full synchronization, which looks at the destination as well.
/// Nor of the header of a document, because that does not tell what its lines hold; [`is_untouched_with_lines`] does.
pub(crate) fn is_untouched(
    mapping: &InstalledMapping,
    direction: Direction,
    options: SyncOptions,
    record: &Record,
    coupling: Option<&Coupling>,
) -> bool {
    mapping.lines(direction).is_none() && is_as_agreed(mapping, direction, options, record, coupling)
}

/// Like [`is_untouched`] for the header of a document: its lines are what they were as well, by their digest.
pub(crate) fn is_untouched_with_lines(
    mapping: &InstalledMapping,
    direction: Direction,
    options: SyncOptions,
    record: &Record,
    coupling: Option<&Coupling>,
    digest: Uuid,
) -> bool {
    let known = coupling.and_then(|coupling| coupling.base.lines.get(&direction.source()));
    known == Some(&digest) && is_as_agreed(mapping, direction, options, record, coupling)
}

fn is_as_agreed(
    mapping: &InstalledMapping,
    direction: Direction,
    options: SyncOptions,
    record: &Record,
    coupling: Option<&Coupling>,
) -> bool {
    let Some(coupling) = coupling else { return false };
    let is_settled = coupling.state == CouplingState::Coupled
        && !coupling.failed(direction)
        && !coupling.awaits(direction)
        && !coupling.related.contains_key(opened(direction.destination()))
        && coupling.acting.is_none();
    if !mapping.rules.record_tells_all(direction, record, coupling) || options.compares() || !is_settled {
        return false;
    }
    let side = direction.source();
    let table = mapping.table(side);
    let rows = mapping.rows(direction).filter_map(|row| match direction {
        Direction::ToDataverse => row.business_central.as_ref(),
        Direction::FromDataverse => row.dataverse.as_ref(),
    });
    let watched = mapping.rules.source_columns(direction).iter().filter_map(|name| table.column(name));
    rows.chain(watched).filter_map(|column| Some((column, record.known(&column.name)?))).all(|(column, value)| {
        coupling.base.get(side, column).as_ref() == Some(value) || coupling.wrote(column, side, value)
    })
}

#[cfg(test)]
mod tests;
