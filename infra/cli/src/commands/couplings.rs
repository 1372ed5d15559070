//! `couplet couplings MAPPING`: the pairs of a mapping.

use std::process::ExitCode;

use couplet_engine::Engine;
use couplet_model::coupling::{Coupling, CouplingState, LastResult};
use couplet_model::ids::MappingName;
use couplet_store::CouplingPage;
use serde_json::{Value, json};

use super::jobs::seconds;
use crate::place::Place;
use crate::tables::{table, text};
use crate::{installation, output};

/// Lists couplings.
pub async fn couplings(place: &Place, name: &str, limit: u32, as_json: bool) -> anyhow::Result<ExitCode> {
    let application = place.look().await?;
    let (engine, store) = (&application.engine, application.engine.store());
    let mapping = installation::mapping(engine, name)?;
    let total = store.count_couplings(engine.company(), &mapping).await?;
    let limit = limit as usize;
    let found = page(engine, &mapping, None, limit, usize::MAX, |_| true).await?.couplings;
    if as_json {
        let list: Vec<Value> = found.iter().map(object).collect();
        output::json(&json!({ "mapping": mapping, "couplings": list, "total": total }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut shown = table(&["key", "Business Central", "Dataverse", "state", "last synchronized", "problem"]);
    for coupling in &found {
        let results = [coupling.to_dataverse.as_ref(), coupling.from_dataverse.as_ref()];
        let last = results.into_iter().flatten().max_by_key(|result| result.at);
        let problem = results.into_iter().flatten().find_map(|result| result.failure.clone());
        shown.add_row(vec![
            text(coupling.key.as_deref().unwrap_or("–")),
            text(coupling.system_id),
            text(coupling.dataverse_id),
            text(state(coupling)),
            text(last.map_or_else(|| "never".to_owned(), |result| seconds(result.at))),
            text(problem.unwrap_or_default()),
        ]);
    }
    output::result(&format!("{shown}\n{} of {total} couplings of {mapping}", found.len()))?;
    Ok(ExitCode::SUCCESS)
}

/// Couplings of a mapping that meet a condition, from a place on: as many as are wanted, among so many as may be looked at, and
/// where the next ones begin.
pub(super) async fn page(
    engine: &Engine,
    mapping: &MappingName,
    mut after: Option<String>,
    wanted: usize,
    looked_at: usize,
    is_meant: impl Fn(&Coupling) -> bool,
) -> anyhow::Result<CouplingPage> {
    let (mut found, mut left) = (Vec::new(), looked_at);
    loop {
        // No more at once than are wanted: the place to go on from is behind a whole page.
        let size = (wanted - found.len()).min(left);
        let page = engine.store().coupling_page(engine.company(), mapping, after, size).await?;
        left = left.saturating_sub(page.couplings.len().max(1));
        found.extend(page.couplings.into_iter().filter(&is_meant));
        after = page.next;
        if after.is_none() || found.len() >= wanted || left == 0 {
            return Ok(CouplingPage { couplings: found, next: after });
        }
    }
}

fn state(coupling: &Coupling) -> &'static str {
    match coupling.state {
        _ if coupling.skipped => "skipped",
        CouplingState::Reserved => "being created",
        CouplingState::Coupled => "coupled",
    }
}

fn object(coupling: &Coupling) -> Value {
    let result = |result: &Option<LastResult>| {
        result.as_ref().map(|last| json!({ "run": last.run, "at": last.at, "failure": last.failure }))
    };
    json!({
        "key": coupling.key,
        "business_central": coupling.system_id,
        "dataverse": coupling.dataverse_id,
        "state": coupling.state,
        "skipped": coupling.skipped,
        "to_dataverse": result(&coupling.to_dataverse),
        "from_dataverse": result(&coupling.from_dataverse),
    })
}
