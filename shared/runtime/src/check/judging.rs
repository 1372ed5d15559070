//! What was seen of an installation, judged: how it stands, and what to do.

use std::collections::BTreeSet;

use couplet_business_central::Company;
use couplet_dataverse::{ApplicationUser, Role, Solution, TableSetUp};
use couplet_engine::Currencies;
use couplet_model::catalogue::ActiveMapping;
use couplet_model::ids::{CompanyId, RecordId};
use couplet_model::message::Direction;
use couplet_model::switches::Ownership;
use couplet_model::system::{SystemError, SystemErrorKind};
use couplet_model::table::{FieldType, Side};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::finding::Finding;

/// The base solution of Business Central in Dataverse (S327).
pub const BASE_SOLUTION: &str = "bcbi_CdsBaseIntegration";
/// Its solution for Sales (S328).
pub const SALES_SOLUTION: &str = "MicrosoftDynamicsNavIntegration";
/// Roles that the integration user needs where they are deployed (S315, S318): id and name.
pub const INTEGRATION_ROLES: [(u128, &str); 3] = [
    (0xa2b1_8661_9ff5_e911_a812_000d_3a0b_9028, "Business Central Integration"),
    (0x8c8d_4f51_a72b_e511_80d9_3863_bb34_9780, "Business Central integration administrator"),
    (0x6f96_0e32_a72b_e511_80d9_3863_bb34_9780, "Business Central integration user"),
];
/// The template of the role that may do everything (S314).
const SYSTEM_ADMINISTRATOR: u128 = 0x6270_90ff_40a3_4053_8790_584e_dc5b_e201;
/// Access modes in which an application can work: reading and writing, and without a person (S316).
const ACCESS_MODES: [i64; 2] = [0, 4];
/// How far a clock may be off. From five minutes on tokens are refused, and changes can be missed (`limits.look_back_minutes`).
const CLOCK_WARNS: SignedDuration = SignedDuration::from_secs(30);
const CLOCK_FAILS: SignedDuration = SignedDuration::from_mins(5);

/// A system that does not let us in.
pub(super) fn closed(what: &str, error: &SystemError) -> Finding {
    let remedy = match error.kind {
        SystemErrorKind::Unreachable | SystemErrorKind::Timeout => "check the address in the settings, and the network",
        SystemErrorKind::Unauthorized => {
            "check entra.tenant, entra.client_id and entra.client_secret or what is in its place, and admin consent"
        }
        SystemErrorKind::Forbidden => {
            "register the application in this environment and give it its permissions; an environment in administration mode lets administrators in alone"
        }
        _ => "check the settings of this system",
    };
    Finding::bad(what, error.to_string(), Some(remedy.to_owned()))
}

/// Whether the company of the settings is in the environment.
pub(super) fn company(wanted: CompanyId, companies: &[Company]) -> Finding {
    const WHAT: &str = "Business Central: company";
    match companies.iter().find(|company| company.id == wanted) {
        Some(company) => Finding::good(WHAT, company.name.clone()),
        None => {
            let names: Vec<_> = companies.iter().map(|company| format!("{} ({})", company.name, company.id)).collect();
            let remedy = format!("set company to one of: {}", names.join(", "));
            Finding::bad(WHAT, format!("there is no company {wanted}"), Some(remedy))
        }
    }
}

/// Whether this machine's clock fits that of a system.
pub(super) fn clock(side: Side, there: Timestamp, here: Timestamp) -> Finding {
    let what = format!("{side}: clock");
    let apart = here.duration_since(there);
    let seconds = apart.as_secs().abs();
    let remark =
        format!("this machine's clock is {seconds} s {}", if apart.is_negative() { "behind" } else { "ahead" });
    let remedy = "set this machine's clock, by a time server: tokens and change feeds depend on it";
    match apart.abs() {
        apart if apart < CLOCK_WARNS => Finding::good(what, "agrees"),
        apart if apart < CLOCK_FAILS => Finding::warning(what, remark, remedy),
        _ => Finding::bad(what, remark, Some(remedy.to_owned())),
    }
}

/// The application's user itself (S315).
pub(super) fn user(what: &str, user: &ApplicationUser, organization: Uuid) -> Finding {
    let name = user.name.as_deref().unwrap_or("without a name");
    if user.is_disabled {
        return Finding::bad(
            what,
            format!("{name} is disabled"),
            Some("enable the application user in the Power Platform admin center".to_owned()),
        );
    }
    if let Some(mode) = user.access_mode.filter(|mode| !ACCESS_MODES.contains(mode)) {
        return Finding::bad(
            what,
            format!("{name} has the access mode {mode}, which may not change data"),
            Some("set it to Read-Write or Non-interactive".to_owned()),
        );
    }
    if user.roles.is_empty() {
        return Finding::warning(
            what,
            format!("{name} has no security role of its own"),
            "give it the integration roles, unless its teams have them",
        );
    }
    if user.roles.iter().any(is_administrator) {
        return Finding::warning(
            what,
            format!("{name} is a system administrator"),
            "give it the integration roles instead: they are the narrower choice, and show in audits who did what",
        );
    }
    Finding::good(what, format!("{name}, organization {organization}"))
}

fn is_administrator(role: &Role) -> bool {
    let administrator = Uuid::from_u128(SYSTEM_ADMINISTRATOR);
    role.is(administrator) || role.template == Some(administrator)
}

/// Roles that are deployed and that the user lacks (S315, S318).
pub(super) fn roles(user: &ApplicationUser, deployed: &[Role]) -> Option<Finding> {
    const WHAT: &str = "Dataverse: roles";
    if user.roles.iter().any(is_administrator) {
        return None;
    }
    let has = |id: u128| user.roles.iter().any(|role| role.is(Uuid::from_u128(id)));
    let name = |id: u128, known: &str| {
        let role = deployed.iter().find(|role| role.id == Uuid::from_u128(id))?;
        Some(role.name.clone().unwrap_or_else(|| known.to_owned()))
    };
    let missing: Vec<String> =
        INTEGRATION_ROLES.iter().filter(|(id, _)| !has(*id)).filter_map(|(id, known)| name(*id, known)).collect();
    Some(if deployed.is_empty() {
        Finding::warning(
            WHAT,
            "none of the integration roles is deployed",
            "install the base solution of Business Central, or give the user a role of your own with the rights below",
        )
    } else if missing.is_empty() {
        let names: Vec<&str> = user.roles.iter().filter_map(|role| role.name.as_deref()).collect();
        Finding::good(WHAT, names.join(", "))
    } else {
        Finding::warning(
            WHAT,
            format!("the user lacks {}", missing.join(", ")),
            "assign them in the Power Platform admin center, unless a role of your own gives the same rights",
        )
    })
}

/// Solutions that are installed, and those that are missing.
pub(super) fn solutions(installed: &[Solution], needed: &[&str]) -> Vec<Finding> {
    let of = |name: &&str| {
        let what = format!("Dataverse: solution {name}");
        match installed.iter().find(|solution| solution.unique_name.eq_ignore_ascii_case(name)) {
            Some(solution) => Finding::good(what, solution.version.as_deref().unwrap_or("installed").to_owned()),
            None => Finding::warning(
                what,
                "is not installed",
                "install it from Business Central (Dataverse connection setup); mappings whose tables or columns it brings cannot run without it",
            ),
        }
    };
    needed.iter().map(of).collect()
}

/// The row of the company in Dataverse (S319, S324).
pub(super) fn company_row(what: &str, row: Result<Option<RecordId>, SystemError>, ownership: Ownership) -> Finding {
    match row {
        Ok(Some(id)) => Finding::good(what, id.to_string()),
        Ok(None) if ownership == Ownership::Team => Finding::warning(
            what,
            "there is none, so that records have no company and no owning team",
            "create a row in bcbi_company with the company's id as its external id, and its default owning team",
        ),
        // Without it records carry no company, which is allowed.
        Ok(None) => Finding::good(what, "none; records are synchronized without a company"),
        Err(error) => Finding::bad(what, error.to_string(), None),
    }
}

/// Whether both systems reckon in currencies that fit (C-130).
pub(super) fn currencies(currencies: &Currencies) -> Finding {
    const WHAT: &str = "Currencies";
    let Currencies { local, base, has_local, rate } = currencies;
    if local.eq_ignore_ascii_case(base) {
        return Finding::good(WHAT, format!("both reckon in {local}"));
    }
    match (has_local, rate) {
        (true, _) => Finding::good(WHAT, format!("{local} here, {base} there, and {local} is known there")),
        (false, Ok(())) => Finding::warning(
            WHAT,
            format!("Dataverse reckons in {base} and has no currency {local}"),
            format!("add {local} there, or let the first run add it with the exchange rate of Business Central"),
        ),
        (false, Err(reason)) => Finding::bad(
            WHAT,
            format!(
                "Dataverse reckons in {base} and has no currency {local}, and there is no rate to add it with: {reason}"
            ),
            Some(format!(
                "add {local} to Dataverse, or an exchange rate between {local} and {base} to Business Central"
            )),
        ),
    }
}

/// Kinds of rights by table in Dataverse that a mapping needs: those of its own table, and to refer to the rows its lookups
/// name. What its rules do beyond its rows may need more.
pub(super) fn needed_rights(mapping: &ActiveMapping) -> BTreeSet<(String, &'static str)> {
    let table = &mapping.dataverse;
    let mut needed = BTreeSet::new();
    if table.choice.is_some() {
        return needed;
    }
    let mut add = |table: &str, kinds: &[&'static str]| {
        needed.extend(kinds.iter().map(|kind| (table.to_owned(), *kind)));
    };
    add(&table.name, &["Read"]);
    let writes = mapping.direction.directions().any(|direction| direction == Direction::ToDataverse);
    if !writes {
        return needed;
    }
    add(&table.name, &["Write", "Create", "Append"]);
    for column in mapping.columns(Side::Dataverse) {
        if let Some(FieldType::Lookup { targets }) = table.column(&column).map(|column| &column.field) {
            for target in targets {
                add(target, &["Read", "AppendTo"]);
            }
        }
    }
    needed
}

/// Rights that a mapping needs and the user lacks, and which role grants them as a rule. Without those for lookups and, where only
/// coupled records travel, for new rows the mapping works for other records.
pub(super) fn rights(mapping: &ActiveMapping, set_up: &[TableSetUp], given: &BTreeSet<Uuid>) -> Vec<Finding> {
    let mut missing = Vec::new();
    let mut is_bad = false;
    for (table, kind) in needed_rights(mapping) {
        let Some(definition) = set_up.iter().find(|definition| definition.logical_name == table) else {
            if table == mapping.dataverse.name {
                let what = format!("{}: table", mapping.name);
                let remark = format!("this environment has no table {table}, or the user may not see it");
                return vec![Finding::bad(what, remark, Some("install the solution that brings it".to_owned()))];
            }
            // A lookup may name tables that an environment does not have.
            continue;
        };
        let privilege = definition.privileges.iter().find(|privilege| privilege.privilege_type == kind);
        if let Some(privilege) = privilege.filter(|privilege| !given.contains(&privilege.privilege_id)) {
            let stops = matches!(kind, "Read" | "Write") || !mapping.only_coupled;
            is_bad |= table == mapping.dataverse.name && stops;
            missing.push(privilege.name.clone());
        }
    }
    if missing.is_empty() {
        return Vec::new();
    }
    let what = format!("{}: rights", mapping.name);
    let remark = format!("the application user lacks {}", missing.join(", "));
    let remedy = "assign Business Central Integration and the integration roles of Sales, which grant them, or add them to a role of the user";
    vec![match is_bad {
        true => Finding::bad(what, remark, Some(remedy.to_owned())),
        false => Finding::warning(what, remark, remedy),
    }]
}

/// Whether the service keeps what changed in the table a mapping reads.
pub(super) fn change_tracking(mapping: &ActiveMapping, set_up: &[TableSetUp]) -> Option<Finding> {
    let reads = mapping.direction.directions().any(|direction| direction == Direction::FromDataverse);
    let definition = set_up.iter().find(|definition| definition.logical_name == mapping.dataverse.name)?;
    (reads && definition.change_tracking_enabled == Some(false)).then(|| {
        Finding::warning(
            format!("{}: change tracking", mapping.name),
            format!(
                "is off for the table {}: changes are found by their time, and deletions once a day",
                definition.logical_name
            ),
            "switch it on in the table's properties (Track changes)",
        )
    })
}

/// What the operator should know about a column.
pub(super) fn column_note(mapping: &ActiveMapping, note: &str) -> Finding {
    // The last sentence of such a note says what to do.
    let (remark, remedy) = note.rsplit_once(". ").unwrap_or((note, "see the column's security in Dataverse"));
    Finding::warning(format!("{}: columns", mapping.name), remark, remedy)
}

#[cfg(test)]
mod tests;
