//! Writes in bulk: grouped by kind, one bulk message or batch for each thousand, and a bad record fails alone.

use couplet_model::ids::RecordId;
use couplet_model::record::Version;
use couplet_model::system::{SystemError, SystemErrorKind, Write, WriteAction, Written};
use couplet_model::table::{Side, Table};
use couplet_odata::sizes::is_too_much;
use couplet_odata::{Load, Repeat};
use futures_util::future::{BoxFuture, join_all};
use serde_json::{Map, Value as Json};

use crate::body::{body, targets};
use crate::client::DataverseClient;

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

pub(crate) type Outcome = Result<Written, SystemError>;

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
        let could_heal = self.learned().can_heal(&table.name);
        self.write_some(table, &set, writes, &everything, &mut outcomes).await;
        // A lookup bound under a wrong name, perhaps: read the names once, and write again what failed for them.
        let misnamed: Vec<usize> = everything
            .into_iter()
            .filter(|place| matches!(&outcomes[*place], Some(Err(error)) if speaks_of_a_property(error)))
            .collect();
        if could_heal && !misnamed.is_empty() {
            if let Err(error) = self.heal_navigation(table).await {
                tracing::debug!(table = table.name, error = error.for_log(), "the names of the lookups cannot be read");
            }
            self.write_some(table, &set, writes, &misnamed, &mut outcomes).await;
        }
        let mut outcomes: Vec<Outcome> =
            outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(|| Err(unanswered()))).collect();
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
        for group in prepared.chunk_by(|a, b| a.way == b.way) {
            let bulk = group.first().is_some_and(|item| item.way.message().is_some());
            let size = if bulk { self.bulk_size } else { self.batch_size };
            let chunks = group.chunks(size).map(|chunk| self.write_in_time(table, set, size, chunk));
            for (item, outcome) in group.iter().zip(join_all(chunks).await.into_iter().flatten()) {
                outcomes[item.place] = Some(outcome);
            }
        }
    }

    /// Writes items of one way in pieces that the service answers in time.
    async fn write_in_time(&self, table: &Table, set: &str, size: usize, items: &[Prepared<'_>]) -> Vec<Outcome> {
        let Some(first) = items.first() else { return Vec::new() };
        let load = if first.way.message().is_some() { Load::Bulk } else { Load::Batch };
        let again = first.way.repeat() == Repeat::Idempotent;
        let write = |items| self.write_chunk(table, set, items);
        let pieces = self.sizes.in_pieces((&table.name, load, size), items, again, write).await;
        let outcomes = |(piece, answer): (&[Prepared<'_>], Result<Vec<Outcome>, SystemError>)| {
            answer.unwrap_or_else(|error| vec![Err(error); piece.len()])
        };
        pieces.into_iter().flat_map(outcomes).collect()
    }

    /// Writes items of one way: by its bulk message; when data is at fault, as a batch, which answers for each; when
    /// even that is refused as a whole, in halves.
    ///
    /// # Errors
    /// When they are too much for one request.
    fn write_chunk<'a>(
        &'a self,
        table: &'a Table,
        set: &'a str,
        items: &'a [Prepared<'a>],
    ) -> BoxFuture<'a, Result<Vec<Outcome>, SystemError>> {
        Box::pin(async move {
            let Some(first) = items.first() else { return Ok(Vec::new()) };
            if items.len() == 1 {
                return match self.write_one(table, set, first).await {
                    Err(error) if is_too_much(&error) => Err(error),
                    outcome => Ok(vec![outcome]),
                };
            }
            if let Some(message) = first.way.message().filter(|message| self.learned().supports(&table.name, message)) {
                let error = match self.write_bulk(table, set, message, items).await {
                    Err(error) if !is_too_much(&error) => error,
                    answer => return answer,
                };
                if is_unsupported(&error, message) {
                    self.learn().learn_unsupported(&table.name, message);
                } else if !blames_data(&error) || (speaks_of_a_property(&error) && self.learned().can_heal(&table.name))
                {
                    return Ok(vec![Err(error); items.len()]);
                }
                tracing::debug!(table = table.name, message, code = error.code, "bulk refused, records go one by one");
            }
            match self.write_batch(table, set, items).await {
                Err(error) if blames_data(&error) => {
                    let (left, right) = items.split_at(items.len() / 2);
                    let mut outcomes = self.write_chunk(table, set, left).await?;
                    outcomes.extend(self.write_chunk(table, set, right).await?);
                    Ok(outcomes)
                }
                Err(error) if !is_too_much(&error) => Ok(vec![Err(error); items.len()]),
                answer => answer,
            }
        })
    }
}

/// Whether a failure of many lies in the data of some, so that writing them apart helps.
fn blames_data(error: &SystemError) -> bool {
    match error.kind {
        SystemErrorKind::Refused
        | SystemErrorKind::NotFound
        | SystemErrorKind::Duplicate
        | SystemErrorKind::VersionConflict
        | SystemErrorKind::Forbidden
        | SystemErrorKind::Protocol => true,
        // A statement that ran too long or met a deadlock: fewer records at once may pass.
        SystemErrorKind::Transient => couplet_odata::fault::is_deadlock(error),
        _ => false,
    }
}

/// Whether the service says that a table does not know a bulk message.
fn is_unsupported(error: &SystemError, message: &str) -> bool {
    let text = error.message.to_ascii_lowercase();
    text.contains(&message.to_ascii_lowercase())
        && (text.contains("not support")
            || text.contains("been implemented")
            || text.contains("resource not found")
            || matches!(error.kind, SystemErrorKind::Protocol | SystemErrorKind::NotFound))
}

/// Whether the service complains about a property it does not know.
fn speaks_of_a_property(error: &SystemError) -> bool {
    let text = error.message.to_ascii_lowercase();
    text.contains("undeclared property")
        || text.contains("could not find a property")
        || (text.contains("property") && text.contains("does not exist"))
        || text.contains("invalid property")
}

pub(crate) fn unanswered() -> SystemError {
    let message = "the batch was answered, but not for this record; whether it was written is not known";
    SystemError::new(Side::Dataverse, SystemErrorKind::Unreachable, "", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: SystemErrorKind, code: &str, message: &'static str) -> SystemError {
        SystemError::new(Side::Dataverse, kind, code, message)
    }

    #[test]
    fn only_faults_of_data_are_worth_writing_apart() {
        use SystemErrorKind as Kind;
        for (kind, code, expected) in [
            (Kind::Refused, "", true),
            (Kind::NotFound, "0x80040217", true),
            (Kind::Duplicate, "0x80040237", true),
            (Kind::Transient, "0x80044150", true),
            (Kind::Transient, "", false),
            (Kind::Unreachable, "", false),
            (Kind::Timeout, "", false),
            (Kind::Throttled(std::time::Duration::from_secs(1)), "", false),
            (Kind::Unauthorized, "", false),
        ] {
            assert_eq!(blames_data(&error(kind.clone(), code, "")), expected, "{kind:?}");
        }
    }

    #[test]
    fn a_table_without_a_bulk_message_is_told_from_a_bad_record() {
        use SystemErrorKind as Kind;
        let message = "UpsertMultiple";
        for (kind, text, expected) in [
            (Kind::Refused, "UpsertMultiple has not yet been implemented.", true),
            (Kind::Refused, "The 'UpsertMultiple' method does not support entities of type 'x'.", true),
            (Kind::Protocol, "Resource not found for the segment 'Microsoft.Dynamics.CRM.UpsertMultiple'.", true),
            (Kind::Refused, "A validation error occurred.", false),
            (Kind::NotFound, "Account With Ids = 1 Do Not Exist", false),
        ] {
            assert_eq!(is_unsupported(&error(kind, "", text), message), expected, "{text}");
        }
    }

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
