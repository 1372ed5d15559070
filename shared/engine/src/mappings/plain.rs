//! Mappings without anything special, such as those that an operator adds: field rows, filters and couplings are all there is.

use async_trait::async_trait;
use couplet_model::Record;
use couplet_model::table::Side;

use super::natural_keys::candidates;
use super::rules::{BatchRules, Context, MappingRules, Match, NothingSpecial, Transferring};
use crate::error::EngineError;

pub(crate) struct Plain;

#[async_trait]
impl MappingRules for Plain {
    /// The only record that is equal in the first of the mapping's match fields: what was made by an attempt that broke off is
    /// not made again, and what was there before is not made twice.
    async fn find_existing(&self, context: Context<'_>, sources: &[&Record]) -> Result<Vec<Match>, EngineError> {
        let first = context.mapping.match_fields.iter().min_by_key(|field| field.priority);
        let Some(field) = first else { return Ok(sources.iter().map(|_| Ok(None)).collect()) };
        let (source, destination) = match context.direction.source() {
            Side::BusinessCentral => (&field.business_central.name, &field.dataverse.name),
            Side::Dataverse => (&field.dataverse.name, &field.business_central.name),
        };
        let found = candidates(context, sources, source, destination, &[]).await?;
        Ok(sources.iter().map(|record| Ok(found.only(record, |_| true))).collect())
    }

    async fn prepare(
        &self,
        _context: Context<'_>,
        _sources: &[Transferring<'_>],
    ) -> Result<Box<dyn BatchRules>, EngineError> {
        Ok(Box::new(NothingSpecial))
    }
}
