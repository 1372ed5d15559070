//! The change feed: change tracking with delta links where the table has it, else the time of change.

use std::collections::HashMap;

use couplet_model::ids::RecordId;
use couplet_model::record::{Change, Record};
use couplet_model::system::{
    ChangePage, ChangesQuery, Cursor, NextPage, Position, Resume, SystemError, SystemErrorKind,
};
use couplet_model::table::Side;
use couplet_odata::query::{Query, all_of};
use couplet_odata::reading::{TableReader, next_page, page, rows};
use couplet_odata::time_feed::{changed_since, system_time};
use couplet_odata::{Reply, error_of};
use jiff::Timestamp;

use crate::client::DataverseClient;
use crate::feed::{Feed, FeedKind};
use crate::filters::single_filter;
use crate::rows::{ReadRow, RowReader, deleted_id};

impl DataverseClient {
    pub(crate) async fn read_changes(&self, query: &ChangesQuery<'_>, from: Resume) -> Result<ChangePage, SystemError> {
        let reader = self.reader(query.table, query.columns).await?;
        match from {
            Resume::Everything if self.learned().is_untracked(&query.table.name) => {
                self.begin_modified(query, &reader, None).await
            }
            Resume::Everything => self.begin_tracked(query, &reader, None).await,
            Resume::Since(Cursor { position: Position::ModifiedOn(position), as_of, .. }) => {
                self.begin_modified(query, &reader, Some(position.min(as_of))).await
            }
            Resume::Since(Cursor { position: Position::DeltaLink(link), as_of, .. }) => {
                let feed = Feed::new(FeedKind::Tracked, Some(as_of), as_of);
                self.go_on(query, &reader, &link, feed, true).await
            }
            Resume::Page(token) => {
                let (link, feed) = Feed::unpack(&token)?;
                self.go_on(query, &reader, &link, feed, false).await
            }
        }
    }

    /// Begins to track: every row, then a delta link. With `replay`, only rows changed since then are given.
    async fn begin_tracked(
        &self,
        query: &ChangesQuery<'_>,
        reader: &RowReader<'_>,
        replay: Option<Timestamp>,
    ) -> Result<ChangePage, SystemError> {
        let url = Query::new().select(&reader.selection()).on(&reader.address());
        let reply = page(reader, &url, preference(FeedKind::Tracked)).await?;
        if !reply.is_success() {
            let error = error_of(Side::Dataverse, &reply);
            if !refuses_tracking(&error) {
                return Err(error);
            }
            self.learn().learn_untracked(&query.table.name);
            return self.begin_modified(query, reader, replay).await;
        }
        let mut feed = Feed::new(FeedKind::Tracked, replay, system_time(Side::Dataverse, &reply, replay)?);
        feed.replayed = replay.is_some();
        self.changes_of(query, reader, feed, &reply).await
    }

    /// Begins to read by the time of change.
    async fn begin_modified(
        &self,
        query: &ChangesQuery<'_>,
        reader: &RowReader<'_>,
        since: Option<Timestamp>,
    ) -> Result<ChangePage, SystemError> {
        let filter = single_filter(query.table, query.filter)?;
        let order = match &query.table.modified_column {
            Some(column) => format!("{column},{}", query.table.id_column),
            None => query.table.id_column.clone(),
        };
        let url = Query::new()
            .select(&reader.selection())
            .option("$filter", all_of(&[changed_since(query.table, since, query.look_back), filter]))
            .option("$orderby", order)
            .on(&reader.address());
        let reply = page(reader, &url, preference(FeedKind::Modified)).await?;
        if !reply.is_success() {
            return Err(error_of(Side::Dataverse, &reply));
        }
        let feed = Feed::new(FeedKind::Modified, since, system_time(Side::Dataverse, &reply, since)?);
        self.changes_of(query, reader, feed, &reply).await
    }

    /// Follows a delta link (`first`) or the link to the next page, verbatim. When the service no longer knows the
    /// link, the feed begins again, from the time of change.
    async fn go_on(
        &self,
        query: &ChangesQuery<'_>,
        reader: &RowReader<'_>,
        link: &str,
        mut feed: Feed,
        first: bool,
    ) -> Result<ChangePage, SystemError> {
        if !self.identity.is_own(link) {
            // A link of another address, as after the environment was renamed. Our token is for this one alone.
            tracing::debug!(table = query.table.name, "a link of the change feed leads to another address");
            return self.begin_again(query, reader, &feed).await;
        }
        let reply = page(reader, link, preference(feed.kind)).await?;
        if !reply.is_success() {
            let error = error_of(Side::Dataverse, &reply);
            if !is_lost_link(&reply, &error) {
                return Err(error);
            }
            tracing::debug!(
                table = query.table.name,
                code = error.code,
                "a link of the change feed is no longer known"
            );
            return self.begin_again(query, reader, &feed).await;
        }
        if first {
            feed.as_of = system_time(Side::Dataverse, &reply, feed.since)?;
        }
        self.changes_of(query, reader, feed, &reply).await
    }

    /// Begins a feed again whose link leads nowhere any more, from the time of change.
    async fn begin_again(
        &self,
        query: &ChangesQuery<'_>,
        reader: &RowReader<'_>,
        feed: &Feed,
    ) -> Result<ChangePage, SystemError> {
        match feed.kind {
            FeedKind::Tracked => Box::pin(self.begin_tracked(query, reader, feed.since)).await,
            FeedKind::Modified => Box::pin(self.begin_modified(query, reader, feed.since)).await,
        }
    }

    async fn changes_of(
        &self,
        query: &ChangesQuery<'_>,
        reader: &RowReader<'_>,
        mut feed: Feed,
        reply: &Reply,
    ) -> Result<ChangePage, SystemError> {
        let content = &reply.content;
        let mut changes = Vec::new();
        let mut incomplete = Vec::new();
        for row in rows(query.table, content)? {
            let row = row?;
            if let Some(id) = deleted_id(row) {
                changes.push(Change::Deleted(id));
                continue;
            }
            let ReadRow { record, complete } = reader.read(row)?;
            feed.saw(record.modified);
            if feed.admits(record.modified, query.look_back) {
                if !complete {
                    incomplete.push(record.id);
                }
                changes.push(Change::Upserted(record));
            }
        }
        // A delta link remembers the columns it began with. Rows that lack a column asked for today are read again.
        if !incomplete.is_empty() {
            let whole = self.read_by_id(query.table, &incomplete, query.columns).await?;
            replace_halves(&mut changes, &incomplete, whole);
        }
        let note = feed.note(&query.table.name);
        let next = match next_page(&self.identity, content)? {
            Some(link) => NextPage::More(feed.pack(&link)),
            None => {
                let link = self.identity.link(content, "@odata.deltaLink")?;
                NextPage::Done(feed.cursor(link.as_deref(), query.look_back))
            }
        };
        Ok(ChangePage { changes, next, note })
    }
}

/// What a page of such a feed asks for before its size.
fn preference(kind: FeedKind) -> &'static str {
    match kind {
        FeedKind::Tracked => "odata.track-changes,",
        FeedKind::Modified => "",
    }
}

/// Puts whole records where halves were read. A half whose record is not found any more is not used: the record is gone,
/// or may not be read now.
fn replace_halves(changes: &mut [Change], incomplete: &[RecordId], whole: Vec<Record>) {
    let whole: HashMap<RecordId, Record> = whole.into_iter().map(|record| (record.id, record)).collect();
    for change in changes {
        if let Change::Upserted(half) = change
            && incomplete.contains(&half.id)
        {
            *change = match whole.get(&half.id) {
                Some(record) => Change::Upserted(record.clone()),
                None => Change::Deleted(half.id),
            };
        }
    }
}

/// Whether the service says that the table has no change tracking.
fn refuses_tracking(error: &SystemError) -> bool {
    let text = error.message.to_ascii_lowercase();
    matches!(error.kind, SystemErrorKind::Refused | SystemErrorKind::Protocol)
        && (text.contains("change tracking") || text.contains("changetracking"))
}

/// Whether a stored link will never work again: any refusal of it that is not about rights, load or time.
fn is_lost_link(reply: &Reply, error: &SystemError) -> bool {
    (400..500).contains(&reply.status)
        && !matches!(reply.status, 401 | 403 | 408 | 429)
        && !matches!(error.kind, SystemErrorKind::Unauthorized | SystemErrorKind::Throttled(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn f02_a_half_row_whose_record_is_not_found_again_is_not_used() {
        let record = |id: u128, name: Option<&str>| Record {
            id: RecordId(Uuid::from_u128(id)),
            version: None,
            modified: None,
            values: name.map(|name| ("name".into(), couplet_model::Value::text(name))).into_iter().collect(),
            unreadable: None,
        };
        let mut changes = [record(1, None), record(2, None), record(3, Some("C"))].map(Change::Upserted);
        let incomplete = [RecordId(Uuid::from_u128(1)), RecordId(Uuid::from_u128(2))];
        replace_halves(&mut changes, &incomplete, vec![record(1, Some("A"))]);
        let expected = [
            Change::Upserted(record(1, Some("A"))),
            Change::Deleted(RecordId(Uuid::from_u128(2))),
            Change::Upserted(record(3, Some("C"))),
        ];
        assert_eq!(changes, expected);
    }

    #[test]
    fn only_a_refusal_that_speaks_of_tracking_means_a_table_without_it() {
        let error = |kind, text: &'static str| SystemError::new(Side::Dataverse, kind, "0x80060888", text);
        assert!(refuses_tracking(&error(SystemErrorKind::Protocol, "Change tracking is not enabled for entity 'x'.")));
        assert!(refuses_tracking(&error(SystemErrorKind::Refused, "ChangeTrackingEnabled is false")));
        assert!(!refuses_tracking(&error(SystemErrorKind::Protocol, "Could not find a property named 'x'.")));
        assert!(!refuses_tracking(&error(SystemErrorKind::Forbidden, "no privilege for change tracking")));
    }
}
