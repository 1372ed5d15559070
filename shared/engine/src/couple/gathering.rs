//! Reading both sides of a mapping once, reduced to what matching needs, page by page.
//!
//! A run keeps each page in the store with the place of the next one, so that another invocation reads on from there. Records
//! that change meanwhile are matched as they were read; whether the two of a pair are still there and uncoupled is seen when the
//! pair is made.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use couplet_model::matching::{Entry, MatchPair, key_of, pack, unpack};
use couplet_model::system::{ChangesQuery, NextPage, PageToken, Resume};
use couplet_model::table::{Side, Table};
use couplet_model::{Change, Filter, MappingName, Record, RecordId, RunId, Value};
use couplet_store::GatheredPage;

use super::naming::label_columns;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::mappings::installed::InstalledMapping;
use crate::sync::gives_company;

/// Couplings that are read at once.
const COUPLINGS: usize = 1_000;
/// Columns that tell what people call a record: its number or code, and its name.
const LABELS: usize = 2;

/// Which records are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Of Business Central those that are not coupled.
    ToMatch,
    /// All of both sides, and of rows whether they belong to the company.
    Everything,
}

/// What was read of both sides.
pub(super) struct Gathered {
    /// The records of Business Central; to match, the uncoupled ones.
    pub records: Vec<Entry>,
    /// The rows of Dataverse, those included that are coupled.
    pub rows: Vec<Entry>,
}

/// One side of a mapping, while it is read.
struct Reading<'a> {
    mapping: &'a InstalledMapping,
    side: Side,
    priorities: &'a [Vec<MatchPair>],
    scope: Scope,
    /// The column that names the company of a row, and what it holds for ours.
    company: Option<(String, Value)>,
    columns: Vec<String>,
    filter: Filter,
    coupled: HashSet<RecordId>,
}

impl Engine {
    /// Reads both sides as far as the time allows, from where the run stands if it is kept. `None`: the time was up.
    pub(super) async fn gather(
        &self,
        mapping: &InstalledMapping,
        priorities: &[Vec<MatchPair>],
        scope: Scope,
        kept_for: Option<RunId>,
        until: Option<Instant>,
    ) -> Result<Option<Gathered>, EngineError> {
        let ours = Side::BusinessCentral;
        let Some(records) = self.gather_side(mapping, ours, priorities, scope, kept_for, until).await? else {
            return Ok(None);
        };
        let rows = self.gather_side(mapping, ours.other(), priorities, scope, kept_for, until).await?;
        Ok(rows.map(|rows| Gathered { records, rows }))
    }

    /// What a run has gathered; `None` when that is not all, or is kept no more.
    pub(super) async fn gathered(&self, run: RunId) -> Result<Option<Gathered>, EngineError> {
        let mut sides = Vec::new();
        for side in [Side::BusinessCentral, Side::Dataverse] {
            let (entries, place) = self.kept(run, side).await?;
            if !matches!(place, Place::End) {
                return Ok(None);
            }
            sides.push(latest(entries));
        }
        let (Some(rows), Some(records)) = (sides.pop(), sides.pop()) else { return Ok(None) };
        Ok(Some(Gathered { records, rows }))
    }

    async fn gather_side(
        &self,
        mapping: &InstalledMapping,
        side: Side,
        priorities: &[Vec<MatchPair>],
        scope: Scope,
        kept_for: Option<RunId>,
        until: Option<Instant>,
    ) -> Result<Option<Vec<Entry>>, EngineError> {
        let (mut entries, mut place) = match kept_for {
            Some(run) => self.kept(run, side).await?,
            None => (Vec::new(), Place::Page(0, None)),
        };
        if matches!(place, Place::End) {
            return Ok(Some(latest(entries)));
        }
        let filter = self.installation.filter(mapping, side).await?;
        let column = mapping.table(side).company_column.clone();
        let column = column.filter(|_| scope == Scope::Everything && side == Side::Dataverse && gives_company(mapping));
        let company =
            column.zip(self.installation.filter_context().await?.company.map(|company| Value::Guid(company.0)));
        let reading = Reading {
            mapping,
            side,
            priorities,
            columns: columns(
                mapping.table(side),
                priorities,
                &filter,
                company.as_ref().map(|(column, _)| column.as_str()),
            ),
            scope,
            company,
            filter,
            coupled: self.coupled_ids(mapping, side).await?,
        };
        while let Place::Page(number, token) = place {
            let (read, next) = self.read_entries(&reading, token).await?;
            let page = GatheredPage { number, bytes: pack(&read), next: next.map(|PageToken(next)| next) };
            let store = self.store();
            place = match kept_for {
                Some(run) if !store.add_gathered(self.company(), run, side, &page).await? => {
                    // Another worker has read this page; what it found counts, for both of them.
                    let (all, place) = self.kept(run, side).await?;
                    entries = all;
                    place
                }
                _ => {
                    entries.extend(read);
                    Place::after(page)
                }
            };
            if matches!(place, Place::Page(..)) && until.is_some_and(|until| Instant::now() >= until) {
                return Ok(None);
            }
        }
        Ok(Some(latest(entries)))
    }

    /// What is kept of a side, and where it goes on.
    async fn kept(&self, run: RunId, side: Side) -> Result<(Vec<Entry>, Place), EngineError> {
        let (mut entries, mut place) = (Vec::new(), Place::Page(0, None));
        for page in self.store().gathered(self.company(), run, side, 0).await? {
            entries.extend(unpack(&page.bytes).map_err(|malformed| EngineError::SetUp(malformed.to_string()))?);
            place = Place::after(page);
        }
        Ok((entries, place))
    }

    async fn read_entries(
        &self,
        reading: &Reading<'_>,
        from: Option<PageToken>,
    ) -> Result<(Vec<Entry>, Option<PageToken>), EngineError> {
        let table = reading.mapping.table(reading.side);
        let look_back = self.options().look_back;
        let query = ChangesQuery { table, columns: &reading.columns, filter: &reading.filter, look_back };
        let resume = from.clone().map_or(Resume::Everything, Resume::Page);
        let page = self.system(reading.side).changes(&query, resume).await?;
        let next = match page.next {
            NextPage::More(next) if from.as_ref() == Some(&next) => {
                return Err(EngineError::SetUp(format!(
                    "the list of {} leads from a page back to the same page; match again",
                    table.name
                )));
            }
            NextPage::More(next) => Some(next),
            NextPage::Done(_) => None,
        };
        let records = page.changes.into_iter().filter_map(|change| match change {
            Change::Upserted(record) => Some(record),
            Change::Deleted(_) => None,
        });
        Ok((records.filter_map(|record| reading.entry(table, &record)).collect(), next))
    }

    /// The records of a side that are coupled: by the mapping, and rows of Dataverse also by one of another table of Business
    /// Central (R195).
    async fn coupled_ids(&self, mapping: &InstalledMapping, side: Side) -> Result<HashSet<RecordId>, EngineError> {
        let mut names: Vec<&MappingName> = vec![&mapping.name];
        if side == Side::Dataverse {
            let others = self.mappings.iter().filter_map(Result::ok).filter(|other| {
                other.dataverse.name == mapping.dataverse.name
                    && other.business_central.name != mapping.business_central.name
            });
            names.extend(others.map(|other| &other.name));
        }
        let mut coupled = HashSet::new();
        for name in names {
            let mut after = None;
            loop {
                let page = self.store().coupling_page(self.company(), name, after, COUPLINGS).await?;
                coupled.extend(page.couplings.iter().map(|coupling| coupling.id(side)));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(coupled)
    }
}

impl Reading<'_> {
    /// A record as matching needs it, unless it takes no part.
    fn entry(&self, table: &Table, record: &Record) -> Option<Entry> {
        let taken = self.coupled.contains(&record.id);
        let is_left_out = taken && self.side == Side::BusinessCentral && self.scope == Scope::ToMatch;
        if is_left_out || !self.filter.matches(record) {
            return None;
        }
        let keys = self.priorities.iter().map(|pairs| key_of(pairs, self.side, record)).collect();
        let code = key_column(self.mapping).filter(|_| self.side == Side::BusinessCentral);
        let code = code.and_then(|column| record.get(column).as_text());
        let ours = self.company.as_ref().is_some_and(|(column, company)| record.get(column) == company);
        Some(Entry { ours, ..Entry::new(record.id, keys, taken, &label(table, record)).known_by(code) })
    }
}

/// The column of Business Central by which other records refer to a record of the mapping.
pub(super) fn key_column(mapping: &InstalledMapping) -> Option<&str> {
    mapping.business_central.label_column.as_deref().filter(|_| mapping.rules.has_key())
}

/// Where the reading of a side stands.
enum Place {
    /// This page is the next one.
    Page(u32, Option<PageToken>),
    /// It is at its end.
    End,
}

impl Place {
    fn after(page: GatheredPage) -> Self {
        page.next.map_or(Self::End, |next| Self::Page(page.number + 1, Some(PageToken(next))))
    }
}

/// The columns that are read of a side.
fn columns(table: &Table, priorities: &[Vec<MatchPair>], filter: &Filter, company: Option<&str>) -> Vec<String> {
    let side = table.side;
    let mut columns: Vec<String> = priorities.iter().flatten().map(|pair| pair.column(side).to_owned()).collect();
    columns.extend(filter.columns().chain(company).map(str::to_owned));
    columns.extend(label_columns(table).into_iter().take(LABELS).map(str::to_owned));
    columns.sort();
    columns.dedup();
    columns
}

/// What people call a record: its number or code, and its name.
fn label(table: &Table, record: &Record) -> String {
    let mut words: Vec<&str> = Vec::new();
    for column in label_columns(table).into_iter().take(LABELS) {
        if let Some(word) = record.get(column).as_text()
            && !words.contains(&word)
        {
            words.push(word);
        }
    }
    if words.is_empty() { record.id.to_string() } else { words.join(" ") }
}

/// Each record once, as it was read last: one that changes while its table is read may come twice.
fn latest(entries: Vec<Entry>) -> Vec<Entry> {
    let mut places: HashMap<RecordId, usize> = HashMap::with_capacity(entries.len());
    let mut latest: Vec<Entry> = Vec::with_capacity(entries.len());
    for entry in entries {
        match places.get(&entry.id) {
            Some(place) => latest[*place] = entry,
            None => {
                places.insert(entry.id, latest.len());
                latest.push(entry);
            }
        }
    }
    latest
}
