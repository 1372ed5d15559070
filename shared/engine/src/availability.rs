//! The refresh of item availability: items whose stock moved travel again, although their records did not change
//! (S14 to S21).

use std::collections::HashSet;

use couplet_model::catalogue::ITEM_AVAILABILITY;
use couplet_model::message::{Direction, Treatment};
use couplet_model::system::{Position, Resume};
use couplet_model::table::Table;
use couplet_model::{ActiveMapping, Condition, Filter, MappingName, Record};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::finding::{Feed, Finder, Reach};
use crate::place::{Leg, Place};
use crate::rules::{self, MappingRules};
use crate::run::{Finds, Found, Reached, RunMode, Work};

/// The mapping whose items carry the stock.
const ITEMS: &str = "ITEM-PRODUCT";
/// The ledger every movement of stock is written to.
const LEDGER: &str = "Item Ledger Entry";
/// Its column that names the item.
const ITEM_NUMBER: &str = "itemNumber";

/// The item ledger, while its entries are read.
pub(crate) struct Ledger<'a> {
    pub table: &'a Table,
    /// Items named before in this invocation; they have travelled already.
    named: HashSet<String>,
}

impl Engine {
    /// What the job does, if this installation has it.
    pub(crate) fn item_availability(&self) -> Result<Work, EngineError> {
        let not_there = |missing: &str| EngineError::NotThereYet {
            mapping: ITEM_AVAILABILITY.to_owned(),
            missing: missing.to_owned(),
        };
        let mapping = self.mapping(ITEMS).ok_or_else(|| not_there("the mapping ITEM-PRODUCT is switched off"))?;
        if !self.parts.switches.item_availability {
            return Err(not_there("it is switched off; set item_availability to on"));
        }
        let rules = rules::of(mapping).map_err(not_there)?;
        Ok(Work { mapping: mapping.clone(), rules, finds: Finds::MovedItems })
    }

    /// Enqueues coupled items with ledger entries since the last run.
    pub(crate) async fn find_moved_items(
        &self,
        leg: &Leg<'_>,
        items: &ActiveMapping,
        rules: &dyn MappingRules,
        place: Option<Place>,
    ) -> Result<Reached, EngineError> {
        let table = self
            .catalogue()
            .business_central_table(LEDGER)
            .ok_or_else(|| EngineError::SetUp(format!("the catalogue has no table {LEDGER}")))?;
        let ledger = Ledger { table, named: HashSet::new() };
        let place =
            place.unwrap_or_else(|| Place::at_beginning(RunMode::Modified, Direction::ToDataverse, Found::default()));
        let finder = Finder::new(leg, items, rules, Feed::Ledger(ledger), Treatment::default(), place).await?;
        Ok(match finder.find().await? {
            (Reach::End, place) => Reached::End(place.found),
            (Reach::TimeUp, place) => Reached::Place(place.found),
        })
    }
}

impl Ledger<'_> {
    /// Whose cursor it is read from.
    pub fn cursor_name(&self) -> MappingName {
        MappingName::from(ITEM_AVAILABILITY)
    }

    /// The columns read.
    pub fn columns(&self) -> Vec<String> {
        vec![ITEM_NUMBER.to_owned()]
    }

    /// Without a cursor of its own the job starts where the items were last read (S15).
    pub async fn beginning(&self, engine: &Engine, items: &ActiveMapping) -> Result<Resume, EngineError> {
        let cursor = engine.store().cursor(engine.company(), &items.name, Direction::ToDataverse).await?;
        Ok(cursor.map_or(Resume::Everything, |mut cursor| {
            cursor.position = Position::ModifiedOn(cursor.as_of);
            Resume::Since(cursor)
        }))
    }

    /// The items these entries name, unless they were named before.
    pub async fn named_by(
        &mut self,
        entries: &[Record],
        engine: &Engine,
        items: &ActiveMapping,
        columns: &[String],
    ) -> Result<Vec<Record>, EngineError> {
        let mut numbers = Vec::new();
        for entry in entries {
            let number = entry.get(ITEM_NUMBER);
            if number.as_text().is_some_and(|text| self.named.insert(text.to_owned())) {
                numbers.push(number.clone());
            }
        }
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let filter = Filter::all(vec![Condition::one_of("number", numbers)]);
        let source = engine.system(Direction::ToDataverse.source());
        Ok(source.find(&items.business_central, &filter, columns).await?)
    }
}
