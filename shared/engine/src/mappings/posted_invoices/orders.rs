//! The orders of Dataverse that invoices came from, and the customers behind these (S178, S179).

use std::collections::{BTreeSet, HashMap};

use couplet_model::comparing::folded;
use couplet_model::table::Side;
use couplet_model::{Condition, Filter, MappingName, Record, RecordId, Value};
use uuid::Uuid;

use crate::error::EngineError;
use crate::installation::Installation;
use crate::mappings::rules::is_usable;

/// The mapping of the customer.
pub(super) const CUSTOMERS: &str = "CUSTOMER";

/// Orders that invoices name.
pub(super) struct Orders {
    /// By their folded numbers.
    orders: HashMap<String, Record>,
    /// Numbers of the customers that stand behind accounts and contacts.
    customers: HashMap<Uuid, String>,
}

impl Orders {
    /// The orders that invoices name as their reference (S178).
    pub async fn of(installation: &Installation, invoices: &[&Record]) -> Result<Self, EngineError> {
        let mut numbers: Vec<Value> = Vec::new();
        for invoice in invoices {
            let number = invoice.get("customerPurchaseOrderReference");
            if !number.is_null() && !numbers.contains(number) {
                numbers.push(number.clone());
            }
        }
        if numbers.is_empty() {
            return Ok(Self { orders: HashMap::new(), customers: HashMap::new() });
        }
        let filter = Filter::all(vec![Condition::one_of("ordernumber", numbers)]);
        let columns = ["ordernumber", "name", "opportunityid", "pricelevelid", "customerid", "ownerid"];
        let found = installation.find_rows("salesorder", &filter, &columns).await?;
        let customers = customers_of(installation, &found).await?;
        let named = found.into_iter().filter_map(|order| Some((folded(order.get("ordernumber").as_text()?), order)));
        Ok(Self { orders: named.collect(), customers })
    }

    /// The order that an invoice came from.
    pub fn behind(&self, invoice: &Record) -> Option<&Record> {
        self.orders.get(&folded(invoice.get("customerPurchaseOrderReference").as_text()?))
    }

    /// The number of the customer that an order is for.
    pub fn customer_of(&self, order: &Record) -> Option<&str> {
        self.customers.get(&order.get("customerid").as_guid()?).map(String::as_str)
    }
}

/// The customers that the accounts of orders are coupled to. The account of a contact is that of its company (S53).
async fn customers_of(installation: &Installation, orders: &[Record]) -> Result<HashMap<Uuid, String>, EngineError> {
    let mut accounts: HashMap<Uuid, Uuid> = HashMap::new();
    let mut contacts: BTreeSet<RecordId> = BTreeSet::new();
    for order in orders {
        match (order.get("customerid"), order.get("customerid").as_guid()) {
            (Value::Reference { table, id }, _) if &**table == "contact" => _ = contacts.insert(RecordId(*id)),
            (_, Some(id)) => _ = accounts.insert(id, id),
            _ => {}
        }
    }
    if !contacts.is_empty() {
        let table = installation.table(Side::Dataverse, "contact")?;
        let (contacts, columns) = (Vec::from_iter(contacts), ["parentcustomerid".to_owned()]);
        for contact in installation.system(Side::Dataverse).fetch(&table, &contacts, &columns).await? {
            if let Value::Reference { table, id } = contact.get("parentcustomerid")
                && &**table == "account"
            {
                accounts.insert(contact.id.0, *id);
            }
        }
    }
    let ids: BTreeSet<RecordId> = accounts.values().copied().map(RecordId).collect();
    let (name, ids) = (MappingName::from(CUSTOMERS), Vec::from_iter(ids));
    let coupled = installation.store().couplings_by_id(installation.company(), &name, Side::Dataverse, &ids).await?;
    let number = |account: Uuid| coupled.get(&RecordId(account)).filter(|coupling| is_usable(coupling))?.key.clone();
    Ok(accounts.into_iter().filter_map(|(customer, account)| Some((customer, number(account)?))).collect())
}
