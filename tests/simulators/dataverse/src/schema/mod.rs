//! The tables, columns, relationships and keys of the organization: what the metadata endpoints show and what every write is checked against.

mod catalogue;
mod choices;
pub mod forms;
mod naming;
pub mod privileges;
mod relationships;
mod security;
mod system;
mod words;

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

pub use choices::{Choice, ChoiceRole, GlobalChoice};
pub use naming::{custom_table, plural};
pub use relationships::{Collection, Delete, ManyToMany};
pub use security::{Hidden, Security};
pub use system::plain;

/// Namespace of every id that the simulator derives from a name, so that two runs show the same ids.
pub const NAMESPACE: Uuid = Uuid::from_u128(0x5d1b_7c0e_54d1_4a8e_9f1c_2f1d_7a55_0001);

/// What a column holds, and with it its Edm type and JSON form.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// One line of text with a maximum length in characters.
    Text(usize),
    /// Several lines of text with a maximum length in characters.
    Memo(usize),
    /// 32-bit whole number.
    Integer,
    /// 64-bit whole number.
    BigInteger,
    /// Decimal number.
    Decimal,
    /// Amount in the currency of the row.
    Money,
    /// Floating point number.
    Double,
    /// Yes or no.
    Boolean,
    /// One of a list of options.
    Choice(Choice),
    /// Point in time, whole seconds.
    DateTime,
    /// Calendar day.
    DateOnly,
    /// Id without a relationship.
    Guid,
    /// Reference to a row of one of these tables.
    Lookup(Vec<String>),
    /// Logical name of a table.
    EntityName,
}

/// Forms of clearing a lookup that are answered with success and have no effect. There are reports of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct IgnoredClearings {
    /// `"x@odata.bind": null`.
    pub bind: bool,
    /// `"x": null`.
    pub navigation: bool,
    /// `DELETE …/x/$ref`.
    pub reference: bool,
}

/// Who demands a value of a column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Required {
    /// Nobody.
    #[default]
    Nobody,
    /// The definitions advise it.
    Recommended,
    /// Forms demand it, the Web API does not.
    Application,
    /// The platform: the value cannot be set to null.
    System,
}

impl Required {
    /// The name in the definitions.
    #[must_use]
    pub fn level(self) -> &'static str {
        match self {
            Self::Nobody => "None",
            Self::Recommended => "Recommended",
            Self::Application => "ApplicationRequired",
            Self::System => "SystemRequired",
        }
    }

    /// Reads a name of the definitions.
    #[must_use]
    pub fn of_level(level: &str) -> Self {
        [Self::Recommended, Self::Application, Self::System]
            .into_iter()
            .find(|required| required.level() == level)
            .unwrap_or_default()
    }
}

/// One column of a table.
#[derive(Debug, Clone)]
pub struct Column {
    /// Logical name.
    pub name: String,
    /// Schema name, as metadata shows it.
    pub schema_name: String,
    /// Property name on the wire: the logical name, or `_name_value` for lookups.
    pub property: String,
    /// Type.
    pub kind: Kind,
    /// A value sent with a create is kept.
    pub creatable: bool,
    /// A value sent with an update is kept.
    pub updatable: bool,
    /// The column is a property of the Web API at all.
    pub exposed: bool,
    /// Navigation property per target table (lookups only).
    pub navigation: Vec<(String, String)>,
    /// Who demands a value.
    pub required: Required,
    /// A customizer made the column while the simulator ran.
    pub made_here: bool,
    /// Display name.
    pub display_name: String,
    /// Schema name of the relationship behind a customizer's lookup.
    pub relationship: Option<String>,
    /// An instant that is shown as a day, in the time zone of each user.
    pub shown_as_day: bool,
    /// Forms of clearing this lookup that are answered with success and ignored.
    pub ignored_clearings: IgnoredClearings,
    /// Column security, when it is switched on for the column.
    pub security: Option<Security>,
}

/// A declared alternate key.
#[derive(Debug, Clone)]
pub struct AlternateKey {
    /// Schema name.
    pub name: String,
    /// Columns by position.
    pub columns: Vec<usize>,
    /// Metadata id.
    pub id: Uuid,
}

/// One table.
#[derive(Debug, Clone)]
pub struct Table {
    /// Logical name.
    pub name: String,
    /// Schema name.
    pub schema_name: String,
    /// Entity set name.
    pub set: String,
    /// Primary key column, by position.
    pub id: usize,
    /// Primary name column, by position.
    pub primary_name: Option<usize>,
    /// Columns; positions never change.
    pub columns: Vec<Column>,
    by_name: HashMap<String, usize>,
    by_property: HashMap<String, usize>,
    by_navigation: HashMap<String, (usize, String)>,
    /// Alternate keys.
    pub keys: Vec<AlternateKey>,
    /// `CreateMultiple` and its kin exist for the table.
    pub bulk: bool,
    /// Changes are tracked.
    pub change_tracking: bool,
    /// Rows have etags that can be checked.
    pub optimistic_concurrency: bool,
    /// Made by a customizer.
    pub custom: bool,
    /// Notes can be attached to its rows.
    pub notes: bool,
    /// Activities can be about its rows.
    pub activities: bool,
    /// The rows only tie two tables together.
    pub intersect: bool,
    /// Rows are owned by users and teams.
    pub owned: bool,
    /// Object type code.
    pub type_code: i32,
    /// Display name.
    pub display_name: String,
}

impl Table {
    /// A customizer's table without columns.
    #[must_use]
    pub fn empty(name: &str, schema_name: &str, set: &str) -> Self {
        Self {
            name: name.to_owned(),
            schema_name: schema_name.to_owned(),
            set: set.to_owned(),
            id: 0,
            primary_name: None,
            columns: Vec::new(),
            by_name: HashMap::new(),
            by_property: HashMap::new(),
            by_navigation: HashMap::new(),
            keys: Vec::new(),
            bulk: true,
            change_tracking: true,
            optimistic_concurrency: true,
            custom: true,
            notes: false,
            activities: false,
            intersect: false,
            owned: true,
            type_code: 10_500,
            display_name: schema_name.to_owned(),
        }
    }

    /// Builds the name indexes over the columns.
    pub fn index(&mut self) {
        self.by_name = self
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| !column.name.is_empty())
            .map(|(at, column)| (column.name.clone(), at))
            .collect();
        self.by_property = self
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| column.exposed)
            .map(|(at, column)| (column.property.clone(), at))
            .collect();
        self.by_navigation = self
            .columns
            .iter()
            .enumerate()
            .flat_map(|(at, column)| {
                column.navigation.iter().map(move |(target, name)| (name.clone(), (at, target.clone())))
            })
            .collect();
    }

    /// The columns that were not deleted.
    pub fn living_columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| !column.name.is_empty())
    }

    /// Position of a column by logical name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Position of a column by the name it has on the wire.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<usize> {
        self.by_property.get(name).copied()
    }

    /// Lookup column and target behind a single-valued navigation property. `ownerid` serves several targets, so its target is `principal`.
    #[must_use]
    pub fn navigation(&self, name: &str) -> Option<(usize, &str)> {
        self.by_navigation.get(name).map(|(at, target)| (*at, target.as_str()))
    }

    /// A customizer made the table while the simulator ran: none of its solution, no table of the platform.
    #[must_use]
    pub fn made_here(&self) -> bool {
        self.custom && !["bcbi_", "nav_", "cdm_", "msdyn_"].iter().any(|prefix| self.name.starts_with(prefix))
    }

    /// Metadata id of the table.
    #[must_use]
    pub fn metadata_id(&self) -> Uuid {
        Uuid::new_v5(&NAMESPACE, format!("table {}", self.name).as_bytes())
    }

    /// Metadata id of one of its columns.
    #[must_use]
    pub fn column_metadata_id(&self, column: &Column) -> Uuid {
        Uuid::new_v5(&NAMESPACE, format!("column {}.{}", self.name, column.name).as_bytes())
    }

    /// The qualified type name.
    #[must_use]
    pub fn type_name(&self) -> String {
        format!("Microsoft.Dynamics.CRM.{}", self.name)
    }

    /// The column with this role, by position.
    #[must_use]
    pub fn state_column(&self, role: ChoiceRole) -> Option<usize> {
        self.columns.iter().position(|column| matches!(&column.kind, Kind::Choice(choice) if choice.role == role))
    }
}

/// All tables.
#[derive(Debug, Clone)]
pub struct Schema {
    /// Tables; positions never change while the simulator runs, a deleted custom table keeps its place without a name.
    pub tables: Vec<Arc<Table>>,
    by_name: HashMap<String, usize>,
    by_set: HashMap<String, usize>,
    /// One-to-many navigation, by (table, name).
    collections: HashMap<(String, String), Collection>,
    /// Many-to-many relationships.
    pub many_to_many: Vec<ManyToMany>,
    /// Global choices, in the order in which they were made. An organization starts without any.
    pub choices: Vec<GlobalChoice>,
    /// Decimals that money columns keep.
    pub money_decimals: u32,
}

impl Schema {
    /// The schema of an organization with Sales and the Business Central solutions.
    ///
    /// # Errors
    /// When the schema data file is not readable: a defect of the build.
    pub fn sales(custom_navigation: CustomNavigation, entity_names_exposed: bool) -> anyhow::Result<Self> {
        let tables = catalogue::tables(custom_navigation, entity_names_exposed)?;
        let mut schema = Self {
            tables: tables.into_iter().map(Arc::new).collect(),
            by_name: HashMap::new(),
            by_set: HashMap::new(),
            choices: Vec::new(),
            money_decimals: 4,
            collections: HashMap::new(),
            many_to_many: relationships::many_to_many(),
        };
        schema.index();
        Ok(schema)
    }

    /// Builds the name indexes and the one-to-many side of every lookup.
    pub fn index(&mut self) {
        self.by_name.clear();
        self.by_set.clear();
        for (at, table) in self.tables.iter().enumerate().filter(|(_, table)| !table.name.is_empty()) {
            self.by_name.insert(table.name.clone(), at);
            self.by_set.insert(table.set.clone(), at);
        }
        self.collections = relationships::collections(&self.tables);
    }

    /// Position of a table by logical name.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Position of a table by entity set name.
    #[must_use]
    pub fn set_position(&self, set: &str) -> Option<usize> {
        self.by_set.get(set).copied()
    }

    /// A table by position.
    #[must_use]
    pub fn table(&self, at: usize) -> &Arc<Table> {
        &self.tables[at]
    }

    /// A collection-valued navigation property of a table.
    #[must_use]
    pub fn collection(&self, table: &str, name: &str) -> Option<&Collection> {
        self.collections.get(&(table.to_owned(), name.to_owned()))
    }

    /// All one-to-many relationships, in a stable order.
    #[must_use]
    pub fn collections(&self) -> Vec<&Collection> {
        let mut all: Vec<&Collection> = self.collections.values().collect();
        all.sort_by(|left, right| (&left.from, &left.column, &left.to).cmp(&(&right.from, &right.column, &right.to)));
        all
    }

    /// A many-to-many navigation property of a table.
    #[must_use]
    pub fn many_to_many(&self, table: &str, name: &str) -> Option<&ManyToMany> {
        self.many_to_many.iter().find(|relation| relation.navigation_from(table) == Some(name))
    }

    /// The living tables.
    pub fn living(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.tables.iter().filter(|table| !table.name.is_empty())
    }
}

/// How the navigation property of a custom lookup is spelled (documents say: as its schema name; the exact spelling depends on the solution).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CustomNavigation {
    /// `bcbi_CompanyId`.
    #[default]
    SchemaName,
    /// `bcbi_companyid`.
    LogicalName,
}
