//! `couplet check`: whether both systems let us in and have what Couplet needs, thing by thing, with what to do.

use std::path::Path;
use std::process::ExitCode;

use couplet_model::MappingName;
use couplet_runtime::check::{self, Finding, Level};
use couplet_runtime::{Application, Settings, Systems, wiring};
use serde_json::json;

use crate::arguments::CheckOptions;
use crate::tables::{table, text};
use crate::{installation, output};

/// Looks at everything a synchronization needs; reads only. Fails when something does not work.
pub async fn check(config: Option<&Path>, options: &CheckOptions) -> anyhow::Result<ExitCode> {
    let findings = look(&installation::settings(config)?, &options.mapping).await?;
    let good = findings.iter().all(|finding| finding.level != Level::Bad);
    if options.json {
        let list: Vec<_> = findings.iter().map(object).collect();
        output::json(&json!({ "good": good, "findings": list }))?;
    } else {
        output::result(&render(&findings))?;
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Everything that was found with these settings; of the mappings those named, or all.
///
/// # Errors
/// When the settings cannot be used, or a mapping is none.
pub async fn look(settings: &Settings, mappings: &[String]) -> anyhow::Result<Vec<Finding>> {
    let catalogue = wiring::catalogue(settings)?;
    let systems = Systems::new(settings, &catalogue)?;
    let stored = installation::look_by(settings).await;
    // Where the store cannot be opened, the systems are looked at all the same.
    let application = match &stored {
        Ok(application) => application.clone(),
        Err(_) => installation::without_store(settings).await?,
    };
    let named = mappings.iter().map(|name| installation::mapping(&application.engine, name));
    let only = named.collect::<anyhow::Result<Vec<MappingName>>>()?;
    let mut findings = findings(settings, &application, &catalogue, &systems, &only).await;
    findings.push(store(&stored).await);
    Ok(findings)
}

async fn findings(
    settings: &Settings,
    application: &Application,
    catalogue: &couplet_model::catalogue::Catalogue,
    systems: &Systems,
    only: &[MappingName],
) -> Vec<Finding> {
    let engine = &application.engine;
    let mut findings = vec![match engine.disabled().await {
        Ok(None) => Finding::good("Connection", "enabled"),
        Ok(Some(disabled)) => Finding::warning("Connection", disabled.message(), "couplet enable"),
        Err(error) => Finding::bad("Connection", error.to_string(), None),
    }];
    findings.extend(check::check(settings, catalogue, systems, engine, only).await);
    findings
}

/// Whether what is stored on this machine belongs to the company and the organization of the settings, and no order is left
/// behind by them.
async fn store(application: &anyhow::Result<Application>) -> Finding {
    const WHAT: &str = "Store: company and organization";
    let look = async {
        let engine = &application.as_ref().map_err(|error| format!("{error:#}"))?.engine;
        engine.look_at_orders().await.map_err(|error| error.to_string())?;
        engine.look_at_owner().await.map_err(|error| error.to_string())
    };
    match look.await {
        Ok(true) => Finding::good(WHAT, "theirs"),
        Ok(false) => Finding::good(WHAT, "nobody's yet; the first run makes it theirs"),
        Err(problem) => Finding::bad(WHAT, problem, None),
    }
}

fn object(finding: &Finding) -> serde_json::Value {
    json!({
        "what": finding.what,
        "level": finding.level,
        "good": finding.level == Level::Good,
        "remark": finding.remark,
        "remedy": finding.remedy,
        "mapping": finding.mapping,
    })
}

/// A line for each finding, with what to do about it.
pub fn render(findings: &[Finding]) -> String {
    let mut shown = table(&["what", "state", "remark", "what to do"]);
    for finding in findings {
        let level = match finding.level {
            Level::Good => "good",
            Level::Warning => "look",
            Level::Bad => "BAD",
        };
        let remedy = finding.remedy.as_deref().unwrap_or_default();
        shown.add_row(vec![text(&finding.what), text(level), text(&finding.remark), text(remedy)]);
    }
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let (good, look, bad) = (count(Level::Good), count(Level::Warning), count(Level::Bad));
    format!("{shown}\n{good} good, {look} to look at, {bad} bad")
}
