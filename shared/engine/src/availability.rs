//! The refresh of item availability: items whose stock moved travel again, although their records did not change
//! (S14 to S21).

use std::collections::HashSet;

use couplet_model::catalogue::ITEM_AVAILABILITY;
use couplet_model::message::{Direction, SyncOptions};
use couplet_model::{ActiveMapping, MappingName};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::finding::{Feed, Finder, Reach};
use crate::naming::{Named, NamedFeed, Naming};
use crate::place::{Leg, Place};
use crate::rules::{self, MappingRules};
use crate::run::{Finds, Reached, Start, Work};

/// The mapping whose items carry the stock.
const ITEMS: &str = "ITEM-PRODUCT";
/// Every movement of stock is an entry of the ledger.
const MOVEMENTS: Naming =
    Naming { table: "Item Ledger Entry", column: "itemNumber", names: Named::ByKey("number"), by_day: false };

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
        start: Start,
    ) -> Result<Reached, EngineError> {
        let ledger = NamedFeed::new(self, MOVEMENTS, MappingName::from(ITEM_AVAILABILITY))?;
        let Start { mode, place, found } = start;
        let place = place.unwrap_or_else(|| Place::at_beginning(mode, Direction::ToDataverse, found));
        let (treatment, mut enqueued) = (SyncOptions::default(), HashSet::new());
        let finder = Finder::new(leg, items, rules, Feed::Named(ledger), treatment, place, &mut enqueued).await?;
        Ok(match finder.find().await? {
            (Reach::End, place) => Reached::End(place.found),
            (Reach::TimeUp, place) => Reached::Place(place.found),
        })
    }
}
