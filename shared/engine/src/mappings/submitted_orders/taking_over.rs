//! An order that was submitted in Sales becomes one of Business Central (S49 to S83): the header when everything that it
//! needs is there, then its lines, freight and discount, and at last the mark in Sales that it was taken over.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::decision::TransferredField;
use couplet_model::outcome::{DataFailure, FieldNote};
use couplet_model::record::Values;
use couplet_model::system::{SystemErrorKind, Write};
use couplet_model::table::Side;
use couplet_model::{Condition, Filter, Record, RecordId, SystemError, Table, Value, Version};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::states::{OrderState, Step, TAKEN_OVER, bring_into, reason_of};
use crate::bulk::write_all;
use crate::error::EngineError;
use crate::facts::CompanyRow;
use crate::mappings::rules::{
    AfterWrite, BatchRules, Context, Obstacle, Transferring, WrittenBeside, set, set_on_create,
};
use crate::mappings::sales_documents::{
    Addresses, Customers, Document, Objects, QuotesBehind, as_days, freight_line, keep_rows, noon_of, numbered,
    order_discount, texts_of,
};

/// What orders of a batch need.
pub(super) struct Prepared {
    table: Arc<Table>,
    company: Option<CompanyRow>,
    customers: Customers,
    addresses: Addresses,
    quotes: QuotesBehind,
    /// What must follow the lines of each order, or what keeps it in Sales.
    orders: HashMap<RecordId, Result<ToFollow, Obstacle>>,
    /// Orders that were changed in Sales since they were read.
    changed: HashSet<RecordId>,
    /// Orders that have been orders of Business Central before, and were posted there.
    posted: HashSet<RecordId>,
}

/// What follows the lines of an order.
struct ToFollow {
    /// The freight with the account it is charged on and the number of its line.
    freight: Option<Freight>,
    /// The discount of the whole order.
    discount: Option<Decimal>,
}

struct Freight {
    account: String,
    amount: Decimal,
    line: i64,
}

impl Prepared {
    /// Reads what the orders of a batch need, each kind of it once.
    pub async fn of(context: Context<'_>, sources: &[Transferring<'_>]) -> Result<Self, EngineError> {
        let installation = context.installation;
        let open: Vec<&Transferring<'_>> = sources.iter().filter(|one| is_to_be_taken_over(one).is_ok()).collect();
        let lines: Vec<&Record> = open.iter().flat_map(|one| one.lines).collect();
        let objects = Objects::of(installation, &lines).await?;
        let has_freight = open.iter().any(|one| freight_of(one.source).is_some());
        let setup = match has_freight {
            true => installation.sales_setup(|setup| setup.freight_account.is_some()).await?,
            false => Arc::default(),
        };
        let customers = Customers::of(installation, open.iter().map(|one| one.source)).await?;
        let addresses = Addresses::of(installation, open.iter().map(|one| one.source)).await?;
        let orders = open.iter().map(|one| (one.source.id, to_follow(one, &objects, setup.freight_account.as_deref())));
        Ok(Self {
            table: Arc::clone(&context.mapping.business_central),
            company: installation.company_row().await?,
            customers,
            addresses,
            quotes: QuotesBehind::of(installation, open.iter().map(|one| one.source)).await?,
            orders: orders.collect(),
            changed: changed(context, &open).await?,
            posted: posted_before(context, &open).await?,
        })
    }
}

/// Those of some orders that are not in Sales any more as they were read: a message may show what was read minutes ago, and
/// nothing must be made of an order that its seller has withdrawn, opened or changed since.
async fn changed(context: Context<'_>, open: &[&Transferring<'_>]) -> Result<HashSet<RecordId>, EngineError> {
    let seen: HashMap<RecordId, &Version> =
        open.iter().filter_map(|one| Some((one.source.id, one.source.version.as_ref()?))).collect();
    if seen.is_empty() {
        return Ok(HashSet::new());
    }
    let (system, ids) = (context.installation.system(Side::Dataverse), Vec::from_iter(seen.keys().copied()));
    let there = system.fetch(&context.mapping.dataverse, &ids, &["statecode".to_owned()]).await?;
    let now: HashMap<RecordId, Option<Version>> = there.into_iter().map(|order| (order.id, order.version)).collect();
    let is_changed = |(id, seen): (RecordId, &Version)| match now.get(&id) {
        Some(Some(version)) => (version != seen).then_some(id),
        // The system shows no versions.
        Some(None) => None,
        None => Some(id),
    };
    Ok(seen.into_iter().filter_map(is_changed).collect())
}

/// Those of some orders that bear the mark, are not there, and have left an invoice behind (S51): nobody stored that they were made,
/// and Business Central has posted them to their end meanwhile. What has left none, as after a restore, is made again.
async fn posted_before(context: Context<'_>, open: &[&Transferring<'_>]) -> Result<HashSet<RecordId>, EngineError> {
    let marked = open.iter().filter(|one| one.destination.is_none() && !one.source.get(TAKEN_OVER).is_null());
    let numbers: HashMap<&str, RecordId> =
        marked.filter_map(|one| Some((one.source.get("ordernumber").as_text()?, one.source.id))).collect();
    if numbers.is_empty() {
        return Ok(HashSet::new());
    }
    let table = context.installation.table(Side::BusinessCentral, "Sales Invoice Header")?;
    let filter = Filter::all(vec![Condition::one_of(REFERENCE, numbers.keys().copied().map(Value::text).collect())]);
    let invoices =
        context.installation.system(Side::BusinessCentral).find(&table, &filter, &[REFERENCE.to_owned()]).await?;
    let order = |invoice: &Record| numbers.get(invoice.get(REFERENCE).as_text()?).copied();
    Ok(invoices.iter().filter_map(order).collect())
}

/// Whether an order is to be taken over, or why not.
fn is_to_be_taken_over(one: &Transferring<'_>) -> Result<(), Obstacle> {
    if !one.creating {
        return Err(Obstacle::Ignore("Business Central has taken it over, and tells what becomes of it".to_owned()));
    }
    // An attempt that broke off may have opened it to leave its mark.
    match OrderState::of(one.source) {
        Some(OrderState::Submitted | OrderState::Pending) => Ok(()),
        Some(OrderState::Active) => {
            Err(Obstacle::Ignore("a seller has opened it again; it is taken when it is submitted".to_owned()))
        }
        state => {
            let name = Document::Order.name_of(one.source);
            let message = format!(
                "order {name} is {} in Sales, while taking it over has begun (E3): delete its order in Business Central, or submit it again",
                state.map_or_else(|| "in an unknown state".to_owned(), |state| format!("{state:?}").to_lowercase())
            );
            match one.destination {
                Some(_) => Err(DataFailure::of_field("State", message).into()),
                None => Err(Obstacle::Ignore("it is not submitted".to_owned())),
            }
        }
    }
}

/// The freight of an order, if there is any (S77).
fn freight_of(order: &Record) -> Option<Decimal> {
    order.get("freightamount").as_decimal().filter(|amount| *amount > Decimal::ZERO)
}

/// What follows the lines of an order, or what in its lines and its freight keeps it in Sales.
fn to_follow(one: &Transferring<'_>, objects: &Objects, account: Option<&str>) -> Result<ToFollow, Obstacle> {
    let name = Document::Order.name_of(one.source);
    let mut texts = Vec::with_capacity(one.lines.len());
    for line in one.lines {
        let sold = objects.of_line(line, Document::Order, &name)?;
        texts.push(texts_of(line, sold.description.as_deref()));
    }
    let (_, line) = numbered(texts);
    let freight = match (freight_of(one.source), account) {
        (None, _) => None,
        (Some(amount), Some(account)) => Some(Freight { account: account.to_owned(), amount, line }),
        (Some(amount), None) => {
            let message = format!(
                "order {name} has a freight of {amount}, and Sales & Receivables Setup of Business Central names no Freight G/L Acc. No. \
                 (E21): fill it in there"
            );
            return Err(DataFailure::of_field("Freight G/L Acc. No.", message).into());
        }
    };
    Ok(ToFollow { freight, discount: order_discount(one.source) })
}

#[async_trait]
impl BatchRules for Prepared {
    fn admit(&self, record: Transferring<'_>) -> Result<(), Obstacle> {
        is_to_be_taken_over(&record)?;
        if self.changed.contains(&record.source.id) {
            return Err(Obstacle::Outdated);
        }
        if self.posted.contains(&record.source.id) {
            let reason = "it has been an order of Business Central before, which was posted to its end (S51)";
            return Err(Obstacle::Ignore(reason.to_owned()));
        }
        self.customers.of_document(Document::Order, record.source)?;
        match self.orders.get(&record.source.id) {
            Some(Err(obstacle)) => Err(obstacle.clone()),
            _ => Ok(()),
        }
    }

    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        let customer = self.customers.of_document(Document::Order, record.source)?;
        // Business Central fills in what the customer says about everything else, so it comes first.
        set(fields, &self.table, "customerNumber", Value::text(customer))?;
        as_days(record.source, fields);
        if let Some(quote) = self.quotes.of_order(record.source) {
            set_on_create(fields, &self.table, "quoteNumber", Value::text(quote))?;
        }
        Ok(())
    }

    fn leave_behind(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Vec<FieldNote> {
        self.addresses.keep(record.source, fields)
    }

    /// Adds freight and discount, then marks the order in Sales as taken over.
    async fn after_write(&self, context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        for record in records.iter_mut() {
            record.beside = Ok(WrittenBeside::default());
        }
        self.add_freight(context, records).await;
        self.apply_discounts(context, records).await;
        self.mark(context, records).await;
    }
}

impl Prepared {
    fn to_follow(&self, order: RecordId) -> Option<&ToFollow> {
        self.orders.get(&order)?.as_ref().ok()
    }

    async fn add_freight(&self, context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        let (mut rows, mut charged) = (Vec::new(), Vec::new());
        for record in records.iter_mut() {
            let freight = self.to_follow(record.source.id).and_then(|order| order.freight.as_ref());
            let Some(Freight { account, amount, line }) = freight else { continue };
            rows.push(freight_line(context, record.source.id, record.destination, *line, account, *amount));
            charged.push(record);
        }
        for (record, result) in charged.into_iter().zip(keep_rows(context, Document::Order, &rows).await) {
            note(record, result, "its freight could not be charged");
        }
    }

    /// The discount comes when all lines are there: each change of a line takes it away again (S79).
    async fn apply_discounts(&self, context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        let (mut writes, mut reduced) = (Vec::new(), Vec::new());
        for record in records.iter_mut().filter(|record| record.beside.is_ok()) {
            let Some(discount) = self.to_follow(record.source.id).and_then(|order| order.discount) else { continue };
            let values: Values = [(Arc::from("discountAmount"), Value::Decimal(discount))].into();
            writes.push(Write::update(record.destination, None, values));
            reduced.push(record);
        }
        let system = context.installation.system(Side::BusinessCentral);
        for (record, result) in reduced.into_iter().zip(write_all(system, &self.table, &writes).await) {
            note(record, result.map(|_| ()), "its discount could not be applied");
        }
    }

    /// Marks orders in Sales: opened, marked, submitted again (S82, S83). Dataverse locks submitted orders; whoever finds one
    /// pending knows that this was about to happen. The mark comes last of all that is written, so that an order which bears
    /// it is whole in Business Central.
    async fn mark(&self, context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        let (installation, table) = (context.installation, &context.mapping.dataverse);
        let mut marked: Vec<&mut AfterWrite<'_>> = records.iter_mut().filter(|record| record.beside.is_ok()).collect();
        let was_open = |record: &AfterWrite<'_>| OrderState::of(record.source).is_some_and(OrderState::is_open);
        let seen = |record: &AfterWrite<'_>| record.source.version.clone();
        let mut closed: Vec<&mut &mut AfterWrite<'_>> = marked.iter_mut().filter(|record| !was_open(record)).collect();
        let open = |record: &&mut &mut AfterWrite<'_>| {
            let (order, seen) = (record.source.id, seen(record));
            Step { order, to: OrderState::Pending, seen, reason: None }
        };
        let steps: Vec<Step> = closed.iter().map(open).collect();
        for (record, result) in closed.iter_mut().zip(bring_into(context, table, &steps).await) {
            note(record, result.map(|_| ()), NOT_MARKED);
        }
        marked.retain(|record| record.beside.is_ok());
        let values = self.marks(installation.now());
        let mark = |record: &&mut AfterWrite<'_>| {
            let seen = seen(record).filter(|_| was_open(record));
            Write::update(record.source.id, seen, values.clone())
        };
        let writes: Vec<Write> = marked.iter().map(mark).collect();
        let system = installation.system(Side::Dataverse);
        let results = write_all(system, table, &writes).await;
        for (record, result) in marked.iter_mut().zip(results) {
            note(record, result.map(|_| ()), NOT_MARKED);
        }
        // Also an order that could not be marked is submitted again: it is not for its seller. One that the seller has changed
        // meanwhile is.
        marked.retain(|record| !matches!(&record.beside, Err(error) if error.kind == SystemErrorKind::VersionConflict));
        let again = |record: &&mut AfterWrite<'_>| {
            Step::back(record.source.id, OrderState::Submitted, reason_of(record.source))
        };
        let steps: Vec<Step> = marked.iter().map(again).collect();
        for (record, result) in marked.iter_mut().zip(bring_into(context, table, &steps).await) {
            note(record, result.map(|_| ()), NOT_MARKED);
        }
    }

    /// What an order that was taken over says: whose it is, and since when.
    fn marks(&self, now: Timestamp) -> Values {
        let mut values = BTreeMap::from([(
            Arc::from(TAKEN_OVER),
            Value::DateTime(noon_of(now.to_zoned(TimeZone::UTC).date()).unwrap_or(now)),
        )]);
        if let Some(company) = self.company {
            values.insert(Arc::from("bcbi_companyid"), Value::Guid(company.id.0));
        }
        values.into_iter().collect()
    }
}

/// Where a posted invoice names the order of Sales that it comes from.
const REFERENCE: &str = "customerPurchaseOrderReference";
const NOT_MARKED: &str = "it could not be marked as taken over in Dataverse";

/// Notes what kept an order from being whole, the first reason of several.
fn note(record: &mut AfterWrite<'_>, result: Result<(), SystemError>, what: &str) {
    if let Err(error) = result
        && record.beside.is_ok()
    {
        let message = format!("{what}: {}", error.message);
        record.beside = Err(SystemError { message, ..error });
    }
}
