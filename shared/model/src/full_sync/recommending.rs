//! What is recommended for a mapping, from what both sides hold (R170 to R174).

use serde::{Deserialize, Serialize};

use crate::catalogue::MappingDirection;
use crate::message::Direction;
use crate::table::Side;

/// What is done with a mapping in a full synchronization (R170).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recommendation {
    /// Every record is synchronized, and one without a partner gets one.
    Full,
    /// Records of both sides are matched by their fields, and coupled.
    Couple,
    /// Nothing: whatever can travel is coupled, and changes travel by themselves.
    None,
    /// Nothing: there are no records.
    NoRecords,
}

impl Recommendation {
    /// The name people know it by.
    pub fn caption(self) -> &'static str {
        match self {
            Self::Full => "Full Synchronization",
            Self::Couple => "Couple Records",
            Self::None => "None",
            Self::NoRecords => "No Records Found",
        }
    }

    /// Whether a line with it has a run.
    pub fn does_something(self) -> bool {
        matches!(self, Self::Full | Self::Couple)
    }
}

/// How many records a side was seen to have within the filter of the mapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighted {
    /// How many.
    pub records: u64,
    /// Whether there may be more, because the system counts no further.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub or_more: bool,
}

/// What was seen of a mapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Records of Business Central.
    pub business_central: Sighted,
    /// Rows of Dataverse; those that are there in every organization do not count (R173, R174).
    pub dataverse: Sighted,
    /// Pairs that are coupled.
    pub coupled: u64,
}

/// What a side has that is not coupled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Uncoupled {
    None,
    Some,
    /// There are more records than were counted, and as many pairs.
    Unknown,
}

impl Facts {
    fn uncoupled(&self, side: Side) -> Uncoupled {
        let sighted = match side {
            Side::BusinessCentral => self.business_central,
            Side::Dataverse => self.dataverse,
        };
        match (sighted.records > self.coupled, sighted.or_more) {
            (true, _) => Uncoupled::Some,
            (false, true) => Uncoupled::Unknown,
            (false, false) => Uncoupled::None,
        }
    }
}

/// What is recommended for a mapping, and why. `keyed` says why its records find their partners without being matched by
/// fields, such as by their codes; `None` where they are matched.
///
/// With nothing coupled this is the rule of Business Central (R171): both sides empty, nothing; both filled, couple; one filled,
/// synchronize. It is asked about what is not coupled yet, so that it also says what is left to do later.
pub fn recommend(facts: &Facts, direction: MappingDirection, keyed: Option<&str>) -> (Recommendation, String) {
    let none = |side: Sighted| side.records == 0 && !side.or_more;
    let is_empty = none(facts.business_central) && none(facts.dataverse);
    if is_empty {
        return (Recommendation::NoRecords, "neither side has records".to_owned());
    }
    let (ours, theirs) = (facts.uncoupled(Side::BusinessCentral), facts.uncoupled(Side::Dataverse));
    if ours == Uncoupled::None && theirs == Uncoupled::None {
        return (Recommendation::None, "every record is coupled; changes travel by themselves".to_owned());
    }
    if ours != Uncoupled::None && theirs != Uncoupled::None {
        return match keyed {
            Some(why) => (Recommendation::Full, why.to_owned()),
            None => (Recommendation::Couple, "both sides have records that are not coupled".to_owned()),
        };
    }
    let (way, here, left) = match ours {
        Uncoupled::None => (Direction::FromDataverse, Side::Dataverse, theirs),
        _ => (Direction::ToDataverse, Side::BusinessCentral, ours),
    };
    let why = match left {
        Uncoupled::Unknown => format!("{here} counts its records no further, and some may not be coupled"),
        _ => format!("only {here} has records that are not coupled"),
    };
    if direction.includes(way) {
        (Recommendation::Full, why)
    } else {
        (Recommendation::None, format!("{why}, but the mapping does not travel {way}"))
    }
}
