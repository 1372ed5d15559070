//! Conditions as `$filter` texts of the Web API, long lists split into several queries.

use std::collections::HashSet;

use couplet_model::comparing::folded;
use couplet_model::filter::{Condition, Filter, Operator};
use couplet_model::ids::RecordId;
use couplet_model::system::SystemError;
use couplet_model::table::{FieldType, Table};
use couplet_model::value::Value;
use couplet_odata::columns::column;
use couplet_odata::filter_text::{self, chains, distinct, joined};
use couplet_odata::literal::literal;
use couplet_odata::query::split;

use crate::rows::lookup_property;

/// Values of one `In`: the limit that rule R34 draws for lists of ids.
const LIST_COUNT: usize = 400;
/// Encoded length of one list: the address of a query inside a batch may have 64 KB in all.
const LIST_LENGTH: usize = 24_000;
/// Terms of one chain of `or`: the service refuses queries of several hundred conditions.
const CHAIN_COUNT: usize = 100;

/// The filters that together find the records of these ids.
pub(crate) fn id_filters(table: &Table, ids: &[RecordId]) -> Vec<String> {
    let ids: Vec<Value> = distinct(ids).map(|id| Value::Guid(id.0)).collect();
    list_texts(&table.id_column, &table.id_column, &ids)
}

/// The filters that together find all records that meet `filter`; one blank text when it has no condition.
pub(crate) fn find_filters(table: &Table, filter: &Filter) -> Result<Vec<String>, SystemError> {
    filter_text::whole_filters(filter, &|condition| texts(table, condition))
}

/// One text for as much of the filter as fits in one; conditions with long or empty lists are left to the caller.
pub(crate) fn single_filter(table: &Table, filter: &Filter) -> Result<String, SystemError> {
    filter_text::single_filter(filter, &|condition| texts(table, condition))
}

fn texts(table: &Table, condition: &Condition) -> Result<Vec<String>, SystemError> {
    let name = &condition.column;
    let wire = match column(table, name)?.field {
        FieldType::Lookup { .. } => lookup_property(name),
        _ => name.clone(),
    };
    let each = |term: &dyn Fn(&Value) -> String, word: &str| {
        joined(&condition.values.iter().map(term).collect::<Vec<_>>(), word)
    };
    Ok(match condition.operator {
        Operator::Equal | Operator::In => list_texts(name, &wire, &condition.values),
        // A blank is different from every value; the database would leave it out.
        Operator::NotEqual => vec![each(
            &|value| match value {
                Value::Null => format!("{wire} ne null"),
                value => format!("({wire} ne {} or {wire} eq null)", literal(value)),
            },
            "and",
        )],
        Operator::Greater => vec![each(&|value| format!("{wire} gt {}", literal(value)), "or")],
        Operator::GreaterOrEqual => vec![each(&|value| format!("{wire} ge {}", literal(value)), "or")],
    })
}

fn list_texts(name: &str, wire: &str, values: &[Value]) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut null = false;
    let (mut listed, mut chained) = (Vec::new(), Vec::new());
    for value in values {
        if value.is_null() {
            null = true;
            continue;
        }
        let text = literal(value);
        if !seen.insert(folded(&text)) {
            continue;
        }
        match value {
            // Quotes and control characters inside the list of a function have no settled form.
            Value::Text(plain) if plain.contains(['\'', '"', '\\']) || plain.chars().any(char::is_control) => {
                chained.push(text);
            }
            Value::Text(plain) => listed.push((format!("\"{plain}\""), text)),
            _ => listed.push((format!("\"{text}\""), text)),
        }
    }
    if listed.len() == 1 {
        chained.extend(listed.drain(..).map(|(_, text)| text));
    }
    let quoted: Vec<String> = listed.into_iter().map(|(quoted, _)| quoted).collect();
    let lists = split(&quoted, LIST_COUNT, LIST_LENGTH, 3);
    let chains = chains(wire, &chained, CHAIN_COUNT, LIST_LENGTH);
    let one_query = lists.len() <= 1 && chains.len() <= 1;
    let mut texts: Vec<String> = lists
        .into_iter()
        .map(|list| format!("Microsoft.Dynamics.CRM.In(PropertyName='{name}',PropertyValues=[{}])", list.join(",")))
        .chain(chains)
        .collect();
    if null {
        texts.push(format!("{wire} eq null"));
    }
    if one_query && texts.len() > 1 {
        texts = vec![joined(&texts, "or")];
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::table;
    use uuid::Uuid;

    fn condition(column: &str, operator: Operator, values: Vec<Value>) -> Filter {
        Filter::all(vec![Condition { column: column.into(), operator, values }])
    }

    #[test]
    fn conditions_become_filter_texts() {
        let table = table();
        let id = Uuid::from_u128(1);
        let one = "00000000-0000-0000-0000-000000000001";
        for (filter, expected) in [
            (Filter::default(), String::new()),
            (condition("name", Operator::Equal, vec![Value::text("O'B")]), "name eq 'O''B'".into()),
            (condition("name", Operator::Equal, vec![Value::Null]), "name eq null".into()),
            (condition("uomid", Operator::Equal, vec![Value::Guid(id)]), format!("_uomid_value eq {one}")),
            (condition("state", Operator::NotEqual, vec![Value::Int(1)]), "(state ne 1 or state eq null)".into()),
            (condition("name", Operator::NotEqual, vec![Value::Null]), "name ne null".into()),
            (condition("price", Operator::Greater, vec![Value::Int(3)]), "price gt 3".into()),
            (condition("price", Operator::GreaterOrEqual, vec![Value::Int(3)]), "price ge 3".into()),
            (
                condition("state", Operator::In, vec![Value::Int(0), Value::Int(1), Value::Int(0)]),
                "Microsoft.Dynamics.CRM.In(PropertyName='state',PropertyValues=[\"0\",\"1\"])".into(),
            ),
            (
                condition("uomid", Operator::In, vec![Value::Guid(id), Value::Null]),
                format!("(_uomid_value eq {one} or _uomid_value eq null)"),
            ),
            (
                condition(
                    "name",
                    Operator::In,
                    vec![Value::text("a"), Value::text("A"), Value::text("b"), Value::text("c'")],
                ),
                "(Microsoft.Dynamics.CRM.In(PropertyName='name',PropertyValues=[\"a\",\"b\"]) or name eq 'c''')".into(),
            ),
        ] {
            assert_eq!(find_filters(&table, &filter).expect("text"), [expected]);
        }
        assert!(find_filters(&table, &condition("nosuch", Operator::Equal, vec![Value::Null])).is_err());
    }

    #[test]
    fn c_025_r34_more_than_400_ids_are_several_queries() {
        let table = table();
        let ids: Vec<RecordId> = (0..1000).map(|number| RecordId(Uuid::from_u128(number))).collect();
        let filters = id_filters(&table, &ids);
        assert_eq!(filters.len(), 3);
        assert!(filters.iter().all(|filter| couplet_odata::query::encode(filter).len() < 32_000));
        assert!(id_filters(&table, &[]).is_empty());
    }

    #[test]
    fn a_feed_sends_only_what_fits_in_one_query() {
        let table = table();
        let long: Vec<Value> = (0..900).map(Value::Int).collect();
        let filter = Filter::all(vec![
            Condition::one_of("price", long),
            Condition::one_of("name", vec![]),
            Condition::equal("state", Value::Int(0)),
        ]);
        assert_eq!(single_filter(&table, &filter).expect("text"), "state eq 0");
    }
}
