//! Queries over several tables with links, aggregates and grouping: what FetchXML and SQL become.

use std::cmp::Ordering;
use std::collections::HashSet;

use rust_decimal::Decimal;

use super::plan;
use super::predicate::Predicate;
use crate::store::{Cell, Key, Row, Store, compare};

/// A query; source 0 is the main table.
#[derive(Debug, Clone, Default)]
pub struct Joined {
    /// Tables taking part, parents before children.
    pub sources: Vec<Source>,
    /// What is shown.
    pub outputs: Vec<Output>,
    /// All columns of the main table are shown.
    pub all: bool,
    /// Conditions over all sources.
    pub filter: Vec<Condition>,
    /// Order: output or column.
    pub order: Vec<Order>,
    /// Rows at most.
    pub top: Option<usize>,
    /// Rows to leave out.
    pub offset: usize,
    /// Equal rows once.
    pub distinct: bool,
}

/// A table in the query.
#[derive(Debug, Clone)]
pub struct Source {
    /// Table.
    pub table: usize,
    /// Name in the query.
    pub alias: String,
    /// How it hangs on another source.
    pub link: Option<Link>,
}

/// A join.
#[derive(Debug, Clone)]
pub struct Link {
    /// Position of the parent source.
    pub parent: usize,
    /// Column of this table.
    pub from: usize,
    /// Column of the parent.
    pub to: usize,
    /// Parents without a match stay.
    pub outer: bool,
    /// Conditions on the rows that are linked.
    pub filter: Vec<Condition>,
}

/// A shown value.
#[derive(Debug, Clone)]
pub struct Output {
    /// Source.
    pub source: usize,
    /// Column; for `count(*)` the key.
    pub column: usize,
    /// Property name; `None` is the column's own.
    pub name: Option<String>,
    /// Computed over a group.
    pub aggregate: Option<Aggregate>,
}

/// A computation over a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregate {
    /// Rows.
    Count,
    /// Rows with a value.
    CountColumn,
    /// Different values.
    CountDistinct,
    /// Sum.
    Sum,
    /// Mean.
    Average,
    /// Least.
    Minimum,
    /// Greatest.
    Maximum,
}

/// One order criterion.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    /// What is ordered by.
    pub by: OrderBy,
    /// From great to small.
    pub descending: bool,
}

/// What is ordered by.
#[derive(Debug, Clone, Copy)]
pub enum OrderBy {
    /// A column of a source.
    Column(usize, usize),
    /// An output, by position.
    Output(usize),
}

/// A condition over a combination of rows.
#[derive(Debug, Clone)]
pub enum Condition {
    /// All hold.
    All(Vec<Condition>),
    /// One holds.
    Any(Vec<Condition>),
    /// Does not hold.
    Not(Box<Condition>),
    /// A filter on the row of one source.
    On(usize, Predicate),
}

/// One row per source; `None` where an outer link found nothing.
pub type Tuple<'a> = Vec<Option<&'a Row>>;

impl Condition {
    fn holds(&self, store: &Store, tuple: &Tuple<'_>) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(store, tuple)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(store, tuple)),
            Self::Not(inner) => !inner.holds(store, tuple),
            Self::On(source, predicate) => match tuple.get(*source) {
                Some(Some(row)) => predicate.holds(store, row),
                _ => predicate.holds(store, &Row::new(uuid::Uuid::nil())),
            },
        }
    }
}

impl Joined {
    /// Some output is computed.
    #[must_use]
    pub fn aggregated(&self) -> bool {
        self.outputs.iter().any(|output| output.aggregate.is_some())
    }

    /// The combinations of rows that satisfy the query, in order, before paging. Not for aggregates.
    #[must_use]
    pub fn tuples<'a>(&self, store: &'a Store) -> Vec<Tuple<'a>> {
        let mut found = self.combined(store);
        if !self.order.is_empty() {
            found.sort_by(|left, right| self.ordered(left, right));
        }
        if self.distinct {
            let mut seen = HashSet::new();
            found.retain(|tuple| seen.insert(self.shown(tuple)));
        }
        found
    }

    fn combined<'a>(&self, store: &'a Store) -> Vec<Tuple<'a>> {
        let Some(main) = self.sources.first() else { return Vec::new() };
        let rows = store.rows(main.table);
        let key = store.schema.table(main.table).id;
        let planned = self
            .filter
            .iter()
            .filter_map(|condition| match condition {
                Condition::On(0, predicate) => plan::candidates(predicate, key, rows),
                _ => None,
            })
            .min_by_key(std::collections::BTreeSet::len);
        let mut tuples: Vec<Tuple<'a>> = match planned {
            Some(ids) => ids.into_iter().filter_map(|id| rows.get(id)).map(|row| vec![Some(row.as_ref())]).collect(),
            None => rows.after(None).map(|row| vec![Some(row.as_ref())]).collect(),
        };
        // Conditions on the main row alone go first, so that links are followed for few.
        tuples.retain(|tuple| {
            self.filter
                .iter()
                .filter(|condition| matches!(condition, Condition::On(0, _)))
                .all(|condition| condition.holds(store, tuple))
        });
        for source in self.sources.iter().skip(1) {
            let Some(link) = &source.link else { continue };
            tuples = linked(store, source, link, tuples);
        }
        tuples.retain(|tuple| self.filter.iter().all(|condition| condition.holds(store, tuple)));
        tuples
    }

    fn shown(&self, tuple: &Tuple<'_>) -> Vec<Option<Key>> {
        if self.all || self.outputs.is_empty() {
            return vec![tuple.first().copied().flatten().map(|row| Key::Id(row.id))];
        }
        self.outputs.iter().map(|output| value(tuple, output.source, output.column).and_then(Key::of)).collect()
    }

    fn ordered(&self, left: &Tuple<'_>, right: &Tuple<'_>) -> Ordering {
        for order in &self.order {
            let (source, column) = match order.by {
                OrderBy::Column(source, column) => (source, column),
                OrderBy::Output(at) => self.outputs.get(at).map_or((0, 0), |output| (output.source, output.column)),
            };
            let result = by_value(value(left, source, column), value(right, source, column));
            let result = if order.descending { result.reverse() } else { result };
            if result != Ordering::Equal {
                return result;
            }
        }
        Ordering::Equal
    }

    /// The groups of an aggregate query: one value per output.
    #[must_use]
    pub fn groups(&self, store: &Store) -> Vec<Vec<Option<Cell>>> {
        let tuples = self.combined(store);
        let grouping: Vec<&Output> = self.outputs.iter().filter(|output| output.aggregate.is_none()).collect();
        let mut groups: Vec<(Vec<Option<Key>>, Vec<&Tuple<'_>>)> = Vec::new();
        let mut positions = std::collections::HashMap::new();
        for tuple in &tuples {
            let key: Vec<Option<Key>> =
                grouping.iter().map(|output| value(tuple, output.source, output.column).and_then(Key::of)).collect();
            let at = *positions.entry(key.clone()).or_insert_with(|| {
                groups.push((key, Vec::new()));
                groups.len() - 1
            });
            groups[at].1.push(tuple);
        }
        if groups.is_empty() && grouping.is_empty() {
            groups.push((Vec::new(), Vec::new()));
        }
        let mut rows: Vec<Vec<Option<Cell>>> = groups
            .iter()
            .map(|(_, members)| self.outputs.iter().map(|output| computed(output, members)).collect())
            .collect();
        for order in self.order.iter().rev() {
            if let OrderBy::Output(at) = order.by {
                rows.sort_by(|left, right| {
                    let result =
                        by_value(left.get(at).and_then(Option::as_ref), right.get(at).and_then(Option::as_ref));
                    if order.descending { result.reverse() } else { result }
                });
            }
        }
        rows
    }
}

fn linked<'a>(store: &'a Store, source: &Source, link: &Link, tuples: Vec<Tuple<'a>>) -> Vec<Tuple<'a>> {
    let rows = store.rows(source.table);
    let key = store.schema.table(source.table).id;
    let mut all = Vec::new();
    for tuple in tuples {
        let wanted = value(&tuple, link.parent, link.to).cloned();
        let ids = match &wanted {
            None => Vec::new(),
            Some(cell) if link.from == key => cell.id().filter(|id| rows.get(*id).is_some()).into_iter().collect(),
            Some(cell) => rows.find(link.from, cell),
        };
        let mut matched = false;
        for row in ids.into_iter().filter_map(|id| rows.get(id)) {
            let mut longer = tuple.clone();
            longer.push(Some(row.as_ref()));
            if link.filter.iter().all(|condition| condition.holds(store, &longer)) {
                matched = true;
                all.push(longer);
            }
        }
        if !matched && link.outer {
            let mut longer = tuple;
            longer.push(None);
            all.push(longer);
        }
    }
    all
}

/// A value of a combination.
#[must_use]
pub fn value<'a>(tuple: &Tuple<'a>, source: usize, column: usize) -> Option<&'a Cell> {
    tuple.get(source).copied().flatten().and_then(|row| row.get(column))
}

fn by_value(left: Option<&Cell>, right: Option<&Cell>) -> Ordering {
    match (left, right) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
        (Some(left), Some(right)) => compare(left, right).unwrap_or(Ordering::Equal),
    }
}

fn computed(output: &Output, members: &[&Tuple<'_>]) -> Option<Cell> {
    let values: Vec<&Cell> = members.iter().filter_map(|tuple| value(tuple, output.source, output.column)).collect();
    let count = |number: usize| Some(Cell::Int(i64::try_from(number).unwrap_or(i64::MAX)));
    match output.aggregate {
        None => members.first().and_then(|tuple| value(tuple, output.source, output.column)).cloned(),
        Some(Aggregate::Count) => count(members.len()),
        Some(Aggregate::CountColumn) => count(values.len()),
        Some(Aggregate::CountDistinct) => {
            count(values.iter().filter_map(|cell| Key::of(cell)).collect::<HashSet<_>>().len())
        }
        Some(Aggregate::Sum) => Some(Cell::Decimal(values.iter().filter_map(|cell| cell.number()).sum())),
        Some(Aggregate::Average) => {
            let numbers: Vec<Decimal> = values.iter().filter_map(|cell| cell.number()).collect();
            (!numbers.is_empty()).then(|| Cell::Decimal(numbers.iter().sum::<Decimal>() / Decimal::from(numbers.len())))
        }
        Some(Aggregate::Minimum) => {
            values.into_iter().min_by(|left, right| compare(left, right).unwrap_or(Ordering::Equal)).cloned()
        }
        Some(Aggregate::Maximum) => {
            values.into_iter().max_by(|left, right| compare(left, right).unwrap_or(Ordering::Equal)).cloned()
        }
    }
}
