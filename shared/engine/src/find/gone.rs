//! Coupled records that are gone from a system whose feed tells nothing of deletions: their couplings are compared with what
//! is still there. Whoever applies what is found here looks once more before anything is deleted.

use std::collections::HashSet;

use couplet_model::comparing::folded;
use couplet_model::message::Direction;
use couplet_model::system::{Cursor, earlier};
use couplet_model::table::Side;
use couplet_model::{Coupling, CouplingState, Filter, Record, RecordId, Value};
use jiff::tz::TimeZone;

use super::finder::Finder;
use super::found::RunMode;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::evidence::are_many;
use crate::mappings::installed::InstalledMapping;
use crate::mappings::rules::{DELETED, OnDeletion};

/// Couplings read from the store at a time.
const PAGE: usize = 1000;
/// So many records that are gone at once are the work of people, where they are a small part of all; and where partners follow,
/// whatever part of all they are.
const FEW: usize = 50;

/// Whether a day has turned between two cursors. It turns one look-back window late, when no clock of either system or of
/// ours is still in yesterday.
pub(super) fn has_day_turned(before: &Cursor, next: &Cursor, engine: &Engine) -> bool {
    let look_back = engine.options().look_back;
    let day = |cursor: &Cursor| earlier(cursor.as_of, look_back).to_zoned(TimeZone::UTC).date();
    day(before) != day(next)
}

/// What decides whether a run compares the couplings with what is there.
#[derive(Clone, Copy)]
struct Occasion {
    /// Whether it is a full synchronization.
    is_full: bool,
    /// Whether a day has turned since the last run.
    is_new_day: bool,
    /// What becomes of the partner of a record that was deleted.
    on_deletion: OnDeletion,
    /// Whether the run looks at every partner in the other direction as well, and judges there what is missing.
    is_looked_at_from_both_sides: bool,
    /// Whether a person chose that the other side wins: then what is gone here proves nothing.
    loses: bool,
}

impl Occasion {
    /// Whether the couplings are compared.
    fn calls_for_comparison(self) -> bool {
        let matters = self.on_deletion != OnDeletion::Stay;
        let is_judged_elsewhere = self.is_full && self.is_looked_at_from_both_sides && !self.on_deletion.is_followed();
        (self.is_full || self.is_new_day) && matters && !self.loses && !is_judged_elsewhere
    }
}

/// Whether so many of some coupled records are gone that a person has to ask for what follows. Where partners follow, it is
/// what part of all they are that counts.
pub(crate) fn are_too_many(gone: usize, of: usize, on_deletion: OnDeletion) -> bool {
    if on_deletion.is_followed() { gone > FEW && are_many(gone, of) } else { gone > FEW || are_many(gone, of) }
}

impl Finder<'_> {
    /// Enqueues the coupled records that are gone, once a day and in every full synchronization: the mapping's rules, or its
    /// deletion rule, say what becomes of their partners. When many of them are gone at once, somebody has to ask for that by a
    /// full synchronization: the system may have been restored. Costs one page per 20,000 records of Business Central, and
    /// nothing where nothing is coupled.
    pub(super) async fn look_for_gone(&mut self, before: Option<&Cursor>, next: &Cursor) -> Result<(), EngineError> {
        let (engine, direction) = (self.engine, self.direction());
        let on_deletion = self.mapping.rules.on_deletion(direction);
        let is_full = self.checkpoint.mode == RunMode::Full;
        let occasion = Occasion {
            is_full,
            is_new_day: before.is_some_and(|before| has_day_turned(before, next, engine)),
            on_deletion,
            is_looked_at_from_both_sides: self.mapping.directions().any(|other| other == direction.reverse()),
            loses: self.checkpoint.wins == Some(direction.destination()),
        };
        if !occasion.calls_for_comparison() {
            return Ok(());
        }
        let side = direction.source();
        let coupled = engine.coupled(self.mapping, direction, None).await?;
        if coupled.is_empty() {
            return Ok(());
        }
        let of = coupled.len();
        let there = engine.system(side).find(self.mapping.table(side), &Filter::default(), &[]).await?;
        let gone = without(coupled, &there);
        // What was reported as failed is known, and comes again by itself.
        let new: Vec<&Coupled> = gone.iter().filter(|gone| !gone.is_reported).collect();
        let new = match !is_full && are_too_many(new.len(), of, on_deletion) {
            true => self.without_trace(&new).await?,
            false => new.len(),
        };
        if !is_full && are_too_many(new, of, on_deletion) {
            let way_out = match self.mapping.directions().count() {
                1 => "a full synchronization carries it across",
                _ => "a full synchronization stops all jobs once, and `couplet resume` lets them carry it across",
            };
            self.checkpoint.found.notes.push(format!(
                "{new} of {of} coupled records are not in {side} any more; if they were deleted on purpose, {way_out}"
            ));
            return Ok(());
        }
        self.enqueue(gone.into_iter().map(|gone| self.message(gone.id, None)).collect()).await
    }

    /// How many of the records that are gone left nothing behind that says so.
    async fn without_trace(&self, gone: &[&Coupled]) -> Result<usize, EngineError> {
        let keys: Vec<String> = gone.iter().filter_map(|gone| gone.key.clone()).collect();
        let (rules, installation) = (self.mapping.rules, &self.engine.installation);
        let told = rules.left_behind_a_trace(installation, self.direction(), &keys).await?;
        let is_told = |gone: &Coupled| gone.key.as_deref().is_some_and(|key| told.contains(&folded(key)));
        Ok(gone.iter().filter(|gone| !is_told(gone)).count())
    }
}

impl Engine {
    /// The coupled records that held one of some values in a column and are not among those that are there, where the rules
    /// want their partners to follow at once.
    pub(super) async fn gone(
        &self,
        mapping: &InstalledMapping,
        direction: Direction,
        held: (&str, &[Value]),
        there: &[Record],
    ) -> Result<Vec<RecordId>, EngineError> {
        if !mapping.rules.on_deletion(direction).is_followed() {
            return Ok(Vec::new());
        }
        let gone = without(self.coupled(mapping, direction, Some(held)).await?, there);
        Ok(gone.into_iter().map(|gone| gone.id).collect())
    }

    /// Those of some records that are coupled and not among those that are there, where records leave in ordinary work.
    pub(super) async fn gone_of(
        &self,
        mapping: &InstalledMapping,
        direction: Direction,
        ids: &[RecordId],
        there: &[Record],
    ) -> Result<Vec<RecordId>, EngineError> {
        if !mapping.rules.leave_in_ordinary_work(direction) {
            return Ok(Vec::new());
        }
        let there: HashSet<RecordId> = there.iter().map(|record| record.id).collect();
        let missing: Vec<RecordId> = ids.iter().copied().filter(|id| !there.contains(id)).collect();
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let side = direction.source();
        let coupled = self.store().couplings_by_id(self.company(), &mapping.name, side, &missing).await?;
        Ok(missing.into_iter().filter(|id| coupled.contains_key(id)).collect())
    }

    /// The records of a mapping that are coupled and not skipped; of those only that held one of some values in a column, if
    /// that is given.
    async fn coupled(
        &self,
        mapping: &InstalledMapping,
        direction: Direction,
        held: Option<(&str, &[Value])>,
    ) -> Result<Vec<Coupled>, EngineError> {
        let side = direction.source();
        let column = held.and_then(|(column, _)| mapping.table(side).column(column));
        let is_meant = |coupling: &Coupling| match held {
            None => true,
            Some((_, values)) => {
                column.and_then(|column| coupling.base.get(side, column)).is_some_and(|value| values.contains(&value))
            }
        };
        let is_concerned = |coupling: &&Coupling| {
            let is_whole = coupling.state == CouplingState::Coupled && !coupling.related.contains_key(DELETED);
            is_whole && !coupling.skipped && is_meant(coupling)
        };
        let (mut coupled, mut after) = (Vec::new(), None);
        loop {
            let page = self.store().coupling_page(self.company(), &mapping.name, after, PAGE).await?;
            coupled.extend(page.couplings.iter().filter(is_concerned).map(|coupling| Coupled::of(coupling, side)));
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(coupled),
            }
        }
    }
}

/// A coupled record of one side.
struct Coupled {
    id: RecordId,
    key: Option<String>,
    /// Whether somebody was told that it failed.
    is_reported: bool,
}

impl Coupled {
    fn of(coupling: &Coupling, side: Side) -> Self {
        Self { id: coupling.id(side), key: coupling.key.clone(), is_reported: coupling.failed_any_way() }
    }
}

/// Those that are not there.
fn without(mut records: Vec<Coupled>, there: &[Record]) -> Vec<Coupled> {
    let there: HashSet<RecordId> = there.iter().map(|record| record.id).collect();
    records.retain(|record| !there.contains(&record.id));
    records
}

#[cfg(test)]
mod tests {
    use couplet_model::Switches;
    use couplet_model::job::{Run, Trigger};
    use couplet_model::switches::SalesOrders;
    use jiff::SignedDuration;
    use serde_json::json;

    use super::*;
    use crate::bench::{Bench, COMPANY, id as id_of, pair};
    use crate::run::RunRequest;

    const JOB: &str = "SALESPRC-PRODPRICE";

    async fn run(bench: &Bench, mode: RunMode) -> Run {
        let job = bench.mapping.name.as_str();
        let request = RunRequest { job: job.to_owned(), mode, trigger: Trigger::Schedule, until: None };
        let report = bench.engine.run_job(&request).await.expect("a run");
        bench.engine.store().run(COMPANY, job, report.run).await.expect("a store").expect("the run")
    }

    /// Reads of all records of Business Central since this was asked last.
    fn comparisons(bench: &Bench, table: &str) -> usize {
        bench.business_central.take_calls().iter().filter(|call| **call == format!("find {table}")).count()
    }

    #[test]
    fn couplings_are_compared_daily_and_in_full_runs_where_a_deletion_means_something() {
        use OnDeletion::{AsTheMappingSays, DeletePartner, Stay, Uncouple};
        let usual = Occasion {
            is_full: false,
            is_new_day: true,
            on_deletion: AsTheMappingSays,
            is_looked_at_from_both_sides: false,
            loses: false,
        };
        let full = Occasion { is_full: true, is_new_day: false, ..usual };
        let both = Occasion { is_looked_at_from_both_sides: true, ..full };
        let cases = [
            ("a new day", usual, true),
            ("the same day", Occasion { is_new_day: false, ..usual }, false),
            ("a full run", full, true),
            ("a deletion says nothing", Occasion { on_deletion: Stay, ..full }, false),
            ("the other side wins", Occasion { loses: true, ..full }, false),
            ("the other direction judges", both, false),
            ("partners follow all the same", Occasion { on_deletion: DeletePartner, ..both }, true),
            ("and are uncoupled", Occasion { on_deletion: Uncouple, ..both }, true),
            ("on a new day nobody else judges", Occasion { is_looked_at_from_both_sides: true, ..usual }, true),
        ];
        for (name, occasion, expected) in cases {
            assert_eq!(occasion.calls_for_comparison(), expected, "{name}");
        }
        let counts =
            [(10, 12, true, false), (10, 12, false, true), (51, 10_000, true, false), (51, 10_000, false, true)];
        for (gone, of, follows, expected) in [(9, 12, false, false), (51, 60, true, true)].into_iter().chain(counts) {
            let on_deletion = if follows { DeletePartner } else { AsTheMappingSays };
            assert_eq!(are_too_many(gone, of, on_deletion), expected, "{gone} of {of}, {on_deletion:?}");
        }
    }

    #[tokio::test]
    async fn d2_u10_r84_a_customer_that_was_deleted_is_told_of_with_the_first_run_of_a_day() {
        let bench = Bench::of("CUSTOMER").await;
        bench.business_central.put("Customer", 1, json!({"number": "C1", "displayName": "Adatum"}));
        run(&bench, RunMode::Full).await;
        assert_eq!(comparisons(&bench, "Customer"), 0, "nothing is coupled yet");
        for number in 2..=4_u128 {
            let name = json!({"name": format!("Account {number}"), "customertypecode": 3, "statecode": 0});
            bench.dataverse.put("account", 100 + number, name);
        }
        bench.couple("CUSTOMER", (2..=4).map(|number| pair(number, 100 + number, &format!("C{number}")))).await;
        bench.business_central.put("Customer", 2, json!({"number": "C2", "displayName": "Litware"}));
        bench.pass(SignedDuration::from_hours(24));
        let noticed = run(&bench, RunMode::Modified).await;
        assert_eq!(comparisons(&bench, "Customer"), 1, "for all customers");
        let told: Vec<_> = bench.sent().into_iter().filter(|(_, id, _)| [id_of(3), id_of(4)].contains(id)).collect();
        assert_eq!(told.len(), 2, "{noticed:?}");
        bench.pass(SignedDuration::from_mins(30));
        run(&bench, RunMode::Modified).await;
        assert_eq!(comparisons(&bench, "Customer"), 0, "once a day");

        // One account goes as well, and with it the coupling; the other customer fails until somebody has chosen.
        bench.dataverse.delete("account", 104);
        let applied = bench.sync(Direction::ToDataverse, &[3, 4]).await;
        assert_eq!((applied.groups[0].outcomes.failed, applied.groups[0].outcomes.unchanged), (1, 1), "{applied:?}");
        let failure = bench.failure(Direction::ToDataverse, 3).await;
        assert!(failure.contains("and the account Account 3 in Dataverse is coupled to it (EE12)"), "{failure}");
        assert!(bench.coupling(3).await.is_some() && bench.coupling(4).await.is_none());

        // Many at once may mean that Business Central was restored: nobody is told of each.
        bench.couple("CUSTOMER", (20..=29).map(|number| pair(number, 100 + number, &format!("C{number}")))).await;
        bench.pass(SignedDuration::from_hours(24));
        let before = bench.sent().len();
        let suspicious = run(&bench, RunMode::Modified).await;
        let message = suspicious.message.expect("a message");
        assert!(message.contains("10 of 12 coupled records are not in Business Central any more"), "{message}");
        assert!(message.contains("stops all jobs once, and `couplet resume`"), "{message}");
        let told = bench.sent()[before..].iter().filter(|(_, id, _)| *id == id_of(20)).count();
        assert_eq!(told, 0, "{message}");
    }

    #[tokio::test]
    async fn s170_posted_invoices_and_customers_with_figures_that_were_deleted_are_not_looked_for() {
        for mapping in ["POSTEDSALESINV-INV", "Customer Statistics"] {
            let bench = Bench::of(mapping).await;
            bench.couple(mapping, [pair(1, 101, "INV1")]).await;
            for hours in [0, 24] {
                bench.pass(SignedDuration::from_hours(hours));
                assert_eq!(run(&bench, RunMode::Full).await.enqueued, 0, "{mapping}");
            }
            let applied = bench.sync(Direction::ToDataverse, &[1]).await;
            assert_eq!((applied.groups[0].outcomes.failed, applied.groups[0].outcomes.ignored), (0, 1), "{applied:?}");
            assert!(bench.coupling(1).await.is_some(), "{mapping}");
        }
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
        assert!(message.contains("70 of 120 coupled records are not in Business Central any more"), "{message}");
        bench.engine.resume_reading_everything(Side::Dataverse).await.expect("the jobs go on");
        assert_eq!(
            run(&bench, RunMode::Modified).await.enqueued,
            50,
            "what is gone proves nothing where Dataverse is right"
        );
        assert_eq!(run(&bench, RunMode::Full).await.enqueued, 120, "asked for");
    }

    #[tokio::test]
    async fn s128_orders_that_left_a_document_behind_are_followed_however_many_they_are() {
        for posted in [true, false] {
            let switches =
                Switches { sales_orders: SalesOrders::Bidirectional, unit_groups: false, ..Switches::default() };
            let bench = Bench::with("SALESORDER-ORDER", switches).await;
            run(&bench, RunMode::Full).await;
            let orders = 1..=70_u128;
            bench
                .couple(
                    "SALESORDER-ORDER",
                    orders.clone().map(|number| pair(number, 1000 + number, &format!("SO{number}"))),
                )
                .await;
            for number in orders {
                let document = match number {
                    _ if !posted => continue,
                    1..=40 => "Sales Invoice Header",
                    41..=50 => "Sales Shipment Header",
                    _ => "Sales Header Archive",
                };
                let column = if document == "Sales Header Archive" { "number" } else { "orderNumber" };
                bench.business_central.put(document, 2000 + number, json!({column: format!("SO{number}")}));
            }
            bench.pass(SignedDuration::from_hours(24));
            let noticed = run(&bench, RunMode::Modified).await;
            let message = noticed.message.unwrap_or_default();
            assert_eq!(
                message.contains("70 of 70 coupled records are not in Business Central any more"),
                !posted,
                "{message}"
            );
            let told = bench.sent().into_iter().filter(|(direction, ..)| *direction == Direction::ToDataverse).count();
            assert_eq!(told, if posted { 70 } else { 0 });
        }
    }
}
