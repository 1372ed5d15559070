//! Match-based coupling: which uncoupled record of Business Central belongs to which row of Dataverse, by fields that are equal
//! (R188 to R196).
//!
//! Records are reduced to a hash per priority before they are compared, so that many fit into memory. The decision is a plain
//! function of both sides.

mod entry;
mod keys;

use std::collections::HashMap;

pub use entry::{Entry, Malformed, pack, unpack};
pub use keys::{Key, MatchPair, key_of, problem};

use serde::Serialize;

/// Priorities that a record may be matched by.
pub const MOST_PRIORITIES: usize = 8;
/// Candidates that are named for a record with several; the others are counted.
pub const MOST_NAMED_CANDIDATES: usize = 10;

/// Which row an uncoupled record belongs to. Rows and records are places in the lists that were compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matched {
    /// To this one, and to no other.
    With(usize),
    /// Several rows match equally well.
    Several {
        /// The first of them.
        rows: Vec<usize>,
        /// How many there are.
        count: usize,
    },
    /// One row matches, and matches other records as well as this one or better.
    Shared {
        /// The row.
        row: usize,
        /// The first of the other records.
        with: Vec<usize>,
        /// How many others there are.
        count: usize,
    },
    /// One row matches, and is coupled already (R195).
    Coupled(usize),
    /// No row matches.
    Nothing,
    /// None of its match fields is filled in, so that there is nothing to match by (R193).
    Blank,
}

/// What matching found, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Records with one match.
    pub pairs: u64,
    /// Records with several matches, or with one that belongs to others as well.
    pub several: u64,
    /// Records without a match, or with one that is coupled already.
    pub unmatched: u64,
}

impl Tally {
    /// Counts what was found.
    pub fn of(found: &[Matched]) -> Self {
        let mut tally = Self::default();
        for one in found {
            *match one {
                Matched::With(_) => &mut tally.pairs,
                Matched::Several { .. } | Matched::Shared { .. } => &mut tally.several,
                Matched::Coupled(_) | Matched::Nothing | Matched::Blank => &mut tally.unmatched,
            } += 1;
        }
        tally
    }
}

/// Rows that are equal in the keys of some priorities.
#[derive(Default)]
struct Class {
    first: Vec<u32>,
    count: usize,
}

/// The classes of all rows by the priorities that tell them apart, each made when it is first asked for.
struct Classes<'a> {
    rows: &'a [Entry],
    by_priorities: HashMap<u8, HashMap<Key, Class>>,
}

impl Classes<'_> {
    fn get(&mut self, priorities: u8, key: Key) -> Option<&Class> {
        let rows = self.rows;
        let classes = self.by_priorities.entry(priorities).or_insert_with(|| {
            let mut classes: HashMap<Key, Class> = HashMap::new();
            for (place, row) in (0_u32..).zip(rows) {
                if let Some(key) = joint_key(row, priorities) {
                    let class = classes.entry(key).or_default();
                    class.count += 1;
                    if class.first.len() < MOST_NAMED_CANDIDATES {
                        class.first.push(place);
                    }
                }
            }
            classes
        });
        classes.get(&key)
    }
}

/// Matches uncoupled records of Business Central with rows of Dataverse; one result per record, in order.
///
/// Priorities are tried in order until one row is left. Where a priority finds several rows the next one chooses among these;
/// where it finds none it is passed over, and so it is where the record or the row is blank. A row that is coupled counts as a
/// row that was found, and is not coupled again (R195). One row for several records goes to the one that matches by the earliest
/// priority, else to the one that the later priorities single out, else to nobody.
pub fn match_all(records: &[Entry], rows: &[Entry]) -> Vec<Matched> {
    let mut classes = Classes { rows, by_priorities: HashMap::new() };
    let mut found = Vec::with_capacity(records.len());
    // Who wants a row, and the first priority by which they are equal.
    let mut wanted: HashMap<usize, Vec<(u32, usize)>> = HashMap::new();
    for (place, record) in records.iter().enumerate() {
        let (one, priorities) = candidates(record, &mut classes);
        if let Matched::With(row) = one {
            wanted.entry(row).or_default().push((priorities.trailing_zeros(), place));
        }
        found.push(one);
    }
    for (row, wanting) in wanted {
        if rows[row].taken {
            for (_, place) in wanting {
                found[place] = Matched::Coupled(row);
            }
            continue;
        }
        if wanting.len() == 1 {
            continue;
        }
        let winner = singled_out(&wanting, row, records, rows);
        let all: Vec<usize> = wanting.iter().map(|(_, place)| *place).collect();
        for place in all.iter().copied().filter(|place| Some(*place) != winner) {
            // Whoever gets the row is named first.
            let others =
                winner.into_iter().chain(all.iter().copied().filter(|other| *other != place && Some(*other) != winner));
            let with = others.take(MOST_NAMED_CANDIDATES).collect();
            found[place] = Matched::Shared { row, with, count: all.len() - 1 };
        }
    }
    found
}

/// What a record alone finds, and the priorities by which it was found.
fn candidates(record: &Entry, classes: &mut Classes<'_>) -> (Matched, u8) {
    if record.keys.iter().all(Option::is_none) {
        return (Matched::Blank, 0);
    }
    let (mut priorities, mut found) = (0_u8, Matched::Nothing);
    for priority in 0..record.keys.len() {
        let narrower = priorities | 1 << priority;
        let Some(key) = joint_key(record, narrower) else { continue };
        let Some(class) = classes.get(narrower, key) else { continue };
        priorities = narrower;
        let rows: Vec<usize> = class.first.iter().map(|row| *row as usize).collect();
        if let (1, [row]) = (class.count, rows.as_slice()) {
            return (Matched::With(*row), priorities);
        }
        found = Matched::Several { rows, count: class.count };
    }
    (found, priorities)
}

/// The key of several priorities together; `None` when one of them is blank.
fn joint_key(entry: &Entry, priorities: u8) -> Option<Key> {
    let mut joint = None;
    for (priority, key) in entry.keys.iter().enumerate() {
        if priorities & (1 << priority) != 0 {
            let key = (*key)?;
            joint = Some(joint.map_or(key, |joint: Key| joint.with(key)));
        }
    }
    joint
}

/// The one of several records that gets the row they all match.
fn singled_out(wanting: &[(u32, usize)], row: usize, records: &[Entry], rows: &[Entry]) -> Option<usize> {
    let strongest = wanting.iter().map(|(priority, _)| *priority).min()?;
    let mut left: Vec<usize> =
        wanting.iter().filter(|(priority, _)| *priority == strongest).map(|(_, place)| *place).collect();
    for (priority, key) in rows[row].keys.iter().enumerate() {
        if left.len() == 1 {
            break;
        }
        let equal: Vec<usize> = left
            .iter()
            .copied()
            .filter(|place| key.is_some() && records[*place].keys.get(priority) == Some(key))
            .collect();
        if !equal.is_empty() {
            left = equal;
        }
    }
    match left.as_slice() {
        [one] => Some(*one),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
