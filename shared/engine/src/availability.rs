//! The refresh of item availability: items whose stock moved travel again, although their records did not change.

use std::collections::BTreeSet;

use couplet_model::catalogue::ITEM_AVAILABILITY;
use couplet_model::job::Trigger;
use couplet_model::message::{Direction, Treatment};
use couplet_model::record::Change;
use couplet_model::system::{ChangesQuery, NextPage, Position, Resume};
use couplet_model::{ActiveMapping, Condition, Counters, Filter, MappingName, RunId, Value};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::finding::{Finder, source_columns};
use crate::rules;
use crate::run::{Found, RunReport, RunStatus};

/// The mapping whose items carry the stock.
const ITEMS: &str = "ITEM-PRODUCT";
/// The ledger every movement of stock is written to.
const LEDGER: &str = "Item Ledger Entry";
/// Its column that names the item.
const ITEM_NUMBER: &str = "itemNumber";

impl Engine {
    /// Runs the item availability job: finds coupled items with ledger entries since the last run and enqueues them
    /// (S14 to S21).
    ///
    /// # Errors
    /// When a system, the store or the queue failed; the cursor is then where it was.
    pub async fn refresh_availability(&self, trigger: Trigger) -> Result<RunReport, EngineError> {
        let not_there = |missing: &str| EngineError::NotThereYet {
            mapping: ITEM_AVAILABILITY.to_owned(),
            missing: missing.to_owned(),
        };
        let mapping = self.mapping(ITEMS).ok_or_else(|| not_there("the mapping ITEM-PRODUCT is switched off"))?;
        if !self.parts.switches.item_availability {
            return Err(not_there("it is switched off; set item_availability to on"));
        }
        let inactivity = self
            .catalogue()
            .other_jobs()
            .iter()
            .find(|job| job.name == ITEM_AVAILABILITY)
            .map_or(0, |job| i64::from(job.inactivity_minutes));
        let run = RunId::fresh();
        match self.begin(ITEM_AVAILABILITY, run, trigger).await? {
            RunStatus::Done => {}
            left => {
                return Ok(RunReport { run, status: left, enqueued: 0, judged: Counters::default(), notes: vec![] });
            }
        }
        let found = self.find_moved_items(mapping, run).await;
        self.end(ITEM_AVAILABILITY, run, inactivity, found).await
    }

    async fn find_moved_items(&self, mapping: &ActiveMapping, run: RunId) -> Result<Found, EngineError> {
        let rules = rules::of(mapping).map_err(|missing| EngineError::SetUp(missing.to_owned()))?;
        let company = self.company();
        let name = MappingName::from(ITEM_AVAILABILITY);
        let direction = Direction::ToDataverse;
        let stored = self.store().cursor(company, &name, direction).await?;
        let from = match &stored {
            Some(cursor) => Resume::Since(cursor.clone()),
            // Without a cursor of its own the job starts where the items were last read (S15).
            None => match self.store().cursor(company, &mapping.name, direction).await? {
                Some(mut cursor) => {
                    cursor.position = Position::ModifiedOn(cursor.as_of);
                    Resume::Since(cursor)
                }
                None => Resume::Everything,
            },
        };
        let ledger = self
            .catalogue()
            .business_central_table(LEDGER)
            .ok_or_else(|| EngineError::SetUp(format!("the catalogue has no table {LEDGER}")))?;
        let columns = [ITEM_NUMBER.to_owned()];
        let query = ChangesQuery { table: ledger, columns: &columns, filter: &Filter::default() };
        let mut numbers = BTreeSet::new();
        let mut from = from;
        let next = loop {
            let page = self.system(direction.source()).changes(&query, from).await?;
            for change in &page.changes {
                if let Change::Upserted(entry) = change
                    && let Some(number) = entry.get(ITEM_NUMBER).as_text()
                {
                    numbers.insert(number.to_owned());
                }
            }
            match page.next {
                NextPage::More(token) => from = Resume::Page(token),
                NextPage::Done(next) => break next,
            }
        };
        let treatment = Treatment::default();
        let mut finder = Finder::new(self, mapping, rules, direction, ITEM_AVAILABILITY, run, treatment).await?;
        if !numbers.is_empty() {
            let read_at = self.now();
            let columns = source_columns(mapping, rules, direction);
            let numbers = numbers.into_iter().map(Value::Text).collect();
            let filter = Filter::all(vec![Condition::one_of("number", numbers)]);
            let items = self.system(direction.source()).find(&mapping.business_central, &filter, &columns).await?;
            finder.judge_and_enqueue(items, read_at).await?;
        }
        if stored.as_ref() != Some(&next) {
            let moved = self.store().move_cursor(company, &name, direction, stored.as_ref(), &next).await?;
            if !moved {
                return Err(EngineError::LeaseLost(ITEM_AVAILABILITY.to_owned()));
            }
        }
        Ok(finder.found)
    }
}
