//! The activity feed of orders in Dataverse: posts show where it is configured for the table (S140).

use std::sync::Arc;

use couplet_model::record::Values;
use couplet_model::system::Write;
use couplet_model::table::Side;
use couplet_model::{Condition, Filter, Record, Value};

use super::super::order_notes::ORDER;
use crate::bulk::write_all;
use crate::error::EngineError;
use crate::installation::Installation;

/// The table of the configurations.
const CONFIGURATION: &str = "msdyn_postconfig";
/// What an active configuration with a wall holds.
const ACTIVE: [(&str, Value); 3] =
    [("statecode", Value::Int(0)), ("statuscode", Value::Int(1)), ("msdyn_configurewall", Value::Bool(true))];

/// Activates the configuration of orders, if there is one that is not active. Without it posts are refused, which is said of
/// the record; so what goes wrong here is only written down.
pub(super) async fn activate(installation: &Installation) {
    if let Err(error) = activated(installation).await {
        tracing::debug!(error = error.for_log(), "the activity feed of orders cannot be configured");
    }
}

async fn activated(installation: &Installation) -> Result<(), EngineError> {
    let filter = Filter::all(vec![Condition::equal("msdyn_entityname", Value::text(ORDER))]);
    let found = installation.find_rows(CONFIGURATION, &filter, &ACTIVE.each_ref().map(|(name, _)| *name)).await?;
    let writes: Vec<Write> = found
        .iter()
        .filter(|row| !is_active(row))
        .map(|row| {
            let values: Values = ACTIVE.iter().map(|(name, value)| (Arc::from(*name), value.clone())).collect();
            Write::update(row.id, None, values)
        })
        .collect();
    let table = installation.table(Side::Dataverse, CONFIGURATION)?;
    for result in write_all(installation.system(Side::Dataverse), &table, &writes).await {
        result?;
    }
    Ok(())
}

fn is_active(row: &Record) -> bool {
    ACTIVE.iter().all(|(name, value)| row.get(name) == value)
}
