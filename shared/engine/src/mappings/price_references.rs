//! What rows of prices refer to, read in bulk: price lists of both systems, products, units.

use std::collections::{BTreeSet, HashMap};

use couplet_model::comparing::folded;
use couplet_model::table::Side;
use couplet_model::{Condition, Coupling, Filter, MappingName, Record, RecordId, Value};
use jiff::civil::Date;
use uuid::Uuid;

use super::group_units::UNIT;
use super::price_tables::{Asset, PriceTable, day};
use super::rules::{Context, is_usable};
use crate::error::EngineError;

/// The mapping of single units.
pub(crate) const UNITS: &str = "UNIT OF MEASURE";

/// A price list of Dataverse.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List {
    pub id: Uuid,
    pub currency: Option<Uuid>,
}

/// A price list of Business Central.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Terms {
    /// Whether it takes part.
    pub qualifies: bool,
    pub starts: Option<Date>,
    pub ends: Option<Date>,
}

/// A product of Dataverse with its default unit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Product {
    pub id: Uuid,
    pub unit: Option<Uuid>,
    pub unit_group: Option<Uuid>,
}

/// Units of Dataverse by the code of Business Central.
#[derive(Debug)]
pub(crate) enum Units {
    /// A group for each unit: group and unit by code.
    Single(HashMap<String, (Uuid, Uuid)>),
    /// Groups of several units: unit by group and code.
    Grouped(HashMap<(Uuid, String), Uuid>),
}

/// The texts of a column, each once.
fn texts<'a>(rows: impl Iterator<Item = &'a Record>, column: &str) -> Vec<String> {
    let texts: BTreeSet<&str> = rows.filter_map(|row| row.get(column).as_text()).collect();
    texts.into_iter().map(str::to_owned).collect()
}

/// What Dataverse holds in a column of a pair, as far as the coupling tells.
fn agreed(coupling: &Coupling, table: &couplet_model::Table, column: &str) -> Option<Uuid> {
    coupling.base.get(Side::Dataverse, table.column(column)?)?.as_guid()
}

async fn couplings(
    context: Context<'_>,
    mapping: &str,
    keys: &[String],
) -> Result<HashMap<String, Coupling>, EngineError> {
    let (store, company) = (context.installation.store(), context.installation.company());
    let found = store.couplings_by_key(company, &MappingName::from(mapping), keys).await?;
    let usable = found.into_iter().filter(|(_, coupling)| is_usable(coupling));
    Ok(usable.map(|(key, coupling)| (folded(&key), coupling)).collect())
}

/// The price lists of rows in Dataverse, with their currencies: from their couplings, and where these say nothing, from there.
pub(crate) async fn lists(
    context: Context<'_>,
    table: PriceTable,
    rows: &[&Record],
) -> Result<HashMap<String, List>, EngineError> {
    let found = couplings(context, table.lists, &texts(rows.iter().copied(), table.list)).await?;
    let levels = context.installation.table(Side::Dataverse, "pricelevel")?;
    let mut lists: HashMap<String, List> = HashMap::new();
    for (code, coupling) in found {
        let currency = agreed(&coupling, &levels, "transactioncurrencyid");
        lists.insert(code, List { id: coupling.dataverse_id.0, currency });
    }
    let unknown: Vec<RecordId> =
        lists.values().filter(|list| list.currency.is_none()).map(|list| RecordId(list.id)).collect();
    let columns = ["transactioncurrencyid".to_owned()];
    for row in context.installation.system(Side::Dataverse).fetch(&levels, &unknown, &columns).await? {
        for list in lists.values_mut().filter(|list| list.id == row.id.0) {
            list.currency = row.get("transactioncurrencyid").as_guid();
        }
    }
    Ok(lists)
}

/// The price lists of rows in Business Central, and whether they take part.
pub(crate) async fn terms(
    context: Context<'_>,
    table: PriceTable,
    rows: &[&Record],
) -> Result<HashMap<String, Terms>, EngineError> {
    let Some(name) = table.qualified_by else { return Ok(HashMap::new()) };
    let installation = context.installation;
    let mappings = installation.catalogue().active(installation.switches());
    let Some(mapping) = mappings.into_iter().find(|mapping| mapping.name.as_str() == table.lists) else {
        return Ok(HashMap::new());
    };
    let filter = installation.filter(&mapping, Side::BusinessCentral).await?;
    let mut columns: Vec<String> = ["code", "startingDate", "endingDate"].map(str::to_owned).into();
    columns.extend(filter.columns().map(str::to_owned));
    let codes: Vec<Value> = texts(rows.iter().copied(), table.list).into_iter().map(Value::Text).collect();
    let headers = installation.table(Side::BusinessCentral, name)?;
    let by_code = Filter::all(vec![Condition::one_of("code", codes)]);
    let found = installation.system(Side::BusinessCentral).find(&headers, &by_code, &columns).await?;
    let terms = |header: &Record| Terms {
        qualifies: filter.conditions.iter().all(|condition| condition.holds(header).unwrap_or(true)),
        starts: day(header.get("startingDate")),
        ends: day(header.get("endingDate")),
    };
    Ok(found.iter().filter_map(|header| Some((folded(header.get("code").as_text()?), terms(header)))).collect())
}

/// The products of rows with their default units: from their couplings, and where these say nothing, from Dataverse.
pub(crate) async fn products(
    context: Context<'_>,
    table: PriceTable,
    rows: &[&Record],
) -> Result<HashMap<(Asset, String), Product>, EngineError> {
    let installation = context.installation;
    let of_dataverse = installation.table(Side::Dataverse, "product")?;
    let mut products: HashMap<(Asset, String), Product> = HashMap::new();
    for asset in [Asset::Item, Asset::Resource] {
        let own = rows.iter().copied().filter(|row| table.asset_of(row) == asset);
        let numbers = texts(own, table.asset);
        for (number, coupling) in couplings(context, asset.mapping(), &numbers).await? {
            let unit = |column| agreed(&coupling, &of_dataverse, column);
            let (id, unit, unit_group) = (coupling.dataverse_id.0, unit("defaultuomid"), unit("defaultuomscheduleid"));
            products.insert((asset, number), Product { id, unit, unit_group });
        }
    }
    let is_open = |product: &&Product| product.unit.is_none() || product.unit_group.is_none();
    let open: Vec<RecordId> = products.values().filter(is_open).map(|product| RecordId(product.id)).collect();
    let columns = ["defaultuomid", "defaultuomscheduleid"].map(str::to_owned);
    let found = installation.system(Side::Dataverse).fetch(&of_dataverse, &open, &columns).await?;
    let found: HashMap<Uuid, Record> = found.into_iter().map(|record| (record.id.0, record)).collect();
    for product in products.values_mut() {
        if let Some(record) = found.get(&product.id) {
            product.unit = record.get("defaultuomid").as_guid();
            product.unit_group = record.get("defaultuomscheduleid").as_guid();
        }
    }
    Ok(products)
}

/// The units that rows name.
pub(crate) async fn units(
    context: Context<'_>,
    table: PriceTable,
    rows: &[&Record],
    products: &HashMap<(Asset, String), Product>,
) -> Result<Units, EngineError> {
    let named: Vec<&Record> = rows.iter().copied().filter(|row| !row.get("unitOfMeasureCode").is_null()).collect();
    if !context.installation.switches().unit_groups {
        let found = couplings(context, UNITS, &texts(named.into_iter(), "unitOfMeasureCode")).await?;
        let of = |coupling: &Coupling| Some((coupling.dataverse_id.0, *coupling.related.get(UNIT)?));
        return Ok(Units::Single(
            found.iter().filter_map(|(code, coupling)| Some((code.clone(), of(coupling)?))).collect(),
        ));
    }
    let product = |row: &&Record| products.get(&(table.asset_of(row), folded(&row.get(table.asset).to_string())));
    let groups: BTreeSet<Uuid> = named.iter().filter_map(product).filter_map(|product| product.unit_group).collect();
    let groups = groups.into_iter().map(Value::Guid).collect();
    let filter = Filter::all(vec![Condition::one_of("uomscheduleid", groups)]);
    let found = context.installation.find_rows("uom", &filter, &["name", "uomscheduleid"]).await?;
    let of =
        |unit: &Record| Some(((unit.get("uomscheduleid").as_guid()?, folded(unit.get("name").as_text()?)), unit.id.0));
    Ok(Units::Grouped(found.iter().filter_map(of).collect()))
}
