//! The raw shape of the catalogue files: what may be written in them, and nothing else.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::embedded;
use super::error::CatalogueError;
use super::lines::LinesFile;
use super::named_rows::NamedRowsFile;
use super::rules::RulesId;
use super::transformation::Transformation;
use crate::message::Direction;
use crate::switches::When;

/// A file with its name in messages.
#[derive(Clone)]
pub struct NamedFile {
    /// Path below the catalogue folder.
    pub name: String,
    /// JSON text.
    pub text: String,
}

/// All files of a catalogue.
#[derive(Clone)]
pub struct Files {
    pub business_central: NamedFile,
    pub dataverse: NamedFile,
    pub jobs: NamedFile,
    pub defaults: NamedFile,
    pub mappings: Vec<NamedFile>,
}

/// Their number alone: the texts are long.
impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Files of {} mappings", self.mappings.len())
    }
}

impl Files {
    /// The files that are part of the binary.
    pub fn embedded() -> Self {
        let named = |(name, text): embedded::EmbeddedFile| NamedFile { name: name.to_owned(), text: text.to_owned() };
        Self {
            business_central: named(embedded::BUSINESS_CENTRAL),
            dataverse: named(embedded::DATAVERSE),
            jobs: named(embedded::JOBS),
            defaults: named(embedded::DEFAULTS),
            mappings: embedded::MAPPINGS.iter().map(|file| named(*file)).collect(),
        }
    }

    /// The files of a folder.
    pub fn read(directory: &Path) -> Result<Self, CatalogueError> {
        let read = |name: &str| {
            let path = directory.join(name);
            std::fs::read_to_string(&path).map(|text| NamedFile { name: path.display().to_string(), text }).map_err(
                |error| CatalogueError::of_file(&path.display().to_string(), format!("cannot be read: {error}")),
            )
        };
        let folder = directory.join("mappings");
        let unreadable = |error: std::io::Error| {
            CatalogueError::of_file(&folder.display().to_string(), format!("cannot be read: {error}"))
        };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned();
            if name.ends_with(".json") {
                names.push(format!("mappings/{name}"));
            }
        }
        names.sort();
        Ok(Self {
            business_central: read("tables/business-central.json")?,
            dataverse: read("tables/dataverse.json")?,
            jobs: read("jobs.json")?,
            defaults: read("defaults.json")?,
            mappings: names.iter().map(|name| read(name)).collect::<Result<_, _>>()?,
        })
    }
}

/// Reads one file, naming line and column of what does not fit.
pub fn parse<T: for<'a> Deserialize<'a>>(file: &NamedFile) -> Result<T, CatalogueError> {
    serde_json::from_str(&file.text).map_err(|error| CatalogueError::of_file(&file.name, format!("damaged: {error}")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BcTables {
    pub tables: Vec<BcTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BcTable {
    pub name: String,
    #[serde(default, rename = "number")]
    pub _number: Option<u32>,
    pub primary_key: Vec<String>,
    pub standard: Option<EntitySet>,
    pub companion: Option<EntitySet>,
    /// What a record is known by, where its key alone does not tell.
    #[serde(default)]
    pub label: Option<String>,
    #[serde(default, rename = "note")]
    pub _note: Option<String>,
    pub properties: Vec<BcProperty>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntitySet {
    pub entity_set: String,
    #[serde(default, rename = "entity")]
    pub _entity: Option<String>,
    #[serde(rename = "insert")]
    pub _insert: bool,
    #[serde(rename = "modify")]
    pub _modify: bool,
    #[serde(rename = "delete")]
    pub _delete: bool,
    /// Whether a POST may carry the id of the new record.
    #[serde(default)]
    pub takes_id: bool,
    /// The records below which new ones of this table are posted, as lines are below their document.
    #[serde(default)]
    pub under: Option<Under>,
}

/// The records below which those of a table are posted.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Under {
    pub entity_set: String,
    /// The column that names the record above.
    pub column: String,
}

/// One of Business Central's two APIs.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadOnlyOn {
    Standard,
    Companion,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BcProperty {
    pub name: String,
    pub field: Option<String>,
    #[serde(rename = "type")]
    pub field_type: String,
    #[serde(default)]
    pub length: Option<usize>,
    #[serde(default)]
    pub values: Vec<String>,
    pub standard: bool,
    pub companion: bool,
    pub editable: bool,
    #[serde(default)]
    pub computed: bool,
    /// The API that shows an editable property, but does not take it.
    #[serde(default)]
    pub read_only_on: Option<ReadOnlyOn>,
    /// Whether the companion page keeps the table's validation away from records that are not inserted yet.
    #[serde(default, rename = "deferred")]
    pub _deferred: bool,
    /// Whether the table lets nobody edit the field, which a control of a page that says nothing takes over.
    #[serde(default, rename = "closed_in_table")]
    pub _closed_in_table: bool,
    /// Whether the companion page opens such a field.
    #[serde(default, rename = "opened")]
    pub _opened: bool,
    /// Whether the companion page sets a given value again that the table replaces when it inserts the record.
    #[serde(default, rename = "kept_after_insert")]
    pub _kept_after_insert: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DvTables {
    pub tables: Vec<DvTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DvTable {
    pub name: String,
    pub entity_set: Option<String>,
    pub id: Option<String>,
    pub modified_on: Option<String>,
    pub primary_name: Option<String>,
    pub display_column: Option<String>,
    pub company_column: Option<String>,
    /// `false` for a table of the service that takes no upsert.
    pub takes_upsert: Option<bool>,
    #[serde(rename = "reset_company_on_uncouple")]
    pub _reset_company_on_uncouple: bool,
    #[serde(default, rename = "note")]
    pub _note: Option<String>,
    pub columns: Vec<DvColumn>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DvColumn {
    pub name: String,
    #[serde(rename = "type")]
    pub field_type: String,
    #[serde(default)]
    pub length: Option<usize>,
    #[serde(default)]
    pub targets: Vec<String>,
    #[serde(default, rename = "kind")]
    pub _kind: Option<String>,
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    #[serde(default, rename = "values")]
    pub _values: Vec<String>,
    #[serde(default)]
    pub access: Option<String>,
    #[serde(default, rename = "navigation")]
    pub _navigation: Option<Json>,
    #[serde(default, rename = "extensible_options")]
    pub _extensible_options: bool,
    #[serde(default, rename = "date_only")]
    pub _date_only: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MappingFile {
    pub name: String,
    #[serde(default)]
    pub variant: Option<String>,
    #[serde(rename = "layer")]
    pub _layer: String,
    pub kind: String,
    pub rules: RulesId,
    pub business_central_table: String,
    pub dataverse_table: String,
    #[serde(default)]
    pub option_column: Option<String>,
    #[serde(default)]
    pub option_mirrors: BTreeMap<String, String>,
    pub direction: String,
    /// The part of its direction that an installation lets it travel.
    #[serde(default)]
    pub travels: Option<String>,
    pub only_coupled: bool,
    pub when: Option<When>,
    pub dependencies: Vec<String>,
    pub dependencies_when: BTreeMap<When, Vec<String>>,
    pub order: Order,
    pub update_conflict: String,
    pub deletion_conflict: String,
    pub synchronize_after_coupling: bool,
    pub create_when_no_match: bool,
    pub uncouple_job: bool,
    pub match_fields: Vec<MatchFieldFile>,
    #[serde(default)]
    pub templates: Option<Vec<TemplateFile>>,
    pub business_central_filter: Vec<ConditionFile>,
    pub dataverse_filter: Vec<ConditionFile>,
    pub job: Option<JobFile>,
    #[serde(default)]
    pub named_by: Vec<NamedRowsFile>,
    #[serde(default)]
    pub lines: Option<LinesFile>,
    pub fields: Vec<FieldFile>,
    #[serde(rename = "note")]
    pub _note: Option<String>,
    #[serde(rename = "source")]
    pub _source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    pub sales: Option<u32>,
    pub dataverse: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatchFieldFile {
    pub business_central: String,
    pub dataverse: String,
    #[serde(default)]
    pub priority: u32,
    #[serde(default)]
    pub case_sensitive: bool,
}

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

/// One condition of a filter, as the catalogue writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionFile {
    /// The property of Business Central.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property: Option<String>,
    /// The column of Dataverse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// `eq`, `ne` or `in`.
    pub op: String,
    /// What it is compared with; a list with `in`.
    pub value: Json,
    /// When it counts: `company_exists_in_dataverse`; always if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_if: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobFile {
    pub description: String,
    pub every_minutes: Option<u32>,
    pub inactivity_minutes: u32,
    /// Which ways of the mapping it travels; all of them if it does not say.
    #[serde(default)]
    pub direction: Option<String>,
    #[serde(default, rename = "category")]
    pub _category: Option<String>,
    #[serde(rename = "max_attempts")]
    pub _max_attempts: u32,
    #[serde(rename = "retry_seconds")]
    pub _retry_seconds: u32,
    #[serde(default)]
    pub when: Option<When>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldFile {
    #[serde(default)]
    pub business_central: Option<String>,
    #[serde(default, rename = "field")]
    pub _field: Option<String>,
    #[serde(default)]
    pub dataverse: Option<String>,
    pub direction: String,
    #[serde(default)]
    pub constant: Option<Json>,
    #[serde(default, rename = "constant_label")]
    pub _constant_label: Option<String>,
    #[serde(default, rename = "validate_business_central")]
    pub _validate_business_central: bool,
    #[serde(default, rename = "validate_dataverse")]
    pub _validate_dataverse: bool,
    #[serde(default)]
    pub clear_on_failure: bool,
    #[serde(default)]
    pub not_null: bool,
    #[serde(default)]
    pub travels_without: bool,
    #[serde(default)]
    pub resolved_by_rules: bool,
    #[serde(default)]
    pub transformation: Option<Transformation>,
    /// The way in which it applies to a row of both ways; both if left out.
    #[serde(default)]
    pub transformation_direction: Option<String>,
    #[serde(default = "yes")]
    pub enabled: bool,
    /// The revision of the installation's mappings in which the row came, or came back.
    #[serde(default)]
    pub since: u64,
    #[serde(default)]
    pub when: Option<When>,
    #[serde(default)]
    pub resolved_through: Vec<String>,
    #[serde(default)]
    pub option_mapping: Option<String>,
    #[serde(default, rename = "match")]
    pub matches: bool,
    #[serde(default, rename = "note")]
    pub _note: Option<String>,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobsFile {
    pub jobs: Vec<OtherJobFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherJobFile {
    pub name: String,
    pub description: String,
    pub recurring: bool,
    pub every_minutes: Option<u32>,
    pub inactivity_minutes: Option<u32>,
    #[serde(rename = "max_attempts")]
    pub _max_attempts: u32,
    #[serde(rename = "retry_seconds")]
    pub _retry_seconds: u32,
    #[serde(default)]
    pub when: Option<When>,
    /// The function of the bundle that runs it.
    #[serde(default)]
    pub function: Option<String>,
    #[serde(default)]
    pub enqueues: Option<EnqueuesFile>,
    #[serde(default, rename = "note")]
    pub _note: Option<String>,
    #[serde(default, rename = "category")]
    pub _category: Option<String>,
    #[serde(default, rename = "initial_status")]
    pub _initial_status: Option<String>,
    #[serde(default, rename = "earliest_start")]
    pub _earliest_start: Option<String>,
    #[serde(default, rename = "earliest_start_offset_ms")]
    pub _earliest_start_offset_ms: Option<u32>,
    #[serde(default, rename = "stagger_ms")]
    pub _stagger_ms: Option<Json>,
    #[serde(default, rename = "dataverse_filter")]
    pub _dataverse_filter: Option<Json>,
    #[serde(default, rename = "statistics_columns")]
    pub _statistics_columns: Option<Json>,
    pub what: String,
    #[serde(default, rename = "source")]
    pub _source: Option<String>,
}

/// What a job that belongs to no mapping enqueues.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnqueuesFile {
    /// The mapping whose records are enqueued.
    pub mapping: String,
    /// The rows that name them.
    #[serde(default)]
    pub rows: Option<NamedRowsFile>,
    /// The direction of the mapping whose changes it finds.
    #[serde(default)]
    pub changes: Option<Direction>,
}
