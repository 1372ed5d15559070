//! Names and numbers the set-up starts with.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::error::CatalogueError;
use super::files::{self, NamedFile};

/// Names and numbers the set-up starts with. Placeholders in names are filled in by the methods. What begins with `_` is kept for
/// readers and read by nothing.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    price_lists: PriceLists,
    naming: Naming,
    products: Products,
    /// How exchange rates are kept.
    #[serde(rename = "currency")]
    _currency: Map<String, Json>,
    /// The switches of the built-in connection set-up and their defaults.
    #[serde(rename = "switches")]
    _switches: Map<String, Json>,
    /// Retry and inactivity defaults of jobs.
    #[serde(rename = "jobs")]
    _jobs: Map<String, Json>,
    /// What the two cursors compare.
    #[serde(rename = "watermarks")]
    _watermarks: Map<String, Json>,
    /// Values of the conflict rules.
    #[serde(rename = "conflict_defaults")]
    _conflict_defaults: Map<String, Json>,
    /// What a full synchronization leaves out.
    #[serde(rename = "full_sync")]
    _full_sync: Map<String, Json>,
    /// How a run over all mappings is ordered.
    #[serde(rename = "run_all")]
    _run_all: Map<String, Json>,
    /// Ids per query of an explicit list (R34).
    #[serde(rename = "id_filter_batch")]
    _id_filter_batch: usize,
    /// Company filter and the tables whose company is reset on uncoupling.
    #[serde(rename = "company")]
    _company: Map<String, Json>,
    /// Where the default directions of the original have gaps.
    #[serde(rename = "default_direction_gaps")]
    _default_direction_gaps: Map<String, Json>,
    /// Caption prefixes of the two layers.
    #[serde(rename = "caption_prefix")]
    _caption_prefix: Map<String, Json>,
    /// Tables of Business Central by table of Dataverse.
    #[serde(rename = "entity_names")]
    _entity_names: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Debug, Deserialize)]
struct PriceLists {
    default_name: String,
    default_name_when_taken_in_other_currency: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Naming {
    single_unit_group: String,
    item_unit_group: String,
    resource_unit_group: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Products {
    decimals_supported: i64,
}

impl Defaults {
    /// The names of the default price list, in order of preference (S208, S209).
    pub fn price_list_names(&self, product: &str, local_currency: &str) -> [String; 2] {
        let fill =
            |pattern: &str| pattern.replace("{BC short product name}", product).replace("{LCY code}", local_currency);
        [fill(&self.price_lists.default_name), fill(&self.price_lists.default_name_when_taken_in_other_currency)]
    }

    /// The name of the unit group of a unit of measure (S214).
    pub fn unit_group_name(&self, code: &str) -> String {
        self.naming.single_unit_group.replace("{unit code}", code)
    }

    /// The name of the unit group of the item with a number (S219).
    pub fn item_unit_group_name(&self, number: &str) -> String {
        self.naming.item_unit_group.replace("{item no.}", number)
    }

    /// The name of the unit group of the resource with a number (S219).
    pub fn resource_unit_group_name(&self, number: &str) -> String {
        self.naming.resource_unit_group.replace("{resource no.}", number)
    }

    /// Decimals of quantities of a new product (S203).
    pub fn quantity_decimals(&self) -> i64 {
        self.products.decimals_supported
    }
}

/// Reads the defaults.
pub fn load(file: &NamedFile) -> Result<Defaults, CatalogueError> {
    let defaults: Defaults = files::parse(file)?;
    for (pattern, placeholder) in [
        (&defaults.price_lists.default_name, "{BC short product name}"),
        (&defaults.price_lists.default_name_when_taken_in_other_currency, "{LCY code}"),
        (&defaults.naming.single_unit_group, "{unit code}"),
        (&defaults.naming.item_unit_group, "{item no.}"),
        (&defaults.naming.resource_unit_group, "{resource no.}"),
    ] {
        if !pattern.contains(placeholder) {
            return Err(CatalogueError::of_file(
                &file.name,
                format!("the name \"{pattern}\" needs the placeholder {placeholder}"),
            ));
        }
    }
    Ok(defaults)
}
