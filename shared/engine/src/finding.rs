//! The finding half of a run: read changes page by page, settle what needs no work, enqueue the rest, move the cursor.

use std::collections::{BTreeSet, HashSet};

use couplet_model::catalogue::MappingDirection;
use couplet_model::message::{Direction, MESSAGE_FORMAT, Treatment};
use couplet_model::outcome::IgnoreReason;
use couplet_model::record::{Change, Snapshot};
use couplet_model::system::{ChangesQuery, Cursor, NextPage, Resume};
use couplet_model::table::Side;
use couplet_model::{ActiveMapping, Counters, Filter, Outcome, Record, RecordId, RecordMessage, RunId};
use jiff::Timestamp;

use crate::admission::{Admission, admit, is_untouched};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::rules::{self, MappingRules};
use crate::run::{Found, RunMode};

/// One direction of a run of a mapping, while it looks for work.
pub(crate) struct Finder<'a> {
    pub engine: &'a Engine,
    pub mapping: &'a ActiveMapping,
    pub rules: &'a dyn MappingRules,
    pub direction: Direction,
    /// The job whose run it is; not always the mapping's own.
    pub job: &'a str,
    pub run: RunId,
    pub treatment: Treatment,
    pub filter: Filter,
    pub found: Found,
    enqueued: HashSet<RecordId>,
}

impl Engine {
    pub(crate) async fn find_changes(
        &self,
        mapping: &ActiveMapping,
        rules: &dyn MappingRules,
        run: RunId,
        mode: RunMode,
    ) -> Result<Found, EngineError> {
        let mut total = Found::default();
        let job = mapping.name.as_str();
        if mode == RunMode::Full {
            self.store().clear_cursors(self.company(), &mapping.name).await?;
        }
        for direction in mapping.directions() {
            let treatment = treatment(mode, mapping.direction, direction);
            let mut finder = Finder::new(self, mapping, rules, direction, job, run, treatment).await?;
            finder.read_changes().await?;
            finder.add_due_failures().await?;
            finder.add_released_waits().await?;
            total.enqueued += finder.found.enqueued;
            total.judged += finder.found.judged;
            total.notes.extend(finder.found.notes);
        }
        Ok(total)
    }
}

/// How a run treats the records of a direction. A full synchronization of a mapping that travels both ways lets
/// Business Central win (R83): its values are forced one way, and not overwritten the other way.
fn treatment(mode: RunMode, mapping: MappingDirection, direction: Direction) -> Treatment {
    match mode {
        RunMode::Modified => Treatment::default(),
        RunMode::Full => Treatment {
            create: true,
            force: direction == Direction::ToDataverse || mapping == MappingDirection::FromDataverse,
        },
    }
}

impl<'a> Finder<'a> {
    pub async fn new(
        engine: &'a Engine,
        mapping: &'a ActiveMapping,
        rules: &'a dyn MappingRules,
        direction: Direction,
        job: &'a str,
        run: RunId,
        treatment: Treatment,
    ) -> Result<Self, EngineError> {
        let filter = engine.filter(mapping, direction.source()).await?;
        Ok(Self {
            engine,
            mapping,
            rules,
            direction,
            job,
            run,
            treatment,
            filter,
            found: Found::default(),
            enqueued: HashSet::new(),
        })
    }

    /// Reads everything since the cursor and moves it when all of that is enqueued.
    async fn read_changes(&mut self) -> Result<(), EngineError> {
        let engine = self.engine;
        let company = engine.company();
        let cursor = engine.store().cursor(company, &self.mapping.name, self.direction).await?;
        let columns = source_columns(self.mapping, self.rules, self.direction);
        let query = ChangesQuery {
            table: self.mapping.table(self.direction.source()),
            columns: &columns,
            filter: &self.readable_filter(),
        };
        let mut from = cursor.clone().map_or(Resume::Everything, Resume::Since);
        let next: Cursor = loop {
            let read_at = engine.now();
            let page = engine.system(self.direction.source()).changes(&query, from).await?;
            self.found.notes.extend(page.note);
            let mut records = Vec::with_capacity(page.changes.len());
            let mut judged = Counters::default();
            for change in page.changes {
                match change {
                    Change::Upserted(record) => records.push(record),
                    Change::Deleted(_) => judged.count(&Outcome::Ignored(IgnoreReason::Deleted)),
                }
            }
            self.note(0, judged).await?;
            self.judge_and_enqueue(records, read_at).await?;
            self.keep_lease().await?;
            match page.next {
                NextPage::More(token) => from = Resume::Page(token),
                NextPage::Done(next) => break next,
            }
        };
        if cursor.as_ref() != Some(&next) {
            let moved = engine.store().move_cursor(company, &self.mapping.name, self.direction, cursor.as_ref(), &next);
            if !moved.await? {
                return Err(EngineError::LeaseLost(self.job.to_owned()));
            }
        }
        Ok(())
    }

    /// The part of the filter the source may apply itself: conditions that coupled records are followed across stay here.
    fn readable_filter(&self) -> Filter {
        let conditions = self.filter.conditions.iter();
        Filter::all(
            conditions.filter(|condition| !self.rules.follows(self.direction, &condition.column)).cloned().collect(),
        )
    }

    /// Settles the records that need no work, enqueues the others; a slice at a time, so that a page of 20,000 records
    /// does not bring 20,000 couplings into memory.
    pub async fn judge_and_enqueue(&mut self, records: Vec<Record>, read_at: Timestamp) -> Result<(), EngineError> {
        let mut rest = records.into_iter();
        loop {
            let slice: Vec<Record> = rest.by_ref().take(self.engine.options().enqueue_size).collect();
            if slice.is_empty() {
                return Ok(());
            }
            self.judge_slice(&slice, read_at).await?;
        }
    }

    async fn judge_slice(&mut self, records: &[Record], read_at: Timestamp) -> Result<(), EngineError> {
        let engine = self.engine;
        let source = self.direction.source();
        let ids: Vec<RecordId> = records.iter().map(|record| record.id).collect();
        let couplings = engine.store().couplings_by_id(engine.company(), &self.mapping.name, source, &ids).await?;
        let mut judged = Counters::default();
        let mut messages = Vec::new();
        for record in records {
            let coupling = couplings.get(&record.id);
            let admission =
                admit(self.mapping, self.rules, &self.filter, self.direction, self.treatment, record, coupling);
            match admission {
                Admission::Settled(outcome) => judged.count(&outcome),
                Admission::Process
                    if is_untouched(self.mapping, self.rules, self.direction, self.treatment, record, coupling) =>
                {
                    judged.count(&Outcome::Unchanged);
                }
                Admission::Process => messages.push(self.message(record.id, Some(Snapshot::pack(record, read_at)))),
            }
        }
        self.note(0, judged).await?;
        self.enqueue(messages).await
    }

    async fn enqueue(&mut self, messages: Vec<RecordMessage>) -> Result<(), EngineError> {
        let mut messages: Vec<RecordMessage> =
            messages.into_iter().filter(|message| self.enqueued.insert(message.record)).collect();
        while !messages.is_empty() {
            let rest = messages.split_off(messages.len().min(self.engine.options().enqueue_size));
            let count = messages.len() as u64;
            self.engine.parts.queue.send(messages).await?;
            self.note(count, Counters::default()).await?;
            self.keep_lease().await?;
            messages = rest;
        }
        Ok(())
    }

    fn message(&self, record: RecordId, snapshot: Option<Snapshot>) -> RecordMessage {
        RecordMessage {
            v: MESSAGE_FORMAT,
            company: self.engine.company(),
            mapping: self.mapping.name.clone(),
            direction: self.direction,
            record,
            job: self.job.to_owned(),
            run: self.run,
            treatment: self.treatment,
            snapshot,
            replay: None,
        }
    }

    /// Earlier failures whose time has come, creates included (D20).
    async fn add_due_failures(&mut self) -> Result<(), EngineError> {
        let now = self.engine.now();
        let company = self.engine.company();
        let failures = self.engine.store().failures(company, &self.mapping.name, self.direction).await?;
        let due = failures.into_iter().filter(|failure| failure.retry_at.is_none_or(|at| at <= now));
        let messages = due
            .map(|failure| {
                let mut message = self.message(failure.record, None);
                message.treatment.create |= failure.treatment.create;
                message.treatment.force |= failure.treatment.force;
                message
            })
            .collect();
        self.enqueue(messages).await
    }

    /// Records that wait for something that has appeared meanwhile, should their release have been lost.
    async fn add_released_waits(&mut self) -> Result<(), EngineError> {
        let engine = self.engine;
        let company = engine.company();
        let waits = engine.store().waits_of_mapping(company, &self.mapping.name).await?;
        let mut released = Vec::new();
        for wait in waits.into_iter().filter(|wait| wait.message.direction == self.direction) {
            if engine.is_coupled(&wait.dependency).await? {
                released.push(wait);
            }
        }
        let messages = released.iter().map(|wait| {
            let mut message = self.message(wait.message.record, None);
            message.treatment = wait.message.treatment;
            message
        });
        let messages = messages.collect();
        self.enqueue(messages).await?;
        engine.store().forget_waits(company, &released).await?;
        Ok(())
    }

    async fn note(&mut self, enqueued: u64, judged: Counters) -> Result<(), EngineError> {
        if enqueued == 0 && judged == Counters::default() {
            return Ok(());
        }
        self.found.enqueued += enqueued;
        self.found.judged += judged;
        let (to, from) = match self.direction {
            Direction::ToDataverse => (judged, Counters::default()),
            Direction::FromDataverse => (Counters::default(), judged),
        };
        let engine = self.engine;
        engine.store().add_to_run(engine.company(), self.job, self.run, enqueued, to, from).await?;
        Ok(())
    }

    async fn keep_lease(&self) -> Result<(), EngineError> {
        let engine = self.engine;
        let (company, now, length) = (engine.company(), engine.now(), engine.options().lease);
        if engine.store().renew_lease(company, self.job, self.run, now, length).await? {
            Ok(())
        } else {
            Err(EngineError::LeaseLost(self.job.to_owned()))
        }
    }
}

/// The columns a mapping reads at the source of a direction.
pub(crate) fn source_columns(mapping: &ActiveMapping, rules: &dyn MappingRules, direction: Direction) -> Vec<String> {
    let mut columns: BTreeSet<String> = mapping.columns(direction.source());
    columns.extend(rules.source_columns(direction).iter().map(|name| (*name).to_owned()));
    columns.into_iter().collect()
}

/// The columns a mapping reads at the destination of a direction.
pub(crate) fn destination_columns(
    mapping: &ActiveMapping,
    rules: &dyn MappingRules,
    direction: Direction,
) -> Vec<String> {
    let mut columns: BTreeSet<String> = mapping.columns(direction.destination());
    columns.extend(rules.destination_columns(direction).iter().map(|name| (*name).to_owned()));
    columns.into_iter().collect()
}

impl Engine {
    /// The mapping's filter on a side, with the facts of this installation filled in.
    pub(crate) async fn filter(&self, mapping: &ActiveMapping, side: Side) -> Result<Filter, EngineError> {
        Ok(mapping.filter(side, self.filter_context().await?))
    }

    /// Whether what a record waited for is coupled now.
    pub(crate) async fn is_coupled(
        &self,
        dependency: &couplet_model::outcome::Dependency,
    ) -> Result<bool, EngineError> {
        let company = self.company();
        let coupling = match dependency.side {
            Side::BusinessCentral => {
                let keys = [dependency.key.clone()];
                self.store().couplings_by_key(company, &dependency.mapping, &keys).await?.into_values().next()
            }
            Side::Dataverse => {
                let Ok(id) = dependency.key.parse::<RecordId>() else { return Ok(false) };
                let found = self.store().couplings_by_id(company, &dependency.mapping, Side::Dataverse, &[id]).await?;
                found.into_values().next()
            }
        };
        Ok(coupling.is_some_and(|coupling| rules::is_usable(&coupling)))
    }
}
