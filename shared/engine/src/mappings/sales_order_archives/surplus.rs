//! Lines of an order in Dataverse that came from Business Central, or went there, and that its last archive does not have
//! (S133, line by line).

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use couplet_model::record::Values;
use couplet_model::system::{SystemErrorKind, Write, WriteAction};
use couplet_model::table::Side;
use couplet_model::{Condition, Filter, RecordId, SystemError, Value};
use uuid::Uuid;

use crate::bulk::write_all;
use crate::mappings::order_names::LINE_NUMBER;
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
    let of_order = |id: &Uuid| Value::Reference { table: Arc::from("salesorder"), id: *id };
    let filter = Filter::all(vec![Condition::one_of("salesorderid", orders.keys().map(of_order).collect())]);
    let columns = ["salesorderid", LINE_NUMBER].map(str::to_owned);
    let system = installation.system(Side::Dataverse);
    let found = system.find(&table, &filter, &columns).await?;
    let surplus: Vec<(Uuid, RecordId)> = found
        .iter()
        .filter_map(|line| {
            let (order, number) = (line.get("salesorderid").as_guid()?, line.get(LINE_NUMBER).as_int()?);
            let kept = lines.get(orders.get(&order)?)?;
            (number != 0 && !kept.contains(&number)).then_some((order, line.id))
        })
        .collect();
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
