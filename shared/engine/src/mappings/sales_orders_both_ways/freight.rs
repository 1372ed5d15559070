//! The freight of submitted orders, which Business Central charges on an account (S109).

use std::collections::HashMap;

use couplet_model::table::Side;
use couplet_model::{Condition, Filter, RecordId, Value};
use rust_decimal::Decimal;

use super::from_dataverse::{Failed, Prepared};
use crate::error::EngineError;
use crate::installation::Installation;
use crate::mappings::order_standing::as_system_error;
use crate::mappings::rules::{AfterWrite, Context};
use crate::mappings::sales_documents::{Document, RowBeside, freight_line, freight_of, keep_rows};

impl Prepared {
    /// Charges the freight on an account, unless a line does so already (S109).
    pub(super) async fn charge_freight(
        &self,
        context: Context<'_>,
        records: &[&mut AfterWrite<'_>],
        failed: &mut Failed,
    ) {
        let Some(account) = &self.freight_account else { return };
        let charged: Vec<&&mut AfterWrite<'_>> = records
            .iter()
            .filter(|record| !freight_of(record.source).is_zero() && !failed.contains_key(&record.source.id))
            .filter(|record| !self.without_lines.contains(&record.source.id))
            .collect();
        if charged.is_empty() {
            return;
        }
        let lines = match freight_lines(context.installation, &charged).await {
            Ok(lines) => lines,
            Err(error) => {
                let error = as_system_error(&error, Side::BusinessCentral);
                failed.extend(charged.iter().map(|record| (record.source.id, error.clone())));
                return;
            }
        };
        let missing = charged.iter().filter(|record| {
            let charges = |(order, price): &(RecordId, Decimal)| {
                *order == record.destination && *price == freight_of(record.source)
            };
            !lines.charges.iter().any(charges)
        });
        let rows = missing.map(|record| {
            let number = lines.last.get(&record.destination).copied().unwrap_or_default() + 10_000;
            let source = record.source;
            (source.id, freight_line(context, source.id, record.destination, number, account, freight_of(source)))
        });
        let (of, rows): (Vec<RecordId>, Vec<RowBeside>) = rows.unzip();
        // One result per row.
        let results = of.into_iter().zip(keep_rows(context, Document::Order, &rows).await);
        failed.extend(results.filter_map(|(order, result)| Some((order, result.err()?))));
    }
}

/// The lines of orders that charge freight, and the last numbers of lines.
struct FreightLines {
    charges: Vec<(RecordId, Decimal)>,
    last: HashMap<RecordId, i64>,
}

async fn freight_lines(
    installation: &Installation,
    records: &[&&mut AfterWrite<'_>],
) -> Result<FreightLines, EngineError> {
    let table = installation.table(Side::BusinessCentral, "Sales Line")?;
    let orders = records.iter().map(|record| Value::Guid(record.destination.0)).collect();
    let filter = Filter::all(vec![Condition::one_of("documentId", orders)]);
    let columns = ["documentId", "type", "unitPrice", "sequence"].map(str::to_owned);
    let mut lines = FreightLines { charges: Vec::new(), last: HashMap::new() };
    for line in installation.system(Side::BusinessCentral).find(&table, &filter, &columns).await? {
        let Some(order) = line.get("documentId").as_guid().map(RecordId) else { continue };
        let number = line.get("sequence").as_int().unwrap_or_default();
        let last = lines.last.entry(order).or_default();
        *last = number.max(*last);
        if line.get("type") == &Value::text("G/L Account") {
            lines.charges.push((order, line.get("unitPrice").as_decimal().unwrap_or_default()));
        }
    }
    Ok(lines)
}
