//! Documents: the lines of all headers of a batch are read in one read per side, transferred and decided like any other
//! record of their mapping, and written in one bulk write together with the deletions of those that are gone.
//!
//! It happens after the headers are written, so that a new line can name its header, and before what follows the write of
//! a header. A header ends like its worst line; a digest of its lines is kept in its base, by which a document that nobody
//! changed is known. Which lines are about to be deleted is noted in the header's coupling first: whoever comes after a
//! crash finds their couplings, although neither side shows the lines any more.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::Future;
use std::pin::Pin;

use couplet_model::catalogue::{HeaderName, Names};
use couplet_model::message::{Direction, Precedence, Wish};
use couplet_model::outcome::{DataFailure, FieldConflict, Need};
use couplet_model::record::Values;
use couplet_model::table::{FieldType, Side};
use couplet_model::{Condition, Filter, Outcome, Record, RecordId, RecordMessage, Value};
use uuid::Uuid;

use super::batch::{Batch, Delivered, End, Stop};
use super::header_lines::{Document, Findings, Header, LEAVING, LinesDocument, LinesOfHeaders, key_of};
use super::stages::{Admitted, Decided, Ended, Lines, ReadLines, WrittenLines};
use crate::error::EngineError;
use crate::failpoints::Failpoint;
use crate::mappings::installed::InstalledMapping;
use crate::mappings::rules::BatchRules;

impl<'a> Batch<'a> {
    fn document(&self) -> Result<Option<Document<'a>>, Stop> {
        let (engine, mapping) = (self.engine, self.mapping);
        let Some(lines) = mapping.lines(self.direction) else { return Ok(None) };
        match engine.mapping(&lines.mapping) {
            Ok(mapping) => Ok(Some(Document { lines, mapping })),
            Err(reason) => {
                let message = format!("{}, the lines of {}, cannot run: {reason}", lines.mapping, mapping.name);
                Err(EngineError::SetUp(message).into())
            }
        }
    }

    /// Reads the lines of all headers at the source.
    pub(super) async fn read_lines(&mut self, headers: Vec<Admitted>) -> Result<Vec<Admitted>, Stop> {
        let Some(document) = self.document()? else { return Ok(headers) };
        let side = self.direction.source();
        let name = document.lines.header_name(side);
        let (mut named, mut names) = (Vec::with_capacity(headers.len()), Vec::with_capacity(headers.len()));
        for header in headers {
            match name_of(name, header.source.id, |column| header.source.known(column)) {
                Some(value) => {
                    named.push(header);
                    names.push(value);
                }
                None => {
                    let failure = nameless(self.mapping, side);
                    self.settle(header.settle(Outcome::Failed(failure)));
                }
            }
        }
        let columns = document.mapping.source_columns(self.direction);
        let mut found = self.lines_of(document, side, &names, columns).await?;
        for (header, name) in named.iter_mut().zip(&names) {
            let mut records = found.remove(&key_of(name)).unwrap_or_default();
            if let Some(column) = document.mapping.rules.ordered_by(self.direction) {
                records.sort_by(|one, other| in_order(one, other, column));
            }
            header.lines = Lines::Read(ReadLines { digest: digest(&records, columns), records });
        }
        self.without_deleted(named).await
    }

    /// Coupled headers that show no line may have been deleted since they were read: then their lines are gone with them, and
    /// say nothing about the lines of their partners.
    async fn without_deleted(&mut self, headers: Vec<Admitted>) -> Result<Vec<Admitted>, Stop> {
        let shows_none = |header: &Admitted| {
            matches!(&header.lines, Lines::Read(lines) if lines.records.is_empty()) && header.coupled().is_some()
        };
        let ids: Vec<RecordId> =
            headers.iter().filter(|header| shows_none(header)).map(|header| header.source.id).collect();
        if ids.is_empty() {
            return Ok(headers);
        }
        let table = self.mapping.table(self.direction.source());
        let there = self.engine.system(table.side).fetch(table, &ids, &[]).await?;
        let there: HashSet<RecordId> = there.into_iter().map(|header| header.id).collect();
        let is_gone = |header: &Admitted| shows_none(header) && !there.contains(&header.source.id);
        let (gone, left): (Vec<Admitted>, Vec<Admitted>) = headers.into_iter().partition(is_gone);
        self.end_deleted(gone.into_iter().map(Admitted::into_received).collect()).await?;
        Ok(left)
    }

    /// The lines of a side that name one of some headers, by that name.
    async fn lines_of(
        &self,
        document: Document<'_>,
        side: Side,
        names: &[Value],
        columns: &[String],
    ) -> Result<HashMap<String, Vec<Record>>, Stop> {
        let mut lines: HashMap<String, Vec<Record>> = HashMap::new();
        if names.is_empty() {
            return Ok(lines);
        }
        let column = &document.lines.header_name(side).column;
        let mut columns = columns.to_vec();
        if !columns.contains(column) {
            columns.push(column.clone());
        }
        let filter = Filter::all(vec![Condition::one_of(column, names.to_vec())]);
        for line in self.engine.system(side).find(document.mapping.table(side), &filter, &columns).await? {
            lines.entry(key_of(line.get(column))).or_default().push(line);
        }
        Ok(lines)
    }

    /// Synchronizes the lines of headers that are written. Gives the headers whose lines are as they should be; the others
    /// have ended, or go back to the queue.
    pub(super) fn synchronize_lines<'s>(
        &'s mut self,
        headers: Vec<Decided>,
        rules: &'s dyn BatchRules,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<Decided>, Stop>> + Send + 's>> {
        // Lines go through the same steps, which have no lines in turn.
        Box::pin(self.with_lines(headers, rules))
    }

    async fn with_lines(&mut self, decided: Vec<Decided>, rules: &dyn BatchRules) -> Result<Vec<Decided>, Stop> {
        let Some(document) = self.document()?.filter(|_| !decided.is_empty()) else { return Ok(decided) };
        let side = self.direction.destination();
        let mut headers = self.named_at_destination(document, decided);
        let names: Vec<Value> = headers.iter().map(|header| header.name.clone()).collect();
        let columns = document.mapping.destination_columns(self.direction);
        let there = self.lines_of(document, side, &names, columns).await?;
        self.find_leaving(document, &mut headers, &there).await?;
        let mut headers = self.note_leaving(headers).await?;
        self.pass(Failpoint::LinesNoted)?;
        let there = there.into_values().flatten().map(|line| (line.id, line)).collect();
        let (mut lines, sources, owners) = self.batch_of_lines(document, &headers, there);
        let has_work = !sources.is_empty() || headers.iter().any(|header| !header.leaving.is_empty());
        let mut findings: HashMap<usize, Findings> = HashMap::new();
        if has_work {
            let ended = lines.line_steps(sources).await;
            self.take_over_marks(&mut lines, &mut headers);
            let ended = match ended {
                Ok(ended) => ended,
                Err(Stop::Died) => return Err(Stop::Died),
                Err(Stop::Failed(error)) => {
                    for line in 0..lines.delivered.len() {
                        lines.give_back(line, &error, None);
                    }
                    lines.give_up_claims().await;
                    return Err(Stop::Failed(error));
                }
            };
            lines.give_up_claims().await;
            let headers: HashMap<usize, &Header> =
                headers.iter().map(|header| (header.decided.index, header)).collect();
            for line in &ended {
                let owner = owners[line.index];
                let Some(header) = headers.get(&owner) else { continue };
                self.find_outcome(
                    findings.entry(owner).or_default(),
                    &lines,
                    line,
                    &self.label(&header.decided.source),
                );
            }
            self.take_back(&lines, &owners);
            self.part_deleted(&mut lines, &mut findings).await?;
        }
        self.pass(Failpoint::LinesEnded)?;
        self.close_behind(&mut headers, &findings, rules).await;
        Ok(self.end_headers(headers, findings))
    }

    /// Takes over what was noted on the pairs of headers while their lines were written.
    fn take_over_marks(&mut self, lines: &mut Batch<'_>, headers: &mut [Header]) {
        let Some(lines) = &mut lines.lines else { return };
        for header in headers {
            let noted = lines.documents.remove(&header.decided.index).map(|document| document.coupling);
            if let Some(noted) = noted.filter(|noted| noted.revision != header.decided.coupling.revision) {
                self.delivered[header.decided.index].claim = Some(noted.clone());
                header.decided.coupling = noted;
            }
        }
    }

    /// Headers with what their lines at the destination name them by.
    fn named_at_destination(&mut self, document: Document<'_>, decided: Vec<Decided>) -> Vec<Header> {
        let side = self.direction.destination();
        let name = document.lines.header_name(side);
        let column = document.mapping.table(side).column(&name.column);
        let is_lookup = column.is_some_and(|column| matches!(column.field, FieldType::Lookup { .. }));
        let mut headers = Vec::with_capacity(decided.len());
        for decided in decided {
            let id = decided.coupling.id(side);
            let written = decided.written.as_ref().and_then(|written| written.values.as_ref());
            let holds = |column: &str| {
                let shown = written.and_then(|values: &Values| values.get(column));
                let read = || decided.destination.as_ref().and_then(|record| record.known(column));
                let sent = || decided.verdict.values().and_then(|values| values.get(column));
                shown.or_else(sent).or_else(read)
            };
            match name_of(name, id, holds) {
                Some(Value::Guid(id)) if is_lookup => {
                    let name = Value::Reference { table: self.mapping.table(side).name.as_str().into(), id };
                    headers.push(Header { decided, name, leaving: Vec::new() });
                }
                Some(name) => headers.push(Header { decided, name, leaving: Vec::new() }),
                None => {
                    let failure = nameless(self.mapping, side);
                    self.end_behind(decided, Outcome::Failed(failure));
                }
            }
        }
        headers
    }

    /// The batch of all lines, their records at the source, and the place of each line's header.
    fn batch_of_lines(
        &self,
        document: Document<'a>,
        headers: &[Header],
        there: HashMap<RecordId, Record>,
    ) -> (Batch<'a>, HashMap<RecordId, Record>, Vec<usize>) {
        let side = self.direction.destination();
        let (mut delivered, mut owners, mut named, mut of) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut sources = HashMap::new();
        let mut references = Vec::new();
        for header in headers {
            let decided = &header.decided;
            references.extend(self.reference_to(decided));
            let of_header = &self.delivered[decided.index];
            let Lines::Read(lines) = &decided.lines else { continue };
            let is_leaving =
                |line: &&Record| header.leaving.iter().any(|pair| pair.id(self.direction.source()) == line.id);
            for line in lines.records.iter().filter(|line| !is_leaving(line)) {
                if sources.insert(line.id, line.clone()).is_some() {
                    continue;
                }
                let mut options = of_header.message.options;
                if decided.is_new_on(side) {
                    // With a header that was made anew its lines are gone, too.
                    options.precedence = Precedence::SourceRestoring;
                }
                let message = RecordMessage {
                    mapping: document.mapping.name.clone(),
                    record: line.id,
                    snapshot: None,
                    options,
                    wish: of_header.message.wish.clone().filter(|wish| matches!(wish, Wish::Resolve(_))),
                    ..of_header.message.clone()
                };
                let (deliveries, receive_count) = (Vec::new(), of_header.receive_count);
                let (claim, is_held_by_outage, end) = (None, false, None);
                delivered.push(Delivered { deliveries, message, receive_count, claim, is_held_by_outage, end });
                owners.push(decided.index);
                named.push(header.name.clone());
                of.push(decided.coupling.system_id);
            }
        }
        let leaving = |header: &Header| {
            let index = header.decided.index;
            header.leaving.iter().map(move |pair| (index, pair.clone())).collect::<Vec<_>>()
        };
        let of_lines = |header: &Header| {
            let (decided, name) = (&header.decided, header.name.clone());
            let document = LinesDocument {
                name,
                coupling: decided.coupling.clone(),
                is_new: decided.verdict.creates(),
                is_open: self.is_open_document(self.mapping, decided.destination.as_ref()),
            };
            (decided.index, document)
        };
        let column = &document.lines.header_name(side).column;
        let lines = document.mapping.table(side).column(column).map(|column| LinesOfHeaders {
            headers: self.mapping.name.clone(),
            opens_documents: self.mapping.rules.opens_documents(),
            names: document.lines.clone(),
            references,
            column: column.clone(),
            named,
            of,
            documents: headers.iter().map(of_lines).collect(),
            there,
            leaving: headers.iter().flat_map(leaving).collect(),
            deleted: Vec::new(),
        });
        let batch = Batch {
            engine: self.engine,
            mapping: document.mapping,
            direction: self.direction,
            job: self.job.clone(),
            run: self.run,
            resumed_at: self.resumed_at,
            delivered,
            settled: Vec::new(),
            lines,
            recorded: HashSet::new(),
        };
        (batch, sources, owners)
    }

    /// How a lookup through the mapping of the headers finds one of them.
    fn reference_to(&self, header: &Decided) -> Option<(String, Value)> {
        let key = self.key_of(header)?;
        let row = header.coupling.dataverse_id.0;
        let table = self.mapping.table(Side::Dataverse).name.as_str().into();
        Some(match self.direction {
            Direction::ToDataverse => (key, Value::Reference { table, id: row }),
            Direction::FromDataverse => (row.to_string(), Value::text(key)),
        })
    }

    /// Adds the end of a line to what is found of its header.
    fn find_outcome(&self, findings: &mut Findings, lines: &Batch<'_>, line: &Ended, header: &str) {
        findings.any_written |= matches!(line.outcome, Outcome::Inserted | Outcome::Modified);
        if !Self::is_behind(&line.outcome) {
            return;
        }
        let table = lines.source_table();
        let label = line.source().map_or_else(|| lines.record(line.index).to_string(), |source| source.label(table));
        let of_line = format!("{} {label} of {header}", table.caption());
        findings.add(told_of_header(line.outcome.clone(), &of_line));
    }

    /// Sends the headers back to the queue of which a line has to come again.
    fn take_back(&mut self, lines: &Batch<'_>, owners: &[usize]) {
        for (line, owner) in lines.delivered.iter().zip(owners) {
            if line.is_held_by_outage {
                let header = &mut self.delivered[*owner];
                header.is_held_by_outage |= header.end.is_none();
            }
            match &line.end {
                Some(End::Stored(_)) => {}
                Some(End::Returned { reason, after }) => self.give_back(*owner, reason.clone(), *after),
                Some(End::Postponed { reason, after }) => self.postpone(*owner, reason.clone(), *after),
                None => self.give_back(*owner, "one of its lines was left open", None),
            }
        }
    }

    /// Ends the headers whose lines are not as they should be; gives the others.
    fn end_headers(&mut self, headers: Vec<Header>, mut findings: HashMap<usize, Findings>) -> Vec<Decided> {
        let mut open = Vec::with_capacity(headers.len());
        for Header { mut decided, .. } in headers {
            if self.delivered[decided.index].end.is_some() {
                continue;
            }
            let Findings { worst, any_written } = findings.remove(&decided.index).unwrap_or_default();
            if let Some(outcome) = worst {
                self.end_behind(decided, outcome);
                continue;
            }
            if let Lines::Read(ReadLines { digest, .. }) = decided.lines {
                decided.lines = Lines::Written(WrittenLines { digest, any_written });
            }
            decided.coupling.related.retain(|role, _| !role.starts_with(LEAVING));
            open.push(decided);
        }
        open
    }

    /// Ends a header that is there, but not with all its lines.
    fn end_behind(&mut self, decided: Decided, outcome: Outcome) {
        let mut settled = decided.settle(outcome);
        settled.is_written = true;
        self.settle(settled);
    }
}

/// The outcome of a line as its header tells it, with the line named.
fn told_of_header(outcome: Outcome, line: &str) -> Outcome {
    match outcome {
        // That a line was deleted says nothing of the header's pair.
        Outcome::Failed(DataFailure { field, message, gone: _ }) => {
            Outcome::Failed(DataFailure { field, message: format!("{line}: {message}"), gone: None })
        }
        Outcome::Conflict(conflicts) => Outcome::Conflict(
            conflicts
                .into_iter()
                .map(|conflict| FieldConflict {
                    business_central: format!("{} of {line}", conflict.business_central),
                    ..conflict
                })
                .collect(),
        ),
        Outcome::Waiting(need) | Outcome::WaitingInVain(need) => {
            Outcome::Waiting(Need { field: format!("{} of {line}", need.field), ..need })
        }
        other => other,
    }
}

/// What a header is named by; `None` where what names it is blank or not known.
fn name_of<'v>(name: &HeaderName, id: RecordId, holds: impl Fn(&str) -> Option<&'v Value>) -> Option<Value> {
    match &name.names {
        Names::Id => Some(Value::Guid(id.0)),
        Names::Key(column) => holds(column).filter(|value| !value.is_null()).cloned(),
        Names::Everything => None,
    }
}

fn nameless(mapping: &InstalledMapping, side: Side) -> DataFailure {
    DataFailure::new(format!(
        "the {} in {side} has no key by which its lines could name it; give it one",
        mapping.table(side).caption()
    ))
}

/// The order of two lines by a column with numbers; those without one come first, and of equals the one with the lower id.
fn in_order(one: &Record, other: &Record, column: &str) -> Ordering {
    let number = |line: &Record| line.get(column).as_decimal();
    number(one).cmp(&number(other)).then(one.id.cmp(&other.id))
}

/// What all lines of a header hold in the columns that are read for them, in short and whatever their order.
fn digest(lines: &[Record], columns: &[String]) -> Uuid {
    let lines: BTreeMap<RecordId, Vec<(&str, serde_json::Value)>> = lines
        .iter()
        .map(|line| {
            let known = columns.iter().filter_map(|name| Some((name.as_str(), line.known(name)?.to_json())));
            (line.id, known.collect())
        })
        .collect();
    let mut text = String::new();
    for (id, values) in lines {
        text.push_str(&id.to_string());
        for (name, value) in values {
            text.push_str(&format!("\n{name}={value}"));
        }
        text.push('\n');
    }
    Uuid::new_v5(&Uuid::NAMESPACE_OID, text.as_bytes())
}

#[cfg(test)]
mod tests;
