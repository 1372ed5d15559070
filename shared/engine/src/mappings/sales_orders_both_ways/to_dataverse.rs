//! Released orders on their way to Dataverse (S110 to S121).

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::comparing::folded;
use couplet_model::decision::{TransferredField, Travel};
use couplet_model::message::Direction;
use couplet_model::outcome::{Dependency, Need};
use couplet_model::switches::Ownership;
use couplet_model::system::{Action, Write};
use couplet_model::table::Side;
use couplet_model::{Coupling, MappingName, Record, RecordId, SystemError, Table, Value};
use rust_decimal::Decimal;

use super::discounts::{THERE, discounts_clash};
use super::from_dataverse::canceled;
use crate::bulk::write_all;
use crate::error::EngineError;
use crate::facts::CompanyRow;
use crate::installation::Installation;
use crate::mappings::merged_fields::{transfer_both_ways, was_changed};
use crate::mappings::order_names::OCCURRENCE;
use crate::mappings::order_standing::{Reason, Standing, open_for_write, standings};
use crate::mappings::posted_invoice_lines::Objects;
use crate::mappings::posted_invoices::PriceLists;
use crate::mappings::rules::{
    Actions, AfterWrite, Attempted, BatchRules, BeforeWrite, Context, Obstacle, Transferring, WrittenBeside, is_usable,
    set, set_on_create,
};
use crate::mappings::sales_documents::{CoupledCustomers, as_moments, order_discount};
use crate::mappings::sales_order_lines::{PriceForm, discount_beside, is_sent};

/// The mapping of the customer.
const CUSTOMERS: &str = "CUSTOMER";
/// Status "Complete" of a fulfilled order.
const COMPLETE: i64 = 100_001;
/// The action that fulfils an order in Dataverse (S115).
const FULFIL: &str = "FulfillSalesOrder";

pub(super) struct Prepared {
    business_central: Arc<Table>,
    table: Arc<Table>,
    company: Option<CompanyRow>,
    is_owned_by_team: bool,
    price_lists: PriceLists,
    /// Couplings of customers by their folded numbers.
    customers: HashMap<String, Coupling>,
    /// The customers of the persons that orders are for in Dataverse.
    persons: CoupledCustomers,
    /// What the lines of new orders are in want of.
    obstacles: HashMap<RecordId, Obstacle>,
    /// How lines keep prices in Dataverse.
    prices: PriceForm,
    standing: Fulfilment,
}

impl Prepared {
    /// Reads what some orders need.
    pub async fn of(context: Context<'_>, orders: &[Transferring<'_>]) -> Result<Self, EngineError> {
        let installation = context.installation;
        let lacks_list =
            |order: &&Transferring<'_>| order.destination.is_none_or(|there| there.get("pricelevelid").is_null());
        let currencies = orders.iter().filter(lacks_list).map(|order| order.source.get("currencyCode"));
        let there = orders.iter().filter_map(|order| Some((order.source.id, Standing::of(order.destination?)?)));
        let reasons = orders.iter().filter_map(|order| {
            let reason = Reason::of(order.destination?, order.base, &context.mapping.dataverse)?;
            Some((order.source.id, reason))
        });
        let was_submitted = |order: &&Transferring<'_>| {
            let agreed = order.base.zip(context.mapping.dataverse.column("statecode"));
            agreed.and_then(|(base, column)| base.get(Side::Dataverse, column)) == Some(Value::Int(1))
        };
        Ok(Self {
            business_central: Arc::clone(&context.mapping.business_central),
            table: Arc::clone(&context.mapping.dataverse),
            company: installation.company_row().await?,
            is_owned_by_team: installation.switches().ownership == Ownership::Team,
            price_lists: PriceLists::of(installation, currencies).await?,
            customers: customers_of(installation, orders).await?,
            persons: CoupledCustomers::of(installation, orders.iter().filter_map(|order| of_a_person(*order))).await?,
            obstacles: obstacles_of_lines(installation, orders).await?,
            prices: PriceForm::of(installation).await?,
            standing: Fulfilment {
                there: there.collect(),
                reasons: reasons.collect(),
                submitted_before: orders.iter().filter(was_submitted).map(|order| order.source.id).collect(),
            },
        })
    }

    /// The account that an order is for. A person of that company whom the order is for in Dataverse stays.
    fn customer(&self, order: Transferring<'_>) -> Result<Value, Obstacle> {
        let number = order.source.get("customerNumber").to_string();
        if let Some(there) = order.destination
            && self.persons.number_of(there).is_some_and(|held| folded(held) == folded(&number))
        {
            return Ok(there.get("customerid").clone());
        }
        let coupling = self.customers.get(&folded(&number)).ok_or_else(|| {
            let dependency = Dependency { mapping: CUSTOMERS.into(), side: Side::BusinessCentral, key: number.clone() };
            Obstacle::Wait(Need { dependency, field: "Sell-to Customer No.".to_owned(), value: number.clone() })
        })?;
        Ok(Value::Reference { table: Arc::from("account"), id: RecordId::from(coupling.dataverse_id).0 })
    }
}

impl Prepared {
    /// The discount of the whole order, beside the percentage that it bears. A payment discount makes no discount of an order, so
    /// that the percentage stays as it is, unless it takes off more than Business Central does: then an amount alone tells the
    /// discount. What a seller has changed is brought across first.
    fn put_discount(&self, order: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        let (source, table) = (order.source, &self.table);
        let borne = order.destination.map_or(&Value::Null, |there| there.get("discountpercentage"));
        let includes_tax = source.get("pricesIncludeTax").as_bool() == Some(true);
        let percentage = borne.as_decimal().unwrap_or_default();
        let beside = |percentage| discount_beside(order.lines, includes_tax, self.prices, percentage);
        let (borne, discount) = match beside(percentage) {
            Some(discount) => (borne, discount),
            None => (&Value::Null, beside(Decimal::ZERO).unwrap_or_default()),
        };
        set(fields, table, "discountamount", Value::Decimal(discount))?;
        let is_changed = |there: &Record, column| was_changed(order, Side::Dataverse, table, there, column);
        let of_a_seller = order.destination.filter(|there| THERE.into_iter().any(|column| is_changed(there, column)));
        let Some(there) = of_a_seller else {
            for field in fields.iter_mut().filter(|field| field.destination.name == "discountpercentage") {
                field.desired = borne.clone();
                field.travel = Travel::OneWay;
            }
            return Ok(());
        };
        fields.retain(|field| field.destination.name != "discountpercentage");
        let held = there.get("discountamount").as_decimal().unwrap_or_default();
        let is_changed_here =
            was_changed(order, Side::BusinessCentral, &self.business_central, source, "discountAmount");
        if is_changed_here && held != discount {
            let here = source.get("discountAmount").as_decimal().unwrap_or_default();
            return Err(discounts_clash(here, order_discount(there).unwrap_or_default()).into());
        }
        for field in fields.iter_mut().filter(|field| field.destination.name == "discountamount") {
            field.travel = Travel::BothWays;
        }
        Ok(())
    }
}

/// The order in Dataverse, if it is for a person.
fn of_a_person<'r>(order: Transferring<'r>) -> Option<&'r Record> {
    let is_person =
        |there: &&Record| matches!(there.get("customerid"), Value::Reference { table, .. } if &**table == "contact");
    order.destination.filter(is_person)
}

/// Couplings of the customers of orders by their folded numbers.
async fn customers_of(
    installation: &Installation,
    orders: &[Transferring<'_>],
) -> Result<HashMap<String, Coupling>, EngineError> {
    let mut numbers: Vec<String> =
        orders.iter().filter_map(|order| order.source.get("customerNumber").as_text().map(str::to_owned)).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let name = MappingName::from(CUSTOMERS);
    let coupled = installation.store().couplings_by_key(installation.company(), &name, &numbers).await?;
    let usable = coupled.into_iter().filter(|(_, coupling)| is_usable(coupling));
    Ok(usable.map(|(number, coupling)| (folded(&number), coupling)).collect())
}

/// What keeps new orders where they are because of their lines: an order does not begin in Dataverse without its products.
async fn obstacles_of_lines(
    installation: &Installation,
    orders: &[Transferring<'_>],
) -> Result<HashMap<RecordId, Obstacle>, EngineError> {
    let new: Vec<&Transferring<'_>> =
        orders.iter().filter(|order| order.creating && order.destination.is_none()).collect();
    let lines: Vec<&Record> = new.iter().flat_map(|order| order.lines).filter(|line| is_sent(line)).collect();
    let objects = Objects::of(installation, &lines).await?;
    let write_in = crate::mappings::sales_order_lines::write_in(installation).await?;
    let mut obstacles = HashMap::new();
    for order in new {
        let sent = order.lines.iter().filter(|line| is_sent(line) && !write_in.is_sold_by(line));
        if let Some(obstacle) = sent.filter_map(|line| objects.product(line).err()).next() {
            obstacles.insert(order.source.id, obstacle);
        }
    }
    Ok(obstacles)
}

#[async_trait]
impl BatchRules for Prepared {
    fn admit(&self, order: Transferring<'_>) -> Result<(), Obstacle> {
        if let Some(obstacle) = self.obstacles.get(&order.source.id) {
            return Err(obstacle.clone());
        }
        if self.standing.there.get(&order.source.id) == Some(&Standing::Canceled) {
            return Err(canceled().into());
        }
        Ok(())
    }

    fn adjust(&self, order: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        let (source, table) = (order.source, &self.table);
        // What is over in Dataverse is changed no more.
        if self.standing.is_over(source) {
            fields.clear();
            return Ok(());
        }
        let account = self.customer(order)?;
        transfer_both_ways(fields, (&self.business_central, "customerNumber"), (table, "customerid"), account)?;
        if let Some(company) = self.company {
            set(fields, table, "bcbi_companyid", Value::Guid(company.id.0))?;
        }
        set(fields, table, OCCURRENCE, source.get("documentOccurrence").clone())?;
        if order.destination.is_none_or(|there| there.get("pricelevelid").is_null()) {
            let list = self.price_lists.of_currency(source.get("currencyCode"))?;
            set(fields, table, "pricelevelid", Value::Guid(list))?;
        }
        self.put_discount(order, fields)?;
        as_moments(source, order.destination, fields);
        if !order.creating {
            return Ok(());
        }
        set_on_create(fields, table, "name", source.get("customerName").clone())?;
        let has_owner = fields.iter().any(|field| field.destination.name == "ownerid");
        let team = self.company.and_then(|row| row.owning_team).filter(|_| self.is_owned_by_team && !has_owner);
        if let Some(team) = team {
            set_on_create(fields, table, "ownerid", Value::Reference { table: Arc::from("team"), id: team })?;
        }
        Ok(())
    }

    async fn before_write(&self, context: Context<'_>, records: &mut [BeforeWrite<'_>]) {
        open_for_write(context.installation, &self.table, records).await;
    }

    fn actions(&self) -> Option<&dyn Actions> {
        Some(&self.standing)
    }

    async fn close_behind(&self, context: Context<'_>, documents: &mut [AfterWrite<'_>]) -> Vec<bool> {
        self.after_write(context, documents).await;
        documents.iter().map(|document| document.beside.is_ok()).collect()
    }

    /// Submits what was opened for the change, or is new (S115). What a seller works on stays with the seller.
    async fn after_write(&self, context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        let concerned: Vec<RecordId> = records.iter().map(|record| record.destination).collect();
        let now = match standings(context.installation, &self.table, &concerned).await {
            Ok(now) => now,
            Err(error) => {
                records.iter_mut().for_each(|record| record.beside = Err(error.clone()));
                return;
            }
        };
        let mut submitted: Vec<&mut AfterWrite<'_>> = Vec::new();
        for record in records.iter_mut() {
            // A new order is one that is open.
            let standing = now.get(&record.destination).copied().or(record.created.then_some(Standing::New));
            let held = self.standing.after(record, standing);
            let reason = self.standing.reasons.get(&record.source.id).copied();
            let values = held.map(|held| held.values(reason).to_vec()).unwrap_or_default();
            record.beside = Ok(WrittenBeside { values, ..WrittenBeside::default() });
            if held.is_some_and(|held| standing.is_some_and(|now| now.is_open() && !held.is_open())) {
                submitted.push(record);
            }
        }
        let reason = |record: &AfterWrite<'_>| self.standing.reasons.get(&record.source.id).copied();
        let submit = |record: &&mut AfterWrite<'_>| Standing::Submitted.write(record.destination, None, reason(record));
        let writes: Vec<Write> = submitted.iter().map(submit).collect();
        let results = write_all(context.installation.system(Side::Dataverse), &self.table, &writes).await;
        // `write_all` gives one result per write.
        for (record, result) in submitted.into_iter().zip(results) {
            match (result, &mut record.beside) {
                (Err(error), beside) => *beside = Err(error),
                (Ok(_), Ok(beside)) => beside.is_change = true,
                (Ok(_), Err(_)) => {}
            }
        }
    }
}

/// How orders in Dataverse stand, and what fulfils them.
struct Fulfilment {
    /// How the orders stood when they were read.
    there: HashMap<RecordId, Standing>,
    /// The status reasons that they had.
    reasons: HashMap<RecordId, Reason>,
    /// Orders that were submitted when both sides last agreed.
    submitted_before: std::collections::HashSet<RecordId>,
}

impl Fulfilment {
    fn is_shipped(order: &Record) -> bool {
        order.get("fullyShipped").as_bool() == Some(true)
    }

    /// Whether an order is over in Dataverse: invoiced, or fulfilled and shipped as a whole.
    fn is_over(&self, order: &Record) -> bool {
        self.there.get(&order.id).is_some_and(|standing| standing.is_over(Self::is_shipped(order)))
    }

    /// How an order stands when everything is done; `None` where that is not known.
    fn after(&self, record: &AfterWrite<'_>, now: Option<Standing>) -> Option<Standing> {
        if self.is_over(record.source) {
            // One that is open was opened for a change of its lines, and is fulfilled again.
            return now.map(|now| if now.is_open() { Standing::Fulfilled } else { now });
        }
        if Self::is_shipped(record.source) {
            return Some(Standing::Fulfilled);
        }
        let is_of_a_seller = now == Some(Standing::New)
            && self.there.get(&record.source.id) == Some(&Standing::New)
            && self.submitted_before.contains(&record.source.id)
            && !record.created;
        match now? {
            _ if is_of_a_seller => None,
            standing if standing.is_open() => Some(Standing::Submitted),
            standing => Some(standing),
        }
    }
}

#[async_trait]
impl Actions for Fulfilment {
    /// What is completely shipped is fulfilled (S115, C-162).
    fn wanted(&self, record: &AfterWrite<'_>) -> Option<Action> {
        // What an attempt without an end asked for is looked for, also when it shows already.
        let was_opened = record.is_opened(Direction::ToDataverse);
        let is_over = self.is_over(record.source) && record.coupling.acting.is_none() && !was_opened;
        if is_over || !Self::is_shipped(record.source) {
            return None;
        }
        let parameters = [
            (Arc::from("Status"), Value::Int(COMPLETE)),
            (Arc::from("subject"), Value::text("Shipped in Business Central")),
        ];
        Some(Action { record: record.destination, name: FULFIL.to_owned(), parameters: parameters.into() })
    }

    async fn happened(&self, context: Context<'_>, records: &[Attempted<'_>]) -> Result<Vec<bool>, EngineError> {
        let ids: Vec<RecordId> = records.iter().map(|record| record.destination).collect();
        let table = context.mapping.table(Direction::ToDataverse.destination());
        let now: Result<HashMap<RecordId, Standing>, SystemError> = standings(context.installation, table, &ids).await;
        let now = now?;
        let is_fulfilled = |id: &RecordId| now.get(id).is_some_and(|standing| standing.state() == 3);
        Ok(ids.iter().map(is_fulfilled).collect())
    }
}
