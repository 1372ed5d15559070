//! Submitted orders on their way to Business Central (S98 to S109).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::decision::TransferredField;
use couplet_model::message::Direction;
use couplet_model::outcome::{DataFailure, FieldNote};
use couplet_model::record::Values;
use couplet_model::system::Write;
use couplet_model::table::Side;
use couplet_model::{Record, RecordId, SystemError, Table, Value};
use rust_decimal::{Decimal, RoundingStrategy};

use crate::bulk::write_all;
use crate::error::EngineError;
use crate::facts::CompanyRow;
use crate::installation::Installation;
use crate::mappings::merged_fields::{transfer_both_ways, was_changed};
use crate::mappings::order_names::ORDER_NUMBER;
use crate::mappings::order_releasing::{Move, act, after_change, is_open, reopen_for_write};
use crate::mappings::order_standing::Standing;
use crate::mappings::rules::{
    AfterWrite, BatchRules, BeforeWrite, Context, Obstacle, Transferring, WrittenBeside, set, set_on_create,
};
use crate::mappings::sales_documents::{
    Addresses, Customers, Document, Objects, QuotesBehind, as_days, freight_of, order_discount,
};

/// What Business Central clears of an address when only its country changes.
const ADDRESSES: [(&str, &[&str]); 2] = [
    ("billToCountry", &["billToAddressLine1", "billToAddressLine2", "billToPostCode", "billToCity", "billToState"]),
    ("shipToCountry", &["shipToAddressLine1", "shipToAddressLine2", "shipToPostCode", "shipToCity", "shipToState"]),
];
/// What is read of orders of Business Central after their lines are in place.
const STANDING: [&str; 8] = [
    "documentStatus",
    "prepaymentDue",
    "number",
    "documentOccurrence",
    "discountAmount",
    "pricesIncludeTax",
    "totalAmountExcludingTax",
    "totalAmountIncludingTax",
];

pub(super) struct Prepared {
    pub dataverse: Arc<Table>,
    table: Arc<Table>,
    pub company: Option<CompanyRow>,
    customers: Customers,
    addresses: Addresses,
    quotes: QuotesBehind,
    /// What the lines of new orders are in want of.
    obstacles: HashMap<RecordId, Obstacle>,
    /// The account that freight is charged on.
    pub freight_account: Option<String>,
    /// The discounts of orders as they were read in Business Central, and whether somebody changed them there since both sides
    /// agreed.
    discounts: HashMap<RecordId, Held>,
    /// Orders without a line.
    pub without_lines: HashSet<RecordId>,
}

/// The discount of an order as it was read in Business Central.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub amount: Decimal,
    /// Whether it was changed in Business Central since both sides agreed.
    pub is_changed_here: bool,
    /// Whether it was changed in Dataverse since both sides agreed.
    pub is_changed_there: bool,
}

impl Prepared {
    /// Reads what some orders need.
    pub async fn of(context: Context<'_>, orders: &[Transferring<'_>]) -> Result<Self, EngineError> {
        let installation = context.installation;
        let charges_freight = orders.iter().any(|order| !freight_of(order.source).is_zero());
        let freight_account = match charges_freight {
            true => installation.sales_setup(|setup| setup.freight_account.is_some()).await?.freight_account.clone(),
            false => None,
        };
        let sources = || orders.iter().map(|order| order.source);
        let without = orders.iter().filter(|order| order.lines.is_empty()).map(|order| order.source.id);
        let discounts = orders.iter().filter_map(|order| Some((order.source.id, held(context, *order)?)));
        Ok(Self {
            dataverse: Arc::clone(&context.mapping.dataverse),
            table: Arc::clone(&context.mapping.business_central),
            company: installation.company_row().await?,
            customers: Customers::of(installation, sources()).await?,
            addresses: Addresses::of(installation, sources()).await?,
            quotes: QuotesBehind::of(
                installation,
                orders.iter().filter(|order| order.creating).map(|order| order.source),
            )
            .await?,
            obstacles: obstacles_of_lines(installation, orders).await?,
            freight_account,
            discounts: discounts.collect(),
            without_lines: without.collect(),
        })
    }
}

/// The discount of an order that is there, and who has changed it. One that is blank in an open order was taken away when
/// its lines changed, by Business Central itself.
fn held(context: Context<'_>, order: Transferring<'_>) -> Option<Held> {
    let there = order.destination.filter(|_| !order.creating)?;
    let (ours, theirs) = (&context.mapping.business_central, &context.mapping.dataverse);
    let amount = there.get("discountAmount").as_decimal().unwrap_or_default();
    let was_taken_away = is_open(there) && amount.is_zero();
    let is_changed = |column: &str| was_changed(order, Side::Dataverse, theirs, order.source, column);
    Some(Held {
        amount,
        is_changed_here: !was_taken_away && was_changed(order, Side::BusinessCentral, ours, there, "discountAmount"),
        is_changed_there: is_changed("discountamount") || is_changed("discountpercentage"),
    })
}

/// What keeps new orders where they are because of their lines: an order is made as a whole.
async fn obstacles_of_lines(
    installation: &Installation,
    orders: &[Transferring<'_>],
) -> Result<HashMap<RecordId, Obstacle>, EngineError> {
    let new: Vec<&Transferring<'_>> =
        orders.iter().filter(|order| order.creating && order.destination.is_none()).collect();
    let lines: Vec<&Record> = new.iter().flat_map(|order| order.lines).collect();
    let objects = Objects::of(installation, &lines).await?;
    let mut obstacles = HashMap::new();
    for order in new {
        let name = Document::Order.name_of(order.source);
        let mut lines = order.lines.iter();
        if let Some(obstacle) = lines.find_map(|line| objects.of_line(line, Document::Order, &name).err()) {
            obstacles.insert(order.source.id, obstacle);
        }
    }
    Ok(obstacles)
}

/// The discount that an order of Business Central is to have after its lines are in place; `None` leaves it as it is (S108).
pub(super) fn discount_due(order: &Record, held: Option<Held>, now: Decimal, wanted: Decimal) -> Option<Decimal> {
    let due = match held {
        None => !wanted.is_zero(),
        Some(held) if held.is_changed_there => true,
        // The other direction brings it across.
        Some(held) if held.is_changed_here => false,
        // Nobody changed it, but its lines have, and Business Central computed it anew.
        Some(held) => held.amount != now || is_computed(order),
    };
    (due && wanted != now).then_some(wanted)
}

/// The discount of an order in Dataverse as its order in Business Central has it, of which the lines are in place: including tax
/// where prices do, so much of it as there is in the lines together.
pub(super) fn discount_there(order: &Record, there: &Record) -> Decimal {
    let wanted = order_discount(order).unwrap_or_default();
    let number = |column: &str| there.get(column).as_decimal().unwrap_or_default();
    let net = number("totalAmountExcludingTax");
    if there.get("pricesIncludeTax").as_bool() != Some(true) || net.is_zero() {
        return wanted;
    }
    let gross = wanted * number("totalAmountIncludingTax") / net;
    gross.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero).normalize()
}

/// Whether the discount of an order follows its lines.
fn is_computed(order: &Record) -> bool {
    !order.get("discountpercentage").is_nothing()
}

#[async_trait]
impl BatchRules for Prepared {
    fn admit(&self, order: Transferring<'_>) -> Result<(), Obstacle> {
        if order.destination.is_none() && !order.creating {
            return Err(Obstacle::Ignore("it is archived in Business Central (S124)".to_owned()));
        }
        match Standing::of(order.source) {
            Some(Standing::Submitted | Standing::Pending) | None => {}
            Some(_) => return Err(Obstacle::Ignore("it is not submitted in Dataverse".to_owned())),
        }
        // It was in Business Central already, and is over there.
        if order.creating && order.destination.is_none() && !order.source.get(ORDER_NUMBER).is_null() {
            let reason = "it has been an order of Business Central before, which is over";
            return Err(Obstacle::Ignore(reason.to_owned()));
        }
        if let Some(obstacle) = self.obstacles.get(&order.source.id) {
            return Err(obstacle.clone());
        }
        if !freight_of(order.source).is_zero() && self.freight_account.is_none() {
            let message = "the order has a freight amount, and Sales & Receivables Setup of Business Central names no account for it (E21): \
                           fill in Freight G/L Acc. No. there";
            return Err(DataFailure::of_field("Freight G/L Acc. No.", message.to_owned()).into());
        }
        if let Some(held) = self.discounts.get(&order.source.id)
            && held.is_changed_here
            && held.is_changed_there
            && order_discount(order.source).unwrap_or_default() != held.amount
        {
            let message = format!(
                "the discount of the order was changed on both sides: {} in Business Central, {} in Dataverse (EE11): enter the same on both",
                held.amount,
                order_discount(order.source).unwrap_or_default()
            );
            return Err(DataFailure::of_field("Invoice Discount Amount", message).into());
        }
        Ok(())
    }

    fn adjust(&self, order: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        let number = self.customers.of_document(Document::Order, order.source)?;
        let (own, table) = (&*self.dataverse, &*self.table);
        transfer_both_ways(fields, (own, "customerid"), (table, "customerNumber"), Value::text(number))?;
        // The customer comes first: Business Central fills in what belongs to it, which the others replace.
        fields.sort_by_key(|field| field.destination.name != "customerNumber");
        as_days(order.source, fields);
        if let Some(quote) = self.quotes.of_order(order.source).filter(|_| order.creating) {
            set_on_create(fields, table, "quoteNumber", Value::text(quote))?;
        }
        // The discount of a new order follows its lines.
        if let Some(held) = self.discounts.get(&order.source.id).filter(|held| held.is_changed_there) {
            let wanted = order_discount(order.source).unwrap_or_default();
            if wanted != held.amount {
                set(fields, table, "discountAmount", Value::Decimal(wanted))?;
            }
        }
        Ok(())
    }

    fn leave_behind(&self, order: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Vec<FieldNote> {
        match order.creating {
            true => self.addresses.keep(order.source, fields),
            false => self.addresses.translate(order.source, fields),
        }
    }

    fn travel_together(&self) -> &'static [(&'static str, &'static [&'static str])] {
        &ADDRESSES
    }

    async fn before_write(&self, context: Context<'_>, records: &mut [BeforeWrite<'_>]) {
        reopen_for_write(context.installation, &self.table, records).await;
    }

    /// Discount, freight, status and what is written back, in this order (S100 to S102).
    async fn after_write(&self, context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        for record in records.iter_mut() {
            record.beside = Ok(WrittenBeside::default());
        }
        let is_concerned =
            |record: &AfterWrite<'_>| record.is_opened(Direction::FromDataverse) || self.is_freight_changed(record);
        let mut concerned: Vec<&mut AfterWrite<'_>> =
            records.iter_mut().filter(|record| is_concerned(record)).collect();
        if concerned.is_empty() {
            return;
        }
        let mut failed = Failed::new();
        let mut discounts: HashMap<RecordId, Decimal> = HashMap::new();
        match self.standings(context, &concerned).await {
            Err(error) => failed.extend(concerned.iter().map(|record| (record.source.id, error.clone()))),
            Ok(now) => {
                let reopened = self.reopen(context, &concerned, &now, &mut failed).await;
                discounts = self.apply_discounts(context, &concerned, &now, &mut failed).await;
                self.charge_freight(context, &concerned, &mut failed).await;
                self.release(context, &concerned, (&now, &reopened), &mut failed).await;
                self.write_back(context, &concerned, &now, &mut failed).await;
            }
        }
        for record in &mut concerned {
            let discount = discounts.get(&record.source.id).map(|amount| ("discountAmount", Value::Decimal(*amount)));
            record.beside = match failed.get(&record.source.id) {
                Some(error) => Err(error.clone()),
                None => Ok(WrittenBeside { values: discount.into_iter().collect(), ..WrittenBeside::default() }),
            };
        }
    }
}

/// Orders that something failed for, by their ids in Dataverse.
pub(super) type Failed = HashMap<RecordId, SystemError>;

impl Prepared {
    /// How orders of Business Central stand now that their lines are in place, by their ids in Dataverse.
    async fn standings(
        &self,
        context: Context<'_>,
        records: &[&mut AfterWrite<'_>],
    ) -> Result<HashMap<RecordId, Record>, SystemError> {
        let sources: HashMap<RecordId, RecordId> =
            records.iter().map(|record| (record.destination, record.source.id)).collect();
        let ids: Vec<RecordId> = sources.keys().copied().collect();
        let system = context.installation.system(Side::BusinessCentral);
        let found = system.fetch(&self.table, &ids, &STANDING.map(str::to_owned)).await?;
        Ok(found.into_iter().filter_map(|order| Some((*sources.get(&order.id)?, order))).collect())
    }

    /// Whether the freight of an order was changed in Dataverse, which no field of the order in Business Central shows.
    fn is_freight_changed(&self, record: &AfterWrite<'_>) -> bool {
        let column = self.dataverse.column("freightamount");
        let agreed = column.and_then(|column| record.coupling.base.get(Side::Dataverse, column));
        agreed.is_some_and(|agreed| agreed.as_decimal().unwrap_or_default() != freight_of(record.source))
    }

    /// Reopens the orders that nothing else was written of. Should this attempt break off, the next one finds the same change.
    async fn reopen(
        &self,
        context: Context<'_>,
        records: &[&mut AfterWrite<'_>],
        now: &HashMap<RecordId, Record>,
        failed: &mut Failed,
    ) -> HashSet<RecordId> {
        let is_closed = |record: &AfterWrite<'_>| now.get(&record.source.id).is_some_and(|order| !is_open(order));
        let closed = records.iter().filter(|record| !record.is_opened(Direction::FromDataverse) && is_closed(record));
        let (of, moves): (Vec<RecordId>, Vec<(RecordId, Move)>) =
            closed.map(|record| (record.source.id, (record.destination, Move::Reopen))).unzip();
        // One result per order.
        let results = act(context.installation, &self.table, &moves).await;
        let refused = of.iter().zip(results).filter_map(|(order, result)| Some((*order, result.err()?)));
        failed.extend(refused);
        of.into_iter().filter(|order| !failed.contains_key(order)).collect()
    }

    /// Applies the discounts that are due; gives those that orders have then.
    async fn apply_discounts(
        &self,
        context: Context<'_>,
        records: &[&mut AfterWrite<'_>],
        now: &HashMap<RecordId, Record>,
        failed: &mut Failed,
    ) -> HashMap<RecordId, Decimal> {
        let amount_of = |order: &Record| order.get("discountAmount").as_decimal().unwrap_or_default();
        let mut discounts: HashMap<RecordId, Decimal> =
            now.iter().map(|(source, order)| (*source, amount_of(order))).collect();
        let due = records.iter().filter(|record| !failed.contains_key(&record.source.id)).filter_map(|record| {
            let source = record.source;
            let held = self.discounts.get(&source.id).copied();
            let wanted = discount_there(source, now.get(&source.id)?);
            let amount = discount_due(source, held, discounts.get(&source.id).copied()?, wanted)?;
            let values: Values = [(Arc::from("discountAmount"), Value::Decimal(amount))].into();
            Some(((source.id, amount), Write::update(record.destination, None, values)))
        });
        let (of, writes): (Vec<(RecordId, Decimal)>, Vec<Write>) = due.unzip();
        let system = context.installation.system(Side::BusinessCentral);
        // `write_all` gives one result per write.
        for ((order, amount), result) in of.into_iter().zip(write_all(system, &self.table, &writes).await) {
            match result {
                Ok(_) => _ = discounts.insert(order, amount),
                Err(error) => _ = failed.insert(order, error),
            }
        }
        discounts
    }

    async fn release(
        &self,
        context: Context<'_>,
        records: &[&mut AfterWrite<'_>],
        (now, reopened): (&HashMap<RecordId, Record>, &HashSet<RecordId>),
        failed: &mut Failed,
    ) {
        let due = records.iter().filter(|record| !failed.contains_key(&record.source.id)).filter_map(|record| {
            let asked = match reopened.contains(&record.source.id) {
                true => Some(Move::Release),
                false => after_change(now.get(&record.source.id)?),
            };
            Some((record.source.id, (record.destination, asked?)))
        });
        let (of, moves): (Vec<RecordId>, Vec<(RecordId, Move)>) = due.unzip();
        // One result per order.
        let results = of.into_iter().zip(act(context.installation, &self.table, &moves).await);
        failed.extend(results.filter_map(|(order, result)| Some((order, result.err()?))));
    }
}
