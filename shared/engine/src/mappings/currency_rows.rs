//! Rows of Dataverse by the currency codes of Business Central: for rules that compare currencies.

use std::collections::{BTreeSet, HashMap};

use couplet_model::MappingName;
use couplet_model::comparing::folded;
use couplet_model::outcome::{Dependency, Need};
use couplet_model::table::Side;
use uuid::Uuid;

use super::rules::{Obstacle, is_usable};
use crate::error::EngineError;
use crate::installation::Installation;

/// The mapping of currencies.
const CURRENCIES: &str = "CURRENCY";

/// Rows of currencies by code.
pub(crate) struct CurrencyRows {
    rows: HashMap<String, Uuid>,
    local: String,
}

impl CurrencyRows {
    /// Reads the rows of some codes; a blank code is the local currency, and so is the code of that (R270).
    pub async fn read(installation: &Installation, codes: BTreeSet<String>) -> Result<Self, EngineError> {
        let local = installation.local_currency().await?;
        let local_row = installation.local_currency_row().await?;
        let codes: Vec<String> = codes.into_iter().collect();
        let (store, company, mapping) = (installation.store(), installation.company(), MappingName::from(CURRENCIES));
        let found = store.couplings_by_key(company, &mapping, &codes).await?;
        let usable = found.into_iter().filter(|(_, coupling)| is_usable(coupling));
        let mut rows: HashMap<String, Uuid> =
            usable.map(|(code, coupling)| (folded(&code), coupling.dataverse_id.0)).collect();
        rows.extend([(String::new(), local_row), (folded(&local), local_row)]);
        Ok(Self { rows, local })
    }

    /// The row of a code, or of none.
    pub fn of(&self, code: Option<&str>) -> Option<Uuid> {
        self.rows.get(&folded(code.unwrap_or_default())).copied()
    }

    /// What people call the currency of a code, or of none.
    pub fn name<'a>(&'a self, code: Option<&'a str>) -> &'a str {
        code.unwrap_or(&self.local)
    }

    /// What a record does whose currency is not coupled.
    pub fn waits(code: Option<&str>) -> Obstacle {
        let key = code.unwrap_or_default().to_owned();
        let dependency =
            Dependency { mapping: MappingName::from(CURRENCIES), side: Side::BusinessCentral, key: key.clone() };
        Obstacle::Wait(Need { dependency, field: "Currency Code".to_owned(), value: key })
    }
}
