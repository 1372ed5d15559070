//! Natural keys: what two records of one thing have in common when nothing else says that they are one.

use std::collections::HashMap;

use couplet_model::outcome::DataFailure;
use couplet_model::table::Side;
use couplet_model::{Condition, Filter, Record, RecordId, Value};

use super::rules::{Context, Match};
use crate::error::EngineError;

/// A key as both systems compare it.
fn folded(value: &Value) -> Option<String> {
    value.as_text().map(|text| text.trim().to_lowercase()).filter(|text| !text.is_empty())
}

/// Reads the destination records whose `column` holds one of the keys the sources have in theirs. Blank keys are no keys.
pub(crate) async fn candidates(
    context: Context<'_>,
    sources: &[&Record],
    source_column: &str,
    column: &str,
    columns: &[&str],
) -> Result<Candidates, EngineError> {
    let mut keys: Vec<Value> = Vec::new();
    for source in sources {
        let value = source.get(source_column);
        if folded(value).is_some() && !keys.contains(value) {
            keys.push(value.clone());
        }
    }
    let side = context.direction.destination();
    let columns: Vec<String> = columns.iter().chain([&column]).map(|name| (*name).to_owned()).collect();
    let mut by_key: HashMap<String, Vec<Record>> = HashMap::new();
    if !keys.is_empty() {
        let filter = Filter::all(vec![Condition::one_of(column, keys)]);
        let table = context.mapping.table(side);
        for record in context.installation.system(side).find(table, &filter, &columns).await? {
            if let Some(key) = folded(record.get(column)) {
                by_key.entry(key).or_default().push(record);
            }
        }
    }
    Ok(Candidates { by_key, source_column: source_column.to_owned() })
}

/// Destination records by their key.
pub(crate) struct Candidates {
    by_key: HashMap<String, Vec<Record>>,
    source_column: String,
}

impl Candidates {
    /// Those with the key of a source record.
    pub fn of(&self, source: &Record) -> &[Record] {
        let key = folded(source.get(&self.source_column));
        key.and_then(|key| self.by_key.get(&key)).map_or(&[], Vec::as_slice)
    }

    /// The only one that a test admits; `None` where there is none, or several.
    pub fn only(&self, source: &Record, admits: impl Fn(&Record) -> bool) -> Option<RecordId> {
        let mut admitted = self.of(source).iter().filter(|record| admits(record));
        match (admitted.next(), admitted.next()) {
            (Some(record), None) => Some(record.id),
            _ => None,
        }
    }
}

/// Whether two texts say the same, blank ones aside.
pub(crate) fn same_text(a: &Value, b: &Value) -> bool {
    folded(a).is_some_and(|a| folded(b).is_some_and(|b| a == b))
}

/// The number of a Dataverse row is unique, so whoever has it is the partner or stands in the way.
pub(crate) fn holder_or_obstacle(holder: Option<&Record>, obstacle: Option<String>) -> Match {
    match (holder, obstacle) {
        (None, _) => Ok(None),
        (Some(holder), None) => Ok(Some(holder.id)),
        (Some(_), Some(obstacle)) => Err(DataFailure::new(obstacle)),
    }
}

/// Whether a Dataverse row belongs to our company or to none.
pub(crate) async fn is_ours(context: Context<'_>) -> Result<impl Fn(&Record) -> bool + use<>, EngineError> {
    debug_assert!(context.mapping.dataverse.side == Side::Dataverse);
    let company = context.installation.filter_context().await?.company;
    Ok(move |row: &Record| {
        let owner = row.get("bcbi_companyid").as_guid();
        owner.is_none() || company.is_none() || owner == company.map(|company| company.0)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn record(id: u128, values: &[(&str, &str)]) -> Record {
        let values = values.iter().map(|(name, text)| (Arc::from(*name), Value::text(*text))).collect();
        Record { id: RecordId(uuid::Uuid::from_u128(id)), version: None, modified: None, values, unreadable: None }
    }

    #[test]
    fn f11_a_key_that_is_blank_or_held_twice_names_nobody() {
        let mut by_key = HashMap::new();
        for (id, key) in [(1, "10000"), (2, "20000"), (3, "20000")] {
            by_key.entry(key.to_owned()).or_insert_with(Vec::new).push(record(id, &[("name", "A")]));
        }
        let candidates = Candidates { by_key, source_column: "number".to_owned() };
        for (number, expected) in [("10000", Some(1)), (" 10000 ", Some(1)), ("20000", None), ("", None), ("3", None)] {
            let found = candidates.only(&record(9, &[("number", number)]), |_| true);
            assert_eq!(found.map(|id| id.0.as_u128()), expected, "{number:?}");
        }
        assert_eq!(candidates.only(&record(9, &[("number", "10000")]), |_| false), None);
        assert!(same_text(&Value::text("MÄRZ "), &Value::text("März")));
        assert!(!same_text(&Value::Null, &Value::Null));
    }
}
