//! Functions: who am I, which version, which organization.

use serde_json::{Value, json};

use super::{Context, unsupported};
use crate::schema::privileges;
use crate::wire::error::{ApiError, ApiResult};
use crate::wire::request::ApiResponse;

/// Version the simulator claims to be.
pub(crate) const VERSION: &str = "9.2.25034.00156";

/// Answers a function; `None` when the request is none.
pub(crate) fn get(context: &Context<'_>) -> ApiResult<Option<ApiResponse>> {
    let segment = match context.target.segments.as_slice() {
        [segment] => segment,
        [set, function]
            if set.name == "systemusers" && function.name.ends_with("RetrievePrincipalAttributePrivileges") =>
        {
            return attribute_privileges(context).map(Some);
        }
        [set, function] if set.name == "systemusers" && function.name.ends_with("RetrieveUserPrivileges") => {
            return user_privileges(context).map(Some);
        }
        [.., last] => {
            let name = last.name.strip_prefix("Microsoft.Dynamics.CRM.");
            return name.and_then(unsupported::function).map_or(Ok(None), Err);
        }
        [] => return Ok(None),
    };
    let name = segment.name.trim_start_matches("Microsoft.Dynamics.CRM.");
    let fixed = context.world.fixed;
    let context_url = |kind: &str| format!("{}/$metadata#Microsoft.Dynamics.CRM.{kind}", context.api());
    let value = match name {
        "WhoAmI" => {
            let unit = unit_of(context);
            json!({"@odata.context": context_url("WhoAmIResponse"), "BusinessUnitId": unit, "UserId": context.request.caller, "OrganizationId": fixed.organization})
        }
        "RetrieveVersion" => {
            json!({"@odata.context": context_url("RetrieveVersionResponse"), "Version": VERSION})
        }
        "RetrieveCurrentOrganization" => {
            let url = context.world.url();
            json!({
                "@odata.context": context_url("RetrieveCurrentOrganizationResponse"),
                "Detail": {
                    "OrganizationId": fixed.organization, "FriendlyName": "Dataverse simulator", "OrganizationVersion": VERSION,
                    "EnvironmentId": fixed.organization, "DatacenterId": fixed.tenant, "Geo": "EMEA", "TenantId": fixed.tenant,
                    "UrlName": "simulator", "UniqueName": "simulator", "State": "Enabled", "SchemaType": "Full", "OrganizationType": "Developer",
                    "Endpoints": {"Count": 3, "IsReadOnly": false, "Keys": ["WebApplication", "OrganizationService", "OrganizationDataService"], "Values": [url, format!("{url}/XRMServices/2011/Organization.svc"), format!("{url}/XRMServices/2011/OrganizationData.svc")]}
                }
            })
        }
        "RetrieveTotalRecordCount" => {
            let store = context.world.read();
            let names: Vec<String> = context
                .target
                .aliases()
                .values()
                .flat_map(|list| {
                    list.trim_matches(['[', ']'])
                        .split(',')
                        .map(|name| name.trim_matches(['"', '\'', ' ']).to_owned())
                        .collect::<Vec<_>>()
                })
                .collect();
            let mut counts = Vec::new();
            for name in &names {
                let table = store.schema.position(name).ok_or_else(|| {
                    ApiError::new(404, "0x80040217", format!("Could not find an entity with name {name}."))
                })?;
                counts.push(store.rows(table).len());
            }
            json!({"@odata.context": context_url("RetrieveTotalRecordCountResponse"), "EntityRecordCountCollection": {"Count": names.len(), "IsReadOnly": false, "Keys": names, "Values": counts}})
        }
        "RetrieveAvailableLanguages" => {
            json!({"@odata.context": context_url("RetrieveAvailableLanguagesResponse"), "LocaleIds": [1033]})
        }
        "RetrieveMetadataChanges" => return metadata_changes(context).map(Some),
        other => return unsupported::function(other).map_or(Ok(None), Err),
    };
    Ok(Some(ApiResponse::value(200, &value)))
}

/// What the user may do with the secured columns of all tables. 4 is allowed, 0 is not.
fn attribute_privileges(context: &Context<'_>) -> ApiResult<ApiResponse> {
    let store = context.world.read();
    let level = |allowed: bool| if allowed { 4 } else { 0 };
    let mut privileges = Vec::new();
    for table in store.schema.living() {
        for column in table.living_columns() {
            if let Some(security) = column.security.filter(|security| !security.undeclared) {
                privileges.push(json!({
                    "AttributeId": table.column_metadata_id(column),
                    "CanRead": level(security.read), "CanCreate": level(security.create), "CanUpdate": level(security.update),
                    "CanReadUnmasked": level(security.read),
                }));
            }
        }
    }
    let kind = "RetrievePrincipalAttributePrivilegesResponse";
    let context_url = format!("{}/$metadata#Microsoft.Dynamics.CRM.{kind}", context.api());
    Ok(ApiResponse::value(200, &json!({"@odata.context": context_url, "AttributePrivileges": privileges})))
}

/// The privileges that roles give the user: all there are, but for those that were taken.
fn user_privileges(context: &Context<'_>) -> ApiResult<ApiResponse> {
    let (store, taken) = (context.world.read(), context.world.faults.taken_privileges());
    let mut given = Vec::new();
    for table in store.schema.living() {
        for kind in privileges::KINDS {
            if !taken.contains(&(kind.to_owned(), table.name.clone())) {
                given.push(json!({
                    "Depth": "Global", "PrivilegeId": privileges::id(kind, table), "BusinessUnitId": unit_of(context),
                    "PrivilegeName": privileges::name(kind, table), "RecordFilterId": uuid::Uuid::nil(),
                    "RecordFilterUniqueName": "",
                }));
            }
        }
    }
    let kind = "RetrieveUserPrivilegesResponse";
    let context_url = format!("{}/$metadata#Microsoft.Dynamics.CRM.{kind}", context.api());
    Ok(ApiResponse::value(200, &json!({"@odata.context": context_url, "RolePrivileges": given})))
}

fn unit_of(context: &Context<'_>) -> uuid::Uuid {
    let store = context.world.read();
    let found = store.schema.position("systemuser").and_then(|users| {
        store.get(users, context.request.caller)?.get(store.schema.table(users).column("businessunitid")?)?.id()
    });
    found.unwrap_or(context.world.fixed.business_unit)
}

/// `RetrieveMetadataChanges(Query=@p1)`: tables and columns by name, narrowed to the properties asked for.
fn metadata_changes(context: &Context<'_>) -> ApiResult<ApiResponse> {
    let aliases = context.target.aliases();
    let text = aliases.values().next().ok_or_else(|| ApiError::odata("The parameter 'Query' is missing."))?;
    let query: Value = serde_json::from_str(text)
        .map_err(|error| ApiError::odata(format!("The parameter 'Query' is not JSON: {error}")))?;
    let store = context.world.read();
    let schema = &store.schema;
    let mut entities = Vec::new();
    for table in schema.living() {
        let entity = super::describe::entity(table);
        if !meets(&entity, query.get("Criteria"))? {
            continue;
        }
        let mut shown = projected(entity, query.get("Properties"));
        let attribute_query = query.get("AttributeQuery");
        let mut attributes = Vec::new();
        for column in table.living_columns() {
            let attribute = super::describe::attribute(schema, table, column);
            if meets(&attribute, attribute_query.and_then(|query| query.get("Criteria")))? {
                attributes.push(projected(attribute, attribute_query.and_then(|query| query.get("Properties"))));
            }
        }
        if let (Value::Object(map), Some(_)) = (&mut shown, attribute_query) {
            map.insert("Attributes".to_owned(), Value::Array(attributes));
        }
        entities.push(shown);
    }
    let kind = "Microsoft.Dynamics.CRM.RetrieveMetadataChangesResponse";
    let answer = json!({"@odata.context": format!("{}/$metadata#{kind}", context.api()), "ServerVersionStamp": format!("{}!{}", store.version(), context.world.now()), "EntityMetadata": entities, "DeletedMetadata": null});
    Ok(ApiResponse::value(200, &answer))
}

fn meets(item: &Value, criteria: Option<&Value>) -> ApiResult<bool> {
    let conditions =
        criteria.and_then(|criteria| criteria.get("Conditions")).and_then(Value::as_array).cloned().unwrap_or_default();
    for condition in &conditions {
        let name = condition.get("PropertyName").and_then(Value::as_str).unwrap_or_default();
        let wanted = condition.pointer("/Value/Value").unwrap_or(&Value::Null);
        let found = item.get(name).unwrap_or(&Value::Null);
        let listed = |text: &str| {
            wanted.as_array().is_some_and(|values| values.iter().any(|value| value.as_str() == Some(text)))
                || wanted.as_str().is_some_and(|values| values.split(',').any(|value| value.trim() == text))
        };
        let holds = match condition.get("ConditionOperator").and_then(Value::as_str) {
            Some("Equals") => plain_text(found) == plain_text(wanted),
            Some("NotEquals") => plain_text(found) != plain_text(wanted),
            Some("In") => listed(&plain_text(found)),
            Some("NotIn") => !listed(&plain_text(found)),
            other => {
                return Err(ApiError::not_supported(&format!(
                    "The metadata condition operator {}",
                    other.unwrap_or("(none)")
                )));
            }
        };
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}

fn plain_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn projected(mut item: Value, properties: Option<&Value>) -> Value {
    let names: Vec<String> = properties
        .and_then(|properties| properties.get("PropertyNames"))
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .unwrap_or_default();
    if let (Value::Object(map), false) = (&mut item, names.is_empty()) {
        map.retain(|name, _| {
            names.iter().any(|wanted| wanted == name)
                || matches!(name.as_str(), "MetadataId" | "@odata.type" | "LogicalName")
        });
    }
    item
}
