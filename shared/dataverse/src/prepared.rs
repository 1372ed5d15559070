//! Writes of Dataverse, each with its body and the way it is written.

use couplet_model::ids::RecordId;
use couplet_model::record::Version;
use couplet_model::system::{SystemError, WriteAction, Written};
use couplet_model::table::Table;
use couplet_odata::Repeat;
use serde_json::{Map, Value as Json};

/// The ways to write, each with its own bulk form. In the order they are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// Create under a given id, or update what is there.
    Upsert,
    /// Create under a given id, which may be taken: then an earlier attempt has made it.
    CreateOnce,
    /// Create under an id that the service chooses.
    Create,
    /// Update, whatever the version.
    Update,
    /// Update if the version still is the one that was read.
    Guarded,
    /// Delete.
    Delete,
}

impl Way {
    pub fn of(action: &WriteAction, table: &Table) -> Self {
        match action {
            WriteAction::Create { id: Some(_) } if !table.takes_upsert => Self::CreateOnce,
            WriteAction::Create { id: Some(_) } => Self::Upsert,
            WriteAction::Create { id: None } => Self::Create,
            WriteAction::Update { expected: None, .. } => Self::Update,
            WriteAction::Update { expected: Some(_), .. } => Self::Guarded,
            WriteAction::Delete { .. } => Self::Delete,
        }
    }

    /// The bulk message for it, if there is one.
    pub fn message(self) -> Option<&'static str> {
        match self {
            Self::Upsert => Some("UpsertMultiple"),
            Self::Create => Some("CreateMultiple"),
            Self::Update => Some("UpdateMultiple"),
            // A bulk fails as a whole for one record that is there already.
            Self::CreateOnce | Self::Guarded | Self::Delete => None,
        }
    }

    /// Whether doing it twice is the same as doing it once.
    pub fn repeat(self) -> Repeat {
        if self == Self::Create { Repeat::OnlyIfUnprocessed } else { Repeat::Idempotent }
    }
}

/// One write with its body.
#[derive(Clone, Debug)]
pub(crate) struct Prepared<'a> {
    /// Its place in the call.
    pub place: usize,
    pub way: Way,
    pub id: Option<RecordId>,
    pub expected: Option<&'a Version>,
    pub body: Map<String, Json>,
}

/// The trace of a success that told nothing but the id.
pub(crate) fn written(id: RecordId, version: Option<Version>) -> Written {
    Written { id, version, modified: None, values: None }
}

/// The record a write is about, where the caller knows it.
pub(crate) fn id_of(action: &WriteAction) -> Option<RecordId> {
    match action {
        WriteAction::Create { id } => *id,
        WriteAction::Update { id, .. } | WriteAction::Delete { id } => Some(*id),
    }
}

/// Whether the service complains about a property it does not know.
pub(crate) fn speaks_of_a_property(error: &SystemError) -> bool {
    let text = error.message.to_ascii_lowercase();
    text.contains("undeclared property")
        || text.contains("could not find a property")
        || (text.contains("property") && text.contains("does not exist"))
        || text.contains("invalid property")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::table;

    #[test]
    fn each_write_has_one_way() {
        let id = RecordId(uuid::Uuid::from_u128(1));
        for (action, way, repeat) in [
            (WriteAction::Create { id: Some(id) }, Way::Upsert, Repeat::Idempotent),
            (WriteAction::Create { id: None }, Way::Create, Repeat::OnlyIfUnprocessed),
            (WriteAction::Update { id, expected: None }, Way::Update, Repeat::Idempotent),
            (WriteAction::Update { id, expected: Some(Version("v".into())) }, Way::Guarded, Repeat::Idempotent),
            (WriteAction::Delete { id }, Way::Delete, Repeat::Idempotent),
        ] {
            let found = Way::of(&action, &table());
            assert_eq!((found, found.repeat()), (way, repeat));
        }
        let only_created = Table { takes_upsert: false, ..table() };
        let way = Way::of(&WriteAction::Create { id: Some(id) }, &only_created);
        assert_eq!((way, way.repeat(), way.message()), (Way::CreateOnce, Repeat::Idempotent, None));
        assert_eq!(Way::of(&WriteAction::Create { id: None }, &only_created), Way::Create);
    }
}
