//! The discount of a whole order: who has changed it, and what it is to be in Business Central, where it includes tax as the prices
//! do (S108).

use std::collections::HashMap;

use couplet_model::outcome::DataFailure;
use couplet_model::table::Side;
use couplet_model::{Condition, Coupling, Filter, Record, RecordId, Value};
use rust_decimal::Decimal;

use crate::error::EngineError;
use crate::installation::Installation;
use crate::mappings::merged_fields::was_changed;
use crate::mappings::order_releasing::is_open;
use crate::mappings::rules::{Context, Transferring, opened};
use crate::mappings::sales_documents::order_discount;
use crate::mappings::sales_order_lines::Grossing;

/// The columns of Dataverse that hold the discount of an order.
pub(super) const THERE: [&str; 2] = ["discountamount", "discountpercentage"];

/// The discount of an order as it was read in Business Central.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub amount: Decimal,
    /// How much of it is tax.
    pub grossing: Grossing,
    /// Whether it was changed in Business Central since both sides agreed.
    pub is_changed_here: bool,
    /// Whether it was changed in Dataverse since both sides agreed.
    pub is_changed_there: bool,
    /// Whether Business Central computed it anew because we changed its lines, and the attempt broke off before it was applied.
    pub is_computed_for_us: bool,
}

impl Held {
    /// Whether it takes off something else than an order of Dataverse says.
    pub fn differs_from(self, order: &Record) -> bool {
        let wanted = order_discount(order).unwrap_or_default();
        self.amount != self.grossing.with_tax(wanted) && self.grossing.without_tax(self.amount) != wanted
    }
}

/// The discounts of orders that are there, and who has changed them, by their ids in Dataverse. One that is blank in an open order
/// was taken away when its lines changed, by Business Central itself.
pub(super) async fn held(
    context: Context<'_>,
    orders: &[Transferring<'_>],
) -> Result<HashMap<RecordId, Held>, EngineError> {
    let (ours, theirs) = (&context.mapping.business_central, &context.mapping.dataverse);
    let mut discounts = HashMap::new();
    let (mut with_tax, mut suspects) = (Vec::new(), Vec::new());
    for order in orders {
        let Some(there) = order.destination.filter(|_| !order.creating) else { continue };
        let amount = there.get("discountAmount").as_decimal().unwrap_or_default();
        let was_taken_away = is_open(there) && amount.is_zero();
        let is_changed = |column: &str| was_changed(*order, Side::Dataverse, theirs, order.source, column);
        let is_changed_there = THERE.into_iter().any(is_changed);
        if is_changed_there && includes_tax(there) {
            with_tax.push(there.id);
        }
        let differs = was_changed(*order, Side::BusinessCentral, ours, there, "discountAmount");
        if differs {
            suspects.push(order.source.id);
        }
        let is_changed_here = !was_taken_away && differs;
        let held =
            Held { amount, grossing: Grossing::NONE, is_changed_here, is_changed_there, is_computed_for_us: false };
        discounts.insert(order.source.id, (there.id, held));
    }
    for order in computed_for_us(context, &suspects).await? {
        if let Some((_, held)) = discounts.get_mut(&order) {
            held.is_changed_here = false;
            held.is_computed_for_us = true;
        }
    }
    let grossings = grossings(context.installation, &with_tax).await?;
    let grossed = |(row, (order, held)): (RecordId, (RecordId, Held))| {
        (row, Held { grossing: grossings.get(&order).copied().unwrap_or(Grossing::NONE), ..held })
    };
    Ok(discounts.into_iter().map(grossed).collect())
}

/// Orders whose discount Business Central computed anew because we changed their lines, and died before we could apply it: their
/// pairs tell that we were changing them. One read of the store, and only for orders whose discount is not what both sides agreed
/// on.
async fn computed_for_us(context: Context<'_>, suspects: &[RecordId]) -> Result<Vec<RecordId>, EngineError> {
    if suspects.is_empty() {
        return Ok(Vec::new());
    }
    let (store, company) = (context.installation.store(), context.installation.company());
    let pairs = store.couplings_by_id(company, &context.mapping.name, Side::Dataverse, suspects).await?;
    let by_us = |pair: &Coupling| pair.related.contains_key(opened(Side::BusinessCentral));
    Ok(pairs.into_iter().filter(|(_, pair)| by_us(pair)).map(|(order, _)| order).collect())
}

/// The discounts that orders of Business Central bear, by the ids of their orders in Dataverse.
pub(super) fn discounts_of(orders: &HashMap<RecordId, Record>) -> impl Iterator<Item = (RecordId, Decimal)> {
    let amount = |order: &Record| order.get("discountAmount").as_decimal().unwrap_or_default();
    orders.iter().map(move |(source, order)| (*source, amount(order)))
}

/// Whether the prices of an order of Business Central include tax.
pub(super) fn includes_tax(order: &Record) -> bool {
    order.get("pricesIncludeTax").as_bool() == Some(true)
}

/// How much of their discounts is tax, of orders of Business Central whose prices include it.
pub(super) async fn grossings(
    installation: &Installation,
    orders: &[RecordId],
) -> Result<HashMap<RecordId, Grossing>, EngineError> {
    if orders.is_empty() {
        return Ok(HashMap::new());
    }
    let table = installation.table(Side::BusinessCentral, "Sales Line")?;
    let filter =
        Filter::all(vec![Condition::one_of("documentId", orders.iter().map(|id| Value::Guid(id.0)).collect())]);
    let columns = ["documentId", "type", "quantity", "unitPrice", "discountAmount", "taxPercent"].map(str::to_owned);
    let mut lines: HashMap<RecordId, Vec<Record>> = HashMap::new();
    for line in installation.system(Side::BusinessCentral).find(&table, &filter, &columns).await? {
        if let Some(order) = line.get("documentId").as_guid() {
            lines.entry(RecordId(order)).or_default().push(line);
        }
    }
    Ok(lines.into_iter().map(|(order, lines)| (order, Grossing::of(lines.iter(), true))).collect())
}

/// The discount that an order of Business Central is to have after its lines are in place; `None` leaves it as it is (S108).
pub(super) fn discount_due(order: &Record, held: Option<Held>, now: Decimal, grossing: Grossing) -> Option<Decimal> {
    let wanted = order_discount(order).unwrap_or_default();
    let due = match held {
        None => !wanted.is_zero(),
        Some(held) if held.is_changed_there => true,
        // The other direction brings it across.
        Some(held) if held.is_changed_here => false,
        // Nobody changed it, but its lines have, and Business Central computed it anew.
        Some(held) => held.amount != now || held.is_computed_for_us || is_computed(order),
    };
    let with_tax = grossing.with_tax(wanted);
    (due && with_tax != now && grossing.without_tax(now) != wanted).then_some(with_tax)
}

/// Whether the discount of an order follows its lines.
fn is_computed(order: &Record) -> bool {
    !order.get("discountpercentage").is_nothing()
}

/// What is told where both sides have changed the discount of an order.
pub(super) fn discounts_clash(here: Decimal, there: Decimal) -> DataFailure {
    let message = format!(
        "the discount of the order was changed on both sides: {here} in Business Central, {there} in Dataverse (EE11): enter the same on both"
    );
    DataFailure::of_field("Invoice Discount Amount", message)
}
