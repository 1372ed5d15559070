//! Lines of submitted orders on their way to Business Central (S103 to S107).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::decision::TransferredField;
use couplet_model::system::Write;
use couplet_model::table::Side;
use couplet_model::{MappingName, Record, RecordId, Table, Value};
use rust_decimal::{Decimal, RoundingStrategy};
use uuid::Uuid;

use crate::bulk::write_all;
use crate::error::EngineError;
use crate::installation::Installation;
use crate::mappings::merged_fields::transfer_both_ways;
use crate::mappings::order_names::{LINE_NUMBER, ORDERS};
use crate::mappings::rules::{
    AfterWrite, BatchRules, Context, Obstacle, Transferring, WrittenBeside, put_same, set_on_create,
};
use crate::mappings::sales_documents::{Document, Objects, as_days, line_discount, texts_of};

/// Decimal places of prices in Business Central, and of amounts.
const PRICE_PLACES: u32 = 5;
const CENTS: u32 = 2;

pub(super) struct Prepared {
    dataverse: Arc<Table>,
    table: Arc<Table>,
    objects: Objects,
    /// Orders in Dataverse whose orders in Business Central have prices that include tax.
    with_tax: BTreeSet<Uuid>,
}

impl Prepared {
    /// Reads what some lines need.
    pub async fn of(context: Context<'_>, lines: &[Transferring<'_>]) -> Result<Self, EngineError> {
        let installation = context.installation;
        let sources: Vec<&Record> = lines.iter().map(|line| line.source).collect();
        Ok(Self {
            dataverse: Arc::clone(&context.mapping.dataverse),
            table: Arc::clone(&context.mapping.business_central),
            objects: Objects::of(installation, &sources).await?,
            with_tax: with_tax(installation, sources.iter().copied()).await?,
        })
    }
}

/// The orders of some lines whose prices include tax in Business Central.
async fn with_tax<'r>(
    installation: &Installation,
    lines: impl Iterator<Item = &'r Record>,
) -> Result<BTreeSet<Uuid>, EngineError> {
    let rows: BTreeSet<RecordId> = lines.filter_map(|line| line.get("salesorderid").as_guid().map(RecordId)).collect();
    let rows: Vec<RecordId> = rows.into_iter().collect();
    if rows.is_empty() {
        return Ok(BTreeSet::new());
    }
    let (company, name) = (installation.company(), MappingName::from(ORDERS));
    let coupled = installation.store().couplings_by_id(company, &name, Side::Dataverse, &rows).await?;
    let rows: HashMap<RecordId, Uuid> =
        coupled.into_iter().map(|(row, coupling)| (coupling.system_id.into(), row.0)).collect();
    let orders: Vec<RecordId> = rows.keys().copied().collect();
    if orders.is_empty() {
        return Ok(BTreeSet::new());
    }
    let table = installation.table(Side::BusinessCentral, "Sales Header")?;
    let columns = ["pricesIncludeTax".to_owned()];
    let found = installation.system(Side::BusinessCentral).fetch(&table, &orders, &columns).await?;
    let includes = found.iter().filter(|order| order.get("pricesIncludeTax").as_bool() == Some(true));
    Ok(includes.filter_map(|order| rows.get(&order.id).copied()).collect())
}

#[async_trait]
impl BatchRules for Prepared {
    fn adjust(&self, line: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        let (source, table, own) = (line.source, &self.table, &*self.dataverse);
        let order = source.get("salesorderid").to_string();
        let sold = self.objects.of_line(source, Document::Order, &order)?;
        // The server numbers lines; a line keeps its number.
        let is_numbered = source.get(LINE_NUMBER).as_int().is_some_and(|number| number != 0);
        fields.retain(|field| field.destination.name != "sequence" || line.creating && is_numbered);
        if line.creating {
            set_on_create(fields, table, "type", Value::text(sold.kind.as_str()))?;
        }
        match &sold.description {
            // A write-in says itself what it is (S71), and what stands for it is the setup's choice, once.
            None if line.creating => {
                set_on_create(fields, table, "lineObjectNumber", Value::text(sold.number.as_str()))?;
                if let Some(description) = texts_of(source, None).description {
                    set_on_create(fields, table, "description", Value::text(description))?;
                }
            }
            None => {}
            Some(_) => {
                if !line.creating {
                    let kind = Value::text(sold.kind.as_str());
                    transfer_both_ways(fields, (own, "productid"), (table, "type"), kind)?;
                }
                let number = Value::text(sold.number.as_str());
                transfer_both_ways(fields, (own, "productid"), (table, "lineObjectNumber"), number)?;
            }
        }
        if let Some(unit) = sold.unit {
            transfer_both_ways(fields, (own, "uomid"), (table, "unitOfMeasureCode"), Value::text(unit))?;
        }
        as_days(source, fields);
        put_same(fields, "discountAmount", &Value::Decimal(line_discount(source)));
        // The rate of a new line is known when Business Central has it.
        if let Some(there) = line.destination.filter(|_| self.is_with_tax(source)) {
            for (column, value) in with_its_tax(source, there) {
                put_same(fields, column, &value);
            }
        }
        Ok(())
    }

    /// Adds the tax to prices and discounts of new lines, where those of their order include it.
    async fn after_write(&self, context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        for record in records.iter_mut() {
            record.beside = Ok(WrittenBeside::default());
        }
        let new: Vec<&mut AfterWrite<'_>> =
            records.iter_mut().filter(|record| record.created && self.is_with_tax(record.source)).collect();
        if new.is_empty() {
            return;
        }
        let system = context.installation.system(Side::BusinessCentral);
        let ids: Vec<RecordId> = new.iter().map(|record| record.destination).collect();
        let there = match system.fetch(&self.table, &ids, &["taxPercent".to_owned()]).await {
            Ok(there) => there,
            Err(error) => {
                new.into_iter().for_each(|record| record.beside = Err(error.clone()));
                return;
            }
        };
        let there: HashMap<RecordId, Record> = there.into_iter().map(|line| (line.id, line)).collect();
        let (mut priced, mut writes) = (Vec::new(), Vec::new());
        for record in new {
            let Some(line) = there.get(&record.destination) else { continue };
            let values = with_its_tax(record.source, line);
            if !values.is_empty() {
                let written = values.iter().map(|(name, value)| (Arc::from(*name), value.clone())).collect();
                writes.push(Write::update(record.destination, None, written));
                priced.push((record, values));
            }
        }
        // `write_all` gives one result per write.
        for ((record, values), result) in priced.into_iter().zip(write_all(system, &self.table, &writes).await) {
            record.beside = result.map(|_| WrittenBeside { values, ..WrittenBeside::default() });
        }
    }
}

impl Prepared {
    fn is_with_tax(&self, line: &Record) -> bool {
        line.get("salesorderid").as_guid().is_some_and(|order| self.with_tax.contains(&order))
    }
}

/// Price and discount of a line as an order has them whose prices include tax: Dataverse keeps them without it. Nothing where
/// there is no tax.
fn with_its_tax(source: &Record, there: &Record) -> Vec<(&'static str, Value)> {
    let rate = there.get("taxPercent").as_decimal().unwrap_or_default();
    if rate.is_zero() {
        return Vec::new();
    }
    let factor = Decimal::ONE + rate / Decimal::ONE_HUNDRED;
    let rounded = |amount: Decimal, places: u32| {
        Value::Decimal(
            (amount * factor).round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero).normalize(),
        )
    };
    let price = source.get("priceperunit").as_decimal().map(|price| ("unitPrice", rounded(price, PRICE_PLACES)));
    price.into_iter().chain([("discountAmount", rounded(line_discount(source), CENTS))]).collect()
}
