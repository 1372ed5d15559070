//! Metadata as JSON: tables, columns, options, keys, relationships.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::schema::{
    AlternateKey, Choice, ChoiceRole, Collection, Column, GlobalChoice, Kind, ManyToMany, NAMESPACE, Schema, Table,
};
use crate::schema::{forms, privileges};

/// A label in English.
pub(crate) fn label(text: &str) -> Value {
    let localized = json!({"Label": text, "LanguageCode": 1033, "IsManaged": true, "MetadataId": Uuid::new_v5(&NAMESPACE, format!("label {text}").as_bytes()), "HasChanged": null});
    json!({"LocalizedLabels": [localized], "UserLocalizedLabel": localized})
}

fn managed(value: bool, name: &str) -> Value {
    json!({"Value": value, "CanBeChanged": true, "ManagedPropertyLogicalName": name})
}

/// `EntityMetadata`.
pub(crate) fn entity(table: &Table) -> Value {
    let column_name = |at: usize| table.columns[at].name.clone();
    json!({
        "MetadataId": table.metadata_id(),
        "LogicalName": table.name,
        "SchemaName": table.schema_name,
        "EntitySetName": table.set,
        "LogicalCollectionName": table.set,
        "CollectionSchemaName": collection_schema_name(table),
        "PrimaryIdAttribute": column_name(table.id),
        "PrimaryNameAttribute": table.primary_name.map(column_name),
        "PrimaryImageAttribute": null,
        "ObjectTypeCode": table.type_code,
        "ChangeTrackingEnabled": table.change_tracking,
        "CanChangeTrackingBeEnabled": managed(true, "canchangetrackingbeenabled"),
        "IsOptimisticConcurrencyEnabled": table.optimistic_concurrency,
        "IsCustomEntity": table.custom,
        "IsManaged": !table.made_here(),
        "IsIntersect": table.intersect,
        "HasNotes": table.notes,
        "HasActivities": table.activities,
        "IsActivity": false,
        "IsPrivate": false,
        "IsLogicalEntity": false,
        "IsValidForAdvancedFind": !table.intersect,
        "IsCustomizable": managed(true, "iscustomizable"),
        "DataProviderId": null,
        "TableType": "Standard",
        "OwnershipType": if table.owned { "UserOwned" } else if table.intersect { "None" } else { "OrganizationOwned" },
        "DisplayName": label(&table.display_name),
        "DisplayCollectionName": label(&format!("{}s", table.display_name)),
        "Description": label(""),
        "Privileges": privileges::KINDS.map(|kind| json!({
            "CanBeBasic": table.owned, "CanBeDeep": table.owned, "CanBeGlobal": true, "CanBeLocal": table.owned,
            "Name": privileges::name(kind, table), "PrivilegeId": privileges::id(kind, table), "PrivilegeType": kind,
        })),
        "HasChanged": null
    })
}

/// The plural of the schema name.
fn collection_schema_name(table: &Table) -> String {
    let ending = table.set.strip_prefix(table.name.as_str()).unwrap_or("s");
    match table.name.strip_suffix('y') {
        Some(_) if table.set.ends_with("ies") => {
            format!("{}ies", &table.schema_name[..table.schema_name.len() - 1])
        }
        _ => format!("{}{ending}", table.schema_name),
    }
}

fn attribute_type(table: &Table, column: &Column, at_id: bool) -> (&'static str, &'static str, String) {
    let named = |kind: &'static str, type_name: &'static str| {
        (kind, type_name, format!("#Microsoft.Dynamics.CRM.{type_name}AttributeMetadata"))
    };
    match &column.kind {
        Kind::Text(_) => named("String", "String"),
        Kind::Memo(_) => named("Memo", "Memo"),
        Kind::Integer => named("Integer", "Integer"),
        Kind::BigInteger => named("BigInt", "BigInt"),
        Kind::Decimal => named("Decimal", "Decimal"),
        Kind::Money => named("Money", "Money"),
        Kind::Double => named("Double", "Double"),
        Kind::Boolean => named("Boolean", "Boolean"),
        Kind::DateTime | Kind::DateOnly => named("DateTime", "DateTime"),
        Kind::EntityName => named("EntityName", "EntityName"),
        Kind::Guid if at_id => named("Uniqueidentifier", "UniqueIdentifier"),
        Kind::Guid => named("Uniqueidentifier", "UniqueIdentifier"),
        Kind::Choice(Choice { role: ChoiceRole::State, .. }) => named("State", "State"),
        Kind::Choice(Choice { role: ChoiceRole::Status, .. }) => named("Status", "Status"),
        Kind::Choice(_) => named("Picklist", "Picklist"),
        Kind::Lookup(_) => {
            let kind = match column.name.as_str() {
                "ownerid" => "Owner",
                "customerid" | "parentcustomerid" => "Customer",
                _ => "Lookup",
            };
            let _ = table;
            (kind, "Lookup", "#Microsoft.Dynamics.CRM.LookupAttributeMetadata".to_owned())
        }
    }
}

/// `AttributeMetadata` of the concrete type.
pub(crate) fn attribute(schema: &Schema, table: &Table, column: &Column) -> Value {
    let is_id = table.columns[table.id].name == column.name;
    let is_name = table.primary_name.is_some_and(|at| table.columns[at].name == column.name);
    let (kind, type_name, odata_type) = attribute_type(table, column, is_id);
    let mut map = Map::new();
    let mut put = |name: &str, value: Value| {
        map.insert(name.to_owned(), value);
    };
    put("@odata.type", json!(odata_type));
    put("MetadataId", json!(table.column_metadata_id(column)));
    put("LogicalName", json!(column.name));
    put("SchemaName", json!(column.schema_name));
    put("EntityLogicalName", json!(table.name));
    put("AttributeType", json!(kind));
    put(
        "AttributeTypeName",
        json!({"Value": format!("{}Type", if kind == "Uniqueidentifier" { "Uniqueidentifier" } else { type_name })}),
    );
    put("AttributeOf", Value::Null);
    put("IsPrimaryId", json!(is_id));
    put("IsPrimaryName", json!(is_name));
    put("IsCustomAttribute", json!(column.made_here || crate::schema::custom_table(&column.name)));
    put("IsLogical", json!(false));
    put("IsManaged", json!(!column.made_here));
    put("IsValidForCreate", json!(column.creatable));
    put("IsValidForUpdate", json!(column.updatable));
    put("IsValidForRead", json!(true));
    put("IsValidODataAttribute", json!(column.exposed));
    put("IsSecured", json!(column.security.is_some_and(|security| !security.undeclared)));
    let securable = column.can_be_secured(is_id, is_name);
    put("CanBeSecuredForCreate", json!(securable));
    put("CanBeSecuredForRead", json!(securable));
    put("CanBeSecuredForUpdate", json!(securable));
    put(
        "RequiredLevel",
        json!({"Value": if is_id { "SystemRequired" } else { column.required.level() }, "CanBeChanged": true, "ManagedPropertyLogicalName": "canmodifyrequirementlevelsettings"}),
    );
    put("DisplayName", label(&column.display_name));
    put("Description", label(""));
    match &column.kind {
        Kind::Text(length) => {
            put("MaxLength", json!(length));
            put("Format", json!("Text"));
            put("FormatName", json!({"Value": "Text"}));
        }
        Kind::Memo(length) => {
            put("MaxLength", json!(length));
            put("Format", json!("TextArea"));
        }
        Kind::Integer => {
            put("MinValue", json!(i32::MIN));
            put("MaxValue", json!(i32::MAX));
            put("Format", json!("None"));
        }
        Kind::Decimal => put("Precision", json!(forms::decimals(&table.name, &column.name).unwrap_or(10))),
        Kind::Money => {
            put("Precision", json!(schema.money_decimals));
            put("PrecisionSource", json!(forms::precision_source(&table.name, &column.name).number()));
            put("IsBaseCurrency", json!(column.name.ends_with("_base")));
        }
        Kind::DateTime => {
            put("Format", json!(if column.shown_as_day { "DateOnly" } else { "DateAndTime" }));
            put("DateTimeBehavior", json!({"Value": "UserLocal"}));
        }
        Kind::DateOnly => {
            put("Format", json!("DateOnly"));
            put("DateTimeBehavior", json!({"Value": "DateOnly"}));
        }
        Kind::Lookup(targets) => {
            put("Targets", json!(targets.iter().filter(|target| schema.position(target).is_some()).collect::<Vec<_>>()))
        }
        Kind::Boolean => put(
            "OptionSet",
            json!({"MetadataId": Uuid::new_v5(&NAMESPACE, format!("options {}.{}", table.name, column.name).as_bytes()), "Name": format!("{}_{}", table.name, column.name), "IsGlobal": false, "OptionSetType": "Boolean", "TrueOption": option(1, "Yes", None), "FalseOption": option(0, "No", None)}),
        ),
        Kind::Choice(choice) => {
            put("DefaultFormValue", json!(-1));
            let global = schema.choices.iter().find(|known| choice.global.as_ref() == Some(&known.name));
            put("OptionSet", global.map_or_else(|| option_set(table, column, choice), global_choice));
            put("GlobalOptionSet", global.map_or(Value::Null, global_choice));
        }
        _ => {}
    }
    Value::Object(map)
}

fn option(value: i32, text: &str, extra: Option<(&str, Value)>) -> Value {
    let mut option = json!({"Value": value, "Label": label(text), "Description": {"LocalizedLabels": [], "UserLocalizedLabel": null}, "Color": null, "IsManaged": true, "ExternalValue": null, "ParentValues": [], "Tag": null, "IsHidden": false, "MetadataId": null, "HasChanged": null});
    if let (Some((name, value)), Value::Object(map)) = (extra, &mut option) {
        map.insert(name.to_owned(), value);
    }
    option
}

/// Adds the labels of an option in other languages than English.
fn translate(option: &mut Value, translations: Option<&BTreeMap<u32, String>>) {
    let Some(Value::Array(labels)) = option.pointer_mut("/Label/LocalizedLabels") else { return };
    for (language, text) in translations.into_iter().flatten() {
        labels.push(json!({"Label": text, "LanguageCode": language, "IsManaged": false, "MetadataId": Uuid::new_v5(&NAMESPACE, format!("label {language} {text}").as_bytes()), "HasChanged": null}));
    }
}

fn option_set(table: &Table, column: &Column, choice: &Choice) -> Value {
    let options: Vec<Value> = choice
        .options
        .iter()
        .map(|(value, text)| {
            let extra = (choice.role == ChoiceRole::Status).then(|| {
                let state = crate::rules::states::pairs(&table.name)
                    .iter()
                    .find(|(_, statuses)| statuses.contains(&i64::from(*value)))
                    .map_or(0, |(state, _)| *state);
                ("State", json!(state))
            });
            let mut option = option(*value, text, extra);
            translate(&mut option, choice.translations.get(value));
            option
        })
        .collect();
    json!({
        "MetadataId": Uuid::new_v5(&NAMESPACE, format!("options {}.{}", table.name, column.name).as_bytes()),
        "Name": format!("{}_{}", table.name, column.name),
        "IsGlobal": false,
        "IsManaged": true,
        "IsCustomOptionSet": false,
        "OptionSetType": match choice.role { ChoiceRole::Plain => "Picklist", ChoiceRole::State => "State", ChoiceRole::Status => "Status" },
        "DisplayName": label(&column.schema_name),
        "Options": options
    })
}

/// `OptionSetMetadata` of a global choice.
pub(crate) fn global_choice(choice: &GlobalChoice) -> Value {
    json!({
        "@odata.type": "#Microsoft.Dynamics.CRM.OptionSetMetadata",
        "MetadataId": choice.metadata_id(),
        "Name": choice.name,
        "IsGlobal": true,
        "IsManaged": false,
        "IsCustomOptionSet": true,
        "OptionSetType": "Picklist",
        "DisplayName": label(&choice.display_name),
        "Description": label(""),
        "Options": choice.options.iter().map(|(value, text)| option(*value, text, None)).collect::<Vec<_>>()
    })
}

/// `EntityKeyMetadata`.
pub(crate) fn key(table: &Table, key: &AlternateKey) -> Value {
    let columns: Vec<&str> = key.columns.iter().map(|at| table.columns[*at].name.as_str()).collect();
    json!({
        "MetadataId": key.id, "SchemaName": key.name, "LogicalName": key.name.to_lowercase(), "EntityLogicalName": table.name, "KeyAttributes": columns,
        "EntityKeyIndexStatus": "Active", "AsyncJob": null, "IsManaged": false, "DisplayName": label(&key.name), "IsCustomizable": managed(true, "iscustomizable"), "HasChanged": null
    })
}

/// Metadata id of a relationship.
pub(crate) fn relationship_id(referencing: &str, column: &str, referenced: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("relationship {referencing} {column} {referenced}").as_bytes())
}

/// `OneToManyRelationshipMetadata`.
pub(crate) fn one_to_many(schema: &Schema, collection: &Collection) -> Value {
    let id_of =
        |name: &str| schema.position(name).map(|at| schema.table(at)).map(|table| table.columns[table.id].name.clone());
    let delete = match collection.delete {
        crate::schema::Delete::RemoveLink => "RemoveLink",
        crate::schema::Delete::Cascade => "Cascade",
        crate::schema::Delete::Restrict => "Restrict",
    };
    json!({
        "@odata.type": "#Microsoft.Dynamics.CRM.OneToManyRelationshipMetadata",
        "MetadataId": relationship_id(&collection.to, &collection.column, &collection.from),
        "SchemaName": collection.schema_name(),
        "RelationshipType": "OneToManyRelationship",
        "IsCustomRelationship": crate::schema::custom_table(&collection.column),
        "ReferencedEntity": collection.from,
        "ReferencedAttribute": id_of(&collection.from),
        "ReferencedEntityNavigationPropertyName": collection.name,
        "ReferencingEntity": collection.to,
        "ReferencingAttribute": collection.column,
        "ReferencingEntityNavigationPropertyName": collection.partner,
        "CascadeConfiguration": {"Assign": "NoCascade", "Delete": delete, "Merge": "NoCascade", "Reparent": "NoCascade", "Share": "NoCascade", "Unshare": "NoCascade"}
    })
}

/// `ManyToManyRelationshipMetadata`.
pub(crate) fn many_to_many(relation: &ManyToMany) -> Value {
    json!({
        "@odata.type": "#Microsoft.Dynamics.CRM.ManyToManyRelationshipMetadata",
        "MetadataId": Uuid::new_v5(&NAMESPACE, format!("relationship {}", relation.name).as_bytes()),
        "SchemaName": relation.name,
        "RelationshipType": "ManyToManyRelationship",
        "IntersectEntityName": relation.intersect,
        "Entity1LogicalName": relation.first.0,
        "Entity1IntersectAttribute": relation.first.1,
        "Entity1NavigationPropertyName": relation.name,
        "Entity2LogicalName": relation.second.0,
        "Entity2IntersectAttribute": relation.second.1,
        "Entity2NavigationPropertyName": relation.name
    })
}
