//! The records of the company in memory: rows, their indexes, and a journal that can take changes back.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::cell::Cell;
use crate::documents;
use crate::schema::{Source, TableId, schema};
use simulator_platform::Clock;
use simulator_platform::mix;

/// One record. `id` and the times are kept beside the cells; their cells are unused.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub id: Uuid,
    pub created: Timestamp,
    pub modified: Timestamp,
    /// Counts writes; the etag is made from it.
    pub version: u64,
    pub cells: Vec<Cell>,
}

/// What identifies a record to a person: the values of the primary key.
pub(crate) type Key = Vec<Cell>;

#[derive(Default)]
struct Rows {
    by_id: HashMap<Uuid, Row>,
    by_key: BTreeMap<Key, Uuid>,
    by_modified: BTreeSet<(Timestamp, Uuid)>,
    /// Lines by the document they belong to.
    by_document: HashMap<Uuid, BTreeSet<Uuid>>,
    /// Position of `documentId`, where the table has one.
    document: Option<usize>,
}

/// What happened to a record, for notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    Created,
    Updated,
    Deleted,
}

/// A change that took effect.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub table: TableId,
    pub id: Uuid,
    pub kind: ChangeKind,
    pub at: Timestamp,
}

struct Undo {
    table: TableId,
    id: Uuid,
    before: Option<Row>,
}

/// Settings of the company that records are shown by.
#[derive(Clone, Debug)]
pub(crate) struct Company {
    pub id: Uuid,
    pub name: String,
    pub local_currency: String,
    /// Whether the number series allow numbers given by hand.
    pub manual_numbers: bool,
    /// Whether every address needs a country, so that another one does not clear the rest of it.
    pub requires_country: bool,
    /// Whether a new customer or vendor gets a company contact.
    pub contacts_of_partners: bool,
    /// The tax of everything that is sold, in percent.
    pub tax_percent: Decimal,
    /// The tax of items that differ from that, in percent, by number.
    pub tax_of_items: std::collections::BTreeMap<String, Decimal>,
    /// Numbers of the customers whose documents have prices that include tax.
    pub priced_with_tax: std::collections::BTreeSet<String>,
    /// Whether a quote that is deleted is archived first: `Archive Quotes` is Always, or Question, which nobody is there to be asked
    /// through an API and counts as yes.
    pub archives_deleted_quotes: bool,
    /// How long a quote is valid: a date formula; empty: for ever.
    pub quote_validity: String,
    /// Whether releasing a document is for an approval workflow, and refused to everybody else.
    pub refuses_release: bool,
    /// Numbers of the items that orders always reserve.
    pub always_reserved: std::collections::BTreeSet<String>,
}

/// A version of a quote in the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuoteVersion {
    /// The number of the quote.
    pub number: String,
    /// How many lines it had.
    pub lines: usize,
}

impl Company {
    /// A company with the strictest setup.
    pub(crate) fn new(id: Uuid, name: impl Into<String>, local_currency: impl Into<String>) -> Self {
        Self {
            id,
            name: name.into(),
            local_currency: local_currency.into(),
            manual_numbers: false,
            requires_country: false,
            contacts_of_partners: true,
            tax_percent: Decimal::ZERO,
            tax_of_items: std::collections::BTreeMap::new(),
            priced_with_tax: std::collections::BTreeSet::new(),
            archives_deleted_quotes: true,
            quote_validity: "30D".into(),
            refuses_release: false,
            always_reserved: std::collections::BTreeSet::new(),
        }
    }
}

/// Two records would have the same primary key, or the same SystemId.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Duplicate {
    Key,
    Id,
}

/// All records of the company.
pub(crate) struct Store {
    pub company: Company,
    pub clock: Arc<Clock>,
    tables: Vec<Rows>,
    undo: Vec<Undo>,
    open: usize,
    changes: Vec<Change>,
    /// Versions of quotes; no page shows them.
    pub quote_versions: Vec<QuoteVersion>,
    inventory: HashMap<Box<str>, Decimal>,
    ledger: Ledger,
    version: u64,
    /// Source of ids while a company is made from a seed; ids are random otherwise.
    seeded_ids: Option<u64>,
    /// The last number each number series gave.
    series: HashMap<(TableId, &'static str), u64>,
    item: (TableId, usize),
    vendor: (TableId, usize),
}

struct Ledger {
    table: TableId,
    item_number: usize,
    quantity: usize,
}

impl Store {
    pub(crate) fn new(company: Company, clock: Arc<Clock>) -> Self {
        let schema = schema();
        let position = |table: TableId, property: &str| schema.table(table).position(property).unwrap_or_default();
        let table = schema.known("Item Ledger Entry");
        let ledger =
            Ledger { table, item_number: position(table, "itemNumber"), quantity: position(table, "quantity") };
        let (item, vendor) = (schema.known("Item"), schema.known("Vendor"));
        let tables = schema
            .tables
            .iter()
            .map(|table| Rows {
                document: table.position("documentId").filter(|_| table.position("sequence").is_some()),
                ..Rows::default()
            })
            .collect();
        Self {
            company,
            clock,
            tables,
            undo: Vec::new(),
            open: 0,
            changes: Vec::new(),
            quote_versions: Vec::new(),
            inventory: HashMap::new(),
            ledger,
            version: 0,
            seeded_ids: None,
            series: HashMap::new(),
            item: (item, position(item, "number")),
            vendor: (vendor, position(vendor, "displayName")),
        }
    }

    // --- reading ---

    pub(crate) fn row(&self, table: TableId, id: Uuid) -> Option<&Row> {
        self.tables[table.0].by_id.get(&id)
    }

    pub(crate) fn by_key(&self, table: TableId, key: &Key) -> Option<&Row> {
        let rows = &self.tables[table.0];
        rows.by_key.get(key).and_then(|id| rows.by_id.get(id))
    }

    /// The row of a table with a one-part key.
    pub(crate) fn by_code(&self, table: TableId, code: &str) -> Option<&Row> {
        self.by_key(table, &vec![Cell::text(code)])
    }

    pub(crate) fn count(&self, table: TableId) -> usize {
        self.tables[table.0].by_id.len()
    }

    /// All rows in the order of the primary key.
    pub(crate) fn rows(&self, table: TableId) -> impl Iterator<Item = &Row> {
        let rows = &self.tables[table.0];
        rows.by_key.values().filter_map(|id| rows.by_id.get(id))
    }

    /// The rows after a key, in the order of the primary key.
    pub(crate) fn rows_after<'a>(&'a self, table: TableId, key: &Key) -> impl Iterator<Item = &'a Row> + use<'a> {
        let rows = &self.tables[table.0];
        let from = (std::ops::Bound::Excluded(key.clone()), std::ops::Bound::Unbounded);
        rows.by_key.range(from).filter_map(|(_, id)| rows.by_id.get(id))
    }

    /// The rows modified at or after an instant.
    pub(crate) fn rows_modified_since(&self, table: TableId, since: Timestamp) -> impl Iterator<Item = &Row> {
        let rows = &self.tables[table.0];
        rows.by_modified.range((since, Uuid::nil())..).filter_map(|(_, id)| rows.by_id.get(id))
    }

    /// The lines of a document.
    pub(crate) fn lines(&self, table: TableId, document: Uuid) -> impl Iterator<Item = &Row> {
        let rows = &self.tables[table.0];
        rows.by_document.get(&document).into_iter().flatten().filter_map(|id| rows.by_id.get(id))
    }

    pub(crate) fn has_lines(&self, table: TableId) -> bool {
        self.tables[table.0].document.is_some()
    }

    /// The value of a property as the wire shows it: stored, or computed.
    pub(crate) fn cell(&self, table: TableId, row: &Row, at: usize) -> Cell {
        match schema().table(table).properties[at].source {
            Source::Id => Cell::Guid(row.id),
            Source::Created => Cell::DateTime(row.created),
            Source::Modified => Cell::DateTime(row.modified),
            Source::Stored => row.cells[at].clone(),
            Source::LocalCurrency if row.cells[at].is_blank() => Cell::text(self.company.local_currency.as_str()),
            Source::LocalCurrency => row.cells[at].clone(),
            Source::ObjectBlocked => Cell::Bool(documents::object_is_blocked(self, table, row)),
            Source::Statistic(statistic) => statistic.of(self, row.id),
            Source::Inventory => Cell::Decimal(self.inventory_of(row.cells[self.item.1].as_text())),
            Source::Reference { code, owner } => {
                Cell::text(format!("{} of {}", row.cells[code].as_text(), row.cells[owner].as_text()))
            }
            Source::VendorName { vendor_no } => {
                let number = row.cells[vendor_no].as_text();
                let vendor = if number.is_empty() { None } else { self.by_code(self.vendor.0, number) };
                vendor.map_or_else(|| Cell::Text(Box::default()), |vendor| vendor.cells[self.vendor.1].clone())
            }
        }
    }

    pub(crate) fn inventory_of(&self, item_number: &str) -> Decimal {
        self.inventory.get(item_number).copied().unwrap_or_default()
    }

    /// The primary key of a row.
    pub(crate) fn key(&self, table: TableId, row: &Row) -> Key {
        schema().table(table).key.iter().map(|at| self.cell(table, row, *at)).collect()
    }

    /// The highest code of that prefix followed by exactly `width` digits.
    pub(crate) fn last_code_with(&self, table: TableId, prefix: &str, width: usize) -> Option<String> {
        let length = prefix.len() + width;
        let upper = vec![Cell::text(format!("{prefix}{}", "9".repeat(width)))];
        let lower = vec![Cell::text(format!("{prefix}{}", "0".repeat(width)))];
        let numbers = self.tables[table.0].by_key.range(lower..=upper).rev();
        let fits = |text: &str| {
            text.len() == length
                && text.starts_with(prefix)
                && text[prefix.len()..].bytes().all(|byte| byte.is_ascii_digit())
        };
        numbers.filter_map(|(key, _)| key.first()).map(Cell::as_text).find(|text| fits(text)).map(str::to_owned)
    }

    /// The last number a number series gave.
    pub(crate) fn last_of_series(&self, table: TableId, prefix: &'static str) -> Option<u64> {
        self.series.get(&(table, prefix)).copied()
    }

    /// Notes what a number series gave; a number stays given if its record is undone, as series with gaps do.
    pub(crate) fn series_gave(&mut self, table: TableId, prefix: &'static str, number: u64) {
        self.series.insert((table, prefix), number);
    }

    /// The highest entry number of a ledger.
    pub(crate) fn last_entry(&self, table: TableId) -> usize {
        self.tables[table.0]
            .by_key
            .last_key_value()
            .and_then(|(key, _)| key.first())
            .map_or(0, |cell| usize::try_from(cell.as_int()).unwrap_or(0))
    }

    /// The highest last key part among the rows whose key begins with the given part (the last line of a document).
    pub(crate) fn last_line_of(&self, table: TableId, owner: &Cell) -> i32 {
        let range = vec![owner.clone(), Cell::Int(i32::MIN)]..=vec![owner.clone(), Cell::Int(i32::MAX)];
        self.tables[table.0].by_key.range(range).next_back().and_then(|(key, _)| key.last()).map_or(0, Cell::as_int)
    }

    // --- writing ---

    pub(crate) fn next_version(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    /// A new SystemId.
    pub(crate) fn fresh_id(&mut self) -> Uuid {
        match &mut self.seeded_ids {
            None => Uuid::new_v4(),
            Some(state) => {
                let (high, low) = (mix(state), mix(state));
                uuid::Builder::from_random_bytes((u128::from(high) << 64 | u128::from(low)).to_be_bytes()).into_uuid()
            }
        }
    }

    /// Makes ids a function of a seed, or random again.
    pub(crate) fn seed_ids(&mut self, seed: Option<u64>) {
        self.seeded_ids = seed;
    }

    /// Adds a row.
    pub(crate) fn insert(&mut self, table: TableId, row: Row) -> Result<(), Duplicate> {
        if self.tables[table.0].by_id.contains_key(&row.id) {
            return Err(Duplicate::Id);
        }
        let key = self.key(table, &row);
        if self.tables[table.0].by_key.contains_key(&key) {
            return Err(Duplicate::Key);
        }
        self.note(table, row.id, None, ChangeKind::Created, row.modified);
        self.place(table, row, key);
        Ok(())
    }

    /// Replaces a row by its new state.
    pub(crate) fn replace(&mut self, table: TableId, row: Row) -> Result<(), Duplicate> {
        let key = self.key(table, &row);
        if self.tables[table.0].by_key.get(&key).is_some_and(|other| *other != row.id) {
            return Err(Duplicate::Key);
        }
        let before = self.take(table, row.id);
        self.note(table, row.id, before, ChangeKind::Updated, row.modified);
        self.place(table, row, key);
        Ok(())
    }

    /// Takes a row away.
    pub(crate) fn remove(&mut self, table: TableId, id: Uuid) -> bool {
        let at = self.clock.now();
        match self.take(table, id) {
            None => false,
            Some(row) => {
                self.note(table, id, Some(row), ChangeKind::Deleted, at);
                true
            }
        }
    }

    fn note(&mut self, table: TableId, id: Uuid, before: Option<Row>, kind: ChangeKind, at: Timestamp) {
        if self.open > 0 {
            self.undo.push(Undo { table, id, before });
            self.changes.push(Change { table, id, kind, at });
        }
    }

    fn place(&mut self, table: TableId, row: Row, key: Key) {
        if table == self.ledger.table {
            let quantity = row.cells[self.ledger.quantity].as_decimal();
            *self.inventory.entry(row.cells[self.ledger.item_number].as_text().into()).or_default() += quantity;
        }
        let rows = &mut self.tables[table.0];
        rows.by_key.insert(key, row.id);
        rows.by_modified.insert((row.modified, row.id));
        if let Some(at) = rows.document {
            rows.by_document.entry(row.cells[at].as_guid()).or_default().insert(row.id);
        }
        rows.by_id.insert(row.id, row);
    }

    fn take(&mut self, table: TableId, id: Uuid) -> Option<Row> {
        let row = self.tables[table.0].by_id.remove(&id)?;
        let key = self.key(table, &row);
        if table == self.ledger.table {
            let quantity = row.cells[self.ledger.quantity].as_decimal();
            *self.inventory.entry(row.cells[self.ledger.item_number].as_text().into()).or_default() -= quantity;
        }
        let rows = &mut self.tables[table.0];
        rows.by_key.remove(&key);
        rows.by_modified.remove(&(row.modified, row.id));
        if let Some(at) = rows.document {
            let document = row.cells[at].as_guid();
            if let Some(lines) = rows.by_document.get_mut(&document) {
                lines.remove(&id);
                if lines.is_empty() {
                    rows.by_document.remove(&document);
                }
            }
        }
        Some(row)
    }

    // --- transactions ---

    /// Runs a piece of work whole or not at all. Nests: an inner failure undoes the inner part only.
    pub(crate) fn transaction<T, E>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        let (undo, changes) = (self.undo.len(), self.changes.len());
        self.open += 1;
        let result = work(self);
        if result.is_err() {
            self.undo_to(undo);
            self.changes.truncate(changes);
        }
        self.open -= 1;
        if self.open == 0 {
            self.undo.clear();
        }
        result
    }

    fn undo_to(&mut self, mark: usize) {
        while self.undo.len() > mark {
            let Some(Undo { table, id, before }) = self.undo.pop() else { break };
            self.take(table, id);
            if let Some(row) = before {
                let key = self.key(table, &row);
                self.place(table, row, key);
            }
        }
    }

    /// The changes that took effect since the last call.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        debug_assert_eq!(self.open, 0, "changes are final only outside of a transaction");
        std::mem::take(&mut self.changes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> Store {
        Store::new(Company::new(Uuid::nil(), "Test", "USD"), Arc::default())
    }

    fn unit(store: &mut Store, code: &str) -> (TableId, Row) {
        let table = schema().known("Unit of Measure");
        let mut cells: Vec<Cell> =
            schema().table(table).properties.iter().map(|property| Cell::blank(&property.kind)).collect();
        cells[schema().table(table).position("code").expect("a code")] = Cell::text(code);
        let now = store.clock.now();
        (table, Row { id: Uuid::new_v4(), created: now, modified: now, version: store.next_version(), cells })
    }

    #[test]
    fn a_failed_transaction_leaves_no_trace() {
        let mut store = store();
        let (table, row) = unit(&mut store, "PCS");
        let (_, other) = unit(&mut store, "BOX");
        store.transaction(|store| store.insert(table, row.clone())).expect("a first row");
        let failed: Result<(), Duplicate> = store.transaction(|store| {
            store.insert(table, other)?;
            store.remove(table, row.id);
            store.insert(table, row.clone())?;
            Err(Duplicate::Id)
        });
        assert!(failed.is_err());
        assert_eq!(store.count(table), 1);
        assert_eq!(store.by_code(table, "PCS").map(|found| found.id), Some(row.id));
        assert_eq!(store.take_changes().len(), 1);
    }

    #[test]
    fn two_rows_never_share_a_key() {
        let mut store = store();
        let (table, row) = unit(&mut store, "PCS");
        let (_, other) = unit(&mut store, "PCS");
        assert_eq!(store.insert(table, row), Ok(()));
        assert_eq!(store.insert(table, other), Err(Duplicate::Key));
    }
}
