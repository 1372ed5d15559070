//! The freight of submitted orders, which Business Central charges on an account (S77, S109): when the order is made, and when the
//! freight is changed in Dataverse. What people correct in Business Central stays otherwise.

use std::collections::HashMap;
use std::sync::Arc;

use couplet_model::comparing::same;
use couplet_model::record::Values;
use couplet_model::system::{SystemErrorKind, Write, WriteAction};
use couplet_model::table::Side;
use couplet_model::{Condition, Filter, Record, RecordId, SystemError, Value};
use rust_decimal::Decimal;

use super::discounts::includes_tax;
use super::from_dataverse::{Failed, Prepared};
use crate::bulk::write_all;
use crate::error::EngineError;
use crate::installation::Installation;
use crate::mappings::order_standing::as_system_error;
use crate::mappings::rules::{AfterWrite, Context};
use crate::mappings::sales_documents::{Document, RowBeside, freight_id, freight_line, freight_of, keep_rows};
use crate::mappings::sales_order_lines::tax_factor;

/// What becomes of the line that charges freight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Charge {
    /// A line is made.
    Made(Decimal),
    /// A line charges something else.
    Changed(RecordId, Decimal),
    /// A line goes.
    Gone(RecordId),
    /// Nothing is to be done.
    Kept,
    /// More was shipped than is to be charged.
    TooLate(Decimal),
}

/// What is written to charge the freight of an order.
pub(super) struct FreightCharge {
    /// The order in Dataverse.
    pub source: RecordId,
    how: How,
}

enum How {
    Made(RowBeside),
    Changed(Write),
}

/// What is to become of the lines that charge freight: those that were shipped stay. `open` is one that was not, with what it
/// charges.
fn charge(wanted: Decimal, shipped: Decimal, open: Option<(RecordId, Decimal)>) -> Charge {
    let left = wanted - shipped;
    match open {
        _ if left.is_sign_negative() && !left.is_zero() => Charge::TooLate(shipped),
        Some((line, _)) if left.is_zero() => Charge::Gone(line),
        Some((_, charged)) if charged == left => Charge::Kept,
        Some((line, _)) => Charge::Changed(line, left),
        None if left.is_zero() => Charge::Kept,
        None => Charge::Made(left),
    }
}

impl Prepared {
    /// Whether the freight of an order was changed in Dataverse, which no field of the order in Business Central shows.
    pub(super) fn is_freight_changed(&self, record: &AfterWrite<'_>) -> bool {
        let column = self.dataverse.column("freightamount");
        let agreed = column.and_then(|column| record.coupling.base.get(Side::Dataverse, column));
        agreed.and_then(|agreed| agreed.as_decimal()).unwrap_or_default() != freight_of(record.source)
    }

    /// How the freight of new orders is to be charged, and that which was changed.
    pub(super) async fn charges_due(
        &self,
        context: Context<'_>,
        records: &[&mut AfterWrite<'_>],
        now: &HashMap<RecordId, Record>,
        failed: &mut Failed,
    ) -> Result<Vec<FreightCharge>, EngineError> {
        let is_due = |record: &AfterWrite<'_>| match record.created {
            true => !freight_of(record.source).is_zero(),
            false => self.is_freight_changed(record),
        };
        let due: Vec<&AfterWrite<'_>> = records
            .iter()
            .map(|record| &**record)
            .filter(|record| is_due(record) && !failed.contains_key(&record.source.id))
            .filter(|record| !self.without_lines.contains(&record.source.id))
            .collect();
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let lines = lines_of(context.installation, &due).await?;
        let mut charges = Vec::new();
        for record in due {
            let (source, order) = (record.source, record.destination);
            let of_order = lines.get(&order).map(Vec::as_slice).unwrap_or_default();
            let is_with_tax = now.get(&source.id).is_some_and(includes_tax);
            let charging = of_order.iter().filter(|line| self.charges_freight(context, source.id, line));
            let (shipped, open): (Vec<&Record>, Vec<&Record>) = charging.partition(|line| is_shipped(line));
            let net =
                |line: &&Record| line.get("unitPrice").as_decimal().unwrap_or_default() / tax_factor(line, is_with_tax);
            let shipped: Decimal = shipped.iter().map(net).sum::<Decimal>().round_dp(2);
            let open = open.first().map(|line| (line.id, net(line).round_dp(2)));
            let how = match charge(freight_of(source), shipped, open) {
                Charge::Kept => continue,
                Charge::Made(amount) => {
                    let Some(account) = &self.freight_account else { continue };
                    let last = of_order.iter().filter_map(|line| line.get("sequence").as_int()).max();
                    let number = last.unwrap_or_default() + 10_000;
                    let mut row = freight_line(context, source.id, order, number, account, amount);
                    row.id = freight_id(context, source.id, shipped);
                    without_tax(&mut row.values);
                    without_tax(&mut row.kept);
                    How::Made(row)
                }
                Charge::Changed(line, amount) => {
                    let values = [(Arc::from(PRICE), Value::Decimal(amount))].into();
                    How::Changed(Write::update(line, None, values))
                }
                Charge::Gone(id) => How::Changed(Write { action: WriteAction::Delete { id }, values: Values::new() }),
                Charge::TooLate(shipped) => {
                    let message = format!(
                        "a freight of {shipped} was shipped already, and the order says {} now: enter at least what was shipped, or correct \
                         the order in Business Central",
                        freight_of(source)
                    );
                    let error = SystemError::new(Side::BusinessCentral, SystemErrorKind::Refused, "", message);
                    failed.insert(source.id, error);
                    continue;
                }
            };
            charges.push(FreightCharge { source: source.id, how });
        }
        Ok(charges)
    }

    /// Charges freight (S109).
    pub(super) async fn charge_freight(&self, context: Context<'_>, charges: Vec<FreightCharge>, failed: &mut Failed) {
        let mut made: Vec<(RecordId, RowBeside)> = Vec::new();
        let mut changed: Vec<(RecordId, Write)> = Vec::new();
        for FreightCharge { source, how } in charges {
            match how {
                _ if failed.contains_key(&source) => {}
                How::Made(row) => made.push((source, row)),
                How::Changed(write) => changed.push((source, write)),
            }
        }
        let (of, rows): (Vec<RecordId>, Vec<RowBeside>) = made.into_iter().unzip();
        // One result per row, and one per write.
        let results = of.into_iter().zip(keep_rows(context, Document::Order, &rows).await);
        failed.extend(results.filter_map(|(order, result)| Some((order, result.err()?))));
        let (of, writes): (Vec<RecordId>, Vec<Write>) = changed.into_iter().unzip();
        let table = match context.installation.table(Side::BusinessCentral, "Sales Line") {
            Ok(table) => table,
            Err(error) => {
                let error = as_system_error(&error, Side::BusinessCentral);
                failed.extend(of.into_iter().map(|order| (order, error.clone())));
                return;
            }
        };
        let results = write_all(context.installation.system(Side::BusinessCentral), &table, &writes).await;
        let refused = of.into_iter().zip(results).filter_map(|(order, result)| Some((order, result.err()?)));
        failed.extend(refused.filter(|(_, error)| error.kind != SystemErrorKind::NotFound));
    }

    /// Whether a line charges the freight of an order: on the account for it, or because it was made for that.
    fn charges_freight(&self, context: Context<'_>, source: RecordId, line: &Record) -> bool {
        let number = line.get("lineObjectNumber").as_text();
        let is_on_account =
            self.freight_account.as_deref().zip(number).is_some_and(|(account, own)| same(account, own));
        let is_of_account = line.get("type") == &Value::text("G/L Account") && is_on_account;
        is_of_account || line.id == freight_id(context, source, Decimal::ZERO)
    }
}

/// The price of a line to which Business Central adds its tax, where the prices of its order include tax.
const PRICE: &str = "priceWithoutTax";

fn without_tax(values: &mut Values) {
    if let Some(price) = values.remove("unitPrice") {
        values.insert(Arc::from(PRICE), price);
    }
}

fn is_shipped(line: &Record) -> bool {
    line.get("shippedQuantity").as_decimal().is_some_and(|shipped| !shipped.is_zero())
}

/// The lines of orders of Business Central.
async fn lines_of(
    installation: &Installation,
    records: &[&AfterWrite<'_>],
) -> Result<HashMap<RecordId, Vec<Record>>, EngineError> {
    let table = installation.table(Side::BusinessCentral, "Sales Line")?;
    let orders = records.iter().map(|record| Value::Guid(record.destination.0)).collect();
    let filter = Filter::all(vec![Condition::one_of("documentId", orders)]);
    let columns = ["documentId", "type", "lineObjectNumber", "unitPrice", "taxPercent", "sequence", "shippedQuantity"];
    let mut lines: HashMap<RecordId, Vec<Record>> = HashMap::new();
    let columns = columns.map(str::to_owned);
    for line in installation.system(Side::BusinessCentral).find(&table, &filter, &columns).await? {
        if let Some(order) = line.get("documentId").as_guid() {
            lines.entry(RecordId(order)).or_default().push(line);
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s77_s109_freight_is_charged_once_and_follows_what_sales_says() {
        let line = crate::bench::id(7);
        let number = |value: i64| Decimal::from(value);
        let at = |value: i64| Some((line, number(value)));
        for (wanted, shipped, open, expected) in [
            (20, 0, None, Charge::Made(number(20))),
            (30, 0, at(20), Charge::Changed(line, number(30))),
            (30, 0, at(30), Charge::Kept),
            (0, 0, at(20), Charge::Gone(line)),
            (0, 0, None, Charge::Kept),
            (20, 20, None, Charge::Kept),
            (30, 20, None, Charge::Made(number(10))),
            (30, 20, at(20), Charge::Changed(line, number(10))),
            (30, 20, at(10), Charge::Kept),
            (10, 20, None, Charge::TooLate(number(20))),
        ] {
            assert_eq!(charge(number(wanted), number(shipped), open), expected, "{wanted} {shipped}");
        }
    }
}
