//! Tables of both systems from their catalogue files.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::CatalogueError;
use super::files::{self, BcProperty, BcTables, DvColumn, DvTables, NamedFile, ReadOnlyOn};
use super::forms::usual_form;
use crate::table::{Access, Column, FieldType, Parent, Side, Table};

type Tables = BTreeMap<String, Arc<Table>>;

/// Business Central's tables by name.
pub fn business_central(file: &NamedFile) -> Result<Tables, CatalogueError> {
    let raw: BcTables = files::parse(file)?;
    let mut tables = Tables::new();
    for table in raw.tables {
        let mut columns = BTreeMap::new();
        for property in &table.properties {
            let column =
                bc_column(property).map_err(|problem| of_column(file, &table.name, &property.name, &problem))?;
            insert(&mut columns, column).map_err(|problem| of_column(file, &table.name, &property.name, &problem))?;
        }
        if table.standard.is_none() && table.companion.is_none() {
            return Err(CatalogueError::of_file(
                &file.name,
                format!("table {} is exposed by no API; name a standard or a companion entity set", table.name),
            ));
        }
        if let Some(label) = table.label.as_ref().filter(|label| !columns.contains_key(*label)) {
            return Err(CatalogueError::of_file(
                &file.name,
                format!("table {} is known by its property {label}, which it does not have; add it", table.name),
            ));
        }
        // A line is known by its number, anything else by the first part of its key that is no option.
        let is_line_number = |key: &&String| key.as_str() == "Line No.";
        let line_number = table.primary_key.iter().find(is_line_number);
        let label = line_number.into_iter().chain(&table.primary_key).find_map(|key| {
            let is_key = |property: &&BcProperty| {
                property.field.as_deref() == Some(key.as_str()) && property.field_type != "enum"
            };
            table.properties.iter().find(is_key).map(|property| property.name.clone())
        });
        let modified = columns.contains_key("lastModifiedDateTime").then(|| "lastModifiedDateTime".to_owned());
        tables.insert(
            table.name.clone(),
            Arc::new(Table {
                side: Side::BusinessCentral,
                name: table.name,
                entity_set: table.standard.map(|set| set.entity_set),
                companion_takes_id: table.companion.as_ref().is_some_and(|set| set.takes_id),
                companion_parent: table
                    .companion
                    .as_ref()
                    .and_then(|set| set.under.clone())
                    .map(|under| Parent { entity_set: under.entity_set, column: under.column }),
                choice: None,
                takes_upsert: true,
                companion_entity_set: table.companion.map(|set| set.entity_set),
                id_column: "id".to_owned(),
                modified_column: modified,
                label_column: table.label.or(label),
                company_column: None,
                columns,
            }),
        );
    }
    Ok(tables)
}

/// Dataverse's tables by logical name.
pub fn dataverse(file: &NamedFile) -> Result<Tables, CatalogueError> {
    let raw: DvTables = files::parse(file)?;
    let mut tables = Tables::new();
    for table in raw.tables {
        let mut columns = BTreeMap::new();
        for column in &table.columns {
            let typed = dv_column(&table.name, column)
                .map_err(|problem| of_column(file, &table.name, &column.name, &problem))?;
            insert(&mut columns, typed).map_err(|problem| of_column(file, &table.name, &column.name, &problem))?;
        }
        tables.insert(
            table.name.clone(),
            Arc::new(Table {
                side: Side::Dataverse,
                id_column: table.id.unwrap_or_else(|| format!("{}id", table.name)),
                name: table.name,
                entity_set: table.entity_set,
                companion_entity_set: None,
                companion_takes_id: false,
                companion_parent: None,
                choice: None,
                takes_upsert: table.takes_upsert.unwrap_or(true),
                modified_column: table.modified_on,
                label_column: table.display_column.or(table.primary_name),
                company_column: table.company_column,
                columns,
            }),
        );
    }
    Ok(tables)
}

fn of_column(file: &NamedFile, table: &str, column: &str, problem: &str) -> CatalogueError {
    CatalogueError::of_file(&file.name, format!("table {table}, column {column}: {problem}"))
}

fn insert(columns: &mut BTreeMap<String, Arc<Column>>, column: Column) -> Result<(), String> {
    match columns.insert(column.name.clone(), Arc::new(column)) {
        Some(_) => Err("listed twice; remove one".to_owned()),
        None => Ok(()),
    }
}

fn bc_column(raw: &BcProperty) -> Result<Column, String> {
    let field = match raw.field_type.as_str() {
        "string" => FieldType::Text { length: raw.length.ok_or("a string needs a length")? },
        "code" => FieldType::Code { length: raw.length.ok_or("a code needs a length")? },
        "decimal" => FieldType::Decimal,
        "int32" | "int64" => FieldType::Int,
        "bool" => FieldType::Bool,
        "guid" => FieldType::Guid,
        "date" => FieldType::Date,
        "datetime" => FieldType::DateTime,
        "enum" => FieldType::Enum { values: raw.values.clone() },
        other => {
            return Err(format!(
                "unknown type {other}; use string, code, decimal, int32, int64, bool, guid, date, datetime or enum"
            ));
        }
    };
    Ok(Column {
        name: raw.name.clone(),
        caption: raw.field.clone().unwrap_or_else(|| raw.name.clone()),
        field,
        access: if raw.editable && !(raw.computed && raw.name == "inventory") { Access::Full } else { Access::Read },
        // What the standard API shows but does not take is left to the companion API altogether.
        standard: raw.standard && raw.read_only_on != Some(ReadOnlyOn::Standard),
        companion: raw.companion,
        options: BTreeMap::new(),
    })
}

fn dv_column(table: &str, raw: &DvColumn) -> Result<Column, String> {
    let field = match raw.field_type.as_str() {
        "string" => FieldType::Text { length: raw.length.ok_or("a string needs a length")? },
        "memo" => FieldType::Memo,
        "decimal" | "double" => FieldType::Decimal,
        "money" => FieldType::Money,
        "int" | "bigint" => FieldType::Int,
        "bool" => FieldType::Bool,
        "guid" => FieldType::Guid,
        "lookup" if raw.targets.is_empty() => return Err("a lookup needs targets".to_owned()),
        "lookup" => FieldType::Lookup { targets: raw.targets.clone() },
        "datetime" if usual_form(table, &raw.name).day.is_some() => FieldType::Date,
        "datetime" => FieldType::DateTime,
        "optionset" => FieldType::OptionSet,
        "entityname" => FieldType::EntityName,
        other => return Err(format!("unknown type {other}")),
    };
    let access = match raw.access.as_deref() {
        None => Access::Full,
        Some("read") => Access::Read,
        Some("insert") => Access::Insert,
        Some("modify") => Access::Modify,
        Some(other) => return Err(format!("unknown access {other}; use read, insert or modify")),
    };
    let mut options = BTreeMap::new();
    for (number, label) in &raw.options {
        let number = number.parse().map_err(|_| format!("option {number} is not a number"))?;
        options.insert(number, label.clone());
    }
    Ok(Column {
        name: raw.name.clone(),
        caption: raw.name.clone(),
        field,
        access,
        standard: true,
        companion: false,
        options,
    })
}
