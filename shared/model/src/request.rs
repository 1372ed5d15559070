//! What a person asks for of chosen records of a mapping: the content of a task.

use serde::{Deserialize, Serialize};

use crate::catalogue::ConditionFile;
use crate::ids::{DataverseId, MappingName, RecordId, RunId, SystemId};
use crate::matching::MatchPair;
use crate::message::{Direction, Remedy, Resolution};
use crate::table::Side;

/// Records that may be named one by one in a request, so that it fits into a message of the queue.
pub const MOST_NAMED: usize = 2_000;

/// What a person asks for of records of one mapping. It is carried out by a run of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The run that carries it out.
    pub run: RunId,
    /// The mapping.
    pub mapping: MappingName,
    /// What is to be done.
    pub want: Want,
    /// With which records.
    pub of: Chosen,
    /// Where the records begin that have not been put into the queue; `None`: with the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// What is to be done with each record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Want {
    /// Synchronize it, and let the source win (R12, R218).
    Synchronize {
        /// Which way; `None`: every way the mapping has, Business Central first, so that its values win (R219).
        direction: Option<Direction>,
        /// Whether a record that is not coupled gets a partner (R220).
        create: bool,
    },
    /// Couple it with the other record of its pair, and synchronize the two this way (R221).
    Couple {
        /// Which way: the source wins.
        direction: Direction,
    },
    /// Couple it with the row that it matches (R188 to R202).
    Match {
        /// Which way the pairs are synchronized then: the source wins. `None`: both records stay as they are (R199, R200).
        synchronize: Option<Direction>,
        /// Whether a record of Business Central that matches nothing gets a partner (R197).
        create: bool,
        /// Whether it is only told what would be coupled.
        dry_run: bool,
    },
    /// Settle what both sides have changed of it, and synchronize it both ways.
    Resolve(Resolution),
    /// End its coupling; both records stay (R206).
    Uncouple,
    /// Leave it alone from now on.
    Skip,
    /// Leave it alone no longer, and synchronize it (R113).
    Unskip,
    /// Try again what failed, now.
    Retry,
    /// Look which coupled records were deleted, and tell of their pairs.
    LookForDeleted,
    /// Do this about pairs of which one record was deleted (R94).
    Mend(Remedy),
    /// Look which records of either side have no partner, or share the fields by which they would find one. Nothing is changed.
    LookForOrphans,
    /// Take rows of Dataverse off the company that belong to it although nothing couples them (R210).
    Release,
}

/// Which records of a mapping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chosen {
    /// These, each by its id on one side; at most [`MOST_NAMED`].
    Records(Vec<(Side, RecordId)>),
    /// The two records of each of these pairs; at most [`MOST_NAMED`].
    Pairs(Vec<(SystemId, DataverseId)>),
    /// Every record that is not coupled, by the fields that have to be equal: one list of them for each priority (R191).
    Uncoupled(Vec<Vec<MatchPair>>),
    /// Every record that is coupled.
    Coupled,
    /// Every record that is skipped.
    Skipped,
    /// Every record whose last synchronization failed.
    Failed,
    /// Every pair that both sides have changed.
    Conflicting,
    /// Every pair of which it is known that one record was deleted.
    Deleted,
    /// Every row of Dataverse that belongs to the company although nothing couples it.
    Stray,
    /// Every record of a side that meets these conditions. Of those that are not coupled, only where partners are created.
    Matching(Side, Vec<ConditionFile>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_written_as_it_is_read() {
        let id = "00000000-0000-0000-0000-000000000001";
        for (want, of, text) in [
            (Want::Uncouple, Chosen::Coupled, r#""want":"uncouple","of":"coupled""#.to_owned()),
            (
                Want::Synchronize { direction: Some(Direction::FromDataverse), create: true },
                Chosen::Records(vec![(Side::Dataverse, id.parse().expect("an id"))]),
                format!(
                    r#""want":{{"synchronize":{{"direction":"from_dataverse","create":true}}}},"of":{{"records":[["dataverse","{id}"]]}}"#
                ),
            ),
            (
                Want::Resolve(Resolution {
                    wins: Some(Side::Dataverse),
                    fields: [("phoneNumber".to_owned(), Side::BusinessCentral)].into(),
                }),
                Chosen::Conflicting,
                r#""want":{"resolve":{"wins":"dataverse","fields":{"phoneNumber":"business_central"}}},"of":"conflicting""#
                    .to_owned(),
            ),
            (Want::Mend(Remedy::Restore), Chosen::Deleted, r#""want":{"mend":"restore"},"of":"deleted""#.to_owned()),
            (
                Want::Skip,
                Chosen::Matching(
                    Side::Dataverse,
                    crate::catalogue::read_conditions("address1_city eq Oslo", Side::Dataverse).expect("a filter"),
                ),
                r#""want":"skip","of":{"matching":["dataverse",[{"column":"address1_city","op":"eq","value":"Oslo"}]]}"#
                    .to_owned(),
            ),
            (
                Want::Couple { direction: Direction::ToDataverse },
                Chosen::Pairs(vec![(id.parse().expect("an id"), id.parse().expect("an id"))]),
                format!(r#""want":{{"couple":{{"direction":"to_dataverse"}}}},"of":{{"pairs":[["{id}","{id}"]]}}"#),
            ),
            (
                Want::Match { synchronize: None, create: true, dry_run: false },
                Chosen::Uncoupled(vec![vec![MatchPair {
                    business_central: "number".to_owned(),
                    dataverse: "accountnumber".to_owned(),
                    case_sensitive: false,
                }]]),
                r#""want":{"match":{"synchronize":null,"create":true,"dry_run":false}},"of":{"uncoupled":[[{"business_central":"number","dataverse":"accountnumber"}]]}"#
                    .to_owned(),
            ),
        ] {
            let run: RunId = "0198c0de-0000-7000-8000-000000000001".parse().expect("an id");
            let request = Request { run, mapping: "CUSTOMER".into(), want, of, after: None };
            let text = format!(r#"{{"run":"{run}","mapping":"CUSTOMER",{text}}}"#);
            assert_eq!(serde_json::to_string(&request).expect("JSON"), text);
            assert_eq!(serde_json::from_str::<Request>(&text).expect("a request"), request);
        }
    }
}
