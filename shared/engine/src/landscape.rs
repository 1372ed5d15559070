//! Facts of the installation that hold for every record: the company's row, currencies, the default price list,
//! option labels. Each is read once per process, when first needed.

use std::collections::HashMap;
use std::sync::Arc;

use couplet_model::catalogue::FilterContext;
use couplet_model::comparing::same;
use couplet_model::ids::derived_id;
use couplet_model::record::Values;
use couplet_model::system::Write;
use couplet_model::table::{Side, Table};
use couplet_model::{Condition, DataverseId, Filter, MappingName, Record, RecordId, Value};
use tokio::sync::{Mutex, OnceCell};
use uuid::Uuid;

use crate::engine::Engine;
use crate::error::EngineError;
use crate::rules::Countries;

/// Facts read so far.
pub(crate) struct Landscape {
    known_company: Option<DataverseId>,
    company: OnceCell<Option<CompanyRow>>,
    local_currency: OnceCell<String>,
    base_currency: OnceCell<BaseCurrency>,
    local_currency_row: OnceCell<Uuid>,
    default_price_list: OnceCell<Uuid>,
    options: Mutex<HashMap<(String, String), OptionLabels>>,
    pub countries: Mutex<Option<Arc<Countries>>>,
}

/// Number and label of every option of a choice column.
pub(crate) type OptionLabels = Arc<Vec<(i64, String)>>;

/// The company in Dataverse.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CompanyRow {
    pub id: DataverseId,
    pub owning_team: Option<Uuid>,
}

/// The base currency of the Dataverse organization.
#[derive(Clone, Debug)]
pub(crate) struct BaseCurrency {
    pub id: Uuid,
    pub iso_code: String,
    pub precision: i64,
}

impl Landscape {
    pub fn new(known_company: Option<DataverseId>) -> Self {
        Self {
            known_company,
            company: OnceCell::new(),
            local_currency: OnceCell::new(),
            base_currency: OnceCell::new(),
            local_currency_row: OnceCell::new(),
            default_price_list: OnceCell::new(),
            options: Mutex::new(HashMap::new()),
            countries: Mutex::new(None),
        }
    }
}

impl Engine {
    /// What the placeholders of filters stand for.
    pub(crate) async fn filter_context(&self) -> Result<FilterContext, EngineError> {
        let company = match self.landscape.known_company {
            Some(id) => Some(id),
            None => self.company_row().await?.map(|row| row.id),
        };
        let default_price_list_code_is_set = self.parts.switches.default_price_list_code_is_set;
        Ok(FilterContext { company, default_price_list_code_is_set })
    }

    /// The row of the company in Dataverse: the one whose external id is the company's (S324).
    pub(crate) async fn company_row(&self) -> Result<Option<CompanyRow>, EngineError> {
        let read = || async {
            let external = Value::Text(self.company().to_string());
            let filter = Filter::all(vec![Condition::equal("bcbi_externalid", external)]);
            let rows = self.find_rows("bcbi_company", &filter, &["bcbi_externalid", "bcbi_defaultowningteam"]).await?;
            Ok::<_, EngineError>(
                rows.first().map(|row| CompanyRow {
                    id: row.id.into(),
                    owning_team: row.get("bcbi_defaultowningteam").as_guid(),
                }),
            )
        };
        Ok(*self.landscape.company.get_or_try_init(read).await?)
    }

    /// ISO code of the company's local currency.
    pub(crate) async fn local_currency(&self) -> Result<&str, EngineError> {
        let read = || async {
            let table = self
                .catalogue()
                .business_central_table("General Ledger Setup")
                .ok_or_else(|| EngineError::SetUp("the catalogue has no table General Ledger Setup".to_owned()))?;
            let columns = ["localCurrencyCode".to_owned()];
            let rows = self.system(Side::BusinessCentral).find(table, &Filter::default(), &columns).await?;
            rows.first()
                .and_then(|row| row.get("localCurrencyCode").as_text().map(str::to_owned))
                .ok_or_else(|| EngineError::SetUp("the local currency code of the Business Central company is blank; fill LCY Code in General Ledger Setup".to_owned()))
        };
        Ok(self.landscape.local_currency.get_or_try_init(read).await?)
    }

    /// The base currency of the organization (S276).
    pub(crate) async fn base_currency(&self) -> Result<&BaseCurrency, EngineError> {
        let read = || async {
            let columns = ["basecurrencyid", "currencydecimalprecision"];
            let organizations = self.find_rows("organization", &Filter::default(), &columns).await?;
            let organization = organizations.first();
            let id = organization.and_then(|row| row.get("basecurrencyid").as_guid()).ok_or_else(|| {
                EngineError::SetUp("the Dataverse organization names no base currency (EE26)".to_owned())
            })?;
            let precision = organization.and_then(|row| row.get("currencydecimalprecision").as_int()).unwrap_or(2);
            let table = self.dataverse_table("transactioncurrency")?;
            let columns = ["isocurrencycode".to_owned()];
            let rows = self.system(Side::Dataverse).fetch(&table, &[RecordId(id)], &columns).await?;
            let iso_code = rows
                .first()
                .and_then(|row| row.get("isocurrencycode").as_text().map(str::to_owned))
                .ok_or_else(|| {
                    EngineError::SetUp(
                        "the base currency of the Dataverse organization cannot be read (EE26)".to_owned(),
                    )
                })?;
            Ok::<_, EngineError>(BaseCurrency { id, iso_code, precision })
        };
        self.landscape.base_currency.get_or_try_init(read).await
    }

    /// The row of the local currency in Dataverse, created if it is missing (S279, R270).
    pub(crate) async fn local_currency_row(&self) -> Result<Uuid, EngineError> {
        let read = || async {
            let code = self.local_currency().await?.to_owned();
            let base = self.base_currency().await?;
            if same(&base.iso_code, &code) {
                return Ok(base.id);
            }
            let filter = Filter::all(vec![Condition::equal("isocurrencycode", Value::Text(code.clone()))]);
            let rows = self.find_rows("transactioncurrency", &filter, &["isocurrencycode"]).await?;
            if let Some(row) = rows.first() {
                return Ok(row.id.0);
            }
            let rate = crate::rules::exchange_rate(self, &code).await?;
            let values: Values = [
                ("isocurrencycode", Value::Text(code.clone())),
                ("currencyname", Value::Text(code.clone())),
                ("currencysymbol", Value::Text(code.clone())),
                ("currencyprecision", Value::Int(base.precision)),
                ("exchangerate", Value::Decimal(rate)),
            ]
            .into_iter()
            .map(|(name, value)| (Arc::from(name), value))
            .collect();
            self.create_row("transactioncurrency", "local currency", values).await
        };
        Ok(*self.landscape.local_currency_row.get_or_try_init(read).await?)
    }

    /// The default price list of the company, created if it is missing (S208, S209).
    pub(crate) async fn default_price_list(&self) -> Result<Uuid, EngineError> {
        let read = || async {
            let currency = self.local_currency_row().await?;
            let product = &self.options().product_name;
            let names = self.catalogue().defaults().price_list_names(product, self.local_currency().await?);
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
        Ok(*self.landscape.default_price_list.get_or_try_init(read).await?)
    }

    /// Labels of a choice column in Dataverse, read once per process; and once more when they do not do, because a person
    /// may have added the option that was missing.
    pub(crate) async fn option_labels(
        &self,
        table: &Table,
        column: &str,
        suffice: impl Fn(&[(i64, String)]) -> bool + Send,
    ) -> Result<OptionLabels, EngineError> {
        let key = (table.name.clone(), column.to_owned());
        let mut known = self.landscape.options.lock().await;
        if let Some(labels) = known.get(&key).filter(|labels| suffice(labels)) {
            return Ok(Arc::clone(labels));
        }
        let labels = Arc::new(self.system(Side::Dataverse).option_labels(table, column).await?);
        known.insert(key, Arc::clone(&labels));
        Ok(labels)
    }

    pub(crate) fn dataverse_table(&self, name: &str) -> Result<Arc<Table>, EngineError> {
        let table = self.catalogue().dataverse_table(name);
        table.cloned().ok_or_else(|| EngineError::SetUp(format!("the catalogue has no Dataverse table {name}")))
    }

    pub(crate) async fn find_rows(
        &self,
        table: &str,
        filter: &Filter,
        columns: &[&str],
    ) -> Result<Vec<Record>, EngineError> {
        let table = self.dataverse_table(table)?;
        let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
        Ok(self.system(Side::Dataverse).find(&table, filter, &columns).await?)
    }

    /// Creates a row that exists once per company, under an id of its own so that a second attempt finds the first.
    async fn create_row(&self, table: &str, role: &str, values: Values) -> Result<Uuid, EngineError> {
        let owner = MappingName::from("(company)");
        let id = derived_id(self.company(), &owner, role, RecordId(self.company().0));
        let table = self.dataverse_table(table)?;
        let mut results = self.system(Side::Dataverse).write(&table, &[Write::create(Some(id), values)]).await;
        match results.pop() {
            Some(Ok(written)) => Ok(written.id.0),
            Some(Err(error)) => Err(error.into()),
            None => Err(EngineError::SetUp(format!("the client of Dataverse gave no result for {role}"))),
        }
    }
}
