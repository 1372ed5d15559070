//! The unit that Dataverse makes together with a unit group: it belongs to the pair of the group, and follows its name.

use std::collections::HashMap;

use couplet_model::message::Direction;
use couplet_model::record::Values;
use couplet_model::system::{SystemErrorKind, Write};
use couplet_model::table::Side;
use couplet_model::{Condition, Filter, Record, SystemError, Table, Value};
use uuid::Uuid;

use super::rules::{AfterWrite, Context, WrittenBeside};
use crate::bulk::write_all;

/// Role of the unit of a unit group among the companions of a coupling.
pub(crate) const UNIT: &str = "unit";

/// How the unit of a group is found, and when it is renamed.
pub(crate) struct GroupUnit {
    /// What tells it from other units of its group, if there may be any.
    pub known_by: Option<Condition>,
    /// What is wrong with the group of a code that has none.
    pub missing: fn(&Value) -> String,
    /// Whether a unit of another name than the code gets it.
    pub follows: fn(&AfterWrite<'_>, &Record) -> bool,
}

/// Finds the unit that Dataverse made for each new group, and renames it with its group; two requests for all of them.
pub(crate) async fn follow_groups(
    context: Context<'_>,
    units: &Table,
    unit: &GroupUnit,
    records: &mut [AfterWrite<'_>],
) {
    let dataverse = context.installation.system(Side::Dataverse);
    let mut open: Vec<&mut AfterWrite<'_>> = records.iter_mut().filter(|record| needs_unit(record)).collect();
    if open.is_empty() {
        return;
    }
    let groups = open.iter().map(|record| Value::Guid(record.destination.0)).collect();
    let of_groups = Condition::one_of("uomscheduleid", groups);
    let filter = Filter::all([of_groups].into_iter().chain(unit.known_by.clone()).collect());
    let columns = ["name".to_owned(), "uomscheduleid".to_owned()];
    let found = match dataverse.find(units, &filter, &columns).await {
        Ok(found) => found,
        Err(error) => {
            for record in open {
                record.beside = Err(error.clone());
            }
            return;
        }
    };
    let by_group: HashMap<Uuid, &Record> =
        found.iter().filter_map(|unit| Some((unit.get("uomscheduleid").as_guid()?, unit))).collect();
    let (mut renamed, mut writes) = (Vec::new(), Vec::new());
    for record in &mut open {
        let code = record.source.get("code");
        let Some(row) = by_group.get(&record.destination.0) else {
            let problem = (unit.missing)(code);
            record.beside = Err(SystemError::new(Side::Dataverse, SystemErrorKind::Refused, "", problem));
            continue;
        };
        record.beside = Ok(WrittenBeside::related(UNIT, row.id.0));
        if row.get("name") != code && (unit.follows)(record, row) {
            let values: Values = [("name".into(), code.clone())].into();
            writes.push(Write::update(row.id, None, values));
            renamed.push(record);
        }
    }
    let results = write_all(dataverse, units, &writes).await;
    // `write_all` gives one result per write.
    for (record, result) in renamed.into_iter().zip(results) {
        if let Err(error) = result {
            record.beside = Err(error);
        }
    }
}

fn needs_unit(record: &AfterWrite<'_>) -> bool {
    !record.coupling.related.contains_key(UNIT) || record.changed(Direction::ToDataverse, "name")
}
