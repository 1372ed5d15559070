//! Applying discounts of whole orders in Business Central after their lines are in place (S108).

use std::collections::HashMap;
use std::sync::Arc;

use couplet_model::record::Values;
use couplet_model::system::Write;
use couplet_model::table::Side;
use couplet_model::{Record, RecordId, Value};
use rust_decimal::Decimal;

use super::discounts::{discount_due, discounts_of, grossings, includes_tax};
use super::from_dataverse::{Failed, Prepared};
use crate::bulk::write_all;
use crate::error::EngineError;
use crate::mappings::rules::{AfterWrite, Context};
use crate::mappings::sales_documents::order_discount;
use crate::mappings::sales_order_lines::Grossing;

impl Prepared {
    /// The discounts that orders are to have and do not bear now that their lines are in place.
    pub(super) async fn discounts_due(
        &self,
        context: Context<'_>,
        records: &[&mut AfterWrite<'_>],
        now: &HashMap<RecordId, Record>,
    ) -> Result<HashMap<RecordId, Decimal>, EngineError> {
        let discounts: HashMap<RecordId, Decimal> = discounts_of(now).collect();
        let with_tax = records.iter().filter(|record| {
            let is_discounted =
                order_discount(record.source).is_some() || self.discounts.contains_key(&record.source.id);
            is_discounted && now.get(&record.source.id).is_some_and(includes_tax)
        });
        let with_tax: Vec<RecordId> = with_tax.map(|record| record.destination).collect();
        let grossings = grossings(context.installation, &with_tax).await?;
        let due = records.iter().filter_map(|record| {
            let source = record.source;
            let held = self.discounts.get(&source.id).copied();
            let grossing = grossings.get(&record.destination).copied().unwrap_or(Grossing::NONE);
            Some((source.id, discount_due(source, held, discounts.get(&source.id).copied()?, grossing)?))
        });
        Ok(due.collect())
    }

    /// Applies the discounts that are due.
    pub(super) async fn apply_discounts(
        &self,
        context: Context<'_>,
        records: &[&mut AfterWrite<'_>],
        due: &HashMap<RecordId, Decimal>,
        failed: &mut Failed,
    ) {
        let due = records.iter().filter(|record| !failed.contains_key(&record.source.id)).filter_map(|record| {
            let values: Values = [(Arc::from("discountAmount"), Value::Decimal(*due.get(&record.source.id)?))].into();
            Some((record.source.id, Write::update(record.destination, None, values)))
        });
        let (of, writes): (Vec<RecordId>, Vec<Write>) = due.unzip();
        let system = context.installation.system(Side::BusinessCentral);
        // `write_all` gives one result per write.
        let results = of.into_iter().zip(write_all(system, &self.table, &writes).await);
        failed.extend(results.filter_map(|(order, result)| Some((order, result.err()?))));
    }
}
