//! Applying discounts of whole orders in Business Central after their lines are in place (S108).

use std::collections::HashMap;
use std::sync::Arc;

use couplet_model::record::Values;
use couplet_model::system::Write;
use couplet_model::table::Side;
use couplet_model::{Record, RecordId, SystemError, Value};
use rust_decimal::Decimal;

use super::discounts::{discount_due, grossings, includes_tax};
use super::from_dataverse::{Failed, Prepared};
use crate::bulk::write_all;
use crate::error::EngineError;
use crate::mappings::rules::{AfterWrite, Context};
use crate::mappings::sales_documents::order_discount;
use crate::mappings::sales_order_lines::Grossing;

impl Prepared {
    /// Applies the discounts that are due; gives those that orders have then.
    pub(super) async fn apply_discounts(
        &self,
        context: Context<'_>,
        records: &[&mut AfterWrite<'_>],
        now: &HashMap<RecordId, Record>,
        failed: &mut Failed,
    ) -> Result<HashMap<RecordId, Decimal>, EngineError> {
        let amount_of = |order: &Record| order.get("discountAmount").as_decimal().unwrap_or_default();
        let mut discounts: HashMap<RecordId, Decimal> =
            now.iter().map(|(source, order)| (*source, amount_of(order))).collect();
        let records = records.iter().filter(|record| !failed.contains_key(&record.source.id));
        let with_tax = records.clone().filter(|record| {
            let is_discounted =
                order_discount(record.source).is_some() || self.discounts.contains_key(&record.source.id);
            is_discounted && now.get(&record.source.id).is_some_and(includes_tax)
        });
        let with_tax: Vec<RecordId> = with_tax.map(|record| record.destination).collect();
        let grossings = grossings(context.installation, &with_tax).await?;
        let due = records.filter_map(|record| {
            let source = record.source;
            let held = self.discounts.get(&source.id).copied();
            let grossing = grossings.get(&record.destination).copied().unwrap_or(Grossing::NONE);
            let amount = discount_due(source, held, discounts.get(&source.id).copied()?, grossing)?;
            let values: Values = [(Arc::from("discountAmount"), Value::Decimal(amount))].into();
            Some(((source.id, amount), Write::update(record.destination, None, values)))
        });
        let (of, writes): (Vec<(RecordId, Decimal)>, Vec<Write>) = due.unzip();
        let system = context.installation.system(Side::BusinessCentral);
        // `write_all` gives one result per write.
        let results: Vec<(_, Result<_, SystemError>)> =
            of.into_iter().zip(write_all(system, &self.table, &writes).await).collect();
        for ((order, amount), result) in results {
            match result {
                Ok(_) => _ = discounts.insert(order, amount),
                Err(error) => _ = failed.insert(order, error),
            }
        }
        Ok(discounts)
    }
}
