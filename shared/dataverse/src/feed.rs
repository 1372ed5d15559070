//! Where a change feed stands between two pages: packed into the page token, so that any invocation can go on.

use couplet_model::system::{Cursor, PageToken, Position, SystemError, SystemErrorKind};
use couplet_model::table::Side;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How far a repeated read reaches back: Dataverse shows whole seconds.
const OVERLAP: SignedDuration = SignedDuration::from_millis(999);

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
        let packed = Packed { link: link.to_owned(), feed: self.clone() };
        PageToken(serde_json::to_string(&packed).unwrap_or_default())
    }

    /// Unpacks a page token: the link and the feed.
    pub fn unpack(token: &PageToken) -> Result<(String, Self), SystemError> {
        let packed: Packed = serde_json::from_str(&token.0).map_err(|error| {
            let message = format!("the stored page of a change feed cannot be read: {error}");
            SystemError::new(Side::Dataverse, SystemErrorKind::Protocol, "", message)
        })?;
        Ok((packed.link, packed.feed))
    }

    /// Whether a row belongs to the feed: after a lost delta link, only rows that may have changed since.
    pub fn admits(&self, modified: Option<Timestamp>) -> bool {
        match (self.replayed, self.since, modified) {
            (true, Some(since), Some(modified)) => modified >= reach_back(since),
            _ => true,
        }
    }

    /// Notes a row's time of change.
    pub fn saw(&mut self, modified: Option<Timestamp>) {
        if let Some(modified) = modified.map(|modified| modified.min(self.as_of)) {
            self.position = Some(self.position.map_or(modified, |position| position.max(modified)));
        }
    }

    /// The cursor after the last page.
    pub fn cursor(&self, delta_link: Option<&str>) -> Cursor {
        let position = match delta_link {
            Some(link) => Position::DeltaLink(link.to_owned()),
            None => Position::ModifiedOn(self.position.unwrap_or(self.as_of)),
        };
        Cursor { position, as_of: self.as_of }
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

/// The time from which rows are read again when everything up to `since` was covered.
pub(crate) fn reach_back(since: Timestamp) -> Timestamp {
    since.checked_sub(OVERLAP).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().expect("time")
    }

    #[test]
    fn the_threshold_of_a_replay_survives_paging() {
        let mut feed = Feed::new(FeedKind::Tracked, Some(time("2026-01-01T10:00:00Z")), time("2026-01-02T00:00:00Z"));
        feed.replayed = true;
        let (link, again) = Feed::unpack(&feed.pack("http://h/next")).expect("feed");
        assert_eq!((link.as_str(), &again), ("http://h/next", &feed));
        assert!(again.admits(Some(time("2026-01-01T09:59:59.001Z"))));
        assert!(!again.admits(Some(time("2026-01-01T09:59:59Z"))));
        assert!(again.admits(None));
        assert!(again.note("account").is_some_and(|note| note.contains("2026-01-01T10:00:00Z")));
        assert!(Feed::unpack(&PageToken("x".into())).is_err());
    }

    #[test]
    fn a_cursor_never_passes_the_systems_clock_and_stays_when_nothing_was_seen() {
        let as_of = time("2026-01-02T00:00:00Z");
        let mut feed = Feed::new(FeedKind::Modified, Some(time("2026-01-01T00:00:00Z")), as_of);
        assert_eq!(feed.cursor(None).position, Position::ModifiedOn(time("2026-01-01T00:00:00Z")));
        feed.saw(Some(time("2026-01-01T05:00:00Z")));
        feed.saw(Some(time("2026-01-01T04:00:00Z")));
        assert_eq!(feed.cursor(None).position, Position::ModifiedOn(time("2026-01-01T05:00:00Z")));
        feed.saw(Some(time("2026-01-03T00:00:00Z")));
        assert_eq!(feed.cursor(None), Cursor { position: Position::ModifiedOn(as_of), as_of });
        assert_eq!(Feed::new(FeedKind::Modified, None, as_of).cursor(None).position, Position::ModifiedOn(as_of));
        assert!(feed.note("account").is_none());
    }
}
