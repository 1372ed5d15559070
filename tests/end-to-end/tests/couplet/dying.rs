//! Orders, quotes, notes and posts whose worker dies at every moment of its work: at every failpoint it passes, and before and
//! after everything it asks of either system. Then all is delivered again, twice. In the end a document is what it would be had
//! nobody died: one, whole, equal to the cent, in its state, with nothing archived, posted or noted twice.
//!
//! Nobody lists the moments: one worker dies at the first, another at the second, until one reaches the end.

mod both_ways;
mod one_way;
mod quotes;
mod talk;

use std::collections::BTreeSet;

use couplet_end_to_end::{Life, Moment, World};
use couplet_engine::{Failpoint, RunMode};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

pub use self::quotes::picture_of_quote;
use crate::invoicing::options;
use crate::observing::text;

/// Documents that are made ready at once.
const DOCUMENTS: usize = 24;
/// Runs within which everything has to come to rest.
const RUNS: usize = 4;

/// The work whose workers die.
#[derive(Clone, Copy)]
struct Work<'a> {
    job: &'a str,
    mode: RunMode,
    /// Jobs that run afterwards until they find nothing to do, this one among them.
    then: &'a [&'a str],
}

/// Lets workers die over a change of documents, one document and moment after the other. `begin` makes documents ready,
/// `change` is what people do, `picture` is what is to be seen of a document. Gives the failpoints that were passed.
async fn die_at_every_moment(
    world: &World,
    work: Work<'_>,
    begin: impl AsyncFn(&World, usize) -> Vec<Uuid>,
    change: impl AsyncFn(&World, Uuid),
    picture: impl Fn(&World, Uuid) -> Vec<String>,
) -> BTreeSet<Failpoint> {
    let mut ready = begin(world, DOCUMENTS).await;
    let mut ends: Vec<(Uuid, Option<Moment>)> = Vec::new();
    let mut passed = BTreeSet::new();
    for fatal in 0.. {
        if ready.is_empty() {
            ready = begin(world, DOCUMENTS).await;
        }
        let document = ready.remove(0);
        change(world, document).await;
        // The first one shows what has to come of it.
        let life = if fatal == 0 { Life::long() } else { Life::until(fatal) };
        world.find(work.job, work.mode).await;
        let deliveries = world.queue.take(1000);
        assert!(!deliveries.is_empty(), "nothing travels");
        world.work_for_life(&life, deliveries.clone(), options().engine).await;
        for _ in 0..2 {
            deliveries.iter().cloned().for_each(|delivery| world.queue.give_back(delivery));
            world.drain().await;
        }
        let moments = life.moments();
        passed.extend(moments.iter().filter_map(|moment| match moment {
            Moment::At(failpoint) => Some(*failpoint),
            _ => None,
        }));
        let death = life.is_over().then(|| moments.last().cloned()).flatten();
        let is_last = fatal > 0 && death.is_none();
        ends.push((document, death));
        if is_last {
            break;
        }
    }
    come_to_rest(world, work.then).await;
    let (first, _) = ends[0];
    let expected = picture(world, first);
    let deaths = ends.iter().filter(|(_, death)| death.is_some()).count();
    assert!(deaths > 3, "hardly anybody died: {deaths}");
    for (document, death) in &ends[1..] {
        let death = death.as_ref().map_or_else(|| "nobody died".to_owned(), |moment| format!("dead {moment}"));
        assert_eq!(picture(world, *document), expected, "{death}");
    }
    passed
}

/// Runs jobs until none of them finds anything to do.
pub async fn come_to_rest(world: &World, jobs: &[&str]) {
    for _ in 0..RUNS {
        let mut is_quiet = true;
        for job in jobs {
            let counters = world.run(job, RunMode::Modified).await.counters;
            assert_eq!(counters.failed, 0, "{job}: {:?}", world.failures(job).await);
            is_quiet &= (counters.inserted, counters.modified) == (0, 0);
        }
        if is_quiet {
            assert!(world.queue.dead_letters().is_empty());
            return;
        }
    }
    panic!("{jobs:?} do not come to rest");
}

/// What is to be seen of rows: everything but ids, times and the numbers of the document itself.
fn seen(what: &str, rows: &[Map<String, Json>], own: &[&str]) -> Vec<String> {
    let of = |(name, value): (&String, &Json)| {
        let is_of_the_moment = ["version", "etag", "modified", "created", "entrynumber"];
        if value.is_null() || is_of_the_moment.iter().any(|part| name.to_lowercase().contains(part)) {
            return None;
        }
        let Some(written) = value.as_str() else { return Some(format!("{name}={value}")) };
        if written.is_empty() || written.parse::<Uuid>().is_ok() || written.parse::<jiff::Timestamp>().is_ok() {
            return None;
        }
        let shown =
            own.iter().filter(|own| !own.is_empty()).fold(written.to_owned(), |shown, own| shown.replace(own, "#"));
        Some(format!("{name}={}", without_numbers(&shown)))
    };
    let mut seen: Vec<String> =
        rows.iter().map(|row| format!("{what}: {}", row.iter().filter_map(of).collect::<Vec<_>>().join(" "))).collect();
    seen.sort();
    seen
}

/// A text without the numbers of documents in it, such as S-ORD101005.
fn without_numbers(text: &str) -> String {
    let is_number = |word: &&str| {
        let digits = word.chars().rev().take_while(char::is_ascii_digit).count();
        digits > 4 && word.len() > digits
    };
    let shown = |word| if is_number(&word) { "#" } else { word };
    text.split(' ').map(|word| shown(word.trim_end_matches(['.', ',']))).collect::<Vec<_>>().join(" ")
}

/// An order of Sales with everything that came of it in both systems, and what is told of it.
pub fn picture_of_order(world: &World, order: Uuid) -> Vec<String> {
    let (erp, crm) = (&world.business_central, &world.dataverse);
    let row = crm.row("salesorder", order).expect("there");
    let reference = text(&row, "ordernumber");
    let headers = of(erp.rows("Sales Header"), "yourReference", reference);
    let archived = of(erp.rows("Sales Header Archive"), "yourReference", reference);
    let number = headers.iter().chain(&archived).map(|header| text(header, "number").to_owned()).next();
    let own = [reference, number.as_deref().unwrap_or_default()];
    let mut picture = seen("order in Sales", std::slice::from_ref(&row), &own);
    let belongs = |table: &str, column: &str| of(crm.rows(table), column, &order.to_string());
    picture.extend(seen("line in Sales", &belongs("salesorderdetail", "_salesorderid_value"), &own));
    picture.extend(seen("note in Sales", &belongs("annotation", "_objectid_value"), &own));
    picture.extend(seen("post", &belongs("post", "_regardingobjectid_value"), &own));
    picture.extend(seen("order", &headers, &own));
    for header in &headers {
        let lines = of(erp.rows("Sales Line"), "documentId", text(header, "id"));
        picture.extend(seen("line", &lines, &own));
        picture.extend(seen("note", &of(erp.rows("Record Link"), "documentId", text(header, "id")), &own));
    }
    picture.push(format!("{} versions in the archive", archived.len()));
    picture
}

/// The rows that have a text in a column.
fn of(mut rows: Vec<Map<String, Json>>, column: &str, value: &str) -> Vec<Map<String, Json>> {
    rows.retain(|row| text(row, column) == value);
    rows
}

#[tokio::test]
async fn every_failpoint_of_the_engine_is_one_that_workers_of_documents_die_at() {
    let mut passed = one_way::failpoints().await;
    passed.extend(both_ways::failpoints().await);
    passed.extend(talk::failpoints().await);
    passed.extend(quotes::failpoints().await);
    let all: BTreeSet<Failpoint> = Failpoint::EVERY.into();
    assert_eq!(passed, all);
}

/// Runs a job to its end with a worker that nothing ends; gives the failpoints it passed.
async fn failpoints_of(world: &World, job: &str, life: &Life) -> BTreeSet<Failpoint> {
    world.find(job, RunMode::Modified).await;
    world.work_for_life(life, world.queue.take(1000), options().engine).await;
    let failpoint = |moment| match moment {
        Moment::At(failpoint) => Some(failpoint),
        _ => None,
    };
    life.moments().into_iter().filter_map(failpoint).collect()
}
