//! Where a change feed stands between two pages: packed into the page token, so that any invocation can go on.

use couplet_model::seen::Seen;
use couplet_model::system::{Cursor, PageToken, Position, SystemError, earlier};
use couplet_model::table::Side;
use couplet_odata::time_feed;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A feed being read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Feed {
    /// How it is read.
    pub kind: FeedKind,
    /// The system's time when it answered first.
    pub as_of: Timestamp,
    /// Up to when changes were covered before this feed began, if any were.
    pub since: Option<Timestamp>,
    /// Largest time of change seen, or the one the feed began with.
    pub position: Option<Timestamp>,
    /// Set when a lost delta link made the feed begin again from the time of change.
    pub replayed: bool,
}

/// How a feed is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FeedKind {
    /// By change tracking.
    Tracked,
    /// By the time of change.
    Modified,
}

#[derive(Serialize, Deserialize)]
struct Packed {
    link: String,
    feed: Feed,
}

impl Feed {
    /// A feed that begins.
    pub fn new(kind: FeedKind, since: Option<Timestamp>, as_of: Timestamp) -> Self {
        let position = if kind == FeedKind::Modified { since } else { None };
        Self { kind, as_of, since, position, replayed: false }
    }

    /// Packs the way to the next page.
    pub fn pack(&self, link: &str) -> PageToken {
        time_feed::pack(&Packed { link: link.to_owned(), feed: self.clone() })
    }

    /// Unpacks a page token: the link and the feed.
    pub fn unpack(token: &PageToken) -> Result<(String, Self), SystemError> {
        let Packed { link, feed } = time_feed::unpack(Side::Dataverse, token)?;
        Ok((link, feed))
    }

    /// Whether a row belongs to the feed: after a lost delta link, only rows that may have changed since.
    pub fn admits(&self, modified: Option<Timestamp>, look_back: SignedDuration) -> bool {
        match (self.replayed, self.since, modified) {
            // Dataverse shows whole seconds: a row changed within the second the window begins with belongs to it.
            (true, Some(since), Some(modified)) => modified.as_second() >= earlier(since, look_back).as_second(),
            _ => true,
        }
    }

    /// Notes a row's time of change.
    pub fn saw(&mut self, modified: Option<Timestamp>) {
        self.position = time_feed::further(self.position, self.as_of, modified);
    }

    /// The cursor after the last page.
    pub fn cursor(&self, delta_link: Option<&str>, look_back: SignedDuration) -> Cursor {
        match delta_link {
            Some(link) => {
                Cursor { position: Position::DeltaLink(link.to_owned()), as_of: self.as_of, seen: Seen::default() }
            }
            None => Cursor::by_time(self.position, self.as_of, look_back),
        }
    }

    /// What the operator should know about this feed.
    pub fn note(&self, table: &str) -> Option<String> {
        let since = self.since.filter(|_| self.replayed)?;
        Some(format!(
            "The change feed of {table} could not be continued and was read again from the beginning; deletions in \
             Dataverse since {since} cannot be known."
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().expect("time")
    }

    const LOOK_BACK: SignedDuration = SignedDuration::from_mins(5);

    #[test]
    fn the_threshold_of_a_replay_survives_paging() {
        let mut feed = Feed::new(FeedKind::Tracked, Some(time("2026-01-01T10:00:00Z")), time("2026-01-02T00:00:00Z"));
        feed.replayed = true;
        let (link, again) = Feed::unpack(&feed.pack("http://h/next")).expect("feed");
        assert_eq!((link.as_str(), &again), ("http://h/next", &feed));
        assert!(again.admits(Some(time("2026-01-01T09:55:00Z")), LOOK_BACK));
        assert!(!again.admits(Some(time("2026-01-01T09:54:59Z")), LOOK_BACK));
        assert!(again.admits(None, LOOK_BACK));
        assert!(again.note("account").is_some_and(|note| note.contains("2026-01-01T10:00:00Z")));
        assert!(Feed::unpack(&PageToken("x".into())).is_err());
    }

    #[test]
    fn a_page_token_of_an_earlier_version_is_read() {
        let token = r#"{"link":"http://h/next","feed":{"kind":"tracked","as_of":"2026-01-02T00:00:00Z",
            "since":"2026-01-01T10:00:00Z","position":null,"replayed":true}}"#;
        let (link, feed) = Feed::unpack(&PageToken(token.into())).expect("a feed");
        let (since, as_of) = (time("2026-01-01T10:00:00Z"), time("2026-01-02T00:00:00Z"));
        let expected = Feed { replayed: true, ..Feed::new(FeedKind::Tracked, Some(since), as_of) };
        assert_eq!((link.as_str(), feed), ("http://h/next", expected));
    }

    #[test]
    fn a_cursor_never_passes_the_systems_clock_and_stays_one_look_back_behind_it_when_nothing_was_seen() {
        let as_of = time("2026-01-02T00:00:00Z");
        let quiet = Position::ModifiedOn(time("2026-01-01T23:55:00Z"));
        let mut feed = Feed::new(FeedKind::Modified, Some(time("2026-01-01T00:00:00Z")), as_of);
        let position = |feed: &Feed| feed.cursor(None, LOOK_BACK).position;
        assert_eq!(position(&feed), quiet);
        feed.saw(Some(time("2026-01-01T23:58:00Z")));
        feed.saw(Some(time("2026-01-01T23:57:00Z")));
        assert_eq!(position(&feed), Position::ModifiedOn(time("2026-01-01T23:58:00Z")));
        feed.saw(Some(time("2026-01-03T00:00:00Z")));
        assert_eq!(position(&feed), Position::ModifiedOn(as_of));
        assert_eq!(feed.cursor(None, LOOK_BACK).as_of, as_of);
        assert_eq!(position(&Feed::new(FeedKind::Modified, None, as_of)), quiet);
        assert!(feed.note("account").is_none());
    }
}
