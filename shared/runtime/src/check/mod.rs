//! Whether an installation can work: both systems, the identity and its rights, what is installed there, and each mapping.
//! It reads only. What was found is judged in [`judging`], without asking anybody.

pub mod finding;
pub mod judging;
mod reaching;

pub use reaching::{Challenge, reach};

use std::collections::BTreeSet;

use couplet_engine::Engine;
use couplet_model::catalogue::{ActiveMapping, Catalogue};
use couplet_model::filter::{Condition, Filter};
use couplet_model::ids::RecordId;
use couplet_model::switches::Switches;
use couplet_model::system::System;
use couplet_model::table::Side;
use couplet_model::value::Value;
use couplet_model::{Clock, MappingName};
use uuid::Uuid;

use crate::configuration::Settings;
use crate::wiring::Systems;
pub use finding::{Finding, Level};
use judging::{BASE_SOLUTION, INTEGRATION_ROLES, SALES_SOLUTION};

/// Looks at both systems, and at the mappings named, or at all that are active. `engine` works with the same settings.
///
/// What cannot be looked at because something before it does not work is left out: one cause is one finding.
pub async fn check(
    settings: &Settings,
    catalogue: &Catalogue,
    systems: &Systems,
    engine: &Engine,
    only: &[MappingName],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (here, there) = tokio::join!(business_central(settings, catalogue, systems), dataverse(settings, systems));
    let (is_here, is_there) = (here.enters, there.enters);
    findings.extend(here.findings);
    findings.extend(there.findings);
    if is_there {
        findings.push(company_row(settings, catalogue, systems).await);
    }
    if is_here && is_there {
        findings.push(match engine.look_at_currencies().await {
            Ok(currencies) => judging::currencies(&currencies),
            Err(error) => Finding::bad("Currencies", error.to_string(), None),
        });
        findings.extend(mappings(systems, engine, there.user, only).await);
    }
    findings
}

/// What was seen of one system, and whether it lets us in.
struct Seen {
    findings: Vec<Finding>,
    enters: bool,
    user: Option<Uuid>,
}

async fn business_central(settings: &Settings, catalogue: &Catalogue, systems: &Systems) -> Seen {
    let client = &systems.business_central;
    let company = match client.companies().await {
        Ok(companies) => judging::company(settings.company, &companies),
        Err(error) => judging::closed("Business Central: company", &error),
    };
    if company.level == Level::Bad {
        return Seen { findings: vec![company], enters: false, user: None };
    }
    let mut findings = vec![company];
    if let Ok(Some(time)) = client.time().await {
        findings.push(judging::clock(Side::BusinessCentral, time, Clock::default().now()));
    }
    findings.push(companion(settings, catalogue, systems).await);
    Seen { findings, enters: true, user: None }
}

/// Asks the companion app for a record that does not exist.
async fn companion(settings: &Settings, catalogue: &Catalogue, systems: &Systems) -> Finding {
    const WHAT: &str = "Business Central: companion app";
    const TABLE: &str = "Resource";
    if !settings.business_central.companion {
        return Finding::warning(
            WHAT,
            "switched off in the settings",
            "publish infra/business-central and set business_central.companion = true: mappings that need its fields say which are missing",
        );
    }
    let Some(table) = catalogue.business_central_table(TABLE) else {
        return Finding::bad(WHAT, format!("the catalogue has no table {TABLE}"), None);
    };
    let columns: Vec<String> = table.label_column.iter().cloned().collect();
    match systems.business_central.fetch(table, &[RecordId(Uuid::max())], &columns).await {
        Ok(_) => Finding::good(WHAT, "answers"),
        Err(error) => {
            let remedy = "publish the app in infra/business-central in this environment, or set business_central.companion = false";
            Finding::bad(WHAT, error.to_string(), Some(remedy.to_owned()))
        }
    }
}

async fn dataverse(settings: &Settings, systems: &Systems) -> Seen {
    const USER: &str = "Dataverse: application user";
    let client = &systems.dataverse;
    let who = match client.who_am_i().await {
        Ok(who) => who,
        Err(error) => return Seen { findings: vec![judging::closed(USER, &error)], enters: false, user: None },
    };
    let known: Vec<Uuid> = INTEGRATION_ROLES.iter().map(|(id, _)| Uuid::from_u128(*id)).collect();
    let (user, deployed) = tokio::join!(client.application_user(who.user_id), client.roles(&known));
    let mut findings = vec![match &user {
        Ok(user) => judging::user(USER, user, who.organization_id),
        Err(error) => Finding::warning(
            USER,
            format!("user {} of organization {}; its row cannot be read: {error}", who.user_id, who.organization_id),
            "give it a role that may read users",
        ),
    }];
    if let Ok(Some(time)) = client.time().await {
        findings.push(judging::clock(Side::Dataverse, time, Clock::default().now()));
    }
    if let (Ok(user), Ok(deployed)) = (user, deployed) {
        findings.extend(judging::roles(&user, &deployed));
    }
    match client.solutions(&[BASE_SOLUTION, SALES_SOLUTION]).await {
        Ok(installed) => findings.extend(judging::solutions(&installed, &needed_solutions(&settings.switches))),
        Err(error) => findings.push(Finding::warning(
            "Dataverse: solutions",
            error.to_string(),
            "give the application user a role that may read solutions, to see which are installed",
        )),
    }
    Seen { findings, enters: true, user: Some(who.user_id) }
}

/// The solutions an installation with these switches needs: the base one, and that of Sales for orders (S345).
fn needed_solutions(switches: &Switches) -> Vec<&'static str> {
    let sales = switches.sales_orders != couplet_model::switches::SalesOrders::Off;
    [Some(BASE_SOLUTION), sales.then_some(SALES_SOLUTION)].into_iter().flatten().collect()
}

async fn company_row(settings: &Settings, catalogue: &Catalogue, systems: &Systems) -> Finding {
    const WHAT: &str = "Dataverse: row of the company";
    const TABLE: &str = "bcbi_company";
    let Some(table) = catalogue.dataverse_table(TABLE) else {
        return Finding::bad(WHAT, format!("the catalogue has no table {TABLE}"), None);
    };
    let external = Condition::equal("bcbi_externalid", Value::text(settings.company.to_string()));
    let columns = ["bcbi_externalid".to_owned()];
    let rows = systems.dataverse.find(table, &Filter::all(vec![external]), &columns).await;
    judging::company_row(WHAT, rows.map(|rows| rows.first().map(|row| row.id)), settings.switches.ownership)
}

async fn mappings(systems: &Systems, engine: &Engine, user: Option<Uuid>, only: &[MappingName]) -> Vec<Finding> {
    let mappings: Vec<&ActiveMapping> =
        engine.mappings().into_iter().filter(|mapping| only.is_empty() || only.contains(&mapping.name)).collect();
    let tables: BTreeSet<String> =
        mappings.iter().flat_map(|mapping| judging::needed_rights(mapping)).map(|(table, _)| table).collect();
    let given = match user {
        Some(user) => systems.dataverse.privileges_of(user).await,
        None => return Vec::new(),
    };
    let set_up = systems.dataverse.tables_set_up(&tables).await;
    let mut findings = Vec::new();
    match (&given, &set_up) {
        (Ok(_), Ok(_)) => {}
        (Err(error), _) | (_, Err(error)) => findings.push(Finding::warning(
            "Dataverse: rights",
            format!("they cannot be read: {error}"),
            "give the application user a role that may read roles and table definitions",
        )),
    }
    let jobs = engine.jobs();
    for mapping in mappings {
        let mut of_mapping = Vec::new();
        let job = jobs.iter().find(|job| job.name == mapping.name.as_str());
        if let Some(Err(missing)) = job.map(|job| &job.ready) {
            let what = format!("{}: cannot run", mapping.name);
            findings.push(Finding::bad(what, missing.clone(), None).of(&mapping.name));
            continue;
        }
        if let (Ok(given), Ok(set_up)) = (&given, &set_up) {
            of_mapping.extend(judging::rights(mapping, set_up, given));
            of_mapping.extend(judging::change_tracking(mapping, set_up));
        }
        match engine.column_notes(&mapping.name).await {
            Ok(notes) => of_mapping.extend(notes.into_iter().map(|note| judging::column_note(mapping, &note))),
            Err(error) => {
                of_mapping.push(Finding::bad(format!("{}: columns", mapping.name), error.to_string(), None));
            }
        }
        if of_mapping.is_empty() {
            of_mapping.push(Finding::good(mapping.name.to_string(), "can run"));
        }
        findings.extend(of_mapping.into_iter().map(|finding| finding.of(&mapping.name)));
    }
    findings
}
