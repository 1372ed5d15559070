//! Submitted orders on their way to Business Central (S98 to S109).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::decision::TransferredField;
use couplet_model::message::Direction;
use couplet_model::outcome::{DataFailure, FieldNote};
use couplet_model::table::Side;
use couplet_model::{Record, RecordId, SystemError, Table, Value};
use rust_decimal::Decimal;

use super::discounts::{Held, discounts_clash, discounts_of, held};
use crate::error::EngineError;
use crate::facts::CompanyRow;
use crate::installation::Installation;
use crate::mappings::merged_fields::{transfer_both_ways, was_changed};
use crate::mappings::order_names::{LINE_NUMBER, ORDER_NUMBER};
use crate::mappings::order_releasing::{Move, act, after_change, is_open, is_prepayment_due, reopen_for_write};
use crate::mappings::order_standing::{Standing, as_system_error};
use crate::mappings::rules::{
    AfterWrite, BatchRules, BeforeWrite, Context, Obstacle, Transferring, WrittenBeside, left_open, set, set_on_create,
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
const STANDING: [&str; 6] =
    ["documentStatus", "prepaymentDue", "number", "documentOccurrence", "discountAmount", "pricesIncludeTax"];

pub(super) struct Prepared {
    pub dataverse: Arc<Table>,
    pub table: Arc<Table>,
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
    pub discounts: HashMap<RecordId, Held>,
    /// Orders without a line.
    pub without_lines: HashSet<RecordId>,
    /// Lines that bear no number yet, by their orders.
    pub unnumbered: HashMap<RecordId, Vec<RecordId>>,
}

impl Prepared {
    /// Reads what some orders need.
    pub async fn of(context: Context<'_>, orders: &[Transferring<'_>]) -> Result<Self, EngineError> {
        let installation = context.installation;
        let is_changed = |order: &Transferring<'_>| {
            was_changed(*order, Side::Dataverse, &context.mapping.dataverse, order.source, "freightamount")
        };
        let charges_freight = orders.iter().any(|order| !freight_of(order.source).is_zero() || is_changed(order));
        let freight_account = match charges_freight {
            true => installation.sales_setup(|setup| setup.freight_account.is_some()).await?.freight_account.clone(),
            false => None,
        };
        let sources = || orders.iter().map(|order| order.source);
        let without = orders.iter().filter(|order| order.lines.is_empty()).map(|order| order.source.id);
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
            discounts: held(context, orders).await?,
            without_lines: without.collect(),
            unnumbered: unnumbered(orders),
        })
    }
}

/// The lines of orders that bear no number of a line of Business Central.
fn unnumbered(orders: &[Transferring<'_>]) -> HashMap<RecordId, Vec<RecordId>> {
    let bears_none = |line: &&Record| line.get(LINE_NUMBER).as_int().is_none_or(|number| number == 0);
    let of = |order: &Transferring<'_>| order.lines.iter().filter(bears_none).map(|line| line.id).collect::<Vec<_>>();
    orders.iter().map(|order| (order.source.id, of(order))).filter(|(_, lines)| !lines.is_empty()).collect()
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

#[async_trait]
impl BatchRules for Prepared {
    fn admit(&self, order: Transferring<'_>) -> Result<(), Obstacle> {
        if order.destination.is_none() && !order.creating {
            return Err(Obstacle::Ignore("it is archived in Business Central (S124)".to_owned()));
        }
        let is_there = order.destination.is_some() && !order.creating;
        match Standing::of(order.source) {
            Some(Standing::Submitted | Standing::Pending) | None => {}
            // A seller may have changed it before it was shipped.
            Some(Standing::Fulfilled | Standing::PartlyFulfilled) if is_there => {}
            Some(Standing::Canceled) if is_there => return Err(canceled().into()),
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
            && held.differs_from(order.source)
        {
            return Err(discounts_clash(held.amount, order_discount(order.source).unwrap_or_default()).into());
        }
        Ok(())
    }

    fn adjust(&self, order: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        let number = self.customers.of_document(Document::Order, order.source)?;
        let (own, table) = (&*self.dataverse, &*self.table);
        transfer_both_ways(fields, (own, "customerid"), (table, "customerNumber"), Value::text(number))?;
        // The customer comes first: Business Central fills in what belongs to it, which the others replace.
        fields.sort_by_key(|field| field.destination.name != "customerNumber");
        // What a percentage takes off the lines is no discount for paying early.
        fields.retain(|field| field.destination.name != "paymentDiscountPercent");
        as_days(order.source, fields);
        if let Some(quote) = self.quotes.of_order(order.source).filter(|_| order.creating) {
            set_on_create(fields, table, "quoteNumber", Value::text(quote))?;
        }
        // The discount of a new order follows its lines.
        let is_due = |held: &&Held| held.is_changed_there && held.differs_from(order.source);
        if let Some(held) = self.discounts.get(&order.source.id).filter(is_due) {
            let wanted = held.grossing.with_tax(order_discount(order.source).unwrap_or_default());
            set(fields, table, "discountAmount", Value::Decimal(wanted))?;
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

    /// What is released can be shipped, also while a line of it waits for somebody. What Business Central took off the discount of
    /// the order with the lines that did change comes back before.
    async fn close_behind(&self, context: Context<'_>, documents: &mut [AfterWrite<'_>]) -> Vec<bool> {
        let documents: Vec<&mut AfterWrite<'_>> = documents.iter_mut().collect();
        let Ok(now) = self.standings(context, &documents).await else { return Vec::new() };
        let mut failed = Failed::new();
        match self.discounts_due(context, &documents, &now).await {
            Ok(due) => self.apply_discounts(context, &documents, &due, &mut failed).await,
            Err(error) => {
                let error = as_system_error(&error, Side::BusinessCentral);
                failed.extend(documents.iter().map(|document| (document.source.id, error.clone())));
            }
        }
        self.release(context, &documents, (&now, &HashSet::new()), &mut failed).await;
        let is_closed = |id: &RecordId| now.contains_key(id) && !failed.contains_key(id);
        documents.iter().map(|document| is_closed(&document.source.id)).collect()
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
        let mut left: HashSet<RecordId> = HashSet::new();
        match self.standings(context, &concerned).await {
            Err(error) => failed.extend(concerned.iter().map(|record| (record.source.id, error.clone()))),
            Ok(now) => {
                let due = self.discounts_due(context, &concerned, &now).await;
                let charges = self.charges_due(context, &concerned, &now, &mut failed).await;
                match (due, charges) {
                    (Ok(due), Ok(charges)) => {
                        let of_charges = charges.iter().map(|charge| charge.source);
                        let changing: HashSet<RecordId> = due.keys().copied().chain(of_charges).collect();
                        let reopened = self.reopen(context, &concerned, (&now, &changing), &mut failed).await;
                        self.apply_discounts(context, &concerned, &due, &mut failed).await;
                        self.charge_freight(context, charges, &mut failed).await;
                        self.release(context, &concerned, (&now, &reopened), &mut failed).await;
                        self.write_back(context, &concerned, &now, &mut failed).await;
                        left = left_for_prepayment(&concerned, &now);
                        discounts = discounts_of(&now).collect();
                        discounts.extend(due.into_iter().filter(|(order, _)| !failed.contains_key(order)));
                    }
                    (Err(error), _) | (_, Err(error)) => {
                        let error = as_system_error(&error, Side::BusinessCentral);
                        failed.extend(concerned.iter().map(|record| (record.source.id, error.clone())));
                        self.release(context, &concerned, (&now, &HashSet::new()), &mut failed).await;
                    }
                }
            }
        }
        for record in &mut concerned {
            let discount = discounts.get(&record.source.id).map(|amount| ("discountAmount", Value::Decimal(*amount)));
            record.beside = match failed.get(&record.source.id) {
                Some(error) => Err(error.clone()),
                None => {
                    let mut beside = match left.contains(&record.source.id) {
                        true => WrittenBeside::related(left_open(Side::BusinessCentral), record.destination.0),
                        false => WrittenBeside::default(),
                    };
                    beside.values.extend(discount);
                    Ok(beside)
                }
            };
        }
    }
}

/// Orders that were opened for a change and stay open, because a prepayment is to be invoiced first (S102).
fn left_for_prepayment(records: &[&mut AfterWrite<'_>], now: &HashMap<RecordId, Record>) -> HashSet<RecordId> {
    let opened = records.iter().filter(|record| record.is_opened_by_us(Direction::FromDataverse));
    let ids = opened.map(|record| record.source.id);
    ids.filter(|order| now.get(order).is_some_and(is_prepayment_due)).collect()
}

/// What is told of an order that its seller has canceled while Business Central works on it.
pub(super) fn canceled() -> DataFailure {
    let message = "the order was canceled in Dataverse and is still there in Business Central: delete it there, or reactivate the order \
                   in Dataverse";
    DataFailure::of_field("Status", message.to_owned())
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

    /// Reopens the orders that are released and of which discount or freight is due: nothing else was written of them, or an attempt
    /// before this one got as far as releasing them. Should this attempt break off, the next one finds the same change.
    async fn reopen(
        &self,
        context: Context<'_>,
        records: &[&mut AfterWrite<'_>],
        (now, due): (&HashMap<RecordId, Record>, &HashSet<RecordId>),
        failed: &mut Failed,
    ) -> HashSet<RecordId> {
        let is_closed = |record: &AfterWrite<'_>| now.get(&record.source.id).is_some_and(|order| !is_open(order));
        let closed = records.iter().filter(|record| {
            due.contains(&record.source.id) && is_closed(record) && !failed.contains_key(&record.source.id)
        });
        let (of, moves): (Vec<RecordId>, Vec<(RecordId, Move)>) =
            closed.map(|record| (record.source.id, (record.destination, Move::Reopen))).unzip();
        // One result per order.
        let results = act(context.installation, &self.table, &moves).await;
        let refused = of.iter().zip(results).filter_map(|(order, result)| Some((*order, result.err()?)));
        failed.extend(refused);
        of.into_iter().filter(|order| !failed.contains_key(order)).collect()
    }

    async fn release(
        &self,
        context: Context<'_>,
        records: &[&mut AfterWrite<'_>],
        (now, reopened): (&HashMap<RecordId, Record>, &HashSet<RecordId>),
        failed: &mut Failed,
    ) {
        // An order that was there before is released also where something else failed: people go on working with it.
        let is_to_go_on = |record: &&&mut AfterWrite<'_>| !record.created || !failed.contains_key(&record.source.id);
        let due = records.iter().filter(is_to_go_on).filter_map(|record| {
            let asked = match reopened.contains(&record.source.id) {
                true => Some(Move::Release),
                false if record.is_opened_by_us(Direction::FromDataverse) => after_change(now.get(&record.source.id)?),
                // A person has it open.
                false => None,
            };
            Some((record.source.id, (record.destination, asked?)))
        });
        let (of, moves): (Vec<RecordId>, Vec<(RecordId, Move)>) = due.unzip();
        // One result per order.
        let results = of.into_iter().zip(act(context.installation, &self.table, &moves).await);
        for (order, error) in results.filter_map(|(order, result)| Some((order, result.err()?))) {
            failed.entry(order).or_insert(error);
        }
    }
}
