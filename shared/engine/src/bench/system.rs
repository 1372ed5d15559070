//! A system in memory behind the port that both clients implement: it holds records, applies filters, counts versions and
//! calls, and fails as a test asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::facts::TableFacts;
use couplet_model::ids::option_id;
use couplet_model::record::Values;
use couplet_model::system::{
    Action, ChangePage, ChangesQuery, Cursor, Installation, NextPage, PageToken, Position, Resume, SystemErrorKind,
    Write, WriteAction, Written, earlier,
};
use couplet_model::table::{Choice, OPTION_LABELS, OPTION_NUMBER, Side};
use couplet_model::{
    Catalogue, Change, Clock, Filter, Operator, Record, RecordId, System, SystemError, Table, Value, Version,
};
use jiff::SignedDuration;
use parking_lot::Mutex;
use serde_json::Value as Json;
use uuid::Uuid;

use super::values::{id, record, shown};

/// The first id this system chooses by itself.
const CHOSEN_IDS: u128 = 500_000;
/// The first number this system gives to an option.
const CHOSEN_NUMBERS: i64 = 727_000_000;

/// A request of the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// A page of changes.
    Changes,
    /// Records by id.
    Fetch,
    /// Records by filter.
    Find,
    /// A bulk of writes.
    Write,
    /// A bulk of actions.
    Act,
}

/// How many results a bulk of writes or actions is answered with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Results {
    /// One per write.
    #[default]
    OneEach,
    /// The last one is missing.
    TooFew,
    /// There is one more.
    TooMany,
}

impl Results {
    fn apply<T: Clone>(self, results: &mut Vec<T>) {
        match self {
            Self::OneEach => {}
            Self::TooFew => {
                results.pop();
            }
            Self::TooMany => results.extend(results.last().cloned()),
        }
    }
}

/// A system in memory.
pub(crate) struct FakeSystem {
    side: Side,
    company: Uuid,
    catalogue: Arc<Catalogue>,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tables: BTreeMap<String, BTreeMap<RecordId, Record>>,
    deleted: Vec<(String, RecordId)>,
    facts: BTreeMap<String, Arc<TableFacts>>,
    refused: BTreeMap<RecordId, SystemErrorKind>,
    refused_columns: Vec<(String, SystemErrorKind)>,
    broken: Vec<(Call, String, SystemErrorKind)>,
    results: Results,
    takes_ids: Option<bool>,
    page_size: Option<usize>,
    versions: u64,
    requests: u64,
    calls: Vec<String>,
    actions: Vec<(String, RecordId)>,
    effects: BTreeMap<String, Json>,
}

impl FakeSystem {
    /// An empty system with the tables of a catalogue.
    pub fn new(side: Side, company: Uuid, catalogue: Arc<Catalogue>, clock: Clock) -> Self {
        Self { side, company, catalogue, clock, state: Mutex::default() }
    }

    /// Puts a record there, in place of the one with its id.
    #[expect(clippy::needless_pass_by_value, reason = "rows are short and read better without references")]
    pub fn put(&self, table: &str, number: u128, known: Json) {
        let table = self.table(table);
        let mut record = record(&table, id(number), &known);
        record.modified = Some(self.clock.now());
        let mut state = self.state.lock();
        record.version = Some(state.next_version());
        state.rows(&table.name).insert(record.id, record);
    }

    /// Gives the changes of a table in pages of so many records.
    pub fn page_by(&self, records: usize) {
        self.state.lock().page_size = Some(records);
    }

    /// Changes columns of a record that is there, as a person does.
    #[expect(clippy::needless_pass_by_value, reason = "rows are short and read better without references")]
    pub fn change(&self, table: &str, id: RecordId, known: Json) {
        let table = self.table(table);
        let changed = record(&table, id, &known);
        let mut state = self.state.lock();
        let version = Some(state.next_version());
        let row = state.rows(&table.name).get_mut(&id);
        let row = row.unwrap_or_else(|| panic!("{} has no record {id}", table.name));
        row.values.extend(changed.values);
        (row.version, row.modified) = (version, Some(self.clock.now()));
    }

    /// Takes a record away as a person does who deletes it.
    pub fn delete(&self, table: &str, number: u128) {
        let mut state = self.state.lock();
        assert!(state.rows(table).remove(&id(number)).is_some(), "{table} has no record {number}");
        state.deleted.push((table.to_owned(), id(number)));
    }

    /// What a record holds, as test cases write it; null if it is not there.
    pub fn row(&self, table: &str, number: u128) -> Json {
        self.row_of(table, id(number))
    }

    /// What the record with an id holds, as test cases write it; null if it is not there.
    pub fn row_of(&self, table: &str, id: RecordId) -> Json {
        let mut state = self.state.lock();
        let found = state.rows(table).get(&id);
        found.map_or(Json::Null, |record| shown(record.values.iter().map(|(name, value)| (&**name, value))))
    }

    /// The ids of all records of a table.
    pub fn ids(&self, table: &str) -> Vec<RecordId> {
        self.state.lock().rows(table).keys().copied().collect()
    }

    /// Whether a record is there.
    pub fn has(&self, table: &str, id: RecordId) -> bool {
        self.state.lock().rows(table).contains_key(&id)
    }

    /// Refuses every write to the record with a number from now on.
    pub fn refuse(&self, number: u128, kind: SystemErrorKind) {
        self.state.lock().refused.insert(id(number), kind);
    }

    /// Refuses every write that sets a column from now on; of several refused columns the first one that was named here.
    pub fn refuse_column(&self, column: &str, kind: SystemErrorKind) {
        self.state.lock().refused_columns.push((column.to_owned(), kind));
    }

    /// Fails every such request about a table from now on.
    pub fn fail(&self, call: Call, table: &str, kind: SystemErrorKind) {
        self.state.lock().broken.push((call, table.to_owned(), kind));
    }

    /// Does again all that was refused or failed.
    pub fn mend(&self) {
        let mut state = self.state.lock();
        state.refused.clear();
        state.refused_columns.clear();
        state.broken.clear();
        state.results = Results::OneEach;
    }

    /// Gives another number of results than there are writes. The writes are done all the same.
    pub fn give(&self, results: Results) {
        self.state.lock().results = results;
    }

    /// Takes ids for new records, or chooses them; without this, as the catalogue says.
    pub fn take_ids(&self, takes: bool) {
        self.state.lock().takes_ids = Some(takes);
    }

    /// Sets the options of a choice column; labels in several languages stand in lines, ours first.
    pub fn set_labels(&self, table: &str, column: &str, labels: &[(i64, &str)]) {
        assert!(self.table(table).column(column).is_some(), "{table} has no column {column}");
        let mut state = self.state.lock();
        let rows = state.rows(&format!("{table}.{column}"));
        rows.clear();
        for (number, labels) in labels {
            let row = option_row(table, column, *number, labels);
            rows.insert(row.id, row);
        }
    }

    /// Sets what the system says about the columns of a table.
    pub fn set_facts(&self, table: &str, facts: TableFacts) {
        self.state.lock().facts.insert(table.to_owned(), Arc::new(facts));
    }

    /// The requests since this was asked last, in words: "find uom", "write product 2".
    pub fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().calls)
    }

    /// The actions performed since this was asked last: name and record.
    pub fn take_actions(&self) -> Vec<(String, RecordId)> {
        std::mem::take(&mut self.state.lock().actions)
    }

    /// What an action changes of its record from now on; without this, actions are noted and change nothing.
    pub fn let_action_change(&self, action: &str, known: Json) {
        self.state.lock().effects.insert(action.to_owned(), known);
    }

    fn table(&self, name: &str) -> Arc<Table> {
        let table = match self.side {
            Side::BusinessCentral => self.catalogue.business_central_table(name),
            Side::Dataverse => {
                let of_options = || self.catalogue.mappings().iter().map(|mapping| &mapping.dataverse);
                self.catalogue.dataverse_table(name).or_else(|| of_options().find(|table| table.name == name))
            }
        };
        Arc::clone(table.unwrap_or_else(|| panic!("the catalogue has no table {name} of {}", self.side)))
    }

    /// Notes a request, and fails it if a test asked for that.
    fn called(&self, call: Call, table: &Table, noted: String) -> Result<(), SystemError> {
        let mut state = self.state.lock();
        state.requests += 1;
        state.calls.push(noted);
        let broken = state.broken.iter().find(|(broken, of, _)| *broken == call && *of == table.name);
        broken.map_or(Ok(()), |(_, _, kind)| Err(self.error(kind)))
    }

    fn error(&self, kind: &SystemErrorKind) -> SystemError {
        SystemError::new(self.side, kind.clone(), "", "a test asked for it")
    }

    /// A record with the columns that were asked for, as far as they may be read.
    fn read(&self, facts: &TableFacts, record: &Record, columns: &[String]) -> Record {
        let column = |name: &String| {
            let value = record.known(name).cloned().unwrap_or(Value::Null);
            facts.may_read(name).then(|| (Arc::from(name.as_str()), value))
        };
        Record { values: columns.iter().filter_map(column).collect(), ..record.clone() }
    }

    /// The records that meet a filter.
    fn search(&self, table: &Table, filter: &Filter, columns: &[String]) -> Vec<Record> {
        let names = columns.iter().map(String::as_str).chain(filter.columns());
        self.expect_columns(table, names);
        let mut state = self.state.lock();
        let facts = state.facts.get(&table.name).cloned().unwrap_or_default();
        let meets = |record: &&Record| {
            let mut whole = (*record).clone();
            whole.values.insert(Arc::from(table.id_column.as_str()), Value::Guid(record.id.0));
            // What a record does not hold is blank.
            for name in filter.columns() {
                whole.values.entry(Arc::from(name)).or_insert(Value::Null);
            }
            filter.matches(&whole)
        };
        state.rows(&table.name).values().filter(meets).map(|record| self.read(&facts, record, columns)).collect()
    }

    fn expect_columns<'a>(&self, table: &Table, names: impl Iterator<Item = &'a str>) {
        for name in names.filter(|name| *name != table.id_column) {
            assert!(table.column(name).is_some(), "{} of {} has no column {name}", table.name, self.side);
        }
    }

    fn write_one(&self, table: &Table, write: &Write) -> Result<Written, SystemError> {
        self.expect_columns(table, write.values.keys().map(|name| &**name));
        let takes_ids = self.takes_ids(table);
        let now = self.clock.now();
        let mut state = self.state.lock();
        let written_id = match &write.action {
            WriteAction::Create { id: Some(_) } if !takes_ids => panic!("{} chooses ids of {}", self.side, table.name),
            WriteAction::Create { id: Some(id) } => *id,
            WriteAction::Create { id: None } if let Some(choice) = &table.choice => {
                option_id(&choice.table, &choice.column, CHOSEN_NUMBERS + i64::try_from(state.versions).unwrap_or(0))
            }
            WriteAction::Create { id: None } => id(CHOSEN_IDS + u128::from(state.versions)),
            WriteAction::Update { id, .. } | WriteAction::Delete { id } => *id,
        };
        if let Some(kind) = state.refused.get(&written_id) {
            return Err(self.error(kind));
        }
        let sets = |column: &String| write.values.contains_key(column.as_str());
        if let Some((_, kind)) = state.refused_columns.iter().find(|(column, _)| sets(column)) {
            return Err(self.error(kind));
        }
        let standing = state.rows(&table.name).get(&written_id).cloned();
        match (&write.action, &standing) {
            (WriteAction::Update { .. } | WriteAction::Delete { .. }, None) => {
                return Err(self.error(&SystemErrorKind::NotFound));
            }
            (WriteAction::Update { expected: Some(expected), .. }, Some(standing))
                if standing.version.as_ref() != Some(expected) =>
            {
                return Err(self.error(&SystemErrorKind::VersionConflict));
            }
            (WriteAction::Delete { .. }, Some(_)) => {
                state.rows(&table.name).remove(&written_id);
                state.deleted.push((table.name.clone(), written_id));
                return Ok(Written { id: written_id, version: None, modified: None, values: None });
            }
            _ => {}
        }
        let mut held: Values = standing.map(|record| record.values).unwrap_or_default();
        held.extend(write.values.clone());
        if let Some(choice) = &table.choice {
            complete_option(choice, &mut held, CHOSEN_NUMBERS + i64::try_from(state.versions).unwrap_or(0));
        }
        let version = Some(state.next_version());
        let written = Record {
            id: written_id,
            version: version.clone(),
            modified: Some(now),
            values: held.clone(),
            unreadable: None,
        };
        state.rows(&table.name).insert(written_id, written);
        let values = (self.side == Side::BusinessCentral).then_some(held);
        Ok(Written { id: written_id, version, modified: Some(now), values })
    }
}

/// An option of a choice column.
fn option_row(table: &str, column: &str, number: i64, labels: &str) -> Record {
    let ours = labels.lines().next().unwrap_or_default();
    let values: Values = [
        (Arc::from(column), Value::text(ours)),
        (Arc::from(OPTION_NUMBER), Value::Int(number)),
        (Arc::from(OPTION_LABELS), Value::text(labels)),
    ]
    .into();
    Record { id: option_id(table, column, number), version: None, modified: None, values, unreadable: None }
}

/// Gives an option that was written what the system adds: its number, and its labels in all languages.
fn complete_option(choice: &Choice, held: &mut Values, number: i64) {
    held.entry(Arc::from(OPTION_NUMBER)).or_insert(Value::Int(number));
    let label = held.get(choice.column.as_str()).cloned().unwrap_or(Value::Null);
    held.insert(Arc::from(OPTION_LABELS), label);
}

impl State {
    fn rows(&mut self, table: &str) -> &mut BTreeMap<RecordId, Record> {
        self.tables.entry(table.to_owned()).or_default()
    }

    fn next_version(&mut self) -> Version {
        self.versions += 1;
        Version(self.versions.to_string())
    }
}

#[async_trait]
impl System for FakeSystem {
    fn side(&self) -> Side {
        self.side
    }

    async fn installation(&self) -> Result<Installation, SystemError> {
        Ok(Installation { id: self.company, place: "memory".to_owned() })
    }

    fn requests(&self) -> u64 {
        self.state.lock().requests
    }

    fn takes_ids(&self, table: &Table) -> bool {
        let usual = (self.side == Side::Dataverse && table.choice.is_none()) || table.companion_takes_id;
        self.state.lock().takes_ids.unwrap_or(usual)
    }

    async fn changes(&self, query: &ChangesQuery<'_>, from: Resume) -> Result<ChangePage, SystemError> {
        let table = query.table;
        self.called(Call::Changes, table, format!("changes {}", table.name))?;
        let mut skipped = 0;
        let since = match from {
            Resume::Everything => None,
            Resume::Page(PageToken(token)) => {
                skipped = token.parse().expect("a page of this system");
                None
            }
            Resume::Since(Cursor { position: Position::ModifiedOn(since), .. }) => {
                Some(earlier(since, query.look_back))
            }
            Resume::Since(_) => panic!("this system tells changes by their time"),
        };
        let found = self.search(table, query.filter, query.columns);
        let is_new = |record: &Record| since.is_none_or(|since| record.modified.is_some_and(|at| at >= since));
        let mut changes: Vec<Change> = found.into_iter().filter(is_new).map(Change::Upserted).collect();
        // Business Central tells nothing of deletions.
        if since.is_some() && self.side == Side::Dataverse {
            let state = self.state.lock();
            let gone = state.deleted.iter().filter(|(of, _)| *of == table.name);
            changes.extend(gone.map(|(_, id)| Change::Deleted(*id)));
        }
        let mut next = NextPage::Done(Cursor::by_time(None, self.clock.now(), SignedDuration::ZERO));
        if let Some(size) = self.state.lock().page_size {
            changes.drain(..skipped.min(changes.len()));
            if changes.len() > size {
                changes.truncate(size);
                next = NextPage::More(PageToken((skipped + size).to_string()));
            }
        }
        Ok(ChangePage { changes, next, note: None })
    }

    async fn fetch(&self, table: &Table, ids: &[RecordId], columns: &[String]) -> Result<Vec<Record>, SystemError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.called(Call::Fetch, table, format!("fetch {} {}", table.name, ids.len()))?;
        let found = self.search(table, &Filter::default(), columns);
        Ok(found.into_iter().filter(|record| ids.contains(&record.id)).collect())
    }

    async fn find(&self, table: &Table, filter: &Filter, columns: &[String]) -> Result<Vec<Record>, SystemError> {
        let counts = |values: usize, operator| operator == Operator::In || values == 1;
        assert!(filter.conditions.iter().all(|condition| counts(condition.values.len(), condition.operator)));
        if filter.is_impossible() {
            return Ok(Vec::new());
        }
        self.called(Call::Find, table, format!("find {}", table.name))?;
        Ok(self.search(table, filter, columns))
    }

    async fn write(&self, table: &Table, writes: &[Write]) -> Vec<Result<Written, SystemError>> {
        if let Err(error) = self.called(Call::Write, table, format!("write {} {}", table.name, writes.len())) {
            return writes.iter().map(|_| Err(error.clone())).collect();
        }
        let mut results: Vec<Result<Written, SystemError>> =
            writes.iter().map(|write| self.write_one(table, write)).collect();
        self.state.lock().results.apply(&mut results);
        results
    }

    async fn act(&self, table: &Table, actions: &[Action]) -> Vec<Result<(), SystemError>> {
        if let Err(error) = self.called(Call::Act, table, format!("act {} {}", table.name, actions.len())) {
            return actions.iter().map(|_| Err(error.clone())).collect();
        }
        let mut state = self.state.lock();
        let mut results = Vec::with_capacity(actions.len());
        for action in actions {
            let kind = match state.refused.get(&action.record).cloned() {
                Some(kind) => Some(kind),
                None if !state.rows(&table.name).contains_key(&action.record) => Some(SystemErrorKind::NotFound),
                None => None,
            };
            results.push(kind.map_or(Ok(()), |kind| Err(self.error(&kind))));
            if results.last().is_some_and(Result::is_ok) {
                state.actions.push((action.name.clone(), action.record));
                if let Some(known) = state.effects.get(&action.name).cloned() {
                    let changed = record(table, action.record, &known);
                    let version = Some(state.next_version());
                    if let Some(row) = state.rows(&table.name).get_mut(&action.record) {
                        row.values.extend(changed.values);
                        (row.version, row.modified) = (version, Some(self.clock.now()));
                    }
                }
            }
        }
        state.results.apply(&mut results);
        results
    }

    async fn facts(&self, table: &Table) -> Result<Arc<TableFacts>, SystemError> {
        Ok(self.state.lock().facts.get(&table.name).cloned().unwrap_or_default())
    }
}
