//! Sales & Receivables Setup of Business Central, as far as documents that come from Sales need it.

use std::sync::Arc;

use couplet_model::Filter;
use couplet_model::table::Side;

use super::Installation;
use crate::error::EngineError;
use crate::facts::{BELIEVED, SalesSetup};

/// Where Business Central keeps its sales setup.
const TABLE: &str = "Sales & Receivables Setup";

impl Installation {
    /// The sales setup. It is read once per process, and once more when it does not do, because a person may have filled in
    /// what was missing.
    ///
    /// # Errors
    /// When Business Central fails.
    pub(crate) async fn sales_setup(
        &self,
        suffices: impl Fn(&SalesSetup) -> bool + Send,
    ) -> Result<Arc<SalesSetup>, EngineError> {
        let mut known = self.facts.sales_setup.lock().await;
        let now = self.now();
        let is_young = |at| now.duration_since(at) < BELIEVED;
        if let Some((_, setup)) = known.as_ref().filter(|(at, setup)| is_young(*at) && suffices(setup)) {
            return Ok(Arc::clone(setup));
        }
        let table = self.table(Side::BusinessCentral, TABLE)?;
        let columns = ["writeInProductType", "writeInProductNumber", "freightAccountNumber"].map(str::to_owned);
        let rows = self.system(Side::BusinessCentral).find(&table, &Filter::default(), &columns).await?;
        let setup = Arc::new(rows.first().map(SalesSetup::of).unwrap_or_default());
        *known = Some((now, Arc::clone(&setup)));
        Ok(setup)
    }
}
