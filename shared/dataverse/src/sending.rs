//! The three forms a write is sent in: alone, as a bulk message, as operations of a batch.

use couplet_model::ids::RecordId;
use couplet_model::record::Version;
use couplet_model::system::{SystemError, SystemErrorKind};
use couplet_model::table::{Side, Table};
use couplet_odata::fault::{is_deadlock, part_error, unmarked};
use couplet_odata::{BatchPart, Operation, Reply, Request, error_of};
use reqwest::Method;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use crate::client::DataverseClient;
use crate::writing::{Outcome, Prepared, Way, unanswered, written};

/// Times a bulk message that met a deadlock is sent again before its records are written apart.
const DEADLOCK_REPEATS: u32 = 2;
/// Times the operations of a batch that failed for a passing reason are sent again.
const BATCH_ROUNDS: u32 = 3;
/// Code of a table that has no optimistic concurrency.
const NO_VERSIONS: &str = "0x80060883";

impl DataverseClient {
    /// One write as a request of its own.
    pub(crate) async fn write_one(&self, table: &Table, set: &str, item: &Prepared<'_>) -> Outcome {
        for round in 1..=BATCH_ROUNDS {
            let operation = self.operation(table, &format!("{}/{set}", self.api), item);
            let mut request = Request::write(operation.method, operation.url, item.way.repeat());
            request.headers = operation.headers;
            if let Some(body) = &operation.body {
                request = request.json(body);
            }
            let reply = self.identity.send(&request).await?;
            if reply.is_success() {
                let (entity, etag) = (entity_id(&reply), reply.header("etag").map(str::to_owned));
                return trace(item, entity, etag);
            }
            let error = error_of(Side::Dataverse, &reply);
            if let Some(settled) = self.settle(table, item, error, round).await? {
                return settled;
            }
        }
        Err(unanswered())
    }

    /// All items in one bulk message, which succeeds or fails as a whole.
    pub(crate) async fn write_bulk(
        &self,
        table: &Table,
        set: &str,
        message: &str,
        items: &[Prepared<'_>],
    ) -> Result<Vec<Outcome>, SystemError> {
        let targets: Vec<Json> = items.iter().map(|item| target(table, item)).collect();
        let way = items.first().map_or(Way::Create, |item| item.way);
        let url = format!("{}/{set}/Microsoft.Dynamics.CRM.{message}", self.api);
        let request = Request::write(Method::POST, url, way.repeat())
            .divisible(items.len() > 1)
            .json(&json!({ "Targets": targets }));
        let mut repeats = 0;
        let reply = loop {
            let reply = self.identity.send(&request).await?;
            if reply.is_success() {
                break reply;
            }
            let error = error_of(Side::Dataverse, &reply);
            // The statement was undone, so even creates without an id may be sent again.
            if !is_deadlock(&error) || repeats == DEADLOCK_REPEATS {
                return Err(error);
            }
            repeats += 1;
            self.identity.back_off(repeats).await.map_err(|_| error)?;
        };
        if way != Way::Create {
            return Ok(items.iter().map(|item| trace(item, None, None)).collect());
        }
        let body = reply.json();
        let ids: Vec<Option<RecordId>> = body
            .get("Ids")
            .and_then(Json::as_array)
            .map(|ids| ids.iter().map(|id| Uuid::parse_str(id.as_str()?).ok().map(RecordId)).collect())
            .unwrap_or_default();
        Ok(items.iter().enumerate().map(|(place, item)| trace(item, ids.get(place).copied().flatten(), None)).collect())
    }

    /// All items as operations of one batch. Those that fail for a passing reason are sent again, a few times.
    pub(crate) async fn write_batch(
        &self,
        table: &Table,
        set: &str,
        items: &[Prepared<'_>],
    ) -> Result<Vec<Outcome>, SystemError> {
        let base = format!("{}/{set}", self.path);
        let way = items.first().map_or(Way::Create, |item| item.way);
        let mut outcomes: Vec<Outcome> = vec![Err(unanswered()); items.len()];
        let mut open: Vec<usize> = (0..items.len()).collect();
        for round in 1..=BATCH_ROUNDS {
            let operations: Vec<Operation> =
                open.iter().map(|place| self.operation(table, &base, &items[*place])).collect();
            let parts = match self.batch(&operations, way.repeat()).await {
                Ok(parts) => parts,
                Err(error) if round == 1 => return Err(error),
                Err(error) => {
                    open.iter().for_each(|place| outcomes[*place] = Err(error.clone()));
                    break;
                }
            };
            let mut again = Vec::new();
            for (number, place) in open.into_iter().enumerate() {
                let item = &items[place];
                let Some(part) = parts.get(number) else {
                    // The answer was cut. Creates without an id may have happened; everything else may be repeated.
                    if way != Way::Create {
                        again.push(place);
                    }
                    continue;
                };
                let outcome = self.part_outcome(table, item, part);
                if matches!(&outcome, Err(error) if self.passes(table, item, error)) {
                    again.push(place);
                }
                outcomes[place] = outcome;
            }
            open = again;
            if open.is_empty() || round == BATCH_ROUNDS || self.identity.back_off(round).await.is_err() {
                break;
            }
        }
        Ok(outcomes)
    }

    fn part_outcome(&self, table: &Table, item: &Prepared<'_>, part: &BatchPart) -> Outcome {
        if part.is_success() && !part.is_own_success() {
            return Err(unmarked(Side::Dataverse, part.status));
        }
        if part.is_success() {
            let entity = part.header("odata-entityid").or_else(|| part.header("location")).and_then(id_at_end);
            return trace(item, entity, part.header("etag").map(str::to_owned));
        }
        let error = part_error(Side::Dataverse, part);
        match &error.kind {
            SystemErrorKind::NotFound if item.way == Way::Delete => trace(item, None, None),
            SystemErrorKind::Throttled(_) => {
                self.identity.note_throttled(part.retry_after());
                Err(error)
            }
            _ => {
                self.note_unversioned(table, &error);
                Err(error)
            }
        }
    }

    /// Decides on a refused single write: its outcome, or `None` to send it again.
    async fn settle(
        &self,
        table: &Table,
        item: &Prepared<'_>,
        error: SystemError,
        round: u32,
    ) -> Result<Option<Outcome>, SystemError> {
        if item.way == Way::Delete && error.kind == SystemErrorKind::NotFound {
            // Gone is what was asked for; an earlier attempt may have done it.
            return Ok(Some(trace(item, None, None)));
        }
        self.note_unversioned(table, &error);
        if round == BATCH_ROUNDS || !self.passes(table, item, &error) {
            return Ok(Some(Err(error)));
        }
        self.identity.back_off(round).await.map_err(|_| error)?;
        Ok(None)
    }

    fn note_unversioned(&self, table: &Table, error: &SystemError) {
        if error.code.eq_ignore_ascii_case(NO_VERSIONS) {
            self.learn().learn_unversioned(&table.name);
        }
    }

    /// Whether the same write may succeed when it is sent again.
    fn passes(&self, table: &Table, item: &Prepared<'_>, error: &SystemError) -> bool {
        match error.kind {
            SystemErrorKind::Throttled(_) => true,
            SystemErrorKind::Transient => is_deadlock(error) || item.way != Way::Create,
            SystemErrorKind::Outage => item.way != Way::Create,
            // Two upserts of one id at once: the loser meets the winner's row.
            SystemErrorKind::Duplicate => item.way == Way::Upsert && error.code.eq_ignore_ascii_case("0x80040237"),
            _ => error.code.eq_ignore_ascii_case(NO_VERSIONS) && self.learned().is_unversioned(&table.name),
        }
    }

    fn operation(&self, table: &Table, base: &str, item: &Prepared<'_>) -> Operation {
        let row = || format!("{base}({})", item.id.map(|id| id.to_string()).unwrap_or_default());
        let body = || Json::Object(item.body.clone());
        match item.way {
            Way::Create => Operation::new(Method::POST, base).json(body()),
            Way::Upsert => Operation::new(Method::PATCH, row()).json(body()),
            Way::Update => Operation::new(Method::PATCH, row()).header("If-Match", "*").json(body()),
            Way::Guarded => {
                let unversioned = self.learned().is_unversioned(&table.name);
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
    if let Some(id) = item.id {
        target.insert(table.id_column.clone(), json!(id.to_string()));
    }
    target.extend(item.body.iter().map(|(name, value)| (name.clone(), value.clone())));
    Json::Object(target)
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

fn entity_id(reply: &Reply) -> Option<RecordId> {
    reply.header("odata-entityid").or_else(|| reply.header("location")).and_then(id_at_end)
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
