//! Lines of an order in Dataverse that came from Business Central, or went there, and that its last archive does not have
//! (S133, line by line).

use std::collections::{BTreeSet, HashMap, HashSet};

use couplet_model::record::Values;
use couplet_model::system::{SystemErrorKind, Write, WriteAction};
use couplet_model::table::Side;
use couplet_model::{RecordId, SystemError};
use uuid::Uuid;

use super::numbers::NumberedLines;
use crate::bulk::write_all;
use crate::mappings::order_standing::{as_system_error, open_orders};
use crate::mappings::rules::{AfterWrite, Context};

/// Deletes them; an order for which this fails says so.
pub(super) async fn delete(
    context: Context<'_>,
    lines: &HashMap<RecordId, HashSet<i64>>,
    records: &mut [AfterWrite<'_>],
) {
    let orders: HashMap<Uuid, RecordId> =
        records.iter().map(|record| (record.destination.0, record.source.id)).collect();
    let failed = match delete_from(context, lines, &orders).await {
        Ok(failed) => failed,
        Err(error) => orders.keys().map(|order| (*order, error.clone())).collect(),
    };
    for record in records.iter_mut() {
        if let Some(error) = failed.get(&record.destination.0) {
            record.beside = Err(error.clone());
        }
    }
}

async fn delete_from(
    context: Context<'_>,
    lines: &HashMap<RecordId, HashSet<i64>>,
    orders: &HashMap<Uuid, RecordId>,
) -> Result<HashMap<Uuid, SystemError>, SystemError> {
    let installation = context.installation;
    let table = installation
        .table(Side::Dataverse, "salesorderdetail")
        .map_err(|error| as_system_error(&error, Side::Dataverse))?;
    let system = installation.system(Side::Dataverse);
    let found = NumberedLines::of(installation, orders.keys().copied()).await;
    let found = found.map_err(|error| as_system_error(&error, Side::Dataverse))?;
    let is_kept = |order: &Uuid, number: &i64| {
        let kept = orders.get(order).and_then(|archive| lines.get(archive));
        kept.is_none_or(|kept| kept.contains(number))
    };
    let surplus = found.numbered.into_iter().filter(|(order, number, _)| !is_kept(order, number));
    let surplus: Vec<(Uuid, RecordId)> = surplus.map(|(order, _, line)| (order, line)).collect();
    if surplus.is_empty() {
        return Ok(HashMap::new());
    }
    let concerned: BTreeSet<RecordId> = surplus.iter().map(|(order, _)| RecordId(*order)).collect();
    let concerned: Vec<RecordId> = concerned.into_iter().collect();
    let opened =
        open_orders(installation, &concerned).await.map_err(|error| as_system_error(&error, Side::Dataverse))?;
    let mut failed: HashMap<Uuid, SystemError> =
        concerned.iter().zip(opened).filter_map(|(order, result)| Some((order.0, result.err()?))).collect();
    let surplus: Vec<(Uuid, RecordId)> = surplus.into_iter().filter(|(order, _)| !failed.contains_key(order)).collect();
    let delete = |(_, id): &(Uuid, RecordId)| Write { action: WriteAction::Delete { id: *id }, values: Values::new() };
    let writes: Vec<Write> = surplus.iter().map(delete).collect();
    // `write_all` gives one result per write.
    for ((order, _), result) in surplus.into_iter().zip(write_all(system, &table, &writes).await) {
        if let Err(error) = result
            && error.kind != SystemErrorKind::NotFound
        {
            failed.insert(order, error);
        }
    }
    Ok(failed)
}
