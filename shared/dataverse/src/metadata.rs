//! What only the service's own definitions can tell: entity sets, navigation properties, choices, and who we are.

use couplet_model::system::{SystemError, SystemErrorKind};
use couplet_model::table::{FieldType, Side, Table};
use couplet_odata::Request;
use couplet_odata::answer::{typed, typed_list};
use couplet_odata::literal::quoted;
use couplet_odata::query::{Query, any_equal};
use jiff::Timestamp;
use serde::Deserialize;

use crate::client::{DataverseClient, WhoAmI};

/// The definition of a table.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TableDefinition {
    logical_name: String,
    entity_set_name: String,
}

/// The definition of a lookup.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Relationship {
    referencing_attribute: String,
    referencing_entity_navigation_property_name: String,
    referenced_entity: String,
}

/// The definition of a choice column; the choice is its own, or a global one.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ChoiceDefinition {
    option_set: Option<OptionSet>,
    global_option_set: Option<OptionSet>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OptionSet {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    is_global: Option<bool>,
    #[serde(default)]
    options: Vec<ChoiceOption>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ChoiceOption {
    value: Option<i64>,
    label: Option<Label>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Label {
    user_localized_label: Option<LocalizedLabel>,
    #[serde(default)]
    localized_labels: Vec<LocalizedLabel>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LocalizedLabel {
    label: Option<String>,
    language_code: Option<u32>,
}

/// One option of a choice column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OptionRow {
    /// Its number.
    pub number: i64,
    /// Its label in our user's language, else in the first there is.
    pub label: String,
    /// Its labels in other languages.
    pub translations: Vec<String>,
}

/// The options of a choice column.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Options {
    /// The options in their order.
    pub rows: Vec<OptionRow>,
    /// The name of the global choice that the column shares.
    pub global: Option<String>,
    /// The language of the labels.
    pub language: Option<u32>,
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
        let answer = self.call(&Request::get(format!("{}/WhoAmI", self.api))).await?.json();
        typed(Side::Dataverse, "WhoAmI", answer)
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
        known.ok_or_else(|| {
            protocol(format!(
                "this Dataverse environment has no table {}: install the solution that brings it, or stop the job that needs it",
                table.name
            ))
        })
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
        for table in typed_list::<TableDefinition>(Side::Dataverse, "the tables", page)? {
            self.learn().learn_entity_set(&table.logical_name, &table.entity_set_name);
        }
        Ok(())
    }

    /// Reads the navigation properties of a table's lookups, once.
    pub(crate) async fn learn_lookups(&self, table: &Table) -> Result<(), SystemError> {
        if !self.learn().begin_lookups(&table.name) {
            return Ok(());
        }
        let url = Query::new()
            .select(&["ReferencingAttribute", "ReferencingEntityNavigationPropertyName", "ReferencedEntity"])
            .on(&format!("{}/EntityDefinitions(LogicalName={})/ManyToOneRelationships", self.api, quoted(&table.name)));
        let page = self.call(&Request::get(url)).await?.json();
        let lookups = format!("the lookups of {}", table.name);
        for lookup in typed_list::<Relationship>(Side::Dataverse, &lookups, page)? {
            let (column, target) = (&lookup.referencing_attribute, &lookup.referenced_entity);
            let name = &lookup.referencing_entity_navigation_property_name;
            if let Some(FieldType::Lookup { targets }) = table.column(column).map(|column| &column.field) {
                self.learn().learn_navigation(&table.name, column, target, targets.len() > 1, name);
            }
        }
        Ok(())
    }

    /// The options of a choice column, and the service's time.
    ///
    /// # Errors
    /// When there is no such column, or it cannot be read.
    pub(crate) async fn read_options(
        &self,
        table: &str,
        column: &str,
    ) -> Result<(Options, Option<Timestamp>), SystemError> {
        let kind = match column {
            "statecode" => "StateAttributeMetadata",
            "statuscode" => "StatusAttributeMetadata",
            _ => "PicklistAttributeMetadata",
        };
        let expand = if kind == "PicklistAttributeMetadata" { "OptionSet,GlobalOptionSet" } else { "OptionSet" };
        let path = format!(
            "{}/EntityDefinitions(LogicalName={})/Attributes(LogicalName={})/Microsoft.Dynamics.CRM.{kind}",
            self.api,
            quoted(table),
            quoted(column)
        );
        let url = Query::new().select(&["LogicalName"]).option("$expand", expand).on(&path);
        let reply = self.call(&Request::get(url)).await?;
        let at = reply.date();
        let choice = typed(Side::Dataverse, &format!("the options of {column}"), reply.json())?;
        Ok((options(&choice), at))
    }
}

/// The options of a choice, its own or the global one that it shares.
fn options(choice: &ChoiceDefinition) -> Options {
    let shares = choice.global_option_set.is_some();
    let sets = || [choice.option_set.as_ref(), choice.global_option_set.as_ref()].into_iter().flatten();
    let global = sets().find(|set| set.is_global == Some(true) || shares).and_then(|set| set.name.clone());
    let Some(set) = sets().find(|set| !set.options.is_empty()) else { return Options { global, ..Options::default() } };
    let row = |option: &ChoiceOption| {
        let label = option.label.as_ref()?;
        Some(OptionRow {
            number: option.value?,
            label: label.text().unwrap_or_default(),
            translations: label.translations(),
        })
    };
    let language = set.options.iter().find_map(|option| option.label.as_ref()?.language());
    Options { rows: set.options.iter().filter_map(row).collect(), global, language }
}

impl Label {
    /// The label in our user's language, else in the first there is.
    fn text(&self) -> Option<String> {
        self.shown()?.label.clone()
    }

    fn language(&self) -> Option<u32> {
        self.shown()?.language_code
    }

    /// The labels in other languages than the one that is shown.
    fn translations(&self) -> Vec<String> {
        let shown = self.language();
        let others = self.localized_labels.iter().filter(|label| label.language_code != shown);
        others.filter_map(|label| label.label.clone()).collect()
    }

    fn shown(&self) -> Option<&LocalizedLabel> {
        let own = self.user_localized_label.as_ref().filter(|label| label.label.is_some());
        own.or_else(|| self.localized_labels.first())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rows(attribute: serde_json::Value) -> Vec<OptionRow> {
        options(&typed(Side::Dataverse, "a choice", attribute).expect("a choice")).rows
    }

    fn read(attribute: serde_json::Value) -> Vec<(i64, String)> {
        rows(attribute).into_iter().map(|row| (row.number, row.label)).collect()
    }

    #[test]
    fn an_option_has_a_label_in_each_language_and_ours_comes_first() {
        let label = |text: &str, language: u32| json!({"Label": text, "LanguageCode": language});
        let both = json!({"LocalizedLabels": [label("14 days", 1033), label("14 Tage", 1031)],
                          "UserLocalizedLabel": label("14 Tage", 1031)});
        let read = rows(json!({"OptionSet": {"Options": [{"Value": 7, "Label": both}]}}));
        let (label, translations) = ("14 Tage".to_owned(), vec!["14 days".to_owned()]);
        assert_eq!(read, [OptionRow { number: 7, label, translations }]);
    }

    #[test]
    fn labels_come_from_the_own_or_the_global_choice() {
        let option =
            json!({"Value": 3, "Label": {"LocalizedLabels": [{"Label": "Net 45"}], "UserLocalizedLabel": null}});
        let own = json!({"OptionSet": {"Options": [
            {"Value": 1, "Label": {"LocalizedLabels": [], "UserLocalizedLabel": {"Label": "Net 30"}}}, option]}});
        assert_eq!(read(own), [(1, "Net 30".to_owned()), (3, "Net 45".to_owned())]);
        let global = json!({"OptionSet": null, "GlobalOptionSet": {"Options": [option]}});
        assert_eq!(read(global), [(3, "Net 45".to_owned())]);
        assert!(read(json!({})).is_empty());
    }
}
