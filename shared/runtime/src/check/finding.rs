//! What was found of one thing that was looked at.

use couplet_model::MappingName;
use serde::Serialize;

/// How it stands with one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Good,
    /// Synchronization works, and something should be looked at.
    Warning,
    /// Something does not work.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is.
    pub what: String,
    /// How it stands.
    pub level: Level,
    /// What was found.
    pub remark: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The mapping it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping: Option<MappingName>,
}

impl Finding {
    /// Something as it should be.
    pub fn good(what: impl Into<String>, remark: impl Into<String>) -> Self {
        Self { what: what.into(), level: Level::Good, remark: remark.into(), remedy: None, mapping: None }
    }

    /// Something to look at.
    pub fn warning(what: impl Into<String>, remark: impl Into<String>, remedy: impl Into<String>) -> Self {
        let remedy = Some(remedy.into());
        Self { what: what.into(), level: Level::Warning, remark: remark.into(), remedy, mapping: None }
    }

    /// Something that does not work.
    pub fn bad(what: impl Into<String>, remark: impl Into<String>, remedy: Option<String>) -> Self {
        Self { what: what.into(), level: Level::Bad, remark: remark.into(), remedy, mapping: None }
    }

    pub(super) fn of(self, mapping: &MappingName) -> Self {
        Self { mapping: Some(mapping.clone()), ..self }
    }
}
