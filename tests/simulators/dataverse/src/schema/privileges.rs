//! Privileges: what a role may let its users do with the rows of a table.

use uuid::Uuid;

use super::{NAMESPACE, Table};

/// Kinds of privileges every table has, as the service numbers and names them.
pub const KINDS: [&str; 7] = ["Create", "Read", "Write", "Delete", "Append", "AppendTo", "Assign"];

/// The name of a privilege, such as `prvReadAccount`.
#[must_use]
pub fn name(kind: &str, table: &Table) -> String {
    format!("prv{kind}{}", table.schema_name)
}

/// The id of a privilege.
#[must_use]
pub fn id(kind: &str, table: &Table) -> Uuid {
    Uuid::new_v5(&NAMESPACE, name(kind, table).as_bytes())
}
