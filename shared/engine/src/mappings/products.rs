//! ITEM-PRODUCT and RESOURCE-PRODUCT: units, currency, the line in the default price list, and the state of a product
//! (S197 to S216).

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::decision::TransferredField;
use couplet_model::ids::derived_id;
use couplet_model::message::Direction;
use couplet_model::record::Values;
use couplet_model::system::Write;
use couplet_model::table::Side;
use couplet_model::{DataverseId, Record, Switches, Table, Value};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::natural_keys::{candidates, holder_or_obstacle, is_ours};
use super::price_lines::{PRICE_LINE, PriceLine, PriceLines};
use super::product_units::{NamedUnit, ProductUnits, codes_of_units};
use super::rules::{
    AfterWrite, BatchRules, Context, MappingRules, Match, NothingSpecial, Obstacle, Transferring, WrittenBeside, set,
    set_on_create,
};
use super::unit_owners::Owner;
use super::unit_prices::UnitPrices;
use super::write_in::WriteIn;
use crate::bulk::write_all;
use crate::error::EngineError;

/// State and status of a product on sale.
const ACTIVE: (i64, i64) = (0, 1);
/// State and status of a product taken off sale.
pub(crate) const RETIRED: (i64, i64) = (1, 2);

/// Items: product type Sales Inventory.
pub(crate) const ITEMS: Products = Products { product_type: 1, owner: Owner::Item };
/// Resources: product type Services.
pub(crate) const RESOURCES: Products = Products { product_type: 3, owner: Owner::Resource };

pub(crate) struct Products {
    product_type: i64,
    owner: Owner,
}

#[async_trait]
impl MappingRules for Products {
    fn source_columns(&self, direction: Direction) -> &'static [&'static str] {
        match direction {
            Direction::ToDataverse => &["number", "blocked", "baseUnitOfMeasureCode", "vendorName"],
            Direction::FromDataverse => &["statecode", "defaultuomid", "defaultuomscheduleid", "productnumber"],
        }
    }

    fn destination_columns(&self, direction: Direction) -> &'static [&'static str] {
        match direction {
            Direction::ToDataverse => &[
                "statecode",
                "statuscode",
                "defaultuomid",
                "defaultuomscheduleid",
                "transactioncurrencyid",
                "vendorname",
            ],
            Direction::FromDataverse => &["blocked", "baseUnitOfMeasureCode"],
        }
    }

    /// A coupled item that becomes blocked retires its product, although the filter admits unblocked ones only
    /// (C-026 without first removing the filter).
    fn keeps_coupled(&self, direction: Direction, column: &str) -> bool {
        direction == Direction::ToDataverse && column == "blocked"
    }

    /// A product of the other units is not taken for the one of these: its unit group cannot be changed. Whoever switches
    /// back meets the products of before again.
    fn made(&self, direction: Direction, switches: &Switches) -> &'static str {
        match direction {
            Direction::ToDataverse if switches.unit_groups => "to_dataverse with own units",
            _ => direction.as_str(),
        }
    }

    fn partner_key_column(&self) -> Option<&'static str> {
        Some("productnumber")
    }

    fn partner_key(&self, _direction: Direction) -> Option<&'static str> {
        Some("the same number")
    }

    fn unique_column(&self, direction: Direction) -> Option<(&'static str, &'static str)> {
        (direction == Direction::ToDataverse).then_some(("number", "productnumber"))
    }

    /// The product of the same number, which is unique in Dataverse; from there, the record of the product's number.
    async fn find_existing(&self, context: Context<'_>, sources: &[&Record]) -> Result<Vec<Match>, EngineError> {
        match context.direction {
            Direction::ToDataverse => {
                let columns = ["producttypecode", "bcbi_companyid"];
                let products = candidates(context, sources, "number", "productnumber", &columns).await?;
                let is_ours = is_ours(context).await?;
                let of = |source: &&Record| {
                    let holder = products.of(source).first();
                    let obstacle = holder.and_then(|holder| {
                        let number = source.get("number");
                        if holder.get("producttypecode") != &Value::Int(self.product_type) {
                            Some(format!(
                                "a product of another type has the number {number} in Dataverse already; give the {} or that product another number",
                                self.owner.what()
                            ))
                        } else if !is_ours(holder) {
                            Some(format!(
                                "the product with the number {number} in Dataverse belongs to another company; give the {} or that product another number",
                                self.owner.what()
                            ))
                        } else {
                            None
                        }
                    });
                    holder_or_obstacle(holder, obstacle)
                };
                Ok(sources.iter().map(of).collect())
            }
            Direction::FromDataverse => {
                let records = candidates(context, sources, "productnumber", "number", &[]).await?;
                Ok(sources.iter().map(|source| Ok(records.only(source, |_| true))).collect())
            }
        }
    }

    async fn prepare(
        &self,
        context: Context<'_>,
        sources: &[Transferring<'_>],
    ) -> Result<Box<dyn BatchRules>, EngineError> {
        if sources.is_empty() {
            return Ok(Box::new(NothingSpecial));
        }
        let installation = context.installation;
        let write_in = WriteIn::of(installation, self.owner).await?;
        match context.direction {
            Direction::ToDataverse => {
                let price_list = installation.default_price_list().await?;
                let prices = match installation.switches().unit_groups {
                    true => Prices::ByUnit(UnitPrices::read(installation).await?),
                    false => Prices::OfProduct(PriceLines::new(installation, price_list)?),
                };
                Ok(Box::new(ToDataverse {
                    product_type: self.product_type,
                    owner: self.owner,
                    product: Arc::clone(&context.mapping.dataverse),
                    company: installation.filter_context().await?.company,
                    quantity_decimals: installation.catalogue().defaults().quantity_decimals(),
                    currency: installation.local_currency_row().await?,
                    price_list,
                    prices,
                    units: ProductUnits::read(installation, self.owner, sources).await?,
                    write_in,
                }))
            }
            Direction::FromDataverse => {
                // An item gets its unit by a field row.
                let sets_unit = self.owner == Owner::Resource;
                let new: Vec<Transferring<'_>> =
                    sources.iter().copied().filter(|record| sets_unit && record.creating).collect();
                Ok(Box::new(FromDataverse {
                    table: Arc::clone(&context.mapping.business_central),
                    units: sets_unit.then(|| NamedUnit::of(installation, self.owner)),
                    unit_codes: codes_of_units(context, self.owner, &new).await?,
                    write_in,
                }))
            }
        }
    }
}

/// Which lines the default price list has.
enum Prices {
    /// One for each product.
    OfProduct(PriceLines),
    /// One for each unit of each product.
    ByUnit(UnitPrices),
}

struct ToDataverse {
    product_type: i64,
    owner: Owner,
    product: Arc<Table>,
    company: Option<DataverseId>,
    quantity_decimals: i64,
    currency: Uuid,
    price_list: Uuid,
    prices: Prices,
    units: ProductUnits,
    write_in: WriteIn,
}

#[async_trait]
impl BatchRules for ToDataverse {
    fn admit(&self, record: Transferring<'_>) -> Result<(), Obstacle> {
        self.write_in.leave_out(record.source.get("number"))
    }

    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        let table = &self.product;
        self.units.set(self.owner, record, table, fields)?;
        set(fields, table, "transactioncurrencyid", Value::Guid(self.currency))?;
        for column in ["price", "quantityonhand"] {
            zero_if_negative(fields, column);
        }
        if let Some(vendor) = record.source.known("vendorName") {
            set(fields, table, "vendorname", vendor.clone())?;
        }
        set_on_create(fields, table, "producttypecode", Value::Int(self.product_type))?;
        set_on_create(fields, table, "quantitydecimal", Value::Int(self.quantity_decimals))?;
        if let Some(company) = self.company {
            set(fields, table, "bcbi_companyid", Value::Guid(company.0))?;
        }
        // A new product is a draft until its price line stands; it is published afterwards (S203).
        if !record.creating
            && let Some(blocked) = record.source.known("blocked")
        {
            let blocked = blocked.as_bool().unwrap_or(false);
            let (state, status) = if blocked { RETIRED } else { ACTIVE };
            set(fields, table, "statecode", Value::Int(state))?;
            set(fields, table, "statuscode", Value::Int(status))?;
        }
        Ok(())
    }

    /// Writes the price lines, then publishes new products.
    async fn after_write(&self, context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        match &self.prices {
            Prices::OfProduct(lines) => self.price(lines, context, records).await,
            Prices::ByUnit(prices) => self.price_by_unit(prices, context, records).await,
        }
        let mut published: Vec<&mut AfterWrite<'_>> =
            records.iter_mut().filter(|record| record.created && record.beside.is_ok()).collect();
        let writes: Vec<Write> = published
            .iter()
            .map(|record| {
                let values: Values = [
                    (Arc::from("statecode"), Value::Int(ACTIVE.0)),
                    (Arc::from("statuscode"), Value::Int(ACTIVE.1)),
                    (Arc::from("pricelevelid"), Value::Guid(self.price_list)),
                ]
                .into();
                Write::update(record.destination, None, values)
            })
            .collect();
        let results = write_all(context.installation.system(Side::Dataverse), &self.product, &writes).await;
        // `write_all` gives one result per write.
        for (record, result) in published.iter_mut().zip(results) {
            match (&mut record.beside, result) {
                (Ok(beside), Ok(_)) => {
                    beside.values = vec![("statecode", Value::Int(ACTIVE.0)), ("statuscode", Value::Int(ACTIVE.1))];
                }
                (beside, Err(error)) => *beside = Err(error),
                (Err(_), Ok(_)) => {}
            }
        }
    }
}

impl ToDataverse {
    /// Writes the one line of each product.
    async fn price(&self, lines: &PriceLines, context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        let wanted: Vec<Option<PriceLine>> = records.iter().map(|record| self.price_line(context, record)).collect();
        let written = lines.write(context, &wanted).await;
        // One slot per line.
        for (record, line) in records.iter_mut().zip(written) {
            record.beside = line.map(|id| id.map(|id| WrittenBeside::related(PRICE_LINE, id)).unwrap_or_default());
        }
    }

    /// Writes a line of each product for each unit of its unit group. The units are read after the products were written:
    /// a unit that comes later finds its product and brings its line itself.
    async fn price_by_unit(&self, prices: &UnitPrices, context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        let group_of = |record: &AfterWrite<'_>| record.desired("defaultuomscheduleid").and_then(Value::as_guid);
        let open: Vec<usize> = (0..records.len()).filter(|place| needs_price(&records[*place])).collect();
        let groups = open.iter().filter_map(|place| group_of(&records[*place])).collect();
        let by_group = match prices.units_of(context, groups).await {
            Ok(by_group) => by_group,
            Err(error) => {
                for place in open {
                    records[place].beside = Err(error.clone());
                }
                return;
            }
        };
        let mut lines = Vec::new();
        for place in open {
            let record = &records[place];
            for unit in group_of(record).and_then(|group| by_group.get(&group)).into_iter().flatten() {
                let price = self.price_of(record);
                lines.push((place, prices.line(context, record.destination.0, record.created, *unit, price)));
            }
        }
        for (place, result) in prices.write(context, lines).await {
            let record = &mut records[place];
            let default_unit = record.desired("defaultuomid").and_then(Value::as_guid);
            match (&mut record.beside, result) {
                (Ok(beside), Ok((unit, line))) if default_unit == Some(unit) => {
                    *beside = WrittenBeside::related(PRICE_LINE, line);
                }
                (_, Ok(_)) => {}
                (beside, Err(error)) => *beside = Err(error),
            }
        }
    }

    /// The price line the product needs written, if it does.
    fn price_line(&self, context: Context<'_>, record: &AfterWrite<'_>) -> Option<PriceLine> {
        let known = record.coupling.related.get(PRICE_LINE).copied();
        if !needs_price(record) {
            return None;
        }
        let lookup = |column: &str| record.desired(column).and_then(Value::as_guid);
        let company = context.installation.company();
        Some(PriceLine {
            id: known,
            new_id: derived_id(company, &context.mapping.name, PRICE_LINE, record.source.id).0,
            product: record.destination.0,
            product_is_new: record.created,
            unit: lookup("defaultuomid")?,
            unit_group: lookup("defaultuomscheduleid"),
            amount: self.price_of(record),
        })
    }
}

impl ToDataverse {
    /// The price of the product: what travelled, else what both sides agreed on last.
    fn price_of(&self, record: &AfterWrite<'_>) -> Decimal {
        let agreed = || record.coupling.base.get(Side::Dataverse, self.product.column("price")?);
        let price = record.desired("price").cloned().or_else(agreed);
        price.and_then(|price| price.as_decimal()).unwrap_or_default()
    }
}

/// Whether the lines of a product in the default price list have to be written.
fn needs_price(record: &AfterWrite<'_>) -> bool {
    let columns = ["price", "defaultuomid", "defaultuomscheduleid", "transactioncurrencyid", "productnumber"];
    let stale = columns.iter().any(|column| record.changed(Direction::ToDataverse, column));
    !record.coupling.related.contains_key(PRICE_LINE) || stale || record.created
}

/// Prices and quantities below zero are kept as zero (S20, S201).
fn zero_if_negative(fields: &mut [TransferredField], column: &str) {
    for field in fields.iter_mut().filter(|field| field.destination.name == column) {
        if field.desired.as_decimal().is_some_and(|number| number.is_sign_negative()) {
            field.desired = Value::Decimal(Decimal::ZERO);
        }
    }
}

struct FromDataverse {
    table: Arc<Table>,
    /// How a product names the unit that a new record gets, where no field row gives it.
    units: Option<NamedUnit>,
    unit_codes: HashMap<Uuid, String>,
    write_in: WriteIn,
}

impl BatchRules for FromDataverse {
    fn admit(&self, record: Transferring<'_>) -> Result<(), Obstacle> {
        self.write_in.leave_out(record.source.get("productnumber"))
    }

    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        if let Some(state) = record.source.known("statecode") {
            let active = state == &Value::Int(ACTIVE.0);
            set(fields, &self.table, "blocked", Value::Bool(!active))?;
        }
        if record.creating
            && let Some(units) = &self.units
            && let Some(named) = record.source.get(units.column).as_guid()
        {
            let code = self.unit_codes.get(&named).ok_or_else(|| Obstacle::Wait(units.need(named)))?;
            set_on_create(fields, &self.table, "baseUnitOfMeasureCode", Value::text(code.clone()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
