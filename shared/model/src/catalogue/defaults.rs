//! Names and numbers the set-up starts with.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::error::CatalogueError;
use super::files::{self, NamedFile};

/// Names and numbers the set-up starts with. Placeholders in names are filled in by the methods.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    price_lists: PriceLists,
    naming: Naming,
    products: Products,
    /// How exchange rates are kept.
    pub currency: Map<String, Json>,
    /// The switches of the built-in connection set-up and their defaults.
    pub switches: Map<String, Json>,
    /// Retry and inactivity defaults of jobs.
    pub jobs: Map<String, Json>,
    /// What the two cursors compare.
    pub watermarks: Map<String, Json>,
    /// Values of the conflict rules.
    pub conflict_defaults: Map<String, Json>,
    /// What a full synchronization leaves out.
    pub full_sync: Map<String, Json>,
    /// How a run over all mappings is ordered.
    pub run_all: Map<String, Json>,
    /// Ids per query of an explicit list (R34).
    pub id_filter_batch: usize,
    /// Company filter and the tables whose company is reset on uncoupling.
    pub company: Map<String, Json>,
    /// Where the default directions of the original have gaps.
    pub default_direction_gaps: Map<String, Json>,
    /// Caption prefixes of the two layers.
    pub caption_prefix: Map<String, Json>,
    /// Tables of Business Central by table of Dataverse.
    pub entity_names: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Debug, Deserialize)]
struct PriceLists {
    default_name: String,
    default_name_when_taken_in_other_currency: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Naming {
    single_unit_group: String,
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
