//! Tables and columns of both systems, as the catalogue describes them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Which of the two systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Business Central, the ERP.
    BusinessCentral,
    /// Dataverse, where Dynamics 365 Sales lives.
    Dataverse,
}

impl Side {
    /// The other system.
    pub fn other(self) -> Self {
        match self {
            Self::BusinessCentral => Self::Dataverse,
            Self::Dataverse => Self::BusinessCentral,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BusinessCentral => "Business Central",
            Self::Dataverse => "Dataverse",
        })
    }
}

/// The type of a field in either system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// Text of at most so many characters.
    Text {
        /// Longest text, in characters.
        length: usize,
    },
    /// Business Central code: upper case, trimmed.
    Code {
        /// Longest code, in characters.
        length: usize,
    },
    /// Text without a stated limit.
    Memo,
    /// Decimal number.
    Decimal,
    /// Money: a decimal in the currency of its record.
    Money,
    /// Whole number.
    Int,
    /// Yes or no.
    Bool,
    /// Record id.
    Guid,
    /// Id of a row of one of these tables.
    Lookup {
        /// Logical names of the tables it may point to.
        targets: Vec<String>,
    },
    /// Calendar day.
    Date,
    /// Instant.
    DateTime,
    /// Dataverse choice, state or status: a number.
    OptionSet,
    /// Business Central option: one of these names, `" "` is the blank one; empty when unknown.
    Enum {
        /// The names.
        values: Vec<String>,
    },
    /// Name of a table, Dataverse's companion of a lookup that can point to several tables.
    EntityName,
}

impl FieldType {
    /// Whether it holds texts that people write.
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Text { .. } | Self::Code { .. } | Self::Memo)
    }
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { length } => write!(f, "text of at most {length} characters"),
            Self::Code { length } => write!(f, "code of at most {length} characters"),
            Self::Memo => f.write_str("text"),
            Self::Decimal => f.write_str("decimal number"),
            Self::Money => f.write_str("amount of money"),
            Self::Int => f.write_str("whole number"),
            Self::Bool => f.write_str("yes/no"),
            Self::Guid => f.write_str("GUID"),
            Self::Lookup { targets } => write!(f, "reference to {}", targets.join(" or ")),
            Self::Date => f.write_str("date"),
            Self::DateTime => f.write_str("date and time"),
            Self::OptionSet => f.write_str("choice"),
            Self::Enum { .. } => f.write_str("option"),
            Self::EntityName => f.write_str("table name"),
        }
    }
}

/// How Dataverse keeps a calendar day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayForm {
    /// As a day. A time is refused.
    Day,
    /// As an instant that every user sees in a time zone of their own: midnight of whoever entered it.
    UserLocal,
}

/// What a client may do with a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read and write.
    Full,
    /// Read only.
    Read,
    /// Written on create only.
    Insert,
    /// Written on update only.
    Modify,
}

/// One column of a table.
#[derive(Clone, Debug)]
pub struct Column {
    /// Name on the wire: API property of Business Central, logical name in Dataverse.
    pub name: String,
    /// Name a person knows it by: the Business Central field, or the logical name.
    pub caption: String,
    /// Type.
    pub field: FieldType,
    /// What may be done with it.
    pub access: Access,
    /// Whether Business Central's standard API shows it (always true in Dataverse).
    pub standard: bool,
    /// Whether Couplet's companion API shows it (always false in Dataverse).
    pub companion: bool,
    /// Numbers and labels of a Dataverse choice, if the catalogue lists them.
    pub options: BTreeMap<i64, String>,
}

/// One table of one system.
#[derive(Clone, Debug)]
pub struct Table {
    /// The system it belongs to.
    pub side: Side,
    /// Business Central table name (`Item`) or Dataverse logical name (`product`).
    pub name: String,
    /// Entity set of the standard API (Business Central) or of the Web API (Dataverse); `None` when not exposed.
    pub entity_set: Option<String>,
    /// Entity set of the companion API; Business Central only.
    pub companion_entity_set: Option<String>,
    /// Whether the companion API creates records under an id of the caller's; Business Central only.
    pub companion_takes_id: bool,
    /// Where the companion API takes new records of the table, if not in an entity set of their own; Business Central only.
    pub companion_parent: Option<Parent>,
    /// Whether a record can be created by an upsert under a given id. Where it cannot, a create whose id is taken has been made
    /// before; such records are made once and do not change. Dataverse only.
    pub takes_upsert: bool,
    /// Column holding the record id.
    pub id_column: String,
    /// Column holding the time of the last change; `None` when the table has none.
    pub modified_column: Option<String>,
    /// Column a person recognises the record by (`number`, `name`).
    pub label_column: Option<String>,
    /// Column holding the company a Dataverse row belongs to.
    pub company_column: Option<String>,
    /// Columns by name.
    pub columns: BTreeMap<String, Arc<Column>>,
    /// The choice column whose options are the rows of this table; `None` for a table of records.
    pub choice: Option<Choice>,
}

/// The records below which new ones of a table are posted, as lines are below their document. The address names the record
/// above, not the body, and it never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Entity set of the records above.
    pub entity_set: String,
    /// The column that names the record above.
    pub column: String,
}

/// A choice column of Dataverse whose options are shown as the rows of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Logical name of the table that has the column.
    pub table: String,
    /// Logical name of the column.
    pub column: String,
    /// Columns of other tables that repeat its options, by table.
    pub mirrors: BTreeMap<String, String>,
}

/// The column of an option's number in a table of options.
pub const OPTION_NUMBER: &str = "value";
/// The column of all of an option's labels in a table of options: one of each language, a line each.
pub const OPTION_LABELS: &str = "labels";
/// Characters of an option's label at most.
const LABEL_LENGTH: usize = 100;

impl Table {
    /// The options of a choice column as a table: each row has the option's label, in a column named like the choice, its
    /// number, which the system gives, and its labels in all languages.
    pub fn of_options(table: &Self, column: &Column, mirrors: BTreeMap<String, String>) -> Self {
        let like = |name: &str, caption: &str, field, access| {
            let column = Column {
                name: name.to_owned(),
                caption: caption.to_owned(),
                field,
                access,
                standard: true,
                companion: false,
                options: BTreeMap::new(),
            };
            (name.to_owned(), Arc::new(column))
        };
        let label = FieldType::Text { length: LABEL_LENGTH };
        Self {
            side: Side::Dataverse,
            name: format!("{}.{}", table.name, column.name),
            entity_set: None,
            companion_entity_set: None,
            companion_takes_id: false,
            companion_parent: None,
            takes_upsert: true,
            id_column: "id".to_owned(),
            modified_column: None,
            label_column: Some(column.name.clone()),
            company_column: None,
            columns: [
                like(&column.name, &column.caption, label, Access::Full),
                like(OPTION_NUMBER, "Value", FieldType::Int, Access::Read),
                like(OPTION_LABELS, "Labels", FieldType::Memo, Access::Read),
            ]
            .into(),
            choice: Some(Choice { table: table.name.clone(), column: column.name.clone(), mirrors }),
        }
    }
}

impl Table {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Arc<Column>> {
        self.columns.get(name)
    }

    /// The name a person knows the table by, in lower case for sentences.
    pub fn caption(&self) -> String {
        self.name.to_lowercase()
    }

    /// Whether the companion API is needed to read or write all of these columns.
    pub fn needs_companion<'a>(&self, mut columns: impl Iterator<Item = &'a str>) -> bool {
        self.entity_set.is_none() || columns.any(|name| self.column(name).is_some_and(|column| !column.standard))
    }
}
