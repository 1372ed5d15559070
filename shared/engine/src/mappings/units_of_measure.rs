//! UNIT OF MEASURE: each unit becomes a unit group `NAV <code>` with exactly one unit (S214 to S216).

use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::catalogue::Defaults;
use couplet_model::comparing::same;
use couplet_model::decision::TransferredField;
use couplet_model::message::Direction;
use couplet_model::outcome::DataFailure;
use couplet_model::table::Side;
use couplet_model::{Condition, Filter, Record, Table, Value};

use super::group_units::{GroupUnit, follow_groups};
use super::rules::{AfterWrite, BatchRules, Context, MappingRules, Match, Obstacle, Transferring, set};
use crate::error::EngineError;

pub(crate) struct UnitsOfMeasure;

#[async_trait]
impl MappingRules for UnitsOfMeasure {
    /// The default unit group.
    fn rows_of_every_organization(&self) -> u64 {
        1
    }

    fn destination_columns(&self, _: Direction) -> &'static [&'static str] {
        &["name", "statecode"]
    }

    fn partner_key(&self, _: Direction) -> Option<&'static str> {
        Some("the same name")
    }

    /// A unit group of the right name is adopted if it is active and holds at most one unit (S215).
    async fn find_existing(&self, context: Context<'_>, sources: &[&Record]) -> Result<Vec<Match>, EngineError> {
        let installation = context.installation;
        let defaults = installation.catalogue().defaults();
        let name = |source: &Record| defaults.unit_group_name(source.get("code").as_text().unwrap_or_default());
        let names = sources.iter().map(|source| Value::Text(name(source))).collect();
        let filter = Filter::all(vec![Condition::one_of("name", names)]);
        let groups = installation.find_rows("uomschedule", &filter, &["name", "statecode"]).await?;
        let ids: Vec<Value> = groups.iter().map(|group| Value::Guid(group.id.0)).collect();
        let filter = Filter::all(vec![Condition::one_of("uomscheduleid", ids)]);
        let units = installation.find_rows("uom", &filter, &["uomscheduleid"]).await?;
        let units_of = |group: &Record| {
            units.iter().filter(|unit| unit.get("uomscheduleid").as_guid() == Some(group.id.0)).count()
        };
        Ok(sources
            .iter()
            .map(|source| {
                let name = name(source);
                let mut found =
                    groups.iter().filter(|group| group.get("name").as_text().is_some_and(|own| same(own, &name)));
                match (found.next(), found.next()) {
                    (None, _) => Ok(None),
                    (Some(_), Some(_)) => Err(DataFailure::new(format!(
                        "Dataverse has several unit groups named {name} (E46); keep one of them"
                    ))),
                    (Some(group), None) if group.get("statecode") != &Value::Int(0) => {
                        Err(DataFailure::new(format!("unit group {name} in Dataverse is inactive (EE27); activate it")))
                    }
                    (Some(group), None) if units_of(group) > 1 => Err(DataFailure::new(format!(
                        "unit group {name} in Dataverse contains more than one unit (EE27); remove the others"
                    ))),
                    (Some(group), None) => Ok(Some(group.id)),
                }
            })
            .collect())
    }

    async fn prepare(
        &self,
        context: Context<'_>,
        _sources: &[Transferring<'_>],
    ) -> Result<Box<dyn BatchRules>, EngineError> {
        Ok(Box::new(Prepared {
            table: Arc::clone(&context.mapping.dataverse),
            unit: context.installation.table(Side::Dataverse, "uom")?,
            defaults: context.installation.catalogue().defaults().clone(),
        }))
    }
}

struct Prepared {
    table: Arc<Table>,
    unit: Arc<Table>,
    defaults: Defaults,
}

#[async_trait]
impl BatchRules for Prepared {
    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        let code = record.source.get("code").as_text().unwrap_or_default();
        set(fields, &self.table, "name", Value::Text(self.defaults.unit_group_name(code)))?;
        Ok(())
    }

    /// Finds the unit that Dataverse made for a new group, and renames it when the code was renamed.
    async fn after_write(&self, context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        let only_unit = GroupUnit {
            known_by: None,
            missing: |code| format!("the unit group of unit {code} has no unit (E47); add one of that name to it"),
            follows: |_, _| true,
        };
        follow_groups(context, &self.unit, &only_unit, records).await;
    }
}

#[cfg(test)]
mod tests;
