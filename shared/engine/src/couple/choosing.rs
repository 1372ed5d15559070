//! Which records of a mapping a request means, page by page.

use std::collections::{BTreeSet, HashMap};

use couplet_model::catalogue::{ConditionFile, filter_by};
use couplet_model::message::{Direction, Precedence, SyncOptions, Wish};
use couplet_model::request::{Chosen, Request, Want};
use couplet_model::system::{ChangesQuery, NextPage, PageToken, Resume};
use couplet_model::table::Side;
use couplet_model::{Change, Filter, MappingName, Record, RecordId, RecordMessage, RunId};
use couplet_store::{Failure, FailureKind};
use serde::{Deserialize, Serialize};

use super::asking::{PAGE, Page};
use super::naming::{Named, label_columns};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::mappings::installed::InstalledMapping;

/// Records that are shown of those that a filter means.
const SHOWN: usize = 20;

/// The records that a filter means.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meant {
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub first: Vec<Named>,
}

impl Engine {
    /// The records of a side that a request with a filter would mean now: both systems may be asked, and nothing is stored.
    ///
    /// # Errors
    /// When there is no such mapping here, the filter does not fit it, or a system or the store cannot be read.
    pub async fn meant_by(&self, mapping: &MappingName, want: Want, of: Chosen) -> Result<Meant, EngineError> {
        let engine = self.current().await?;
        let request = Request { run: RunId::fresh(), mapping: mapping.clone(), want, of, after: None };
        let mapping = engine.mapping_of_a_job(mapping)?;
        if request.of == Chosen::Stray {
            let strays = engine.messages_of_strays(mapping, &request).await?;
            let named = |message: &RecordMessage| Named { id: message.record, label: message.record.to_string() };
            let first = strays.iter().take(SHOWN).map(named).collect();
            return Ok(Meant { count: strays.len() as u64, first });
        }
        let Chosen::Matching(side, conditions) = &request.of else { return Ok(Meant::default()) };
        let filter = engine.filter_of(mapping, *side, conditions).await?;
        let table = mapping.table(*side);
        let labels: Vec<String> = label_columns(table).into_iter().take(1).map(str::to_owned).collect();
        let (mut meant, mut after) = (Meant::default(), None);
        loop {
            let (records, next) = engine.matching_page(mapping, *side, &filter, after.as_deref(), &labels).await?;
            let ids: Vec<RecordId> = records.iter().map(|record| record.id).collect();
            let chosen = engine.chosen_of(mapping, &request, *side, &ids).await?;
            meant.count += chosen.len() as u64;
            let shown = records.iter().filter(|record| chosen.contains(&record.id));
            let room = SHOWN.saturating_sub(meant.first.len());
            meant.first.extend(shown.take(room).map(|record| Named { id: record.id, label: record.label(table) }));
            after = next;
            if after.is_none() {
                return Ok(meant);
            }
        }
    }

    /// The messages of one page of a request.
    pub(super) async fn page_of(
        &self,
        mapping: &InstalledMapping,
        request: &Request,
        after: Option<&str>,
    ) -> Result<Page, EngineError> {
        match &request.of {
            Chosen::Records(records) => {
                Ok(Page { messages: self.messages_of(mapping, request, records).await?, next: None })
            }
            Chosen::Pairs(pairs) => {
                let Want::Couple { direction } = &request.want else {
                    let records: Vec<(Side, RecordId)> =
                        pairs.iter().map(|(record, _)| (Side::BusinessCentral, RecordId::from(*record))).collect();
                    return Ok(Page { messages: self.messages_of(mapping, request, &records).await?, next: None });
                };
                let messages = pairs.iter().map(|(record, row)| {
                    let (source, destination) = match *direction {
                        Direction::ToDataverse => (RecordId::from(*record), RecordId::from(*row)),
                        Direction::FromDataverse => (RecordId::from(*row), RecordId::from(*record)),
                    };
                    let options = SyncOptions { create: true, precedence: Precedence::Source, waited_since: None };
                    self.asked(mapping, request, *direction, source, options, Some(Wish::Couple(destination)))
                });
                Ok(Page { messages: messages.collect(), next: None })
            }
            Chosen::Coupled | Chosen::Skipped => {
                let skipped_only = request.of == Chosen::Skipped;
                let after = after.map(str::to_owned);
                let page = self.store().coupling_page(self.company(), &mapping.name, after, PAGE).await?;
                let meant = page.couplings.iter().filter(|coupling| coupling.skipped || !skipped_only);
                let mut messages: Vec<RecordMessage> =
                    meant.flat_map(|coupling| self.messages_of_pair(mapping, request, coupling)).collect();
                if page.next.is_none() && request.want == Want::Uncouple && !skipped_only {
                    messages.extend(self.messages_of_strays(mapping, request).await?);
                }
                Ok(Page { messages, next: page.next })
            }
            Chosen::Uncoupled(_) => Ok(Page { messages: Vec::new(), next: None }),
            Chosen::Conflicting => {
                let records = self.conflicting(mapping).await?;
                Ok(Page { messages: self.messages_of(mapping, request, &records).await?, next: None })
            }
            Chosen::Failed => {
                let (failures, next) = self.failures_from(mapping, after).await?;
                let messages = failures.iter().map(|failure| self.again(mapping, request, failure));
                Ok(Page { messages: messages.collect(), next })
            }
            Chosen::Deleted => {
                let (failures, next) = self.failures_from(mapping, after).await?;
                let broken = failures.iter().filter(|failure| failure.gone_from().is_some());
                let messages = broken.filter_map(|failure| self.mending(mapping, request, failure));
                Ok(Page { messages: messages.collect(), next })
            }
            Chosen::Stray => Ok(Page { messages: self.messages_of_strays(mapping, request).await?, next: None }),
            Chosen::Matching(side, conditions) => {
                let filter = self.filter_of(mapping, *side, conditions).await?;
                let (records, next) = self.matching_page(mapping, *side, &filter, after, &[]).await?;
                let ids: Vec<RecordId> = records.iter().map(|record| record.id).collect();
                Ok(Page { messages: self.messages_of_matching(mapping, request, *side, &ids).await?, next })
            }
        }
    }

    /// The pairs that both sides have changed, by their records of Business Central, each once.
    async fn conflicting(&self, mapping: &InstalledMapping) -> Result<Vec<(Side, RecordId)>, EngineError> {
        let side = Side::BusinessCentral;
        let mut records = BTreeSet::new();
        for direction in mapping.directions() {
            let failures = self.store().failures(self.company(), &mapping.name, direction).await?;
            let conflicts = failures.into_iter().filter(|failure| failure.kind == FailureKind::Conflict);
            records.extend(conflicts.filter_map(|failure| match direction.source() == side {
                true => Some(failure.record),
                false => failure.other,
            }));
        }
        Ok(records.into_iter().map(|record| (side, record)).collect())
    }

    /// The filter that a person wrote for a side.
    pub(super) async fn filter_of(
        &self,
        mapping: &InstalledMapping,
        side: Side,
        conditions: &[ConditionFile],
    ) -> Result<Filter, EngineError> {
        let context = self.installation.filter_context().await?;
        filter_by(conditions, mapping.table(side), context).map_err(EngineError::SetUp)
    }

    /// One page of the records of a side that meet a filter, and where the next one begins.
    async fn matching_page(
        &self,
        mapping: &InstalledMapping,
        side: Side,
        filter: &Filter,
        after: Option<&str>,
        labels: &[String],
    ) -> Result<(Vec<Record>, Option<String>), EngineError> {
        let table = mapping.table(side);
        let mut columns: Vec<String> = filter.columns().map(str::to_owned).chain(labels.iter().cloned()).collect();
        columns.sort();
        columns.dedup();
        let query = ChangesQuery { table, columns: &columns, filter, look_back: self.options().look_back };
        let resume = after.map_or(Resume::Everything, |token| Resume::Page(PageToken(token.to_owned())));
        let page = self.system(side).changes(&query, resume).await?;
        let next = match page.next {
            NextPage::More(PageToken(next)) if after == Some(next.as_str()) => {
                return Err(EngineError::SetUp(format!(
                    "the list of {} leads from a page back to the same page; ask again",
                    table.name
                )));
            }
            NextPage::More(PageToken(next)) => Some(next),
            NextPage::Done(_) => None,
        };
        // A feed of changes may tell of records that the system did not filter.
        let records = page.changes.into_iter().filter_map(|change| match change {
            Change::Upserted(record) => Some(record).filter(|record| filter.matches(record)),
            Change::Deleted(_) => None,
        });
        Ok((records.collect(), next))
    }

    /// Those of some records of a side with which a request does something.
    async fn chosen_of(
        &self,
        mapping: &InstalledMapping,
        request: &Request,
        side: Side,
        ids: &[RecordId],
    ) -> Result<BTreeSet<RecordId>, EngineError> {
        if matches!(request.want, Want::Synchronize { create: true, .. }) {
            return Ok(ids.iter().copied().collect());
        }
        if matches!(request.want, Want::Retry | Want::Mend(_)) {
            let failed = self.failures_among(mapping, side, ids).await?;
            let is_broken = |failure: &Failure| failure.gone_from().is_some();
            let meant = failed.into_iter().filter(|(_, failure)| request.want == Want::Retry || is_broken(failure));
            return Ok(meant.map(|(id, _)| id).collect());
        }
        let couplings = self.store().couplings_by_id(self.company(), &mapping.name, side, ids).await?;
        let meant = couplings.iter().filter(|(_, coupling)| coupling.skipped || request.want != Want::Unskip);
        Ok(meant.map(|(id, _)| *id).collect())
    }

    /// The messages of those of some records of a side with which a request does something.
    async fn messages_of_matching(
        &self,
        mapping: &InstalledMapping,
        request: &Request,
        side: Side,
        ids: &[RecordId],
    ) -> Result<Vec<RecordMessage>, EngineError> {
        match request.want {
            Want::Retry | Want::Mend(_) => {
                let failed = self.failures_among(mapping, side, ids).await?;
                let messages = failed.into_iter().filter_map(|(_, failure)| match request.want {
                    Want::Retry => Some(self.again(mapping, request, &failure)),
                    _ if failure.gone_from().is_none() => None,
                    _ => self.mending(mapping, request, &failure),
                });
                Ok(messages.collect())
            }
            _ => {
                let chosen = self.chosen_of(mapping, request, side, ids).await?;
                let records: Vec<(Side, RecordId)> =
                    ids.iter().filter(|id| chosen.contains(id)).map(|id| (side, *id)).collect();
                self.messages_of(mapping, request, &records).await
            }
        }
    }

    /// The failures of some records of a side, in every direction, each with the record of that side.
    async fn failures_among(
        &self,
        mapping: &InstalledMapping,
        side: Side,
        ids: &[RecordId],
    ) -> Result<Vec<(RecordId, Failure)>, EngineError> {
        let (store, company) = (self.store(), self.company());
        let couplings = store.couplings_by_id(company, &mapping.name, side, ids).await?;
        let partners: HashMap<RecordId, RecordId> =
            couplings.into_iter().map(|(id, coupling)| (coupling.id(side.other()), id)).collect();
        let mut found = Vec::new();
        for direction in mapping.directions() {
            if direction.source() == side {
                let failures = store.failures_of(company, &mapping.name, direction, ids).await?;
                found.extend(failures);
            } else {
                let partner_ids: Vec<RecordId> = partners.keys().copied().collect();
                let failures = store.failures_of(company, &mapping.name, direction, &partner_ids).await?;
                found.extend(failures.into_iter().filter_map(|(id, failure)| Some((*partners.get(&id)?, failure))));
            }
        }
        Ok(found)
    }

    /// One page of the failures of a mapping, direction by direction, and where the next one begins.
    async fn failures_from(
        &self,
        mapping: &InstalledMapping,
        after: Option<&str>,
    ) -> Result<(Vec<Failure>, Option<String>), EngineError> {
        let ways: Vec<Direction> = mapping.directions().collect();
        let (way, place) = match after.and_then(|after| after.split_once(':')) {
            Some((way, place)) => (ways.iter().position(|one| one.as_str() == way), Some(place)),
            None => (Some(0), None),
        };
        // The mapping may travel another way since the request began.
        let Some(way) = way.filter(|way| *way < ways.len()) else { return Ok((Vec::new(), None)) };
        let place = place.filter(|place| !place.is_empty());
        let page = self.store().failure_page(self.company(), &mapping.name, ways[way], place, PAGE).await?;
        let next = match (page.next, ways.get(way + 1)) {
            (Some(next), _) => Some(format!("{}:{next}", ways[way].as_str())),
            (None, Some(following)) => Some(format!("{}:", following.as_str())),
            (None, None) => None,
        };
        Ok((page.failures, next))
    }

    /// The message of a record that failed, as it was asked for at first.
    fn again(&self, mapping: &InstalledMapping, request: &Request, failure: &Failure) -> RecordMessage {
        self.asked(mapping, request, failure.direction, failure.record, failure.options, None)
    }

    /// The message of a pair of which one record was deleted, in the direction in which that was told, so that it is told no longer.
    /// Where the remedy needs the other direction, it is sent on from there.
    fn mending(&self, mapping: &InstalledMapping, request: &Request, failure: &Failure) -> Option<RecordMessage> {
        let Want::Mend(remedy) = request.want else { return None };
        failure.gone_from()?;
        let (options, wish) = (SyncOptions::default(), Some(Wish::Mend(remedy)));
        Some(self.asked(mapping, request, failure.direction, failure.record, options, wish))
    }
}

#[cfg(test)]
mod tests;
