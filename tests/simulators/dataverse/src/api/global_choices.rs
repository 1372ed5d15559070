//! `GlobalOptionSetDefinitions`: lists of options that several columns share, read and changed.

use std::sync::Arc;

use serde_json::{Value, json};

use super::definitions::part_of;
use super::metadata_names::MetadataType;
use super::{Context, custom, customize, describe};
use crate::schema::{GlobalChoice, Kind, Schema};
use crate::wire::error::{ApiError, ApiResult};
use crate::wire::path::KeyText;
use crate::wire::request::{ApiResponse, Verb};

/// The collection's name in addresses.
const SET: &str = "GlobalOptionSetDefinitions";

/// Answers a read.
pub(crate) fn get(context: &Context<'_>, schema: &Schema) -> ApiResult<ApiResponse> {
    let segments = &context.target.segments;
    if let Some(key) = &segments[0].key {
        find(schema, key)?;
    }
    let all: Vec<Value> = schema.choices.iter().map(describe::global_choice).collect();
    part_of(context, SET, MetadataType("OptionSetMetadata"), all, &segments[0], &segments[1..])
}

/// Answers a change: a choice is made, gets another label, or goes.
pub(crate) fn change(context: &Context<'_>, schema: &mut Schema, body: &Value) -> ApiResult<ApiResponse> {
    let key = context.target.segments[0].key.as_ref();
    match (context.request.verb, key) {
        (Verb::Post, None) => {
            let choice = made(schema, body)?;
            let path = format!("{SET}({})", choice.metadata_id());
            let shown = describe::global_choice(&choice);
            schema.choices.push(choice);
            Ok(customize::created(context, &path, SET, Some(shown)))
        }
        (Verb::Put, Some(key)) => {
            let at = find(schema, key)?;
            if let Some(text) = custom::label(body.get("DisplayName")) {
                schema.choices[at].display_name = text;
            }
            Ok(ApiResponse::no_content())
        }
        (Verb::Delete, Some(key)) => {
            let at = find(schema, key)?;
            let name = &schema.choices[at].name;
            if let Some((table, column)) = first_user(schema, name) {
                return Err(ApiError::new(
                    400,
                    "0x8004f01f",
                    format!("The option set {name} cannot be deleted: the attribute {column} of {table} uses it."),
                ));
            }
            schema.choices.remove(at);
            Ok(ApiResponse::no_content())
        }
        (verb, _) => Err(ApiError::wrong_verb(verb.name())),
    }
}

/// The choice that a new column is bound to by `GlobalOptionSet@odata.bind`, if it is.
pub(crate) fn bound<'a>(schema: &'a Schema, body: &Value) -> ApiResult<Option<&'a GlobalChoice>> {
    let Some(link) = body.get("GlobalOptionSet@odata.bind") else { return Ok(None) };
    let key = link.as_str().and_then(|link| link.rsplit_once(&format!("{SET}("))?.1.strip_suffix(')'));
    let key = key.ok_or_else(|| ApiError::odata(format!("{link} is no link to a global option set.")))?;
    let named = |choice: &&GlobalChoice| {
        let name = key.strip_prefix("Name=").unwrap_or(key).trim_matches('\'');
        choice.metadata_id().to_string().eq_ignore_ascii_case(key) || choice.name.eq_ignore_ascii_case(name)
    };
    schema.choices.iter().find(named).map(Some).ok_or_else(|| unknown(key))
}

/// Position of a choice by name.
pub(crate) fn position(schema: &Schema, name: &str) -> ApiResult<usize> {
    schema.choices.iter().position(|choice| choice.name.eq_ignore_ascii_case(name)).ok_or_else(|| unknown(name))
}

/// Gives the options of a choice to all columns that share it.
pub(crate) fn spread(schema: &mut Schema, at: usize) {
    let choice = schema.choices[at].clone();
    let shares = |kind: &Kind| matches!(kind, Kind::Choice(own) if own.global.as_ref() == Some(&choice.name));
    for table in &mut schema.tables {
        if !table.columns.iter().any(|column| shares(&column.kind)) {
            continue;
        }
        let mut changed = (**table).clone();
        for column in &mut changed.columns {
            if let Kind::Choice(own) = &mut column.kind
                && own.global.as_ref() == Some(&choice.name)
            {
                own.options.clone_from(&choice.options);
            }
        }
        *table = Arc::new(changed);
    }
}

fn made(schema: &Schema, body: &Value) -> ApiResult<GlobalChoice> {
    let name = custom::schema_name(body.get("Name"))?;
    if position(schema, &name).is_ok() {
        return Err(ApiError::new(
            400,
            "0x80048403",
            format!("An option set with the name {name} already exists. Specify a unique name."),
        ));
    }
    if body.get("OptionSetType").is_some_and(|kind| *kind != json!("Picklist")) {
        return Err(ApiError::not_supported("An option set that is no Picklist"));
    }
    let display_name = custom::label(body.get("DisplayName")).unwrap_or_else(|| name.clone());
    Ok(GlobalChoice { name: name.to_lowercase(), display_name, options: custom::options(body.get("Options"))? })
}

fn find(schema: &Schema, key: &KeyText) -> ApiResult<usize> {
    match key {
        KeyText::Id(id) => schema.choices.iter().position(|choice| choice.metadata_id() == *id),
        KeyText::Named(pairs) => {
            let (_, value) = pairs.first().ok_or_else(|| unknown(""))?;
            return position(schema, &value.text);
        }
        KeyText::Empty | KeyText::Unreadable(_) => None,
    }
    .ok_or_else(|| unknown(""))
}

fn unknown(name: &str) -> ApiError {
    ApiError::new(404, "0x80040217", format!("Could not find an optionset with the name {name}."))
}

/// The first table and column that use a choice.
fn first_user<'a>(schema: &'a Schema, name: &str) -> Option<(&'a str, &'a str)> {
    let uses = |kind: &Kind| matches!(kind, Kind::Choice(choice) if choice.global.as_deref() == Some(name));
    schema.living().find_map(|table| {
        let column = table.living_columns().find(|column| uses(&column.kind))?;
        Some((table.name.as_str(), column.name.as_str()))
    })
}
