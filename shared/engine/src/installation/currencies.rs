//! The company's local currency and the base currency of the Dataverse organization.

use std::sync::Arc;

use couplet_model::comparing::same;
use couplet_model::record::Values;
use couplet_model::table::Side;
use couplet_model::{Condition, Filter, RecordId, Value};
use uuid::Uuid;

use super::Installation;
use crate::error::EngineError;
use crate::facts::BaseCurrency;

impl Installation {
    /// ISO code of the company's local currency.
    pub(crate) async fn local_currency(&self) -> Result<String, EngineError> {
        let read = async {
            let table = self.table(Side::BusinessCentral, "General Ledger Setup")?;
            let columns = ["localCurrencyCode".to_owned()];
            let rows = self.system(Side::BusinessCentral).find(&table, &Filter::default(), &columns).await?;
            rows.first()
                .and_then(|row| row.get("localCurrencyCode").as_text().map(str::to_owned))
                .ok_or_else(|| EngineError::SetUp("the local currency code of the Business Central company is blank; fill LCY Code in General Ledger Setup".to_owned()))
        };
        self.facts.local_currency.get(self.now(), read).await
    }

    /// The base currency of the organization (S276).
    pub(crate) async fn base_currency(&self) -> Result<BaseCurrency, EngineError> {
        let read = async {
            let columns = ["basecurrencyid", "currencydecimalprecision"];
            let organizations = self.find_rows("organization", &Filter::default(), &columns).await?;
            let organization = organizations.first();
            let id = organization.and_then(|row| row.get("basecurrencyid").as_guid()).ok_or_else(|| {
                EngineError::SetUp("the Dataverse organization names no base currency (EE26)".to_owned())
            })?;
            let precision = organization.and_then(|row| row.get("currencydecimalprecision").as_int()).unwrap_or(2);
            let table = self.table(Side::Dataverse, "transactioncurrency")?;
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
        self.facts.base_currency.get(self.now(), read).await
    }

    /// The row of the local currency in Dataverse, created if it is missing (S279, R270).
    pub(crate) async fn local_currency_row(&self) -> Result<Uuid, EngineError> {
        let read = async {
            let code = self.local_currency().await?;
            let base = self.base_currency().await?;
            if same(&base.iso_code, &code) {
                return Ok(base.id);
            }
            let filter = Filter::all(vec![Condition::equal("isocurrencycode", Value::Text(code.clone()))]);
            let rows = self.find_rows("transactioncurrency", &filter, &["isocurrencycode"]).await?;
            if let Some(row) = rows.first() {
                return Ok(row.id.0);
            }
            let rate = self.exchange_rate(&code).await?;
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
        self.facts.local_currency_row.get(self.now(), read).await
    }
}
