//! SALESPEOPLE: a Dataverse user becomes a salesperson; new salespeople get a code of their own (S261, R160).

use std::collections::HashMap;

use async_trait::async_trait;
use couplet_model::decision::TransferredField;
use couplet_model::table::Side;
use couplet_model::{Filter, Record, RecordId, Value};

use super::natural_keys::candidates;
use super::rules::{BatchRules, Context, MappingRules, Match, Obstacle, Transferring, set_on_create};
use crate::error::EngineError;

/// What new codes begin with.
const CODE_PREFIX: &str = "SP NO. ";
/// Digits of the number in a code.
const CODE_DIGITS: usize = 5;

pub(crate) struct Salespeople;

#[async_trait]
impl MappingRules for Salespeople {
    fn makes_up_keys(&self) -> bool {
        true
    }

    /// Deleting a salesperson ends its coupling (R92, S265).
    fn forgets_deleted_partners(&self) -> bool {
        true
    }

    fn partner_key(&self, _: couplet_model::message::Direction) -> Option<&'static str> {
        Some("the same e-mail address")
    }

    /// The salesperson with the user's e-mail address; without one, the one with the user's name.
    async fn find_existing(&self, context: Context<'_>, sources: &[&Record]) -> Result<Vec<Match>, EngineError> {
        let columns = ["displayName", "email"];
        let by_email = candidates(context, sources, "internalemailaddress", "email", &columns).await?;
        let unknown: Vec<&Record> = sources.iter().filter(|user| by_email.of(user).is_empty()).copied().collect();
        let by_name = candidates(context, &unknown, "fullname", "displayName", &columns).await?;
        let of = |user: &&Record| {
            let by_name = || {
                // A salesperson with another address is another person of that name.
                by_name.only(user, |found| found.get("email").is_null() && by_email.of(user).is_empty())
            };
            Ok(by_email.only(user, |_| true).or_else(by_name))
        };
        Ok(sources.iter().map(of).collect())
    }

    async fn prepare(
        &self,
        context: Context<'_>,
        sources: &[Transferring<'_>],
    ) -> Result<Box<dyn BatchRules>, EngineError> {
        let new: Vec<RecordId> =
            sources.iter().filter(|record| record.creating).map(|record| record.source.id).collect();
        let mut codes = HashMap::new();
        if !new.is_empty() {
            let columns = ["code".to_owned()];
            let table = &context.mapping.business_central;
            let existing =
                context.installation.system(Side::BusinessCentral).find(table, &Filter::default(), &columns).await?;
            let taken = existing.iter().filter_map(|record| record.get("code").as_text());
            codes = new.into_iter().zip(codes_after(taken)).collect();
        }
        Ok(Box::new(Prepared { codes, table: std::sync::Arc::clone(&context.mapping.business_central) }))
    }
}

struct Prepared {
    codes: HashMap<RecordId, String>,
    table: std::sync::Arc<couplet_model::Table>,
}

impl BatchRules for Prepared {
    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        if let Some(code) = self.codes.get(&record.source.id) {
            set_on_create(fields, &self.table, "code", Value::Text(code.clone()))?;
        }
        Ok(())
    }
}

/// The codes that follow the last one in use, without end (C-237).
fn codes_after<'a>(taken: impl Iterator<Item = &'a str>) -> impl Iterator<Item = String> {
    let numbers = taken.filter_map(|code| code.strip_prefix(CODE_PREFIX)?.parse::<u64>().ok());
    let last = numbers.max().unwrap_or(0);
    (last + 1..).map(|number| format!("{CODE_PREFIX}{number:0CODE_DIGITS$}"))
}

#[cfg(test)]
mod tests;
