//! The message of the records queue: synchronize one record.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{CompanyId, MappingName, RecordId, ReplayId, RunId};
use crate::record::Snapshot;
use crate::table::Side;

/// Which way one record travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From Business Central to Dataverse.
    ToDataverse,
    /// From Dataverse to Business Central.
    FromDataverse,
}

impl Direction {
    /// Both, in the order of a run.
    pub const BOTH: [Self; 2] = [Self::ToDataverse, Self::FromDataverse];

    /// The side that is read.
    pub fn source(self) -> Side {
        match self {
            Self::ToDataverse => Side::BusinessCentral,
            Self::FromDataverse => Side::Dataverse,
        }
    }

    /// The side that is written.
    pub fn destination(self) -> Side {
        self.source().other()
    }

    /// The other way.
    #[must_use]
    pub fn reverse(self) -> Self {
        match self {
            Self::ToDataverse => Self::FromDataverse,
            Self::FromDataverse => Self::ToDataverse,
        }
    }

    /// The name in keys and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ToDataverse => "to_dataverse",
            Self::FromDataverse => "from_dataverse",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ToDataverse => "to Dataverse",
            Self::FromDataverse => "from Dataverse",
        })
    }
}

/// Which side's values count when both have some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Precedence {
    /// The destination's: what travels both ways is left to the other direction, because a person chose that side.
    Destination,
    /// Whichever side changed; where both did, the mapping's rule decides.
    #[default]
    Changed,
    /// The source's: it is written without asking whether the destination was changed.
    Source,
    /// The source's, and a destination record that is gone is created again whatever the mapping's rule, because a person
    /// chose this side.
    SourceRestoring,
}

impl Precedence {
    /// Whether the source wins without question.
    pub fn is_forced(self) -> bool {
        self >= Self::Source
    }

    /// Whether a destination record that is gone is created again.
    pub fn restores(self) -> bool {
        self == Self::SourceRestoring
    }
}

/// How a record is to be synchronized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "StoredSyncOptions", into = "StoredSyncOptions")]
pub struct SyncOptions {
    /// Create the destination record if the record is not coupled, even if the mapping synchronizes only coupled ones.
    pub create: bool,
    /// Which side's values count.
    pub precedence: Precedence,
    /// Since when it has waited for another record, of one that is looked at again because the mapping it waits for has
    /// run meanwhile. If it has to wait still, that is a failure.
    pub waited_since: Option<Timestamp>,
}

impl SyncOptions {
    /// How a record is synchronized that is wanted in both ways.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            create: self.create || other.create,
            precedence: self.precedence.max(other.precedence),
            waited_since: self.waited_since.into_iter().chain(other.waited_since).min(),
        }
    }

    /// Whether the destination record is looked at although the source is as it was: a full synchronization compares
    /// everything.
    pub fn compares(self) -> bool {
        self.create || self.precedence.is_forced()
    }
}

/// Sync options as messages and failures hold them since the first version.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct StoredSyncOptions {
    #[serde(default)]
    create: bool,
    #[serde(default)]
    force: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    waited_since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    restore: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    yields: bool,
}

impl From<StoredSyncOptions> for SyncOptions {
    fn from(stored: StoredSyncOptions) -> Self {
        let precedence = match stored {
            StoredSyncOptions { restore: true, .. } => Precedence::SourceRestoring,
            StoredSyncOptions { force: true, .. } => Precedence::Source,
            StoredSyncOptions { yields: true, .. } => Precedence::Destination,
            _ => Precedence::Changed,
        };
        Self { create: stored.create, precedence, waited_since: stored.waited_since }
    }
}

impl From<SyncOptions> for StoredSyncOptions {
    fn from(options: SyncOptions) -> Self {
        Self {
            create: options.create,
            force: options.precedence.is_forced(),
            waited_since: options.waited_since,
            restore: options.precedence.restores(),
            yields: options.precedence == Precedence::Destination,
        }
    }
}

/// How a person settles what both sides have changed of a record: field by field, or all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolution {
    /// The side whose values win in the fields that are not named; `None` leaves those to the mapping's rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wins: Option<Side>,
    /// The side that wins in a field, by the name of the field on either side.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Side>,
}

impl Resolution {
    /// The side that wins in a field of these names.
    pub fn winner(&self, names: &[&str]) -> Option<Side> {
        names.iter().find_map(|name| self.fields.get(*name)).copied().or(self.wins)
    }
}

/// What a person wants to be done about a pair of which one record was deleted (R94).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// The deleted record is made again from the one that is left.
    Restore,
    /// The record that is left is deleted as well, and the coupling with it.
    Delete,
    /// The coupling ends, and the record that is left stays.
    Uncouple,
}

/// What a person asks for of one record, beside its synchronization or instead of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// Synchronize it, and settle what both sides have changed.
    Resolve(Resolution),
    /// Couple it with this record of the destination, and synchronize the pair.
    Couple(RecordId),
    /// Couple it with a record of the destination, and leave both as they are.
    CoupleOnly(Partner),
    /// End its coupling; both records stay.
    Uncouple,
    /// Leave it alone from now on.
    Skip,
    /// Leave it alone no longer, and synchronize it.
    Unskip,
    /// Take this row of Dataverse off the company it belongs to: all pairs of its mapping end, and nothing couples it. It is
    /// named by its id there whatever the direction.
    LeaveCompany,
    /// Do this about its pair, if one record of it is still gone. A pair that is whole again is synchronized as any other.
    Mend(Remedy),
    /// Tell of its pair if one record of it is gone, and change nothing.
    TellIfGone,
}

/// The partner a record is to be coupled with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partner {
    /// The record of the destination.
    pub record: RecordId,
    /// When both records were seen, by a run that read all of them; absent when they are to be read before they are coupled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
}

/// What a run has seen of the two records of a pair, as far as their coupling needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// When, at the earliest.
    pub at: Timestamp,
    /// The number or code of the record of Business Central, by which other records refer to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// Version of the message format.
pub const MESSAGE_FORMAT: u8 = 1;

/// Synchronize one record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordMessage {
    /// Format, [`MESSAGE_FORMAT`].
    pub v: u8,
    /// Business Central company.
    pub company: CompanyId,
    /// Mapping.
    pub mapping: MappingName,
    /// Which way.
    pub direction: Direction,
    /// The source record.
    pub record: RecordId,
    /// The job whose run found it: the mapping's, or `Item Availability`.
    pub job: String,
    /// The run that found it.
    pub run: RunId,
    /// How to synchronize it.
    #[serde(default, rename = "treatment")]
    pub options: SyncOptions,
    /// The record as the run read it; absent on retries and when it would not fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Snapshot>,
    /// The replay that brought it back from the dead letters; absent while it travels by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<ReplayId>,
    /// What a person asks for of the record; absent when it is only to be synchronized.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wish: Option<Wish>,
}

impl RecordMessage {
    /// The message as anybody might have sent it: to read a record again and to synchronize it as any other.
    #[must_use]
    pub fn as_ordinary(self) -> Self {
        Self { options: SyncOptions::default(), snapshot: None, wish: None, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message as the first versions wrote it, with these sync options.
    fn message(treatment: &str) -> String {
        format!(
            r#"{{"v":1,"company":"5c1d8f2e-3b6a-4e0f-9a7c-1d2e3f4a5b6c","mapping":"CUSTOMER","direction":"to_dataverse","record":"00000000-0000-0000-0000-000000000001","job":"CUSTOMER","run":"0198c0de-0000-7000-8000-000000000001","treatment":{treatment}}}"#
        )
    }

    #[test]
    fn sync_options_are_written_as_ever_and_what_was_written_is_read() {
        let waited: Timestamp = "2026-03-01T08:00:00Z".parse().expect("a time");
        for (treatment, create, precedence, waited_since) in [
            (r#"{"create":false,"force":false}"#, false, Precedence::Changed, None),
            (r#"{"create":true,"force":false}"#, true, Precedence::Changed, None),
            (r#"{"create":true,"force":true}"#, true, Precedence::Source, None),
            (r#"{"create":true,"force":true,"restore":true}"#, true, Precedence::SourceRestoring, None),
            (r#"{"create":true,"force":false,"yields":true}"#, true, Precedence::Destination, None),
            (
                r#"{"create":false,"force":false,"waited_since":"2026-03-01T08:00:00Z"}"#,
                false,
                Precedence::Changed,
                Some(waited),
            ),
        ] {
            let text = message(treatment);
            let read: RecordMessage = serde_json::from_str(&text).expect(treatment);
            assert_eq!(read.options, SyncOptions { create, precedence, waited_since }, "{treatment}");
            assert_eq!(serde_json::to_string(&read).expect("JSON"), text);
        }
        let bare: RecordMessage =
            serde_json::from_str(&message("{}").replace(r#","treatment":{}"#, "")).expect("a message without any");
        assert_eq!(bare.options, SyncOptions::default());
    }

    #[test]
    fn a_wish_is_written_as_it_is_read() {
        let (id, at) = ("00000000-0000-0000-0000-000000000001", "2026-03-01T08:00:00Z");
        let record: RecordId = id.parse().expect("an id");
        let seen = |key: Option<&str>| Some(Seen { at: at.parse().expect("a time"), key: key.map(str::to_owned) });
        for (wish, text) in [
            (Wish::Skip, r#""skip""#.to_owned()),
            (Wish::CoupleOnly(Partner { record, seen: None }), format!(r#"{{"couple_only":{{"record":"{id}"}}}}"#)),
            (
                Wish::CoupleOnly(Partner { record, seen: seen(Some("10000")) }),
                format!(r#"{{"couple_only":{{"record":"{id}","seen":{{"at":"{at}","key":"10000"}}}}}}"#),
            ),
            (
                Wish::CoupleOnly(Partner { record, seen: seen(None) }),
                format!(r#"{{"couple_only":{{"record":"{id}","seen":{{"at":"{at}"}}}}}}"#),
            ),
        ] {
            assert_eq!(serde_json::to_string(&wish).expect("JSON"), text);
            assert_eq!(serde_json::from_str::<Wish>(&text).expect("a wish"), wish);
        }
    }

    #[test]
    fn a_record_wanted_twice_is_synchronized_as_the_stronger_wish_says() {
        use Precedence::{Changed, Destination, Source, SourceRestoring};
        for (one, other, both) in [
            (Destination, Destination, Destination),
            (Destination, Changed, Changed),
            (Destination, Source, Source),
            (Changed, Source, Source),
            (Source, SourceRestoring, SourceRestoring),
        ] {
            let with = |precedence| SyncOptions { precedence, ..SyncOptions::default() };
            assert_eq!(with(one).or(with(other)), with(both));
            assert_eq!(with(other).or(with(one)), with(both));
        }
    }
}
