//! Archived Sales Orders: the last archived version of an order that is gone from Business Central brings its order in
//! Dataverse up to date (S127 to S134, decision 0051).

mod lines;
mod numbers;
mod surplus;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::comparing::folded;
use couplet_model::decision::TransferredField;
use couplet_model::message::Direction;
use couplet_model::system::Write;
use couplet_model::table::Side;
use couplet_model::{Condition, Coupling, Filter, MappingName, Record, RecordId, Table, Value};
use rust_decimal::Decimal;

pub(crate) use self::lines::ArchivedOrderLines;
use super::order_names::{ARCHIVED_ORDERS, OCCURRENCE, ORDER_NUMBER, ORDERS};
use super::order_standing::{Reason, Standing, open_for_write, standings};
use super::rules::{
    AfterWrite, BatchRules, BeforeWrite, Context, DELETED, MappingRules, Match, Obstacle, OnDeletion, Transferring,
    WrittenBeside, is_usable, set,
};
use super::sales_documents::as_moments;
use super::sales_order_lines::{PriceForm, discount_beside};
use crate::bulk::write_all;
use crate::error::EngineError;
use crate::installation::Installation;

/// Couplings that are looked at together.
const PAGE: usize = 500;

pub(crate) struct ArchivedOrders;

#[async_trait]
impl MappingRules for ArchivedOrders {
    fn source_columns(&self, _: Direction) -> &'static [&'static str] {
        &["number", "occurrence", "versionNumber", "isInvoiced", "pricesIncludeTax"]
    }

    fn destination_columns(&self, _: Direction) -> &'static [&'static str] {
        &["statecode", "statuscode", "discountamount", "discountpercentage"]
    }

    /// An archive that somebody deletes was taken over all the same.
    fn on_deletion(&self, _: Direction) -> OnDeletion {
        OnDeletion::Stay
    }

    /// Versions of an order share its number.
    fn has_key(&self) -> bool {
        false
    }

    fn opens_documents(&self) -> bool {
        true
    }

    fn label(&self, _: Direction, archive: &Record) -> Option<String> {
        let [number, version] = ["number", "versionNumber"].map(|column| archive.get(column));
        Some(format!("{number}, version {version}"))
    }

    /// The last versions of orders that are gone and were not taken over yet: an order may be deleted long after it was
    /// archived (S129).
    async fn also_due(&self, installation: &Installation, _: Direction) -> Result<Vec<RecordId>, EngineError> {
        let numbers = gone_orders(installation).await?;
        let versions = Versions::of(installation, numbers.into_iter().map(Value::Text).collect()).await?;
        Ok(versions.last.into_values().map(|(_, id)| id).collect())
    }

    /// The order in Dataverse that bears the number and the occurrence of the archive (S129).
    async fn find_existing(&self, context: Context<'_>, archives: &[&Record]) -> Result<Vec<Match>, EngineError> {
        let orders = Orders::of(context.installation, archives).await?;
        let found =
            archives.iter().map(|archive| Ok(orders.over(archive).ok().map(|coupling| coupling.dataverse_id.into())));
        Ok(found.collect())
    }

    async fn prepare(
        &self,
        context: Context<'_>,
        archives: &[Transferring<'_>],
    ) -> Result<Box<dyn BatchRules>, EngineError> {
        let installation = context.installation;
        let sources: Vec<&Record> = archives.iter().map(|archive| archive.source).collect();
        let there =
            archives.iter().filter_map(|archive| Some((archive.source.id, Standing::of(archive.destination?)?)));
        let reasons = archives.iter().filter_map(|archive| {
            let reason = Reason::of(archive.destination?, archive.base, &context.mapping.dataverse)?;
            Some((archive.source.id, reason))
        });
        let lines = archives.iter().map(|archive| {
            let sequences = archive.lines.iter().filter_map(|line| line.get("sequence").as_int());
            (archive.source.id, sequences.collect::<HashSet<i64>>())
        });
        Ok(Box::new(Prepared {
            table: Arc::clone(&context.mapping.dataverse),
            orders: Orders::of(installation, &sources).await?,
            there: there.collect(),
            reasons: reasons.collect(),
            lines: lines.collect(),
            prices: PriceForm::of(installation).await?,
        }))
    }
}

/// Numbers of the coupled orders that were deleted in Business Central and whose archive was not taken over yet.
async fn gone_orders(installation: &Installation) -> Result<Vec<String>, EngineError> {
    let (company, orders, archived) = (installation.company(), ORDERS.into(), MappingName::from(ARCHIVED_ORDERS));
    let (mut numbers, mut after) = (Vec::new(), None);
    loop {
        let page = installation.store().coupling_page(company, &orders, after, PAGE).await?;
        let gone = page.couplings.iter().filter(|pair| pair.related.contains_key(DELETED) && !pair.skipped);
        let gone: HashMap<RecordId, &Coupling> = gone.map(|pair| (pair.dataverse_id.into(), pair)).collect();
        let rows: Vec<RecordId> = gone.keys().copied().collect();
        let over = installation.store().couplings_by_id(company, &archived, Side::Dataverse, &rows).await?;
        let is_taken = |row: &RecordId| over.get(row).is_some_and(is_usable);
        numbers.extend(gone.iter().filter(|(row, _)| !is_taken(row)).filter_map(|(_, pair)| pair.key.clone()));
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(numbers),
        }
    }
}

/// An order by its number, folded, and its occurrence.
type OrderKey = (String, i64);

fn order_of(archive: &Record) -> Option<OrderKey> {
    Some((folded(archive.get("number").as_text()?), archive.get("occurrence").as_int()?))
}

/// The last versions of archived orders.
struct Versions {
    last: HashMap<OrderKey, (i64, RecordId)>,
}

impl Versions {
    async fn of(installation: &Installation, numbers: Vec<Value>) -> Result<Self, EngineError> {
        let mut last: HashMap<OrderKey, (i64, RecordId)> = HashMap::new();
        if !numbers.is_empty() {
            let table = installation.table(Side::BusinessCentral, "Sales Header Archive")?;
            let columns = ["number", "occurrence", "versionNumber"].map(str::to_owned);
            let filter = Filter::all(vec![Condition::one_of("number", numbers)]);
            for archive in installation.system(Side::BusinessCentral).find(&table, &filter, &columns).await? {
                let Some(key) = order_of(&archive) else { continue };
                let version = (archive.get("versionNumber").as_int().unwrap_or_default(), archive.id);
                let known = last.entry(key).or_insert(version);
                *known = (*known).max(version);
            }
        }
        Ok(Self { last })
    }
}

/// The orders that archives are versions of.
struct Orders {
    versions: Versions,
    /// Couplings of the orders that bear a number and an occurrence in Dataverse.
    couplings: HashMap<OrderKey, Coupling>,
    /// The orders that are still there in Business Central.
    living: HashSet<RecordId>,
}

impl Orders {
    async fn of(installation: &Installation, archives: &[&Record]) -> Result<Self, EngineError> {
        let mut numbers: Vec<Value> = Vec::new();
        for archive in archives {
            let number = archive.get("number");
            if !number.is_null() && !numbers.contains(number) {
                numbers.push(number.clone());
            }
        }
        let mut orders =
            Self { versions: Versions { last: HashMap::new() }, couplings: HashMap::new(), living: HashSet::new() };
        if numbers.is_empty() {
            return Ok(orders);
        }
        let (number, occurrence) = (ORDER_NUMBER, OCCURRENCE);
        let filter = Filter::all(vec![Condition::one_of(number, numbers.clone())]);
        let rows = installation.find_rows("salesorder", &filter, &[number, occurrence]).await?;
        let key = |row: &Record| Some((folded(row.get(number).as_text()?), row.get(occurrence).as_int()?));
        let ids: Vec<RecordId> = rows.iter().map(|row| row.id).collect();
        let (company, name) = (installation.company(), MappingName::from(ORDERS));
        let mut couplings = installation.store().couplings_by_id(company, &name, Side::Dataverse, &ids).await?;
        couplings.retain(|_, coupling| is_usable(coupling) && !coupling.skipped);
        orders.couplings = rows.iter().filter_map(|row| Some((key(row)?, couplings.remove(&row.id)?))).collect();
        if orders.couplings.is_empty() {
            return Ok(orders);
        }
        // What is marked as deleted needs no look.
        let unmarked = orders.couplings.values().filter(|coupling| !coupling.related.contains_key(DELETED));
        let ids: Vec<RecordId> = unmarked.map(|coupling| coupling.system_id.into()).collect();
        if !ids.is_empty() {
            let table = installation.table(Side::BusinessCentral, "Sales Header")?;
            let found = installation.system(Side::BusinessCentral).fetch(&table, &ids, &[]).await?;
            orders.living = found.into_iter().map(|order| order.id).collect();
        }
        orders.versions = Versions::of(installation, numbers).await?;
        Ok(orders)
    }

    /// The coupling of the order that an archive is the last version of, when that is gone; or why the archive is of no concern.
    fn over(&self, archive: &Record) -> Result<&Coupling, &'static str> {
        let coupling =
            order_of(archive).and_then(|key| Some((self.couplings.get(&key)?, self.versions.last.get(&key)?)));
        let (coupling, (_, last)) = coupling.ok_or("no order in Dataverse is coupled with it")?;
        if self.living.contains(&coupling.id(Side::BusinessCentral)) {
            return Err("its order is still there in Business Central");
        }
        if *last != archive.id { Err("a later version of the order is archived") } else { Ok(coupling) }
    }
}

struct Prepared {
    table: Arc<Table>,
    orders: Orders,
    /// How the orders in Dataverse stood when they were read.
    there: HashMap<RecordId, Standing>,
    /// The status reasons that they had.
    reasons: HashMap<RecordId, Reason>,
    /// The numbers of the lines of each archive.
    lines: HashMap<RecordId, HashSet<i64>>,
    /// How lines keep prices in Dataverse.
    prices: PriceForm,
}

#[async_trait]
impl BatchRules for Prepared {
    fn admit(&self, archive: Transferring<'_>) -> Result<(), Obstacle> {
        match self.orders.over(archive.source) {
            Err(reason) => Err(Obstacle::Ignore(reason.to_owned())),
            // It was looked for, and somebody has deleted it since.
            Ok(_) if archive.destination.is_none() => {
                Err(Obstacle::Ignore("its order in Dataverse was deleted".to_owned()))
            }
            Ok(_) => Ok(()),
        }
    }

    /// What is over in Dataverse is changed no more. A payment discount makes no discount of an order, whose discount is what
    /// its lines leave beside the percentage that it bears.
    fn adjust(&self, archive: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        let there = archive.destination.and_then(Standing::of);
        if matches!(there, Some(Standing::Canceled | Standing::Invoiced)) {
            return Err(Obstacle::Ignore("its order in Dataverse is invoiced or canceled".to_owned()));
        }
        as_moments(archive.source, archive.destination, fields);
        fields.retain(|field| field.destination.name != "discountpercentage");
        let borne = archive.destination.and_then(|order| order.get("discountpercentage").as_decimal());
        let includes_tax = archive.source.get("pricesIncludeTax").as_bool() == Some(true);
        let beside = |percentage| discount_beside(archive.lines, includes_tax, self.prices, percentage);
        let discount = beside(borne.unwrap_or_default());
        if discount.is_none() {
            // The percentage takes off more than was taken off: an amount alone tells the discount.
            set(fields, &self.table, "discountpercentage", Value::Null)?;
        }
        let discount = discount.or_else(|| beside(Decimal::ZERO)).unwrap_or_default();
        set(fields, &self.table, "discountamount", Value::Decimal(discount))?;
        Ok(())
    }

    async fn before_write(&self, context: Context<'_>, records: &mut [BeforeWrite<'_>]) {
        open_for_write(context.installation, &self.table, records).await;
    }

    /// An order of which a line is left behind stands as it did, until that is mended.
    async fn close_behind(&self, context: Context<'_>, documents: &mut [AfterWrite<'_>]) -> Vec<bool> {
        let concerned: Vec<RecordId> = documents.iter().map(|document| document.destination).collect();
        let Ok(now) = standings(context.installation, &self.table, &concerned).await else { return Vec::new() };
        let end = |document: &AfterWrite<'_>| self.there.get(&document.source.id).map(|before| before.closed_again());
        let is_other = |document: &&AfterWrite<'_>| now.get(&document.destination).copied() != end(document);
        let closing: Vec<&AfterWrite<'_>> = documents.iter().filter(is_other).collect();
        let reason = |document: &AfterWrite<'_>| self.reasons.get(&document.source.id).copied();
        let writes = closing
            .iter()
            .filter_map(|document| Some(end(document)?.write(document.destination, None, reason(document))));
        let writes: Vec<Write> = writes.collect();
        let results = write_all(context.installation.system(Side::Dataverse), &self.table, &writes).await;
        let refused = writes.iter().zip(results).any(|(_, result)| result.is_err());
        documents.iter().map(|_| !refused).collect()
    }

    /// Takes away what the archive has no line for, and gives the order the state that it ends in (S133, S134).
    async fn after_write(&self, context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        for record in records.iter_mut() {
            record.beside = Ok(WrittenBeside::default());
        }
        surplus::delete(context, &self.lines, records).await;
        let concerned: Vec<RecordId> = records.iter().map(|record| record.destination).collect();
        let now = match standings(context.installation, &self.table, &concerned).await {
            Ok(now) => now,
            Err(error) => {
                records.iter_mut().for_each(|record| record.beside = Err(error.clone()));
                return;
            }
        };
        let mut ending: Vec<(Standing, &mut AfterWrite<'_>)> = Vec::new();
        for record in records.iter_mut().filter(|record| record.beside.is_ok()) {
            let before = self.there.get(&record.source.id).copied();
            let Some(end) = end_of(record.source, before) else { continue };
            if now.get(&record.destination) != Some(&end) {
                ending.push((end, record));
            }
        }
        let reason = |record: &AfterWrite<'_>| self.reasons.get(&record.source.id).copied();
        let writes: Vec<Write> =
            ending.iter().map(|(end, record)| end.write(record.destination, None, reason(record))).collect();
        let results = write_all(context.installation.system(Side::Dataverse), &self.table, &writes).await;
        // `write_all` gives one result per write.
        for ((end, record), result) in ending.into_iter().zip(results) {
            record.beside = result.map(|_| WrittenBeside {
                values: end.values(self.reasons.get(&record.source.id).copied()).to_vec(),
                is_change: true,
                ..WrittenBeside::default()
            });
        }
    }
}

/// How an order ends: invoiced if its archive is; else as it stood before it was opened for the change.
fn end_of(archive: &Record, before: Option<Standing>) -> Option<Standing> {
    if archive.get("isInvoiced").as_bool() == Some(true) {
        return Some(Standing::Invoiced);
    }
    Some(before?.closed_again())
}

#[cfg(test)]
mod tests;
