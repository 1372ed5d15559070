//! How what was asked for of a record is asked for again, in words and as a command, when its message does not come back.

use couplet_model::message::{Partner, Remedy, Resolution, Wish};
use couplet_model::table::Side;
use couplet_model::{RecordId, RecordMessage};

/// What has to be asked for again of a record whose message is gone, and how.
pub(crate) fn ask_again(message: &RecordMessage) -> String {
    let mapping = &message.mapping;
    let source = named(message.direction.source(), message.record);
    let Some(wish) = &message.wish else { return format!("couplet retry \"{mapping}\" synchronizes it") };
    let (wanted, command) = match wish {
        Wish::Resolve(resolution) => (
            "to be settled as a person chose",
            format!("conflicts resolve \"{mapping}\" {source}{}", choice(resolution)),
        ),
        Wish::Couple(partner) | Wish::CoupleOnly(Partner { record: partner, .. }) => {
            let partner = named(message.direction.destination(), *partner);
            ("to be coupled with the record that a person chose", format!("couple \"{mapping}\" {source} {partner}"))
        }
        Wish::Uncouple => ("to be uncoupled", format!("uncouple \"{mapping}\" {source}")),
        Wish::Skip => ("to be skipped", format!("skip \"{mapping}\" {source}")),
        Wish::Unskip => ("to be brought back and synchronized", format!("unskip \"{mapping}\" {source}")),
        // All pairs of the mapping were to end; the row is found with them.
        Wish::LeaveCompany => ("to be taken off the company", format!("uncouple \"{mapping}\" --all")),
        Wish::Mend(remedy) => {
            let (wanted, command) = match remedy {
                Remedy::Restore => ("to get its deleted partner again", "restore"),
                Remedy::Delete => ("to be ended with what is left of its pair", "delete"),
                Remedy::Uncouple => ("to be uncoupled from its deleted partner", "uncouple"),
            };
            (wanted, format!("deleted {command} \"{mapping}\" {source}"))
        }
        Wish::TellIfGone => (
            "to be looked at, because a record of its pair seemed to be deleted",
            format!("deleted \"{mapping}\" --look"),
        ),
    };
    format!("it was {wanted}, which is not done: ask for it again with couplet {command}")
}

fn named(side: Side, record: RecordId) -> String {
    match side {
        Side::BusinessCentral => format!("--bc {record}"),
        Side::Dataverse => format!("--dataverse {record}"),
    }
}

fn choice(resolution: &Resolution) -> String {
    let side = |side: Side| match side {
        Side::BusinessCentral => "business-central",
        Side::Dataverse => "dataverse",
    };
    let wins = resolution.wins.map(|winner| format!(" --wins {}", side(winner)));
    let fields = resolution.fields.iter().map(|(field, winner)| format!(" --field \"{field}={}\"", side(*winner)));
    wins.into_iter().chain(fields).collect()
}

#[cfg(test)]
mod tests {
    use couplet_model::message::{Direction, MESSAGE_FORMAT, SyncOptions};
    use couplet_model::{CompanyId, MappingName, RunId};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn every_wish_is_asked_for_again_with_its_own_command() {
        let [source, partner] = [1, 2].map(|number| RecordId(Uuid::from_u128(number)));
        let fields = [("faxNo".to_owned(), Side::Dataverse)].into();
        let resolution = Resolution { wins: Some(Side::BusinessCentral), fields };
        for (wish, direction, command) in [
            (None, Direction::ToDataverse, "couplet retry \"SALES ORDERS\" synchronizes it".to_owned()),
            (
                Some(Wish::Resolve(resolution)),
                Direction::ToDataverse,
                format!(
                    "couplet conflicts resolve \"SALES ORDERS\" --bc {source} --wins business-central --field \"faxNo=dataverse\""
                ),
            ),
            (
                Some(Wish::Couple(partner)),
                Direction::FromDataverse,
                format!("couplet couple \"SALES ORDERS\" --dataverse {source} --bc {partner}"),
            ),
            (
                Some(Wish::CoupleOnly(Partner { record: partner, seen: None })),
                Direction::ToDataverse,
                format!("couplet couple \"SALES ORDERS\" --bc {source} --dataverse {partner}"),
            ),
            (Some(Wish::Uncouple), Direction::ToDataverse, format!("couplet uncouple \"SALES ORDERS\" --bc {source}")),
            (Some(Wish::Skip), Direction::ToDataverse, format!("couplet skip \"SALES ORDERS\" --bc {source}")),
            (
                Some(Wish::Unskip),
                Direction::FromDataverse,
                format!("couplet unskip \"SALES ORDERS\" --dataverse {source}"),
            ),
            (
                Some(Wish::Mend(Remedy::Restore)),
                Direction::FromDataverse,
                format!("couplet deleted restore \"SALES ORDERS\" --dataverse {source}"),
            ),
            (
                Some(Wish::Mend(Remedy::Delete)),
                Direction::ToDataverse,
                format!("couplet deleted delete \"SALES ORDERS\" --bc {source}"),
            ),
            (Some(Wish::TellIfGone), Direction::ToDataverse, "couplet deleted \"SALES ORDERS\" --look".to_owned()),
            (Some(Wish::LeaveCompany), Direction::ToDataverse, "couplet uncouple \"SALES ORDERS\" --all".to_owned()),
        ] {
            let message = RecordMessage {
                v: MESSAGE_FORMAT,
                company: CompanyId(Uuid::nil()),
                mapping: MappingName::from("SALES ORDERS"),
                direction,
                record: source,
                job: String::new(),
                run: RunId::fresh(),
                options: SyncOptions::default(),
                snapshot: None,
                replay: None,
                wish,
            };
            let said = ask_again(&message);
            assert!(said.ends_with(&command), "{said}");
            assert_eq!(said.contains("which is not done"), message.wish.is_some(), "{said}");
        }
    }
}
