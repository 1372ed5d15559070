//! `couplet check`: whether both systems let us in and have what Couplet needs.

use std::path::Path;
use std::process::ExitCode;

use couplet_model::catalogue::Catalogue;
use couplet_model::filter::{Condition, Filter};
use couplet_model::ids::RecordId;
use couplet_model::system::System;
use couplet_model::value::Value;
use couplet_runtime::{Settings, Systems, wiring};
use serde_json::json;
use uuid::Uuid;

use crate::tables::{table, text};
use crate::{installation, output};

/// One thing that was looked at.
struct Finding {
    what: &'static str,
    result: Result<String, String>,
}

/// Looks at everything a synchronization needs; reads only.
pub async fn check(config: Option<&Path>, as_json: bool) -> anyhow::Result<ExitCode> {
    let settings = installation::settings(config)?;
    let catalogue = wiring::catalogue(&settings)?;
    let systems = Systems::new(&settings, &catalogue)?;
    let findings = [
        Finding { what: "Business Central: company", result: company(&settings, &systems).await },
        Finding { what: "Business Central: companion app", result: companion(&catalogue, &systems).await },
        Finding { what: "Dataverse: application user", result: user(&systems).await },
        Finding { what: "Dataverse: row of the company", result: company_row(&settings, &catalogue, &systems).await },
        Finding { what: "Store: company and organization", result: owner(config).await },
    ];
    let good = findings.iter().all(|finding| finding.result.is_ok());
    if as_json {
        let list: Vec<_> = findings
            .iter()
            .map(|finding| json!({ "what": finding.what, "good": finding.result.is_ok(), "remark": finding.result.as_ref().unwrap_or_else(|problem| problem) }))
            .collect();
        output::json(&json!({ "good": good, "findings": list }))?;
    } else {
        let mut shown = table(&["what", "good", "remark"]);
        for finding in &findings {
            let (good, remark) = match &finding.result {
                Ok(remark) => ("yes", remark),
                Err(problem) => ("NO", problem),
            };
            shown.add_row(vec![text(finding.what), text(good), text(remark)]);
        }
        output::result(&shown.to_string())?;
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn company(settings: &Settings, systems: &Systems) -> Result<String, String> {
    let companies = systems.business_central.companies().await.map_err(|error| error.to_string())?;
    match companies.iter().find(|company| company.id == settings.company) {
        Some(company) => Ok(company.name.clone()),
        None => {
            let names: Vec<_> = companies.iter().map(|company| format!("{} ({})", company.name, company.id)).collect();
            Err(format!("there is no company {}; set company to one of: {}", settings.company, names.join(", ")))
        }
    }
}

/// Asks the companion app for a record that does not exist.
async fn companion(catalogue: &Catalogue, systems: &Systems) -> Result<String, String> {
    const TABLE: &str = "Resource";
    let table = catalogue.business_central_table(TABLE).ok_or_else(|| format!("the catalogue has no table {TABLE}"))?;
    let columns: Vec<String> = table.label_column.iter().cloned().collect();
    let answer = systems.business_central.fetch(table, &[RecordId(Uuid::max())], &columns).await;
    answer.map(|_| "answers".to_owned()).map_err(|error| error.to_string())
}

async fn user(systems: &Systems) -> Result<String, String> {
    let who = systems.dataverse.who_am_i().await.map_err(|error| error.to_string())?;
    Ok(format!("user {} of organization {}", who.user_id, who.organization_id))
}

/// Whether what is stored on this machine belongs to the company and the organization of the settings, and no order is left
/// behind by them.
async fn owner(config: Option<&Path>) -> Result<String, String> {
    let application = installation::look(config).await.map_err(|error| format!("{error:#}"))?;
    application.engine.look_at_orders().await.map_err(|error| error.to_string())?;
    match application.engine.look_at_owner().await.map_err(|error| error.to_string())? {
        true => Ok("theirs".to_owned()),
        false => Ok("nobody's yet; the first run makes it theirs".to_owned()),
    }
}

async fn company_row(settings: &Settings, catalogue: &Catalogue, systems: &Systems) -> Result<String, String> {
    const TABLE: &str = "bcbi_company";
    let table = catalogue.dataverse_table(TABLE).ok_or_else(|| format!("the catalogue has no table {TABLE}"))?;
    let external = Condition::equal("bcbi_externalid", Value::text(settings.company.to_string()));
    let columns = ["bcbi_externalid".to_owned()];
    let rows = systems.dataverse.find(table, &Filter::all(vec![external]), &columns).await;
    match rows.map_err(|error| error.to_string())?.first() {
        Some(row) => Ok(row.id.to_string()),
        // Without it records carry no company, which is allowed.
        None => Ok("none; records are synchronized without a company".to_owned()),
    }
}
