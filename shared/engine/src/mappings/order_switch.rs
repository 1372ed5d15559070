//! Between orders that travel one way and orders that travel both ways: which couplings of the one way the other would leave
//! without lines or would not understand, and which orders nobody would look after any more (S90, C-157, decision 0051).

use std::collections::HashSet;
use std::sync::Arc;

use couplet_model::record::Values;
use couplet_model::system::Write;
use couplet_model::table::Side;
use couplet_model::{Condition, Coupling, CouplingState, Filter, MappingName, RecordId, Value};

use super::order_names::{ARCHIVED_ORDERS, ORDERS};
use crate::bulk::write_all;
use crate::error::EngineError;
use crate::installation::Installation;

/// Couplings that are looked at together.
const PAGE: usize = 500;
/// State "Submitted" of an order in Dataverse.
const SUBMITTED: i64 = 1;

/// The coupled orders that are not over: both records are there, and no archive has been taken over. By the keys people know
/// them by.
pub(crate) async fn living_orders(installation: &Installation) -> Result<Vec<String>, EngineError> {
    let (company, orders, archived) = (installation.company(), ORDERS.into(), MappingName::from(ARCHIVED_ORDERS));
    let (mut living, mut after) = (Vec::new(), None);
    loop {
        let page = installation.store().coupling_page(company, &orders, after, PAGE).await?;
        let rows: Vec<RecordId> = page.couplings.iter().map(|coupling| coupling.dataverse_id.into()).collect();
        let over = installation.store().couplings_by_id(company, &archived, Side::Dataverse, &rows).await?;
        let is_open = |coupling: &Coupling| {
            coupling.state == CouplingState::Coupled && !over.contains_key(&coupling.id(Side::Dataverse))
        };
        let open: Vec<Coupling> = page.couplings.into_iter().filter(is_open).collect();
        let in_business_central = there(installation, Side::BusinessCentral, "Sales Header", &open).await?;
        let in_dataverse = there(installation, Side::Dataverse, "salesorder", &open).await?;
        let is_living = |coupling: &&Coupling| {
            in_business_central.contains(&coupling.id(Side::BusinessCentral))
                && in_dataverse.contains(&coupling.id(Side::Dataverse))
        };
        let name = |coupling: &Coupling| {
            coupling.key.clone().unwrap_or_else(|| coupling.id(Side::BusinessCentral).to_string())
        };
        living.extend(open.iter().filter(is_living).map(name));
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(living),
        }
    }
}

/// Which records of a side of some pairs are there.
async fn there(
    installation: &Installation,
    side: Side,
    table: &str,
    pairs: &[Coupling],
) -> Result<HashSet<RecordId>, EngineError> {
    let ids: Vec<RecordId> = pairs.iter().map(|pair| pair.id(side)).collect();
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let table = installation.table(side, table)?;
    let found = installation.system(side).fetch(&table, &ids, &[]).await?;
    Ok(found.into_iter().map(|record| record.id).collect())
}

/// Lets Business Central keep archived versions of orders, which those that travel both ways need; that is never taken back (S90).
pub(crate) async fn archive_orders(installation: &Installation) -> Result<(), EngineError> {
    let table = installation.table(Side::BusinessCentral, "Sales & Receivables Setup")?;
    let system = installation.system(Side::BusinessCentral);
    let setup = system.find(&table, &Filter::default(), &["archiveOrders".to_owned()]).await?;
    let off = setup.iter().filter(|setup| setup.get("archiveOrders").as_bool() == Some(false));
    let values = || Values::from([(Arc::from("archiveOrders"), Value::Bool(true))]);
    let writes: Vec<Write> = off.map(|setup| Write::update(setup.id, setup.version.clone(), values())).collect();
    for result in write_all(system, &table, &writes).await {
        result?;
    }
    Ok(())
}

/// The orders of this company that are submitted in Dataverse, by their numbers.
pub(crate) async fn submitted_orders(installation: &Installation) -> Result<Vec<String>, EngineError> {
    let mut conditions = vec![Condition::equal("statecode", Value::Int(SUBMITTED))];
    if let Some(row) = installation.company_row().await? {
        conditions.push(Condition::one_of("bcbi_companyid", vec![Value::Guid(row.id.0), Value::Null]));
    }
    let found = installation.find_rows("salesorder", &Filter::all(conditions), &["ordernumber"]).await?;
    Ok(found.iter().map(|order| order.get("ordernumber").to_string()).collect())
}
