//! The lines of archived orders: which line of the order they are, and what new ones are given (S131, S132).

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::decision::TransferredField;
use couplet_model::message::Direction;
use couplet_model::table::Side;
use couplet_model::{Condition, Filter, MappingName, Record, RecordId, SystemError, Table, Value};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::error::EngineError;
use crate::installation::Installation;
use crate::mappings::order_names::{ARCHIVED_ORDERS, LINE_NUMBER};
use crate::mappings::order_standing::{for_each, open_orders};
use crate::mappings::posted_invoice_lines::{Objects, Units};
use crate::mappings::rules::{
    BatchRules, Context, MappingRules, Match, Obstacle, OnDeletion, Transferring, put_same, set, set_on_create,
};

pub(crate) struct ArchivedOrderLines;

#[async_trait]
impl MappingRules for ArchivedOrderLines {
    fn source_columns(&self, _: Direction) -> &'static [&'static str] {
        &[
            "documentId",
            "type",
            "lineObjectNumber",
            "unitOfMeasureCode",
            "unitPrice",
            "netAmount",
            "netAmountIncludingTax",
        ]
    }

    fn destination_columns(&self, _: Direction) -> &'static [&'static str] {
        &["tax", "volumediscountamount"]
    }

    fn on_deletion(&self, _: Direction) -> OnDeletion {
        OnDeletion::Stay
    }

    fn has_key(&self) -> bool {
        false
    }

    /// The line of the order in Dataverse that bears the line's number (S131).
    async fn find_existing(&self, context: Context<'_>, lines: &[&Record]) -> Result<Vec<Match>, EngineError> {
        let installation = context.installation;
        let orders = orders_of(installation, lines).await?;
        let of_order = |id: &Uuid| Value::Reference { table: Arc::from("salesorder"), id: *id };
        let filter = Filter::all(vec![Condition::one_of("salesorderid", orders.values().map(of_order).collect())]);
        let mut found: HashMap<(Uuid, i64), RecordId> = HashMap::new();
        if !orders.is_empty() {
            for line in installation.find_rows("salesorderdetail", &filter, &["salesorderid", LINE_NUMBER]).await? {
                if let (Some(order), Some(number)) =
                    (line.get("salesorderid").as_guid(), line.get(LINE_NUMBER).as_int())
                {
                    found.entry((order, number)).or_insert(line.id);
                }
            }
        }
        let of = |line: &&Record| {
            let order = orders.get(&line.get("documentId").as_guid()?)?;
            found.get(&(*order, line.get("sequence").as_int()?)).copied()
        };
        Ok(lines.iter().map(|line| Ok(of(line))).collect())
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
        let new: Vec<&Record> = lines.iter().filter(|line| line.creating).map(|line| line.source).collect();
        let objects = Objects::of(context.installation, &new).await?;
        let units = Units::of(context.installation, &objects).await?;
        Ok(Box::new(Prepared { table: Arc::clone(&context.mapping.dataverse), objects, units }))
    }
}

/// The orders in Dataverse of the archives that lines belong to.
async fn orders_of(installation: &Installation, lines: &[&Record]) -> Result<HashMap<Uuid, Uuid>, EngineError> {
    let mut archives: Vec<RecordId> =
        lines.iter().filter_map(|line| line.get("documentId").as_guid().map(RecordId)).collect();
    archives.sort_unstable();
    archives.dedup();
    let (company, name) = (installation.company(), MappingName::from(ARCHIVED_ORDERS));
    let coupled = installation.store().couplings_by_id(company, &name, Side::BusinessCentral, &archives).await?;
    Ok(coupled.into_iter().map(|(archive, coupling)| (archive.0, coupling.id(Side::Dataverse).0)).collect())
}

struct Prepared {
    table: Arc<Table>,
    objects: Objects,
    units: Units,
}

#[async_trait]
impl BatchRules for Prepared {
    /// Dataverse computes the amounts of a line of its price, its discount and its tax. A line that was missing is given what
    /// the archive sold, at the archive's price (S132).
    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        let (line, table) = (record.source, &self.table);
        let amount = |column: &str| line.get(column).as_decimal().unwrap_or_default();
        set(fields, table, "tax", Value::Decimal(amount("netAmountIncludingTax") - amount("netAmount")))?;
        // What the volume takes off is Dataverse's own.
        let volume =
            record.destination.and_then(|there| there.get("volumediscountamount").as_decimal()).unwrap_or_default();
        let by_hand = (amount("discountAmount") - volume * amount("quantity")).max(Decimal::ZERO).normalize();
        put_same(fields, "manualdiscountamount", &Value::Decimal(by_hand));
        if !record.creating {
            return Ok(());
        }
        set_on_create(fields, table, "ispriceoverridden", Value::Bool(true))?;
        set_on_create(fields, table, "priceperunit", line.get("unitPrice").clone())?;
        if let Some(product) = self.objects.product(line)? {
            set_on_create(fields, table, "isproductoverridden", Value::Bool(false))?;
            set_on_create(fields, table, "productid", Value::Guid(product))?;
            if let Some(unit) = self.units.of_line(product, line)? {
                set_on_create(fields, table, "uomid", Value::Guid(unit))?;
            }
        }
        Ok(())
    }
}
