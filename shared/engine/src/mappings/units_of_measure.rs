//! UNIT OF MEASURE: each unit becomes a unit group `NAV <code>` with exactly one unit (S214 to S216).

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::catalogue::Defaults;
use couplet_model::comparing::same;
use couplet_model::decision::TransferredField;
use couplet_model::message::Direction;
use couplet_model::outcome::DataFailure;
use couplet_model::record::Values;
use couplet_model::system::{SystemErrorKind, Write};
use couplet_model::table::Side;
use couplet_model::{Condition, Filter, Record, SystemError, Table, Value};

use super::rules::{AfterWrite, BatchRules, Context, MappingRules, Match, Obstacle, Transferring, WrittenBeside, set};
use crate::bulk::write_all;
use crate::error::EngineError;

/// Role of the one unit of a unit group among the companions of a coupling.
pub(crate) const UNIT: &str = "unit";

pub(crate) struct UnitsOfMeasure;

#[async_trait]
impl MappingRules for UnitsOfMeasure {
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
        let dataverse = context.installation.system(Side::Dataverse);
        let mut open: Vec<&mut AfterWrite<'_>> = records.iter_mut().filter(|record| needs_unit(record)).collect();
        if open.is_empty() {
            return;
        }
        let groups = open.iter().map(|record| Value::Guid(record.destination.0)).collect();
        let filter = Filter::all(vec![Condition::one_of("uomscheduleid", groups)]);
        let columns = ["name".to_owned(), "uomscheduleid".to_owned()];
        let units = match dataverse.find(&self.unit, &filter, &columns).await {
            Ok(units) => units,
            Err(error) => {
                for record in open {
                    record.beside = Err(error.clone());
                }
                return;
            }
        };
        let by_group: HashMap<_, &Record> =
            units.iter().filter_map(|unit| Some((unit.get("uomscheduleid").as_guid()?, unit))).collect();
        let (mut renamed, mut writes) = (Vec::new(), Vec::new());
        for record in &mut open {
            let code = record.source.get("code");
            let Some(unit) = by_group.get(&record.destination.0) else {
                let problem = format!("the unit group of unit {code} has no unit (E47); add one of that name to it");
                record.beside = Err(SystemError::new(Side::Dataverse, SystemErrorKind::Refused, "", problem));
                continue;
            };
            record.beside = Ok(WrittenBeside::related(UNIT, unit.id.0));
            if unit.get("name") != code {
                let values: Values = [(Arc::from("name"), code.clone())].into();
                writes.push(Write::update(unit.id, None, values));
                renamed.push(record);
            }
        }
        let results = write_all(dataverse, &self.unit, &writes).await;
        // `write_all` gives one result per write.
        for (record, result) in renamed.into_iter().zip(results) {
            if let Err(error) = result {
                record.beside = Err(error);
            }
        }
    }
}

fn needs_unit(record: &AfterWrite<'_>) -> bool {
    !record.coupling.related.contains_key(UNIT) || record.changed(Direction::ToDataverse, "name")
}

#[cfg(test)]
mod tests;
