//! A filter tied to columns, and its evaluation on rows.

use std::cmp::Ordering;
use std::collections::HashSet;

use uuid::Uuid;

use super::filter::{Comparison, TextMatch};
use super::like::text_matches;
use super::members::Members;
use crate::store::{Cell, Key, Row, Store, compare, text_equal};

/// A column of this row, or of a row that lookups lead to.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// Lookup columns to follow: position of the column and of the table it leads to.
    pub hops: Vec<(usize, usize)>,
    /// Table the column belongs to.
    pub table: usize,
    /// The column.
    pub column: usize,
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub enum Side {
    /// A column.
    Path(Path),
    /// A value; `None` is null.
    Value(Option<Cell>),
}

/// A filter tied to a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Predicate {
    /// All hold.
    And(Vec<Predicate>),
    /// One holds.
    Or(Vec<Predicate>),
    /// Does not hold.
    Not(Box<Predicate>),
    /// Always or never.
    Constant(bool),
    /// Two values compared.
    Compare(Side, Comparison, Side),
    /// Text match; `%`, `_` and `[…]` in the pattern are wildcards.
    Text(TextMatch, Path, String),
    /// The column has one of these values.
    In(Path, HashSet<Key>),
    /// Some or all rows of a collection satisfy the inner filter.
    Lambda {
        /// Lookups to follow first.
        hops: Vec<(usize, usize)>,
        /// Where the collection's rows are and how they point back.
        members: Members,
        /// `all` instead of `any`.
        all: bool,
        /// Condition.
        body: Option<Box<Predicate>>,
    },
}

/// Value at a path, seen from a row.
#[must_use]
pub fn value<'a>(store: &'a Store, row: &'a Row, path: &Path) -> Option<&'a Cell> {
    let mut row = row;
    for (column, table) in &path.hops {
        row = store.get(*table, row.get(*column)?.id()?)?;
    }
    // What may not be read is null to a filter, too.
    row.get(path.column).filter(|_| !store.schema.table(path.table).columns[path.column].is_hidden())
}

impl Predicate {
    /// Whether a row satisfies the filter.
    #[must_use]
    pub fn holds(&self, store: &Store, row: &Row) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.holds(store, row)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(store, row)),
            Self::Not(inner) => !inner.holds(store, row),
            Self::Constant(value) => *value,
            Self::Compare(left, comparison, right) => {
                let side = |side: &'_ Side| -> Option<Cell> {
                    match side {
                        Side::Path(path) => value(store, row, path).cloned(),
                        Side::Value(value) => value.clone(),
                    }
                };
                match (left, right) {
                    (Side::Path(path), Side::Value(right)) => {
                        compared(value(store, row, path), *comparison, right.as_ref())
                    }
                    _ => compared(side(left).as_ref(), *comparison, side(right).as_ref()),
                }
            }
            Self::Text(function, path, pattern) => match value(store, row, path) {
                Some(Cell::Text(text)) => text_matches(*function, &text.to_lowercase(), pattern),
                _ => false,
            },
            Self::In(path, keys) => value(store, row, path).and_then(Key::of).is_some_and(|key| keys.contains(&key)),
            Self::Lambda { hops, members, all, body } => {
                let mut id = row.id;
                let mut here = row;
                for (column, table) in hops {
                    let Some(next) = here.get(*column).and_then(Cell::id).and_then(|next| store.get(*table, next))
                    else {
                        return false;
                    };
                    id = next.id;
                    here = next;
                }
                let ids = members.of(store, id);
                let holds = |member: &Uuid| match (body, store.get(members.table(), *member)) {
                    (Some(body), Some(row)) => body.holds(store, row),
                    (None, Some(_)) => true,
                    (_, None) => false,
                };
                if *all { ids.iter().all(holds) } else { ids.iter().any(holds) }
            }
        }
    }
}

fn compared(left: Option<&Cell>, comparison: Comparison, right: Option<&Cell>) -> bool {
    let (Some(left), Some(right)) = (left, right) else {
        let same = left.is_none() && right.is_none();
        return match comparison {
            Comparison::Equal => same,
            Comparison::NotEqual => !same,
            _ => false,
        };
    };
    if let (Cell::Text(left), Cell::Text(right)) = (left, right)
        && matches!(comparison, Comparison::Equal | Comparison::NotEqual)
    {
        return text_equal(left, right) == (comparison == Comparison::Equal);
    }
    let Some(order) = compare(left, right) else {
        return comparison == Comparison::NotEqual;
    };
    match comparison {
        Comparison::Equal => order == Ordering::Equal,
        Comparison::NotEqual => order != Ordering::Equal,
        Comparison::Greater => order == Ordering::Greater,
        Comparison::GreaterOrEqual => order != Ordering::Less,
        Comparison::Less => order == Ordering::Less,
        Comparison::LessOrEqual => order != Ordering::Greater,
    }
}
