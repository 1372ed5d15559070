//! Lists of options: of one column, and shared by several.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::NAMESPACE;

/// The options of a choice column.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// Plain, state or status.
    pub role: ChoiceRole,
    /// Value and label, in display order.
    pub options: Vec<(i32, String)>,
    /// Labels in other languages than English, by value and language.
    pub translations: BTreeMap<i32, BTreeMap<u32, String>>,
    /// The global choice that the options are of, by its name; `None` when they belong to the column alone.
    pub global: Option<String>,
}

/// A list of options that several columns share.
#[derive(Debug, Clone, PartialEq)]
pub struct GlobalChoice {
    /// Name, in lower case.
    pub name: String,
    /// Label.
    pub display_name: String,
    /// Value and label, in display order.
    pub options: Vec<(i32, String)>,
}

impl GlobalChoice {
    /// Metadata id.
    #[must_use]
    pub fn metadata_id(&self) -> Uuid {
        Uuid::new_v5(&NAMESPACE, format!("choice {}", self.name).as_bytes())
    }
}

/// What a choice column means to the row's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChoiceRole {
    /// An ordinary choice.
    Plain,
    /// `statecode`.
    State,
    /// `statuscode`.
    Status,
}
