//! The finding half of a run: read changes page by page, settle what needs no work, enqueue the rest, move the cursor.

use std::collections::{BTreeSet, HashMap, HashSet};

use couplet_model::catalogue::MappingDirection;
use couplet_model::message::{Direction, MESSAGE_FORMAT, Precedence, SyncOptions};
use couplet_model::outcome::IgnoreReason;
use couplet_model::record::{Change, Snapshot};
use couplet_model::seen::Remembering;
use couplet_model::system::{ChangesQuery, Cursor, NextPage, PageToken, Position, Resume, earlier};
use couplet_model::table::{Side, Table};
use couplet_model::{ActiveMapping, Counters, Coupling, Filter, MappingName, Outcome, Record, RecordId, RecordMessage};
use couplet_store::Wait;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::admission::{Admission, admit, is_untouched};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::looking_behind::RESOLUTION;
use crate::naming::NamedFeed;
use crate::place::{Leg, Place, Step, directions};
use crate::rules::{self, MappingRules};
use crate::run::{Finds, Reached, RunMode, Start, Work};

/// What a direction of a run reads to find work.
pub(crate) enum Feed<'a> {
    /// The mapping's own records.
    Records,
    /// Rows of another table that name the records that have to travel again.
    Named(NamedFeed<'a>),
}

/// One direction of a run of a mapping, while it looks for work.
pub(crate) struct Finder<'a> {
    engine: &'a Engine,
    leg: &'a Leg<'a>,
    mapping: &'a ActiveMapping,
    rules: &'a dyn MappingRules,
    feed: Feed<'a>,
    treatment: SyncOptions,
    filter: Filter,
    place: Place,
    /// Records that this direction has enqueued in this leg.
    enqueued: &'a mut HashSet<RecordId>,
    /// Records that have failed before.
    failing: HashSet<RecordId>,
}

impl Engine {
    /// Looks for work from a place on, or from the cursor, until everything is found or the time of the leg is up.
    pub(crate) async fn find(&self, leg: &Leg<'_>, work: &Work, start: Start) -> Result<Reached, EngineError> {
        match work.finds {
            Finds::Changes => self.find_changes(leg, &work.mapping, work.rules, start).await,
            Finds::MovedItems => self.find_moved_items(leg, &work.mapping, work.rules, start).await,
        }
    }

    async fn find_changes(
        &self,
        leg: &Leg<'_>,
        mapping: &ActiveMapping,
        rules: &dyn MappingRules,
        Start { mode, place, mut found }: Start,
    ) -> Result<Reached, EngineError> {
        let directions = directions(mapping, place.as_ref().and_then(|place| place.wins));
        let known = place.and_then(|place| {
            let index = directions.iter().position(|direction| *direction == place.direction)?;
            Some((index, place))
        });
        let (begun, mut place) = match known {
            Some((index, place)) => (index, place),
            None => {
                let Some(first) = directions.first() else { return Ok(Reached::End(found)) };
                found.notes.extend(self.column_notes(mapping).await?);
                let place = Place::at_feed(mode, *first, first_feed(rules, *first), found);
                if mode == RunMode::Full {
                    // Whoever goes on with this run has to know that it is a full one, before it shows in the cursors.
                    leg.keep_place(&place).await?;
                    self.store().clear_cursors(self.company(), &mapping.name).await?;
                }
                (0, place)
            }
        };
        for (index, direction) in directions.iter().enumerate().skip(begun) {
            if index > begun {
                place = place.at_direction(*direction, first_feed(rules, *direction));
                if leg.is_over() {
                    leg.keep_place(&place).await?;
                    return Ok(Reached::Place(place.found));
                }
            }
            // What one feed of a direction has enqueued no other enqueues again: a record counts once in a run.
            let mut enqueued = HashSet::new();
            loop {
                if place.feed > 0 && !self.reads_namings(mapping, &place).await? {
                    let note = rules.refresh(self).await?;
                    place.found.notes.extend(note);
                } else {
                    let (feed, treatment) = self.feed(mapping, rules, &place)?;
                    let finder = Finder::new(leg, mapping, rules, feed, treatment, place, &mut enqueued).await?;
                    match finder.find().await? {
                        (Reach::End, reached) => place = reached,
                        (Reach::TimeUp, reached) => return Ok(Reached::Place(reached.found)),
                    }
                }
                let Some(next) = next_feed(rules, *direction, place.feed) else { break };
                place = place.at_direction(*direction, next);
            }
        }
        Ok(Reached::End(place.found))
    }

    /// Whether rows that name records tell anything: not where every record is read anyway.
    async fn reads_namings(&self, mapping: &ActiveMapping, place: &Place) -> Result<bool, EngineError> {
        let cursor = self.store().cursor(self.company(), &mapping.name, place.direction).await?;
        Ok(place.mode == RunMode::Modified && cursor.is_some())
    }

    /// The feed a place stands in, and how the records that it brings are treated.
    fn feed(
        &self,
        mapping: &ActiveMapping,
        rules: &dyn MappingRules,
        place: &Place,
    ) -> Result<(Feed<'_>, SyncOptions), EngineError> {
        let naming = place.feed.checked_sub(1).and_then(|index| rules.namings(place.direction).get(index));
        Ok(match naming {
            None => (Feed::Records, treatment(place.mode, place.wins, mapping.direction, place.direction)),
            Some(naming) => {
                let cursor = MappingName::from(format!("{} by {}", mapping.name, naming.table).as_str());
                (Feed::Named(NamedFeed::new(self, *naming, cursor)?), SyncOptions::default())
            }
        })
    }
}

/// The feeds of a direction by number, in the order they are read: the rows that name records first, from 1 on, so that
/// what they name has been read after them; then the mapping's own records, 0.
fn first_feed(rules: &dyn MappingRules, direction: Direction) -> usize {
    usize::from(!rules.namings(direction).is_empty())
}

fn next_feed(rules: &dyn MappingRules, direction: Direction, feed: usize) -> Option<usize> {
    match feed {
        0 => None,
        last if last >= rules.namings(direction).len() => Some(0),
        other => Some(other + 1),
    }
}

/// Why a direction stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Nothing is left to find.
    End,
    /// The leg is over; the place is stored.
    TimeUp,
}

/// How a run treats the records of a direction. A full synchronization of a mapping that travels both ways lets
/// Business Central win (R83): its values are forced one way, and not overwritten the other way. Where a person chose the
/// winner, the other side's values do not travel at all, and what the winner misses over there is created again.
fn treatment(mode: RunMode, wins: Option<Side>, mapping: MappingDirection, direction: Direction) -> SyncOptions {
    if mode == RunMode::Modified {
        return SyncOptions::default();
    }
    let one_way = mapping != MappingDirection::Bidirectional;
    match wins {
        None => {
            let forced = direction == Direction::ToDataverse || one_way;
            let precedence = if forced { Precedence::Source } else { Precedence::Changed };
            SyncOptions { create: true, precedence, ..SyncOptions::default() }
        }
        Some(side) => {
            let precedence = match (direction.source() == side, one_way) {
                (true, _) => Precedence::SourceRestoring,
                (false, true) => Precedence::Source,
                (false, false) => Precedence::Destination,
            };
            SyncOptions { create: true, precedence, ..SyncOptions::default() }
        }
    }
}

impl<'a> Finder<'a> {
    pub async fn new(
        leg: &'a Leg<'a>,
        mapping: &'a ActiveMapping,
        rules: &'a dyn MappingRules,
        feed: Feed<'a>,
        treatment: SyncOptions,
        place: Place,
        enqueued: &'a mut HashSet<RecordId>,
    ) -> Result<Self, EngineError> {
        let engine = leg.engine;
        let filter = engine.filter(mapping, place.direction.source()).await?;
        let failing = HashSet::new();
        Ok(Self { engine, leg, mapping, rules, feed, treatment, filter, place, enqueued, failing })
    }

    /// Takes the direction from its place as far as the time allows.
    pub async fn find(mut self) -> Result<(Reach, Place), EngineError> {
        if let Step::Feed(page) = &self.place.step
            && self.read_feed(page.clone()).await? == Reach::TimeUp
        {
            return Ok((Reach::TimeUp, self.place));
        }
        if let Feed::Records = self.feed {
            self.add_due_failures().await?;
            self.add_waits().await?;
        }
        Ok((Reach::End, self.place))
    }

    /// Reads everything since the cursor, a page at least, and moves the cursor when all of that is enqueued.
    async fn read_feed(&mut self, page: Option<PageToken>) -> Result<Reach, EngineError> {
        let engine = self.engine;
        let direction = self.direction();
        let name = self.cursor_name();
        let cursor = engine.store().cursor(engine.company(), &name, direction).await?;
        if cursor.is_none() && self.place.mode == RunMode::Modified && matches!(self.feed, Feed::Records) {
            // Everything is read, and what is not coupled is left alone: worth a word at the end.
            self.place.found.left_alone.get_or_insert(0);
        }
        let mut from = match page {
            Some(token) => Resume::Page(token),
            None => self.beginning(cursor.clone()).await?,
        };
        let (table, columns, filter) = self.query();
        let look_back = engine.options().look_back;
        let query = ChangesQuery { table, columns: &columns, filter: &filter, look_back };
        let mut remembering = cursor.as_ref().map(|cursor| Remembering::after(&cursor.seen)).unwrap_or_default();
        let begins_at_cursor = matches!(from, Resume::Since(_));
        let mut reached = false;
        let mut next: Cursor = loop {
            let read_at = engine.now();
            let page = engine.system(direction.source()).changes(&query, from).await?;
            if let (Some(cursor), NextPage::Done(next)) = (&cursor, &page.next)
                && let Some(why) = cursor.is_ahead_of(next)
            {
                return Err(engine.halt_for_feed(direction.source(), self.leg.job, why).await?);
            }
            reached |= cursor.as_ref().is_none_or(|cursor| reaches(&page.changes, cursor));
            self.place.found.notes.extend(page.note);
            self.take(page.changes, &mut remembering, read_at).await?;
            match page.next {
                NextPage::More(token) => {
                    if self.place.step == Step::Feed(Some(token.clone())) {
                        let message = format!(
                            "the change feed of {} leads from a page back to the same page; it is read again from where it began",
                            query.table.name
                        );
                        return Err(EngineError::SetUp(message));
                    }
                    self.place.step = Step::Feed(Some(token.clone()));
                    self.leg.keep_place(&self.place).await?;
                    if self.leg.is_over() {
                        return Ok(Reach::TimeUp);
                    }
                    from = Resume::Page(token);
                }
                NextPage::Done(next) => break next,
            }
        };
        if let Some(cursor) = cursor.as_ref().filter(|cursor| begins_at_cursor && !reached && !cursor.seen.is_empty()) {
            self.look_behind(cursor).await?;
        }
        if let Position::ModifiedOn(position) = next.position {
            next.seen = remembering.since(earlier(position, look_back));
        }
        if self.is_due(cursor.as_ref(), &next) {
            self.name_everything().await?;
        }
        self.leg.keep_lease().await?;
        if cursor.as_ref() != Some(&next) {
            let moved = engine.store().move_cursor(engine.company(), &name, direction, cursor.as_ref(), &next);
            if !moved.await? {
                return Err(EngineError::LeaseLost(self.leg.job.to_owned()));
            }
        }
        self.place.step = Step::LeftOver;
        if self.leg.is_over() {
            self.leg.keep_place(&self.place).await?;
            return Ok(Reach::TimeUp);
        }
        Ok(Reach::End)
    }

    /// Makes sure that silence means that nothing changed.
    async fn look_behind(&self, cursor: &Cursor) -> Result<(), EngineError> {
        match self.feed {
            Feed::Records => {
                let side = self.direction().source();
                self.engine.look_behind(self.mapping, side, self.leg.job, cursor).await
            }
            Feed::Named(_) => Ok(()),
        }
    }

    fn direction(&self) -> Direction {
        self.place.direction
    }

    /// Whose cursor the feed is read from.
    fn cursor_name(&self) -> MappingName {
        match &self.feed {
            Feed::Records => self.mapping.name.clone(),
            Feed::Named(rows) => rows.cursor.clone(),
        }
    }

    /// Where reading begins.
    async fn beginning(&self, cursor: Option<Cursor>) -> Result<Resume, EngineError> {
        match (cursor, &self.feed) {
            (Some(cursor), _) => Ok(Resume::Since(cursor)),
            (None, Feed::Records) => Ok(Resume::Everything),
            (None, Feed::Named(rows)) => rows.beginning(self.engine, self.mapping).await,
        }
    }

    /// The table that is read, its columns, and the conditions the source may apply itself.
    fn query(&self) -> (&'a Table, Vec<String>, Filter) {
        match &self.feed {
            Feed::Records => {
                let table = self.mapping.table(self.direction().source());
                (table, source_columns(self.mapping, self.rules, self.direction()), self.readable_filter())
            }
            Feed::Named(rows) => (rows.table, rows.columns(), Filter::default()),
        }
    }

    /// Turns a page into work. What an earlier run read already, and is given again because reading reaches back, is
    /// dealt with: it was enqueued or judged before the cursor moved. What this run has enqueued and finds changed once
    /// more is neither taken nor remembered: it changed after the feed was opened, and the next run reads it again.
    async fn take(
        &mut self,
        changes: Vec<Change>,
        remembering: &mut Remembering,
        read_at: Timestamp,
    ) -> Result<(), EngineError> {
        let mut records = Vec::with_capacity(changes.len());
        let mut judged = Counters::default();
        for change in changes {
            match change {
                Change::Upserted(record) if self.has_taken(&record) || remembering.knows(&record) => {}
                Change::Upserted(record) => records.push(record),
                Change::Deleted(_) => judged.count(&Outcome::Ignored(IgnoreReason::Deleted)),
            }
        }
        match &mut self.feed {
            Feed::Records => {
                self.note(0, judged).await?;
                self.judge_and_enqueue(records, read_at).await
            }
            Feed::Named(rows) => {
                let columns = source_columns(self.mapping, self.rules, self.place.direction);
                let read_at = self.engine.now();
                let before = rows.has_named_everything();
                let named = rows.named_by(&records, self.engine, self.mapping, &columns).await?;
                if rows.has_named_everything() && !before {
                    self.refresh().await?;
                }
                self.judge_and_enqueue(named, read_at).await
            }
        }
    }

    /// Whether an earlier page of this feed brought what this row stands for into the queue.
    fn has_taken(&self, row: &Record) -> bool {
        match &self.feed {
            Feed::Records => self.enqueued.contains(&row.id),
            Feed::Named(rows) => rows.has_named(row),
        }
    }

    /// Whether everything these rows may name has to be looked at, although none of them changed: the first time, and when
    /// a day has turned on which rows may begin to count. The day turns one look-back late, when no clock of either system
    /// or of ours is still in yesterday.
    fn is_due(&self, before: Option<&Cursor>, next: &Cursor) -> bool {
        let Feed::Named(rows) = &self.feed else { return false };
        if !rows.naming.by_day {
            return false;
        }
        let look_back = self.engine.options().look_back;
        let day = |cursor: &Cursor| earlier(cursor.as_of, look_back).to_zoned(TimeZone::UTC).date();
        before.is_none_or(|before| day(before) != day(next))
    }

    /// Looks at everything these rows may name.
    async fn name_everything(&mut self) -> Result<(), EngineError> {
        let Feed::Named(rows) = &mut self.feed else { return Ok(()) };
        if rows.has_named_everything() {
            return Ok(());
        }
        let columns = source_columns(self.mapping, self.rules, self.place.direction);
        let read_at = self.engine.now();
        let named = rows.everything(self.engine, self.mapping, &columns).await?;
        self.judge_and_enqueue(named, read_at).await?;
        self.refresh().await
    }

    /// Brings up to date what belongs to no record.
    async fn refresh(&mut self) -> Result<(), EngineError> {
        let note = self.rules.refresh(self.engine).await?;
        self.place.found.notes.extend(note);
        Ok(())
    }

    /// The part of the filter the source may apply itself: conditions that coupled records are followed across stay here.
    fn readable_filter(&self) -> Filter {
        let conditions = self.filter.conditions.iter();
        Filter::all(
            conditions.filter(|condition| !self.rules.follows(self.direction(), &condition.column)).cloned().collect(),
        )
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
        let columns = source_columns(self.mapping, self.rules, direction);
        let pairs = records.iter_mut().map(|record| (couplings.get(&record.id), record));
        let mut pairs: Vec<_> = pairs.map(|(coupling, record)| (record, coupling)).collect();
        let notes = engine.distrust_blanks(self.mapping.table(source), &columns, &mut pairs).await?;
        self.remark(notes);
        let remade = self.remade(&records, &couplings).await?;
        let mut judged = Counters::default();
        let mut messages = Vec::new();
        for record in &records {
            let own = couplings.get(&record.id);
            let coupling = own.or_else(|| remade.get(&record.id));
            let admission = admit(self.mapping, self.rules, &self.filter, direction, self.treatment, record, coupling);
            match admission {
                Admission::Settled(outcome) => {
                    if let (Outcome::Ignored(IgnoreReason::NotCoupled), Some(left)) =
                        (&outcome, &mut self.place.found.left_alone)
                    {
                        *left += 1;
                    }
                    judged.count(&outcome);
                }
                // Read again when it is applied, and failed there if it still cannot be read.
                Admission::Process if record.unreadable.is_some() => messages.push(self.message(record.id, None)),
                Admission::Process
                    if is_untouched(self.mapping, self.rules, direction, self.treatment, record, own) =>
                {
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
            .filter_map(|record| Some((self.rules.claimed_key(self.mapping, self.direction(), record)?, record.id)))
            .collect();
        let keys: Vec<String> = claimed.keys().cloned().collect();
        let found = self.engine.store().couplings_by_key(self.engine.company(), &self.mapping.name, &keys).await?;
        Ok(found.into_iter().filter_map(|(key, coupling)| Some((*claimed.get(&key)?, coupling))).collect())
    }

    async fn enqueue(&mut self, messages: Vec<RecordMessage>) -> Result<(), EngineError> {
        let mut messages: Vec<RecordMessage> =
            messages.into_iter().filter(|message| self.enqueued.insert(message.record)).collect();
        while !messages.is_empty() {
            let rest = messages.split_off(messages.len().min(self.engine.options().enqueue_size));
            let count = messages.len() as u64;
            self.engine.parts.queue.send(messages).await?;
            self.note(count, Counters::default()).await?;
            self.leg.keep_lease().await?;
            messages = rest;
        }
        Ok(())
    }

    fn message(&self, record: RecordId, snapshot: Option<Snapshot>) -> RecordMessage {
        RecordMessage {
            v: MESSAGE_FORMAT,
            company: self.engine.company(),
            mapping: self.mapping.name.clone(),
            direction: self.direction(),
            record,
            job: self.leg.job.to_owned(),
            run: self.leg.holder.run,
            options: self.treatment,
            snapshot,
            replay: None,
        }
    }

    /// Earlier failures whose time has come, creates included (D20).
    async fn add_due_failures(&mut self) -> Result<(), EngineError> {
        let now = self.engine.now();
        let company = self.engine.company();
        let failures = self.engine.store().failures(company, &self.mapping.name, self.direction()).await?;
        self.failing = failures.iter().map(|failure| failure.record).collect();
        let due = failures.into_iter().filter(|failure| failure.retry_at.is_none_or(|at| at <= now));
        let messages = due
            .map(|failure| {
                let mut message = self.message(failure.record, None);
                message.options = message.options.or(failure.options);
                message
            })
            .collect();
        self.enqueue(messages).await
    }

    /// Records that wait for something that has appeared meanwhile, should their release have been lost; and those that
    /// wait in vain, for a last look before they count as failed. Of the latter those that are failures already come
    /// with these, and those that were enqueued just now are looked at anyway.
    async fn add_waits(&mut self) -> Result<(), EngineError> {
        let engine = self.engine;
        let company = engine.company();
        let waits = engine.store().waits_of_mapping(company, &self.mapping.name).await?;
        let (mut over, mut standing) = (Vec::new(), Vec::new());
        for wait in waits.into_iter().filter(|wait| wait.message.direction == self.direction()) {
            if engine.is_coupled(&wait.dependency).await? {
                over.push((None, wait));
            } else {
                standing.push(wait);
            }
        }
        self.place.found.waiting += standing.len() as u64;
        standing.retain(|wait| {
            let record = &wait.message.record;
            !self.failing.contains(record) && !self.enqueued.contains(record)
        });
        for wait in engine.in_vain(standing).await? {
            over.push((Some(wait.since.unwrap_or(Timestamp::UNIX_EPOCH)), wait));
        }
        let messages = over.iter().map(|(waited_since, wait)| {
            let mut message = self.message(wait.message.record, None);
            message.options = SyncOptions { waited_since: *waited_since, ..wait.message.options };
            message
        });
        let messages = messages.collect();
        self.enqueue(messages).await?;
        let over: Vec<Wait> = over.into_iter().map(|(_, wait)| wait).collect();
        engine.store().forget_waits(company, &over).await?;
        Ok(())
    }

    /// Keeps notes for the operator, each once.
    fn remark(&mut self, notes: Vec<String>) {
        for note in notes {
            if !self.place.found.notes.contains(&note) {
                self.place.found.notes.push(note);
            }
        }
    }

    async fn note(&mut self, enqueued: u64, judged: Counters) -> Result<(), EngineError> {
        if enqueued == 0 && judged == Counters::default() {
            return Ok(());
        }
        self.place.found.enqueued += enqueued;
        self.place.found.judged += judged;
        let (to, from) = match self.direction() {
            Direction::ToDataverse => (judged, Counters::default()),
            Direction::FromDataverse => (Counters::default(), judged),
        };
        let engine = self.engine;
        engine.store().add_to_run(engine.company(), self.leg.job, self.leg.holder.run, enqueued, to, from).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f12_the_side_a_person_chose_wins_and_the_other_one_only_adds() {
        use Direction::{FromDataverse as From, ToDataverse as To};
        use MappingDirection::{Bidirectional, FromDataverse, ToDataverse};
        let wins = |precedence| SyncOptions { create: true, precedence, waited_since: None };
        for (mode, winner, mapping, direction, expected) in [
            (RunMode::Modified, None, Bidirectional, To, SyncOptions::default()),
            (RunMode::Full, None, Bidirectional, To, wins(Precedence::Source)),
            (RunMode::Full, None, Bidirectional, From, wins(Precedence::Changed)),
            (RunMode::Full, None, FromDataverse, From, wins(Precedence::Source)),
            (RunMode::Full, Some(Side::BusinessCentral), Bidirectional, To, wins(Precedence::SourceRestoring)),
            (RunMode::Full, Some(Side::BusinessCentral), Bidirectional, From, wins(Precedence::Destination)),
            (RunMode::Full, Some(Side::Dataverse), Bidirectional, From, wins(Precedence::SourceRestoring)),
            (RunMode::Full, Some(Side::Dataverse), Bidirectional, To, wins(Precedence::Destination)),
            (RunMode::Full, Some(Side::Dataverse), ToDataverse, To, wins(Precedence::Source)),
        ] {
            assert_eq!(treatment(mode, winner, mapping, direction), expected, "{winner:?} {mapping:?} {direction:?}");
        }
    }
}
