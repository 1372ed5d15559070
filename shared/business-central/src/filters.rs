//! Conditions as `$filter` texts of Business Central: `or` only on one field, long lists split into several queries.

use std::collections::HashSet;

use couplet_model::comparing::{folded, same};
use couplet_model::filter::{Condition, Filter, Operator};
use couplet_model::ids::RecordId;
use couplet_model::record::Record;
use couplet_model::system::SystemError;
use couplet_model::table::Table;
use couplet_model::value::Value;
use couplet_odata::columns::column;
use couplet_odata::filter_text::{self, chains, distinct, joined};
use couplet_odata::query::all_of;

use crate::values::filtered;

/// Terms of one chain of `or`.
const CHAIN_COUNT: usize = 60;
/// Encoded length of one chain: addresses of more than a few thousand characters do not pass every gateway.
const CHAIN_LENGTH: usize = 3500;

/// The filters that together find the records of these ids.
pub(crate) fn id_filters(table: &Table, ids: &[RecordId]) -> Vec<String> {
    let ids: Vec<String> = distinct(ids).map(|id| id.to_string()).collect();
    chains(&table.id_column, &ids, CHAIN_COUNT, CHAIN_LENGTH)
}

/// The filters that together find all records that meet `filter`; one blank text when it has no condition.
pub(crate) fn find_filters(table: &Table, filter: &Filter) -> Result<Vec<String>, SystemError> {
    filter_text::whole_filters(filter, &|condition| texts(table, condition))
}

/// One text for as much of the filter as fits in one; conditions with long or empty lists are left to the caller.
pub(crate) fn single_filter(table: &Table, filter: &Filter) -> Result<String, SystemError> {
    filter_text::single_filter(filter, &|condition| texts(table, condition))
}

/// The conditions that the service may read as filter expressions of its own and answer with more than was asked.
pub(crate) fn doubtful(filter: &Filter) -> Vec<&Condition> {
    let odd = |value: &Value| {
        value.as_text().is_some_and(|text| {
            text.contains(['*', '?', '@', '&', '|', '<', '>', '=', '(', ')']) || text.contains("..")
        })
    };
    filter
        .conditions
        .iter()
        .filter(|condition| matches!(condition.operator, Operator::Equal | Operator::In))
        .filter(|condition| condition.values.iter().any(odd))
        .collect()
}

/// Whether the record meets an equality literally, without regard to case in any alphabet.
pub(crate) fn meets(record: &Record, condition: &Condition) -> bool {
    let actual = record.get(&condition.column);
    condition.values.iter().any(|value| match (actual.as_text(), value.as_text()) {
        (Some(a), Some(b)) => same(a, b),
        _ => actual == value,
    })
}

fn texts(table: &Table, condition: &Condition) -> Result<Vec<String>, SystemError> {
    let name = &condition.column;
    let field = &column(table, name)?.field;
    let terms = |operator: &str| -> Vec<String> {
        condition.values.iter().map(|value| format!("{name} {operator} {}", filtered(field, value))).collect()
    };
    Ok(match condition.operator {
        Operator::Equal | Operator::In => {
            let mut seen = HashSet::new();
            let literals: Vec<String> = condition
                .values
                .iter()
                .map(|value| filtered(field, value))
                .filter(|literal| seen.insert(folded(literal)))
                .collect();
            chains(name, &literals, CHAIN_COUNT, CHAIN_LENGTH)
        }
        Operator::NotEqual => vec![all_of(&terms("ne"))],
        Operator::Greater => vec![joined(&terms("gt"), "or")],
        Operator::GreaterOrEqual => vec![joined(&terms("ge"), "or")],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{table, values};
    use uuid::Uuid;

    fn condition(column: &str, operator: Operator, values: Vec<Value>) -> Filter {
        Filter::all(vec![Condition { column: column.into(), operator, values }])
    }

    #[test]
    fn conditions_become_filter_texts() {
        let table = table();
        for (filter, expected) in [
            (Filter::default(), ""),
            (condition("number", Operator::Equal, vec![Value::text("A'1")]), "number eq 'A''1'"),
            (
                condition("number", Operator::In, vec![Value::text("a"), Value::text("A"), Value::Null]),
                "(number eq 'a' or number eq '')",
            ),
            (condition("kind", Operator::Equal, vec![Value::Null]), "kind eq '_x0020_'"),
            (condition("kind", Operator::NotEqual, vec![Value::text("In Review")]), "kind ne 'In_x0020_Review'"),
            (condition("blocked", Operator::Equal, vec![Value::Null]), "blocked eq false"),
            (condition("unitPrice", Operator::Greater, vec![Value::Int(3)]), "unitPrice gt 3"),
            (condition("unitPrice", Operator::GreaterOrEqual, vec![Value::Int(3)]), "unitPrice ge 3"),
        ] {
            assert_eq!(find_filters(&table, &filter).expect("text"), [expected]);
        }
        let both = Filter::all(vec![
            Condition::equal("blocked", Value::Bool(false)),
            Condition::equal("number", Value::text("1")),
        ]);
        assert_eq!(find_filters(&table, &both).expect("text"), ["blocked eq false and number eq '1'"]);
        assert!(find_filters(&table, &condition("nosuch", Operator::Equal, vec![])).is_err());
    }

    #[test]
    fn long_lists_of_ids_are_several_short_queries() {
        let table = table();
        let ids: Vec<RecordId> = (0..150).map(|number| RecordId(Uuid::from_u128(number))).collect();
        let filters = id_filters(&table, &ids);
        assert_eq!(filters.len(), 3);
        assert!(filters.iter().all(|filter| couplet_odata::query::encode(filter).len() < 4000));
        assert!(id_filters(&table, &[]).is_empty());
    }

    #[test]
    fn values_that_look_like_filters_are_judged_again() {
        let plain = condition("number", Operator::Equal, vec![Value::text("A.1")]);
        assert!(doubtful(&plain).is_empty());
        let odd = condition("number", Operator::Equal, vec![Value::text("ä*")]);
        let [doubt] = doubtful(&odd).try_into().expect("one");
        let record = |number: &str| Record {
            id: RecordId(Uuid::from_u128(1)),
            version: None,
            modified: None,
            values: values(&[("number", Value::text(number))]),
            unreadable: None,
        };
        assert!(meets(&record("Ä*"), doubt));
        assert!(!meets(&record("äb"), doubt));
    }
}
