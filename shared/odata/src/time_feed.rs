//! Change feeds that are read by the time of change: how far one has come, and what is asked for next.

use couplet_model::system::{PageToken, SystemError, SystemErrorKind, earlier};
use couplet_model::table::{Side, Table};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::literal::instant_text;
use crate::request::Reply;

/// The position of a feed with a time of change just read: the largest one seen, but never after `as_of`, the system's
/// time when it answered first.
pub fn further(position: Option<Timestamp>, as_of: Timestamp, modified: Option<Timestamp>) -> Option<Timestamp> {
    let modified = modified.map(|modified| modified.min(as_of));
    position.max(modified)
}

/// The condition on the time of change; blank where a table has none, or everything is read. Each read reaches back, for
/// changes that were committed late or share a time.
pub fn changed_since(table: &Table, since: Option<Timestamp>, look_back: SignedDuration) -> String {
    match (&table.modified_column, since) {
        (Some(column), Some(since)) => format!("{column} gt {}", instant_text(earlier(since, look_back))),
        _ => String::new(),
    }
}

/// The system's own time of an answer, or the one that is known; never this machine's.
///
/// # Errors
/// When there is neither.
pub fn system_time(side: Side, reply: &Reply, known: Option<Timestamp>) -> Result<Timestamp, SystemError> {
    reply
        .date()
        .or(known)
        .ok_or_else(|| SystemError::new(side, SystemErrorKind::Protocol, "", "the answer does not tell the time"))
}

/// Packs the way to the next page, so that any invocation can go on.
pub fn pack(feed: &impl Serialize) -> PageToken {
    PageToken(serde_json::to_string(feed).unwrap_or_default())
}

/// Unpacks the way to the next page.
///
/// # Errors
/// When the token is none of this system's.
pub fn unpack<T: DeserializeOwned>(side: Side, token: &PageToken) -> Result<T, SystemError> {
    serde_json::from_str(&token.0).map_err(|error| {
        let message = format!("the stored page of a change feed cannot be read: {error}");
        SystemError::new(side, SystemErrorKind::Protocol, "", message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_goes_on_to_the_largest_time_and_never_past_the_systems_clock() {
        let time = |text: &str| text.parse::<Timestamp>().expect("a time");
        let (as_of, early, late) =
            (time("2026-01-02T00:00:00Z"), time("2026-01-01T05:00:00Z"), time("2026-01-03T00:00:00Z"));
        for (position, modified, expected) in [
            (None, None, None),
            (None, Some(early), Some(early)),
            (Some(early), None, Some(early)),
            (Some(early), Some(late), Some(as_of)),
            (Some(as_of), Some(early), Some(as_of)),
        ] {
            assert_eq!(further(position, as_of, modified), expected, "{position:?} {modified:?}");
        }
    }
}
