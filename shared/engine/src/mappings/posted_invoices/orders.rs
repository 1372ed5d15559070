//! The orders of Dataverse that invoices came from, and the customers behind these (S178, S179).

use std::collections::HashMap;

use couplet_model::comparing::folded;
use couplet_model::{Condition, Filter, Record, Value};

use crate::error::EngineError;
use crate::installation::Installation;
use crate::mappings::sales_documents::CoupledCustomers;

/// The mapping of the customer.
pub(super) const CUSTOMERS: &str = "CUSTOMER";

/// Orders that invoices name.
pub(super) struct Orders {
    /// By their folded numbers.
    orders: HashMap<String, Record>,
    /// The customers that they are for.
    customers: CoupledCustomers,
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
        let mut found = Vec::new();
        if !numbers.is_empty() {
            let filter = Filter::all(vec![Condition::one_of("ordernumber", numbers)]);
            let columns = ["ordernumber", "name", "opportunityid", "pricelevelid", "customerid", "ownerid"];
            found = installation.find_rows("salesorder", &filter, &columns).await?;
        }
        let customers = CoupledCustomers::of(installation, found.iter()).await?;
        let named = found.into_iter().filter_map(|order| Some((folded(order.get("ordernumber").as_text()?), order)));
        Ok(Self { orders: named.collect(), customers })
    }

    /// The order that an invoice came from.
    pub fn behind(&self, invoice: &Record) -> Option<&Record> {
        self.orders.get(&folded(invoice.get("customerPurchaseOrderReference").as_text()?))
    }

    /// The number of the customer that an order is for.
    pub fn customer_of(&self, order: &Record) -> Option<&str> {
        self.customers.number_of(order)
    }
}
