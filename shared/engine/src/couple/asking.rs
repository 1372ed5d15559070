//! From a request to the messages of its records. The task carries how far it has come, so that whoever takes it up after a
//! crash goes on with the page that was under way; a record that comes twice is one.

use std::collections::HashMap;
use std::time::Instant;

use couplet_model::catalogue::in_words as conditions_in_words;
use couplet_model::job::{Run, Trigger};
use couplet_model::message::{Direction, MESSAGE_FORMAT, Precedence, Remedy, SyncOptions, Wish};
use couplet_model::request::{Chosen, MOST_NAMED, Request, Want};
use couplet_model::table::Side;
use couplet_model::task::{TASK_FORMAT, Task, TaskMessage};
use couplet_model::{
    Condition, Counters, Coupling, DataverseId, MappingName, RecordId, RecordMessage, RunId, SystemId, Value,
};

use super::match_fields::{confirm_fields, in_words};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::mappings::installed::InstalledMapping;
use crate::mappings::rules::is_usable;
use crate::sync::gives_company;

/// Records that are put into the queue before it is noted how far the request has come.
pub(super) const PAGE: usize = 1_000;

/// How a request went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestReport {
    /// Whether all of its records are in the queue.
    pub status: RequestStatus,
    /// Messages put into the queue this time.
    pub enqueued: u64,
}

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestStatus {
    /// All of its records are in the queue.
    Done,
    /// The time was up; a task for the rest is in the queue.
    GoesOn,
}

/// One page of the records of a request.
pub(super) struct Page {
    pub messages: Vec<RecordMessage>,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<String>,
}

impl Engine {
    /// Takes down what a person asks for, as a task and the run that will carry it out; gives the run.
    ///
    /// # Errors
    /// [`EngineError::SetUp`] when it cannot be carried out: the mapping has no job, does not travel that way, or too many
    /// records are named. Else when the store or the queue fails: then nothing is carried out.
    pub async fn ask(&self, mapping: &MappingName, want: Want, of: Chosen) -> Result<RunId, EngineError> {
        let run = RunId::fresh();
        self.ask_as(run, mapping, want, of).await?;
        Ok(run)
    }

    /// Takes it down as a run that has its id already: asked twice, it is one run.
    pub(crate) async fn ask_as(
        &self,
        run: RunId,
        mapping: &MappingName,
        want: Want,
        of: Chosen,
    ) -> Result<(), EngineError> {
        self.current().await?.ask_by_these_mappings(run, mapping, want, of).await
    }

    async fn ask_by_these_mappings(
        &self,
        run: RunId,
        mapping: &MappingName,
        want: Want,
        of: Chosen,
    ) -> Result<(), EngineError> {
        let installed = self.mapping_of_a_job(mapping)?;
        confirm(installed, &want, &of)?;
        if let Want::Resolve(resolution) = &want {
            self.confirm_resolution(installed, resolution)?;
        }
        if let Chosen::Uncoupled(priorities) = &of
            && (!priorities.is_empty() || want != Want::LookForOrphans)
        {
            confirm_fields(installed, priorities)?;
        }
        if let Chosen::Matching(side, conditions) = &of {
            self.filter_of(installed, *side, conditions).await?;
        }
        self.confirm_owner().await?;
        self.confirm_orders().await?;
        self.confirm_enabled().await?;
        if let Chosen::Pairs(pairs) = &of {
            self.confirm_pairs(installed, pairs).await?;
        }
        let run = Run {
            message: Some(said(&want, &of)),
            mappings: self.revision,
            ..Run::begun(run, installed.name.as_str(), Trigger::Manual, self.now())
        };
        let request = Request { run: run.id, mapping: installed.name.clone(), want, of, after: None };
        self.store().start_run(self.company(), &run).await?;
        if let Err(error) = self.send_request(request).await {
            let why = format!("what was asked for did not reach the queue: {error}; ask again");
            self.store().fail_run(self.company(), &run.job, run.id, self.now(), why).await?;
            return Err(error);
        }
        Ok(())
    }

    /// Puts the records of a request into the queue, up to a time; what is left then goes on as another task.
    ///
    /// # Errors
    /// When the mapping is not there any more, or the store or the queue fails: the task comes again.
    pub async fn work_request(&self, request: &Request, until: Option<Instant>) -> Result<RequestReport, EngineError> {
        let engine = self.current().await?;
        let mapping = engine.mapping_of_a_job(&request.mapping)?;
        match (&request.of, &request.want) {
            (Chosen::Uncoupled(priorities), Want::LookForOrphans) => {
                return engine.work_looking_for_orphans(mapping, request, priorities, until).await;
            }
            (Chosen::Uncoupled(priorities), _) => {
                return engine.work_matching(mapping, request, priorities, until).await;
            }
            (_, Want::LookForDeleted) => return engine.work_looking_for_deleted(mapping, request, until).await,
            _ => {}
        }
        let (company, job) = (self.company(), request.mapping.as_str());
        let (mut after, mut enqueued) = (request.after.clone(), 0);
        loop {
            let page = engine.page_of(mapping, request, after.as_deref()).await?;
            let count = page.messages.len() as u64;
            // First the records: should the count be lost, the page comes again, and the run does not wait for more than comes.
            self.queue.send(page.messages).await?;
            let none = Counters::default();
            self.store().add_to_run(company, job, request.run, count, none, none).await?;
            enqueued += count;
            let Some(next) = page.next else { break };
            if until.is_some_and(|until| Instant::now() >= until) {
                self.send_request(Request { after: Some(next), ..request.clone() }).await?;
                return Ok(RequestReport { status: RequestStatus::GoesOn, enqueued });
            }
            after = Some(next);
        }
        self.store().run_found(company, job, request.run, self.now(), None).await?;
        Ok(RequestReport { status: RequestStatus::Done, enqueued })
    }

    /// Whether the two records of each pair are there, and coupled with nobody else. Whoever couples one of them at the same
    /// moment is met again when the pair is made.
    async fn confirm_pairs(
        &self,
        mapping: &InstalledMapping,
        pairs: &[(SystemId, DataverseId)],
    ) -> Result<(), EngineError> {
        for side in [Side::BusinessCentral, Side::Dataverse] {
            let (table, caption) = (mapping.table(side), mapping.table(side).caption());
            let ids_of = |pair: &(SystemId, DataverseId)| match side {
                Side::BusinessCentral => (RecordId::from(pair.0), RecordId::from(pair.1)),
                Side::Dataverse => (RecordId::from(pair.1), RecordId::from(pair.0)),
            };
            let ids: Vec<RecordId> = pairs.iter().map(|pair| ids_of(pair).0).collect();
            let there = self.system(side).fetch(table, &ids, &[]).await?;
            let couplings = self.store().couplings_by_id(self.company(), &mapping.name, side, &ids).await?;
            for pair in pairs {
                let (here, other) = ids_of(pair);
                if !there.iter().any(|record| record.id == here) {
                    return Err(EngineError::SetUp(format!("there is no {caption} {here} in {side}")));
                }
                let Some(coupling) = couplings.get(&here).filter(|coupling| coupling.id(side.other()) != other) else {
                    continue;
                };
                let (partner, elsewhere) = (coupling.id(side.other()), mapping.table(side.other()));
                let lives = self.system(side.other()).fetch(elsewhere, &[partner], &[]).await?;
                if lives.is_empty() {
                    self.store().remove_coupling(self.company(), &mapping.name, coupling).await?;
                } else {
                    return Err(EngineError::SetUp(format!(
                        "the {caption} {here} in {side} is coupled with the {} {partner} already (R99, R101): uncouple that pair \
                         first",
                        elsewhere.caption()
                    )));
                }
            }
        }
        Ok(())
    }

    pub(super) async fn send_request(&self, request: Request) -> Result<(), EngineError> {
        let task = TaskMessage { v: TASK_FORMAT, company: self.company(), task: Task::Ask(request) };
        Ok(self.tasks.send(task).await?)
    }

    /// The mapping of that name, if it has a job of its own: the records of others travel with those of another mapping.
    pub(super) fn mapping_of_a_job(&self, name: &MappingName) -> Result<&InstalledMapping, EngineError> {
        let mapping = self
            .mapping(name)
            .map_err(|missing| EngineError::CannotRun { mapping: name.to_string(), missing: missing.to_owned() })?;
        let has_job = self.jobs.named(name.as_str()).is_ok_and(|job| job.work().is_ok());
        if !has_job {
            return Err(EngineError::SetUp(format!(
                "the records of {name} travel with those of another mapping: choose the records there"
            )));
        }
        Ok(mapping)
    }

    /// The messages of records that were named by their ids on either side.
    pub(super) async fn messages_of(
        &self,
        mapping: &InstalledMapping,
        request: &Request,
        records: &[(Side, RecordId)],
    ) -> Result<Vec<RecordMessage>, EngineError> {
        let mut couplings: HashMap<(Side, RecordId), Coupling> = HashMap::new();
        for side in [Side::BusinessCentral, Side::Dataverse] {
            let ids: Vec<RecordId> = records.iter().filter(|(of, _)| *of == side).map(|(_, id)| *id).collect();
            let found = self.store().couplings_by_id(self.company(), &mapping.name, side, &ids).await?;
            couplings.extend(found.into_iter().map(|(id, coupling)| ((side, id), coupling)));
        }
        let mut messages = Vec::new();
        for (side, id) in records {
            match couplings.get(&(*side, *id)) {
                Some(coupling) => messages.extend(self.messages_of_pair(mapping, request, coupling)),
                // It is no pair: it travels from where it is, or not at all.
                None => {
                    let ways = mapping.directions().filter(|direction| direction.source() == *side);
                    messages.extend(ways.filter_map(|direction| self.message_of(mapping, request, direction, *id)));
                }
            }
        }
        Ok(messages)
    }

    /// The messages of a pair.
    pub(super) fn messages_of_pair(
        &self,
        mapping: &InstalledMapping,
        request: &Request,
        coupling: &Coupling,
    ) -> Vec<RecordMessage> {
        let mut ways: Vec<Direction> = mapping.directions().collect();
        // A pair ends, and is marked, but once. One that is being created belongs to the direction that creates it.
        // What is made again is told of no longer in either direction.
        let is_once = match request.want {
            Want::Mend(remedy) => remedy != Remedy::Restore,
            _ => matches!(request.want, Want::Uncouple | Want::Skip),
        };
        if is_once {
            let reserved_by = coupling.reserved_by();
            ways.retain(|direction| reserved_by.is_none_or(|by| by == *direction));
            ways.truncate(1);
        }
        let mut messages: Vec<RecordMessage> = ways
            .into_iter()
            .filter_map(|direction| self.message_of(mapping, request, direction, coupling.id(direction.source())))
            .collect();
        // Who asks for a pair by its name wants it to travel (R114).
        if coupling.skipped && matches!(request.want, Want::Synchronize { .. }) {
            messages.iter_mut().for_each(|message| message.wish = Some(Wish::Unskip));
        }
        messages
    }

    /// The messages of rows that belong to the company although nothing couples them, once all pairs of a mapping end: they are
    /// taken off it as well (R210).
    pub(super) async fn messages_of_strays(
        &self,
        mapping: &InstalledMapping,
        request: &Request,
    ) -> Result<Vec<RecordMessage>, EngineError> {
        let side = Side::Dataverse;
        let (table, context) = (mapping.table(side), self.installation.filter_context().await?);
        let way = mapping.directions().next().filter(|_| gives_company(mapping));
        let (Some(column), Some(company), Some(way)) = (table.company_column.as_deref(), context.company, way) else {
            return Ok(Vec::new());
        };
        let mut filter = mapping.filter(side, context);
        filter.conditions.push(Condition::equal(column, Value::Guid(company.0)));
        let ours: Vec<RecordId> =
            self.system(side).find(table, &filter, &[]).await?.into_iter().map(|row| row.id).collect();
        let mut strays = ours;
        // A row of another mapping belongs to the company for its sake: an account may be a vendor's.
        for other in self.mappings.iter().filter_map(Result::ok) {
            let is_own = other.name == mapping.name;
            if !is_own && (other.dataverse.name != table.name || !gives_company(other)) {
                continue;
            }
            let coupled = self.store().couplings_by_id(self.company(), &other.name, side, &strays).await?;
            strays.retain(|row| coupled.get(row).is_none_or(|pair| !is_own && !is_usable(pair)));
        }
        let strays = strays.into_iter();
        let message = |row| self.asked(mapping, request, way, row, SyncOptions::default(), Some(Wish::LeaveCompany));
        Ok(strays.map(message).collect())
    }

    /// The message of a record in one direction, unless nothing is wanted there.
    fn message_of(
        &self,
        mapping: &InstalledMapping,
        request: &Request,
        direction: Direction,
        record: RecordId,
    ) -> Option<RecordMessage> {
        let usual = SyncOptions::default();
        let (options, wish) = match &request.want {
            Want::Synchronize { direction: Some(wanted), .. } if *wanted != direction => return None,
            Want::Synchronize { direction: wanted, create } => {
                let create = *create;
                let is_second = direction == Direction::FromDataverse && wanted.is_none();
                let has_both = mapping.directions().count() > 1;
                // The queue knows no order: what travels both ways is left to the first direction.
                let precedence = match is_second && has_both {
                    true => Precedence::Destination,
                    // A pair of which the other record is gone gets another one (R220).
                    false if create && wanted.is_some() => Precedence::SourceRestoring,
                    false => Precedence::Source,
                };
                (SyncOptions { create, precedence, waited_since: None }, None)
            }
            Want::Couple { .. } | Want::Match { .. } | Want::LookForDeleted | Want::LookForOrphans => return None,
            Want::Mend(remedy) => (usual, Some(Wish::Mend(*remedy))),
            Want::Release => (usual, Some(Wish::LeaveCompany)),
            Want::Resolve(resolution) => (usual, Some(Wish::Resolve(resolution.clone()))),
            Want::Uncouple => (usual, Some(Wish::Uncouple)),
            Want::Skip => (usual, Some(Wish::Skip)),
            Want::Unskip => (usual, Some(Wish::Unskip)),
            Want::Retry => (usual, None),
        };
        Some(self.asked(mapping, request, direction, record, options, wish))
    }

    pub(super) fn asked(
        &self,
        mapping: &InstalledMapping,
        request: &Request,
        direction: Direction,
        record: RecordId,
        options: SyncOptions,
        wish: Option<Wish>,
    ) -> RecordMessage {
        RecordMessage {
            v: MESSAGE_FORMAT,
            company: self.company(),
            mapping: mapping.name.clone(),
            direction,
            record,
            job: mapping.name.to_string(),
            run: request.run,
            options,
            snapshot: None,
            replay: None,
            wish,
        }
    }
}

/// Whether a request can be carried out by the mapping.
fn confirm(mapping: &InstalledMapping, want: &Want, of: &Chosen) -> Result<(), EngineError> {
    let refused = |why: String| Err(EngineError::SetUp(why));
    let named = match of {
        Chosen::Records(records) => records.len(),
        Chosen::Pairs(pairs) => pairs.len(),
        _ => 0,
    };
    if named > MOST_NAMED {
        return refused(format!("{named} records are named at once; name at most {MOST_NAMED}"));
    }
    let wanted = match want {
        Want::Synchronize { direction, .. } => *direction,
        Want::Couple { direction } => Some(*direction),
        Want::Match { synchronize, .. } => *synchronize,
        _ => None,
    };
    if let Some(direction) = wanted.filter(|wanted| !mapping.directions().any(|way| way == *wanted)) {
        return refused(format!("{} does not travel {direction} (EE3)", mapping.name));
    }
    match (want, of) {
        (Want::Couple { .. }, Chosen::Pairs(_)) => Ok(()),
        (Want::Couple { .. }, _) => refused("name the two records that are to be coupled".to_owned()),
        (Want::Match { create: true, .. }, Chosen::Uncoupled(_))
            if !mapping.directions().any(|way| way == Direction::ToDataverse) =>
        {
            refused(format!(
                "{} does not travel to Dataverse, so that nothing can be created there (R198)",
                mapping.name
            ))
        }
        (Want::Match { .. }, Chosen::Uncoupled(_)) => Ok(()),
        (Want::Resolve(_), Chosen::Records(_) | Chosen::Conflicting) => Ok(()),
        (Want::Resolve(_), _) | (_, Chosen::Conflicting) => {
            refused("records that both sides have changed are settled, and nothing else is done with them".to_owned())
        }
        (Want::LookForOrphans, Chosen::Uncoupled(_)) | (Want::LookForDeleted, Chosen::Coupled) => Ok(()),
        (Want::LookForOrphans | Want::LookForDeleted, _) => {
            refused("all records of the mapping are looked at, and none of them is chosen".to_owned())
        }
        (Want::Match { .. }, _) | (_, Chosen::Uncoupled(_)) => {
            refused("all records that are not coupled are matched, and nothing else is done with them".to_owned())
        }
        (Want::Release, _) if !gives_company(mapping) || mapping.dataverse.company_column.is_none() => {
            refused(format!("rows of {} belong to no company, so that none has to be taken off it", mapping.name))
        }
        (Want::Release, Chosen::Stray) => Ok(()),
        (Want::Release, Chosen::Records(records)) if records.iter().all(|(side, _)| *side == Side::Dataverse) => Ok(()),
        (Want::Release, _) | (_, Chosen::Stray) => {
            refused("rows of Dataverse that nothing couples are taken off the company, and nothing else".to_owned())
        }
        (Want::Mend(_), Chosen::Records(_) | Chosen::Deleted | Chosen::Matching(..)) => Ok(()),
        (Want::Mend(_), _) | (_, Chosen::Deleted) => {
            refused("choose pairs of which one record was deleted, and what is done about them".to_owned())
        }
        _ => Ok(()),
    }
}

/// What was asked for, as the run tells it.
fn said(want: &Want, of: &Chosen) -> String {
    let whom = match of {
        Chosen::Records(records) if records.len() == 1 => "one chosen record".to_owned(),
        Chosen::Records(records) => format!("{} chosen records", records.len()),
        Chosen::Pairs(pairs) if pairs.len() == 1 => "one chosen pair".to_owned(),
        Chosen::Pairs(pairs) => format!("{} chosen pairs", pairs.len()),
        Chosen::Uncoupled(priorities) => format!("uncoupled records by {}", in_words(priorities)),
        Chosen::Coupled => "all coupled records".to_owned(),
        Chosen::Skipped => "all skipped records".to_owned(),
        Chosen::Failed => "all failed records".to_owned(),
        Chosen::Conflicting => "all records that both sides have changed".to_owned(),
        Chosen::Deleted => "all pairs of which one record was deleted".to_owned(),
        Chosen::Stray => "all rows that nothing couples".to_owned(),
        Chosen::Matching(side, conditions) => {
            format!("the records of {side} where {}", conditions_in_words(conditions))
        }
    };
    match want {
        Want::Synchronize { direction: Some(direction), .. } => format!("A person synchronized {whom} {direction}."),
        Want::Synchronize { direction: None, .. } => format!("A person synchronized {whom}."),
        Want::Couple { direction } => format!("A person coupled {whom} and synchronized {direction}."),
        Want::Match { dry_run: true, .. } => format!("A person looked how to match {whom}."),
        Want::Match { .. } => format!("A person matched {whom}."),
        Want::Resolve(_) => format!("A person settled what both sides changed of {whom}."),
        Want::Uncouple => format!("A person uncoupled {whom}."),
        Want::Skip => format!("A person skipped {whom}."),
        Want::Unskip => format!("A person brought back {whom}."),
        Want::Retry => format!("A person tried {whom} again."),
        Want::LookForDeleted => format!("A person looked which of {whom} were deleted."),
        Want::LookForOrphans => format!("A person looked for {whom} and for several that share them."),
        Want::Mend(Remedy::Restore) => format!("A person had deleted records made again: {whom}."),
        Want::Mend(Remedy::Delete) => format!("A person deleted what was left: {whom}."),
        Want::Mend(Remedy::Uncouple) => format!("A person uncoupled {whom} where one record was deleted."),
        Want::Release => format!("A person took {whom} off the company."),
    }
}

#[cfg(test)]
mod tests;
