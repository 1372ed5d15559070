//! Tables of cases: what a rule is given, and what is to come of it.

use std::fmt::Write as _;

use couplet_model::coupling::Base;
use couplet_model::decision::{TransferredField, Travel};
use couplet_model::message::Direction;
use couplet_model::outcome::{FieldNote, Need};
use couplet_model::system::SystemErrorKind;
use couplet_model::{
    ActiveMapping, Coupling, CouplingState, DataverseId, Record, RecordId, SystemError, SystemId, Table, Version,
};
use serde_json::{Value as Json, json};

use super::Bench;
use super::values::{id, record, shown, shown_id, values};
use crate::mappings::rules::{AfterWrite, BatchRules, Match, Obstacle, Transferring, WrittenBeside};
use crate::sync::transferring::{References, Transferred, transfer};

/// Number of the source record of a list's first case; those of the others follow.
const SOURCES: u128 = 1001;
/// Number of the destination record of a list's first case.
const DESTINATIONS: u128 = 2001;
/// Numbers of the lines of a list's first case begin after this; each case has a hundred of them.
const LINES: u128 = 50_000;

/// One case: a source record, what is known besides, and what is to come of it.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    name: &'static str,
    source: Json,
    destination: Option<Json>,
    is_resumed: bool,
    is_outdated: bool,
    transferred: Json,
    related: Vec<(&'static str, u128)>,
    agreed: Json,
    agreed_at_source: Json,
    lines: Vec<Json>,
    expected: Json,
}

/// A case by a sentence that says what it shows.
pub(crate) fn case(name: &'static str) -> Case {
    Case {
        name,
        source: json!({}),
        destination: None,
        is_resumed: false,
        is_outdated: false,
        transferred: json!({}),
        related: Vec::new(),
        agreed: json!({}),
        agreed_at_source: json!({}),
        lines: Vec::new(),
        expected: json!("nothing was expected"),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "cases are short and read better without references")]
impl Case {
    /// What is known of the source record.
    pub fn source(self, source: Json) -> Self {
        Self { source, ..self }
    }

    /// What is known of the destination record. Without this there is none, and it is created.
    pub fn destination(self, destination: Json) -> Self {
        Self { destination: Some(destination), ..self }
    }

    /// The destination record was created by an earlier attempt, which this one finishes.
    pub fn resumed(self) -> Self {
        Self { is_resumed: true, ..self }
    }

    /// Somebody has changed the source record since it was read.
    pub fn outdated(self) -> Self {
        Self { is_outdated: true, ..self }
    }

    /// What the field rows of the mapping have made of the source; after a write, what the destination holds.
    pub fn transferred(self, transferred: Json) -> Self {
        Self { transferred, ..self }
    }

    /// A further row that belongs to the pair already.
    pub fn related(mut self, role: &'static str, number: u128) -> Self {
        self.related.push((role, number));
        self
    }

    /// What the destination held when both sides agreed last.
    pub fn agreed(self, agreed: Json) -> Self {
        Self { agreed, ..self }
    }

    /// What the source held when both sides agreed last.
    pub fn agreed_at_source(self, agreed_at_source: Json) -> Self {
        Self { agreed_at_source, ..self }
    }

    /// A line of the source, if the mapping's records are headers of documents.
    pub fn line(mut self, line: Json) -> Self {
        self.lines.push(line);
        self
    }

    /// It is read anew.
    pub fn comes_again(self) -> Self {
        self.expect(json!({"is outdated": true}))
    }

    /// The destination record is the one with this number.
    pub fn finds(self, number: u128) -> Self {
        self.expect(json!({"finds": shown_id(id(number).0)}))
    }

    /// The destination record is the one with this id.
    pub fn finds_id(self, id: RecordId) -> Self {
        self.expect(json!({"finds": shown_id(id.0)}))
    }

    /// No destination record belongs to the source.
    pub fn finds_nobody(self) -> Self {
        self.expect(json!({"finds": null}))
    }

    /// The destination is to hold this, all fields named.
    pub fn gives(self, fields: Json) -> Self {
        self.expect(json!({"gives": fields}))
    }

    /// A new destination record is to hold this as well, all fields named; stands after [`Self::gives`].
    pub fn and_at_first(mut self, fields: Json) -> Self {
        self.expected["at first"] = fields;
        self
    }

    /// Fields stay behind, with notes that hold these words; stands after [`Self::gives`].
    pub fn and_notes(mut self, words: &[&str]) -> Self {
        self.expected["notes"] = json!(words);
        self
    }

    /// The record travels without what one of its fields refers to, and comes back when that is coupled by a mapping;
    /// stands after [`Self::gives`].
    pub fn and_misses(mut self, mapping: &str, key: impl ToString) -> Self {
        self.expected["misses"] = json!([mapping, key.to_string()]);
        self
    }

    /// The record waits for another one of a mapping.
    pub fn waits_for(self, mapping: &str, key: impl ToString) -> Self {
        self.expect(json!({"waits for": [mapping, key.to_string()]}))
    }

    /// The record fails with a message that holds these words.
    pub fn fails(self, words: &str) -> Self {
        self.expect(json!({"fails": words}))
    }

    /// A rule keeps the record where it is, for a reason that holds these words.
    pub fn ignores(self, words: &str) -> Self {
        self.expect(json!({"ignores": words}))
    }

    /// The record does not take part any more, for a reason that holds these words.
    pub fn leaves_for(self, words: &str) -> Self {
        self.expect(json!({"leaves for": words}))
    }

    /// The record needs another partner, for a reason that holds these words.
    pub fn gets_replaced_for(self, words: &str) -> Self {
        self.expect(json!({"is replaced for": words}))
    }

    /// Following up leaves this behind: further rows of the pair, and what the destination holds besides.
    pub fn leaves(self, related: Json, values: Json) -> Self {
        self.expect(json!({"related": related, "values": values}))
    }

    /// Following up fails so.
    pub fn fails_by(self, kind: SystemErrorKind) -> Self {
        self.expect(json!({"fails by": format!("{kind:?}")}))
    }

    /// What is to come of it.
    pub(super) fn expected(&self) -> &Json {
        &self.expected
    }

    fn expect(self, expected: Json) -> Self {
        Self { expected, ..self }
    }
}

/// The records of a case.
struct Given {
    source: Record,
    destination: Option<Record>,
    is_resumed: bool,
    fields: Vec<TransferredField>,
    coupling: Coupling,
    lines: Vec<Record>,
}

impl Given {
    fn of(case: &Case, place: u128, source: &Table, destination: &Table, lines: Option<&Table>) -> Self {
        let (from, to) = (id(SOURCES + place), id(DESTINATIONS + place));
        let fields = values(destination, &case.transferred).into_iter().map(|(name, desired)| TransferredField {
            source: None,
            destination: destination.column(&name).expect("a column").clone(),
            desired,
            travel: Travel::BothWays,
        });
        let ids = match source.side {
            couplet_model::Side::BusinessCentral => (SystemId::from(from), DataverseId::from(to)),
            couplet_model::Side::Dataverse => (SystemId::from(to), DataverseId::from(from)),
        };
        let mut coupling = Coupling::new(ids.0, ids.1, CouplingState::Coupled);
        coupling.related = case.related.iter().map(|(role, number)| ((*role).to_owned(), id(*number).0)).collect();
        let mut base = Base::default();
        for (name, value) in values(destination, &case.agreed) {
            base.set(destination.side, &name, &value);
        }
        for (name, value) in values(source, &case.agreed_at_source) {
            base.set(source.side, &name, &value);
        }
        coupling.base = base;
        let version = case.is_outdated.then(|| Version("an earlier one".to_owned()));
        Self {
            source: Record { version, ..record(source, from, &case.source) },
            destination: case.destination.as_ref().map(|known| record(destination, to, known)),
            is_resumed: case.is_resumed,
            fields: fields.collect(),
            coupling,
            lines: case
                .lines
                .iter()
                .zip(1..)
                .map(|(line, number)| record(lines.expect("a document"), id(LINES + 100 * place + number), line))
                .collect(),
        }
    }

    fn transferring(&self) -> Transferring<'_> {
        let creating = self.destination.is_none() || self.is_resumed;
        let base = Some(&self.coupling.base).filter(|base| !creating && !base.is_empty());
        Transferring {
            source: &self.source,
            destination: self.destination.as_ref(),
            creating,
            base,
            lines: &self.lines,
        }
    }
}

impl Bench {
    /// Checks whom the rules find at the destination for each of the sources.
    pub async fn finds(&self, direction: Direction, cases: Vec<Case>) {
        let given = self.given(direction, &cases);
        let sources: Vec<&Record> = given.iter().map(|given| &given.source).collect();
        let found = self.mapping.rules.find_existing(self.context(direction), &sources).await.expect("an answer");
        assert_eq!(found.len(), cases.len(), "one answer per source");
        compare(&cases, found.into_iter().map(shown_match).collect());
    }

    /// Checks what the rules make of each record: whether it is admitted, what they add and correct, and what they leave
    /// behind.
    pub async fn adjusts(&self, direction: Direction, cases: Vec<Case>) {
        let given = self.given(direction, &cases);
        let rules = self.prepare(direction, &given).await;
        let adjusted = given.iter().map(|given| adjusted(rules.as_ref(), given));
        compare(&cases, adjusted.collect());
    }

    /// Checks what the field rows make of each source.
    pub async fn transfers(&self, direction: Direction, cases: Vec<Case>) {
        self.transfers_by(&self.mapping, direction, cases).await;
    }

    /// Checks what the field rows of another mapping make of each source.
    pub async fn transfers_by(&self, mapping: &ActiveMapping, direction: Direction, cases: Vec<Case>) {
        let (source, destination) = (mapping.table(direction.source()), mapping.table(direction.destination()));
        let given = (0..).zip(&cases).map(|(place, case)| Given::of(case, place, source, destination, None));
        let given: Vec<Given> = given.collect();
        let sources: Vec<&Record> = given.iter().map(|given| &given.source).collect();
        let references = References::read(&self.engine, mapping, direction, &sources).await.expect("references");
        let transferred = sources.into_iter().map(|source| match transfer(mapping, direction, &references, source) {
            Ok(Transferred { fields, notes, .. }) => shown_fields(&fields, notes),
            Err(obstacle) => shown_obstacle(obstacle),
        });
        compare(&cases, transferred.collect());
    }

    /// Checks what following up leaves behind of each record that was written. All records are there, with what the case
    /// says of them. Gives the requests to the destination that this took.
    pub async fn after_writing(&self, direction: Direction, cases: Vec<Case>) -> Vec<String> {
        let given = self.given(direction, &cases);
        for (place, (case, given)) in (0..).zip(cases.iter().zip(&given)) {
            let (source, destination) = (direction.source(), direction.destination());
            self.system(source).put(&self.table(source).name, SOURCES + place, case.source.clone());
            if !self.system(destination).has(&self.table(destination).name, given.coupling.id(destination)) {
                let held = case.destination.clone().unwrap_or_else(|| case.transferred.clone());
                self.system(destination).put(&self.table(destination).name, DESTINATIONS + place, held);
            }
        }
        let rules = self.prepare(direction, &given).await;
        let mut records: Vec<AfterWrite<'_>> = given
            .iter()
            .map(|given| AfterWrite {
                source: &given.source,
                destination: given.coupling.id(direction.destination()),
                created: given.transferring().creating,
                written: given.transferring().creating,
                coupling: &given.coupling,
                fields: &given.fields,
                beside: Ok(WrittenBeside::default()),
            })
            .collect();
        self.dataverse.take_calls();
        rules.after_write(self.context(direction), &mut records).await;
        let calls = self.dataverse.take_calls();
        compare(&cases, records.into_iter().map(|record| shown_beside(record.beside)).collect());
        calls
    }

    fn given(&self, direction: Direction, cases: &[Case]) -> Vec<Given> {
        let (source, destination) = (self.table(direction.source()), self.table(direction.destination()));
        let lines = self.mapping.lines(direction).and_then(|lines| self.engine.mapping(&lines.mapping).ok());
        let lines = lines.map(|lines| &**lines.table(direction.source()));
        (0..).zip(cases).map(|(place, case)| Given::of(case, place, source, destination, lines)).collect()
    }

    async fn prepare(&self, direction: Direction, given: &[Given]) -> Box<dyn BatchRules> {
        let records: Vec<Transferring<'_>> = given.iter().map(Given::transferring).collect();
        self.mapping.rules.prepare(self.context(direction), &records).await.expect("prepared rules")
    }
}

/// Number of the source record of the case at a place, counted from 0.
pub(crate) fn source_of(place: u128) -> RecordId {
    id(SOURCES + place)
}

/// Number of the destination record of the case at a place, counted from 0.
pub(crate) fn destination_of(place: u128) -> u128 {
    DESTINATIONS + place
}

fn shown_match(found: Match) -> Json {
    match found {
        Ok(found) => json!({"finds": found.map(|id| shown_id(id.0))}),
        Err(failure) => json!({"fails": failure.message}),
    }
}

fn adjusted(rules: &dyn BatchRules, given: &Given) -> Json {
    let record = given.transferring();
    let mut fields = given.fields.clone();
    if let Err(obstacle) = rules.admit(record).and_then(|()| rules.adjust(record, &mut fields)) {
        return shown_obstacle(obstacle);
    }
    let notes = rules.leave_behind(record, &mut fields);
    shown_fields(&fields, notes)
}

fn shown_obstacle(obstacle: Obstacle) -> Json {
    match obstacle {
        Obstacle::Failure(failure) => json!({"fails": failure.message}),
        Obstacle::Wait(need) => json!({"waits for": [need.dependency.mapping, need.dependency.key]}),
        Obstacle::Ignore(reason) => json!({"ignores": reason}),
        Obstacle::Leave(reason) => json!({"leaves for": reason}),
        Obstacle::Replace(reason) => json!({"is replaced for": reason}),
        Obstacle::Outdated => json!({"is outdated": true}),
    }
}

fn shown_fields(fields: &[TransferredField], notes: Vec<FieldNote>) -> Json {
    let of = |at_first: bool| {
        let chosen = fields.iter().filter(move |field| (field.travel == Travel::OnCreateOnly) == at_first);
        shown(chosen.map(|field| (field.destination.name.as_str(), &field.desired)))
    };
    let mut shown = json!({"gives": of(false)});
    if of(true) != json!({}) {
        shown["at first"] = of(true);
    }
    if let Some(Need { dependency, .. }) = notes.iter().find_map(|note| note.need.as_ref()) {
        shown["misses"] = json!([dependency.mapping, dependency.key]);
    }
    if !notes.is_empty() {
        shown["notes"] = notes.into_iter().map(|note| note.message).collect();
    }
    shown
}

fn shown_beside(beside: Result<WrittenBeside, SystemError>) -> Json {
    match beside {
        Ok(WrittenBeside { related, values, .. }) => {
            let related: serde_json::Map<String, Json> =
                related.into_iter().map(|(role, id)| (role, shown_id(id))).collect();
            json!({"related": related, "values": shown(values.iter().map(|(name, value)| (*name, value)))})
        }
        Err(error) => json!({"fails by": format!("{:?}", error.kind)}),
    }
}

/// Compares all cases of a list and names those that came out otherwise.
fn compare(cases: &[Case], found: Vec<Json>) {
    let mut problems = String::new();
    for (case, found) in cases.iter().zip(found) {
        if !agrees(&case.expected, &found) {
            let _ = write!(problems, "\n{}:\n  expected {}\n  found    {found}", case.name, case.expected);
        }
    }
    assert!(problems.is_empty(), "{problems}");
}

/// Whether what was found is what was expected; of messages only some words are.
pub(super) fn agrees(expected: &Json, found: &Json) -> bool {
    let (Json::Object(wanted), Json::Object(seen)) = (expected, found) else { return false };
    wanted.len() == seen.len()
        && wanted.iter().all(|(what, wanted)| match (what.as_str(), wanted, seen.get(what)) {
            (
                "fails" | "ignores" | "leaves for" | "is replaced for",
                Json::String(words),
                Some(Json::String(message)),
            ) => message.contains(words),
            ("notes", Json::Array(words), Some(Json::Array(notes))) => {
                let holds = |(word, note): (&Json, &Json)| {
                    word.as_str().zip(note.as_str()).is_some_and(|(word, note)| note.contains(word))
                };
                words.len() == notes.len() && words.iter().zip(notes).all(holds)
            }
            (_, wanted, seen) => Some(wanted) == seen,
        })
}
