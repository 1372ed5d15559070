//! `$filter` as a condition on rows.

mod parser;

use std::collections::BTreeSet;

use crate::cell::Cell;
use crate::schema::TableId;
use crate::store::{Row, Store};

/// A condition on a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Compare(Operand, Operator, Cell),
    OneOf(Operand, Vec<Cell>),
    /// `eq` with AL filter signs: `*` stands for any text.
    Like(usize, String),
    Text(TextTest, Operand, String),
    /// What the service ignores silently: lambda expressions.
    Ignored,
}

/// The left side of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    Property(usize),
    Lower(Box<Operand>),
    Upper(Box<Operand>),
    Substring(Box<Operand>, usize, Option<usize>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextTest {
    StartsWith,
    EndsWith,
    Contains,
}

/// What may be written in filters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dialect {
    /// `$schemaversion=2.1` adds `in` and nested functions.
    pub nested: bool,
    /// Whether `*` in a compared text is a wildcard.
    pub wildcards: bool,
}

impl Filter {
    /// Whether the row fulfils the condition.
    pub(crate) fn holds(&self, store: &Store, table: TableId, row: &Row) -> bool {
        match self {
            Filter::All(parts) => parts.iter().all(|part| part.holds(store, table, row)),
            Filter::Any(parts) => parts.iter().any(|part| part.holds(store, table, row)),
            Filter::Compare(operand, operator, value) => operator.holds(operand.value(store, table, row).cmp(value)),
            Filter::OneOf(operand, values) => values.contains(&operand.value(store, table, row)),
            Filter::Like(at, pattern) => like(store.cell(table, row, *at).as_text(), pattern),
            Filter::Text(test, operand, needle) => {
                let value = operand.value(store, table, row);
                let text = value.as_text();
                match test {
                    TextTest::StartsWith => text.starts_with(needle.as_str()),
                    TextTest::EndsWith => text.ends_with(needle.as_str()),
                    TextTest::Contains => text.contains(needle.as_str()),
                }
            }
            Filter::Ignored => true,
        }
    }

    /// The conditions that all must hold.
    pub(crate) fn conjuncts(&self) -> &[Filter] {
        match self {
            Filter::All(parts) => parts,
            other => std::slice::from_ref(other),
        }
    }

    /// The values a property must equal one of, if this condition says so.
    pub(crate) fn wanted_values(&self, at: usize) -> Option<Vec<Cell>> {
        match self {
            Filter::Compare(Operand::Property(property), Operator::Equal, value) if *property == at => {
                Some(vec![value.clone()])
            }
            Filter::OneOf(Operand::Property(property), values) if *property == at => Some(values.clone()),
            Filter::Any(parts) => {
                parts.iter().map(|part| part.wanted_values(at)).collect::<Option<Vec<_>>>().map(|lists| lists.concat())
            }
            _ => None,
        }
    }

    /// Replaces the ids that a property is compared with.
    pub(crate) fn replace_ids(&mut self, at: usize, by: &dyn Fn(uuid::Uuid) -> uuid::Uuid) {
        let replace = |value: &mut Cell| {
            if let Cell::Guid(id) = value {
                *id = by(*id);
            }
        };
        match self {
            Filter::All(parts) | Filter::Any(parts) => parts.iter_mut().for_each(|part| part.replace_ids(at, by)),
            Filter::Compare(Operand::Property(property), _, value) if *property == at => replace(value),
            Filter::OneOf(Operand::Property(property), values) if *property == at => {
                values.iter_mut().for_each(replace);
            }
            _ => {}
        }
    }

    fn properties(&self, into: &mut BTreeSet<usize>) {
        match self {
            Filter::All(parts) | Filter::Any(parts) => parts.iter().for_each(|part| part.properties(into)),
            Filter::Compare(operand, ..) | Filter::OneOf(operand, _) | Filter::Text(_, operand, _) => {
                into.insert(operand.property());
            }
            Filter::Like(at, _) => {
                into.insert(*at);
            }
            Filter::Ignored => {}
        }
    }
}

impl Operator {
    fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Operator::Equal => order.is_eq(),
            Operator::NotEqual => order.is_ne(),
            Operator::Greater => order.is_gt(),
            Operator::GreaterOrEqual => order.is_ge(),
            Operator::Less => order.is_lt(),
            Operator::LessOrEqual => order.is_le(),
        }
    }

    fn named(word: &str) -> Option<Self> {
        Some(match word {
            "eq" => Operator::Equal,
            "ne" => Operator::NotEqual,
            "gt" => Operator::Greater,
            "ge" => Operator::GreaterOrEqual,
            "lt" => Operator::Less,
            "le" => Operator::LessOrEqual,
            _ => return None,
        })
    }
}

impl Operand {
    fn property(&self) -> usize {
        match self {
            Operand::Property(at) => *at,
            Operand::Lower(inner) | Operand::Upper(inner) | Operand::Substring(inner, ..) => inner.property(),
        }
    }

    fn value(&self, store: &Store, table: TableId, row: &Row) -> Cell {
        match self {
            Operand::Property(at) => store.cell(table, row, *at),
            Operand::Lower(inner) => Cell::text(inner.value(store, table, row).as_text().to_lowercase()),
            Operand::Upper(inner) => Cell::text(inner.value(store, table, row).as_text().to_uppercase()),
            Operand::Substring(inner, from, length) => {
                let value = inner.value(store, table, row);
                let rest = value.as_text().chars().skip(*from);
                Cell::text(match length {
                    Some(length) => rest.take(*length).collect::<String>(),
                    None => rest.collect::<String>(),
                })
            }
        }
    }
}

/// Matches an AL filter pattern in which `*` stands for any text.
pub(crate) fn like(text: &str, pattern: &str) -> bool {
    let parts: Vec<&str> = pattern.split('*').collect();
    let [first, middle @ .., last] = parts.as_slice() else { return text == pattern };
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}
