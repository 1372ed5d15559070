//! Builds custom tables and columns from the JSON that customizers send.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{global_choices, option_sets};
use crate::schema::{Choice, ChoiceRole, Column, Kind, Required, Schema, Table, plain, plural};
use crate::wire::error::{ApiError, ApiResult};

/// Columns that every table of a customizer has.
const STANDARD: [&str; 13] = [
    "createdon:time",
    "modifiedon:time",
    "createdby:>systemuser",
    "modifiedby:>systemuser",
    "createdonbehalfby:>systemuser",
    "modifiedonbehalfby:>systemuser",
    "owninguser:>systemuser",
    "owningteam:>team",
    "owningbusinessunit:>businessunit",
    "versionnumber:bigint",
    "importsequencenumber:int",
    "statecode:state",
    "statuscode:status",
];

/// The text of a label.
pub(crate) fn label(value: Option<&Value>) -> Option<String> {
    let value = value?;
    value
        .pointer("/LocalizedLabels/0/Label")
        .or_else(|| value.pointer("/UserLocalizedLabel/Label"))
        .and_then(Value::as_str)
        .map(str::to_owned)
}

/// A name that begins with the prefix of a publisher.
pub(crate) fn schema_name(name: Option<&Value>) -> ApiResult<String> {
    let name = name.and_then(Value::as_str).unwrap_or_default();
    let valid = name.split_once('_').is_some_and(|(prefix, rest)| prefix.len() >= 2 && !rest.is_empty())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !valid {
        return Err(ApiError::new(
            400,
            "0x8004701d",
            format!("The schema name '{name}' is not valid: it must start with a valid customization prefix."),
        ));
    }
    Ok(name.to_owned())
}

/// A new table.
pub(crate) fn table(schema: &Schema, body: &Value) -> ApiResult<Table> {
    let schema_name = schema_name(body.get("SchemaName"))?;
    let name = schema_name.to_lowercase();
    let mut columns = vec![plain(&format!("{name}id:guid"))];
    columns.extend(STANDARD.iter().map(|text| plain(text)));
    let owned = body.get("OwnershipType").and_then(Value::as_str) != Some("OrganizationOwned");
    if owned {
        let mut owner = plain("ownerid:>systemuser");
        owner.kind = Kind::Lookup(vec!["systemuser".to_owned(), "team".to_owned()]);
        owner.navigation = vec![("principal".to_owned(), "ownerid".to_owned())];
        owner.required = Required::System;
        columns.push(owner);
    }
    let mut table = Table::empty(&name, &schema_name, &plural(&name));
    table.display_name = label(body.get("DisplayName")).unwrap_or_else(|| schema_name.clone());
    table.owned = owned;
    table.notes = body.get("HasNotes") == Some(&Value::Bool(true));
    table.activities = body.get("HasActivities") == Some(&Value::Bool(true));
    table.columns = columns;
    table.index();
    let attributes = body.get("Attributes").and_then(Value::as_array).cloned().unwrap_or_default();
    for attribute in &attributes {
        let made = column(schema, attribute, &table)?;
        if attribute.get("IsPrimaryName") == Some(&Value::Bool(true)) {
            table.primary_name = Some(table.columns.len());
        }
        table.columns.push(made);
        table.index();
    }
    if table.primary_name.is_none() {
        return Err(ApiError::new(
            400,
            "0x80048403",
            "A table needs an attribute that is its primary name (IsPrimaryName).",
        ));
    }
    Ok(table)
}

/// A new column.
pub(crate) fn column(schema: &Schema, body: &Value, table: &Table) -> ApiResult<Column> {
    let schema_name = schema_name(body.get("SchemaName"))?;
    let name = schema_name.to_lowercase();
    if table.column(&name).is_some() {
        return Err(ApiError::new(
            400,
            "0x80044a1b",
            format!("Attribute {schema_name} already exists for entity {}.", table.name),
        ));
    }
    let kind = body.get("@odata.type").and_then(Value::as_str).unwrap_or_default();
    let kind = kind.trim_start_matches('#').trim_start_matches("Microsoft.Dynamics.CRM.").trim_start_matches("Complex");
    let length = |default: usize| {
        body.get("MaxLength").and_then(Value::as_u64).and_then(|length| usize::try_from(length).ok()).unwrap_or(default)
    };
    let kind = match kind {
        "StringAttributeMetadata" => Kind::Text(length(100)),
        "MemoAttributeMetadata" => Kind::Memo(length(2000)),
        "IntegerAttributeMetadata" => Kind::Integer,
        "BigIntAttributeMetadata" => Kind::BigInteger,
        "DecimalAttributeMetadata" => Kind::Decimal,
        "DoubleAttributeMetadata" => Kind::Double,
        "MoneyAttributeMetadata" => Kind::Money,
        "BooleanAttributeMetadata" => Kind::Boolean,
        "DateTimeAttributeMetadata"
            if body.pointer("/DateTimeBehavior/Value").and_then(Value::as_str) == Some("DateOnly") =>
        {
            Kind::DateOnly
        }
        "DateTimeAttributeMetadata" => Kind::DateTime,
        "PicklistAttributeMetadata" => {
            let role = ChoiceRole::Plain;
            Kind::Choice(match global_choices::bound(schema, body)? {
                Some(shared) => Choice {
                    role,
                    options: shared.options.clone(),
                    translations: BTreeMap::new(),
                    global: Some(shared.name.clone()),
                },
                None => Choice {
                    role,
                    options: options(body.pointer("/OptionSet/Options"))?,
                    translations: BTreeMap::new(),
                    global: None,
                },
            })
        }
        "LookupAttributeMetadata" => Kind::Lookup(Vec::new()),
        other => return Err(ApiError::not_supported(&format!("A column of type {other}"))),
    };
    let mut column = plain(&format!("{name}:text"));
    column.kind = kind;
    column.made_here = true;
    column.required =
        body.pointer("/RequiredLevel/Value").and_then(Value::as_str).map(Required::of_level).unwrap_or_default();
    column.display_name = label(body.get("DisplayName")).unwrap_or_else(|| schema_name.clone());
    column.schema_name = schema_name;
    Ok(column)
}

/// The options of a new list. Those without a number get the next one of the publisher.
pub(crate) fn options(given: Option<&Value>) -> ApiResult<Vec<(i32, String)>> {
    let mut made: Vec<(i32, String)> = Vec::new();
    for option in given.and_then(Value::as_array).into_iter().flatten() {
        let number = option.get("Value").filter(|value| !value.is_null());
        let value = match number {
            Some(number) => number
                .as_i64()
                .and_then(|number| i32::try_from(number).ok())
                .ok_or_else(|| ApiError::new(400, "0x80048403", format!("{number} is no number of an option.")))?,
            None => option_sets::next_value(&made),
        };
        option_sets::insert(&mut made, value, label(option.get("Label")).unwrap_or_default())?;
    }
    Ok(made)
}

/// Takes over what a customizer may change: label and length.
pub(crate) fn update_column(column: &mut Column, body: &Value) -> ApiResult<()> {
    if let Some(text) = label(body.get("DisplayName")) {
        column.display_name = text;
    }
    let length = body.get("MaxLength").and_then(Value::as_u64).and_then(|length| usize::try_from(length).ok());
    match (&mut column.kind, length) {
        (Kind::Text(current) | Kind::Memo(current), Some(length)) if length > 0 => *current = length,
        (_, Some(_)) => {
            return Err(ApiError::new(400, "0x80048403", "MaxLength is not a property of this column's type."));
        }
        _ => {}
    }
    Ok(())
}

/// A deleted column keeps its place, without a name.
pub(crate) fn hide(column: &mut Column) {
    column.name = String::new();
    column.property = String::new();
    column.exposed = false;
    column.creatable = false;
    column.updatable = false;
    column.required = Required::Nobody;
    column.navigation.clear();
    column.kind = Kind::BigInteger;
}
