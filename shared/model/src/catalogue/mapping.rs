//! What a mapping of the catalogue is.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::lines::DocumentLines;
use super::named_rows::NamedRows;
use super::rules::RulesId;
use super::transformation::Transformation;
use crate::decision::ConflictRule;
use crate::filter::Operator;
use crate::ids::MappingName;
use crate::message::Direction;
use crate::switches::When;
use crate::table::{Column, Side, Table};
use crate::value::Value;
use serde::{Deserialize, Serialize};

/// Which ways a mapping or a row travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MappingDirection {
    /// Business Central to Dataverse.
    ToDataverse,
    /// Dataverse to Business Central.
    FromDataverse,
    /// Both ways.
    Bidirectional,
}

impl MappingDirection {
    /// The directions it includes, in the order of a run (R15).
    pub fn directions(self) -> impl Iterator<Item = Direction> + use<> {
        Direction::BOTH.into_iter().filter(move |way| self.includes(*way))
    }

    /// Whether it includes a direction.
    pub fn includes(self, direction: Direction) -> bool {
        match self {
            Self::Bidirectional => true,
            Self::ToDataverse => direction == Direction::ToDataverse,
            Self::FromDataverse => direction == Direction::FromDataverse,
        }
    }

    /// What two directions have in common; `None`: nothing.
    #[must_use]
    pub fn within(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Bidirectional, other) => Some(other),
            (this, Self::Bidirectional) => Some(this),
            (this, other) => (this == other).then_some(this),
        }
    }

    /// The direction in words.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::ToDataverse => "to Dataverse",
            Self::FromDataverse => "from Dataverse",
            Self::Bidirectional => "both ways",
        }
    }

    /// The direction of that name.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "to_dataverse" => Some(Self::ToDataverse),
            "from_dataverse" => Some(Self::FromDataverse),
            "bidirectional" => Some(Self::Bidirectional),
            _ => None,
        }
    }
}

/// What a mapping pairs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MappingKind {
    /// Records with rows.
    Table,
    /// Records with the options of a choice column.
    OptionSet {
        /// The choice column.
        column: String,
        /// Columns of other tables that repeat the options, by table.
        mirrors: BTreeMap<String, String>,
    },
}

/// What to do when the coupled destination record is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeletionRule {
    /// Fail and say so.
    #[default]
    None,
    /// Create it again.
    Restore,
    /// Remove the coupling.
    RemoveCoupling,
    /// Keep the coupling and leave the record alone: what people deleted on purpose is not made again, and nobody has to be told.
    Keep,
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

/// One condition as the catalogue writes it.
#[derive(Clone, Debug, PartialEq)]
pub struct ConditionTemplate {
    /// The column.
    pub column: Arc<str>,
    /// Comparison.
    pub operator: Operator,
    /// What it is compared with.
    pub operands: Vec<Operand>,
    /// Whether the condition is dropped while Dataverse has no row for the company.
    pub only_if_company_exists: bool,
}

/// A value of a condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// This value.
    Value(Value),
    /// The row of the current company in Dataverse.
    Company,
    /// Whether the sales setup names a default price list.
    DefaultPriceListCodeIsSet,
}

/// The conditions of one side of a mapping.
pub type FilterTemplate = Vec<ConditionTemplate>;

/// A pair of fields by which records are matched when they are coupled.
#[derive(Clone, Debug)]
pub struct MatchField {
    /// Property of Business Central.
    pub business_central: Arc<Column>,
    /// Column of Dataverse.
    pub dataverse: Arc<Column>,
    /// When it is tried: lower ones first; fields of one priority have to be equal together (R191).
    pub priority: u32,
    /// Whether upper and lower case differ (R194).
    pub case_sensitive: bool,
}

/// Where the value of a row comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The other side's value.
    Copy,
    /// The record coupled to the one it refers to, through one of these mappings.
    Lookup(Vec<MappingName>),
    /// The option of a choice, through this option mapping.
    Option(MappingName),
}

/// When a field row clears its destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clearing {
    /// By a blank value.
    #[default]
    ByBlank,
    /// By a blank value, and by one that cannot be resolved, instead of failing.
    OnFailure,
    /// Never: a blank value leaves the destination alone.
    Never,
}

/// One field row.
#[derive(Clone, Debug)]
pub struct FieldMapping {
    /// Place in the catalogue, from 1.
    pub row: usize,
    /// Field of Business Central; `None` for a constant in Dataverse.
    pub business_central: Option<Arc<Column>>,
    /// Column of Dataverse; `None` for a constant in Business Central.
    pub dataverse: Option<Arc<Column>>,
    /// Which ways it travels.
    pub direction: MappingDirection,
    /// The constant, if it is one.
    pub constant: Option<Value>,
    /// Where the value comes from.
    pub resolution: Resolution,
    /// When the destination is cleared.
    pub clearing: Clearing,
    /// Whether the rest of the record travels, with a note, while the record this refers to is not coupled; otherwise the
    /// record waits.
    pub travels_without: bool,
    /// Whether the rules of the mapping find what this refers to, because its value alone does not say which record it is.
    pub resolved_by_rules: bool,
    /// Whether records are matched by this row by default when they are coupled, with the first priority.
    pub matches: bool,
    /// When the row exists; `None` = always.
    pub when: Option<When>,
    /// Whether the installation uses the row. One that is not used is still read, because rules may look at its columns, and
    /// writes nothing.
    pub enabled: bool,
    /// The revision of the installation's mappings in which the row came, or came back after it was not used; 0 for a row that
    /// was always there. What couplings remember of its columns from before says nothing any more.
    pub since: u64,
    /// What is made of the text at the source, and in which direction.
    pub transformation: Option<(Transformation, MappingDirection)>,
}

impl FieldMapping {
    /// The transformation of its values in a direction.
    pub fn transformation(&self, direction: Direction) -> Option<&Transformation> {
        let (transformation, way) = self.transformation.as_ref()?;
        way.includes(direction).then_some(transformation)
    }

    /// Its column of a side.
    pub fn column(&self, side: Side) -> Option<&Arc<Column>> {
        match side {
            Side::BusinessCentral => self.business_central.as_ref(),
            Side::Dataverse => self.dataverse.as_ref(),
        }
    }
}

/// Timing of a mapping's job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobDefaults {
    /// Description shown to people.
    pub description: String,
    /// Period in minutes; `None` for a job that runs on demand only.
    pub every_minutes: Option<u32>,
    /// Inactivity time in minutes; 0 = never.
    pub inactivity_minutes: u32,
    /// Which ways of its mapping it travels.
    pub direction: MappingDirection,
    /// When the job exists; `None` = always.
    pub when: Option<When>,
}

/// One entry of the catalogue.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// File it came from.
    pub file: String,
    /// Name; entries of one name exclude each other by their `when`.
    pub name: MappingName,
    /// What tells entries of one name apart.
    pub variant: Option<String>,
    /// What it pairs.
    pub kind: MappingKind,
    /// The rules it is synchronized by beyond its field rows.
    pub rules: RulesId,
    /// The table of Business Central.
    pub business_central: Arc<Table>,
    /// The table of Dataverse.
    pub dataverse: Arc<Table>,
    /// Which ways it travels.
    pub direction: MappingDirection,
    /// Which ways it can travel: what is special about it is written for these.
    pub designed_for: MappingDirection,
    /// Whether only coupled records are synchronized.
    pub only_coupled: bool,
    /// When it exists; `None` = always.
    pub when: Option<When>,
    /// Mappings that come first.
    pub dependencies: Vec<MappingName>,
    /// Dependencies under a switch; the first that holds replaces `dependencies`.
    pub dependencies_when: BTreeMap<When, Vec<MappingName>>,
    /// Place in the list of all mappings.
    pub order: u32,
    /// Rule for changes on both sides.
    pub update_conflict: ConflictRule,
    /// Rule for a destination that is gone.
    pub deletion_conflict: DeletionRule,
    /// Synchronize pairs right after they were matched, unless the person says otherwise (R199).
    pub synchronize_after_coupling: bool,
    /// Create what matching did not find, unless the person says otherwise (R197, D10).
    pub create_when_no_match: bool,
    /// Whether uncoupling is a job of its own. For coupling by hand, not read yet.
    pub uncouple_job: bool,
    /// Fields to match by, unless the person names others (R188).
    pub match_fields: Vec<MatchField>,
    /// Values given to new records, in the order in which they are looked through (R157).
    pub templates: Vec<Template>,
    /// Which records of Business Central take part.
    pub business_central_filter: FilterTemplate,
    /// Which rows of Dataverse take part.
    pub dataverse_filter: FilterTemplate,
    /// Its job; `None` for mappings that travel with another.
    pub job: Option<JobDefaults>,
    /// Rows of other tables that name its records to travel again.
    pub named_by: Vec<NamedRows>,
    /// The lines of its records, if these are headers of documents.
    pub lines: Option<DocumentLines>,
    /// Field rows.
    pub fields: Vec<FieldMapping>,
}
