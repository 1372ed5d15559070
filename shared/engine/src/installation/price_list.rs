//! The default price list of the company.

use std::sync::Arc;

use couplet_model::comparing::same;
use couplet_model::record::Values;
use couplet_model::{Condition, Filter, Record, Value};
use uuid::Uuid;

use super::Installation;
use crate::error::EngineError;

impl Installation {
    /// The default price list of the company, created if it is missing (S208, S209).
    pub(crate) async fn default_price_list(&self) -> Result<Uuid, EngineError> {
        let read = async {
            let currency = self.local_currency_row().await?;
            let product = &self.options().product_name;
            let names = self.catalogue().defaults().price_list_names(product, &self.local_currency().await?);
            let wanted = names.iter().cloned().map(Value::Text).collect();
            let filter = Filter::all(vec![Condition::one_of("name", wanted)]);
            let rows = self.find_rows("pricelevel", &filter, &["name", "transactioncurrencyid"]).await?;
            let named = |name: &str| {
                rows.iter()
                    .filter(|row| row.get("name").as_text().is_some_and(|own| same(own, name)))
                    .collect::<Vec<_>>()
            };
            let in_currency = |row: &&&Record| row.get("transactioncurrencyid").as_guid() == Some(currency);
            // The name may be taken by a list in another currency: then the second name is used (S209).
            for name in &names {
                let candidates = named(name);
                if let Some(row) = candidates.iter().find(in_currency) {
                    return Ok(row.id.0);
                }
                if candidates.is_empty() {
                    let mut values: Values = [
                        (Arc::from("name"), Value::Text(name.clone())),
                        (Arc::from("transactioncurrencyid"), Value::Guid(currency)),
                    ]
                    .into();
                    if let Some(company) = self.filter_context().await?.company {
                        values.insert(Arc::from("bcbi_companyid"), Value::Guid(company.0));
                    }
                    return self.create_row("pricelevel", "default price list", values).await;
                }
            }
            Err(EngineError::SetUp(format!(
                "both names of the default price list ({}) are taken by lists in other currencies; rename one of them",
                names.join(", ")
            )))
        };
        self.facts.default_price_list.get(self.now(), read).await
    }
}
