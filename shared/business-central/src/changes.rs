//! The change feed: Business Central has no delta links, so records are read by their time of change.

use couplet_model::record::Change;
use couplet_model::system::{ChangePage, ChangesQuery, Cursor, NextPage, Position, Resume, SystemError};
use couplet_model::table::Side;
use couplet_odata::query::{Query, all_of};
use couplet_odata::{reading, time_feed};
use jiff::Timestamp;
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

impl BusinessCentralClient {
    pub(crate) async fn read_changes(&self, query: &ChangesQuery<'_>, from: Resume) -> Result<ChangePage, SystemError> {
        let columns = query.columns.iter().map(String::as_str).chain(query.filter.columns());
        let route = Route::to_read(query.table, columns, self.companion)?;
        let reader = EntityReader::new(self, query.table, route, query.columns)?;
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
                let feed: Feed = time_feed::unpack(Side::BusinessCentral, &token)?;
                if self.leads_into(route, &feed.link) {
                    (feed.link.clone(), Begun::Before(feed))
                } else {
                    // The address has changed since: our token is for this one alone.
                    (self.first_page(query, &reader, feed.position)?, Begun::Now(feed.position))
                }
            }
        };
        let reply = self.good_page(&reader, &url).await?;
        let mut feed = match begun {
            Begun::Before(feed) => feed,
            Begun::Now(position) => {
                let as_of = time_feed::system_time(Side::BusinessCentral, &reply, position)?;
                Feed { link: String::new(), as_of, position }
            }
        };
        let mut records = Vec::new();
        let next = reading::records_of(&reader, &reply.content, &mut records)?;
        for record in &records {
            feed.position = time_feed::further(feed.position, feed.as_of, record.modified);
        }
        let next = match next {
            Some(link) => {
                feed.link = link;
                NextPage::More(time_feed::pack(&feed))
            }
            None => NextPage::Done(Cursor::by_time(feed.position, feed.as_of, query.look_back)),
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
            .select(&reader.selection())
            .option("$filter", all_of(&[time_feed::changed_since(query.table, since, query.look_back), filter]))
            .option("$orderby", modified.unwrap_or_default())
            .on(&self.relative(reader.route, query.table, None)?);
        Ok(self.absolute(reader.route, &url))
    }
}

enum Begun {
    Now(Option<Timestamp>),
    Before(Feed),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::table;
    use couplet_model::system::PageToken;
    use couplet_model::table::Table;
    use jiff::SignedDuration;

    fn time(text: &str) -> Timestamp {
        text.parse().expect("time")
    }

    const LOOK_BACK: SignedDuration = SignedDuration::from_mins(5);

    #[test]
    fn f09_each_read_reaches_back_by_the_look_back() {
        let since = Some(time("2026-01-02T00:00:00.500Z"));
        let condition = |table: &Table, since| time_feed::changed_since(table, since, LOOK_BACK);
        assert_eq!(condition(&table(), since), "lastModifiedDateTime gt 2026-01-01T23:55:00.500Z");
        assert_eq!(condition(&table(), None), "");
        let timeless = Table { modified_column: None, ..table() };
        assert_eq!(condition(&timeless, since), "");
    }

    #[test]
    fn a_page_token_of_an_earlier_version_is_read() {
        let token = r#"{"link":"http://h/next","as_of":"2026-01-02T00:00:00Z","position":"2026-01-01T05:00:00Z"}"#;
        let feed: Feed = time_feed::unpack(Side::BusinessCentral, &PageToken(token.into())).expect("a feed");
        let expected = Feed {
            link: "http://h/next".into(),
            as_of: time("2026-01-02T00:00:00Z"),
            position: Some(time("2026-01-01T05:00:00Z")),
        };
        assert_eq!(feed, expected);
        assert_eq!(time_feed::unpack(Side::BusinessCentral, &time_feed::pack(&feed)), Ok(feed));
        assert!(time_feed::unpack::<Feed>(Side::BusinessCentral, &PageToken("?".into())).is_err());
    }
}
