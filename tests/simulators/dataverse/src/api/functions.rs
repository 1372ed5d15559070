//! Functions: who am I, which version, which organization.

use serde_json::json;

use super::Context;
use crate::wire::error::{ApiError, ApiResult};
use crate::wire::request::ApiResponse;

/// Version the simulator claims to be.
pub(crate) const VERSION: &str = "9.2.25034.00156";

/// Answers a function; `None` when the request is none.
pub(crate) fn get(context: &Context<'_>) -> ApiResult<Option<ApiResponse>> {
    let [segment] = context.target.segments.as_slice() else { return Ok(None) };
    let name = segment.name.trim_start_matches("Microsoft.Dynamics.CRM.");
    let fixed = context.world.fixed;
    let context_url = |kind: &str| format!("{}/$metadata#Microsoft.Dynamics.CRM.{kind}", context.api());
    let value = match name {
        "WhoAmI" => {
            let unit = unit_of(context);
            json!({"@odata.context": context_url("WhoAmIResponse"), "BusinessUnitId": unit, "UserId": context.request.caller, "OrganizationId": fixed.organization})
        }
        "RetrieveVersion" => json!({"@odata.context": context_url("RetrieveVersionResponse"), "Version": VERSION}),
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
            let names: Vec<String> = context.target.aliases().values().flat_map(|list| list.trim_matches(['[', ']']).split(',').map(|name| name.trim_matches(['"', '\'', ' ']).to_owned()).collect::<Vec<_>>()).collect();
            let mut counts = Vec::new();
            for name in &names {
                let table = store.schema.position(name).ok_or_else(|| ApiError::new(404, "0x80040217", format!("Could not find an entity with name {name}.")))?;
                counts.push(store.rows(table).len());
            }
            json!({"@odata.context": context_url("RetrieveTotalRecordCountResponse"), "EntityRecordCountCollection": {"Count": names.len(), "IsReadOnly": false, "Keys": names, "Values": counts}})
        }
        _ => return Ok(None),
    };
    Ok(Some(ApiResponse::value(200, &value)))
}

fn unit_of(context: &Context<'_>) -> uuid::Uuid {
    let store = context.world.read();
    let found = store.schema.position("systemuser").and_then(|users| store.get(users, context.request.caller)?.get(store.schema.table(users).column("businessunitid")?)?.id());
    found.unwrap_or(context.world.fixed.business_unit)
}
