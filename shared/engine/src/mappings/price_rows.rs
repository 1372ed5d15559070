//! Rows of prices of Business Central: which price list, product, unit and currency they are about, and whether they take
//! part. The same for sales prices and for lines of price lists (S233 to S244).

use std::collections::{BTreeSet, HashMap};

use couplet_model::comparing::folded;
use couplet_model::outcome::{DataFailure, Dependency, Need};
use couplet_model::table::Side;
use couplet_model::{Condition, Coupling, Filter, MappingName, Record, RecordId, Value};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::currency_rows::CurrencyRows;
use super::rules::{Context, Obstacle, is_usable};
use super::units_of_measure::UNIT;
use crate::error::EngineError;

/// The mapping of single units.
const UNITS: &str = "UNIT OF MEASURE";
/// The most a price can be: what the column takes.
const HIGHEST_PRICE: Decimal = Decimal::from_parts(0xd4a5_1000, 0xe8, 0, false, 0);

/// How a table of prices says what its rows are about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PriceTable {
    /// The mapping of the price lists.
    pub lists: &'static str,
    /// The column that names the price list.
    pub list: &'static str,
    /// The column that names the item or resource.
    pub asset: &'static str,
    /// The column that tells items from resources; without one all are items.
    pub asset_type: Option<&'static str>,
    /// The column by which rows of one price list are numbered.
    pub line: Option<&'static str>,
    /// The table of price lists, where not all of them take part and lists have days of their own.
    pub qualified_by: Option<&'static str>,
    /// The largest minimum quantity of a price that is the ordinary one.
    pub minimum: Decimal,
}

/// What prices are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Asset {
    Item,
    Resource,
}

impl Asset {
    /// The mapping to products.
    fn mapping(self) -> &'static str {
        match self {
            Self::Item => "ITEM-PRODUCT",
            Self::Resource => "RESOURCE-PRODUCT",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Item => "item",
            Self::Resource => "resource",
        }
    }
}

impl PriceTable {
    /// Whether a row is about an item or a resource.
    pub fn asset_of(&self, row: &Record) -> Asset {
        let is_resource = self.asset_type.is_some_and(|column| row.get(column) == &Value::text("Resource"));
        if is_resource { Asset::Resource } else { Asset::Item }
    }

    /// What people call a row: "line 10000 of price list S00001", "the price of item 1000 in PCS for RETAIL".
    pub fn describe(&self, row: &Record) -> String {
        let list = row.get(self.list);
        let Some(line) = self.line else {
            let from = day(row.get("startingDate")).map(|day| format!(" from {day}")).unwrap_or_default();
            let (item, unit) = (row.get(self.asset), row.get("unitOfMeasureCode"));
            let unit = if unit.is_null() { String::new() } else { format!(" in {unit}") };
            return format!("the sales price of item {item}{unit} for {list}{from}");
        };
        format!("line {} of price list {list}", row.get(line))
    }

    fn text(&self, row: &Record, column: &str) -> Option<String> {
        row.get(column).as_text().map(str::to_owned)
    }
}

/// The row of Dataverse a price belongs to: one per list, product and unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub list: Uuid,
    pub product: Uuid,
    pub unit: Uuid,
}

impl Place {
    /// Where a price of Dataverse is, as far as it can be read.
    pub fn of(price: &Record) -> Option<Self> {
        let id = |column| price.get(column).as_guid();
        Some(Self { list: id("pricelevelid")?, product: id("productid")?, unit: id("uomid")? })
    }
}

/// Where a price belongs, and the unit group of its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub place: Place,
    pub unit_group: Uuid,
}

/// A price list of Dataverse.
#[derive(Clone, Copy, Debug)]
struct List {
    id: Uuid,
    currency: Option<Uuid>,
}

/// A price list of Business Central.
#[derive(Clone, Copy, Debug, Default)]
struct Terms {
    /// Whether it takes part.
    qualifies: bool,
    starts: Option<Date>,
    ends: Option<Date>,
}

/// A product of Dataverse with its default unit.
#[derive(Clone, Copy, Debug)]
struct Product {
    id: Uuid,
    unit: Option<Uuid>,
    unit_group: Option<Uuid>,
}

/// Units of Dataverse by the code of Business Central.
#[derive(Debug)]
enum Units {
    /// A group for each unit: group and unit by code.
    Single(HashMap<String, (Uuid, Uuid)>),
    /// Groups of several units: unit by group and code.
    Grouped(HashMap<(Uuid, String), Uuid>),
}

/// What is known of everything that some rows are about.
pub(crate) struct PriceRows {
    table: PriceTable,
    /// What people call the columns of list and asset.
    captions: [String; 2],
    filter: Filter,
    today: Date,
    lists: HashMap<String, List>,
    terms: HashMap<String, Terms>,
    products: HashMap<(Asset, String), Product>,
    units: Units,
    currencies: CurrencyRows,
}

impl PriceRows {
    /// Reads what these rows are about, in bulk.
    pub async fn read(context: Context<'_>, table: PriceTable, rows: &[&Record]) -> Result<Self, EngineError> {
        let currencies = rows.iter().filter_map(|row| table.text(row, "currencyCode"));
        let products = products(context, table, rows).await?;
        let filter = context.installation.filter(context.mapping, Side::BusinessCentral).await?;
        let caption = |name| {
            let column = context.mapping.business_central.column(name);
            column.map_or_else(|| name.to_owned(), |column| column.caption.clone())
        };
        Ok(Self {
            table,
            captions: [caption(table.list), caption(table.asset)],
            filter,
            today: context.installation.now().to_zoned(TimeZone::UTC).date(),
            lists: lists(context, table, rows).await?,
            terms: terms(context, table, rows).await?,
            units: units(context, table, rows, &products).await?,
            currencies: CurrencyRows::read(context.installation, currencies.collect()).await?,
            products,
        })
    }

    /// Where a row belongs, or why it cannot get there; pure.
    pub fn place(&self, row: &Record) -> Result<Placed, Obstacle> {
        self.qualify(row)?;
        let list = self.list(row)?;
        let (asset, product) = self.product(row)?;
        let (unit_group, unit) = self.unit(row, asset, product)?;
        self.in_currency_of(list, row)?;
        self.check_amount(row)?;
        Ok(Placed { place: Place { list: list.id, product: product.id, unit }, unit_group })
    }

    /// Whether a row takes part: it meets the filter, is the ordinary price, and counts today.
    fn qualify(&self, row: &Record) -> Result<(), Obstacle> {
        let leave = |reason: String| Err(Obstacle::Leave(reason));
        // What cannot be read puts no price out of force.
        if let Some(condition) = self.filter.conditions.iter().find(|condition| condition.holds(row) == Some(false)) {
            return leave(format!("it is outside the filter of the mapping ({})", condition.column));
        }
        let minimum = row.get("minimumQuantity").as_decimal().unwrap_or_default();
        if minimum > self.table.minimum {
            return leave(format!("it counts from a quantity of {minimum} on, which a price in Dataverse cannot say"));
        }
        if let Some(variant) = row.get("variantCode").as_text() {
            return leave(format!("it is for the variant {variant}, which a price in Dataverse cannot say"));
        }
        if row.get(self.table.asset).is_null() {
            return leave("it names no item or resource yet".to_owned());
        }
        let terms = match self.table.qualified_by {
            None => Terms { qualifies: true, ..Terms::default() },
            Some(_) => self.terms.get(&folded(&row.get(self.table.list).to_string())).copied().unwrap_or_default(),
        };
        if !terms.qualifies {
            return leave(format!("its price list {} takes no part", row.get(self.table.list)));
        }
        // A list has days in Dataverse, a line has not: it is there while it is no shorter than its list.
        let (starts, ends) = (day(row.get("startingDate")), day(row.get("endingDate")));
        if let Some(day) = starts.filter(|day| *day > self.today && terms.starts.is_none_or(|first| *day > first)) {
            return leave(format!("it does not count before {day}"));
        }
        if let Some(day) = ends.filter(|day| *day < self.today && terms.ends.is_none_or(|last| *day < last)) {
            return leave(format!("it has not counted since {day}"));
        }
        Ok(())
    }

    fn list(&self, row: &Record) -> Result<List, Obstacle> {
        let code = row.get(self.table.list).to_string();
        let known = self.lists.get(&folded(&code)).copied();
        known.ok_or_else(|| waits(self.table.lists, &self.captions[0], code))
    }

    fn product(&self, row: &Record) -> Result<(Asset, Product), Obstacle> {
        let (asset, number) = (self.table.asset_of(row), row.get(self.table.asset).to_string());
        match self.products.get(&(asset, folded(&number))) {
            Some(product) => Ok((asset, *product)),
            None => Err(waits(asset.mapping(), &self.captions[1], number)),
        }
    }

    /// Unit group and unit of a row; a row without a unit is in the unit of its product.
    fn unit(&self, row: &Record, asset: Asset, product: Product) -> Result<(Uuid, Uuid), Obstacle> {
        let number = row.get(self.table.asset);
        let (Some(group), Some(default)) = (product.unit_group, product.unit) else {
            let problem = format!(
                "the product of {} {number} has no unit in Dataverse; give it its unit group and default unit there",
                asset.name()
            );
            return Err(DataFailure::of_field("Unit of Measure Code", problem).into());
        };
        let Some(code) = row.get("unitOfMeasureCode").as_text() else { return Ok((group, default)) };
        match &self.units {
            Units::Single(by_code) => match by_code.get(&folded(code)) {
                None => Err(waits(UNITS, "Unit of Measure Code", code.to_owned())),
                Some((own, unit)) if *own == group => Ok((group, *unit)),
                Some(_) => Err(Obstacle::Leave(format!(
                    "{} {number} has another unit in Dataverse than {code}, and no second one without unit groups",
                    asset.name()
                ))),
            },
            Units::Grouped(by_group) => match by_group.get(&(group, folded(code))) {
                Some(unit) => Ok((group, *unit)),
                None => {
                    let problem = format!(
                        "the unit group of {} {number} in Dataverse has no unit {code} (E55); synchronize the units of the {}, or \
                         change the unit of the price",
                        asset.name(),
                        asset.name()
                    );
                    Err(DataFailure::of_field("Unit of Measure Code", problem).into())
                }
            },
        }
    }

    /// Prices of one list have the currency of the list (S233, E59).
    fn in_currency_of(&self, list: List, row: &Record) -> Result<(), Obstacle> {
        let code = row.get("currencyCode").as_text();
        let own = self.currencies.of(code).ok_or_else(|| CurrencyRows::waits(code))?;
        if list.currency.is_none_or(|currency| currency == own) {
            return Ok(());
        }
        let problem = format!(
            "{} is in {} and its price list {} in another currency in Dataverse (E59), where a list has one; enter the price in \
             the currency of the list",
            self.table.describe(row),
            self.currencies.name(code),
            row.get(self.table.list)
        );
        Err(DataFailure::of_field("Currency Code", problem).into())
    }

    fn check_amount(&self, row: &Record) -> Result<(), DataFailure> {
        let amount = row.get("unitPrice").as_decimal().unwrap_or_default();
        if amount >= Decimal::ZERO && amount <= HIGHEST_PRICE {
            return Ok(());
        }
        let problem = format!(
            "{} is {amount}, and Dataverse takes prices from 0 to {HIGHEST_PRICE}; enter a price within these limits",
            self.table.describe(row)
        );
        Err(DataFailure::of_field("Unit Price", problem))
    }
}

fn day(value: &Value) -> Option<Date> {
    match value {
        Value::Date(day) => Some(*day),
        _ => None,
    }
}

fn waits(mapping: &str, field: &str, key: String) -> Obstacle {
    let dependency = Dependency { mapping: MappingName::from(mapping), side: Side::BusinessCentral, key: key.clone() };
    Obstacle::Wait(Need { dependency, field: field.to_owned(), value: key })
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
async fn lists(
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
async fn terms(
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
async fn products(
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
async fn units(
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
