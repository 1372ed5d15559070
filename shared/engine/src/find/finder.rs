//! Reading one source of one direction: changes page by page, settling what needs no work, enqueueing the rest, and moving
//! the cursor when all of that is enqueued.

use std::collections::{HashMap, HashSet};

use couplet_model::message::{Direction, MESSAGE_FORMAT, SyncOptions};
use couplet_model::outcome::IgnoreReason;
use couplet_model::record::{Change, Snapshot};
use couplet_model::seen::Remembering;
use couplet_model::system::{ChangePage, ChangesQuery, Cursor, NextPage, PageToken, Position, Resume, earlier};
use couplet_model::{Counters, Coupling, CouplingState, Filter, Outcome, Record, RecordId, RecordMessage};
use jiff::Timestamp;

use super::checkpoint::{Checkpoint, Invocation, Step};
use super::found::{Brought, RunMode};
use super::looking_behind::RESOLUTION;
use super::source::{ChangeSource, Named};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::mappings::installed::InstalledMapping;
use crate::sync::admission::{Admission, admit, is_untouched};

/// One source of a direction of a run, while it is read.
pub(crate) struct Finder<'a> {
    pub(super) engine: &'a Engine,
    invocation: &'a Invocation<'a>,
    pub(super) mapping: &'a InstalledMapping,
    source: Box<dyn ChangeSource>,
    options: SyncOptions,
    filter: Filter,
    pub(super) checkpoint: Checkpoint,
    /// What this direction has brought in this invocation.
    pub(super) brought: &'a mut Brought,
    /// Records that have failed before.
    pub(super) failing: HashSet<RecordId>,
}

/// Why a direction stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Nothing is left to find.
    End,
    /// The invocation is over; the checkpoint is stored.
    TimeUp,
}

impl<'a> Finder<'a> {
    /// A finder that goes on from a checkpoint.
    pub async fn new(
        invocation: &'a Invocation<'a>,
        mapping: &'a InstalledMapping,
        source: Box<dyn ChangeSource>,
        options: SyncOptions,
        checkpoint: Checkpoint,
        brought: &'a mut Brought,
    ) -> Result<Self, EngineError> {
        let engine = invocation.engine;
        let filter = engine.installation.filter(mapping, checkpoint.direction.source()).await?;
        let failing = HashSet::new();
        Ok(Self { engine, invocation, mapping, source, options, filter, checkpoint, brought, failing })
    }

    /// Takes the direction from its checkpoint as far as the time allows.
    pub async fn find(mut self) -> Result<(Reach, Checkpoint), EngineError> {
        if let Step::Feed(page) = &self.checkpoint.step
            && self.read_feed(page.clone()).await? == Reach::TimeUp
        {
            return Ok((Reach::TimeUp, self.checkpoint));
        }
        if self.source.is_own_feed() {
            self.add_due_failures().await?;
            self.add_waits().await?;
        }
        Ok((Reach::End, self.checkpoint))
    }

    /// Reads everything since the cursor, a page at least, and moves the cursor when all of that is enqueued.
    async fn read_feed(&mut self, page: Option<PageToken>) -> Result<Reach, EngineError> {
        let engine = self.engine;
        let direction = self.direction();
        let name = self.source.cursor_name().clone();
        let cursor = engine.store().cursor(engine.company(), &name, direction).await?;
        if cursor.is_none() && self.checkpoint.mode == RunMode::Modified && self.source.is_own_feed() {
            // Everything is read, and what is not coupled is left alone: worth a word at the end.
            self.checkpoint.found.left_alone.get_or_insert(0);
        }
        let mut from = match page {
            Some(token) => Resume::Page(token),
            None => match cursor.clone() {
                Some(cursor) => Resume::Since(cursor),
                None => self.source.beginning(engine).await?,
            },
        };
        let look_back = engine.options().look_back;
        let mut remembering = cursor.as_ref().map(|cursor| Remembering::after(&cursor.seen)).unwrap_or_default();
        let begins_at_cursor = matches!(from, Resume::Since(_));
        let mut reached = false;
        let mut next: Cursor = loop {
            let read_at = engine.now();
            let page = self.read_page(from).await?;
            if let (Some(cursor), NextPage::Done(next)) = (&cursor, &page.next)
                && let Some(why) = cursor.is_ahead_of(next)
            {
                return Err(engine.halt_for_feed(direction.source(), self.invocation.job, why).await?);
            }
            reached |= cursor.as_ref().is_none_or(|cursor| reaches(&page.changes, cursor));
            self.checkpoint.found.notes.extend(page.note);
            self.take(page.changes, &mut remembering, read_at).await?;
            match page.next {
                NextPage::More(token) => {
                    if self.checkpoint.step == Step::Feed(Some(token.clone())) {
                        let message = format!(
                            "the change feed of {} leads from a page back to the same page; it is read again from where it began",
                            self.source.query().table.name
                        );
                        return Err(EngineError::SetUp(message));
                    }
                    self.checkpoint.step = Step::Feed(Some(token.clone()));
                    self.invocation.keep_checkpoint(&self.checkpoint).await?;
                    if self.invocation.is_over().await? {
                        return Ok(Reach::TimeUp);
                    }
                    from = Resume::Page(token);
                }
                NextPage::Done(next) => break next,
            }
        };
        let silent = begins_at_cursor && !reached && self.source.is_own_feed();
        if let Some(cursor) = cursor.as_ref().filter(|cursor| silent && !cursor.seen.is_empty()) {
            // Silence is to mean that nothing changed.
            engine.look_behind(self.mapping, direction, self.invocation.job, cursor).await?;
        }
        if let Position::ModifiedOn(position) = next.position {
            next.seen = remembering.since(earlier(position, look_back));
        }
        let read_at = engine.now();
        let due = self.source.at_its_end(cursor.as_ref(), &next, engine).await?;
        self.look_at(due, read_at).await?;
        let looks_for_gone = self.source.is_own_feed() && !self.source.wants_only_new();
        if looks_for_gone && matches!(next.position, Position::ModifiedOn(_)) {
            self.look_for_gone(cursor.as_ref(), &next).await?;
        }
        self.invocation.keep_lease().await?;
        if cursor.as_ref() != Some(&next) {
            let moved = engine.store().move_cursor(engine.company(), &name, direction, cursor.as_ref(), &next);
            if !moved.await? {
                return Err(EngineError::LeaseLost(self.invocation.job.to_owned()));
            }
        }
        self.checkpoint.step = Step::LeftOver;
        if self.invocation.is_over().await? {
            self.invocation.keep_checkpoint(&self.checkpoint).await?;
            return Ok(Reach::TimeUp);
        }
        Ok(Reach::End)
    }

    async fn read_page(&self, from: Resume) -> Result<ChangePage, EngineError> {
        let (query, look_back) = (self.source.query(), self.engine.options().look_back);
        let query = ChangesQuery { table: query.table, columns: &query.columns, filter: &query.filter, look_back };
        Ok(self.engine.system(self.direction().source()).changes(&query, from).await?)
    }

    pub(super) fn direction(&self) -> Direction {
        self.checkpoint.direction
    }

    /// Turns a page into work. What an earlier run read already, and is given again because reading reaches back, is
    /// dealt with: it was enqueued or judged before the cursor moved. What this run has enqueued and finds changed once
    /// more is neither taken nor remembered: it changed after the feed was opened, and the next run reads it again. What
    /// rows named, and has not changed since, is remembered.
    async fn take(
        &mut self,
        changes: Vec<Change>,
        remembering: &mut Remembering,
        read_at: Timestamp,
    ) -> Result<(), EngineError> {
        let mut records = Vec::with_capacity(changes.len());
        let mut deleted = Vec::new();
        for change in changes {
            match change {
                Change::Upserted(record) if self.source.has_taken(&record, &self.brought.enqueued) => {
                    if self.brought.is_as_named(&record) {
                        remembering.knows(&record);
                    }
                }
                Change::Upserted(record) if remembering.knows(&record) => {}
                Change::Upserted(record) => records.push(record),
                Change::Deleted(id) => deleted.push(id),
            }
        }
        self.take_deleted(deleted).await?;
        // What rows name is read now, later than they were.
        let read_at = if self.source.is_own_feed() { read_at } else { self.engine.now() };
        let named = self.source.named_by(records, self.engine).await?;
        self.look_at(named, read_at).await
    }

    /// Enqueues the coupled records that were deleted; counts the others.
    async fn take_deleted(&mut self, deleted: Vec<RecordId>) -> Result<(), EngineError> {
        // A row that named a record and is gone says nothing of the record.
        if !self.source.is_own_feed() {
            return Ok(());
        }
        let (engine, direction) = (self.engine, self.direction());
        let mut couplings = HashMap::new();
        if !deleted.is_empty() {
            let (company, mapping) = (engine.company(), &self.mapping.name);
            couplings = engine.store().couplings_by_id(company, mapping, direction.source(), &deleted).await?;
        }
        let (told, ignored): (Vec<RecordId>, Vec<RecordId>) =
            deleted.into_iter().partition(|id| couplings.contains_key(id));
        let mut judged = Counters::default();
        for _ in ignored {
            judged.count(&Outcome::Ignored(IgnoreReason::Deleted));
        }
        self.note(0, judged).await?;
        self.enqueue(told.into_iter().map(|id| self.message(id, None)).collect()).await
    }

    /// Looks at what rows stand for, and brings up to date what belongs to no record where they stand for everything.
    async fn look_at(&mut self, named: Named, read_at: Timestamp) -> Result<(), EngineError> {
        if !self.source.is_own_feed() {
            self.brought.note_named(&named.records);
        }
        // The records travel also where what belongs to none of them cannot be brought up to date; while that lasts, each
        // run sends them again.
        self.judge_and_enqueue(named.records, read_at).await?;
        self.enqueue(named.gone.into_iter().map(|id| self.message(id, None)).collect()).await?;
        if named.is_everything {
            let note = self.mapping.rules.refresh(&self.engine.installation).await?;
            self.checkpoint.found.notes.extend(note);
        }
        Ok(())
    }

    /// Settles the records that need no work, enqueues the others; a slice at a time, so that a page of 20,000 records
    /// does not bring 20,000 couplings into memory.
    async fn judge_and_enqueue(&mut self, records: Vec<Record>, read_at: Timestamp) -> Result<(), EngineError> {
        let mut rest = records.into_iter();
        loop {
            let slice: Vec<Record> = rest.by_ref().take(self.engine.options().enqueue_size).collect();
            if slice.is_empty() {
                return Ok(());
            }
            self.judge_slice(slice, read_at).await?;
        }
    }

    async fn judge_slice(&mut self, mut records: Vec<Record>, read_at: Timestamp) -> Result<(), EngineError> {
        let engine = self.engine;
        let direction = self.direction();
        let source = direction.source();
        let ids: Vec<RecordId> = records.iter().map(|record| record.id).collect();
        let couplings = engine.store().couplings_by_id(engine.company(), &self.mapping.name, source, &ids).await?;
        let columns = self.mapping.source_columns(direction);
        let pairs = records.iter_mut().map(|record| (couplings.get(&record.id), record));
        let mut pairs: Vec<_> = pairs.map(|(coupling, record)| (record, coupling)).collect();
        let notes = engine.installation.distrust_blanks(self.mapping.table(source), columns, &mut pairs).await?;
        self.remark(notes);
        let remade = self.remade(&records, &couplings).await?;
        let mut judged = Counters::default();
        let mut messages = Vec::new();
        for record in &records {
            let own = couplings.get(&record.id);
            let coupling = own.or_else(|| remade.get(&record.id));
            if coupling.is_none() && self.mapping.rules.may_take_a_place(record) {
                messages.push(self.message(record.id, Some(Snapshot::pack(record, read_at))));
                continue;
            }
            let admission = admit(self.mapping, &self.filter, direction, self.options, record, coupling);
            match admission {
                Admission::Settled(outcome) => {
                    if let (Outcome::Ignored(IgnoreReason::NotCoupled), Some(left)) =
                        (&outcome, &mut self.checkpoint.found.left_alone)
                    {
                        *left += 1;
                    }
                    judged.count(&outcome);
                }
                Admission::Process
                    if self.source.wants_only_new()
                        && own.map_or_else(
                            || self.mapping.rules.was_there_before(direction, record),
                            |coupling| coupling.state == CouplingState::Coupled,
                        ) =>
                {
                    judged.count(&Outcome::Unchanged);
                }
                // Read again when it is applied, and failed there if it still cannot be read.
                Admission::Process if record.unreadable.is_some() => messages.push(self.message(record.id, None)),
                Admission::Process if is_untouched(self.mapping, direction, self.options, record, own) => {
                    judged.count(&Outcome::Unchanged);
                }
                Admission::Process => messages.push(self.message(record.id, Some(Snapshot::pack(record, read_at)))),
            }
        }
        self.note(0, judged).await?;
        self.enqueue(messages).await
    }

    /// Uncoupled records whose key is that of a coupling: they may have been made again under it. Whether the former record
    /// is gone is seen when they are applied.
    async fn remade(
        &self,
        records: &[Record],
        couplings: &HashMap<RecordId, Coupling>,
    ) -> Result<HashMap<RecordId, Coupling>, EngineError> {
        let claimed: HashMap<String, RecordId> = records
            .iter()
            .filter(|record| !couplings.contains_key(&record.id))
            .filter_map(|record| {
                Some((self.mapping.rules.claimed_key(self.mapping, self.direction(), record)?, record.id))
            })
            .collect();
        let keys: Vec<String> = claimed.keys().cloned().collect();
        let found = self.engine.store().couplings_by_key(self.engine.company(), &self.mapping.name, &keys).await?;
        Ok(found.into_iter().filter_map(|(key, coupling)| Some((*claimed.get(&key)?, coupling))).collect())
    }

    pub(super) async fn enqueue(&mut self, messages: Vec<RecordMessage>) -> Result<(), EngineError> {
        let mut messages: Vec<RecordMessage> =
            messages.into_iter().filter(|message| self.brought.enqueued.insert(message.record)).collect();
        while !messages.is_empty() {
            let rest = messages.split_off(messages.len().min(self.engine.options().enqueue_size));
            let count = messages.len() as u64;
            self.engine.queue.send(messages).await?;
            self.note(count, Counters::default()).await?;
            self.invocation.keep_lease().await?;
            messages = rest;
        }
        Ok(())
    }

    pub(super) fn message(&self, record: RecordId, snapshot: Option<Snapshot>) -> RecordMessage {
        RecordMessage {
            v: MESSAGE_FORMAT,
            company: self.engine.company(),
            mapping: self.mapping.name.clone(),
            direction: self.direction(),
            record,
            job: self.invocation.job.to_owned(),
            run: self.invocation.holder.run,
            options: self.options,
            snapshot,
            replay: None,
            wish: None,
        }
    }

    /// Keeps notes for the operator, each once.
    fn remark(&mut self, notes: Vec<String>) {
        for note in notes {
            if !self.checkpoint.found.notes.contains(&note) {
                self.checkpoint.found.notes.push(note);
            }
        }
    }

    async fn note(&mut self, enqueued: u64, judged: Counters) -> Result<(), EngineError> {
        if enqueued == 0 && judged == Counters::default() {
            return Ok(());
        }
        self.checkpoint.found.enqueued += enqueued;
        self.checkpoint.found.judged += judged;
        let (to, from) = match self.direction() {
            Direction::ToDataverse => (judged, Counters::default()),
            Direction::FromDataverse => (Counters::default(), judged),
        };
        let engine = self.engine;
        engine
            .store()
            .add_to_run(engine.company(), self.invocation.job, self.invocation.holder.run, enqueued, to, from)
            .await?;
        Ok(())
    }
}

/// Whether a page shows a record as new as the cursor, which each read reaches back to.
fn reaches(changes: &[Change], cursor: &Cursor) -> bool {
    let Position::ModifiedOn(position) = cursor.position else { return true };
    let from = position.checked_sub(RESOLUTION).unwrap_or(Timestamp::MIN);
    changes.iter().any(|change| match change {
        Change::Upserted(record) => record.modified.is_some_and(|modified| modified >= from),
        Change::Deleted(_) => false,
    })
}
