//! The price lists of invoices: the default one for local currency, one per foreign currency (S180, S181).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use couplet_model::comparing::{folded, same};
use couplet_model::ids::derived_id;
use couplet_model::outcome::{DataFailure, Dependency, Need};
use couplet_model::record::Values;
use couplet_model::system::Write;
use couplet_model::table::Side;
use couplet_model::{Condition, Filter, MappingName, RecordId, RetryClass, Value};
use uuid::Uuid;

use crate::bulk::write_all;
use crate::error::EngineError;
use crate::installation::Installation;
use crate::mappings::rules::{Obstacle, is_usable};

/// The mapping of the currency.
const CURRENCIES: &str = "CURRENCY";
/// The field that says which list an invoice needs.
const CURRENCY_CODE: &str = "Currency Code";

/// Price lists by the folded codes of their currencies, or why there is none.
pub(crate) struct PriceLists(BTreeMap<String, Result<Uuid, DataFailure>>);

impl PriceLists {
    /// The lists for these currencies; those that are missing are made. A currency that is not coupled has none, and one whose
    /// list is refused keeps its own invoices only.
    pub async fn of<'v>(
        installation: &Installation,
        currencies: impl Iterator<Item = &'v Value>,
    ) -> Result<Self, EngineError> {
        let codes: BTreeSet<String> = currencies.map(Value::to_string).collect();
        let mut lists = BTreeMap::new();
        if codes.is_empty() {
            return Ok(Self(lists));
        }
        let local = installation.local_currency().await?;
        let (own, foreign): (Vec<String>, Vec<String>) =
            codes.into_iter().partition(|code| code.is_empty() || same(code, &local));
        if !own.is_empty() {
            let default = match installation.default_price_list().await {
                Err(error) if error.retry_class() == RetryClass::Data || matches!(error, EngineError::SetUp(_)) => {
                    Err(no_list(&format!("the default price list in {local}"), &error))
                }
                list => Ok(list?),
            };
            lists.extend(own.iter().map(|code| (folded(code), default.clone())));
        }
        if foreign.is_empty() {
            return Ok(Self(lists));
        }
        let name = MappingName::from(CURRENCIES);
        let coupled = installation.store().couplings_by_key(installation.company(), &name, &foreign).await?;
        let rows: Vec<(String, Uuid)> = coupled
            .into_iter()
            .filter(|(_, coupling)| is_usable(coupling))
            .map(|(code, coupling)| (code, RecordId::from(coupling.dataverse_id).0))
            .collect();
        let named = rows.iter().map(|(code, _)| Value::Text(list_name(code))).collect();
        let filter = Filter::all(vec![Condition::one_of("name", named)]);
        let found = installation.find_rows("pricelevel", &filter, &["name", "transactioncurrencyid"]).await?;
        let mut missing = Vec::new();
        for (code, currency) in rows {
            let is_it = |list: &&couplet_model::Record| {
                list.get("name").as_text().is_some_and(|name| same(name, &list_name(&code)))
                    && list.get("transactioncurrencyid").as_guid() == Some(currency)
            };
            match found.iter().find(is_it) {
                Some(list) => _ = lists.insert(folded(&code), Ok(list.id.0)),
                None => missing.push((code, currency)),
            }
        }
        lists.extend(Self::make(installation, missing).await?);
        Ok(Self(lists))
    }

    async fn make(
        installation: &Installation,
        missing: Vec<(String, Uuid)>,
    ) -> Result<Vec<(String, Result<Uuid, DataFailure>)>, EngineError> {
        let company = installation.company_row().await?;
        let owner = MappingName::from("(company)");
        let writes: Vec<Write> = missing
            .iter()
            .map(|(code, currency)| {
                let role = format!("price list in {}", folded(code));
                let id = derived_id(installation.company(), &owner, &role, RecordId(installation.company().0));
                let mut values: Values = [
                    (Arc::from("name"), Value::Text(list_name(code))),
                    (Arc::from("transactioncurrencyid"), Value::Guid(*currency)),
                ]
                .into();
                if let Some(company) = company {
                    values.insert(Arc::from("bcbi_companyid"), Value::Guid(company.id.0));
                }
                Write::create(Some(id), values)
            })
            .collect();
        let table = installation.table(Side::Dataverse, "pricelevel")?;
        let results = write_all(installation.system(Side::Dataverse), &table, &writes).await;
        let mut made = Vec::new();
        for ((code, _), result) in missing.into_iter().zip(results) {
            let list = match result {
                Ok(list) => Ok(list.id.0),
                Err(error) if error.retry_class() == RetryClass::Data => {
                    Err(no_list(&format!("price list \"{}\"", list_name(&code)), &error))
                }
                Err(error) => return Err(error.into()),
            };
            made.push((folded(&code), list));
        }
        Ok(made)
    }

    /// The list of a currency.
    pub fn of_currency(&self, code: &Value) -> Result<Uuid, Obstacle> {
        let code = code.to_string();
        match self.0.get(&folded(&code)) {
            Some(list) => Ok(list.clone()?),
            None => {
                let dependency =
                    Dependency { mapping: CURRENCIES.into(), side: Side::BusinessCentral, key: code.clone() };
                Err(Obstacle::Wait(Need { dependency, field: CURRENCY_CODE.to_owned(), value: code }))
            }
        }
    }
}

/// Why invoices of a currency cannot be created.
fn no_list(list: &str, error: &dyn std::fmt::Display) -> DataFailure {
    let message = format!("{list} is missing in Dataverse and could not be created (EE13): {error}; create it by hand");
    DataFailure::of_field(CURRENCY_CODE, message)
}

/// The name of the list in a foreign currency.
fn list_name(code: &str) -> String {
    format!("Price List in {code}")
}
