//! A request to match the uncoupled records of a mapping: both sides are read once, each record finds its row, and each pair is
//! put into the records queue with the wish to couple the two.
//!
//! What was read is kept for the run, so that every invocation, and every delivery of its task, decides the same. A page of pairs
//! that is sent twice is coupled once, and counted once.

use std::time::Instant;

use couplet_model::matching::{MatchPair, Matched, Tally, match_all};
use couplet_model::message::{Direction, Partner, Precedence, Seen, SyncOptions, Wish};
use couplet_model::request::{Request, Want};
use couplet_model::table::Side;
use couplet_model::{Counters, RecordMessage};
use couplet_store::{ErrorKind, ErrorRecord};
use jiff::Timestamp;

use super::asking::{PAGE, RequestReport, RequestStatus};
use super::gathering::{Gathered, Scope, key_column};
use super::match_fields::in_words;
use super::match_report::reason;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::mappings::installed::InstalledMapping;

/// What is done with a page of records.
#[derive(Clone, Copy)]
enum Step<'a> {
    /// They are put into the queue.
    Send(&'a [usize]),
    /// It is told why they are not coupled.
    Tell(&'a [usize]),
}

/// A request to match, and what it found.
struct Matching<'a> {
    mapping: &'a InstalledMapping,
    request: &'a Request,
    priorities: &'a [Vec<MatchPair>],
    synchronize: Option<Direction>,
    gathered: Gathered,
    found: Vec<Matched>,
    /// When the run began: what is told of it bears that time, so that it is told once.
    began: Timestamp,
}

impl Engine {
    /// Goes on with a request to match, up to a time; what is left then goes on as another task.
    pub(super) async fn work_matching(
        &self,
        mapping: &InstalledMapping,
        request: &Request,
        priorities: &[Vec<MatchPair>],
        until: Option<Instant>,
    ) -> Result<RequestReport, EngineError> {
        let Want::Match { synchronize, create, dry_run } = request.want else {
            return Ok(RequestReport { status: RequestStatus::Done, enqueued: 0 });
        };
        let (company, job) = (self.company(), request.mapping.as_str());
        // A run that has expired, or was ended, wants nothing any more.
        let run = self.store().run(company, job, request.run).await?;
        let Some(run) = run.filter(|run| run.finished.is_none()) else {
            return Ok(RequestReport { status: RequestStatus::Done, enqueued: 0 });
        };
        let Some(gathered) = self.gather(mapping, priorities, Scope::ToMatch, Some(request.run), until).await? else {
            self.send_request(request.clone()).await?;
            return Ok(RequestReport { status: RequestStatus::GoesOn, enqueued: 0 });
        };
        let found = match_all(&gathered.records, &gathered.rows);
        let tally = Tally::of(&found);
        let began = run.started;
        let matching = Matching { mapping, request, priorities, synchronize, gathered, found, began };
        let mut enqueued = 0;
        if !dry_run {
            let (sent, told) = matching.parted(create);
            let steps = sent.chunks(PAGE).map(Step::Send).chain(told.chunks(PAGE).map(Step::Tell));
            let first = request.after.as_deref().and_then(|after| after.parse().ok()).unwrap_or(0);
            let count = sent.len().div_ceil(PAGE) + told.len().div_ceil(PAGE);
            for (number, step) in steps.enumerate().skip(first) {
                enqueued += self.take_step(&matching, number, step).await?;
                if number + 1 < count && until.is_some_and(|until| Instant::now() >= until) {
                    let after = Some((number + 1).to_string());
                    self.send_request(Request { after, ..request.clone() }).await?;
                    return Ok(RequestReport { status: RequestStatus::GoesOn, enqueued });
                }
            }
        }
        let message = said(tally, priorities, dry_run);
        self.store().run_found(company, job, request.run, self.now(), Some(message)).await?;
        Ok(RequestReport { status: RequestStatus::Done, enqueued })
    }

    /// Takes one step; gives how many records it put into the queue.
    async fn take_step(&self, matching: &Matching<'_>, number: usize, step: Step<'_>) -> Result<u64, EngineError> {
        let (company, job, run) = (self.company(), matching.request.mapping.as_str(), matching.request.run);
        let none = Counters::default();
        let (mut enqueued, mut judged) = (0, none);
        match step {
            Step::Send(places) => {
                let messages = places.iter().filter_map(|place| self.message_of_match(matching, *place));
                let messages: Vec<RecordMessage> = messages.collect();
                enqueued = messages.len() as u64;
                self.queue.send(messages).await?;
            }
            Step::Tell(places) => {
                judged.failed = places.len() as u64;
                let errors = places.iter().filter_map(|place| matching.error(*place)).collect();
                self.store().record_errors(company, errors).await?;
            }
        }
        let (to, from) = match matching.way() {
            Direction::ToDataverse => (judged, none),
            Direction::FromDataverse => (none, judged),
        };
        // First the records: should the count be lost, the step is taken again.
        self.store().add_step_to_run(company, job, run, &number.to_string(), enqueued, to, from).await?;
        Ok(enqueued)
    }

    /// The message of a record that is to be coupled or created.
    fn message_of_match(&self, matching: &Matching<'_>, place: usize) -> Option<RecordMessage> {
        let record = matching.gathered.records.get(place)?.id;
        let options = |precedence| SyncOptions { create: true, precedence, waited_since: None };
        let Matched::With(row) = matching.found[place] else {
            let (way, options) = (Direction::ToDataverse, options(Precedence::Source));
            return Some(self.asked(matching.mapping, matching.request, way, record, options, None));
        };
        let (row, way) = (matching.gathered.rows[row].id, matching.way());
        let (source, partner) = match way.source() {
            Side::BusinessCentral => (record, row),
            Side::Dataverse => (row, record),
        };
        let (wish, options) = match matching.synchronize {
            Some(_) => (Wish::Couple(partner), options(Precedence::Source)),
            None => {
                let seen = matching.seen(place);
                (Wish::CoupleOnly(Partner { record: partner, seen }), options(Precedence::Changed))
            }
        };
        Some(self.asked(matching.mapping, matching.request, way, source, options, Some(wish)))
    }
}

impl Matching<'_> {
    /// Which way the pairs are sent.
    fn way(&self) -> Direction {
        let first = self.mapping.directions().next().unwrap_or(Direction::ToDataverse);
        self.synchronize.unwrap_or(first)
    }

    /// What was seen of a record and its row, so that coupling them takes no other look. `None`: what the coupling needs of them
    /// was not kept.
    fn seen(&self, place: usize) -> Option<Seen> {
        let key = self.gathered.records[place].code.as_deref().map(str::to_owned);
        let is_enough = key.is_some() || key_column(self.mapping).is_none();
        is_enough.then_some(Seen { at: self.began, key })
    }

    /// The records that are put into the queue, and those that stay uncoupled. Where several rows match, nobody knows whether one
    /// of them is the partner, and none is created.
    fn parted(&self, create: bool) -> (Vec<usize>, Vec<usize>) {
        (0..self.found.len()).partition(|place| match self.found[*place] {
            Matched::With(_) => true,
            Matched::Nothing | Matched::Blank => create,
            Matched::Several { .. } | Matched::Shared { .. } | Matched::Coupled(_) => false,
        })
    }

    /// What is told of a record that stays uncoupled (D21).
    fn error(&self, place: usize) -> Option<ErrorRecord> {
        let (found, record) = (&self.found[place], &self.gathered.records[place]);
        let other = match found {
            Matched::Shared { row, .. } | Matched::Coupled(row) => Some(self.gathered.rows[*row].id),
            _ => None,
        };
        Some(ErrorRecord {
            run: self.request.run,
            job: self.request.mapping.to_string(),
            mapping: self.request.mapping.clone(),
            direction: Direction::ToDataverse,
            record: record.id,
            other,
            label: record.label.to_string(),
            at: self.began,
            field: Some(in_words(self.priorities)),
            message: reason(self.mapping, self.priorities, found, &self.gathered)?,
            kind: ErrorKind::Data,
        })
    }
}

/// What was found, as the run tells it.
fn said(tally: Tally, priorities: &[Vec<MatchPair>], dry_run: bool) -> String {
    let Tally { pairs, several, unmatched } = tally;
    let what = if dry_run { "A person looked how to match" } else { "A person matched" };
    format!(
        "{what} uncoupled records by {}: {pairs} with one match, {several} with several, {unmatched} without one.",
        in_words(priorities)
    )
}

#[cfg(test)]
mod tests;
