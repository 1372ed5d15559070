//! Whether a system whose feed is silent still holds what was read from it: a feed by time of change cannot tell a quiet
//! system from one that was restored to an earlier state.

use std::collections::BTreeMap;

use couplet_model::filter::{Condition, Filter, Operator};
use couplet_model::message::Direction;
use couplet_model::system::{Cursor, Position};
use couplet_model::table::Side;
use couplet_model::{ActiveMapping, Coupling, CouplingState, RecordId, Value};
use jiff::{SignedDuration, Timestamp};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::evidence::Evidence;
use crate::mappings::installed::InstalledMapping;

/// Couplings that are looked at: those whose records changed last, because a restored system misses them first.
const LOOKED_AT: usize = 200;
/// Couplings read from the store at a time.
const PAGE: usize = 1000;
/// Systems keep times of change to the second at worst.
pub(super) const RESOLUTION: SignedDuration = SignedDuration::from_secs(1);

impl Engine {
    /// Called when a feed by time of change did not show again what it showed lately, although each read reaches back to
    /// that. The records may have been deleted or left the mapping; or the system was restored. One request tells that
    /// something as new is still there in nearly all cases.
    ///
    /// # Errors
    /// [`EngineError::Halted`] when the system seems to have been restored.
    pub(crate) async fn look_behind(
        &self,
        mapping: &InstalledMapping,
        direction: Direction,
        job: &str,
        cursor: &Cursor,
    ) -> Result<(), EngineError> {
        let side = direction.source();
        let table = mapping.table(side);
        let (Position::ModifiedOn(position), Some(column)) = (&cursor.position, &table.modified_column) else {
            return Ok(());
        };
        let from = position.checked_sub(RESOLUTION).unwrap_or(Timestamp::MIN);
        let later = Condition {
            column: column.clone(),
            operator: Operator::GreaterOrEqual,
            values: vec![Value::DateTime(from)],
        };
        let system = self.system(side);
        if !system.find(table, &Filter::all(vec![later]), &[]).await?.is_empty() {
            return Ok(());
        }
        let newest = self.newest_couplings(mapping, side).await?;
        let ids: Vec<RecordId> = newest.iter().map(|coupling| coupling.id(side)).collect();
        let found: BTreeMap<RecordId, _> =
            system.fetch(table, &ids, &[]).await?.into_iter().map(|record| (record.id, record)).collect();
        let resumed_at = self.standing().await?.resumed_at;
        let mut evidence = Evidence::default();
        let may_go = mapping.rules.leave_in_ordinary_work(direction);
        for coupling in newest.iter().filter(|coupling| !may_go || found.contains_key(&coupling.id(side))) {
            evidence.look_at(coupling, side, found.get(&coupling.id(side)), resumed_at);
        }
        match evidence.verdict(&table.name) {
            None => Ok(()),
            Some(why) => Err(self.halt(side, job, why, evidence.is_about_deletions()).await?),
        }
    }

    /// The couplings whose records of a side changed last.
    async fn newest_couplings(&self, mapping: &ActiveMapping, side: Side) -> Result<Vec<Coupling>, EngineError> {
        let mut newest: BTreeMap<(Timestamp, RecordId), Coupling> = BTreeMap::new();
        let mut after = None;
        loop {
            let page = self.store().coupling_page(self.company(), &mapping.name, after, PAGE).await?;
            let coupled = page.couplings.into_iter().filter(|coupling| coupling.state == CouplingState::Coupled);
            for coupling in coupled {
                if let Some(modified) = coupling.side(side).modified {
                    newest.insert((modified, coupling.id(side)), coupling);
                }
                if newest.len() > LOOKED_AT {
                    newest.pop_first();
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(newest.into_values().collect()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use couplet_model::Switches;
    use couplet_model::coupling::SideState;
    use couplet_model::switches::SalesOrders;

    use super::*;
    use crate::bench::{Bench, pair};

    #[tokio::test]
    async fn records_that_are_gone_at_once_mean_a_restored_system_but_for_those_that_leave_in_ordinary_work() {
        let (to, from) = (Direction::ToDataverse, Direction::FromDataverse);
        let cases = [
            ("CUSTOMER", SalesOrders::Legacy, to, true),
            ("SALESORDER-ORDER", SalesOrders::Legacy, to, false),
            ("SALESORDER-ORDER", SalesOrders::Legacy, from, true),
            ("SALESORDER-ORDER", SalesOrders::Bidirectional, to, false),
            ("SALESORDER-ORDER", SalesOrders::Bidirectional, from, true),
            ("Sales Order Notes", SalesOrders::Legacy, to, true),
            ("Sales Order Notes", SalesOrders::Legacy, from, true),
        ];
        for (mapping, sales_orders, direction, halts) in cases {
            let bench = Bench::with(mapping, Switches { sales_orders, ..Switches::default() }).await;
            let now = bench.engine.now();
            let seen = || SideState { version: None, modified: Some(now) };
            let pairs = (1..=12).map(|number| Coupling {
                state: CouplingState::Coupled,
                business_central: seen(),
                dataverse: seen(),
                ..pair(number, 100 + number, &format!("N{number}"))
            });
            bench.couple(mapping, pairs).await;
            let cursor = Cursor::by_time(None, now, SignedDuration::ZERO);
            let looked = bench.engine.look_behind(&bench.mapping, direction, mapping, &cursor).await;
            let is_halted = matches!(looked, Err(EngineError::Halted(_)));
            assert_eq!((is_halted, looked.is_ok()), (halts, !halts), "{mapping}, {sales_orders:?}, {direction}");
        }
    }
}
