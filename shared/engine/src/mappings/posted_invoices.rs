//! POSTEDSALESINV-INV: customer, price list and owner of a posted invoice, and the state that its payments give it in Dataverse
//! (S170 to S183, S38 to S42, decision 0047).

mod currency_lists;
mod orders;
mod payment;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::comparing::folded;
use couplet_model::decision::TransferredField;
use couplet_model::message::Direction;
use couplet_model::outcome::{DataFailure, Dependency, Need};
use couplet_model::record::Values;
use couplet_model::switches::Ownership;
use couplet_model::system::Write;
use couplet_model::table::Side;
use couplet_model::{Condition, Coupling, Filter, MappingName, Record, RecordId, Table, Value};
use uuid::Uuid;

pub(crate) use self::currency_lists::PriceLists;
use self::orders::{CUSTOMERS, Orders};
use self::payment::Standing;
use super::posted_invoice_lines::Objects;
use super::rules::{
    AfterWrite, BatchRules, Context, MappingRules, Obstacle, OnDeletion, Transferring, WrittenBeside, is_usable, set,
    set_on_create,
};
use crate::bulk::write_all;
use crate::error::EngineError;
use crate::facts::CompanyRow;
use crate::installation::Installation;

pub(crate) struct PostedInvoices;

#[async_trait]
impl MappingRules for PostedInvoices {
    /// A posted invoice that a person deletes was charged all the same.
    fn on_deletion(&self, _: Direction) -> OnDeletion {
        OnDeletion::Stay
    }

    /// The totals are among them because Dataverse makes its own: what is not transferred is kept with the pair all the same.
    fn source_columns(&self, _: Direction) -> &'static [&'static str] {
        &[
            "customerNumber",
            "customerPurchaseOrderReference",
            "remainingAmount",
            "cancelled",
            "totalAmountExcludingTax",
            "totalAmountIncludingTax",
        ]
    }

    fn destination_columns(&self, _: Direction) -> &'static [&'static str] {
        &["statecode", "statuscode"]
    }

    async fn prepare(
        &self,
        context: Context<'_>,
        sources: &[Transferring<'_>],
    ) -> Result<Box<dyn BatchRules>, EngineError> {
        let installation = context.installation;
        let new: Vec<&Record> = sources.iter().filter(|record| record.creating).map(|record| record.source).collect();
        let there = sources.iter().filter_map(|record| Some((record.source.id, Standing::held(record.destination?))));
        let orders = Orders::of(installation, &new).await?;
        let customers = customers_of(installation, &new).await?;
        let of_their_own = new.iter().filter(|source| orders.behind(source).is_none());
        let currencies = of_their_own.map(|source| source.get("currencyCode"));
        let price_lists = PriceLists::of(installation, currencies).await?;
        let obstacles = obstacles_of_lines(context, &new).await?;
        Ok(Box::new(Prepared {
            table: Arc::clone(&context.mapping.dataverse),
            company: installation.company_row().await?,
            is_owned_by_team: installation.switches().ownership == Ownership::Team,
            price_lists,
            there: there.collect(),
            orders,
            customers,
            obstacles,
        }))
    }
}

/// Couplings of the customers of invoices, by their folded numbers.
async fn customers_of(
    installation: &Installation,
    invoices: &[&Record],
) -> Result<HashMap<String, Coupling>, EngineError> {
    let numbers: HashSet<String> =
        invoices.iter().filter_map(|invoice| invoice.get("customerNumber").as_text().map(str::to_owned)).collect();
    let (name, numbers) = (MappingName::from(CUSTOMERS), Vec::from_iter(numbers));
    let coupled = installation.store().couplings_by_key(installation.company(), &name, &numbers).await?;
    let usable = coupled.into_iter().filter(|(_, coupling)| is_usable(coupling));
    Ok(usable.map(|(number, coupling)| (folded(&number), coupling)).collect())
}

/// What keeps new invoices where they are because of their lines: an invoice does not begin in Dataverse without its products
/// (S172, S174), nor while it is being posted, when it can be seen before its lines (S173).
async fn obstacles_of_lines(
    context: Context<'_>,
    invoices: &[&Record],
) -> Result<HashMap<Uuid, Obstacle>, EngineError> {
    let ids: Vec<Value> = invoices.iter().map(|invoice| Value::Guid(invoice.id.0)).collect();
    let mut obstacles = HashMap::new();
    if ids.is_empty() {
        return Ok(obstacles);
    }
    let installation = context.installation;
    let table = installation.table(Side::BusinessCentral, "Sales Invoice Line")?;
    let columns: Vec<String> =
        ["documentId", "type", "lineObjectNumber", "blocked"].map(str::to_owned).into_iter().collect();
    let filter = Filter::all(vec![Condition::one_of("documentId", ids)]);
    let lines = installation.system(Side::BusinessCentral).find(&table, &filter, &columns).await?;
    let objects = Objects::of(installation, &lines.iter().collect::<Vec<_>>()).await?;
    for line in &lines {
        if let (Some(invoice), Err(obstacle)) = (line.get("documentId").as_guid(), objects.of_new(line)) {
            obstacles.entry(invoice).or_insert(obstacle);
        }
    }
    let with_lines: HashSet<Uuid> = lines.iter().filter_map(|line| line.get("documentId").as_guid()).collect();
    for invoice in invoices.iter().filter(|invoice| !with_lines.contains(&invoice.id.0)) {
        let number = invoice.get("number").as_text().unwrap_or_default();
        let message = format!(
            "the lines of invoice {number} are not committed in Business Central yet (EE41): it is taken when they are"
        );
        obstacles.insert(invoice.id.0, DataFailure::new(message).into());
    }
    Ok(obstacles)
}

struct Prepared {
    table: Arc<Table>,
    company: Option<CompanyRow>,
    is_owned_by_team: bool,
    price_lists: PriceLists,
    /// What the invoices that are there were when they were read.
    there: HashMap<RecordId, Option<Standing>>,
    orders: Orders,
    /// Couplings of customers by their folded numbers.
    customers: HashMap<String, Coupling>,
    /// What the lines of new invoices are in want of, by the id of the invoice.
    obstacles: HashMap<Uuid, Obstacle>,
}

#[async_trait]
impl BatchRules for Prepared {
    fn admit(&self, record: Transferring<'_>) -> Result<(), Obstacle> {
        let obstacle = self.obstacles.get(&record.source.id.0).filter(|_| record.destination.is_none());
        obstacle.map_or(Ok(()), |obstacle| Err(obstacle.clone()))
    }

    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        // What is paid or canceled is changed no more, but for its state (S170).
        if record.destination.is_some_and(|there| Standing::held(there).is_some_and(|standing| !standing.is_active())) {
            fields.clear();
            return Ok(());
        }
        if let Some(company) = self.company {
            set(fields, &self.table, "bcbi_companyid", Value::Guid(company.id.0))?;
        }
        if !record.creating {
            return Ok(());
        }
        match self.orders.behind(record.source) {
            Some(order) => self.of_order(record.source, order, fields),
            None => self.of_its_own(record.source, fields),
        }
    }

    /// Gives the invoices the state that their payments call for. A closed one is opened first, because it takes no other change
    /// (S42).
    async fn after_write(&self, context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        let mut moved: Vec<(Standing, &mut AfterWrite<'_>)> = Vec::new();
        for record in records.iter_mut() {
            record.beside = Ok(WrittenBeside::default());
            let held = self.there.get(&record.source.id).copied().flatten();
            let Some(wanted) = Standing::wanted(record.source) else { continue };
            if held != Some(wanted) {
                moved.push((wanted, record));
            }
        }
        let system = context.installation.system(Side::Dataverse);
        let is_closed = |record: &AfterWrite<'_>| {
            self.there.get(&record.source.id).copied().flatten().is_some_and(|standing| !standing.is_active())
        };
        let write = |standing: Standing, record: &AfterWrite<'_>| {
            let values: Values = standing.values().into_iter().map(|(name, value)| (Arc::from(name), value)).collect();
            Write::update(record.destination, None, values)
        };
        let opened: Vec<usize> =
            (0..moved.len()).filter(|at| is_closed(moved[*at].1) && !moved[*at].0.is_active()).collect();
        let writes: Vec<Write> = opened.iter().map(|at| write(Standing::Billed, moved[*at].1)).collect();
        // `write_all` gives one result per write.
        for (at, result) in opened.iter().zip(write_all(system, &self.table, &writes).await) {
            moved[*at].1.beside = result.map(|_| WrittenBeside::default());
        }
        moved.retain(|(_, record)| record.beside.is_ok());
        let writes: Vec<Write> = moved.iter().map(|(standing, record)| write(*standing, record)).collect();
        for ((standing, record), result) in moved.iter_mut().zip(write_all(system, &self.table, &writes).await) {
            record.beside = result.map(|_| WrittenBeside {
                values: standing.values().to_vec(),
                is_change: true,
                ..WrittenBeside::default()
            });
        }
    }
}

impl Prepared {
    /// The coupling of an invoice's customer; until there is one, the invoice waits.
    fn customer_of(&self, invoice: &Record) -> Result<&Coupling, Obstacle> {
        let number = invoice.get("customerNumber").to_string();
        self.customers.get(&folded(&number)).ok_or_else(|| {
            let dependency = Dependency { mapping: CUSTOMERS.into(), side: Side::BusinessCentral, key: number.clone() };
            Obstacle::Wait(Need { dependency, field: "Sell-to Customer No.".to_owned(), value: number })
        })
    }

    /// An invoice of an order of Dataverse takes over what belongs to that (S178, S179).
    fn of_order(&self, invoice: &Record, order: &Record, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        self.customer_of(invoice)?;
        let is_same = self.orders.customer_of(order).is_some_and(|number| {
            invoice.get("customerNumber").as_text().is_some_and(|own| folded(own) == folded(number))
        });
        if !is_same {
            let message = format!(
                "the customer of order {} has changed, or is no longer coupled (E37): couple the account that the order is for with customer {}",
                order.get("ordernumber"),
                invoice.get("customerNumber")
            );
            return Err(DataFailure::of_field("Your Reference", message).into());
        }
        set_on_create(fields, &self.table, "salesorderid", Value::Guid(order.id.0))?;
        for column in ["name", "opportunityid", "pricelevelid", "customerid", "ownerid"] {
            let value = order.get(column);
            if !value.is_null() {
                set_on_create(fields, &self.table, column, value.clone())?;
            }
        }
        Ok(())
    }

    /// Any other invoice belongs to the account of its customer, in the price list of its currency (S180).
    fn of_its_own(&self, invoice: &Record, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        let customer = self.customer_of(invoice)?;
        let table = &self.table;
        set_on_create(fields, table, "name", invoice.get("number").clone())?;
        let account = Value::Reference { table: Arc::from("account"), id: RecordId::from(customer.dataverse_id).0 };
        set_on_create(fields, table, "customerid", account)?;
        let list = self.price_lists.of_currency(invoice.get("currencyCode"))?;
        set_on_create(fields, table, "pricelevelid", Value::Guid(list))?;
        let has_owner = fields.iter().any(|field| field.destination.name == "ownerid");
        let team = self.company.and_then(|row| row.owning_team).filter(|_| self.is_owned_by_team && !has_owner);
        if let Some(team) = team {
            set_on_create(fields, table, "ownerid", Value::Reference { table: Arc::from("team"), id: team })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
