//! Coupled records that are gone from a system whose feed tells nothing of deletions: their couplings are compared with what
//! is still there. Whoever applies what is found here looks once more before anything is deleted.

use std::collections::HashSet;

use couplet_model::message::Direction;
use couplet_model::system::{Cursor, earlier};
use couplet_model::{Coupling, CouplingState, Filter, Record, RecordId, Value};
use jiff::tz::TimeZone;

use super::finder::Finder;
use super::found::RunMode;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::mappings::installed::InstalledMapping;
use crate::mappings::rules::OnDeletion;

/// Couplings read from the store at a time.
const PAGE: usize = 1000;
/// So many records may be gone at once whatever part of all they are.
const FEW: usize = 50;

/// Whether a day has turned between two cursors. It turns one look-back window late, when no clock of either system or of
/// ours is still in yesterday.
pub(super) fn has_day_turned(before: &Cursor, next: &Cursor, engine: &Engine) -> bool {
    let look_back = engine.options().look_back;
    let day = |cursor: &Cursor| earlier(cursor.as_of, look_back).to_zoned(TimeZone::UTC).date();
    day(before) != day(next)
}

impl Finder<'_> {
    /// Enqueues the coupled records that are gone, when their partners are to know: once a day, and in every full
    /// synchronization. When most of them are gone at once, somebody has to ask for that by a full synchronization.
    pub(super) async fn look_for_gone(&mut self, before: Option<&Cursor>, next: &Cursor) -> Result<(), EngineError> {
        let (engine, direction) = (self.engine, self.direction());
        let is_full = self.checkpoint.mode == RunMode::Full;
        let is_due = is_full || before.is_some_and(|before| has_day_turned(before, next, engine));
        if !is_due || self.mapping.rules.on_deletion(direction) == OnDeletion::AsTheMappingSays {
            return Ok(());
        }
        let side = direction.source();
        let there = engine.system(side).find(self.mapping.table(side), &Filter::default(), &[]).await?;
        let gone = engine.gone(self.mapping, direction, None, &there).await?;
        if !is_full && gone.len() > FEW && gone.len() > there.len() {
            self.checkpoint.found.notes.push(format!(
                "{} coupled records are not in Business Central any more, more than are left there; if they were deleted on \
                 purpose, a full synchronization carries it across",
                gone.len()
            ));
            return Ok(());
        }
        self.enqueue(gone.into_iter().map(|id| self.message(id, None)).collect()).await
    }
}

impl Engine {
    /// The coupled records of a mapping that are not among those that are there; of those only that held one of some values
    /// in a column, if that is given. Nobody is gone where partners are not to know.
    pub(super) async fn gone(
        &self,
        mapping: &InstalledMapping,
        direction: Direction,
        held: Option<(&str, &[Value])>,
        there: &[Record],
    ) -> Result<Vec<RecordId>, EngineError> {
        if mapping.rules.on_deletion(direction) == OnDeletion::AsTheMappingSays {
            return Ok(Vec::new());
        }
        let side = direction.source();
        let there: HashSet<RecordId> = there.iter().map(|record| record.id).collect();
        let column = held.and_then(|(column, _)| mapping.table(side).column(column));
        let is_meant = |coupling: &Coupling| match held {
            None => true,
            Some((_, values)) => {
                column.and_then(|column| coupling.base.get(side, column)).is_some_and(|value| values.contains(&value))
            }
        };
        let is_gone = |coupling: &Coupling| {
            coupling.state == CouplingState::Coupled
                && !coupling.skipped
                && !there.contains(&coupling.id(side))
                && is_meant(coupling)
        };
        let (mut gone, mut after) = (Vec::new(), None);
        loop {
            let page = self.store().coupling_page(self.company(), &mapping.name, after, PAGE).await?;
            gone.extend(page.couplings.iter().filter(|coupling| is_gone(coupling)).map(|coupling| coupling.id(side)));
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(gone),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use couplet_model::Switches;
    use couplet_model::job::{Run, Trigger};
    use jiff::SignedDuration;
    use serde_json::json;

    use super::*;
    use crate::bench::{Bench, COMPANY, pair};
    use crate::run::RunRequest;

    const JOB: &str = "SALESPRC-PRODPRICE";

    async fn run(bench: &Bench, mode: RunMode) -> Run {
        let request = RunRequest { job: JOB.to_owned(), mode, trigger: Trigger::Schedule, until: None };
        let report = bench.engine.run_job(&request).await.expect("a run");
        bench.engine.store().run(COMPANY, JOB, report.run).await.expect("a store").expect("the run")
    }

    #[tokio::test]
    async fn what_is_gone_is_noticed_once_a_day_and_most_of_all_only_by_a_full_synchronization() {
        let bench =
            Bench::with(JOB, Switches { extended_pricing: false, unit_groups: false, ..Switches::default() }).await;
        for number in 1..=120_u128 {
            let price =
                json!({"salesType": "Customer Price Group", "salesCode": "RETAIL", "itemNo": number.to_string()});
            bench.business_central.put("Sales Price", number, price);
        }
        bench.couple(JOB, (1..=120).map(|number| Coupling { key: None, ..pair(number, 1000 + number, "") })).await;
        assert_eq!(run(&bench, RunMode::Full).await.enqueued, 120, "nobody is gone");
        bench.pass(SignedDuration::from_mins(30));
        (1..=10).for_each(|number| bench.business_central.delete("Sales Price", number));
        assert_eq!(run(&bench, RunMode::Modified).await.enqueued, 0, "the day is the same");
        bench.pass(SignedDuration::from_hours(24));
        assert_eq!(
            run(&bench, RunMode::Modified).await.enqueued,
            110 + 10,
            "all prices of a new day, and the deleted ones"
        );
        bench.pass(SignedDuration::from_mins(30));
        assert_eq!(run(&bench, RunMode::Modified).await.enqueued, 0, "once");
        (11..=70).for_each(|number| bench.business_central.delete("Sales Price", number));
        bench.pass(SignedDuration::from_hours(24));
        let suspicious = run(&bench, RunMode::Modified).await;
        assert_eq!(suspicious.enqueued, 50, "70 of 120 are too many");
        let message = suspicious.message.expect("a message");
        assert!(message.contains("70 coupled records are not in Business Central any more"), "{message}");
        assert_eq!(run(&bench, RunMode::Full).await.enqueued, 120, "asked for");
    }
}
