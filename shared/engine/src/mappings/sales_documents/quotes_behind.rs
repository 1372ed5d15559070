//! The quotes of Business Central that orders from Sales were won by (S62, S99).

use std::collections::{BTreeSet, HashMap};

use couplet_model::comparing::folded;
use couplet_model::table::Side;
use couplet_model::{Condition, Filter, Record, RecordId, Value};
use uuid::Uuid;

use crate::error::EngineError;
use crate::installation::Installation;

/// Numbers of quotes in Business Central by the quotes of Dataverse.
pub(crate) struct QuotesBehind(HashMap<Uuid, String>);

impl QuotesBehind {
    /// The quotes behind some orders: one read of each system, where there are any.
    pub async fn of<'r>(
        installation: &Installation,
        orders: impl Iterator<Item = &'r Record>,
    ) -> Result<Self, EngineError> {
        let ids: BTreeSet<RecordId> = orders.filter_map(|order| order.get("quoteid").as_guid().map(RecordId)).collect();
        if ids.is_empty() {
            return Ok(Self(HashMap::new()));
        }
        let table = installation.table(Side::Dataverse, "quote")?;
        let (ids, columns) = (Vec::from_iter(ids), ["quotenumber".to_owned()]);
        let quotes = installation.system(Side::Dataverse).fetch(&table, &ids, &columns).await?;
        let references = quotes.iter().map(|quote| quote.get("quotenumber")).filter(|number| !number.is_null());
        let references: Vec<Value> = references.cloned().collect();
        if references.is_empty() {
            return Ok(Self(HashMap::new()));
        }
        let table = installation.table(Side::BusinessCentral, "Sales Header (Quote)")?;
        let columns = ["number", "yourReference"].map(str::to_owned);
        let filter = Filter::all(vec![Condition::one_of("yourReference", references)]);
        let found = installation.system(Side::BusinessCentral).find(&table, &filter, &columns).await?;
        let mut numbers: HashMap<String, String> = HashMap::new();
        for quote in &found {
            let (Some(number), Some(reference)) = (quote.get("number").as_text(), quote.get("yourReference").as_text())
            else {
                continue;
            };
            // Of several with one reference it is the last.
            let known = numbers.entry(folded(reference)).or_default();
            if number > known.as_str() {
                number.clone_into(known);
            }
        }
        let number = |quote: &Record| numbers.get(&folded(quote.get("quotenumber").as_text()?)).cloned();
        Ok(Self(quotes.iter().filter_map(|quote| Some((quote.id.0, number(quote)?))).collect()))
    }

    /// The number of the quote that an order was won by.
    pub fn of_order(&self, order: &Record) -> Option<&str> {
        self.0.get(&order.get("quoteid").as_guid()?).map(String::as_str)
    }
}
