//! What price lists and customer price groups have in common: they become price lists of Dataverse, which are known by
//! their names and keep their currency (S232 to S234, S241, S243).

use std::sync::Arc;

use couplet_model::decision::TransferredField;
use couplet_model::outcome::DataFailure;
use couplet_model::{DataverseId, Record, Table, Value};
use uuid::Uuid;

use super::currency_rows::CurrencyRows;
use super::natural_keys::{candidates, is_ours};
use super::rules::{Context, Match, set};
use crate::error::EngineError;

/// State and status of a price list in use.
pub(crate) const ACTIVE: (i64, i64) = (0, 100_001);
/// State and status of a price list out of use.
pub(crate) const INACTIVE: (i64, i64) = (1, 100_002);

/// The price lists of Dataverse, and the company that new ones belong to.
pub(crate) struct PriceLevels {
    /// Their table.
    pub table: Arc<Table>,
    company: Option<DataverseId>,
}

impl PriceLevels {
    /// Those of a mapping.
    ///
    /// # Errors
    /// When the company's row cannot be read.
    pub async fn of(context: Context<'_>) -> Result<Self, EngineError> {
        let company = context.installation.filter_context().await?.company;
        Ok(Self { table: Arc::clone(&context.mapping.dataverse), company })
    }

    /// Gives a price list its company.
    ///
    /// # Errors
    /// When the catalogue lacks the column.
    pub fn own(&self, fields: &mut Vec<TransferredField>) -> Result<(), DataFailure> {
        let Some(company) = self.company else { return Ok(()) };
        set(fields, &self.table, "bcbi_companyid", Value::Guid(company.0))
    }
}

/// The price list of Dataverse with the code of each source as its name. Names of price lists are unique there, so whoever
/// has it is the partner or stands in the way; `obstacle` says what keeps a source from being coupled with one.
pub(crate) async fn named_like(
    context: Context<'_>,
    sources: &[&Record],
    obstacle: impl Fn(&Record, &Record) -> Option<DataFailure>,
) -> Result<Vec<Match>, EngineError> {
    let columns = ["bcbi_companyid", "transactioncurrencyid"];
    let levels = candidates(context, sources, "code", "name", &columns).await?;
    let is_ours = is_ours(context).await?;
    let of = |source: &&Record| {
        let found = levels.of(source);
        let Some(level) = found.iter().find(|level| is_ours(level)).or(found.first()) else { return Ok(None) };
        let code = source.get("code");
        if !is_ours(level) {
            return Err(DataFailure::new(format!(
                "the price list {code} in Dataverse belongs to another company, and no other can have its name; rename one of the two"
            )));
        }
        obstacle(source, level).map_or(Ok(Some(level.id)), Err)
    };
    Ok(sources.iter().map(of).collect())
}

/// A price list of Dataverse keeps its currency (S234, E59).
pub(crate) fn keeps_currency(
    code: &Value,
    currency: Option<&str>,
    level: &Record,
    currencies: &CurrencyRows,
) -> Result<(), DataFailure> {
    let (own, theirs): (Option<Uuid>, Option<Uuid>) =
        (currencies.of(currency), level.get("transactioncurrencyid").as_guid());
    match (own, theirs) {
        (Some(own), Some(theirs)) if own != theirs => Err(DataFailure::of_field(
            "Currency Code",
            format!(
                "{code} is in {}, and the price list of that name in Dataverse in another currency (E59), which it keeps for \
                 ever; enter that currency in Business Central, or rename or delete the price list in Dataverse",
                currencies.name(currency)
            ),
        )),
        _ => Ok(()),
    }
}
