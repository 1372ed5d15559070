//! Records whose write was refused, perhaps for one of their fields: the fields are written in parts, all records side by
//! side, until the refused ones stand alone. These stay behind with a note.

use std::collections::VecDeque;
use std::sync::Arc;

use couplet_model::outcome::FieldNote;
use couplet_model::record::Values;
use couplet_model::system::{SystemErrorKind, Write, WriteAction, Written};
use couplet_model::table::Table;
use couplet_model::{RecordId, SystemError, Value, Version};

use super::batch::Batch;
use super::stages::{Decided, Verdict};

/// Rounds of writes at most. Halving sixty fields takes six; the rest is room for several refused fields.
const ROUNDS: usize = 16;

/// One record whose write was refused.
pub(super) struct Parting {
    /// The record.
    record: Decided,
    id: Option<RecordId>,
    /// Whether it has still to be created.
    creating: bool,
    /// Its version, as far as it is known after what was written.
    version: Option<Version>,
    /// Parts to be written yet, in order: both halves are tried before one of them is taken apart.
    open: VecDeque<Part>,
    /// What the first refusal said.
    first: SystemError,
    /// Fields that were refused alone, and why.
    refused: Vec<(Arc<str>, SystemError)>,
    /// The trace of what was written.
    written: Option<Written>,
    /// How many parts in a row were refused in the words of the first refusal, none written between.
    in_vain: usize,
}

/// Values that are written together.
struct Part {
    values: Values,
    /// Given to a new record in any case.
    essential: Values,
    /// Refused before, so that it is not sent again as it is.
    is_refused: Option<SystemError>,
}

/// Whether a refusal may be about one of the fields rather than about the record.
pub(super) fn may_lie_in_a_field(error: &SystemError, write: &Write, table: &Table) -> bool {
    let names_one = || !named(&error.message, &write.values, table).is_empty();
    match (&error.kind, &write.action) {
        (_, WriteAction::Delete { .. }) => false,
        (SystemErrorKind::Refused, _) => write.values.len() > 1 || names_one(),
        // A row that a lookup refers to is gone; or a right is missing for a secured column.
        (SystemErrorKind::NotFound, action) => write.values.len() > 1 && !is_own_id(&error.message, action),
        (SystemErrorKind::Forbidden, _) => names_one(),
        _ => false,
    }
}

fn is_own_id(message: &str, action: &WriteAction) -> bool {
    match action {
        WriteAction::Create { id } => id.is_none_or(|id| message.contains(&id.to_string())),
        WriteAction::Update { id, .. } | WriteAction::Delete { id } => message.contains(&id.to_string()),
    }
}

/// The columns among these values that a message names, by name or caption. A name inside a longer one does not count.
fn named(message: &str, values: &Values, table: &Table) -> Vec<Arc<str>> {
    let message = message.to_lowercase();
    let mut spans: Vec<(usize, usize, &Arc<str>)> = Vec::new();
    for name in values.keys() {
        let caption = table.column(name).map(|column| column.caption.to_lowercase()).unwrap_or_default();
        for word in [name.to_lowercase(), caption] {
            spans.extend(occurrences(&message, &word).map(|start| (start, start + word.len(), name)));
        }
    }
    let inside = |&(start, end, _): &(usize, usize, &Arc<str>)| {
        spans.iter().any(|(s, e, _)| *s <= start && end <= *e && e - s > end - start)
    };
    let mut found: Vec<Arc<str>> = spans.iter().filter(|span| !inside(span)).map(|span| Arc::clone(span.2)).collect();
    found.sort();
    found.dedup();
    found
}

/// Where a word stands in a text, with nothing that belongs to a word beside it.
fn occurrences<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_edge = |neighbour: Option<char>| neighbour.is_none_or(|c| !c.is_alphanumeric() && c != '_');
    let matches = (!word.is_empty()).then(|| text.match_indices(word)).into_iter().flatten();
    matches.map(|(start, _)| start).filter(move |start| {
        is_edge(text[..*start].chars().next_back()) && is_edge(text[start + word.len()..].chars().next())
    })
}

/// Parts of refused values: what the message does not name, and each named column; else halves.
fn split(values: &Values, error: &SystemError, table: &Table) -> Vec<Values> {
    let named = named(&error.message, values, table);
    if !named.is_empty() && named.len() < values.len() {
        let rest = values.iter().filter(|(name, _)| !named.contains(name));
        let mut parts = vec![rest.map(|(name, value)| (Arc::clone(name), value.clone())).collect::<Values>()];
        parts.extend(named.iter().filter_map(|name| Some([(Arc::clone(name), values.get(name)?.clone())].into())));
        return parts;
    }
    let all: Vec<(Arc<str>, Value)> = values.iter().map(|(name, value)| (Arc::clone(name), value.clone())).collect();
    let (left, right) = all.split_at(all.len().div_ceil(2));
    [left, right].into_iter().filter(|half| !half.is_empty()).map(|half| half.iter().cloned().collect()).collect()
}

impl Parting {
    pub fn new(record: Decided, write: Write, error: SystemError) -> Self {
        let (id, creating, version) = match write.action {
            WriteAction::Create { id } => (id, true, None),
            WriteAction::Update { id, expected } => (Some(id), false, expected),
            WriteAction::Delete { id } => (Some(id), false, None),
        };
        let whole = Part { values: write.values, essential: Values::new(), is_refused: Some(error.clone()) };
        Self {
            record,
            id,
            creating,
            version,
            open: VecDeque::from([whole]),
            first: error,
            refused: Vec::new(),
            written: None,
            in_vain: 0,
        }
    }

    /// Takes apart what was refused, until the next part is one that has not been tried.
    fn advance(&mut self, table: &Table, source: &Table) {
        while self.open.front().is_some_and(|part| part.is_refused.is_some()) {
            let Some(part) = self.open.pop_front() else { return };
            let Some(error) = part.is_refused else { return };
            let (must, may): (Values, Values) = part
                .values
                .into_iter()
                .partition(|(name, _)| self.creating && is_essential(&self.record, source, table, name));
            let must = if part.essential.is_empty() { must } else { part.essential };
            // Without this field there can be no record: the refusal is one of the record.
            if self.creating && !named(&error.message, &must, table).is_empty() {
                self.open.clear();
                return;
            }
            if may.len() <= 1 {
                self.refused.extend(may.into_keys().map(|name| (name, error.clone())));
                continue;
            }
            let parts = split(&may, &error, table).into_iter();
            self.open.extend(parts.map(|values| Part { values, essential: must.clone(), is_refused: None }));
        }
    }

    /// The write of the next part.
    fn write(&self) -> Option<Write> {
        let part = self.open.front()?;
        let mut values = part.values.clone();
        if self.creating {
            values.extend(part.essential.clone());
            return Some(Write::create(self.id, values));
        }
        self.id.map(|id| Write::update(id, self.version.clone(), values))
    }

    /// Notes what became of the next part; an error that is about no field ends the record.
    fn note(&mut self, result: Result<Written, SystemError>, write: &Write, table: &Table) -> Result<(), SystemError> {
        match result {
            Ok(written) => {
                self.open.pop_front();
                self.creating = false;
                self.id = Some(written.id);
                self.in_vain = 0;
                self.version = written.version.clone();
                self.written = Some(merged(self.written.take(), written));
                Ok(())
            }
            Err(error) if error.kind == SystemErrorKind::Refused || may_lie_in_a_field(&error, write, table) => {
                if error.message == self.first.message && self.written.is_none() {
                    self.in_vain += 1;
                }
                // Both halves refused in the words of the whole: it is the record that is refused.
                if self.in_vain >= 2 && named(&error.message, &write.values, table).is_empty() {
                    return Err(self.first.clone());
                }
                if let Some(part) = self.open.front_mut() {
                    part.is_refused = Some(error);
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// The traces of two writes of one record as one.
fn merged(earlier: Option<Written>, later: Written) -> Written {
    let mut values = earlier.and_then(|written| written.values).unwrap_or_default();
    values.extend(later.values.clone().unwrap_or_default());
    Written { values: (!values.is_empty()).then_some(values), ..later }
}

impl Batch<'_> {
    /// Writes refused records in parts; gives those of which something was written, or nothing needs to be any more.
    pub(super) async fn part(&mut self, mut partings: Vec<Parting>) -> Vec<Decided> {
        let table = Arc::clone(self.mapping.table(self.direction.destination()));
        let source = Arc::clone(self.mapping.table(self.direction.source()));
        let mut ended: Vec<(Parting, Option<SystemError>)> = Vec::new();
        for _ in 0..ROUNDS {
            let (mut writes, mut tried) = (Vec::new(), Vec::new());
            for mut parting in std::mem::take(&mut partings) {
                parting.advance(&table, &source);
                match parting.write() {
                    Some(write) => {
                        writes.push(write);
                        tried.push(parting);
                    }
                    None => ended.push((parting, None)),
                }
            }
            if writes.is_empty() {
                break;
            }
            let results = self.write_all(&writes).await;
            // `write_all` gives one result per write.
            for ((mut parting, write), result) in tried.into_iter().zip(&writes).zip(results) {
                match parting.note(result, write, &table) {
                    Ok(()) => partings.push(parting),
                    Err(error) => ended.push((parting, Some(error))),
                }
            }
        }
        ended.extend(partings.into_iter().map(|parting| (parting, None)));
        let mut written = Vec::new();
        for (parting, error) in ended {
            match error {
                Some(error) => {
                    // What was written of it stands, so that nobody takes the record for one that was never made.
                    let Parting { mut record, written, .. } = parting;
                    record.written = written;
                    self.refuse(record, &error, "");
                }
                None => match parting.end(&table) {
                    Ok(record) => written.push(record),
                    Err(refused) => {
                        let (record, error) = *refused;
                        self.refuse(record, &error, "");
                    }
                },
            }
        }
        written
    }

    /// Writes once more what a write lost of itself, as where a change of one field makes the service clear others; and
    /// notes what is lost still.
    pub(super) async fn repair(&self, written: &mut [Decided]) {
        let side = self.direction.destination();
        let table = Arc::clone(self.mapping.table(side));
        let mut writes = Vec::new();
        let mut losing: Vec<&mut Decided> = Vec::new();
        for record in written {
            let lost = lost(record);
            if let Some(trace) = record.written.as_ref().filter(|_| !lost.is_empty()) {
                writes.push(Write::update(trace.id, trace.version.clone(), lost));
                losing.push(record);
            }
        }
        let results = self.write_all(&writes).await;
        // `write_all` gives one result per write.
        for (record, result) in losing.into_iter().zip(results) {
            if let Ok(again) = result {
                record.written = Some(merged(record.written.take(), again));
            }
            for (name, wanted) in lost(record) {
                let kept = record.written.as_ref().and_then(|written| written.values.as_ref()?.get(&name));
                let kept = kept.cloned().unwrap_or(Value::Null);
                if record.destination.as_ref().and_then(|before| before.known(&name)) == Some(&kept) {
                    let message = format!("it answered with success and kept \"{kept}\"");
                    leave(record, &table, &name, &SystemError::new(side, SystemErrorKind::Refused, "", message));
                    continue;
                }
                let (field, source) = field_of(record, &table, &name);
                let message = format!(
                    "{side} took \"{wanted}\" for {field} and shows \"{kept}\" instead; look at the record there"
                );
                record.notes.push(FieldNote::altered(field, source.as_deref(), message));
            }
        }
    }
}

/// Values that were sent and that the answer shows otherwise.
fn lost(record: &Decided) -> Values {
    let shown = record.written.as_ref().and_then(|written| written.values.as_ref());
    let (Some(sent), Some(shown)) = (record.verdict.values(), shown) else { return Values::new() };
    sent.iter()
        .filter(|(name, sent)| shown.get(*name).is_some_and(|shown| !says_the_same(sent, shown)))
        .map(|(name, sent)| (Arc::clone(name), sent.clone()))
        .collect()
}

/// Whether a service that shows one value has taken the other: trimmed, in upper case, or a zero for a blank.
fn says_the_same(sent: &Value, shown: &Value) -> bool {
    let is_nothing = |value: &Value| value.is_nothing() || value.as_text().is_some_and(|text| text.trim().is_empty());
    match (sent.as_text(), shown.as_text()) {
        (Some(sent), Some(shown)) => sent.trim().to_lowercase() == shown.trim().to_lowercase(),
        _ => sent == shown || is_nothing(sent) && is_nothing(shown),
    }
}

/// Without these no record is created: what rules and constants give, and what people know it by on either side.
fn is_essential(record: &Decided, source: &Table, table: &Table, name: &str) -> bool {
    let given = record.fields.iter().filter(|field| field.destination.name == name).any(|field| match &field.source {
        None => true,
        Some(column) => source.label_column.as_deref() == Some(column.name.as_str()),
    });
    given || table.label_column.as_deref() == Some(name) || table.company_column.as_deref() == Some(name)
}

/// What people call a field at its source, and its column there.
fn field_of(record: &Decided, table: &Table, destination: &str) -> (String, Option<String>) {
    let field = record.fields.iter().find(|field| field.destination.name == destination);
    let source = field.and_then(|field| field.source.as_ref());
    match source {
        Some(source) => (source.caption.clone(), Some(source.name.clone())),
        None => (table.column(destination).map_or(destination.to_owned(), |column| column.caption.clone()), None),
    }
}

impl Parting {
    /// Ends the parting of a record: refused fields stay behind, and the base keeps what it had of them. A record of which
    /// nothing was written is refused as a whole, unless its only field was named.
    fn end(self, table: &Table) -> Result<Decided, Box<(Decided, SystemError)>> {
        let Self { mut record, creating, open, first, mut refused, written, .. } = self;
        let names = open.iter().flat_map(|part| part.values.keys());
        refused.extend(names.map(|name| (Arc::clone(name), first.clone())));
        if written.is_none() {
            let all_named = !refused.is_empty()
                && !creating
                && refused.iter().all(|(name, error)| {
                    let one: Values = [(Arc::clone(name), Value::Null)].into();
                    !named(&error.message, &one, table).is_empty()
                });
            if !all_named {
                return Err(Box::new((record, first)));
            }
        }
        for (name, error) in &refused {
            leave(&mut record, table, name, error);
        }
        record.written = written;
        if record.written.is_none() {
            record.verdict = Verdict::Unchanged { base: record.verdict.base().clone() };
        }
        Ok(record)
    }
}

/// Leaves one refused field behind.
fn leave(record: &mut Decided, table: &Table, name: &Arc<str>, error: &SystemError) {
    let (caption, source) = field_of(record, table, name);
    let value = record.fields.iter().find(|field| field.destination.name == **name).map(|field| field.desired.clone());
    let message = format!(
        "{caption} \"{}\" was refused, everything else of the record was written (EE13): {error}; correct the value",
        value.unwrap_or(Value::Null)
    );
    let known = record.agreed().clone();
    let of_source = record.fields.iter().find(|f| f.destination.name == **name).and_then(|f| f.source.clone());
    if let Some((values, base)) = record.verdict.parts_mut() {
        values.remove(name);
        match table.column(name).and_then(|column| known.get(table.side, column)) {
            Some(before) => base.set(table.side, name, &before),
            None => base.forget(table.side, name),
        }
        if let Some(source) = of_source {
            let source_side = table.side.other();
            match known.get(source_side, &source) {
                Some(before) => base.set(source_side, &source.name, &before),
                None => base.forget(source_side, &source.name),
            }
        }
    }
    record.fields.retain(|field| field.destination.name != **name);
    record.notes.push(FieldNote::left(caption, source.as_deref(), message));
}
