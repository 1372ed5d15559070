//! Finds the few rows that can satisfy a filter at all, by key or index, so that a search does not read a whole table.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::filter::Comparison;
use super::predicate::{Path, Predicate, Side};
use crate::store::{Ids, Key, TableRows};

/// Ids among which all matches are; `None` when every row must be looked at.
#[must_use]
pub fn candidates(predicate: &Predicate, id_column: usize, rows: &TableRows) -> Option<BTreeSet<Uuid>> {
    match predicate {
        Predicate::And(parts) => {
            parts.iter().filter_map(|part| candidates(part, id_column, rows)).min_by_key(BTreeSet::len)
        }
        Predicate::Or(parts) => {
            let mut all = BTreeSet::new();
            for part in parts {
                all.extend(candidates(part, id_column, rows)?);
            }
            Some(all)
        }
        Predicate::Compare(Side::Path(path), Comparison::Equal, Side::Value(Some(value)))
        | Predicate::Compare(Side::Value(Some(value)), Comparison::Equal, Side::Path(path)) => {
            with(path, &Key::of(value)?, id_column, rows)
        }
        Predicate::In(path, keys) => {
            let mut all = BTreeSet::new();
            for key in keys {
                all.extend(with(path, key, id_column, rows)?);
            }
            Some(all)
        }
        Predicate::Constant(false) => Some(BTreeSet::new()),
        _ => None,
    }
}

fn with(path: &Path, key: &Key, id_column: usize, rows: &TableRows) -> Option<BTreeSet<Uuid>> {
    if !path.hops.is_empty() {
        return None;
    }
    if path.column == id_column {
        return match key {
            Key::Id(id) => Some(rows.get(*id).map(|row| row.id).into_iter().collect()),
            _ => None,
        };
    }
    rows.with(path.column, key).map(|found| found.map(Ids::to_set).unwrap_or_default())
}
