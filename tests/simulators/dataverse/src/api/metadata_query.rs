//! `$select` and `$filter` over metadata, which is JSON and not rows.

use std::cmp::Ordering;
use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::Context;
use super::metadata_names::MetadataType;
use crate::query::filter::{self, Comparison, Expression, Operand, TextMatch, literal_text};
use crate::query::lexer::Literal;
use crate::wire::error::{ApiError, ApiResult};
use crate::wire::request::ApiResponse;

/// Properties that come whether selected or not.
const ALWAYS: [&str; 3] = ["@odata.type", "MetadataId", "OptionSet"];

/// A collection of metadata. Never paged.
pub(crate) fn list(
    context: &Context<'_>,
    path: &str,
    kind: MetadataType<'_>,
    items: Vec<Value>,
) -> ApiResult<ApiResponse> {
    let items = narrowed(kind, items, &context.target.query)?;
    let select = context.target.option("$select").map(|select| format!("({select})")).unwrap_or_default();
    let rows = items.len();
    let mut answer = Map::new();
    answer.insert("@odata.context".to_owned(), json!(format!("{}/$metadata#{path}{select}", context.api())));
    if context.target.option("$count") == Some("true") {
        answer.insert("@odata.count".to_owned(), json!(rows));
    }
    answer.insert("value".to_owned(), Value::Array(items));
    let mut response = ApiResponse::value(200, &Value::Object(answer));
    response.rows = rows;
    Ok(response)
}

/// One piece of metadata.
pub(crate) fn one(context: &Context<'_>, path: &str, kind: MetadataType<'_>, item: Value) -> ApiResult<ApiResponse> {
    let mut options = context.target.query.clone();
    options.retain(|(name, _)| name != "$filter");
    let item = narrowed(kind, vec![item], &options)?.pop().unwrap_or(Value::Null);
    let mut answer = Map::new();
    answer.insert("@odata.context".to_owned(), json!(format!("{}/$metadata#{path}/$entity", context.api())));
    if let Value::Object(map) = item {
        answer.extend(map);
    }
    Ok(ApiResponse::value(200, &Value::Object(answer)))
}

/// Applies query options; a name that the type does not have is refused.
pub(crate) fn narrowed(
    kind: MetadataType<'_>,
    mut items: Vec<Value>,
    options: &[(String, String)],
) -> ApiResult<Vec<Value>> {
    kind.check_options(options, &items)?;
    let option = |name: &str| options.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    if let Some(text) = option("$filter") {
        let aliases: HashMap<String, String> =
            options.iter().filter(|(name, _)| name.starts_with('@')).cloned().collect();
        let expression = filter::parse(text, &aliases).map_err(|error| ApiError::odata(error.to_string()))?;
        items.retain(|item| holds(&expression, item));
    }
    if let Some(top) = option("$top").and_then(|top| top.parse().ok()) {
        items.truncate(top);
    }
    if let Some(select) = option("$select") {
        let mut names: Vec<&str> = select.split(',').map(str::trim).collect();
        let expanded: Vec<&str> =
            option("$expand").map(|expand| crate::query::options::outside_parentheses(expand, ',')).unwrap_or_default();
        names.extend(expanded.iter().map(|part| part.split('(').next().unwrap_or_default().trim()));
        for item in &mut items {
            if let Value::Object(map) = item {
                let asked_for_options = names.contains(&"OptionSet");
                map.retain(|name, _| {
                    names.contains(&name.as_str())
                        || (ALWAYS.contains(&name.as_str()) && (name != "OptionSet" || asked_for_options))
                });
            }
        }
    }
    Ok(items)
}

fn at<'a>(item: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(item, |value, name| value.get(name)).filter(|value| !value.is_null())
}

fn holds(expression: &Expression, item: &Value) -> bool {
    match expression {
        Expression::And(parts) => parts.iter().all(|part| holds(part, item)),
        Expression::Or(parts) => parts.iter().any(|part| holds(part, item)),
        Expression::Not(inner) => !holds(inner, item),
        Expression::Truth(Operand::Path(path)) => at(item, path) == Some(&Value::Bool(true)),
        Expression::Truth(Operand::Literal(literal)) => *literal == Literal::Bool(true),
        Expression::Compare(left, comparison, right) => {
            compared(&operand(left, item), *comparison, &operand(right, item))
        }
        Expression::Text(function, path, text) => at(item, path).and_then(Value::as_str).is_some_and(|value| {
            let (value, text) = (value.to_lowercase(), text.to_lowercase());
            match function {
                TextMatch::Contains => value.contains(&text),
                TextMatch::StartsWith => value.starts_with(&text),
                TextMatch::EndsWith => value.ends_with(&text),
                TextMatch::Like => value == text,
            }
        }),
        Expression::Dynamics { name, property, values } => {
            let listed = at(item, property).is_some_and(|value| {
                values.iter().any(|wanted| {
                    value.as_str().map_or_else(|| value.to_string(), str::to_owned).eq_ignore_ascii_case(wanted)
                })
            });
            match name.as_str() {
                "In" => listed,
                "NotIn" => !listed,
                _ => false,
            }
        }
        Expression::Lambda { path, all, body } => {
            let Some(Value::Array(members)) = at(item, path) else {
                return *all;
            };
            let test = |member: &Value| {
                body.as_ref().is_none_or(|(variable, body)| {
                    holds(body, &json!({variable.as_str(): member})) || holds(body, member)
                })
            };
            if *all { members.iter().all(test) } else { members.iter().any(test) }
        }
    }
}

fn operand(operand: &Operand, item: &Value) -> Option<String> {
    match operand {
        Operand::Path(path) => {
            at(item, path).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        }
        Operand::Literal(Literal::Null) => None,
        Operand::Literal(literal) => Some(literal_text(literal)),
    }
}

fn compared(left: &Option<String>, comparison: Comparison, right: &Option<String>) -> bool {
    let order = match (left, right) {
        (Some(left), Some(right)) => match (left.parse::<i64>(), right.parse::<i64>()) {
            (Ok(left), Ok(right)) => Some(left.cmp(&right)),
            _ => Some(left.to_lowercase().cmp(&right.to_lowercase())),
        },
        (None, None) => Some(Ordering::Equal),
        _ => None,
    };
    match comparison {
        Comparison::Equal => order == Some(Ordering::Equal),
        Comparison::NotEqual => order != Some(Ordering::Equal),
        Comparison::Greater => order == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        Comparison::Less => order == Some(Ordering::Less),
        Comparison::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
    }
}
