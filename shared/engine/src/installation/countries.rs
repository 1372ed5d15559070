//! The countries of Business Central, read when somebody writes one.

use std::sync::Arc;

use couplet_model::table::Side;
use couplet_model::{Filter, Record, RetryClass};
use jiff::Timestamp;

use super::Installation;
use crate::error::EngineError;
use crate::facts::{BELIEVED, Countries};

/// Where Business Central keeps its countries.
const TABLE: &str = "Country/Region";

impl Installation {
    /// The countries of Business Central. They are read once per process, and once more when one of these texts stands for
    /// none of them, because a person may have added it. Without texts nothing is read.
    ///
    /// # Errors
    /// When Business Central fails.
    pub(crate) async fn countries_for(&self, texts: &[&str]) -> Result<Arc<Countries>, EngineError> {
        if texts.is_empty() {
            return Ok(Arc::default());
        }
        let mut known = self.facts.countries.lock().await;
        let now = self.now();
        let suffice = |at: &Timestamp, known: &Countries| {
            now.duration_since(*at) < BELIEVED && texts.iter().all(|text| known.code(text).is_some())
        };
        if let Some((_, countries)) = known.as_ref().filter(|(at, known)| suffice(at, known)) {
            return Ok(Arc::clone(countries));
        }
        let countries = Arc::new(Countries::of(&self.country_rows().await?));
        *known = Some((now, Arc::clone(&countries)));
        Ok(countries)
    }

    async fn country_rows(&self) -> Result<Vec<Record>, EngineError> {
        let table = self.table(Side::BusinessCentral, TABLE)?;
        let system = self.system(Side::BusinessCentral);
        let columns = ["code", "displayName", "isoCode"].map(str::to_owned);
        match system.find(&table, &Filter::default(), &columns).await {
            // Only the companion app shows ISO codes; without its page codes and names must do.
            Err(error) if matches!(error.retry_class(), RetryClass::Configuration | RetryClass::Data) => {
                Ok(system.find(&table, &Filter::default(), &columns[..2]).await?)
            }
            rows => Ok(rows?),
        }
    }
}
