//! The port both systems are reached through. The engine has a source and a destination and never asks which is which.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::facts::{Sight, TableFacts};
use crate::filter::Filter;
use crate::full_sync::Sighted;
use crate::ids::RecordId;
use crate::record::{Change, Record, Values, Version};
use crate::said::Said;
use crate::seen::Seen;
use crate::subscription::{Subscription, WantedSubscriptions};
use crate::table::{Side, Table};

/// Where a change feed stands: everything before it has been read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cursor {
    /// How the position is expressed.
    pub position: Position,
    /// Time by the system's own clock up to which changes are known to be covered; what a fallback starts from.
    pub as_of: Timestamp,
    /// What was read lately and will be read again because of the look-back. Clients leave it empty.
    #[serde(default, skip_serializing_if = "Seen::is_empty")]
    pub seen: Seen,
}

impl Cursor {
    /// The cursor after a feed was read by time of change to its end: at the largest time of change seen, but never
    /// after `as_of`, the system's time when the feed was opened. Where nothing was seen lately it stands one look-back
    /// before that, so that a quiet table is not read from the same old record for ever.
    pub fn by_time(largest: Option<Timestamp>, as_of: Timestamp, look_back: SignedDuration) -> Self {
        let quiet = earlier(as_of, look_back);
        let position = largest.map_or(quiet, |largest| largest.min(as_of).max(quiet));
        Self { position: Position::ModifiedOn(position), as_of, seen: Seen::default() }
    }
}

/// A time so much earlier, or the earliest there is.
pub fn earlier(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_sub(by).unwrap_or(Timestamp::MIN)
}

/// How a position in a change feed is expressed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// Time of change up to which the feed was read.
    ModifiedOn(Timestamp),
    /// Delta link of Dataverse change tracking.
    DeltaLink(String),
}

/// How far a system's clock may seem to go back between two answers: its servers need not agree to the second.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

impl Cursor {
    /// Why a feed that ended at `next` stands before this cursor, where it cannot have come by itself: the system was
    /// restored to an earlier state, or exchanged. `None` when it has gone on as it should.
    pub fn is_ahead_of(&self, next: &Self) -> Option<String> {
        if next.as_of < self.as_of.checked_sub(CLOCK_TOLERANCE).unwrap_or(Timestamp::MIN) {
            return Some(format!("its clock says {}, and it said {} before", next.as_of, self.as_of));
        }
        let (known, now) = (self.position.row_version()?, next.position.row_version()?);
        (now < known).then(|| format!("its change tracking stands at version {now}, and stood at {known} before"))
    }
}

impl Position {
    /// The row version a delta link stands at, which only grows while the organization lives. `None` where there is none
    /// or it is not written as it used to be.
    fn row_version(&self) -> Option<u64> {
        const TOKEN: &str = "deltatoken=";
        let Self::DeltaLink(link) = self else { return None };
        let token = &link[link.to_ascii_lowercase().find(TOKEN)? + TOKEN.len()..];
        let digits = token.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(token.len());
        token[..digits].parse().ok()
    }
}

/// What to read from a change feed.
#[derive(Clone, Debug)]
pub struct ChangesQuery<'a> {
    /// The table.
    pub table: &'a Table,
    /// Columns to read, by wire name; the id, the version and the time of change come always.
    pub columns: &'a [String],
    /// Conditions the system may apply itself. It may also give more: the caller judges again.
    pub filter: &'a Filter,
    /// How far reading by time of change reaches back before the cursor: a transaction is seen by others only when it
    /// commits, under the time at which it wrote.
    pub look_back: SignedDuration,
}

/// Where to start reading.
#[derive(Clone, Debug)]
pub enum Resume {
    /// From the beginning: every record there is.
    Everything,
    /// From a stored cursor.
    Since(Cursor),
    /// The next page of a feed being read.
    Page(PageToken),
}

/// The way to the next page; opaque, may be stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PageToken(pub String);

/// One page of a change feed.
#[derive(Clone, Debug)]
pub struct ChangePage {
    /// The changes, in the order the system gave them.
    pub changes: Vec<Change>,
    /// What comes after.
    pub next: NextPage,
    /// Set when deletions before this read cannot be known, such as after an expired delta link.
    pub note: Option<String>,
}

/// What follows a page.
#[derive(Clone, Debug)]
pub enum NextPage {
    /// Another page.
    More(PageToken),
    /// Nothing; the next read starts here.
    Done(Cursor),
}

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// What to do.
    pub action: WriteAction,
    /// Values to set; only the changed ones on update. A blank value clears the column.
    pub values: Values,
}

/// What a write does.
#[derive(Clone, Debug, PartialEq)]
pub enum WriteAction {
    /// Create a record. With an id, which [`System::takes_ids`] must allow, the record gets exactly that id, and if it
    /// is there already it is updated instead: repeating the write changes nothing. Without one the system chooses the
    /// id. A key by hand that a number series refuses is left out, and the answer's values tell the key that was given.
    Create {
        /// The id to create it under.
        id: Option<RecordId>,
    },
    /// Change a record that exists.
    Update {
        /// Which one.
        id: RecordId,
        /// Refuse with [`SystemErrorKind::VersionConflict`] when it was changed since this version.
        expected: Option<Version>,
    },
    /// Remove a record.
    Delete {
        /// Which one.
        id: RecordId,
    },
}

impl Write {
    /// A create under a given id (or under one the system chooses).
    pub fn create(id: Option<RecordId>, values: Values) -> Self {
        Self { action: WriteAction::Create { id }, values }
    }

    /// An update, guarded by the version that was read.
    pub fn update(id: RecordId, expected: Option<Version>, values: Values) -> Self {
        Self { action: WriteAction::Update { id, expected }, values }
    }
}

/// An action on one record beyond writing its values, such as posting, releasing or closing it.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// The record.
    pub record: RecordId,
    /// The name of the action, without its namespace.
    pub name: String,
    /// Its parameters by name; empty for most. The client knows where they belong, also when the action takes them in a
    /// record of its own.
    pub parameters: Values,
}

/// The trace of a successful write.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// Id of the record.
    pub id: RecordId,
    /// Its new version, when the answer told.
    pub version: Option<Version>,
    /// Its new time of change, when the answer told.
    pub modified: Option<Timestamp>,
    /// All values after the write, when the answer told (Business Central answers with the record).
    pub values: Option<Values>,
}

/// What to do with a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryClass {
    /// Transient: try again soon.
    RetryNow,
    /// The system asked for a pause of this length.
    RetryAfter(Duration),
    /// The record changed meanwhile: read again, decide again.
    Conflict,
    /// It works again when somebody else has finished what they are doing: wait long, keep everything.
    Outage,
    /// A person must mend the record.
    Data,
    /// A person must mend the set-up.
    Configuration,
}

impl RetryClass {
    /// Whether the failure is technical: nobody's data is wrong, the message must come back.
    pub fn is_technical(self) -> bool {
        matches!(self, Self::RetryNow | Self::RetryAfter(_) | Self::Outage | Self::Configuration)
    }
}

/// The kinds of failure of a call to a system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SystemErrorKind {
    /// No connection, or it broke. Whether a write took effect is not known.
    Unreachable,
    /// No answer in time. Whether a write took effect is not known.
    Timeout,
    /// Service protection: wait this long.
    Throttled(Duration),
    /// The system failed for a passing reason (5xx, deadlock).
    Transient,
    /// The application's secret cannot be read where it is kept, so nothing was sent.
    NoSecret {
        /// Whether that is expected to end by itself.
        passes: bool,
    },
    /// No token, or the token was refused.
    Unauthorized,
    /// What answered was not the service, or the service does not know us or an address that it knew before. Whether a
    /// write took effect is not known. Passes, but perhaps not soon.
    Outage,
    /// What was sent or asked for is too much for one request.
    TooLarge,
    /// A privilege is missing.
    Forbidden,
    /// The record, or the table, is not there.
    NotFound,
    /// The record was changed since it was read.
    VersionConflict,
    /// A record with this key is there already.
    Duplicate,
    /// The values were refused.
    Refused,
    /// The answer cannot be understood, or the set-up is wrong.
    Protocol,
}

/// A failed call, or one failed write of a bulk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemError {
    /// Which system.
    pub side: Side,
    /// What kind of failure.
    pub kind: SystemErrorKind,
    /// The system's error code, empty when it gave none.
    pub code: String,
    /// What the system said, or what went wrong, for the operator. Holds no secret; may hold values of records.
    pub message: String,
    /// Whether the message holds no value of a record, so that a log may repeat it.
    pub may_be_logged: bool,
}

impl SystemError {
    /// A failure of this kind.
    pub fn new(side: Side, kind: SystemErrorKind, code: impl Into<String>, message: impl Into<Said>) -> Self {
        let message = message.into();
        let may_be_logged = message.may_be_logged();
        Self { side, kind, code: code.into(), message: message.into_text(), may_be_logged }
    }

    /// What a log may repeat: system, kind and code, and the message if it holds no value of a record.
    pub fn for_log(&self) -> String {
        match (self.may_be_logged, self.code.as_str()) {
            (true, _) => self.to_string(),
            (false, "") => self.phrase(),
            (false, code) => format!("{} (code {code})", self.phrase()),
        }
    }

    /// Which system failed how.
    fn phrase(&self) -> String {
        let side = self.side;
        match &self.kind {
            SystemErrorKind::Unreachable => format!("{side} cannot be reached"),
            SystemErrorKind::Timeout => format!("{side} did not answer in time"),
            SystemErrorKind::Throttled(pause) => format!("{side} asks for a pause of {} s", pause.as_secs()),
            SystemErrorKind::Transient => format!("{side} failed for the moment"),
            SystemErrorKind::NoSecret { .. } => format!("cannot sign in to {side}"),
            SystemErrorKind::Unauthorized => format!("{side} refused the token"),
            SystemErrorKind::Outage => format!("{side} does not answer as it should"),
            SystemErrorKind::TooLarge => format!("too much for {side} at once"),
            SystemErrorKind::Forbidden => format!("{side} denies access"),
            SystemErrorKind::NotFound => format!("not found in {side}"),
            SystemErrorKind::VersionConflict => format!("changed in {side} meanwhile"),
            SystemErrorKind::Duplicate => format!("already in {side}"),
            SystemErrorKind::Refused => format!("{side} refused the values"),
            SystemErrorKind::Protocol => format!("unexpected answer of {side}"),
        }
    }

    /// What to do with it.
    pub fn retry_class(&self) -> RetryClass {
        match &self.kind {
            SystemErrorKind::Unreachable
            | SystemErrorKind::Timeout
            | SystemErrorKind::Transient
            | SystemErrorKind::NoSecret { passes: true } => RetryClass::RetryNow,
            SystemErrorKind::Throttled(pause) => RetryClass::RetryAfter(*pause),
            SystemErrorKind::VersionConflict => RetryClass::Conflict,
            SystemErrorKind::NoSecret { passes: false }
            | SystemErrorKind::Unauthorized
            | SystemErrorKind::Forbidden
            | SystemErrorKind::Protocol => RetryClass::Configuration,
            SystemErrorKind::Outage => RetryClass::Outage,
            SystemErrorKind::NotFound
            | SystemErrorKind::Duplicate
            | SystemErrorKind::Refused
            | SystemErrorKind::TooLarge => RetryClass::Data,
        }
    }
}

impl fmt::Display for SystemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.phrase(), self.message)
    }
}

/// For the store whole, for a log as far as that may be.
impl From<&SystemError> for Said {
    fn from(error: &SystemError) -> Self {
        if error.may_be_logged {
            Self::safe(error.to_string())
        } else {
            Self::split(error.to_string(), error.for_log())
        }
    }
}

impl std::error::Error for SystemError {}

/// Which installation of a system a client enters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installation {
    /// The company of Business Central, or the organization of Dataverse.
    pub id: Uuid,
    /// Where it is, as people know it: tenant and environment, or the address. For messages; of Business Central also to
    /// tell a copy from its original, because a copied company keeps its id.
    pub place: String,
}

/// One of the two systems.
#[async_trait]
pub trait System: Send + Sync {
    /// Which one.
    fn side(&self) -> Side;

    /// Which installation this is. At most one request.
    async fn installation(&self) -> Result<Installation, SystemError>;

    /// Requests made so far by this client, token requests aside.
    fn requests(&self) -> u64;

    /// Whether new records of the table get exactly the id they are created under. Where the system chooses the ids,
    /// [`WriteAction::Create`] must come without one, and whoever repeats a create first looks for what the earlier
    /// attempt may have made.
    fn takes_ids(&self, table: &Table) -> bool;

    /// Performs actions on records of a table; one result per action, in order. An action that the answer does not confirm
    /// may have happened: whoever repeats it looks first.
    async fn act(&self, table: &Table, actions: &[Action]) -> Vec<Result<(), SystemError>>;

    /// One page of what was created, changed or deleted.
    async fn changes(&self, query: &ChangesQuery<'_>, from: Resume) -> Result<ChangePage, SystemError>;

    /// Records by id, in bulk and in no particular order; ids that do not exist are left out. An empty list asks nothing.
    async fn fetch(&self, table: &Table, ids: &[RecordId], columns: &[String]) -> Result<Vec<Record>, SystemError>;

    /// All records that meet the filter. A long list of values is split over as few requests as possible; an
    /// impossible filter asks nothing.
    async fn find(&self, table: &Table, filter: &Filter, columns: &[String]) -> Result<Vec<Record>, SystemError>;

    /// How many records meet the filter, counted by the system in one request where it can.
    async fn count(&self, table: &Table, filter: &Filter) -> Result<Sighted, SystemError> {
        let records = self.find(table, filter, &[]).await?.len();
        Ok(Sighted { records: records.try_into().unwrap_or(u64::MAX), or_more: false })
    }

    /// Writes in bulk: one result per write, in order. A bad record fails alone.
    async fn write(&self, table: &Table, writes: &[Write]) -> Vec<Result<Written, SystemError>>;

    /// What the system says about the columns of a table; read once in a while, and empty on a system that says nothing.
    /// Columns that may not be read are left out of every record from then on.
    async fn facts(&self, _table: &Table) -> Result<Arc<TableFacts>, SystemError> {
        Ok(Arc::default())
    }

    /// A second look at columns that turned blank in records: whether the system hides them from us. One request for all;
    /// columns it does not answer for are clear.
    async fn look_again(&self, _table: &Table, _columns: &[String]) -> Result<BTreeMap<String, Sight>, SystemError> {
        Ok(BTreeMap::new())
    }

    /// Has the system tell of changes of these tables, and of no others that were subscribed here before: makes, renews, mends
    /// and removes subscriptions, and touches none that are not ours. One answer per table. Without tables all of ours go. May
    /// be repeated at any time.
    async fn keep_subscriptions(&self, _wanted: &WantedSubscriptions<'_>) -> Result<Vec<Subscription>, SystemError> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(position: Position, as_of: &str) -> Cursor {
        Cursor { position, as_of: as_of.parse().expect("a time"), seen: Seen::default() }
    }

    fn link(token: &str) -> Position {
        Position::DeltaLink(format!("https://h/api/data/v9.2/accounts?$select=name&$deltatoken={token}"))
    }

    #[test]
    fn f28_a_log_repeats_what_the_code_says_and_not_what_the_service_said() {
        let kind = SystemErrorKind::Refused;
        let said = SystemError::new(Side::Dataverse, kind.clone(), "0x80040203", "Jo is no name".to_owned());
        assert_eq!(said.for_log(), "Dataverse refused the values (code 0x80040203)");
        assert_eq!(said.to_string(), "Dataverse refused the values: Jo is no name");
        let ours = SystemError::new(Side::Dataverse, kind, "", "the answer is no list");
        assert_eq!(ours.for_log(), "Dataverse refused the values: the answer is no list");
        assert_eq!((Said::from(&said).for_log(), Said::from(&said).may_be_logged()), (&*said.for_log(), false));
    }

    #[test]
    fn f12_a_feed_that_went_back_is_told_from_one_that_went_on() {
        let before = cursor(link("919042%2108%2f22%2f2017%2008%3a10%3a44"), "2026-01-01T10:00:00Z");
        for (next, as_of, names) in [
            (link("919042%2108%2f22%2f2017%2008%3a10%3a44"), "2026-01-01T10:00:00Z", None),
            (link("919043!08/22/2017 08:20:44"), "2026-01-01T10:30:00Z", None),
            (link("919041%21x"), "2026-01-01T10:30:00Z", Some("version 919041")),
            (link("abc"), "2026-01-01T10:30:00Z", None),
            (Position::DeltaLink("https://h/opaque".to_owned()), "2026-01-01T10:30:00Z", None),
            (link("919043%21x"), "2026-01-01T09:56:00Z", None),
            (link("919043%21x"), "2026-01-01T09:54:00Z", Some("its clock says 2026-01-01T09:54:00Z")),
            (Position::ModifiedOn("2025-01-01T00:00:00Z".parse().expect("a time")), "2026-01-01T10:30:00Z", None),
        ] {
            let found = before.is_ahead_of(&cursor(next.clone(), as_of));
            match names {
                None => assert_eq!(found, None, "{next:?} {as_of}"),
                Some(part) => assert!(found.as_ref().is_some_and(|why| why.contains(part)), "{next:?}: {found:?}"),
            }
        }
    }
}
