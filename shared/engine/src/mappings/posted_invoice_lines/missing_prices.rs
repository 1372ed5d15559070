//! Prices that an invoice's price list lacks for what the invoice sells (S189).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use couplet_model::ids::derived_id;
use couplet_model::record::Values;
use couplet_model::system::Write;
use couplet_model::table::Side;
use couplet_model::{Condition, Filter, Record, RecordId, SystemError, Value};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::bulk::write_all;
use crate::mappings::rules::{AfterWrite, Context};

/// Pricing method "Currency Amount" and quantity selling option "No Control" of a price.
const PRICING: [(&str, i64); 2] = [("pricingmethodcode", 1), ("quantitysellingcode", 1)];

/// What a price is for: its list, product and unit.
type Key = (Uuid, Uuid, Uuid);

/// Creates the prices that new lines bring to the price lists of their documents, and fails the lines of those that are refused.
pub(crate) async fn write(
    context: Context<'_>,
    list_of: &(dyn Fn(&Record) -> Option<Uuid> + Sync),
    records: &mut [AfterWrite<'_>],
) {
    let mut wanted: BTreeMap<Key, Decimal> = BTreeMap::new();
    for record in records.iter().filter(|record| record.created) {
        let price = record.desired("priceperunit").and_then(Value::as_decimal).unwrap_or_default();
        if let Some(key) = key_of(list_of, record).filter(|_| price > Decimal::ZERO) {
            wanted.entry(key).or_insert(price);
        }
    }
    if wanted.is_empty() {
        return;
    }
    let failed = match create(context, &wanted).await {
        Ok(failed) => failed,
        Err(error) => wanted.into_keys().map(|key| (key, error.clone())).collect(),
    };
    for record in records.iter_mut().filter(|record| record.created) {
        if let Some((key, error)) = key_of(list_of, record).and_then(|key| failed.get_key_value(&key)) {
            let message = format!("its price could not be added to price list {}: {}", key.0, error.message);
            record.beside = Err(SystemError { message, ..error.clone() });
        }
    }
}

/// What the price of a line is for; nothing where its document has no list, or for a write-in.
fn key_of(list_of: &(dyn Fn(&Record) -> Option<Uuid> + Sync), record: &AfterWrite<'_>) -> Option<Key> {
    let id = |column: &str| record.desired(column).and_then(Value::as_guid);
    Some((list_of(record.source)?, id("productid")?, id("uomid")?))
}

/// Creates those that are not there; gives those that were refused.
async fn create(
    context: Context<'_>,
    wanted: &BTreeMap<Key, Decimal>,
) -> Result<BTreeMap<Key, SystemError>, SystemError> {
    let installation = context.installation;
    let Ok(table) = installation.table(Side::Dataverse, "productpricelevel") else { return Ok(BTreeMap::new()) };
    let of = |pick: fn(&Key) -> Uuid| -> Vec<Value> {
        let ids: BTreeSet<Uuid> = wanted.keys().map(pick).collect();
        ids.into_iter().map(Value::Guid).collect()
    };
    let filter = Filter::all(vec![
        Condition::one_of("pricelevelid", of(|key| key.0)),
        Condition::one_of("productid", of(|key| key.1)),
    ]);
    let columns = ["pricelevelid", "productid", "uomid"].map(str::to_owned);
    let system = installation.system(Side::Dataverse);
    let mut missing = wanted.clone();
    for price in system.find(&table, &filter, &columns).await? {
        let id = |column: &str| price.get(column).as_guid();
        if let (Some(list), Some(product), Some(unit)) = (id("pricelevelid"), id("productid"), id("uomid")) {
            missing.remove(&(list, product, unit));
        }
    }
    let writes: Vec<Write> = missing
        .iter()
        .map(|((list, product, unit), price)| {
            let role = format!("price in {list} by {unit}");
            let id = derived_id(installation.company(), &context.mapping.name, &role, RecordId(*product));
            let mut values: Values = [
                (Arc::from("pricelevelid"), Value::Guid(*list)),
                (Arc::from("productid"), Value::Guid(*product)),
                (Arc::from("uomid"), Value::Guid(*unit)),
                (Arc::from("amount"), Value::Decimal(*price)),
            ]
            .into();
            values.extend(PRICING.map(|(column, option)| (Arc::from(column), Value::Int(option))));
            Write::create(Some(id), values)
        })
        .collect();
    // `write_all` gives one result per write.
    let results = missing.into_keys().zip(write_all(system, &table, &writes).await);
    Ok(results.filter_map(|(key, result)| Some((key, result.err()?))).collect())
}
