//! POSTEDSALESLINE-INV: product, unit and price of the lines of posted invoices, and the line that takes up what rounding leaves
//! (S184 to S191, decision 0047).

mod balancing;
mod invoices;
pub(crate) mod missing_prices;
mod objects;

use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::catalogue::usual_form;
use couplet_model::decision::TransferredField;
use couplet_model::message::Direction;
use couplet_model::{Coupling, Record, Table, Value};

use self::balancing::Balancing;
use self::invoices::Invoices;
pub(crate) use self::objects::{Objects, Units};
use super::rules::{
    AfterWrite, BatchRules, Context, MappingRules, Obstacle, Transferring, WrittenBeside, set, set_on_create,
};
use crate::error::EngineError;

/// Digits of a unit price without tax: the precision that Business Central has for unit amounts by default.
const UNIT_AMOUNT_DIGITS: u32 = 5;

pub(crate) struct PostedInvoiceLines;

#[async_trait]
impl MappingRules for PostedInvoiceLines {
    fn source_columns(&self, _: Direction) -> &'static [&'static str] {
        &[
            "sequence",
            "type",
            "lineObjectNumber",
            "description",
            "unitOfMeasureCode",
            "currencyCode",
            "pricesIncludeTax",
            "netAmount",
            "netAmountIncludingTax",
        ]
    }

    /// An invoice is balanced by all its lines, those too that nobody touched.
    fn record_tells_all(&self, _: Direction, _: &Record, _: &Coupling) -> bool {
        false
    }

    async fn prepare(
        &self,
        context: Context<'_>,
        sources: &[Transferring<'_>],
    ) -> Result<Box<dyn BatchRules>, EngineError> {
        let installation = context.installation;
        let table = &context.mapping.dataverse;
        let new: Vec<&Record> = sources.iter().filter(|record| record.creating).map(|record| record.source).collect();
        let objects = Objects::of(installation, &new).await?;
        let units = Units::of(installation, &objects).await?;
        let lines = || sources.iter().map(|record| record.source);
        let price = installation.table_facts(table).await?.column("priceperunit");
        let price = price.or(usual_form(&table.name, "priceperunit"));
        Ok(Box::new(Prepared {
            table: Arc::clone(table),
            objects,
            units,
            invoices: Invoices::of(installation, lines()).await?,
            balancing: Balancing::new(table, price, lines()),
        }))
    }
}

struct Prepared {
    table: Arc<Table>,
    objects: Objects,
    units: Units,
    invoices: Invoices,
    balancing: Balancing,
}

#[async_trait]
impl BatchRules for Prepared {
    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        let (line, table) = (record.source, &self.table);
        // What is paid or canceled is changed no more, and neither are its lines (S170).
        if self.invoices.of_line(line).is_some_and(|invoice| !invoice.is_open) {
            fields.clear();
            return match record.destination {
                Some(_) => Ok(()),
                None => Err(Obstacle::Ignore("its invoice is closed in Dataverse".to_owned())),
            };
        }
        let amount = |column: &str| line.get(column).as_decimal().unwrap_or_default();
        let tax = amount("netAmountIncludingTax") - amount("netAmount");
        set(fields, table, "lineitemnumber", line.get("sequence").clone())?;
        set(fields, table, "tax", Value::Decimal(tax))?;
        let quantity = amount("quantity");
        if line.get("pricesIncludeTax").as_bool() == Some(true) && !quantity.is_zero() {
            let price = amount("unitPrice") - (tax / quantity).round_dp(UNIT_AMOUNT_DIGITS);
            set(fields, table, "priceperunit", Value::Decimal(price))?;
        }
        if !record.creating {
            return Ok(());
        }
        match self.objects.product(line)? {
            Some(product) => {
                set_on_create(fields, table, "isproductoverridden", Value::Bool(false))?;
                set_on_create(fields, table, "productid", Value::Guid(product))?;
                if let Some(unit) = self.units.of_line(product, line)? {
                    set_on_create(fields, table, "uomid", Value::Guid(unit))?;
                }
            }
            None => {
                set_on_create(fields, table, "isproductoverridden", Value::Bool(true))?;
                let [number, description] =
                    ["lineObjectNumber", "description"].map(|name| line.get(name).as_text().unwrap_or_default());
                let description = format!("{number} {description}.");
                set_on_create(fields, table, "productdescription", Value::text(description.trim()))?;
            }
        }
        Ok(())
    }

    /// Gives the price list a price for what it lacks, and the invoice a line for what rounding left.
    async fn after_write(&self, context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        for record in records.iter_mut() {
            record.beside = Ok(WrittenBeside::default());
        }
        let list_of = |line: &Record| self.invoices.of_line(line)?.price_list;
        missing_prices::write(context, &list_of, records).await;
        self.balancing.balance(context, &self.invoices, records).await;
    }
}

#[cfg(test)]
mod tests;
