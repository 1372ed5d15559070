//! What only the service's own definitions can tell: entity sets, navigation properties, choices, and who we are.

use couplet_model::system::{SystemError, SystemErrorKind};
use couplet_model::table::{FieldType, Side, Table};
use couplet_odata::Request;
use couplet_odata::literal::quoted;
use couplet_odata::query::{Query, any_equal};
use serde_json::Value as Json;
use uuid::Uuid;

use crate::client::{DataverseClient, WhoAmI};
use crate::reading::rows;

fn text<'a>(json: &'a Json, name: &str) -> Option<&'a str> {
    json.get(name).and_then(Json::as_str)
}

/// An error that names tables and columns only.
fn protocol(message: impl Into<String>) -> SystemError {
    SystemError::new(Side::Dataverse, SystemErrorKind::Protocol, "", couplet_model::Said::safe(message))
}

impl DataverseClient {
    /// Who the application is in Dataverse.
    ///
    /// # Errors
    /// When it cannot be asked, or the application has no user there.
    pub async fn who_am_i(&self) -> Result<WhoAmI, SystemError> {
        let body = self.call(&Request::get(format!("{}/WhoAmI", self.api))).await?.json();
        let id = |name: &str| {
            text(&body, name)
                .and_then(|id| Uuid::parse_str(id).ok())
                .ok_or_else(|| protocol(format!("WhoAmI does not tell {name}")))
        };
        Ok(WhoAmI {
            user_id: id("UserId")?,
            organization_id: id("OrganizationId")?,
            business_unit_id: id("BusinessUnitId")?,
        })
    }

    /// The entity set of a table: from the catalogue, else from the service.
    pub(crate) async fn entity_set(&self, table: &Table) -> Result<String, SystemError> {
        if let Some(set) = &table.entity_set {
            return Ok(set.clone());
        }
        if let Some(set) = self.learned().entity_set(&table.name) {
            return Ok(set.to_owned());
        }
        self.learn_entity_sets(std::slice::from_ref(&table.name)).await?;
        let known = self.learned().entity_set(&table.name).map(str::to_owned);
        known.ok_or_else(|| protocol(format!("this Dataverse environment has no table {}", table.name)))
    }

    /// Asks for the entity sets of those tables that are not known yet.
    pub(crate) async fn learn_entity_sets(&self, tables: &[String]) -> Result<(), SystemError> {
        let mut unknown: Vec<String> = Vec::new();
        for table in tables {
            if self.learned().entity_set(table).is_none() && !unknown.contains(table) {
                unknown.push(table.clone());
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = unknown.iter().map(|table| quoted(table)).collect();
        let url = Query::new()
            .select(&["LogicalName", "EntitySetName"])
            .option("$filter", any_equal("LogicalName", &names))
            .on(&format!("{}/EntityDefinitions", self.api));
        let page = self.call(&Request::get(url)).await?.json();
        for row in rows(&page)? {
            if let (Some(table), Some(set)) = (text(row, "LogicalName"), text(row, "EntitySetName")) {
                self.learn().learn_entity_set(table, set);
            }
        }
        Ok(())
    }

    /// Reads the navigation properties of a table's lookups, once.
    pub(crate) async fn heal_navigation(&self, table: &Table) -> Result<(), SystemError> {
        if !self.learn().begin_healing(&table.name) {
            return Ok(());
        }
        let url = Query::new()
            .select(&["ReferencingAttribute", "ReferencingEntityNavigationPropertyName", "ReferencedEntity"])
            .on(&format!("{}/EntityDefinitions(LogicalName={})/ManyToOneRelationships", self.api, quoted(&table.name)));
        let page = self.call(&Request::get(url)).await?.json();
        for row in rows(&page)? {
            let (column, name, target) = (
                text(row, "ReferencingAttribute"),
                text(row, "ReferencingEntityNavigationPropertyName"),
                text(row, "ReferencedEntity"),
            );
            let (Some(column), Some(name), Some(target)) = (column, name, target) else { continue };
            if let Some(FieldType::Lookup { targets }) = table.column(column).map(|column| &column.field) {
                self.learn().learn_navigation(&table.name, column, target, targets.len() > 1, name);
            }
        }
        Ok(())
    }

    pub(crate) async fn read_option_labels(
        &self,
        table: &Table,
        column: &str,
    ) -> Result<Vec<(i64, String)>, SystemError> {
        let kind = match column {
            "statecode" => "StateAttributeMetadata",
            "statuscode" => "StatusAttributeMetadata",
            _ => "PicklistAttributeMetadata",
        };
        let expand = if kind == "PicklistAttributeMetadata" { "OptionSet,GlobalOptionSet" } else { "OptionSet" };
        let path = format!(
            "{}/EntityDefinitions(LogicalName={})/Attributes(LogicalName={})/Microsoft.Dynamics.CRM.{kind}",
            self.api,
            quoted(&table.name),
            quoted(column)
        );
        let url = Query::new().select(&["LogicalName"]).option("$expand", expand).on(&path);
        let body = self.call(&Request::get(url)).await?.json();
        Ok(labels(&body))
    }
}

/// Numbers and labels of a choice, its own or the global one behind it.
fn labels(attribute: &Json) -> Vec<(i64, String)> {
    let options = ["OptionSet", "GlobalOptionSet"]
        .iter()
        .find_map(|set| attribute.get(set)?.get("Options")?.as_array().filter(|options| !options.is_empty()));
    let label = |option: &Json| {
        let label = option.get("Label")?;
        let own = label.get("UserLocalizedLabel").and_then(|label| text(label, "Label"));
        let any = || text(label.get("LocalizedLabels")?.get(0)?, "Label");
        Some((option.get("Value")?.as_i64()?, own.or_else(any).unwrap_or_default().to_owned()))
    };
    options.map(|options| options.iter().filter_map(label).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn labels_come_from_the_own_or_the_global_choice() {
        let option =
            json!({"Value": 3, "Label": {"LocalizedLabels": [{"Label": "Net 45"}], "UserLocalizedLabel": null}});
        let own = json!({"OptionSet": {"Options": [
            {"Value": 1, "Label": {"LocalizedLabels": [], "UserLocalizedLabel": {"Label": "Net 30"}}}, option]}});
        assert_eq!(labels(&own), [(1, "Net 30".to_owned()), (3, "Net 45".to_owned())]);
        let global = json!({"OptionSet": null, "GlobalOptionSet": {"Options": [option]}});
        assert_eq!(labels(&global), [(3, "Net 45".to_owned())]);
        assert!(labels(&json!({})).is_empty());
    }
}
