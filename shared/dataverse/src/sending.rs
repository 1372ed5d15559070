//! Prepared writes on their way: alone, as a bulk message, or as operations of a batch, and what the answers mean.

use async_trait::async_trait;
use couplet_model::ids::RecordId;
use couplet_model::record::Version;
use couplet_model::system::{SystemError, SystemErrorKind};
use couplet_model::table::{Side, Table};
use couplet_odata::fault::{is_deadlock, part_error, unmarked};
use couplet_odata::sizes::is_too_much;
use couplet_odata::writing::{Outcome, Verdict, Writer, in_rounds};
use couplet_odata::{BatchPart, Identity, Load, Operation, Repeat, Request, Sizes, error_of};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use crate::client::DataverseClient;
use crate::prepared::{Prepared, Way, speaks_of_a_property, written};

/// Times a bulk message that met a deadlock is sent again before its records are written apart.
const DEADLOCK_REPEATS: u32 = 2;
/// Code of a table that has no optimistic concurrency.
const NO_VERSIONS: &str = "0x80060883";
/// Code of an id that a row of the table has already.
const TAKEN_ID: &str = "0x80040237";

/// The writes of one table.
pub(crate) struct RowWriter<'a> {
    pub client: &'a DataverseClient,
    pub table: &'a Table,
    /// The table's entity set.
    pub set: &'a str,
}

/// The answer to `CreateMultiple`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Created {
    #[serde(default)]
    ids: Vec<Uuid>,
}

#[async_trait]
impl<'a> Writer for RowWriter<'a> {
    type Item = &'a Prepared<'a>;

    fn table(&self) -> &Table {
        self.table
    }

    fn identity(&self) -> &Identity {
        &self.client.identity
    }

    fn sizes(&self) -> &Sizes {
        &self.client.sizes
    }

    fn place(&self, item: &Self::Item) -> usize {
        item.place
    }

    fn repeat(&self, item: &Self::Item) -> Repeat {
        item.way.repeat()
    }

    fn load(&self, item: &Self::Item) -> (Load, usize) {
        match item.way.message() {
            Some(_) => (Load::Bulk, self.client.bulk_size),
            None => (Load::Batch, self.client.batch_size),
        }
    }

    fn fit_together(&self, one: &Self::Item, other: &Self::Item) -> bool {
        one.way == other.way
    }

    /// Several go in their bulk message; when data is at fault, as a batch, which answers for each.
    async fn write(&self, items: &[Self::Item]) -> Result<Vec<Outcome>, SystemError> {
        let message = match items {
            [first, _, ..] => first.way.message(),
            _ => None,
        };
        let Some(message) = message.filter(|message| self.client.learned().supports(&self.table.name, message)) else {
            return in_rounds(self, items).await;
        };
        let error = match self.write_bulk(message, items).await {
            Err(error) if !is_too_much(&error) => error,
            answer => return answer,
        };
        let may_learn = || self.client.learned().may_learn_lookups(&self.table.name);
        if is_unsupported(&error, message) {
            self.client.learn().learn_unsupported(&self.table.name, message);
        } else if !self.blames_data(&error) || (speaks_of_a_property(&error) && may_learn()) {
            return Ok(vec![Err(error); items.len()]);
        }
        tracing::debug!(table = self.table.name, message, code = error.code, "bulk refused, records go one by one");
        in_rounds(self, items).await
    }

    fn blames_data(&self, error: &SystemError) -> bool {
        blames_data(error)
    }

    /// One alone is sent as a request of its own, several as a batch.
    async fn send(&self, items: &[Self::Item]) -> Result<Vec<Option<BatchPart>>, SystemError> {
        let repeat = items.first().map_or(Repeat::OnlyIfUnprocessed, |item| item.way.repeat());
        let [item] = items else {
            let base = format!("{}/{}", self.client.path, self.set);
            let operations: Vec<Operation> = items.iter().map(|item| self.operation(&base, item)).collect();
            return self.client.batch(&operations, repeat).await;
        };
        let operation = self.operation(&format!("{}/{}", self.client.api, self.set), item);
        let reply = self.client.identity.send(&Request::alone(&operation, operation.url.as_str(), repeat)).await?;
        if !reply.is_success() {
            let error = error_of(Side::Dataverse, &reply);
            if is_too_much(&error) || error.kind == SystemErrorKind::Outage {
                // There is nothing to judge about the record.
                return Err(error);
            }
        }
        Ok(vec![Some(reply.into())])
    }

    fn judge(
        &self,
        item: &Self::Item,
        part: &BatchPart,
        _all: &[(Self::Item, Option<BatchPart>)],
    ) -> Verdict<Self::Item> {
        let error = match self.outcome(item, part) {
            Err(error) if self.passes(item, &error) => error,
            outcome => return Verdict::Settled(outcome),
        };
        if matches!(error.kind, SystemErrorKind::Throttled(_)) {
            self.client.identity.note_throttled(part.retry_after());
        }
        Verdict::Later(item, error)
    }
}

impl RowWriter<'_> {
    /// All items in one bulk message, which succeeds or fails as a whole.
    async fn write_bulk(&self, message: &str, items: &[&Prepared<'_>]) -> Result<Vec<Outcome>, SystemError> {
        let targets: Vec<Json> = items.iter().map(|item| target(self.table, item)).collect();
        let way = items.first().map_or(Way::Create, |item| item.way);
        let url = format!("{}/{}/Microsoft.Dynamics.CRM.{message}", self.client.api, self.set);
        let request = Request::write(Method::POST, url, way.repeat())
            .divisible(items.len() > 1)
            .json(&json!({ "Targets": targets }));
        let mut repeats = 0;
        let reply = loop {
            let reply = self.client.identity.send(&request).await?;
            if reply.is_success() {
                break reply;
            }
            let error = error_of(Side::Dataverse, &reply);
            // The statement was undone, so even creates without an id may be sent again.
            if !is_deadlock(&error) || repeats == DEADLOCK_REPEATS {
                return Err(error);
            }
            repeats += 1;
            self.client.identity.back_off(repeats).await.map_err(|_| error)?;
        };
        if way != Way::Create {
            return Ok(items.iter().map(|item| trace(item, None, None)).collect());
        }
        let ids = Created::deserialize(&reply.content).unwrap_or_default().ids;
        // Ids come in the order of the targets; fewer or more of them cannot be told apart.
        let of_item = |place: usize| ids.get(place).filter(|_| ids.len() == items.len()).copied().map(RecordId);
        Ok(items.iter().enumerate().map(|(place, item)| trace(item, of_item(place), None)).collect())
    }

    fn outcome(&self, item: &Prepared<'_>, part: &BatchPart) -> Outcome {
        if part.is_success() && !part.is_own_success() {
            return Err(unmarked(Side::Dataverse, part.status));
        }
        if part.is_success() {
            let entity = part.header("odata-entityid").or_else(|| part.header("location")).and_then(id_at_end);
            return trace(item, entity, part.header("etag").map(str::to_owned));
        }
        let error = part_error(Side::Dataverse, part);
        if item.way == Way::Delete && error.kind == SystemErrorKind::NotFound {
            // Gone is what was asked for; an earlier attempt may have done it.
            return trace(item, None, None);
        }
        if item.way == Way::CreateOnce && error.code.eq_ignore_ascii_case(TAKEN_ID) {
            return trace(item, None, None);
        }
        self.note_unversioned(&error);
        Err(error)
    }

    fn note_unversioned(&self, error: &SystemError) {
        if error.code.eq_ignore_ascii_case(NO_VERSIONS) {
            self.client.learn().learn_unversioned(&self.table.name);
        }
    }

    /// Whether the same write may succeed when it is sent again.
    fn passes(&self, item: &Prepared<'_>, error: &SystemError) -> bool {
        match error.kind {
            SystemErrorKind::Throttled(_) => true,
            SystemErrorKind::Transient => is_deadlock(error) || item.way != Way::Create,
            SystemErrorKind::Outage => item.way != Way::Create,
            // Two upserts of one id at once: the loser meets the winner's row.
            SystemErrorKind::Duplicate => item.way == Way::Upsert && error.code.eq_ignore_ascii_case(TAKEN_ID),
            _ => error.code.eq_ignore_ascii_case(NO_VERSIONS) && self.client.learned().is_unversioned(&self.table.name),
        }
    }

    fn operation(&self, base: &str, item: &Prepared<'_>) -> Operation {
        let row = || format!("{base}({})", item.id.map(|id| id.to_string()).unwrap_or_default());
        let body = || Json::Object(item.body.clone());
        match item.way {
            Way::Create => Operation::new(Method::POST, base).json(body()),
            Way::CreateOnce => Operation::new(Method::POST, base).json(Json::Object(with_id(self.table, item))),
            Way::Upsert => Operation::new(Method::PATCH, row()).json(body()),
            Way::Update => Operation::new(Method::PATCH, row()).header("If-Match", "*").json(body()),
            Way::Guarded => {
                let unversioned = self.client.learned().is_unversioned(&self.table.name);
                let version = item.expected.filter(|_| !unversioned).map_or("*", |version| version.0.as_str());
                Operation::new(Method::PATCH, row()).header("If-Match", version).json(body())
            }
            Way::Delete => Operation::new(Method::DELETE, row()),
        }
    }
}

/// An item as a target of a bulk message.
fn target(table: &Table, item: &Prepared<'_>) -> Json {
    let mut target = Map::with_capacity(item.body.len() + 2);
    target.insert("@odata.type".into(), json!(format!("Microsoft.Dynamics.CRM.{}", table.name)));
    target.extend(with_id(table, item));
    Json::Object(target)
}

/// The body of an item and the id it is created under.
fn with_id(table: &Table, item: &Prepared<'_>) -> Map<String, Json> {
    let id = item.id.map(|id| (table.id_column.clone(), json!(id.to_string())));
    id.into_iter().chain(item.body.iter().map(|(name, value)| (name.clone(), value.clone()))).collect()
}

fn trace(item: &Prepared<'_>, answered: Option<RecordId>, etag: Option<String>) -> Outcome {
    match item.id.or(answered) {
        Some(id) => Ok(written(id, etag.map(Version))),
        None => {
            let message = "the record was created, but the answer does not tell its id";
            Err(SystemError::new(Side::Dataverse, SystemErrorKind::Protocol, "", message))
        }
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
        SystemErrorKind::Transient => is_deadlock(error),
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

/// The id in the brackets that end an address.
fn id_at_end(url: &str) -> Option<RecordId> {
    let (_, key) = url.strip_suffix(')')?.rsplit_once('(')?;
    let key = key.rsplit_once('=').map_or(key, |(_, value)| value);
    Uuid::parse_str(key).ok().map(RecordId)
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
    fn ids_are_read_from_the_end_of_an_address() {
        let id = Uuid::from_u128(1);
        for (url, expected) in [
            (format!("http://h/api/data/v9.2/accounts({id})"), true),
            (format!("http://h/api/data/v9.2/accounts(accountid={id})"), true),
            (format!("http://h/accounts({id})/x"), false),
            ("http://h/accounts(name='a')".to_owned(), false),
        ] {
            assert_eq!(id_at_end(&url), expected.then_some(RecordId(id)), "{url}");
        }
    }
}
