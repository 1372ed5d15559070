//! Writes in bulk: batches of operations, each with its own outcome. Repeating a create under an id never duplicates.

use couplet_model::ids::RecordId;
use couplet_model::record::Version;
use couplet_model::system::{SystemError, SystemErrorKind, Write, WriteAction, Written};
use couplet_model::table::{Side, Table};
use couplet_odata::fault::{part_error, unmarked};
use couplet_odata::sizes::is_too_much;
use couplet_odata::{BatchPart, Load, Operation, Repeat, Request, error_of};
use futures_util::future::{BoxFuture, join_all};
use reqwest::Method;
use serde_json::{Map, Value as Json, json};

use crate::client::BusinessCentralClient;
use crate::entities::written_of;
use crate::route::Route;
use crate::values::{Purpose, body};

/// Times operations that failed for a passing reason are sent again.
const ROUNDS: u32 = 3;

type Outcome = Result<Written, SystemError>;

/// What an operation does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Create, under the given id if there is one.
    Create,
    /// The number may be what was refused: create again and let the number series give one.
    CreateUnnumbered,
    /// The id may be taken by an earlier attempt of this very create: update what is there.
    Adopt,
    Update,
    Delete,
}

/// One write with its body.
#[derive(Clone, Debug)]
struct Prepared {
    /// Its place in the call.
    place: usize,
    route: Route,
    step: Step,
    id: Option<RecordId>,
    etag: Option<String>,
    body: Map<String, Json>,
    /// The body of the update that follows a create whose id is taken.
    adopting: Map<String, Json>,
}

impl Prepared {
    fn repeat(&self) -> Repeat {
        if self.creates() && self.id.is_none() { Repeat::OnlyIfUnprocessed } else { Repeat::Idempotent }
    }

    fn creates(&self) -> bool {
        matches!(self.step, Step::Create | Step::CreateUnnumbered)
    }
}

impl BusinessCentralClient {
    pub(crate) async fn write_all(&self, table: &Table, writes: &[Write]) -> Vec<Outcome> {
        let mut outcomes: Vec<Option<Outcome>> = vec![None; writes.len()];
        let mut prepared = Vec::with_capacity(writes.len());
        for (place, write) in writes.iter().enumerate() {
            match self.prepare(table, place, write) {
                Ok(item) => prepared.push(item),
                Err(error) => outcomes[place] = Some(Err(error)),
            }
        }
        let mut prepared = self.change_routes(table, writes, prepared, &mut outcomes).await;
        // Stable: within one API and one kind of repetition the caller's order holds.
        prepared.sort_by_key(|item| (item.route, item.repeat() == Repeat::OnlyIfUnprocessed));
        for group in prepared.chunk_by(|a, b| (a.route, a.repeat()) == (b.route, b.repeat())) {
            let chunks = group.chunks(self.batch_size).map(|chunk| self.write_in_time(table, chunk));
            for (item, outcome) in group.iter().zip(join_all(chunks).await.into_iter().flatten()) {
                outcomes[item.place] = Some(outcome);
            }
        }
        outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(|| Err(unanswered()))).collect()
    }

    fn prepare(&self, table: &Table, place: usize, write: &Write) -> Result<Prepared, SystemError> {
        let columns: Vec<&str> = write.values.keys().map(|name| &**name).collect();
        let needed = match &write.action {
            // Only pages of the companion app take an id.
            WriteAction::Create { id: Some(_) } => Route::for_ids(table, &columns, self.companion)?,
            _ => Route::choose(table, &columns, self.companion)?,
        };
        let (step, id, etag) = match &write.action {
            WriteAction::Create { id } => (Step::Create, *id, None),
            WriteAction::Update { id, expected } => {
                (Step::Update, Some(*id), expected.as_ref().map(|version| Route::of_version(version).1.to_owned()))
            }
            WriteAction::Delete { id } => (Step::Delete, Some(*id), None),
        };
        let purpose = if step == Step::Create { Purpose::Create } else { Purpose::Update };
        let mut sent = body(table, &write.values, purpose)?;
        let adopting = if step == Step::Create && id.is_some() {
            let update = body(table, &write.values, Purpose::Update)?;
            // The number of the earlier attempt stays: the series may have given it.
            let kept = |name: &String| sent.contains_key(name) && number_column(table) != Some(name);
            update.into_iter().filter(|(name, _)| kept(name)).collect()
        } else {
            Map::new()
        };
        if step == Step::Create && self.is_numbered_by_series(table) {
            number_column(table).map(|name| sent.remove(name));
        }
        if let (Step::Create, Some(id)) = (step, id) {
            sent.insert(table.id_column.clone(), json!(id.to_string()));
        }
        // A version holds on the API it was read through, so that one is kept where it shows the columns.
        let route = match &write.action {
            WriteAction::Update { expected: Some(version), .. }
                if self.shows(table, Route::of_version(version).0, write) =>
            {
                Route::of_version(version).0
            }
            _ => needed,
        };
        Ok(Prepared { place, route, step, id, etag, body: sent, adopting })
    }

    fn is_numbered_by_series(&self, table: &Table) -> bool {
        self.numbered_by_series.lock().is_ok_and(|tables| tables.contains(&table.name))
    }

    fn note_numbered_by_series(&self, table: &Table) {
        if let Ok(mut tables) = self.numbered_by_series.lock() {
            tables.insert(table.name.clone());
        }
    }

    fn shows(&self, table: &Table, route: Route, write: &Write) -> bool {
        let mut columns = write.values.keys().filter_map(|name| table.column(name));
        match route {
            Route::Standard => table.entity_set.is_some() && columns.all(|column| column.standard),
            Route::Companion => {
                self.companion && table.companion_entity_set.is_some() && columns.all(|column| column.companion)
            }
        }
    }

    /// Gives guarded updates that must take another API than the one they were read through the version of that
    /// API: read there first, then compared on the old one. What is unchanged there was not changed here either.
    async fn change_routes(
        &self,
        table: &Table,
        writes: &[Write],
        mut prepared: Vec<Prepared>,
        outcomes: &mut [Option<Outcome>],
    ) -> Vec<Prepared> {
        let expected = |item: &Prepared| -> Option<Version> {
            match &writes[item.place].action {
                WriteAction::Update { expected, .. } => expected.clone(),
                _ => None,
            }
        };
        let moved = |item: &Prepared| expected(item).is_some_and(|version| Route::of_version(&version).0 != item.route);
        let ids: Vec<RecordId> = prepared.iter().filter(|item| moved(item)).filter_map(|item| item.id).collect();
        let Some(route) = prepared.iter().find(|item| moved(item)).map(|item| item.route) else {
            return prepared;
        };
        let other = if route == Route::Standard { Route::Companion } else { Route::Standard };
        let read = async {
            let new = self.read_versions(table, route, &ids).await?;
            Ok::<_, SystemError>((new, self.read_versions(table, other, &ids).await?))
        };
        let read = read.await;
        prepared.retain_mut(|item| {
            if !moved(item) {
                return true;
            }
            let version = match &read {
                Err(error) => Err(error.clone()),
                Ok((new, old)) => {
                    let of = |records: &[couplet_model::record::Record]| {
                        records
                            .iter()
                            .find(|record| Some(record.id) == item.id)
                            .and_then(|record| record.version.clone())
                    };
                    match (of(new), of(old)) {
                        (Some(new), old) if old.is_some() && old == expected(item) => Ok(new),
                        (None, _) | (_, None) => Err(failure(SystemErrorKind::NotFound, "the record is gone")),
                        _ => Err(failure(SystemErrorKind::VersionConflict, "the record was changed since it was read")),
                    }
                }
            };
            match version {
                Ok(version) => {
                    item.etag = Some(Route::of_version(&version).1.to_owned());
                    true
                }
                Err(error) => {
                    outcomes[item.place] = Some(Err(error));
                    false
                }
            }
        });
        prepared
    }

    /// Writes items of one API in pieces that the service answers in time.
    async fn write_in_time(&self, table: &Table, items: &[Prepared]) -> Vec<Outcome> {
        let full = (&*table.name, Load::Batch, self.batch_size);
        let again = items.first().is_none_or(|item| item.repeat() == Repeat::Idempotent);
        let pieces = self.sizes.in_pieces(full, items, again, |items| self.write_chunk(table, items)).await;
        let outcomes = |(piece, answer): (&[Prepared], Result<Vec<Outcome>, SystemError>)| {
            answer.unwrap_or_else(|error| vec![Err(error); piece.len()])
        };
        pieces.into_iter().flat_map(outcomes).collect()
    }

    /// Writes items of one API: alone or as a batch; in halves when the batch is refused as a whole.
    ///
    /// # Errors
    /// When they are too much for one request.
    fn write_chunk<'a>(
        &'a self,
        table: &'a Table,
        items: &'a [Prepared],
    ) -> BoxFuture<'a, Result<Vec<Outcome>, SystemError>> {
        Box::pin(async move {
            match self.write_batch(table, items).await {
                Err(error) if items.len() > 1 && error.kind == SystemErrorKind::Refused => {
                    let (left, right) = items.split_at(items.len() / 2);
                    let mut outcomes = self.write_chunk(table, left).await?;
                    outcomes.extend(self.write_chunk(table, right).await?);
                    Ok(outcomes)
                }
                Err(error) if !is_too_much(&error) => Ok(vec![Err(error); items.len()]),
                answer => answer,
            }
        })
    }

    /// Sends the items until each has its outcome, or the rounds are used up.
    async fn write_batch(&self, table: &Table, items: &[Prepared]) -> Result<Vec<Outcome>, SystemError> {
        let mut outcomes: Vec<Outcome> = vec![Err(unanswered()); items.len()];
        let mut open: Vec<(usize, Prepared)> = items.iter().cloned().enumerate().collect();
        let mut round = 1;
        let mut was_answered = false;
        while !open.is_empty() && round <= ROUNDS {
            let parts = match self.send_open(table, &open).await {
                Ok(parts) => parts,
                // Once an answer has come, what it settled stays settled: only what is still open has failed.
                Err(error) if !was_answered => return Err(error),
                Err(error) => {
                    open.iter().for_each(|(number, _)| outcomes[*number] = Err(error.clone()));
                    break;
                }
            };
            was_answered = true;
            let takes_numbers = open.iter().zip(&parts).any(|((_, item), part)| {
                item.creates() && has_number(table, item) && part.as_ref().is_some_and(BatchPart::is_success)
            });
            let mut again = Vec::new();
            let mut passing = false;
            for ((number, mut item), part) in open.into_iter().zip(parts) {
                let Some(part) = part else {
                    // The answer was cut. A create without an id may have happened.
                    if item.repeat() == Repeat::Idempotent {
                        passing = true;
                        again.push((number, item));
                    }
                    continue;
                };
                match self.judge(table, &item, &part) {
                    Judgement::Settled(outcome) => {
                        // A taken id was no id of ours: the first refusal is what the operator should read.
                        let kept = item.step == Step::Adopt
                            && matches!(&outcome, Err(e) if e.kind == SystemErrorKind::NotFound);
                        if !kept {
                            outcomes[number] = outcome;
                        }
                    }
                    // Where others got the numbers they were given, it is not the number that was refused.
                    Judgement::Unnumbered(error) if takes_numbers => outcomes[number] = Err(error),
                    Judgement::Unnumbered(error) => {
                        outcomes[number] = Err(error);
                        item.step = Step::CreateUnnumbered;
                        number_column(table).map(|name| item.body.remove(name));
                        again.push((number, item));
                    }
                    Judgement::Adopt(error) => {
                        outcomes[number] = Err(error);
                        item.step = Step::Adopt;
                        item.body = std::mem::take(&mut item.adopting);
                        again.push((number, item));
                    }
                    Judgement::Again(error) => {
                        outcomes[number] = Err(error);
                        passing = true;
                        again.push((number, item));
                    }
                }
            }
            open = again;
            if passing {
                if open.is_empty() || round == ROUNDS || self.identity.back_off(round).await.is_err() {
                    break;
                }
                round += 1;
            }
        }
        Ok(outcomes)
    }

    /// Sends the open items: one alone as a plain request, several as a batch.
    async fn send_open(
        &self,
        table: &Table,
        open: &[(usize, Prepared)],
    ) -> Result<Vec<Option<BatchPart>>, SystemError> {
        let [(_, item)] = open else {
            let operations =
                open.iter().map(|(_, item)| self.operation(table, item)).collect::<Result<Vec<Operation>, _>>()?;
            let first = open.first().map(|(_, item)| (item.route, item.repeat()));
            let (route, repeat) = first.unwrap_or((Route::Standard, Repeat::OnlyIfUnprocessed));
            return self.batch(route, &operations, repeat).await;
        };
        let operation = self.operation(table, item)?;
        let url = self.absolute(item.route, &operation.url);
        let mut request = Request::write(operation.method, url, item.repeat());
        request.headers = operation.headers;
        if let Some(body) = &operation.body {
            request = request.json(body);
        }
        let reply = self.identity.send(&request).await?;
        if reply.status >= 500 || matches!(reply.status, 408 | 413) {
            // The service itself failed; there is nothing to judge about the record.
            return Err(error_of(Side::BusinessCentral, &reply));
        }
        let headers = reply
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
        let headers = headers.collect();
        Ok(vec![Some(BatchPart { status: reply.status, headers, body: reply.json() })])
    }

    fn operation(&self, table: &Table, item: &Prepared) -> Result<Operation, SystemError> {
        let url = self.relative(item.route, table, item.id.filter(|_| !item.creates()))?;
        let etag = item.etag.as_deref().unwrap_or("*");
        let body = Json::Object(item.body.clone());
        Ok(match item.step {
            Step::Create | Step::CreateUnnumbered => Operation::new(Method::POST, url).json(body),
            Step::Adopt | Step::Update => Operation::new(Method::PATCH, url).header("If-Match", etag).json(body),
            Step::Delete => Operation::new(Method::DELETE, url).header("If-Match", etag),
        })
    }

    fn judge(&self, table: &Table, item: &Prepared, part: &BatchPart) -> Judgement {
        // A success shows the record as it is now, or bears another mark of the service; a deletion has nothing to show.
        let is_own = part.is_own_success() || (item.step == Step::Delete && part.status == 204);
        if part.is_success() && is_own {
            if item.step == Step::CreateUnnumbered {
                self.note_numbered_by_series(table);
            }
            let written = written_of(table, item.route, &part.body, item.id);
            return Judgement::Settled(written.ok_or_else(|| {
                failure(SystemErrorKind::Protocol, "the record was created, but the answer does not tell its id")
            }));
        }
        if part.is_success() {
            let error = unmarked(Side::BusinessCentral, part.status);
            let may = item.repeat() == Repeat::Idempotent;
            return if may { Judgement::Again(error) } else { Judgement::Settled(Err(error)) };
        }
        let mut error = part_error(Side::BusinessCentral, part);
        let names_a_route = error.message.contains("segment") || error.message.contains("No HTTP resource");
        if part.status == 404 && !item.creates() && !names_a_route {
            error.kind = SystemErrorKind::NotFound;
        } else {
            error = self.explain(item.route, error);
        }
        if item.creates() && item.id.is_some() {
            error = item.route.explain_id(table, error);
        }
        match error.kind {
            // Gone is what was asked for; an earlier attempt may have done it.
            SystemErrorKind::NotFound if item.step == Step::Delete => {
                Judgement::Settled(written_of(table, item.route, &Json::Null, item.id).ok_or(error))
            }
            SystemErrorKind::Duplicate if item.creates() && item.id.is_some() => Judgement::Adopt(error),
            SystemErrorKind::Refused if item.step == Step::Create && has_number(table, item) => {
                Judgement::Unnumbered(error)
            }
            SystemErrorKind::Throttled(_) => {
                self.identity.note_throttled(part.retry_after());
                Judgement::Again(error)
            }
            SystemErrorKind::Transient | SystemErrorKind::Outage if item.repeat() == Repeat::Idempotent => {
                Judgement::Again(error)
            }
            _ => Judgement::Settled(Err(error)),
        }
    }
}

enum Judgement {
    Settled(Outcome),
    Adopt(SystemError),
    Unnumbered(SystemError),
    Again(SystemError),
}

/// The column of the number that a number series may give; codes have no series.
fn number_column(table: &Table) -> Option<&String> {
    table.label_column.as_ref().filter(|name| *name == "number")
}

fn has_number(table: &Table, item: &Prepared) -> bool {
    number_column(table).is_some_and(|name| item.body.contains_key(name))
}

fn failure(kind: SystemErrorKind, message: &'static str) -> SystemError {
    SystemError::new(Side::BusinessCentral, kind, "", message)
}

fn unanswered() -> SystemError {
    let message = "the batch was answered, but not for this record; whether it was written is not known";
    failure(SystemErrorKind::Unreachable, message)
}
