//! Column security: a column that the application user may not see or change, and how the service hides it.

use serde::{Deserialize, Serialize};

use super::{ChoiceRole, Column, Kind};

/// What answers show instead of a value that may not be seen. The documents name both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hidden {
    /// The property is there and null.
    #[default]
    Null,
    /// The property is left out.
    Absent,
}

/// A column under column security, and what the profiles of the application user allow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Security {
    /// It may be read.
    pub read: bool,
    /// It may be given to new rows.
    pub create: bool,
    /// It may be changed.
    pub update: bool,
    /// How it is hidden while it may not be read.
    pub hidden: Hidden,
    /// The definitions do not speak of it: what clients see when a proxy or a plug-in hides the column.
    pub undeclared: bool,
}

impl Column {
    /// Whether answers must not show the column.
    #[must_use]
    pub fn is_hidden(&self) -> bool {
        self.security.is_some_and(|security| !security.read)
    }

    /// Whether column security can be switched on: not for lookups, names, states and what the platform keeps itself.
    #[must_use]
    pub fn can_be_secured(&self, is_id: bool, is_primary_name: bool) -> bool {
        let own_business =
            matches!(self.name.as_str(), "createdon" | "modifiedon" | "versionnumber" | "overriddencreatedon");
        let state = matches!(&self.kind, Kind::Choice(choice) if choice.role != ChoiceRole::Plain);
        let reference = matches!(self.kind, Kind::Lookup(_) | Kind::Guid | Kind::EntityName);
        !(is_id || is_primary_name || own_business || state || reference)
    }
}
