//! The change feed: Business Central has no delta links, so records are read by their time of change.

use couplet_model::record::Change;
use couplet_model::system::{
    ChangePage, ChangesQuery, Cursor, NextPage, PageToken, Position, Resume, SystemError, SystemErrorKind, earlier,
};
use couplet_model::table::{Side, Table};
use couplet_odata::literal::instant_text;
use couplet_odata::query::{Query, all_of};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::client::BusinessCentralClient;
use crate::entities::EntityReader;
use crate::filters::single_filter;
use crate::route::Route;

/// A feed between two pages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Feed {
    /// The way to the next page; empty while there is none.
    link: String,
    /// The system's time when it answered first.
    as_of: Timestamp,
    /// Largest time of change seen, or the one the feed began with.
    position: Option<Timestamp>,
}

impl Feed {
    fn saw(&mut self, modified: Option<Timestamp>) {
        if let Some(modified) = modified.map(|modified| modified.min(self.as_of)) {
            self.position = Some(self.position.map_or(modified, |position| position.max(modified)));
        }
    }

    fn cursor(&self, look_back: SignedDuration) -> Cursor {
        Cursor::by_time(self.position, self.as_of, look_back)
    }

    fn pack(&self) -> PageToken {
        PageToken(serde_json::to_string(self).unwrap_or_default())
    }

    fn unpack(token: &PageToken) -> Result<Self, SystemError> {
        serde_json::from_str(&token.0).map_err(|error| {
            let message = format!("the stored page of a change feed cannot be read: {error}");
            SystemError::new(Side::BusinessCentral, SystemErrorKind::Protocol, "", message)
        })
    }
}

impl BusinessCentralClient {
    pub(crate) async fn read_changes(&self, query: &ChangesQuery<'_>, from: Resume) -> Result<ChangePage, SystemError> {
        let needed: Vec<&str> = query.columns.iter().map(String::as_str).chain(query.filter.columns()).collect();
        let route = Route::choose(query.table, &needed, self.companion)?;
        let reader = EntityReader::new(query.table, route, query.columns)?;
        let (url, begun) = match from {
            Resume::Everything => (self.first_page(query, &reader, None)?, Begun::Now(None)),
            Resume::Since(cursor) => {
                let since = match cursor.position {
                    Position::ModifiedOn(position) => position.min(cursor.as_of),
                    Position::DeltaLink(_) => cursor.as_of,
                };
                (self.first_page(query, &reader, Some(since))?, Begun::Now(Some(since)))
            }
            Resume::Page(token) => {
                let feed = Feed::unpack(&token)?;
                if self.leads_into(route, &feed.link) {
                    (feed.link.clone(), Begun::Before(feed))
                } else {
                    // The address has changed since: our token is for this one alone.
                    (self.first_page(query, &reader, feed.position)?, Begun::Now(feed.position))
                }
            }
        };
        let reply = self.read_page(&reader, url).await?;
        let mut feed = match begun {
            Begun::Before(feed) => feed,
            Begun::Now(position) => {
                let as_of = reply.date().or(position).ok_or_else(|| {
                    let message = "the answer does not tell the time";
                    SystemError::new(Side::BusinessCentral, SystemErrorKind::Protocol, "", message)
                })?;
                Feed { link: String::new(), as_of, position }
            }
        };
        let mut records = Vec::new();
        let next = self.records_of(&reader, &reply.json(), &mut records)?;
        records.iter().for_each(|record| feed.saw(record.modified));
        let next = match next {
            Some(link) => {
                feed.link = link;
                NextPage::More(feed.pack())
            }
            None => NextPage::Done(feed.cursor(query.look_back)),
        };
        Ok(ChangePage { changes: records.into_iter().map(Change::Upserted).collect(), next, note: None })
    }

    fn first_page(
        &self,
        query: &ChangesQuery<'_>,
        reader: &EntityReader<'_>,
        since: Option<Timestamp>,
    ) -> Result<String, SystemError> {
        let modified = query.table.modified_column.as_deref();
        let filter = single_filter(query.table, query.filter)?;
        let url = Query::new()
            .select(&reader.select())
            .option("$filter", all_of(&[later_than(query.table, since, query.look_back), filter]))
            .option("$orderby", modified.unwrap_or_default())
            .on(&self.relative(reader.route, query.table, None)?);
        Ok(self.absolute(reader.route, &url))
    }
}

enum Begun {
    Now(Option<Timestamp>),
    Before(Feed),
}

/// Each read reaches back, for changes that were committed late or share a time.
fn later_than(table: &Table, since: Option<Timestamp>, look_back: SignedDuration) -> String {
    match (&table.modified_column, since) {
        (Some(column), Some(since)) => format!("{column} gt {}", instant_text(earlier(since, look_back))),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::table;

    fn time(text: &str) -> Timestamp {
        text.parse().expect("time")
    }

    const LOOK_BACK: SignedDuration = SignedDuration::from_mins(5);

    #[test]
    fn f09_each_read_reaches_back_by_the_look_back() {
        let since = Some(time("2026-01-02T00:00:00.500Z"));
        assert_eq!(later_than(&table(), since, LOOK_BACK), "lastModifiedDateTime gt 2026-01-01T23:55:00.500Z");
        assert_eq!(later_than(&table(), None, LOOK_BACK), "");
        let timeless = Table { modified_column: None, ..table() };
        assert_eq!(later_than(&timeless, since, LOOK_BACK), "");
    }

    #[test]
    fn a_cursor_never_passes_the_systems_clock_and_stays_one_look_back_behind_it_when_nothing_was_seen() {
        let as_of = time("2026-01-02T00:00:00Z");
        let begun = time("2026-01-01T00:00:00Z");
        let quiet = Position::ModifiedOn(time("2026-01-01T23:55:00Z"));
        let mut feed = Feed { link: String::new(), as_of, position: Some(begun) };
        assert_eq!(feed.cursor(LOOK_BACK).position, quiet);
        feed.saw(Some(time("2026-01-01T05:00:00Z")));
        feed.saw(None);
        assert_eq!(Feed::unpack(&feed.pack()), Ok(feed.clone()));
        assert_eq!(feed.cursor(LOOK_BACK).position, quiet);
        feed.saw(Some(time("2026-01-01T23:59:00Z")));
        assert_eq!(feed.cursor(LOOK_BACK).position, Position::ModifiedOn(time("2026-01-01T23:59:00Z")));
        feed.saw(Some(time("2026-01-02T05:00:00Z")));
        assert_eq!(feed.cursor(LOOK_BACK).position, Position::ModifiedOn(as_of));
        assert!(Feed::unpack(&PageToken("?".into())).is_err());
    }
}
