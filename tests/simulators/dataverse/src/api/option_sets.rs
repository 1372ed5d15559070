//! `InsertOptionValue`, `UpdateOptionValue`, `DeleteOptionValue`, `OrderOption`, and publishing.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Context;
use crate::schema::{Choice, Kind, Table};
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
        "PublishXml" | "PublishAllXml" => Ok(Some(ApiResponse::no_content())),
        action @ ("InsertOptionValue" | "InsertStatusValue" | "UpdateOptionValue" | "DeleteOptionValue"
        | "OrderOption") => change(context, action).map(Some),
        _ => Ok(None),
    }
}

fn change(context: &Context<'_>, action: &str) -> ApiResult<ApiResponse> {
    let body = context.request.json()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    if let Some(global) = text("OptionSetName") {
        return Err(ApiError::new(404, "0x80040217", format!("Could not find an optionset with the name {global}.")));
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
    let new_value = apply(action, choice, &body)?;
    schema.tables[at] = Arc::new(table);
    store.adopt(Arc::new(schema));
    let kind = format!("{}/$metadata#Microsoft.Dynamics.CRM.{action}Response", context.api());
    Ok(new_value.map_or_else(ApiResponse::no_content, |value| {
        ApiResponse::value(200, &json!({"@odata.context": kind, "NewOptionValue": value}))
    }))
}

fn apply(action: &str, choice: &mut Choice, body: &Value) -> ApiResult<Option<i32>> {
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
            let value = number("Value").unwrap_or_else(|| {
                choice.options.iter().map(|(value, _)| value + 1).max().unwrap_or_default().max(FIRST_CUSTOM_VALUE)
            });
            if choice.options.iter().any(|(known, _)| *known == value) {
                return Err(ApiError::new(
                    400,
                    "0x80044310",
                    format!("The specified option value {value} already exists in the picklist."),
                ));
            }
            choice.options.push((value, label_text(body)?));
            Ok(Some(value))
        }
        "UpdateOptionValue" => {
            let value = number("Value");
            let text = label_text(body)?;
            let option =
                choice.options.iter_mut().find(|(known, _)| Some(*known) == value).ok_or_else(|| unknown(value))?;
            option.1 = text;
            Ok(None)
        }
        "DeleteOptionValue" => {
            let value = number("Value");
            let at =
                choice.options.iter().position(|(known, _)| Some(*known) == value).ok_or_else(|| unknown(value))?;
            choice.options.remove(at);
            Ok(None)
        }
        _ => {
            let Some(Value::Array(order)) = body.get("Values") else {
                return Err(ApiError::new(400, "0x80040203", "The parameter Values is missing."));
            };
            let order: Vec<i64> = order.iter().filter_map(Value::as_i64).collect();
            choice.options.sort_by_key(|(value, _)| {
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
