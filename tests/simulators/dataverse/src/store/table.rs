//! The rows of one table: by id, by row version, and by the columns that are searched for equality.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use uuid::Uuid;

use super::cell::{Cell, Key};
use crate::schema::{Kind, Table};

/// One row: only columns that have a value, sorted by column position.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Primary key.
    pub id: Uuid,
    /// Row version: the source of the etag.
    pub version: u64,
    cells: Vec<(u16, Cell)>,
}

impl Row {
    /// A row without values.
    #[must_use]
    pub fn new(id: Uuid) -> Self {
        Self { id, version: 0, cells: Vec::new() }
    }

    /// Value of a column; `None` is null.
    #[must_use]
    pub fn get(&self, column: usize) -> Option<&Cell> {
        self.cells.binary_search_by_key(&column, |(at, _)| usize::from(*at)).ok().map(|at| &self.cells[at].1)
    }

    /// Sets or empties a column.
    pub fn set(&mut self, column: usize, value: Option<Cell>) {
        match (self.cells.binary_search_by_key(&column, |(at, _)| usize::from(*at)), value) {
            (Ok(at), Some(cell)) => self.cells[at].1 = cell,
            (Ok(at), None) => {
                self.cells.remove(at);
            }
            (Err(at), Some(cell)) => self.cells.insert(at, (u16::try_from(column).unwrap_or(u16::MAX), cell)),
            (Err(_), None) => {}
        }
    }

    /// Gives back the memory that the row does not need. Rows are written once and kept for long.
    pub fn shrink(&mut self) {
        self.cells.shrink_to_fit();
    }

    /// The columns that have a value.
    pub fn cells(&self) -> impl Iterator<Item = (usize, &Cell)> {
        self.cells.iter().map(|(at, cell)| (usize::from(*at), cell))
    }
}

/// Text columns that clients look rows up by.
const SEARCHED_TEXT: [&str; 9] = [
    "productnumber",
    "accountnumber",
    "name",
    "isocurrencycode",
    "ordernumber",
    "invoicenumber",
    "quotenumber",
    "bcbi_externalid",
    "internalemailaddress",
];

/// Lookups that point at few rows each; the others (owner, creator, currency) would only cost memory.
const UNSEARCHED_LOOKUPS: [&str; 11] = [
    "createdby",
    "modifiedby",
    "createdonbehalfby",
    "modifiedonbehalfby",
    "ownerid",
    "owninguser",
    "owningteam",
    "owningbusinessunit",
    "organizationid",
    "transactioncurrencyid",
    "bcbi_companyid",
];

/// The rows of one table.
#[derive(Debug)]
pub struct TableRows {
    rows: BTreeMap<Uuid, Arc<Row>>,
    by_version: BTreeMap<u64, Uuid>,
    deleted: BTreeMap<u64, Uuid>,
    indexes: HashMap<usize, HashMap<Key, Ids>>,
}

/// Ids of the rows that have the same value in a column. Most values are those of one row, and a set takes ten times as
/// much memory as one id.
#[derive(Debug)]
pub enum Ids {
    /// One row.
    One(Uuid),
    /// Any number of rows.
    Many(BTreeSet<Uuid>),
}

impl Ids {
    /// As a set.
    #[must_use]
    pub fn to_set(&self) -> BTreeSet<Uuid> {
        match self {
            Self::One(id) => BTreeSet::from([*id]),
            Self::Many(ids) => ids.clone(),
        }
    }

    fn insert_into(index: &mut HashMap<Key, Self>, key: Key, id: Uuid) {
        match index.entry(key) {
            Entry::Vacant(place) => {
                place.insert(Self::One(id));
            }
            Entry::Occupied(mut held) => match held.get_mut() {
                Self::One(first) => {
                    let both = BTreeSet::from([*first, id]);
                    held.insert(Self::Many(both));
                }
                Self::Many(ids) => {
                    ids.insert(id);
                }
            },
        }
    }

    fn remove_from(index: &mut HashMap<Key, Self>, key: Key, id: Uuid) {
        if let Entry::Occupied(mut held) = index.entry(key) {
            let is_empty = match held.get_mut() {
                Self::One(only) => *only == id,
                Self::Many(ids) => {
                    ids.remove(&id);
                    ids.is_empty()
                }
            };
            if is_empty {
                held.remove();
            }
        }
    }
}

impl TableRows {
    /// No rows yet.
    #[must_use]
    pub fn new(table: &Table) -> Self {
        let indexes = table
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| match &column.kind {
                Kind::Lookup(_) => !UNSEARCHED_LOOKUPS.contains(&column.name.as_str()),
                Kind::Text(_) => SEARCHED_TEXT.contains(&column.name.as_str()),
                Kind::Guid => table.intersect,
                _ => false,
            })
            .map(|(at, _)| (at, HashMap::new()))
            .collect();
        Self { rows: BTreeMap::new(), by_version: BTreeMap::new(), deleted: BTreeMap::new(), indexes }
    }

    /// Makes sure that the first column of every alternate key is indexed.
    pub fn index_keys(&mut self, table: &Table) {
        for column in table.keys.iter().filter_map(|key| key.columns.first().copied()) {
            if self.indexes.contains_key(&column) {
                continue;
            }
            let mut index: HashMap<Key, Ids> = HashMap::new();
            for row in self.rows.values() {
                if let Some(key) = row.get(column).and_then(Key::of) {
                    Ids::insert_into(&mut index, key, row.id);
                }
            }
            self.indexes.insert(column, index);
        }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// No rows at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// One row.
    #[must_use]
    pub fn get(&self, id: Uuid) -> Option<&Arc<Row>> {
        self.rows.get(&id)
    }

    /// All rows in the order of their ids, after `after`.
    pub fn after(&self, after: Option<Uuid>) -> impl Iterator<Item = &Arc<Row>> {
        let start = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        self.rows.range((start, std::ops::Bound::Unbounded)).map(|(_, row)| row)
    }

    /// Rows changed after `since` and up to `until`, oldest change first.
    pub fn changed(&self, since: u64, until: u64) -> impl Iterator<Item = &Arc<Row>> {
        self.by_version
            .range((std::ops::Bound::Excluded(since), std::ops::Bound::Unbounded))
            .take_while(move |(version, _)| **version <= until)
            .filter_map(|(_, id)| self.rows.get(id))
    }

    /// Tombstones with their version, after `since` and up to `until`.
    pub fn buried(&self, since: u64, until: u64) -> impl Iterator<Item = (u64, Uuid)> {
        self.deleted
            .range((std::ops::Bound::Excluded(since), std::ops::Bound::Unbounded))
            .map(|(version, id)| (*version, *id))
            .take_while(move |(version, _)| *version <= until)
    }

    /// Ids of rows whose `column` has this value, when the column is indexed.
    #[must_use]
    pub fn with(&self, column: usize, key: &Key) -> Option<Option<&Ids>> {
        self.indexes.get(&column).map(|index| index.get(key))
    }

    /// Ids of rows whose `column` has this value, by index or by looking at all.
    #[must_use]
    pub fn find(&self, column: usize, value: &Cell) -> Vec<Uuid> {
        let Some(wanted) = Key::of(value) else {
            return Vec::new();
        };
        match self.with(column, &wanted) {
            Some(None) => Vec::new(),
            Some(Some(Ids::One(id))) => vec![*id],
            Some(Some(Ids::Many(ids))) => ids.iter().copied().collect(),
            None => self
                .rows
                .values()
                .filter(|row| row.get(column).and_then(Key::of).as_ref() == Some(&wanted))
                .map(|row| row.id)
                .collect(),
        }
    }

    pub(super) fn put(&mut self, row: Arc<Row>) -> Option<Arc<Row>> {
        let before = self.remove(row.id);
        self.by_version.insert(row.version, row.id);
        for (column, index) in &mut self.indexes {
            if let Some(key) = row.get(*column).and_then(Key::of) {
                Ids::insert_into(index, key, row.id);
            }
        }
        self.rows.insert(row.id, row);
        before
    }

    pub(super) fn remove(&mut self, id: Uuid) -> Option<Arc<Row>> {
        let row = self.rows.remove(&id)?;
        self.by_version.remove(&row.version);
        for (column, index) in &mut self.indexes {
            if let Some(key) = row.get(*column).and_then(Key::of) {
                Ids::remove_from(index, key, id);
            }
        }
        Some(row)
    }

    pub(super) fn bury(&mut self, version: u64, id: Uuid) {
        self.deleted.insert(version, id);
    }

    pub(super) fn exhume(&mut self, version: u64) {
        self.deleted.remove(&version);
    }
}
