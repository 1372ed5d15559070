//! `InsertOptionValue`, `UpdateOptionValue`, `DeleteOptionValue`, `OrderOption`, for a column or a global choice, and publishing.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Context, global_choices};
use crate::schema::{Kind, Table};
use crate::wire::error::{ApiError, ApiResult};
use crate::wire::request::{ApiResponse, Verb};
use crate::world::World;

/// Value the first option gets that a customizer adds: publisher prefix 72700.
const FIRST_CUSTOM_VALUE: i32 = 727_000_000;
/// The language of the organization and of its user.
const ENGLISH: u64 = 1033;

/// Answers an option action; `None` when the request is none.
pub(crate) fn post(context: &Context<'_>) -> ApiResult<Option<ApiResponse>> {
    let [segment] = context.target.segments.as_slice() else {
        return Ok(None);
    };
    if context.request.verb != Verb::Post {
        return Ok(None);
    }
    match segment.name.as_str() {
        "PublishAllXml" => Ok(Some(ApiResponse::no_content())),
        "PublishXml" => publish(&context.request.json()?).map(Some),
        action @ ("InsertOptionValue" | "InsertStatusValue" | "UpdateOptionValue" | "DeleteOptionValue"
        | "OrderOption") => change(context, action).map(Some),
        _ => Ok(None),
    }
}

/// The options of a choice column; none where there is no such column.
pub(crate) fn options(world: &World, table: &str, column: &str) -> Vec<(i32, String)> {
    let schema = Arc::clone(&world.read().schema);
    let Some(table) = schema.position(table).map(|at| schema.table(at)) else { return Vec::new() };
    match table.column(column).map(|at| &table.columns[at].kind) {
        Some(Kind::Choice(choice)) => choice.options.clone(),
        _ => Vec::new(),
    }
}

/// Adds an option to a choice column, or gives it other labels, as an administrator in the maker portal.
pub(crate) fn set_option(
    world: &World,
    table: &str,
    column: &str,
    value: i32,
    labels: &[(u32, &str)],
) -> ApiResult<()> {
    let labels: Vec<Value> =
        labels.iter().map(|(language, text)| json!({"Label": text, "LanguageCode": language})).collect();
    let body = json!({
        "EntityLogicalName": table, "AttributeLogicalName": column, "Value": value,
        "Label": {"LocalizedLabels": labels}, "MergeLabels": true,
    });
    match change_in(world, "UpdateOptionValue", &body) {
        Ok(_) => Ok(()),
        Err(_) => change_in(world, "InsertOptionValue", &body).map(|_| ()),
    }
}

fn change(context: &Context<'_>, action: &str) -> ApiResult<ApiResponse> {
    let new_value = change_in(context.world, action, &context.request.json()?)?;
    Ok(answer(context, action, new_value))
}

/// Changes the options of a column, or of a global choice; gives the number of a new one.
fn change_in(world: &World, action: &str, body: &Value) -> ApiResult<Option<i32>> {
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    if let Some(name) = text("OptionSetName") {
        return change_global(world, action, &name, body);
    }
    let (Some(entity), Some(attribute)) = (text("EntityLogicalName"), text("AttributeLogicalName")) else {
        return Err(ApiError::new(
            400,
            "0x80040203",
            "EntityLogicalName and AttributeLogicalName, or OptionSetName, are required.",
        ));
    };
    let mut store = world.write();
    let mut schema = (*store.schema).clone();
    let at = schema
        .position(&entity)
        .ok_or_else(|| ApiError::new(404, "0x80040217", format!("Could not find an entity with name {entity}.")))?;
    let mut table: Table = (**schema.table(at)).clone();
    let missing = || {
        ApiError::new(
            404,
            "0x80040217",
            format!("Could not find an attribute with name {attribute} on entity {entity}."),
        )
    };
    let column = table.column(&attribute).ok_or_else(missing)?;
    let Kind::Choice(choice) = &mut table.columns[column].kind else {
        return Err(ApiError::new(400, "0x80048403", format!("Attribute {attribute} is not an option set.")));
    };
    if let Some(name) = &choice.global {
        return Err(ApiError::new(
            400,
            "0x80048403",
            format!("Attribute {attribute} uses the global option set {name}: name that one in OptionSetName."),
        ));
    }
    let new_value = apply(action, &mut choice.options, body)?;
    translate(action, &mut choice.translations, new_value, body);
    schema.tables[at] = Arc::new(table);
    store.adopt(Arc::new(schema));
    Ok(new_value)
}

/// Changes the options of a global choice, and with it those of all columns that share it.
fn change_global(world: &World, action: &str, name: &str, body: &Value) -> ApiResult<Option<i32>> {
    let mut store = world.write();
    let mut schema = (*store.schema).clone();
    let at = global_choices::position(&schema, name)?;
    if labels(body).any(|(language, _)| language.is_some_and(|language| language != ENGLISH)) {
        return Err(ApiError::not_supported("A label of a global choice in another language than English"));
    }
    let new_value = apply(action, &mut schema.choices[at].options, body)?;
    global_choices::spread(&mut schema, at);
    store.adopt(Arc::new(schema));
    Ok(new_value)
}

fn answer(context: &Context<'_>, action: &str, new_value: Option<i32>) -> ApiResponse {
    let kind = format!("{}/$metadata#Microsoft.Dynamics.CRM.{action}Response", context.api());
    new_value.map_or_else(ApiResponse::no_content, |value| {
        ApiResponse::value(200, &json!({"@odata.context": kind, "NewOptionValue": value}))
    })
}

/// What is published is named in XML; here everything shows at once.
fn publish(body: &Value) -> ApiResult<ApiResponse> {
    let text = body.get("ParameterXml").and_then(Value::as_str).unwrap_or_default();
    let named =
        roxmltree::Document::parse(text).is_ok_and(|document| document.root_element().has_tag_name("importexportxml"));
    if named {
        Ok(ApiResponse::no_content())
    } else {
        Err(ApiError::new(400, "0x80040203", "The parameter ParameterXml is no importexportxml."))
    }
}

/// The number that the next option gets which comes without one.
pub(crate) fn next_value(options: &[(i32, String)]) -> i32 {
    options.iter().map(|(value, _)| value + 1).max().unwrap_or_default().max(FIRST_CUSTOM_VALUE)
}

/// Adds an option behind the others.
pub(crate) fn insert(options: &mut Vec<(i32, String)>, value: i32, label: String) -> ApiResult<()> {
    if options.iter().any(|(known, _)| *known == value) {
        return Err(ApiError::new(
            400,
            "0x80044310",
            format!("The specified option value {value} already exists in the picklist."),
        ));
    }
    options.push((value, label));
    Ok(())
}

fn apply(action: &str, options: &mut Vec<(i32, String)>, body: &Value) -> ApiResult<Option<i32>> {
    let number = |name: &str| body.get(name).and_then(Value::as_i64).and_then(|value| i32::try_from(value).ok());
    let unknown = |value: Option<i32>| {
        ApiError::new(
            400,
            "0x80048403",
            format!("The option value {} does not exist.", value.map_or_else(String::new, |value| value.to_string())),
        )
    };
    match action {
        "InsertOptionValue" | "InsertStatusValue" => {
            let value = number("Value").unwrap_or_else(|| next_value(options));
            insert(options, value, label_text(body)?)?;
            Ok(Some(value))
        }
        "UpdateOptionValue" => {
            let value = number("Value");
            let text = label_text(body)?;
            let option = options.iter_mut().find(|(known, _)| Some(*known) == value).ok_or_else(|| unknown(value))?;
            option.1 = text;
            Ok(None)
        }
        "DeleteOptionValue" => {
            let value = number("Value");
            let at = options.iter().position(|(known, _)| Some(*known) == value).ok_or_else(|| unknown(value))?;
            options.remove(at);
            Ok(None)
        }
        _ => {
            let Some(Value::Array(order)) = body.get("Values") else {
                return Err(ApiError::new(400, "0x80040203", "The parameter Values is missing."));
            };
            let order: Vec<i64> = order.iter().filter_map(Value::as_i64).collect();
            options.sort_by_key(|(value, _)| {
                order.iter().position(|wanted| *wanted == i64::from(*value)).unwrap_or(usize::MAX)
            });
            Ok(None)
        }
    }
}

/// The label in English, which is the organization's and the user's language; else the first one.
fn label_text(body: &Value) -> ApiResult<String> {
    labels(body)
        .find(|(language, _)| *language == Some(ENGLISH))
        .or_else(|| labels(body).next())
        .map(|(_, text)| text.to_owned())
        .or_else(|| Some(body.pointer("/Label/UserLocalizedLabel/Label")?.as_str()?.to_owned()))
        .ok_or_else(|| ApiError::new(400, "0x80040203", "The parameter Label is missing."))
}

/// Language and text of each label that was sent.
fn labels(body: &Value) -> impl Iterator<Item = (Option<u64>, &str)> {
    let labels = body.pointer("/Label/LocalizedLabels").and_then(Value::as_array).into_iter().flatten();
    labels.filter_map(|label| Some((label.get("LanguageCode").and_then(Value::as_u64), label.get("Label")?.as_str()?)))
}

/// Keeps the labels in other languages: those that were sent, and with `MergeLabels` those that stood there.
fn translate(
    action: &str,
    translations: &mut BTreeMap<i32, BTreeMap<u32, String>>,
    new_value: Option<i32>,
    body: &Value,
) {
    let value = body.get("Value").and_then(Value::as_i64).and_then(|value| i32::try_from(value).ok());
    let Some(value) = new_value.or(value) else { return };
    match action {
        "DeleteOptionValue" => {
            translations.remove(&value);
        }
        "InsertOptionValue" | "InsertStatusValue" | "UpdateOptionValue" => {
            let of_option = translations.entry(value).or_default();
            if body.get("MergeLabels").and_then(Value::as_bool) != Some(true) {
                of_option.clear();
            }
            for (language, text) in labels(body) {
                if let Some(language) = language.filter(|language| *language != ENGLISH)
                    && let Ok(language) = u32::try_from(language)
                {
                    of_option.insert(language, text.to_owned());
                }
            }
        }
        _ => {}
    }
}
