//! The lines of archived orders: which line of the order they are, and what new ones are given (S131, S132).

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::decision::TransferredField;
use couplet_model::message::Direction;
use couplet_model::outcome::DataFailure;
use couplet_model::table::Side;
use couplet_model::{MappingName, Record, RecordId, SystemError, Table, Value};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::numbers::NumberedLines;
use crate::error::EngineError;
use crate::installation::Installation;
use crate::mappings::order_names::{ARCHIVED_ORDERS, LINE_NUMBER};
use crate::mappings::order_standing::{for_each, open_orders};
use crate::mappings::posted_invoice_lines::{Objects, Units};
use crate::mappings::rules::{
    BatchRules, Context, MappingRules, Match, Obstacle, OnDeletion, Transferring, put_same, set, set_on_create,
};
use crate::mappings::sales_order_lines::{PriceForm, line_amounts};

pub(crate) struct ArchivedOrderLines;

#[async_trait]
impl MappingRules for ArchivedOrderLines {
    fn source_columns(&self, _: Direction) -> &'static [&'static str] {
        &[
            "documentId",
            "type",
            "lineObjectNumber",
            "description",
            "unitOfMeasureCode",
            "unitPrice",
            "taxPercent",
            "netAmount",
            "netAmountIncludingTax",
        ]
    }

    fn destination_columns(&self, _: Direction) -> &'static [&'static str] {
        &["tax", "volumediscountamount", "priceperunit", "ispriceoverridden"]
    }

    fn on_deletion(&self, _: Direction) -> OnDeletion {
        OnDeletion::Stay
    }

    fn has_key(&self) -> bool {
        false
    }

    /// The line of the order in Dataverse that bears the line's number (S131), or is coupled with it and was not told yet.
    async fn find_existing(&self, context: Context<'_>, lines: &[&Record]) -> Result<Vec<Match>, EngineError> {
        let installation = context.installation;
        let orders = orders_of(installation, lines).await?;
        let rows = NumberedLines::of(installation, orders.values().copied()).await?;
        let mut found: HashMap<(Uuid, i64), RecordId> = HashMap::new();
        for (order, number, row) in &rows.numbered {
            found.entry((*order, *number)).or_insert(*row);
        }
        let of = |line: &&Record| {
            let (order, number) = line
                .get("documentId")
                .as_guid()
                .and_then(|archive| Some((orders.get(&archive)?, line.get("sequence").as_int()?)))?;
            match found.get(&(*order, number)) {
                Some(row) => Some(Ok(*row)),
                None if rows.unnumbered.contains(order) => Some(Err(number)),
                None => None,
            }
        };
        let answer = |line: &&Record| match of(line) {
            Some(Ok(row)) => Ok(Some(row)),
            Some(Err(number)) => Err(without_number(number)),
            None => Ok(None),
        };
        Ok(lines.iter().map(answer).collect())
    }

    async fn open_documents(&self, context: Context<'_>, orders: &[RecordId]) -> Vec<Result<(), SystemError>> {
        let opened = open_orders(context.installation, orders).await;
        opened.unwrap_or_else(|error| for_each(&error, orders.len()))
    }

    async fn prepare(
        &self,
        context: Context<'_>,
        lines: &[Transferring<'_>],
    ) -> Result<Box<dyn BatchRules>, EngineError> {
        let installation = context.installation;
        let new: Vec<&Record> = lines.iter().filter(|line| line.creating).map(|line| line.source).collect();
        let objects = Objects::of(installation, &new).await?;
        let units = Units::of(installation, &objects).await?;
        Ok(Box::new(Prepared {
            table: Arc::clone(&context.mapping.dataverse),
            with_tax: with_tax(installation, lines).await?,
            prices: PriceForm::of(installation).await?,
            objects,
            units,
        }))
    }
}

/// A line that may be one of those in Dataverse is not made.
fn without_number(number: i64) -> DataFailure {
    let message = format!(
        "line {number} of the archived order may be one of those in Dataverse that nobody knows the number of: enter the line numbers of \
         Business Central there ({LINE_NUMBER}), or delete the lines that have none"
    );
    DataFailure::of_field("Line No.", message)
}

/// The archives of some lines whose prices include tax.
async fn with_tax(installation: &Installation, lines: &[Transferring<'_>]) -> Result<HashSet<Uuid>, EngineError> {
    let archives = archives_of(lines.iter().map(|line| line.source));
    if archives.is_empty() {
        return Ok(HashSet::new());
    }
    let table = installation.table(Side::BusinessCentral, "Sales Header Archive")?;
    let columns = ["pricesIncludeTax".to_owned()];
    let found = installation.system(Side::BusinessCentral).fetch(&table, &archives, &columns).await?;
    let includes = |archive: &Record| archive.get("pricesIncludeTax").as_bool() == Some(true);
    Ok(found.into_iter().filter(includes).map(|archive| archive.id.0).collect())
}

/// The archives that lines belong to.
fn archives_of<'r>(lines: impl Iterator<Item = &'r Record>) -> Vec<RecordId> {
    let archives: BTreeSet<RecordId> =
        lines.filter_map(|line| line.get("documentId").as_guid().map(RecordId)).collect();
    archives.into_iter().collect()
}

/// The orders in Dataverse of the archives that lines belong to.
async fn orders_of(installation: &Installation, lines: &[&Record]) -> Result<HashMap<Uuid, Uuid>, EngineError> {
    let archives = archives_of(lines.iter().copied());
    let (company, name) = (installation.company(), MappingName::from(ARCHIVED_ORDERS));
    let coupled = installation.store().couplings_by_id(company, &name, Side::BusinessCentral, &archives).await?;
    Ok(coupled.into_iter().map(|(archive, coupling)| (archive.0, coupling.id(Side::Dataverse).0)).collect())
}

struct Prepared {
    table: Arc<Table>,
    /// Archives whose prices include tax.
    with_tax: HashSet<Uuid>,
    /// How lines keep prices in Dataverse.
    prices: PriceForm,
    objects: Objects,
    units: Units,
}

#[async_trait]
impl BatchRules for Prepared {
    /// Dataverse computes the amounts of a line of its price, its discount and its tax, which are those that the order itself
    /// would be given. A line that was missing is given what the archive sold (S132).
    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        let (line, table) = (record.source, &self.table);
        let is_with_tax = line.get("documentId").as_guid().is_some_and(|archive| self.with_tax.contains(&archive));
        let amounts = line_amounts(line, is_with_tax, self.prices);
        set(fields, table, "ispriceoverridden", Value::Bool(true))?;
        set(fields, table, "priceperunit", Value::Decimal(amounts.price))?;
        set(fields, table, "tax", Value::Decimal(amounts.tax))?;
        // What the volume takes off is Dataverse's own.
        let volume =
            record.destination.and_then(|there| there.get("volumediscountamount").as_decimal()).unwrap_or_default();
        let by_volume = volume * line.get("quantity").as_decimal().unwrap_or_default();
        let by_hand = (amounts.discount - by_volume).max(Decimal::ZERO).normalize();
        put_same(fields, "manualdiscountamount", &Value::Decimal(by_hand));
        if !record.creating {
            return Ok(());
        }
        let product = self.objects.product(line)?;
        set_on_create(fields, table, "isproductoverridden", Value::Bool(product.is_none()))?;
        let Some(product) = product else {
            // Only what stands for written-in products is none: the line says itself what it is (S119).
            set_on_create(fields, table, "productdescription", line.get("description").clone())?;
            return Ok(());
        };
        set_on_create(fields, table, "productid", Value::Guid(product))?;
        if let Some(unit) = self.units.of_line(product, line)? {
            set_on_create(fields, table, "uomid", Value::Guid(unit))?;
        }
        Ok(())
    }
}
