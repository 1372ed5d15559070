//! `InsertOptionValue`, `UpdateOptionValue`, `DeleteOptionValue`, `OrderOption`, for a column or a global choice, and publishing.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Context, global_choices};
use crate::schema::{Kind, Table};
use crate::wire::error::{ApiError, ApiResult};
use crate::wire::request::{ApiResponse, Verb};

/// Value the first option gets that a customizer adds: publisher prefix 72700.
const FIRST_CUSTOM_VALUE: i32 = 727_000_000;

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

fn change(context: &Context<'_>, action: &str) -> ApiResult<ApiResponse> {
    let body = context.request.json()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    if let Some(name) = text("OptionSetName") {
        return change_global(context, action, &name, &body);
    }
    let (Some(entity), Some(attribute)) = (text("EntityLogicalName"), text("AttributeLogicalName")) else {
        return Err(ApiError::new(
            400,
            "0x80040203",
            "EntityLogicalName and AttributeLogicalName, or OptionSetName, are required.",
        ));
    };
    let mut store = context.world.write();
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
    let new_value = apply(action, &mut choice.options, &body)?;
    schema.tables[at] = Arc::new(table);
    store.adopt(Arc::new(schema));
    Ok(answer(context, action, new_value))
}

/// Changes the options of a global choice, and with it those of all columns that share it.
fn change_global(context: &Context<'_>, action: &str, name: &str, body: &Value) -> ApiResult<ApiResponse> {
    let mut store = context.world.write();
    let mut schema = (*store.schema).clone();
    let at = global_choices::position(&schema, name)?;
    let new_value = apply(action, &mut schema.choices[at].options, body)?;
    global_choices::spread(&mut schema, at);
    store.adopt(Arc::new(schema));
    Ok(answer(context, action, new_value))
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

fn label_text(body: &Value) -> ApiResult<String> {
    body.pointer("/Label/LocalizedLabels/0/Label")
        .or_else(|| body.pointer("/Label/UserLocalizedLabel/Label"))
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| ApiError::new(400, "0x80040203", "The parameter Label is missing."))
}
