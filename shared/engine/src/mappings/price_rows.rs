//! Rows of prices of Business Central: which price list, product, unit and currency they are about, and whether they take
//! part. The same for sales prices and for lines of price lists (S233 to S244).

use std::collections::HashMap;

use couplet_model::comparing::folded;
use couplet_model::outcome::{DataFailure, Dependency, Need};
use couplet_model::table::Side;
use couplet_model::{Filter, MappingName, Record};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::currency_rows::CurrencyRows;
use super::price_references::{List, Product, Terms, UNITS, Units, lists, products, terms, units};
use super::price_tables::{Asset, PriceTable, day};
use super::rules::{Context, Obstacle};
use crate::error::EngineError;

/// The most a price can be: what the column takes.
const HIGHEST_PRICE: Decimal = Decimal::from_parts(0xd4a5_1000, 0xe8, 0, false, 0);

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

fn waits(mapping: &str, field: &str, key: String) -> Obstacle {
    let dependency = Dependency { mapping: MappingName::from(mapping), side: Side::BusinessCentral, key: key.clone() };
    Obstacle::Wait(Need { dependency, field: field.to_owned(), value: key })
}
