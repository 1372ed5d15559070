//! Our own writes that no commit has confirmed yet, and how they are told from what users change.
//!
//! A write whose answer is lost, or whose process dies, may have taken effect or not. What was about to be written is
//! kept on the coupling until a commit, so that whoever looks at the pair next, the retry or the other direction, can
//! tell "the destination holds what we wrote" from "a user changed it".

use std::collections::BTreeSet;
use std::sync::Arc;

pub use crate::pending::{PendingField, PendingWrite};

use crate::base::Base;
use crate::coupling::{Coupling, CouplingState};
use crate::decision::are_alike;
use crate::message::Direction;
use crate::record::{Record, Values};
use crate::table::{Column, Side, Table};
use crate::value::Value;

/// Writes kept per direction, the newest: as many as a message is delivered before it is given up, and some more.
const KEPT: usize = 8;

impl Coupling {
    /// Notes a write that is about to be made.
    pub fn expect_write(&mut self, write: PendingWrite) {
        let direction = write.direction;
        self.pending.push(write);
        while self.pending.iter().filter(|write| write.direction == direction).count() > KEPT {
            if let Some(oldest) = self.pending.iter().position(|write| write.direction == direction) {
                self.pending.remove(oldest);
            }
        }
    }

    /// Forgets the newest write of a direction: it is known that it did not take effect.
    pub fn forget_write(&mut self, direction: Direction) {
        if let Some(newest) = self.pending.iter().rposition(|write| write.direction == direction) {
            self.pending.remove(newest);
        }
    }

    /// Whether a write of this direction is not confirmed, so that its destination may hold anything.
    pub fn awaits(&self, direction: Direction) -> bool {
        self.pending.iter().any(|write| write.direction == direction)
    }

    /// Which direction reserved the pair and has not finished creating or matching its destination.
    pub fn reserved_by(&self) -> Option<Direction> {
        let reserved = self.state == CouplingState::Reserved && self.intent.is_none();
        self.pending.first().filter(|_| reserved).map(|write| write.direction)
    }

    /// Whether the destination of this direction was about to be created.
    pub fn is_being_created(&self, direction: Direction) -> bool {
        self.pending.iter().any(|write| write.creates && write.direction == direction)
    }

    /// Whether a value of a column is one that a write of ours was about to set there.
    pub fn wrote(&self, column: &Column, side: Side, value: &Value) -> bool {
        let to_this_side = self.pending.iter().filter(|write| write.direction.destination() == side);
        to_this_side.flat_map(|write| &write.fields).any(|field| {
            field.destination == column.name
                && Value::from_json(&column.field, &field.value).is_ok_and(|pending| are_alike(value, &pending))
        })
    }
}

/// What is agreed between two records once our own writes are recognized.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    /// The base with every write of ours that has arrived: what a decision compares with.
    pub known: Base,
    /// What the destination holds in a column of a write of this direction that has not arrived. As long as nothing is
    /// written there, that write may yet arrive.
    pub may_arrive: Values,
    /// The base with the writes of the decision's own direction only. What must follow a write of the other direction is
    /// not done by this one, so its commit must not confirm it.
    own: Base,
    direction: Direction,
}

/// Both tables of a mapping.
#[derive(Clone, Copy, Debug)]
pub struct Tables<'a> {
    /// In Business Central.
    pub business_central: &'a Table,
    /// In Dataverse.
    pub dataverse: &'a Table,
}

impl<'a> Tables<'a> {
    fn column(self, side: Side, name: &str) -> Option<&'a Arc<Column>> {
        match side {
            Side::BusinessCentral => self.business_central.column(name),
            Side::Dataverse => self.dataverse.column(name),
        }
    }
}

/// Recognizes our own writes in the records of a pair, as they are now. `stored` is the base of the pair.
pub fn recognize(
    stored: &Base,
    pending: &[PendingWrite],
    direction: Direction,
    tables: Tables<'_>,
    source: &Record,
    destination: Option<&Record>,
) -> Agreement {
    let seen = |side| if side == direction.source() { Some(source) } else { destination };
    let mut own = stored.clone();
    let landed = advance(stored, pending, direction, tables, seen(direction.destination()), &mut own);
    let mut known = own.clone();
    let other = direction.reverse();
    advance(stored, pending, other, tables, seen(other.destination()), &mut known);
    let may_arrive = match (landed, destination) {
        (false, Some(record)) => left_behind(pending, direction, record),
        _ => Values::new(),
    };
    Agreement { known, may_arrive, own, direction }
}

impl Agreement {
    /// The base to store after a decision.
    pub fn base_after(&self, decided: &Base) -> Base {
        let mut base = self.own.clone();
        for side in [Side::BusinessCentral, Side::Dataverse] {
            for column in self.known.differing(decided, side) {
                base.copy(decided, side, &column);
            }
        }
        base.revision = decided.revision;
        base
    }

    /// Columns of the destination that an unconfirmed write of this direction is seen to have set, given the stored base; and
    /// the base with that write.
    pub fn arrived(&self, stored: &Base) -> (BTreeSet<String>, &Base) {
        (self.own.differing(stored, self.direction.destination()), &self.own)
    }

    /// The writes that are still to be confirmed after a decision of this direction was carried out: those of the other
    /// direction, without the columns that were decided anew.
    pub fn pending_after(&self, coupling: &Coupling, decided: &Base) -> Vec<PendingWrite> {
        let (to, from) = (self.direction.reverse().destination(), self.direction.reverse().source());
        let (changed_there, changed_here) = (self.known.differing(decided, to), self.known.differing(decided, from));
        let still_open = |field: &PendingField| {
            !changed_there.contains(&field.destination)
                && !field.source.as_ref().is_some_and(|source| changed_here.contains(source))
        };
        let others = coupling.pending.iter().filter(|write| write.direction != self.direction);
        others
            .map(|write| PendingWrite {
                fields: write.fields.iter().filter(|field| still_open(field)).cloned().collect(),
                ..write.clone()
            })
            .filter(|write| write.creates || !write.fields.is_empty())
            .collect()
    }
}

/// Where one column of a pending write stands.
#[derive(Clone, Copy, PartialEq)]
enum Seen {
    /// It holds what we wrote.
    Ours,
    /// It holds what it held before.
    Before,
    /// It holds something else.
    Changed,
}

/// Brings a base up to date with the writes of a direction that are seen to have arrived, the newest first. Tells whether
/// the newest has, or none is open.
///
/// A write sets all its columns or none. So a column that shows neither the old value nor ours was changed by a user
/// *after* our write, if another column of the same write proves that it arrived; without such proof it is taken for a
/// user's change of the old value.
fn advance(
    stored: &Base,
    pending: &[PendingWrite],
    direction: Direction,
    tables: Tables<'_>,
    record: Option<&Record>,
    base: &mut Base,
) -> bool {
    let (from, to) = (direction.source(), direction.destination());
    let mut settled: BTreeSet<(Side, &str)> = BTreeSet::new();
    let mut landed = true;
    let writes = pending.iter().rev().filter(|write| write.direction == direction);
    for (age, write) in writes.enumerate() {
        let Some(record) = record else { return false };
        let before = |column: &Column| match write.creates {
            true => Some(Value::Null),
            false => stored.get(to, column),
        };
        let mut seen = Vec::with_capacity(write.fields.len());
        let mut arrived = write.creates;
        for field in &write.fields {
            // A column the catalogue has lost since has no say.
            let Some(column) = tables.column(to, &field.destination) else { continue };
            let Ok(ours) = Value::from_json(&column.field, &field.value) else { continue };
            // What cannot be read tells nothing.
            let Some(now) = record.known(&column.name) else { continue };
            let before = before(column);
            let state = if are_alike(now, &ours) {
                Seen::Ours
            } else if before.as_ref() == Some(now) {
                Seen::Before
            } else {
                Seen::Changed
            };
            arrived |= state == Seen::Ours && before.as_ref() != Some(&ours);
            seen.push((field, column, ours, state));
        }
        for (field, column, ours, state) in seen {
            let counts = match state {
                Seen::Ours => true,
                Seen::Changed => arrived,
                Seen::Before => false,
            };
            if counts && settled.insert((to, &field.destination)) {
                base.set(to, &column.name, &ours);
                if let Some(name) = &field.source
                    && settled.insert((from, name))
                    && let Some(source) = tables.column(from, name)
                    && let Ok(value) = Value::from_json(&source.field, &field.source_value)
                {
                    base.set(from, name, &value);
                }
            } else if write.creates && state == Seen::Before && settled.insert((to, &field.destination)) {
                // The column was left out of the create, or emptied since; the source has to bring it again.
                base.set(to, &column.name, &Value::Null);
            }
        }
        if age == 0 {
            landed = arrived || write.fields.is_empty();
        }
    }
    landed
}

/// The value of a column of the newest pending write, as it is.
fn left_behind(pending: &[PendingWrite], direction: Direction, record: &Record) -> Values {
    let newest = pending.iter().rfind(|write| write.direction == direction);
    let fields = newest.into_iter().flat_map(|write| &write.fields);
    // One is enough. A reference is written in another form than it is read in.
    fields
        .filter_map(|field| Some((Arc::from(field.destination.as_str()), record.known(&field.destination)?.clone())))
        .find(|(_, value)| !matches!(value, Value::Guid(_) | Value::Reference { .. }))
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests;
