//! A system read through its port, and the values that are written through it.

use couplet_model::record::{Change, Record, Values};
use couplet_model::system::{ChangePage, ChangesQuery, Cursor, NextPage, Resume, System, SystemError, Written};
use couplet_model::{Filter, RecordId, Table, Value};
use jiff::SignedDuration;

/// Short, so that a test need not outwait it.
pub const LOOK_BACK: SignedDuration = SignedDuration::from_secs(1);

/// A whole feed that was read.
pub struct Feed {
    /// All changes, in their order.
    pub changes: Vec<Change>,
    /// How many pages they came in.
    pub pages: usize,
    /// What was said beside each page.
    pub notes: Vec<Option<String>>,
    /// Where the next reading begins.
    pub cursor: Cursor,
}

impl Feed {
    /// Records that were created or changed.
    #[must_use]
    pub fn upserted<'a>(&'a self) -> Vec<&'a Record> {
        let record = |change: &'a Change| if let Change::Upserted(record) = change { Some(record) } else { None };
        self.changes.iter().filter_map(record).collect()
    }

    /// Records that were deleted.
    #[must_use]
    pub fn deleted(&self) -> Vec<RecordId> {
        let id = |change: &Change| if let Change::Deleted(id) = change { Some(*id) } else { None };
        self.changes.iter().filter_map(id).collect()
    }
}

/// Reads a feed to its end.
///
/// # Errors
/// The system's, of any page.
pub async fn feed(
    system: &dyn System,
    table: &Table,
    names: &[&str],
    filter: &Filter,
    mut from: Resume,
) -> Result<Feed, SystemError> {
    let columns = columns(names);
    let query = ChangesQuery { table, columns: &columns, filter, look_back: LOOK_BACK };
    let (mut changes, mut notes) = (Vec::new(), Vec::new());
    loop {
        let ChangePage { changes: more, next, note } = system.changes(&query, from).await?;
        changes.extend(more);
        notes.push(note);
        match next {
            NextPage::More(token) => from = Resume::Page(token),
            NextPage::Done(cursor) => return Ok(Feed { changes, pages: notes.len(), notes, cursor }),
        }
    }
}

/// Names of columns, as the port takes them.
#[must_use]
pub fn columns(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Values of a record by column.
#[must_use]
pub fn values(values: &[(&str, Value)]) -> Values {
    values.iter().map(|(name, value)| ((*name).into(), value.clone())).collect()
}

/// The writes that failed, by their positions.
#[must_use]
pub fn failures(outcomes: &[Result<Written, SystemError>]) -> Vec<(usize, SystemError)> {
    let failure =
        |(position, outcome): (usize, &Result<Written, SystemError>)| Some((position, outcome.clone().err()?));
    outcomes.iter().enumerate().filter_map(failure).collect()
}
