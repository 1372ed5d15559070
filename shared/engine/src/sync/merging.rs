//! Records that a person merged into another one of their table: what they are coupled to goes over to the master, or
//! the operator is told. Towards the merged side the edit goes to the master at once; from it, the master travels.

use std::collections::{BTreeSet, HashMap, HashSet};

use couplet_model::message::Direction;
use couplet_model::outcome::{DataFailure, IgnoreReason};
use couplet_model::table::Side;
use couplet_model::{Coupling, CouplingState, Filter, Outcome, Record, RecordId, Table};
use couplet_store::RowMove;
use tracing::info;

use super::batch::{Batch, Stop};
use super::stages::{Admitted, by_id};
use crate::mappings::rules::Merged;

/// How often a master may itself have been merged.
const LONGEST_CHAIN: usize = 10;

/// A merged record, and who is concerned.
struct Case {
    /// Its place among the records that were read.
    record: usize,
    /// The merged record, as a person calls it.
    name: String,
    into: Merged,
}

/// Why a merged record has no master that could take over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lost {
    /// Its row does not say.
    Unknown,
    /// The master is not there, or cannot be read.
    Gone(RecordId),
    /// The masters lead round, or further than anybody merges.
    Endless,
}

impl Batch<'_> {
    /// Looks for merged records among the sources.
    pub(super) async fn follow_merged_sources(&mut self, read: Vec<Admitted>) -> Result<Vec<Admitted>, Stop> {
        let side = self.direction.source();
        // Business Central deletes what it merges.
        if side != Side::Dataverse { Ok(read) } else { self.follow_merges(read, |record| Some(&record.source)).await }
    }

    /// Looks for merged records among the destinations.
    pub(super) async fn follow_merged_destinations(&mut self, read: Vec<Admitted>) -> Result<Vec<Admitted>, Stop> {
        let side = self.direction.destination();
        if side != Side::Dataverse {
            return Ok(read);
        }
        self.follow_merges(read, |record| record.destination.as_ref()).await
    }

    async fn follow_merges(
        &mut self,
        read: Vec<Admitted>,
        row: impl Fn(&Admitted) -> Option<&Record>,
    ) -> Result<Vec<Admitted>, Stop> {
        let side = Side::Dataverse;
        let table = self.mapping.table(side);
        let is_source = self.direction.source() == side;
        let mut read: Vec<Option<Admitted>> = read.into_iter().map(Some).collect();
        let case_of = |(index, record): (usize, &Option<Admitted>)| {
            let row = row(record.as_ref()?)?;
            let into = self.mapping.rules.merged_into(side, row)?;
            Some(Case { record: index, name: row.label(table), into })
        };
        let cases: Vec<Case> = read.iter().enumerate().filter_map(case_of).collect();
        if cases.is_empty() {
            return Ok(read.into_iter().flatten().collect());
        }
        let masters = self.masters(&cases).await?;
        let couplings = cases.iter().filter_map(|case| read[case.record].as_ref()?.coupling.as_ref());
        let partners = if is_source { self.partners(couplings).await? } else { HashMap::new() };
        let filter = self.engine.installation.filter(self.mapping, side).await?;
        for case in cases {
            let Some(record) = read[case.record].take() else { continue };
            let Some(coupling) = record.coupling.clone() else {
                self.send_master(&case, &record, &masters).await?;
                self.settle(record.settle(merged_away()));
                continue;
            };
            if coupling.state != CouplingState::Coupled || coupling.skipped {
                read[case.record] = Some(record);
                continue;
            }
            let partner = if is_source { partners.get(&coupling.id(side.other())) } else { Some(&record.source) };
            // Nothing is asked of a partner that is gone, or that a person has put out of use.
            let partner = partner.filter(|partner| !self.mapping.rules.is_out_of_use(side.other(), partner));
            let Some(partner) = partner.map(|partner| partner.label(self.mapping.table(side.other()))) else {
                self.settle(record.settle(Outcome::Unchanged));
                continue;
            };
            match successor(self.last_master(&case, &masters), &filter, table) {
                Ok(master) => {
                    let master = (master.id, master.label(table));
                    let moved = self.move_to_master(&case, &partner, coupling, master, record).await?;
                    self.go_on_with(case.record, moved, &mut read, &masters).await?;
                }
                Err(problem) => {
                    let failure = told(&case.name, &self.partner_caption(), &partner, &table.caption(), &problem);
                    self.settle(record.settle(Outcome::Failed(failure)));
                }
            }
        }
        Ok(read.into_iter().flatten().collect())
    }

    /// The masters of merged records, and theirs, each with what both directions read of it.
    async fn masters(&self, cases: &[Case]) -> Result<HashMap<RecordId, Record>, Stop> {
        let columns = self.columns_of_both_ways(Side::Dataverse);
        let table = self.mapping.table(Side::Dataverse);
        let mut known = HashMap::new();
        let mut wanted: HashSet<RecordId> = cases.iter().filter_map(|case| case.into.master()).collect();
        for _ in 0..LONGEST_CHAIN {
            let ids: Vec<RecordId> = wanted.drain().filter(|id| !known.contains_key(id)).collect();
            if ids.is_empty() {
                break;
            }
            let found = self.engine.system(Side::Dataverse).fetch(table, &ids, &columns).await?;
            let rules = self.mapping.rules;
            let next = found.iter().filter_map(|record| rules.merged_into(Side::Dataverse, record)?.master());
            wanted.extend(next);
            known.extend(by_id(found));
        }
        Ok(known)
    }

    /// The Business Central records that merged ones are coupled to.
    async fn partners<'c>(
        &self,
        couplings: impl Iterator<Item = &'c Coupling>,
    ) -> Result<HashMap<RecordId, Record>, Stop> {
        let side = Side::BusinessCentral;
        let ids: Vec<RecordId> = couplings.map(|coupling| coupling.id(side)).collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let columns = self.columns_of_both_ways(side);
        Ok(by_id(self.engine.system(side).fetch(self.mapping.table(side), &ids, &columns).await?))
    }

    /// What either direction reads of a side.
    fn columns_of_both_ways(&self, side: Side) -> Vec<String> {
        let mut columns: BTreeSet<String> = BTreeSet::new();
        for direction in Direction::BOTH {
            columns.extend(match direction.source() == side {
                true => self.mapping.source_columns(direction).to_vec(),
                false => self.mapping.destination_columns(direction).to_vec(),
            });
        }
        columns.extend(self.mapping.table(side).label_column.clone());
        columns.into_iter().collect()
    }

    /// Moves the coupling of a merged record to its master; `None` where the record has ended.
    async fn move_to_master(
        &mut self,
        case: &Case,
        partner: &str,
        coupling: Coupling,
        (master, master_name): (RecordId, String),
        record: Admitted,
    ) -> Result<Option<(Admitted, Coupling)>, Stop> {
        let (store, company, mapping) = (self.engine.store(), self.engine.company(), &self.mapping.name);
        match store.move_coupling(company, mapping, &coupling, master.into()).await? {
            RowMove::Moved(moved) => {
                info!(from = %coupling.dataverse_id, to = %master, "coupling moved to the master of a merge");
                Ok(Some((record, moved)))
            }
            RowMove::Taken(owner) => {
                let owner = owner.key.unwrap_or_else(|| owner.system_id.to_string());
                let caption = self.partner_caption();
                let problem = format!("{master_name}, which is coupled to {caption} {owner} already");
                let account = self.mapping.table(Side::Dataverse).caption();
                let failure = told(&case.name, &caption, partner, &account, &problem);
                self.settle(record.settle(Outcome::Failed(failure)));
                Ok(None)
            }
            RowMove::Stale => {
                let reason = "another worker changed this pair meanwhile";
                self.give_back(record.index, reason, Some(std::time::Duration::ZERO));
                Ok(None)
            }
        }
    }

    /// What happens after the coupling went over: towards Dataverse the record goes on to the master; from there the
    /// master travels, and the merged record has ended.
    async fn go_on_with(
        &mut self,
        index: usize,
        moved: Option<(Admitted, Coupling)>,
        read: &mut [Option<Admitted>],
        masters: &HashMap<RecordId, Record>,
    ) -> Result<(), Stop> {
        let Some((mut record, coupling)) = moved else { return Ok(()) };
        let master = coupling.id(Side::Dataverse);
        if self.direction.source() != Side::Dataverse {
            // The merge changed the master, whose own feed usually brings it and counts it.
            self.enqueue_other(record.index, Direction::FromDataverse, master, 0).await?;
            record.destination = masters.get(&master).cloned();
            record.coupling = Some(coupling);
            read[index] = Some(record);
            return Ok(());
        }
        match read.iter_mut().flatten().find(|other| other.source.id == master) {
            // It is on its way in this batch.
            Some(travelling) => travelling.coupling = Some(coupling),
            None => self.enqueue_other(record.index, Direction::FromDataverse, master, 1).await?,
        }
        record.coupling = None;
        self.settle(record.settle(merged_away()));
        Ok(())
    }

    /// A merged record whose coupling has gone over before: its master travels, should that have been lost.
    async fn send_master(
        &self,
        case: &Case,
        record: &Admitted,
        masters: &HashMap<RecordId, Record>,
    ) -> Result<(), Stop> {
        if let Ok(master) = self.last_master(case, masters).map(|record| record.id) {
            let (store, company) = (self.engine.store(), self.engine.company());
            let found = store.couplings_by_id(company, &self.mapping.name, Side::Dataverse, &[master]).await?;
            if found.contains_key(&master) {
                // It was counted when the coupling went over.
                self.enqueue_other(record.index, Direction::FromDataverse, master, 0).await?;
            }
        }
        Ok(())
    }

    fn last_master<'m>(&self, case: &Case, masters: &'m HashMap<RecordId, Record>) -> Result<&'m Record, Lost> {
        end_of_chain(case.into, masters, |record| self.mapping.rules.merged_into(Side::Dataverse, record))
    }
}

/// A record that left the mapping by a merge.
fn merged_away() -> Outcome {
    Outcome::Ignored(IgnoreReason::Rule("merged into another record".to_owned()))
}

/// The master that was itself not merged.
fn end_of_chain(
    into: Merged,
    masters: &HashMap<RecordId, Record>,
    merged_into: impl Fn(&Record) -> Option<Merged>,
) -> Result<&Record, Lost> {
    let mut into = into;
    for _ in 0..LONGEST_CHAIN {
        let Merged::Into(id) = into else { return Err(Lost::Unknown) };
        let master = masters.get(&id).ok_or(Lost::Gone(id))?;
        match merged_into(master) {
            None => return Ok(master),
            Some(next) => into = next,
        }
    }
    Err(Lost::Endless)
}

/// The master if it can take over the coupling, or what keeps it from that, as the end of "was merged into".
fn successor<'m>(master: Result<&'m Record, Lost>, filter: &Filter, table: &Table) -> Result<&'m Record, String> {
    let master = match master {
        Ok(master) => master,
        Err(Lost::Unknown) => return Err("another one, which its row does not name".to_owned()),
        Err(Lost::Gone(id)) => return Err(format!("{id}, which is not there or cannot be read")),
        Err(Lost::Endless) => return Err("others that were merged into each other in a circle".to_owned()),
    };
    match filter.first_unmet(master) {
        None => Ok(master),
        Some(condition) => Err(format!(
            "{}, which is not synchronized because its {} is {}",
            master.label(table),
            condition.column,
            master.get(&condition.column)
        )),
    }
}

/// What the operator is told, and what can be done with what both systems offer.
fn told(merged: &str, partner_caption: &str, partner: &str, caption: &str, problem: &str) -> DataFailure {
    DataFailure::new(format!(
        "{caption} {merged} was merged in Sales into {problem}; {partner_caption} {partner} is left without {caption} \
         of its own and is not changed. If it is needed no more, block it in Business Central; else activate {caption} \
         {merged} in Sales again"
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use couplet_model::catalogue::Catalogue;
    use couplet_model::{Condition, Value};
    use uuid::Uuid;

    use super::*;

    fn id(number: u128) -> RecordId {
        RecordId(Uuid::from_u128(number))
    }

    fn account(number: u128, name: &str, master: Option<u128>) -> Record {
        let mut values = vec![("name", Value::text(name)), ("statecode", Value::Int(i64::from(master.is_some())))];
        values.extend(master.map(|master| ("masterid", Value::Guid(Uuid::from_u128(master)))));
        let values = values.into_iter().map(|(column, value)| (Arc::from(column), value)).collect();
        Record { id: id(number), version: None, modified: None, values, unreadable: None }
    }

    fn merged_into(record: &Record) -> Option<Merged> {
        record.get("masterid").as_guid().map(|master| Merged::Into(RecordId(master)))
    }

    #[test]
    fn f07_the_last_master_takes_over_and_whoever_cannot_is_named() {
        let catalogue = Catalogue::embedded().expect("the catalogue");
        let table = catalogue.dataverse_table("account").expect("accounts");
        let active = Filter::all(vec![Condition::equal("statecode", Value::Int(0))]);
        let other = Filter::all(vec![Condition::equal("customertypecode", Value::Int(3))]);
        let accounts = |accounts: Vec<Record>| by_id(accounts);
        let one = accounts(vec![account(1, "Master", None)]);
        let chain = accounts(vec![account(1, "Middle", Some(2)), account(2, "Last", None)]);
        let circle = accounts(vec![account(1, "A", Some(2)), account(2, "B", Some(1))]);
        for (into, masters, filter, expected) in [
            (Merged::Into(id(1)), &one, &active, Ok(id(1))),
            (Merged::Into(id(1)), &chain, &active, Ok(id(2))),
            (Merged::Into(id(1)), &circle, &active, Err("circle")),
            (Merged::Into(id(9)), &one, &active, Err("not there")),
            (Merged::Unknown, &one, &active, Err("does not name")),
            (Merged::Into(id(1)), &one, &other, Err("Master, which is not synchronized because its customertypecode")),
        ] {
            let found = successor(end_of_chain(into, masters, merged_into), filter, table);
            match (&found, expected) {
                (Ok(master), Ok(expected)) => assert_eq!(master.id, expected),
                (Err(problem), Err(words)) => assert!(problem.contains(words), "{problem}"),
                _ => panic!("{found:?} instead of {expected:?}"),
            }
        }
    }
}
