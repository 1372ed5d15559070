//! Auto Process Sales Quotes: quotes that were activated in Sales, what takes their place when they are revised, and what
//! becomes of them when they are won or lost (S150 to S169, decision 0053).

mod following;
mod keeping;
mod stage;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::decision::TransferredField;
use couplet_model::message::Direction;
use couplet_model::outcome::{DataFailure, FieldNote};
use couplet_model::record::Values;
use couplet_model::system::Write;
use couplet_model::table::Side;
use couplet_model::{Condition, Coupling, Filter, Record, RecordId, SystemError, Table, Value};
use rust_decimal::Decimal;

use self::following::{ORDERED, Orders};
use self::stage::Stage;
use super::released_quotes::{STATUS, act, is_released};
use super::rules::{
    AfterWrite, BatchRules, BeforeWrite, Context, Keeping, MappingRules, Obstacle, OnDeletion, Transferring,
    WrittenBeside, set,
};
use super::sales_documents::{
    Addresses, Customers, Document, NumberedLine, Objects, RowBeside, as_days, comment_lines, freight_line, keep_rows,
    numbered, order_discount,
};
use super::sales_quote_lines::{in_order, texts};
use crate::bulk::write_all;
use crate::error::EngineError;
use crate::facts::SalesSetup;

/// What is charged for freight.
const FREIGHT: &str = "freightamount";

/// What a quote has from its customer, unless Sales says otherwise.
const OF_THE_CUSTOMER: [&str; 3] = ["shippingAgentCode", "paymentTermsCode", "shipmentMethodCode"];

pub(crate) struct SalesQuotes;

#[async_trait]
impl MappingRules for SalesQuotes {
    fn source_columns(&self, _: Direction) -> &'static [&'static str] {
        &[
            "statecode",
            "statuscode",
            "revisionnumber",
            "customerid",
            "discountamount",
            "discountpercentage",
            "freightamount",
            "totallineitemamount",
            "totalamountlessfreight",
        ]
    }

    fn destination_columns(&self, _: Direction) -> &'static [&'static str] {
        &[STATUS]
    }

    /// What becomes of a coupled quote is told by its state.
    fn keeps_coupled(&self, _: Direction, column: &str) -> bool {
        column == "statecode"
    }

    /// An order that is to be tied to a quote says more than the quote itself.
    fn record_tells_all(&self, _: Direction, source: &Record, coupling: &Coupling) -> bool {
        Stage::of(source) != Stage::Won || coupling.related.contains_key(ORDERED)
    }

    fn may_leave(&self, _: Direction) -> bool {
        true
    }

    fn label(&self, _: Direction, source: &Record) -> Option<String> {
        Some(Document::Quote.name_of(source))
    }

    /// A quote that is deleted in Sales may be worked with in Business Central all the same.
    fn on_deletion(&self, _: Direction) -> OnDeletion {
        OnDeletion::Uncouple
    }

    /// A revision takes the place of what was revised (S156).
    async fn takes_over_from(
        &self,
        context: Context<'_>,
        sources: &[&Record],
    ) -> Result<Vec<Vec<RecordId>>, EngineError> {
        // A draft takes nobody's place yet. One that was lost before anybody looked takes along what it revised.
        let is_revision = |source: &&&Record| {
            source.get("revisionnumber").as_int().is_some_and(|number| number > 0)
                && matches!(Stage::of(source), Stage::Active | Stage::Won | Stage::Lost)
        };
        let numbers: Vec<Value> =
            sources.iter().filter(is_revision).map(|source| source.get("quotenumber").clone()).collect();
        if numbers.is_empty() {
            return Ok(sources.iter().map(|_| Vec::new()).collect());
        }
        let mut conditions = vec![Condition::one_of("quotenumber", numbers)];
        conditions.extend(Stage::REVISED.map(|(column, value)| Condition::equal(column, Value::Int(value))));
        let columns = ["quotenumber", "revisionnumber"];
        let mut revised = context.installation.find_rows("quote", &Filter::all(conditions), &columns).await?;
        revised.sort_by_key(|quote| std::cmp::Reverse(quote.get("revisionnumber").as_int()));
        let of_number = |source: &&Record| {
            let number = source.get("quotenumber");
            let same = revised.iter().filter(|quote| quote.get("quotenumber") == number && quote.id != source.id);
            same.map(|quote| quote.id).collect()
        };
        Ok(sources.iter().map(|source| if is_revision(&source) { of_number(source) } else { Vec::new() }).collect())
    }

    /// One that was activated and lost before anybody looked.
    fn may_take_a_place(&self, source: &Record) -> bool {
        source.get("revisionnumber").as_int().is_some_and(|number| number > 0) && Stage::of(source) == Stage::Lost
    }

    /// Archives quotes, and leaves those that are replaced without lines (S157).
    async fn keep_versions(
        &self,
        context: Context<'_>,
        pairs: &[&Coupling],
        before: Keeping,
    ) -> Vec<Result<(), SystemError>> {
        keeping::keep(context, pairs, before).await
    }

    async fn prepare(
        &self,
        context: Context<'_>,
        sources: &[Transferring<'_>],
    ) -> Result<Box<dyn BatchRules>, EngineError> {
        let installation = context.installation;
        let quotes = || sources.iter().map(|record| record.source);
        let built: Vec<&Transferring<'_>> = sources.iter().filter(|record| is_built(record)).collect();
        let lines: Vec<&Record> = built.iter().flat_map(|record| record.lines).collect();
        let won: Vec<RecordId> =
            quotes().filter(|quote| Stage::of(quote) == Stage::Won).map(|quote| quote.id).collect();
        let has_freight = built.iter().any(|record| freight(record.source).is_some());
        let setup = match has_freight {
            true => installation.sales_setup(|setup| setup.freight_account.is_some()).await?,
            false => Arc::default(),
        };
        let objects = Objects::of(installation, &lines).await?;
        let mut numbers = HashMap::new();
        for record in &built {
            let lines = in_order(record.lines);
            let texts = lines.iter().map(|line| {
                let sold = objects.of_line(line, Document::Quote, "").ok();
                texts(line, sold.as_ref().and_then(|sold| sold.description.as_deref()))
            });
            let (numbered, next) = numbered(texts.collect());
            let ids = lines.iter().map(|line| line.id);
            numbers.insert(record.source.id, Numbers { lines: ids.zip(numbered).collect(), next });
        }
        Ok(Box::new(Prepared {
            table: Arc::clone(&context.mapping.business_central),
            customers: Customers::of(installation, built.iter().map(|record| record.source)).await?,
            addresses: Addresses::of(installation, built.iter().map(|record| record.source)).await?,
            orders: Orders::of(installation, &won).await?,
            objects,
            setup,
            numbers,
        }))
    }
}

/// Whether a quote is made in Business Central just now, or made anew from a revision. Once that is done, it is for Business
/// Central to work with (S154).
fn is_built(record: &Transferring<'_>) -> bool {
    let stage = Stage::of(record.source);
    let is_meant = matches!(stage, Stage::Active | Stage::Won);
    is_meant && (record.creating || record.base.is_none_or(couplet_model::coupling::Base::is_empty))
}

/// What is charged for freight, if anything is (S77).
fn freight(quote: &Record) -> Option<Decimal> {
    quote.get(FREIGHT).as_decimal().filter(|amount| *amount > Decimal::ZERO)
}

/// The numbers of the lines of a quote.
struct Numbers {
    /// Its lines of Sales with their numbers.
    lines: Vec<(RecordId, NumberedLine)>,
    /// The number after the last one.
    next: i64,
}

struct Prepared {
    table: Arc<Table>,
    customers: Customers,
    addresses: Addresses,
    objects: Objects,
    /// The orders that came from won quotes.
    orders: Orders,
    setup: Arc<SalesSetup>,
    /// Numbers of the lines of quotes that are built, by the id of the quote.
    numbers: HashMap<RecordId, Numbers>,
}

#[async_trait]
impl BatchRules for Prepared {
    fn admit(&self, record: Transferring<'_>) -> Result<(), Obstacle> {
        let quote = record.source;
        let name = Document::Quote.name_of(quote);
        match Stage::of(quote) {
            Stage::Draft => return Err(Obstacle::Ignore("it is a draft in Sales".to_owned())),
            Stage::Revised => {
                return Err(Obstacle::Ignore("it was revised in Sales; its next revision takes its place".to_owned()));
            }
            Stage::Lost => return Err(Obstacle::Leave("it was lost or canceled in Sales".to_owned())),
            Stage::Unknown => {
                let message = format!("the state of quote {name} is none that is known: activate it in Sales again");
                return Err(DataFailure::of_field("Status", message).into());
            }
            Stage::Won => self.orders.admit(quote.id, &name)?,
            Stage::Active => {}
        }
        if !is_built(&record) {
            return Ok(());
        }
        self.customers.of_document(Document::Quote, quote)?;
        for line in record.lines {
            self.objects.of_line(line, Document::Quote, &name)?;
        }
        if freight(quote).is_some() && self.setup.freight_account.is_none() {
            let message = format!(
                "the quote {name} has freight, and Sales & Receivables Setup of Business Central names no account for it (E21): fill \
                 in Freight G/L Acc. No. there"
            );
            return Err(DataFailure::of_field("Freight", message).into());
        }
        Ok(())
    }

    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        if !is_built(&record) {
            fields.clear();
            return Ok(());
        }
        // What Sales says nothing about is as the customer has it.
        fields.retain(|field| !(OF_THE_CUSTOMER.contains(&field.destination.name.as_str()) && field.desired.is_null()));
        let customer = self.customers.of_document(Document::Quote, record.source)?;
        set(fields, &self.table, "customerNumber", Value::text(customer))?;
        as_days(record.source, fields);
        Ok(())
    }

    fn leave_behind(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Vec<FieldNote> {
        if is_built(&record) { self.addresses.keep(record.source, fields) } else { Vec::new() }
    }

    /// Released quotes take no change, and no rows beside their lines.
    async fn before_write(&self, context: Context<'_>, records: &mut [BeforeWrite<'_>]) {
        let is_closed = |record: &BeforeWrite<'_>| {
            let is_built = self.numbers.contains_key(&record.source.id);
            (record.values.is_some() || is_built) && record.destination.is_some_and(is_released)
        };
        let mut closed: Vec<&mut BeforeWrite<'_>> = records.iter_mut().filter(|record| is_closed(record)).collect();
        let ids: Vec<RecordId> = closed.iter().filter_map(|record| record.destination).map(|there| there.id).collect();
        let results = act(context.installation, &self.table, "reopen", &ids).await;
        // `act_all` gives one result per action.
        for (record, result) in closed.iter_mut().zip(results) {
            record.ready = result;
        }
        // Reopening has changed them, and so has emptying those that are replaced.
        for record in records.iter_mut().filter(|record| record.values.is_some()) {
            record.version = None;
        }
    }

    async fn after_write(&self, context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        for record in records.iter_mut() {
            record.beside = Ok(WrittenBeside::default());
        }
        self.write_rows(context, records).await;
        self.write_discounts(context, records).await;
        self.orders.follow(context, records).await;
    }
}

/// Whether a record was built just now: what comes beside its lines comes after them.
fn was_built(record: &AfterWrite<'_>) -> bool {
    record.created || record.coupling.base.is_empty()
}

impl Prepared {
    /// Writes the comment lines and freight of quotes that were built.
    async fn write_rows(&self, context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        let mut rows: Vec<(usize, RowBeside)> = Vec::new();
        for (at, record) in records.iter().enumerate().filter(|(_, record)| was_built(record)) {
            let Some(numbers) = self.numbers.get(&record.source.id) else { continue };
            for (line, number) in &numbers.lines {
                rows.extend(comment_lines(context, *line, record.destination, number).into_iter().map(|row| (at, row)));
            }
            if let (Some(amount), Some(account)) = (freight(record.source), &self.setup.freight_account) {
                let (source, number) = (record.source.id, numbers.next);
                rows.push((at, freight_line(context, source, record.destination, number, account, amount)));
            }
        }
        let (owners, rows): (Vec<usize>, Vec<RowBeside>) = rows.into_iter().unzip();
        // `keep_rows` gives one result per row.
        for (at, result) in owners.into_iter().zip(keep_rows(context, Document::Quote, &rows).await) {
            if let Err(error) = result {
                records[at].beside = Err(error);
            }
        }
    }

    /// Applies the discount of whole quotes, after all their lines (S79).
    async fn write_discounts(&self, context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        let mut discounted: Vec<(Decimal, &mut AfterWrite<'_>)> = records
            .iter_mut()
            .filter(|record| record.beside.is_ok() && was_built(record))
            .filter_map(|record| Some((order_discount(record.source)?, record)))
            .collect();
        let writes: Vec<Write> = discounted
            .iter()
            .map(|(discount, record)| {
                let values: Values = [(Arc::from("discountAmount"), Value::Decimal(*discount))].into();
                Write::update(record.destination, None, values)
            })
            .collect();
        let results = write_all(context.installation.system(Side::BusinessCentral), &self.table, &writes).await;
        // `write_all` gives one result per write.
        for ((_, record), result) in discounted.iter_mut().zip(results) {
            record.beside = result.map(|_| WrittenBeside::default());
        }
    }
}

#[cfg(test)]
mod tests;
