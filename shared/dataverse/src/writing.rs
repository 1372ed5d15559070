//! Writes in bulk: grouped by kind, one bulk message or batch for each thousand, and a bad record fails alone.

use couplet_model::ids::RecordId;
use couplet_model::record::Version;
use couplet_model::system::{SystemError, Write, WriteAction, Written};
use couplet_model::table::{Side, Table};
use couplet_odata::Repeat;
use couplet_odata::writing::{Outcome, all_settled, in_groups};
use serde_json::{Map, Value as Json};

use crate::body::{body, targets};
use crate::client::DataverseClient;
use crate::sending::RowWriter;

/// The ways to write, each with its own bulk form. In the order they are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// Create under a given id, or update what is there.
    Upsert,
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
    fn of(action: &WriteAction) -> Self {
        match action {
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
            Self::Guarded | Self::Delete => None,
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

fn id_of(action: &WriteAction) -> Option<RecordId> {
    match action {
        WriteAction::Create { id } => *id,
        WriteAction::Update { id, .. } | WriteAction::Delete { id } => Some(*id),
    }
}

impl DataverseClient {
    pub(crate) async fn write_all(&self, table: &Table, writes: &[Write]) -> Vec<Outcome> {
        if writes.is_empty() {
            return Vec::new();
        }
        let everything: Vec<usize> = (0..writes.len()).collect();
        let set = match self.prepare_names(table, writes).await {
            Ok(set) => set,
            Err(error) => return vec![Err(error); writes.len()],
        };
        let mut outcomes: Vec<Option<Outcome>> = vec![None; writes.len()];
        let may_learn = self.learned().may_learn_lookups(&table.name);
        self.write_some(table, &set, writes, &everything, &mut outcomes).await;
        // A lookup bound under a wrong name, perhaps: read the names once, and write again what failed for them.
        let misnamed: Vec<usize> = everything
            .into_iter()
            .filter(|place| matches!(&outcomes[*place], Some(Err(error)) if speaks_of_a_property(error)))
            .collect();
        if may_learn && !misnamed.is_empty() {
            if let Err(error) = self.learn_lookups(table).await {
                tracing::debug!(table = table.name, error = error.for_log(), "the names of the lookups cannot be read");
            }
            self.write_some(table, &set, writes, &misnamed, &mut outcomes).await;
        }
        let mut outcomes = all_settled(Side::Dataverse, outcomes);
        self.confirm_clearings(table, &set, writes, &mut outcomes).await;
        outcomes
    }

    /// Learns the entity sets that the writes need, and gives the table's own.
    async fn prepare_names(&self, table: &Table, writes: &[Write]) -> Result<String, SystemError> {
        let set = self.entity_set(table).await?;
        let mut wanted: Vec<String> = Vec::new();
        for write in writes {
            for target in targets(table, &write.values) {
                if !wanted.contains(&target) {
                    wanted.push(target);
                }
            }
        }
        self.learn_entity_sets(&wanted).await?;
        Ok(set)
    }

    async fn write_some(
        &self,
        table: &Table,
        set: &str,
        writes: &[Write],
        places: &[usize],
        outcomes: &mut [Option<Outcome>],
    ) {
        let mut prepared: Vec<Prepared<'_>> = Vec::with_capacity(places.len());
        for &place in places {
            let write = &writes[place];
            let expected = match &write.action {
                WriteAction::Update { expected, .. } => expected.as_ref(),
                _ => None,
            };
            match body(table, &write.values, &self.learned()) {
                Ok(body) => prepared.push(Prepared {
                    place,
                    way: Way::of(&write.action),
                    id: id_of(&write.action),
                    expected,
                    body,
                }),
                Err(error) => outcomes[place] = Some(Err(error)),
            }
        }
        // Stable: within one way the caller's order holds.
        prepared.sort_by_key(|item| item.way);
        let items: Vec<&Prepared<'_>> = prepared.iter().collect();
        in_groups(&RowWriter { client: self, table, set }, &items, outcomes).await;
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
            assert_eq!((Way::of(&action), Way::of(&action).repeat()), (way, repeat));
        }
    }
}
