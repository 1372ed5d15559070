//! `EntityDefinitions` and its parts, read: tables, columns, keys, relationships, options.

use serde_json::{Map, Value, json};

use super::metadata_names::MetadataType;
use super::{Context, describe, metadata_query};
use crate::schema::{Schema, Table};
use crate::store::guid;
use crate::wire::error::{ApiError, ApiResult};
use crate::wire::path::{KeyText, Segment};
use crate::wire::request::{ApiResponse, Verb};

/// Answers a metadata read.
pub(crate) fn get(context: &Context<'_>) -> ApiResult<ApiResponse> {
    let store = context.world.read();
    let schema = std::sync::Arc::clone(&store.schema);
    drop(store);
    let segments = &context.target.segments;
    match segments[0].name.as_str() {
        "GlobalOptionSetDefinitions" => super::global_choices::get(context, &schema),
        "RelationshipDefinitions" => relationships(context, &schema, &segments[0], &segments[1..]),
        _ => tables(context, &schema),
    }
}

fn tables(context: &Context<'_>, schema: &Schema) -> ApiResult<ApiResponse> {
    let segments = &context.target.segments;
    let Some(key) = &segments[0].key else {
        if segments.len() > 1 {
            return Err(ApiError::unknown_segment(&segments[1].name));
        }
        let all = schema.living().map(|table| entity(context, schema, table)).collect::<ApiResult<_>>()?;
        return metadata_query::list(context, "EntityDefinitions", TABLE, all);
    };
    let table = find_table(schema, key)?;
    let name = &table.name;
    match &segments[1..] {
        [] => metadata_query::one(context, "EntityDefinitions", TABLE, entity(context, schema, table)?),
        [cast] if cast.name.starts_with("Microsoft.Dynamics.CRM.") => {
            metadata_query::one(context, "EntityDefinitions", TABLE, entity(context, schema, table)?)
        }
        [part, rest @ ..] => {
            let path = format!("EntityDefinitions('{name}')/{}", part.name);
            let items: Vec<Value> = match part.name.as_str() {
                "Attributes" => {
                    table.living_columns().map(|column| describe::attribute(schema, table, column)).collect()
                }
                "Keys" => table.keys.iter().map(|key| describe::key(table, key)).collect(),
                "ManyToOneRelationships" => schema
                    .collections()
                    .into_iter()
                    .filter(|collection| collection.to == *name)
                    .map(|collection| describe::one_to_many(schema, collection))
                    .collect(),
                "OneToManyRelationships" => schema
                    .collections()
                    .into_iter()
                    .filter(|collection| collection.from == *name)
                    .map(|collection| describe::one_to_many(schema, collection))
                    .collect(),
                "ManyToManyRelationships" => schema
                    .many_to_many
                    .iter()
                    .filter(|relation| relation.navigation_from(name).is_some())
                    .map(describe::many_to_many)
                    .collect(),
                other => return property(context, &entity(context, schema, table)?, other),
            };
            part_of(context, &path, kind_of(&part.name), items, part, rest)
        }
    }
}

/// A metadata property by itself, such as `EntityDefinitions(…)/DisplayName`.
fn property(context: &Context<'_>, entity: &Value, name: &str) -> ApiResult<ApiResponse> {
    let value = entity.get(name).cloned().ok_or_else(|| ApiError::unknown_segment(name))?;
    let mut answer = Map::new();
    answer.insert("@odata.context".to_owned(), json!(format!("{}/$metadata#EntityDefinitions/{name}", context.api())));
    match value {
        Value::Object(map) => answer.extend(map),
        other => {
            answer.insert("value".to_owned(), other);
        }
    }
    Ok(ApiResponse::value(200, &Value::Object(answer)))
}

/// Answers a read of pieces of metadata, of one of them by its key, or of one of its properties.
pub(crate) fn part_of(
    context: &Context<'_>,
    path: &str,
    kind: MetadataType<'_>,
    mut items: Vec<Value>,
    part: &Segment,
    rest: &[Segment],
) -> ApiResult<ApiResponse> {
    let mut rest = rest;
    let mut cast = None;
    if let Some((first, after)) = rest.split_first()
        && let Some(kind) = first.name.strip_prefix("Microsoft.Dynamics.CRM.")
    {
        cast = Some(kind.to_owned());
        rest = after;
    }
    if let Some(kind) = &cast {
        if kind == "EnumAttributeMetadata" {
            return Err(ApiError::odata(
                "The type 'Microsoft.Dynamics.CRM.EnumAttributeMetadata' cannot be used as a cast here; cast to the concrete type.",
            ));
        }
        let wanted = format!("#Microsoft.Dynamics.CRM.{kind}");
        items.retain(|item| item.get("@odata.type").and_then(Value::as_str) == Some(wanted.as_str()));
    } else {
        // Without a cast the options stay out: they belong to the derived types.
        for item in &mut items {
            if let Value::Object(map) = item {
                map.shift_remove("OptionSet");
                map.shift_remove("GlobalOptionSet");
            }
        }
    }
    let context_path =
        cast.as_ref().map_or_else(|| path.to_owned(), |kind| format!("{path}/Microsoft.Dynamics.CRM.{kind}"));
    let kind = cast.as_deref().map_or(kind, MetadataType);
    let Some(key) = &part.key else {
        if let Some(segment) = rest.first() {
            return Err(ApiError::unknown_segment(&segment.name));
        }
        return metadata_query::list(context, &context_path, kind, items);
    };
    let found = items.into_iter().find(|item| named_by(item, key)).ok_or_else(|| {
        ApiError::new(
            404,
            "0x80060888",
            format!("Could not find the metadata item named by the key of '{}'.", part.name),
        )
    })?;
    match rest {
        [] => metadata_query::one(context, &context_path, kind, found),
        [property_name] => property(context, &found, &property_name.name),
        [_, other, ..] => Err(ApiError::unknown_segment(&other.name)),
    }
}

fn named_by(item: &Value, key: &KeyText) -> bool {
    match key {
        KeyText::Id(id) => item.get("MetadataId").and_then(Value::as_str).and_then(guid) == Some(*id),
        KeyText::Named(pairs) => pairs.iter().all(|(name, value)| {
            item.get(name).and_then(Value::as_str).is_some_and(|text| text.eq_ignore_ascii_case(&value.text))
        }),
        KeyText::Empty | KeyText::Unreadable(_) => false,
    }
}

/// A table by logical name or metadata id.
pub(crate) fn find_table<'a>(schema: &'a Schema, key: &KeyText) -> ApiResult<&'a Table> {
    let missing = |name: &str| {
        ApiError::new(
            404,
            "0x80060888",
            format!("Could not find an entity with name {name} and object type code 0 (LogicalName = '{name}')."),
        )
    };
    match key {
        KeyText::Id(id) => schema
            .living()
            .find(|table| table.metadata_id() == *id)
            .map(AsRef::as_ref)
            .ok_or_else(|| ApiError::new(404, "0x80040217", format!("Could not find an entity with id {id}."))),
        KeyText::Named(pairs) => {
            let name = pairs
                .iter()
                .find(|(name, _)| name == "LogicalName")
                .map(|(_, value)| value.text.clone())
                .ok_or_else(|| ApiError::odata("The key of EntityDefinitions is LogicalName or MetadataId."))?;
            schema.position(&name).map(|at| schema.table(at).as_ref()).ok_or_else(|| missing(&name))
        }
        KeyText::Unreadable(text) => Err(missing(text)),
        KeyText::Empty => Err(missing("")),
    }
}

fn entity(context: &Context<'_>, schema: &Schema, table: &Table) -> ApiResult<Value> {
    let mut value = describe::entity(table);
    let Some(expand) = context.target.option("$expand") else {
        return Ok(value);
    };
    let Value::Object(map) = &mut value else {
        return Ok(value);
    };
    for part in crate::query::options::outside_parentheses(expand, ',') {
        let (name, inner) =
            part.trim().split_once('(').map_or((part.trim(), ""), |(name, rest)| (name, rest.trim_end_matches(')')));
        let items: Vec<Value> = match name {
            "Attributes" => table.living_columns().map(|column| describe::attribute(schema, table, column)).collect(),
            "Keys" => table.keys.iter().map(|key| describe::key(table, key)).collect(),
            "ManyToOneRelationships" => schema
                .collections()
                .into_iter()
                .filter(|collection| collection.to == table.name)
                .map(|collection| describe::one_to_many(schema, collection))
                .collect(),
            "OneToManyRelationships" => schema
                .collections()
                .into_iter()
                .filter(|collection| collection.from == table.name)
                .map(|collection| describe::one_to_many(schema, collection))
                .collect(),
            "ManyToManyRelationships" => schema
                .many_to_many
                .iter()
                .filter(|relation| relation.navigation_from(&table.name).is_some())
                .map(describe::many_to_many)
                .collect(),
            other => return Err(ApiError::unknown_property(other, "Microsoft.Dynamics.CRM.EntityMetadata")),
        };
        let options: Vec<(String, String)> = inner
            .split(';')
            .filter_map(|option| option.split_once('='))
            .map(|(name, value)| (name.trim().to_owned(), value.to_owned()))
            .collect();
        let narrowed = metadata_query::narrowed(kind_of(name), items, &options)?;
        map.insert(name.to_owned(), Value::Array(narrowed));
    }
    Ok(value)
}

/// The definition of a table.
const TABLE: MetadataType<'static> = MetadataType("EntityMetadata");

/// The type of the members of a collection in a table's definition.
fn kind_of(collection: &str) -> MetadataType<'static> {
    MetadataType(match collection {
        "Attributes" => "AttributeMetadata",
        "Keys" => "EntityKeyMetadata",
        "ManyToManyRelationships" => "ManyToManyRelationshipMetadata",
        _ => "OneToManyRelationshipMetadata",
    })
}

fn relationships(context: &Context<'_>, schema: &Schema, first: &Segment, rest: &[Segment]) -> ApiResult<ApiResponse> {
    let mut items: Vec<Value> =
        schema.collections().into_iter().map(|collection| describe::one_to_many(schema, collection)).collect();
    items.extend(schema.many_to_many.iter().map(describe::many_to_many));
    part_of(context, "RelationshipDefinitions", MetadataType("RelationshipMetadataBase"), items, first, rest)
}

/// Metadata writes; `None` when the request is none.
pub(crate) fn write(context: &Context<'_>) -> ApiResult<Option<ApiResponse>> {
    let first = context.target.segments.first().map_or("", |segment| segment.name.as_str());
    if !matches!(
        first,
        "EntityDefinitions" | "GlobalOptionSetDefinitions" | "RelationshipDefinitions" | "CreateEntities"
    ) || context.request.verb == Verb::Get
    {
        return Ok(None);
    }
    super::customize::change(context).map(Some)
}
