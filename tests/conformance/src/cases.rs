//! The cases there are, and those that Couplet handles otherwise.

use couplet_structure::sources;
use serde::Deserialize;

/// All cases.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    /// Their areas, in order.
    pub area: Vec<Area>,
    /// What Couplet does otherwise on purpose.
    #[serde(default)]
    pub different: Vec<Different>,
    /// What has no meaning outside Business Central.
    #[serde(default)]
    pub not_applicable: Vec<NotApplicable>,
}

/// Cases that belong together.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Area {
    /// What they are about.
    pub name: String,
    /// Number of the first case.
    pub first: u16,
    /// Number of the last case.
    pub last: u16,
    /// Whether each of them has a proof or a decision.
    pub proved: bool,
}

impl Area {
    /// The codes of its cases.
    pub fn cases(&self) -> impl Iterator<Item = String> {
        (self.first..=self.last).map(|number| format!("C-{number:03}"))
    }
}

/// A case that Couplet handles otherwise.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Different {
    /// Its code.
    pub case: String,
    /// Number of the page in `docs/decisions`.
    pub decision: String,
    /// What Couplet does instead.
    pub why: String,
}

/// A case that has no meaning outside Business Central.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotApplicable {
    /// Its code.
    pub case: String,
    /// Why.
    pub why: String,
}

impl Cases {
    /// The cases of this project.
    ///
    /// # Panics
    /// When their file cannot be read.
    #[must_use]
    pub fn of_project() -> Self {
        let file = sources::file("tests/conformance/cases.toml");
        toml::from_str(&file.text).unwrap_or_else(|error| panic!("{}: {error}", file.path))
    }
}
