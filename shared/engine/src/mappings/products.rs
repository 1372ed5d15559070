//! ITEM-PRODUCT and RESOURCE-PRODUCT: units, currency, the line in the default price list, and the state of a product
//! (S197 to S216).

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::decision::TransferredField;
use couplet_model::ids::derived_id;
use couplet_model::message::Direction;
use couplet_model::outcome::{DataFailure, Dependency, Need};
use couplet_model::record::Values;
use couplet_model::system::Write;
use couplet_model::table::Side;
use couplet_model::{Coupling, DataverseId, MappingName, Record, RecordId, Table, Value};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::natural_keys::{candidates, holder_or_obstacle, is_ours};
use super::price_lines::{PriceLine, PriceLines};
use super::rules::{
    AfterWrite, BatchRules, Context, MappingRules, Match, NothingSpecial, Obstacle, Transferring, WrittenBeside,
    is_usable, set, set_on_create,
};
use super::units_of_measure::UNIT;
use crate::bulk::write_all;
use crate::error::EngineError;

/// The mapping of units.
const UNITS: &str = "UNIT OF MEASURE";
/// Role of the line in the default price list among the companions of a coupling.
pub(crate) const PRICE_LINE: &str = "price";
/// State and status of a product on sale.
const ACTIVE: (i64, i64) = (0, 1);
/// State and status of a product taken off sale.
const RETIRED: (i64, i64) = (1, 2);

/// Items: product type Sales Inventory.
pub(crate) const ITEMS: Products = Products { product_type: 1, what: "item", sets_schedule: false };
/// Resources: product type Services; their unit group has no field row of its own.
pub(crate) const RESOURCES: Products = Products { product_type: 3, what: "resource", sets_schedule: true };

pub(crate) struct Products {
    product_type: i64,
    what: &'static str,
    sets_schedule: bool,
}

#[async_trait]
impl MappingRules for Products {
    fn source_columns(&self, direction: Direction) -> &'static [&'static str] {
        match direction {
            Direction::ToDataverse => &["blocked", "baseUnitOfMeasureCode", "vendorName"],
            Direction::FromDataverse => &["statecode", "defaultuomscheduleid", "productnumber"],
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
                                self.what
                            ))
                        } else if !is_ours(holder) {
                            Some(format!(
                                "the product with the number {number} in Dataverse belongs to another company; give the {} or that product another number",
                                self.what
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
        let units = MappingName::from(UNITS);
        match context.direction {
            Direction::ToDataverse => {
                let mut codes: Vec<String> = sources
                    .iter()
                    .filter_map(|record| record.source.get("baseUnitOfMeasureCode").as_text().map(str::to_owned))
                    .collect();
                codes.sort();
                codes.dedup();
                let price_list = installation.default_price_list().await?;
                Ok(Box::new(ToDataverse {
                    product_type: self.product_type,
                    what: self.what,
                    sets_schedule: self.sets_schedule,
                    product: Arc::clone(&context.mapping.dataverse),
                    company: installation.filter_context().await?.company,
                    quantity_decimals: installation.catalogue().defaults().quantity_decimals(),
                    currency: installation.local_currency_row().await?,
                    price_list,
                    price_lines: PriceLines::new(installation, price_list)?,
                    units: installation.store().couplings_by_key(installation.company(), &units, &codes).await?,
                }))
            }
            Direction::FromDataverse => {
                let mut groups: Vec<RecordId> = sources
                    .iter()
                    .filter_map(|record| record.source.get("defaultuomscheduleid").as_guid().map(RecordId))
                    .collect();
                groups.sort();
                groups.dedup();
                let found = installation
                    .store()
                    .couplings_by_id(installation.company(), &units, Side::Dataverse, &groups)
                    .await?;
                Ok(Box::new(FromDataverse {
                    table: Arc::clone(&context.mapping.business_central),
                    sets_unit: self.sets_schedule,
                    unit_codes: found
                        .into_iter()
                        .filter(|(_, coupling)| is_usable(coupling))
                        .filter_map(|(id, coupling)| Some((id.0, coupling.key?)))
                        .collect(),
                }))
            }
        }
    }
}

struct ToDataverse {
    product_type: i64,
    what: &'static str,
    sets_schedule: bool,
    product: Arc<Table>,
    company: Option<DataverseId>,
    quantity_decimals: i64,
    currency: Uuid,
    price_list: Uuid,
    price_lines: PriceLines,
    units: HashMap<String, Coupling>,
}

#[async_trait]
impl BatchRules for ToDataverse {
    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        let table = &self.product;
        let (group, unit) = self.unit(record)?;
        set(fields, table, "defaultuomid", Value::Guid(unit))?;
        if self.sets_schedule {
            set(fields, table, "defaultuomscheduleid", Value::Guid(group))?;
        }
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
        let lines: Vec<Option<PriceLine>> = records.iter().map(|record| self.price_line(context, record)).collect();
        let written = self.price_lines.write(context, &lines).await;
        // One slot per line.
        for (record, line) in records.iter_mut().zip(written) {
            record.beside = line.map(|id| id.map(|id| WrittenBeside::related(PRICE_LINE, id)).unwrap_or_default());
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
    /// Unit group and unit of the record's base unit of measure.
    fn unit(&self, record: Transferring<'_>) -> Result<(Uuid, Uuid), Obstacle> {
        let Some(code) = record.source.get("baseUnitOfMeasureCode").as_text() else {
            return Err(DataFailure::of_field(
                "Base Unit of Measure",
                format!("the {} has no Base Unit of Measure (E44); fill it in Business Central", self.what),
            )
            .into());
        };
        let waits = || {
            Obstacle::Wait(Need {
                dependency: Dependency {
                    mapping: MappingName::from(UNITS),
                    side: Side::BusinessCentral,
                    key: code.to_owned(),
                },
                field: "Base Unit of Measure".to_owned(),
                value: code.to_owned(),
            })
        };
        let coupling = self.units.get(code).filter(|coupling| is_usable(coupling)).ok_or_else(waits)?;
        let unit = coupling.related.get(UNIT).copied().ok_or_else(waits)?;
        Ok((coupling.dataverse_id.0, unit))
    }

    /// The price line the product needs written, if it does.
    fn price_line(&self, context: Context<'_>, record: &AfterWrite<'_>) -> Option<PriceLine> {
        let known = record.coupling.related.get(PRICE_LINE).copied();
        let changed = ["price", "defaultuomid", "defaultuomscheduleid", "transactioncurrencyid", "productnumber"];
        let stale = changed.iter().any(|column| record.changed(Direction::ToDataverse, column));
        if known.is_some() && !stale && !record.created {
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
            amount: self.price(record),
        })
    }
}

impl ToDataverse {
    /// The price of the product: what travelled, else what both sides agreed on last.
    fn price(&self, record: &AfterWrite<'_>) -> Decimal {
        let agreed = || record.coupling.base.get(Side::Dataverse, self.product.column("price")?);
        let price = record.desired("price").cloned().or_else(agreed);
        price.and_then(|price| price.as_decimal()).unwrap_or_default()
    }
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
    sets_unit: bool,
    unit_codes: HashMap<Uuid, String>,
}

impl BatchRules for FromDataverse {
    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        if let Some(state) = record.source.known("statecode") {
            let active = state == &Value::Int(ACTIVE.0);
            set(fields, &self.table, "blocked", Value::Bool(!active))?;
        }
        if self.sets_unit
            && record.creating
            && let Some(group) = record.source.get("defaultuomscheduleid").as_guid()
        {
            let code = self.unit_codes.get(&group).ok_or_else(|| {
                Obstacle::Wait(Need {
                    dependency: Dependency {
                        mapping: MappingName::from(UNITS),
                        side: Side::Dataverse,
                        key: group.to_string(),
                    },
                    field: "Unit Group".to_owned(),
                    value: group.to_string(),
                })
            })?;
            set_on_create(fields, &self.table, "baseUnitOfMeasureCode", Value::text(code.clone()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
