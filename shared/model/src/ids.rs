//! Identifiers, each a type of its own so that none can stand where another belongs.

use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Namespace of every id that Couplet derives; changing it would orphan all reservations.
const COUPLET_NAMESPACE: Uuid = Uuid::from_u128(0x6f2d_9a51_3c1e_5b7a_9f04_c0de_71e7_0001);

macro_rules! uuid_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text.trim()).map(Self)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }
    };
}

uuid_newtype!(
    /// The platform id (SystemId) of a Business Central record; survives renaming of the key.
    SystemId
);
uuid_newtype!(
    /// The primary key of a Dataverse row.
    DataverseId
);
uuid_newtype!(
    /// The id of a record in whichever system is meant by the context.
    RecordId
);
uuid_newtype!(
    /// One run of a job.
    RunId
);
uuid_newtype!(
    /// One replay of dead letters, started by a person.
    ReplayId
);
uuid_newtype!(
    /// A Business Central company.
    CompanyId
);
uuid_newtype!(
    /// A running process of Couplet; what it has begun and not finished is known by it.
    ProcessId
);

impl From<SystemId> for RecordId {
    fn from(id: SystemId) -> Self {
        Self(id.0)
    }
}

impl From<DataverseId> for RecordId {
    fn from(id: DataverseId) -> Self {
        Self(id.0)
    }
}

impl From<RecordId> for SystemId {
    fn from(id: RecordId) -> Self {
        Self(id.0)
    }
}

impl From<RecordId> for DataverseId {
    fn from(id: RecordId) -> Self {
        Self(id.0)
    }
}

impl RunId {
    /// A fresh id; later runs sort after earlier ones (UUID version 7).
    pub fn fresh() -> Self {
        Self(Uuid::now_v7())
    }
}

impl ProcessId {
    /// This process; the same as long as it runs, and of no other.
    pub fn current() -> Self {
        static CURRENT: LazyLock<ProcessId> = LazyLock::new(ProcessId::fresh);
        *CURRENT
    }

    /// A process that is not this one, for tests of what another has left behind.
    pub fn fresh() -> Self {
        Self(Uuid::now_v7())
    }
}

/// The id of an option of a choice column, as a row of the table of its options: UUID v5 of table, column and number.
pub fn option_id(table: &str, column: &str, number: i64) -> RecordId {
    RecordId(Uuid::new_v5(&COUPLET_NAMESPACE, format!("option|{table}.{column}={number}").as_bytes()))
}

/// The name of a mapping, such as `ITEM-PRODUCT`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MappingName(pub String);

impl MappingName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MappingName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for MappingName {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

/// The id under which a source record will be created in the other system: a version 5 UUID of company, mapping,
/// role and source id. A retried create therefore meets its own earlier attempt instead of duplicating it.
///
/// `role` tells several destination rows of one source apart: `""` for the record itself, `"price"` for its line in
/// the default price list, and so on.
pub fn derived_id(company: CompanyId, mapping: &MappingName, role: &str, source: RecordId) -> RecordId {
    let name = format!("{company}|{mapping}|{role}|{source}");
    RecordId(Uuid::new_v5(&COUPLET_NAMESPACE, name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_are_stable_and_differ_by_every_part() {
        let company = CompanyId(Uuid::from_u128(1));
        let other_company = CompanyId(Uuid::from_u128(2));
        let item = RecordId(Uuid::from_u128(3));
        let items = MappingName::from("ITEM-PRODUCT");
        let id = derived_id(company, &items, "", item);
        assert_eq!(id, derived_id(company, &items, "", item));
        assert_ne!(id, derived_id(other_company, &items, "", item));
        assert_ne!(id, derived_id(company, &MappingName::from("RESOURCE-PRODUCT"), "", item));
        assert_ne!(id, derived_id(company, &items, "price", item));
        assert_ne!(id, derived_id(company, &items, "", RecordId(Uuid::from_u128(4))));
        assert_eq!(id.0.get_version_num(), 5);
    }
}
