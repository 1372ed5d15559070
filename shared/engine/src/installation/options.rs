//! The options of choice columns.

use std::sync::Arc;

use couplet_model::Filter;
use couplet_model::Table;
use couplet_model::table::{OPTION_LABELS, OPTION_NUMBER, Side};
use jiff::Timestamp;

use super::Installation;
use crate::error::EngineError;
use crate::facts::{BELIEVED, ChoiceOption, Options};

impl Installation {
    /// The options of a choice column in Dataverse, read once in a while; and once more when they do not do, because a
    /// person may have added the one that was missing.
    pub(crate) async fn options_of(
        &self,
        table: &Table,
        suffice: impl Fn(&[ChoiceOption]) -> bool + Send,
    ) -> Result<Options, EngineError> {
        let mut known = self.facts.options.lock().await;
        let now = self.now();
        let is_young = |at: &Timestamp| now.duration_since(*at) < BELIEVED;
        if let Some((_, options)) = known.get(&table.name).filter(|(at, options)| is_young(at) && suffice(options)) {
            return Ok(Arc::clone(options));
        }
        let options = Arc::new(self.read_options(table).await?);
        known.insert(table.name.clone(), (now, Arc::clone(&options)));
        Ok(options)
    }

    /// The options of a choice column in Dataverse as they are now.
    pub(crate) async fn read_options(&self, table: &Table) -> Result<Vec<ChoiceOption>, EngineError> {
        let Some(choice) = &table.choice else { return Ok(Vec::new()) };
        let columns = [choice.column.as_str(), OPTION_NUMBER, OPTION_LABELS].map(str::to_owned);
        let rows = self.system(Side::Dataverse).find(table, &Filter::default(), &columns).await?;
        Ok(rows.iter().filter_map(|row| ChoiceOption::of(choice, row)).collect())
    }
}
