//! Templates: values given to new records, chosen by priority and filter (R157).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::active::{FilterContext, filled_in};
use super::files::ConditionFile;
use super::mapping::FilterTemplate;
use crate::message::Direction;
use crate::record::Record;
use crate::table::Column;
use crate::value::Value;

/// A template as a file writes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateFile {
    /// Its place: the lowest comes first.
    pub priority: u32,
    /// The direction in which records are created with it.
    pub direction: Direction,
    /// The source records it is for; all if left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filter: Vec<ConditionFile>,
    /// What new records hold, by column of the destination.
    pub values: BTreeMap<String, Json>,
}

/// A template.
#[derive(Clone, Debug)]
pub struct Template {
    /// Its place: the lowest comes first.
    pub priority: u32,
    /// The direction in which records are created with it.
    pub direction: Direction,
    /// The source records it is for.
    pub filter: FilterTemplate,
    /// What new records hold.
    pub values: Vec<(Arc<Column>, Value)>,
}

/// The template of a new record: the first, by ascending priority, whose filter is empty or matches the source (R157).
pub fn template_of<'t>(
    templates: &'t [Template],
    direction: Direction,
    source: &Record,
    context: FilterContext,
) -> Option<&'t Template> {
    templates
        .iter()
        .find(|template| template.direction == direction && filled_in(&template.filter, context).matches(source))
}

/// Puts the templates of a mapping in the order in which they are looked through.
///
/// # Errors
/// When two of a direction have the same priority: which of them came first would be an accident.
pub(super) fn put_in_order(templates: &mut [Template]) -> Result<(), String> {
    templates.sort_by_key(|template| (template.direction, template.priority));
    let twin = templates.windows(2).find(|pair| {
        let [one, other] = pair else { return false };
        one.direction == other.direction && one.priority == other.priority
    });
    match twin {
        Some([one, _]) => {
            Err(format!("two templates {} have the priority {}; give each its own", one.direction, one.priority))
        }
        _ => Ok(()),
    }
}
