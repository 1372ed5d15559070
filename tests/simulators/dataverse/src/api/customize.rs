//! Metadata writes: custom tables, columns, keys and lookups.

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::definitions::find_table;
use super::{Context, custom, describe, global_choices};
use crate::schema::{AlternateKey, Collection, Column, Kind, NAMESPACE, Schema, Table};
use crate::store::{Store, guid};
use crate::wire::error::{ApiError, ApiResult};
use crate::wire::path::KeyText;
use crate::wire::request::{ApiResponse, Verb};

/// Answers a metadata write.
pub(crate) fn change(context: &Context<'_>) -> ApiResult<ApiResponse> {
    let mut store = context.world.write();
    let mut schema = (*store.schema).clone();
    let segments = &context.target.segments;
    let names: Vec<&str> = segments.iter().map(|segment| segment.name.as_str()).collect();
    let body = if context.request.body.is_empty() { Value::Null } else { context.request.json()? };
    let response = match (context.request.verb, names.as_slice()) {
        (Verb::Post, ["CreateEntities"]) => {
            let Some(Value::Array(entities)) = body.get("Entities") else {
                return Err(invalid("The parameter 'Entities' is missing."));
            };
            for entity in entities {
                create_table(&mut schema, entity)?;
            }
            ApiResponse::no_content()
        }
        (Verb::Post, ["EntityDefinitions"]) => {
            let id = create_table(&mut schema, &body)?;
            let made = schema.living().find(|table| table.metadata_id() == id).map(|table| describe::entity(table));
            created(context, &format!("EntityDefinitions({id})"), "EntityDefinitions", made)
        }
        (Verb::Put, ["EntityDefinitions"]) => {
            let at = table_at(&schema, segments[0].key.as_ref())?;
            let changed = update_table(&mut schema, at, &body)?;
            let path = format!("EntityDefinitions({})", changed.metadata_id());
            written(context, 200, &path, "EntityDefinitions", Some(describe::entity(&changed)))
        }
        (Verb::Delete, ["EntityDefinitions"]) => {
            let at = table_at(&schema, segments[0].key.as_ref())?;
            delete_table(&mut schema, at)?;
            store.clear(at);
            ApiResponse::no_content()
        }
        (verb, ["EntityDefinitions", part]) => {
            let at = table_at(&schema, segments[0].key.as_ref())?;
            let mut table = (**schema.table(at)).clone();
            let key = segments[1].key.as_ref();
            let answer = match (verb, *part) {
                (Verb::Post, "Attributes") => {
                    let column = custom::column(&schema, &body, &table)?;
                    let id = table.column_metadata_id(&column);
                    let made = describe::attribute(&schema, &table, &column);
                    table.columns.push(column);
                    let path = format!("EntityDefinitions({})/Attributes", table.metadata_id());
                    created(context, &format!("{path}({id})"), &path, Some(made))
                }
                (Verb::Put | Verb::Patch, "Attributes") => {
                    let column = column_at(&table, key)?;
                    custom::update_column(&mut table.columns[column], &body)?;
                    ApiResponse::no_content()
                }
                (Verb::Delete, "Attributes") => {
                    let column = column_at(&table, key)?;
                    remove_column(&mut table, column)?;
                    ApiResponse::no_content()
                }
                (Verb::Post, "Keys") => {
                    let id = create_key(&mut table, &body, &store, at)?;
                    let made = table.keys.iter().find(|key| key.id == id).map(|key| describe::key(&table, key));
                    let path = format!("EntityDefinitions({})/Keys", table.metadata_id());
                    created(context, &format!("{path}({id})"), &path, made)
                }
                (Verb::Delete, "Keys") => {
                    let before = table.keys.len();
                    table.keys.retain(|known| !key_named(known, key));
                    if table.keys.len() == before {
                        return Err(ApiError::new(404, "0x80040217", "The entity key does not exist."));
                    }
                    ApiResponse::no_content()
                }
                (verb, _) => return Err(ApiError::wrong_verb(verb.name())),
            };
            table.index();
            schema.tables[at] = Arc::new(table);
            answer
        }
        (Verb::Post, ["RelationshipDefinitions"]) => {
            let id = create_lookup(&mut schema, &body)?;
            schema.index();
            let made = schema
                .collections()
                .into_iter()
                .find(|collection| id_of(collection) == id)
                .map(|collection| describe::one_to_many(&schema, collection));
            created(context, &format!("RelationshipDefinitions({id})"), "RelationshipDefinitions", made)
        }
        (Verb::Delete, ["RelationshipDefinitions"]) => {
            delete_lookup(&mut schema, segments[0].key.as_ref())?;
            ApiResponse::no_content()
        }
        (_, ["GlobalOptionSetDefinitions"]) => global_choices::change(context, &mut schema, &body)?,
        (verb, _) => return Err(ApiError::not_supported(&format!("{} of this metadata", verb.name()))),
    };
    schema.index();
    store.adopt(Arc::new(schema));
    super::messages::complete(&mut store);
    Ok(response)
}

/// The answer to a new definition: where it is, and with `return=representation` what it is.
pub(crate) fn created(context: &Context<'_>, path: &str, collection: &str, made: Option<Value>) -> ApiResponse {
    written(context, 201, path, collection, made)
}

/// The answer to a new or changed definition.
fn written(context: &Context<'_>, status: u16, path: &str, collection: &str, made: Option<Value>) -> ApiResponse {
    let address = format!("{}/{path}", context.api());
    let response = match made {
        Some(Value::Object(made)) if context.prefer.representation => {
            let mut answer = serde_json::Map::new();
            answer.insert(
                "@odata.context".to_owned(),
                json!(format!("{}/$metadata#{collection}/$entity", context.api())),
            );
            answer.extend(made);
            ApiResponse::value(status, &Value::Object(answer)).with("Preference-Applied", "return=representation")
        }
        _ => ApiResponse::no_content(),
    };
    response.with("OData-EntityId", address)
}

/// Metadata id of a one-to-many relationship.
fn id_of(collection: &Collection) -> Uuid {
    describe::relationship_id(&collection.to, &collection.column, &collection.from)
}

fn invalid(text: &str) -> ApiError {
    ApiError::new(400, "0x80040203", text)
}

fn table_at(schema: &Schema, key: Option<&KeyText>) -> ApiResult<usize> {
    let key = key.ok_or_else(|| ApiError::wrong_verb("DELETE"))?;
    let name = find_table(schema, key)?.name.clone();
    schema.position(&name).ok_or_else(|| ApiError::unknown_segment(&name))
}

fn create_table(schema: &mut Schema, body: &Value) -> ApiResult<Uuid> {
    let table = custom::table(schema, body)?;
    if schema.position(&table.name).is_some() {
        return Err(ApiError::new(
            400,
            "0x80044363",
            format!("An entity with the specified name {} already exists. Specify a unique name.", table.name),
        ));
    }
    let id = table.metadata_id();
    if table.notes {
        attach_notes(schema, &table.name, true);
    }
    schema.tables.push(Arc::new(table));
    Ok(id)
}

/// Takes over what a customizer may change of a table: its label, and that rows carry notes and activities, which stays once it is so.
fn update_table(schema: &mut Schema, at: usize, body: &Value) -> ApiResult<Arc<Table>> {
    let mut table = (**schema.table(at)).clone();
    if let Some(text) = custom::label(body.get("DisplayName")) {
        table.display_name = text;
    }
    for (name, had) in [("HasNotes", &mut table.notes), ("HasActivities", &mut table.activities)] {
        match body.get(name).and_then(Value::as_bool) {
            Some(false) if *had => return Err(invalid(&format!("{name} cannot be switched off again."))),
            Some(wanted) => *had = wanted,
            None => {}
        }
    }
    if table.notes && !schema.table(at).notes {
        attach_notes(schema, &table.name, true);
    }
    let table = Arc::new(table);
    schema.tables[at] = Arc::clone(&table);
    Ok(table)
}

/// Lets notes point at the rows of a table, or no longer.
fn attach_notes(schema: &mut Schema, name: &str, on: bool) {
    let Some(at) = schema.position("annotation") else { return };
    let mut notes = (**schema.table(at)).clone();
    let Some(column) = notes.column("objectid") else { return };
    let column = &mut notes.columns[column];
    if let Kind::Lookup(targets) = &mut column.kind {
        targets.retain(|target| target != name);
        column.navigation.retain(|(target, _)| target != name);
        if on {
            targets.push(name.to_owned());
            column.navigation.push((name.to_owned(), format!("objectid_{name}")));
        }
    }
    notes.index();
    schema.tables[at] = Arc::new(notes);
}

fn delete_table(schema: &mut Schema, at: usize) -> ApiResult<()> {
    let table = schema.table(at);
    if !table.made_here() {
        return Err(ApiError::new(
            400,
            "0x80048026",
            format!("The entity {} is managed or part of the system and cannot be deleted.", table.name),
        ));
    }
    leave_place(schema, at);
    Ok(())
}

/// Takes a table out with the lookups that lead to it, as where the solution that brings both was never installed.
pub(crate) fn without_table(schema: &mut Schema, name: &str) -> Option<usize> {
    let at = schema.position(name)?;
    for table in &mut schema.tables {
        let leads_there = |column: &Column| match &column.kind {
            Kind::Lookup(targets) => targets.iter().any(|target| target == name),
            _ => false,
        };
        if table.columns.iter().any(leads_there) {
            let mut changed = (**table).clone();
            changed.columns.iter_mut().filter(|column| leads_there(column)).for_each(custom::hide);
            changed.index();
            *table = Arc::new(changed);
        }
    }
    leave_place(schema, at);
    schema.index();
    Some(at)
}

/// The place of a table stays, because rows refer to tables by position.
fn leave_place(schema: &mut Schema, at: usize) {
    let mut gone = (**schema.table(at)).clone();
    let name = gone.name.clone();
    gone.name = String::new();
    gone.set = String::new();
    gone.columns.iter_mut().for_each(custom::hide);
    gone.index();
    schema.tables[at] = Arc::new(gone);
    attach_notes(schema, &name, false);
}

fn column_at(table: &Table, key: Option<&KeyText>) -> ApiResult<usize> {
    let found = match key {
        Some(KeyText::Id(id)) => table.columns.iter().position(|column| table.column_metadata_id(column) == *id),
        Some(KeyText::Named(pairs)) => pairs.first().and_then(|(_, value)| table.column(&value.text.to_lowercase())),
        _ => None,
    };
    found.ok_or_else(|| {
        ApiError::new(404, "0x80040217", format!("Could not find the attribute on entity {}.", table.name))
    })
}

fn remove_column(table: &mut Table, at: usize) -> ApiResult<()> {
    let column = &table.columns[at];
    if !column.made_here || at == table.id || Some(at) == table.primary_name {
        return Err(ApiError::new(
            400,
            "0x8004f01f",
            format!("The attribute {} of entity {} cannot be deleted.", column.name, table.name),
        ));
    }
    if table.keys.iter().any(|key| key.columns.contains(&at)) {
        return Err(ApiError::new(
            400,
            "0x8004f01f",
            format!("The attribute {} is part of an entity key and cannot be deleted.", column.name),
        ));
    }
    custom::hide(&mut table.columns[at]);
    Ok(())
}

fn create_key(table: &mut Table, body: &Value, store: &Store, at: usize) -> ApiResult<Uuid> {
    let name = body
        .get("SchemaName")
        .and_then(Value::as_str)
        .ok_or_else(|| invalid("The SchemaName of the key is missing."))?
        .to_owned();
    let Some(Value::Array(columns)) = body.get("KeyAttributes") else {
        return Err(invalid("The KeyAttributes of the key are missing."));
    };
    if columns.is_empty() || columns.len() > 16 {
        return Err(invalid("A key has 1 to 16 attributes."));
    }
    if table.keys.len() >= 10 {
        return Err(ApiError::new(400, "0x80060890", "An entity cannot have more than 10 keys."));
    }
    let mut positions = Vec::new();
    for column in columns {
        let column = column.as_str().unwrap_or_default().to_lowercase();
        positions.push(table.column(&column).ok_or_else(|| {
            ApiError::new(
                404,
                "0x80040217",
                format!("Could not find an attribute with name {column} on entity {}.", table.name),
            )
        })?);
    }
    let mut seen = std::collections::HashSet::new();
    for row in store.rows(at).after(None) {
        let values: Option<Vec<_>> =
            positions.iter().map(|column| row.get(*column).and_then(crate::store::Key::of)).collect();
        if values.is_some_and(|values| !seen.insert(values)) {
            return Err(ApiError::new(
                412,
                "0x80060892",
                format!("Entity Key {name} violated. The table already has rows with the same values."),
            ));
        }
    }
    let id = Uuid::new_v5(&NAMESPACE, format!("key {} {name}", table.name).as_bytes());
    table.keys.push(AlternateKey { name, columns: positions, id });
    Ok(id)
}

fn key_named(known: &AlternateKey, key: Option<&KeyText>) -> bool {
    match key {
        Some(KeyText::Id(id)) => known.id == *id,
        Some(KeyText::Named(pairs)) => pairs.iter().any(|(_, value)| known.name.eq_ignore_ascii_case(&value.text)),
        _ => false,
    }
}

fn create_lookup(schema: &mut Schema, body: &Value) -> ApiResult<Uuid> {
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_lowercase);
    if body.get("@odata.type").and_then(Value::as_str).is_some_and(|kind| kind.contains("ManyToMany")) {
        return Err(ApiError::not_supported("Creating a many-to-many relationship"));
    }
    let (Some(referenced), Some(referencing)) = (text("ReferencedEntity"), text("ReferencingEntity")) else {
        return Err(invalid("ReferencedEntity and ReferencingEntity are required."));
    };
    let missing = |name: &str| ApiError::new(404, "0x80040217", format!("Could not find an entity with name {name}."));
    schema.position(&referenced).ok_or_else(|| missing(&referenced))?;
    let at = schema.position(&referencing).ok_or_else(|| missing(&referencing))?;
    let mut table = (**schema.table(at)).clone();
    let lookup = body.get("Lookup").cloned().unwrap_or_else(|| json!({}));
    let mut column = custom::column(schema, &lookup, &table)?;
    column.kind = Kind::Lookup(vec![referenced.clone()]);
    column.property = format!("_{}_value", column.name);
    column.navigation = vec![(referenced.clone(), column.schema_name.clone())];
    column.relationship = body.get("SchemaName").and_then(Value::as_str).map(str::to_owned);
    let id = describe::relationship_id(&referencing, &column.name, &referenced);
    table.columns.push(column);
    table.index();
    schema.tables[at] = Arc::new(table);
    Ok(id)
}

fn delete_lookup(schema: &mut Schema, key: Option<&KeyText>) -> ApiResult<()> {
    let wanted = match key {
        Some(KeyText::Id(id)) => Some(*id),
        Some(KeyText::Unreadable(text)) => guid(text),
        _ => None,
    };
    let named = match key {
        Some(KeyText::Named(pairs)) => {
            pairs.iter().find(|(name, _)| name == "SchemaName").map(|(_, value)| &value.text)
        }
        _ => None,
    };
    let found = schema
        .collections()
        .into_iter()
        .find(|collection| {
            Some(id_of(collection)) == wanted || named.is_some_and(|name| name == collection.schema_name())
        })
        .cloned();
    let collection = found.ok_or_else(|| ApiError::new(404, "0x80040217", "The relationship does not exist."))?;
    let at = schema.position(&collection.to).ok_or_else(|| ApiError::unknown_segment(&collection.to))?;
    let mut table = (**schema.table(at)).clone();
    let column = table.column(&collection.column).ok_or_else(|| ApiError::unknown_segment(&collection.column))?;
    remove_column(&mut table, column)?;
    table.index();
    schema.tables[at] = Arc::new(table);
    Ok(())
}
