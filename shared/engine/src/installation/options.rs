//! Labels of the options of choice columns.

use std::sync::Arc;

use couplet_model::Table;
use couplet_model::table::Side;
use jiff::Timestamp;

use super::Installation;
use crate::error::EngineError;
use crate::facts::{BELIEVED, OptionLabels};

impl Installation {
    /// Labels of a choice column in Dataverse, read once per process; and once more when they do not do, because a person
    /// may have added the option that was missing.
    pub(crate) async fn option_labels(
        &self,
        table: &Table,
        column: &str,
        suffice: impl Fn(&[(i64, String)]) -> bool + Send,
    ) -> Result<OptionLabels, EngineError> {
        let key = (table.name.clone(), column.to_owned());
        let mut known = self.facts.options.lock().await;
        let now = self.now();
        let is_young = |at: &Timestamp| now.duration_since(*at) < BELIEVED;
        if let Some((_, labels)) = known.get(&key).filter(|(at, labels)| is_young(at) && suffice(labels)) {
            return Ok(Arc::clone(labels));
        }
        let labels = Arc::new(self.system(Side::Dataverse).option_labels(table, column).await?);
        known.insert(key, (now, Arc::clone(&labels)));
        Ok(labels)
    }
}
