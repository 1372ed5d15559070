//! A made-up document, orders with lines, the whole way; and price lists, whose lines name them by a key.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use couplet_model::catalogue::RulesId;
use couplet_model::ids::derived_id;
use couplet_model::message::{Direction, SyncOptions};
use couplet_model::system::SystemErrorKind;
use couplet_model::table::Side;
use couplet_model::{Catalogue, Counters, Coupling, CouplingState, MappingName, ProcessId, RecordId, Switches};
use couplet_store::Failure;
use jiff::SignedDuration;
use serde_json::{Value as Json, json};

use super::*;
use crate::bench::{Bench, COMPANY, Call, id, pair};
use crate::engine::{Engine, EngineParts};
use crate::failpoints::Failpoints;
use crate::installation::EngineOptions;
use crate::mappings::installed::Mappings;
use crate::mappings::registry::rules_of;
use crate::mappings::rules::{BatchRules, Context, MappingRules, NothingSpecial, Transferring};
use crate::ports::{BatchReport, Delivery, Disposition, QueueError, RecordsQueue};

const TO: Direction = Direction::ToDataverse;
const FROM: Direction = Direction::FromDataverse;
const LINE: &str = "MADE-UP LINE";

/// Rules of a mapping of which nothing is special.
struct Plain;

#[async_trait]
impl MappingRules for Plain {
    async fn prepare(
        &self,
        _context: Context<'_>,
        _sources: &[Transferring<'_>],
    ) -> Result<Box<dyn BatchRules>, EngineError> {
        Ok(Box::new(NothingSpecial))
    }
}

/// A mapping file with what matters here.
fn mapping(name: &str, rules: &str, tables: [&str; 2], direction: &str, rest: &Json) -> Json {
    let mut file = json!({
        "name": name, "rules": rules, "business_central_table": tables[0], "dataverse_table": tables[1],
        "direction": direction, "layer": "sales", "kind": "table", "only_coupled": false, "when": null,
        "dependencies": [], "dependencies_when": {}, "order": {"sales": 90, "dataverse": 90},
        "update_conflict": "none", "deletion_conflict": "none", "synchronize_after_coupling": false,
        "create_when_no_match": false, "uncouple_job": false, "match_fields": [], "business_central_filter": [],
        "dataverse_filter": [], "job": null, "note": null, "source": "made up",
    });
    let (Json::Object(file_map), Json::Object(rest)) = (&mut file, rest) else { panic!("objects") };
    file_map.extend(rest.clone());
    file
}

/// The embedded catalogue with a made-up document that travels both ways and one that travels to Dataverse.
fn catalogue() -> Catalogue {
    let folder = tempfile::tempdir().expect("a folder");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/catalogue");
    for part in ["tables", "mappings", "."] {
        fs::create_dir_all(folder.path().join(part)).expect("a folder");
        for entry in fs::read_dir(source.join(part)).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_file() {
                fs::copy(&entry, folder.path().join(part).join(entry.file_name().expect("a name"))).expect("a copy");
            }
        }
    }
    let row = |bc: &str, dv: &str, way: &str| json!({"business_central": bc, "dataverse": dv, "direction": way});
    let through = |mut row: Json, mapping: &str| {
        row["resolved_through"] = json!([mapping]);
        row
    };
    let files = [
        mapping(
            "MADE-UP ORDER",
            "sales_orders_both_ways",
            ["Sales Header", "salesorder"],
            "bidirectional",
            &json!({
                "fields": [
                    row("number", "ordernumber", "to_dataverse"),
                    row("shipToName", "shipto_name", "bidirectional"),
                ],
                "lines": {
                    "mapping": LINE,
                    "business_central": {"column": "documentId", "names": "id"},
                    "dataverse": {"column": "salesorderid", "names": "id"},
                },
            }),
        ),
        mapping(
            LINE,
            "sales_order_lines",
            ["Sales Line", "salesorderdetail"],
            "bidirectional",
            &json!({
                "fields": [
                    row("quantity", "quantity", "bidirectional"),
                    through(row("currencyCode", "transactioncurrencyid", "to_dataverse"), "CURRENCY"),
                ],
            }),
        ),
        mapping(
            "MADE-UP LIST",
            "price_lists",
            ["Price List Header", "pricelevel"],
            "to_dataverse",
            &json!({
                "fields": [row("code", "name", "to_dataverse")],
                "lines": {
                    "mapping": "MADE-UP PRICE",
                    "business_central": {"column": "priceListCode", "names": {"key": "code"}},
                    "dataverse": {"column": "pricelevelid", "names": "id"},
                },
            }),
        ),
        mapping(
            "MADE-UP PRICE",
            "price_list_lines",
            ["Price List Line", "productpricelevel"],
            "to_dataverse",
            &json!({
                "fields": [
                    through(row("priceListCode", "pricelevelid", "to_dataverse"), "MADE-UP LIST"),
                    row("unitPrice", "amount", "to_dataverse"),
                ],
            }),
        ),
    ];
    for (number, file) in files.iter().enumerate() {
        let path = folder.path().join(format!("mappings/made-up-{number}.json"));
        fs::write(path, file.to_string()).expect("a file");
    }
    Catalogue::from_directory(folder.path()).expect("the made-up documents are valid")
}

/// Counts the messages that are sent.
#[derive(Default)]
struct Sent(AtomicUsize);

#[async_trait]
impl RecordsQueue for Sent {
    async fn send(&self, messages: Vec<RecordMessage>) -> Result<(), QueueError> {
        self.0.fetch_add(messages.len(), Ordering::Relaxed);
        Ok(())
    }
}

struct World {
    bench: Bench,
    sent: Arc<Sent>,
}

impl World {
    async fn of(header: &str) -> Self {
        let mut bench = Bench::on(catalogue(), "CURRENCY", Switches::default()).await.expect("a bench");
        let sent = Arc::new(Sent::default());
        bench.engine = engine(&bench, &sent, Failpoints::default());
        let name = MappingName::from(header);
        bench.mapping = Arc::clone(bench.engine.mapping(&name).expect("the made-up document can run"));
        Self { bench, sent }
    }

    async fn orders() -> Self {
        let world = Self::of("MADE-UP ORDER").await;
        world.put_order(1);
        world
    }

    /// An order of two lines in Business Central.
    fn put_order(&self, order: u128) {
        let bc = &self.bench.business_central;
        bc.put("Sales Header", order, json!({"number": format!("ORDER-{order}"), "shipToName": "Adatum"}));
        self.put_line(order, 1, &json!({"quantity": 2}));
        self.put_line(order, 2, &json!({"quantity": 3}));
    }

    /// A line of Business Central: order 1 has the lines 11, 12, ...
    fn put_line(&self, order: u128, line: u128, held: &Json) {
        let bc = &self.bench.business_central;
        let whole =
            json!({"documentId": u64::try_from(order).unwrap(), "sequence": u64::try_from(line * 10_000).unwrap()});
        bc.put("Sales Line", order * 10 + line, crate::bench::with(&whole, held.clone()));
    }

    async fn sync_with(&self, engine: &Engine, direction: Direction, records: &[RecordId]) -> BatchReport {
        let run = self.bench.run().await;
        let deliveries = records.iter().map(|record| {
            let mut message = self.bench.message(run, direction, record.0.as_u128());
            message.options = SyncOptions::default();
            Delivery { message, receive_count: 1 }
        });
        engine.sync_batch(deliveries.collect()).await
    }

    async fn sync(&self, direction: Direction, records: &[RecordId]) -> Counters {
        let report = self.sync_with(&self.bench.engine, direction, records).await;
        let group = report.groups.first().expect("a group");
        assert_eq!(group.returned, 0, "{:?}", report.dispositions);
        group.outcomes
    }

    fn lines_of_dataverse(&self) -> Vec<(Json, Json)> {
        let dv = &self.bench.dataverse;
        let rows = dv.ids("salesorderdetail").into_iter().map(|id| dv.row_of("salesorderdetail", id));
        let mut lines: Vec<_> = rows.map(|row| (row["quantity"].clone(), row["salesorderid"].clone())).collect();
        lines.sort_by_key(|(quantity, _)| quantity.to_string());
        lines
    }

    async fn line_pair(&self, side: Side, line: RecordId) -> Option<Coupling> {
        let found = self.bench.engine.store().couplings_by_id(COMPANY, &LINE.into(), side, &[line]).await;
        found.expect("a store").remove(&line)
    }

    async fn failure(&self, record: RecordId) -> Option<Failure> {
        let store = self.bench.engine.store();
        let found = store.failures_of(COMPANY, &self.bench.mapping.name, TO, &[record]).await;
        found.expect("a store").remove(&record)
    }
}

/// An engine on a bench with the rules of the made-up documents, in a process of its own.
fn engine(bench: &Bench, sent: &Arc<Sent>, failpoints: Failpoints) -> Engine {
    let of_bench = &bench.engine;
    let options =
        EngineOptions { failpoints, process: ProcessId::fresh(), is_alone: true, ..of_bench.options().clone() };
    let mut engine = Engine::new(EngineParts {
        company: COMPANY,
        catalogue: Arc::new(of_bench.catalogue().clone()),
        switches: Switches::default(),
        business_central: bench.business_central.clone(),
        dataverse: bench.dataverse.clone(),
        store: of_bench.store().clone(),
        queue: sent.clone(),
        tasks: Arc::clone(&of_bench.tasks),
        options,
    })
    .expect("an engine");
    let rules = |id| match id {
        RulesId::PriceLists | RulesId::PriceListLines | RulesId::SalesOrderLines | RulesId::SalesOrdersBothWays => {
            Ok(&Plain as &dyn MappingRules)
        }
        other => rules_of(other).or(Ok(&Plain)),
    };
    let mappings = Mappings::install_with(engine.catalogue(), &Switches::default(), rules).expect("mappings");
    engine.mappings = Arc::new(mappings);
    engine
}

fn made(mapping: &str, direction: Direction, source: u128) -> RecordId {
    derived_id(COMPANY, &mapping.into(), direction.as_str(), id(source))
}

fn writes(calls: &[String]) -> Vec<&str> {
    calls.iter().filter(|call| call.starts_with("write")).map(String::as_str).collect()
}

fn only(inserted: u64, modified: u64, unchanged: u64) -> Counters {
    Counters { inserted, modified, unchanged, ..Counters::default() }
}

#[tokio::test]
async fn a_new_document_arrives_with_its_lines_and_is_known_as_untouched_afterwards() {
    let world = World::orders().await;
    assert_eq!(world.sync(TO, &[id(1)]).await, only(1, 0, 0), "lines are not counted beside their header");
    let header = json!({"salesorder": made("MADE-UP ORDER", TO, 1).to_string()});
    assert_eq!(world.lines_of_dataverse(), [(json!(2), header.clone()), (json!(3), header)]);
    for line in [11, 12] {
        let pair = world.line_pair(Side::BusinessCentral, id(line)).await.expect("a pair");
        assert_eq!(pair.state, CouplingState::Coupled);
        assert_eq!(pair.id(Side::Dataverse), made(LINE, TO, line));
    }
    world.bench.dataverse.take_calls();
    world.bench.pass(SignedDuration::from_mins(1));
    assert_eq!(world.sync(TO, &[id(1)]).await, only(0, 0, 1));
    assert_eq!(
        world.bench.dataverse.take_calls(),
        [""; 0],
        "nobody asks Dataverse about a document that did not change"
    );
}

#[tokio::test]
async fn a_changed_an_added_and_a_deleted_line_travel_in_one_bulk_and_modify_the_document() {
    let world = World::orders().await;
    world.sync(TO, &[id(1)]).await;
    let order = made("MADE-UP ORDER", TO, 1);
    world.bench.dataverse.put("salesorderdetail", 77, json!({"quantity": 9, "salesorderid": order.to_string()}));
    world.put_line(1, 1, &json!({"quantity": 5}));
    world.put_line(1, 3, &json!({"quantity": 7}));
    world.bench.business_central.delete("Sales Line", 12);
    world.bench.dataverse.take_calls();
    assert_eq!(world.sync(TO, &[id(1)]).await, only(0, 1, 0), "the header did not change, but its lines did");
    let quantities: Vec<Json> = world.lines_of_dataverse().into_iter().map(|(quantity, _)| quantity).collect();
    assert_eq!(quantities, [json!(5), json!(7), json!(9)], "a line that nobody coupled stays");
    assert_eq!(writes(&world.bench.dataverse.take_calls()), ["write salesorderdetail 3"]);
    assert_eq!(world.line_pair(Side::BusinessCentral, id(12)).await, None, "a deleted line is in no pair");
    assert_eq!(world.sync(TO, &[id(1)]).await, only(0, 0, 1));
}

#[tokio::test]
async fn a_line_that_waits_makes_its_document_wait_until_what_it_needs_is_coupled() {
    let world = World::orders().await;
    world.put_line(1, 2, &json!({"quantity": 3, "currencyCode": "USD"}));
    let waiting = world.sync(TO, &[id(1)]).await;
    assert_eq!(waiting, Counters { waiting: 1, ..Counters::default() });
    let quantities: Vec<Json> = world.lines_of_dataverse().into_iter().map(|(quantity, _)| quantity).collect();
    assert_eq!(quantities, [json!(2)], "the other line has travelled");
    let waits = world.bench.engine.store().waits_of_mapping(COMPANY, &world.bench.mapping.name).await.expect("a store");
    let [wait] = waits.as_slice() else { panic!("{waits:?}") };
    assert_eq!((wait.message.record, wait.label.as_str()), (id(1), "ORDER-1"));
    assert!(wait.field.ends_with("of sales line 20000 of ORDER-1"), "{}", wait.field);
    world.bench.couple("CURRENCY", [pair(50, 51, "USD")]).await;
    assert_eq!(world.sync(TO, &[id(1)]).await, only(1, 0, 0), "the document is whole now");
    assert_eq!(world.lines_of_dataverse().len(), 2);
    let line = world.bench.dataverse.row_of("salesorderdetail", made(LINE, TO, 12));
    assert_eq!(line["transactioncurrencyid"], json!({"transactioncurrency": 51}));
    assert_eq!(world.sync(TO, &[id(1)]).await, only(0, 0, 1));
}

#[tokio::test]
async fn a_line_that_is_refused_fails_its_document_by_name_and_nothing_else() {
    let world = World::orders().await;
    world.put_order(2);
    world.bench.dataverse.refuse(made(LINE, TO, 12).0.as_u128(), SystemErrorKind::Refused);
    let outcomes = world.sync(TO, &[id(1), id(2)]).await;
    assert_eq!(outcomes, Counters { inserted: 1, failed: 1, ..Counters::default() });
    assert_eq!(world.lines_of_dataverse().len(), 3, "all lines but one");
    let failure = world.failure(id(1)).await.expect("a failure");
    assert_eq!(failure.label, "ORDER-1");
    assert!(
        failure.message.starts_with("sales line 20000 of ORDER-1: writing the salesorderdetail failed"),
        "{failure:?}"
    );
    assert!(world.failure(id(2)).await.is_none());
    world.bench.dataverse.mend();
    assert_eq!(world.sync(TO, &[id(1)]).await, only(1, 0, 0));
    assert!(world.failure(id(1)).await.is_none(), "it is mended");
    assert_eq!(world.lines_of_dataverse().len(), 4);
}

#[tokio::test]
async fn lines_changed_on_both_sides_are_a_conflict_of_their_document() {
    let world = World::orders().await;
    world.sync(TO, &[id(1)]).await;
    let line = made(LINE, TO, 11);
    let held = crate::bench::with(&world.bench.dataverse.row_of("salesorderdetail", line), json!({"quantity": 8}));
    let held = crate::bench::with(&held, json!({"salesorderid": made("MADE-UP ORDER", TO, 1).to_string()}));
    let held = crate::bench::without(&held, &["transactioncurrencyid"]);
    world.bench.dataverse.put("salesorderdetail", line.0.as_u128(), held);
    world.put_line(1, 1, &json!({"quantity": 5}));
    let outcomes = world.sync(TO, &[id(1)]).await;
    assert_eq!(outcomes, Counters { failed: 1, ..Counters::default() });
    let failure = world.failure(id(1)).await.expect("a failure");
    let [conflict] = failure.conflicts.as_slice() else { panic!("{failure:?}") };
    assert_eq!(conflict.business_central, "Quantity of sales line 10000 of ORDER-1");
    assert_eq!((conflict.business_central_value.as_str(), conflict.dataverse_value.as_str()), ("5", "8"));
}

#[tokio::test]
async fn a_line_that_cannot_be_written_for_the_moment_sends_its_document_back_to_the_queue() {
    let world = World::orders().await;
    world.bench.dataverse.refuse(made(LINE, TO, 12).0.as_u128(), SystemErrorKind::Transient);
    let report = world.sync_with(&world.bench.engine, TO, &[id(1)]).await;
    assert_eq!(report.groups[0].returned, 1, "{:?}", report.dispositions);
    world.bench.dataverse.mend();
    assert_eq!(world.sync(TO, &[id(1)]).await, only(1, 0, 0));
    assert_eq!(world.lines_of_dataverse().len(), 2);
}

#[tokio::test]
async fn an_outage_of_a_line_is_one_of_its_document_and_both_pairs_are_free_for_the_next_attempt() {
    let world = World::orders().await;
    world.bench.dataverse.refuse(made(LINE, TO, 12).0.as_u128(), SystemErrorKind::Outage);
    let report = world.sync_with(&world.bench.engine, TO, &[id(1)]).await;
    assert!(matches!(report.dispositions[0], Disposition::Postpone { .. }), "{:?}", report.dispositions);
    assert_eq!((report.groups[0].returned, report.groups[0].outages), (1, 1));
    let header = world.bench.coupling(1).await.expect("a pair");
    let line = world.line_pair(Side::BusinessCentral, id(12)).await.expect("a pair");
    assert_eq!((header.claimed_until, line.claimed_until), (None, None));
    world.bench.dataverse.mend();
    assert_eq!(world.sync(TO, &[id(1)]).await, only(1, 0, 0));
}

#[tokio::test]
async fn an_outage_that_a_second_one_follows_is_counted_for_each_document_once() {
    let world = World::orders().await;
    world.put_order(2);
    world.bench.dataverse.refuse(made("MADE-UP ORDER", TO, 1).0.as_u128(), SystemErrorKind::Outage);
    world.bench.dataverse.fail(Call::Find, "salesorderdetail", SystemErrorKind::Outage);
    let report = world.sync_with(&world.bench.engine, TO, &[id(1), id(2)]).await;
    assert_eq!((report.groups[0].returned, report.groups[0].outages), (2, 2), "{:?}", report.dispositions);
}

#[tokio::test]
async fn a_crash_at_any_point_is_made_good_by_the_next_delivery() {
    for fatal in Failpoint::ALL.into_iter().chain(Failpoint::OF_LINES) {
        for begins_new in [true, false] {
            let world = World::orders().await;
            if !begins_new {
                world.sync(TO, &[id(1)]).await;
            }
            world.put_line(1, 1, &json!({"quantity": 5}));
            world.put_line(1, 3, &json!({"quantity": 7}));
            world.bench.business_central.delete("Sales Line", 12);
            let deaths = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&deaths);
            let failpoints =
                Failpoints::new(move |point| point == fatal && counted.fetch_add(1, Ordering::Relaxed) == 0);
            let dying = engine(&world.bench, &world.sent, failpoints);
            let report = world.sync_with(&dying, TO, &[id(1)]).await;
            assert_eq!(deaths.load(Ordering::Relaxed), 1, "{fatal:?}");
            assert_eq!(report.groups[0].returned, 1, "{fatal:?}");
            let next = engine(&world.bench, &world.sent, Failpoints::default());
            for delivery in 0..2 {
                let report = world.sync_with(&next, TO, &[id(1)]).await;
                assert_eq!(report.groups[0].returned, 0, "{fatal:?} {delivery}: {:?}", report.dispositions);
                let quantities: Vec<Json> =
                    world.lines_of_dataverse().into_iter().map(|(quantity, _)| quantity).collect();
                assert_eq!(quantities, [json!(5), json!(7)], "{fatal:?} {delivery}");
                world.bench.dataverse.take_calls();
            }
            assert_eq!(world.line_pair(Side::BusinessCentral, id(12)).await, None, "{fatal:?}");
            assert_eq!(world.line_pair(Side::Dataverse, made(LINE, TO, 12)).await, None, "{fatal:?}");
            let header = world.bench.coupling(1).await.expect("a pair");
            assert_eq!(header.state, CouplingState::Coupled, "{fatal:?}");
            assert!(header.related.is_empty() && header.pending.is_empty(), "{fatal:?}: {header:?}");
            world.sync_with(&next, TO, &[id(1)]).await;
            assert_eq!(world.bench.dataverse.take_calls(), [""; 0], "{fatal:?}: all is quiet");
        }
    }
}

#[tokio::test]
async fn lines_are_created_once_where_business_central_chooses_the_ids() {
    for fatal in Failpoint::ALL.into_iter().chain(Failpoint::OF_LINES) {
        let world = World::of("MADE-UP ORDER").await;
        world.bench.business_central.take_ids(false);
        world.bench.dataverse.put("salesorder", 1, json!({"shipto_name": "Adatum"}));
        for (line, quantity) in [(11, 2), (12, 3)] {
            let held = json!({"salesorderid": 1, "quantity": quantity});
            world.bench.dataverse.put("salesorderdetail", line, held);
        }
        let deaths = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&deaths);
        let failpoints = Failpoints::new(move |point| point == fatal && counted.fetch_add(1, Ordering::Relaxed) == 0);
        let dying = engine(&world.bench, &world.sent, failpoints);
        world.sync_with(&dying, FROM, &[id(1)]).await;
        assert_eq!(deaths.load(Ordering::Relaxed), 1, "{fatal:?}");
        // What was being created must be there, or never come, before anybody looks for it.
        world.bench.pass(SignedDuration::from_mins(5));
        let next = engine(&world.bench, &world.sent, Failpoints::default());
        for delivery in 0..2 {
            let report = world.sync_with(&next, FROM, &[id(1)]).await;
            assert_eq!(report.groups[0].returned, 0, "{fatal:?} {delivery}: {:?}", report.dispositions);
            let bc = &world.bench.business_central;
            let [order] = bc.ids("Sales Header")[..] else { panic!("{fatal:?}: one order") };
            let mut lines: Vec<(String, String)> = bc
                .ids("Sales Line")
                .into_iter()
                .map(|id| bc.row_of("Sales Line", id))
                .map(|row| (row["quantity"].to_string(), row["documentId"].to_string()))
                .collect();
            lines.sort();
            let of_order = u64::try_from(order.0.as_u128()).expect("an id that the system chose").to_string();
            let expected = [("2".to_owned(), of_order.clone()), ("3".to_owned(), of_order)];
            assert_eq!(lines, expected, "{fatal:?} {delivery}");
        }
    }
}

#[tokio::test]
async fn a_line_that_a_user_deletes_in_dataverse_is_deleted_in_business_central() {
    let world = World::orders().await;
    world.sync(TO, &[id(1)]).await;
    let order = made("MADE-UP ORDER", TO, 1);
    let line = made(LINE, TO, 12);
    world.bench.pass(SignedDuration::from_mins(1));
    assert_eq!(world.sync(FROM, &[order]).await, only(0, 0, 1), "our own lines come back and change nothing");
    world.bench.dataverse.delete("salesorderdetail", line.0.as_u128());
    world.bench.business_central.take_calls();
    assert_eq!(world.sync(FROM, &[order]).await, only(0, 1, 0));
    assert_eq!(world.bench.business_central.ids("Sales Line"), [id(11)]);
    assert_eq!(writes(&world.bench.business_central.take_calls()), ["write Sales Line 1"]);
    assert_eq!(world.line_pair(Side::Dataverse, line).await, None);
}

#[tokio::test]
async fn the_lines_of_200_headers_cost_as_many_requests_as_those_of_one() {
    let mut counted = Vec::new();
    for orders in [1, 200] {
        let world = World::of("MADE-UP ORDER").await;
        (1..=orders).for_each(|order| world.put_order(order));
        let records: Vec<RecordId> = (1..=orders).map(id).collect();
        let mut calls = Vec::new();
        let kinds = |calls: Vec<String>| -> Vec<String> {
            calls
                .into_iter()
                .map(|call| call.trim_end_matches(|end: char| end.is_ascii_digit()).trim().to_owned())
                .collect()
        };
        world.sync(TO, &records).await;
        assert_eq!(world.lines_of_dataverse().len(), usize::try_from(orders * 2).unwrap());
        for order in 1..=orders {
            world.put_line(order, 1, &json!({"quantity": 5}));
            world.bench.business_central.delete("Sales Line", order * 10 + 2);
        }
        calls.push(kinds(world.bench.business_central.take_calls()));
        calls.push(kinds(world.bench.dataverse.take_calls()));
        world.sync(TO, &records).await;
        assert_eq!(world.lines_of_dataverse().len(), usize::try_from(orders).unwrap());
        calls.push(kinds(world.bench.business_central.take_calls()));
        calls.push(kinds(world.bench.dataverse.take_calls()));
        counted.push(calls);
    }
    assert_eq!(counted[0], counted[1]);
    let lines = |calls: &[String], what: &str| calls.iter().filter(|call| call.starts_with(what)).count();
    let [_, _, bc, dv] = counted[1].as_slice() else { panic!("{counted:?}") };
    assert_eq!((lines(bc, "find Sales Line"), lines(dv, "find salesorderdetail")), (1, 1));
    assert_eq!((lines(dv, "fetch salesorderdetail"), lines(dv, "write salesorderdetail")), (0, 1));
}

#[tokio::test]
async fn lines_that_name_their_header_by_a_key_find_it_before_its_coupling_is_stored() {
    let world = World::of("MADE-UP LIST").await;
    let bc = &world.bench.business_central;
    bc.put("Price List Header", 1, json!({"code": "RETAIL"}));
    bc.put("Price List Header", 2, json!({"code": "EXPORT"}));
    bc.put("Price List Line", 11, json!({"priceListCode": "RETAIL", "lineNo": 10000, "unitPrice": 4}));
    bc.put("Price List Line", 21, json!({"priceListCode": "EXPORT", "lineNo": 10000, "unitPrice": 6}));
    assert_eq!(world.sync(TO, &[id(1), id(2)]).await, only(2, 0, 0));
    for (line, list, amount) in [(11, 1, 4), (21, 2, 6)] {
        let row = world.bench.dataverse.row_of("productpricelevel", made("MADE-UP PRICE", TO, line));
        let list = json!({"pricelevel": made("MADE-UP LIST", TO, list).to_string()});
        assert_eq!((&row["pricelevelid"], &row["amount"]), (&list, &json!(amount)));
    }
    assert_eq!(world.sync(TO, &[id(1), id(2)]).await, only(0, 0, 2));
    assert_eq!(world.sent.0.load(Ordering::Relaxed), 0, "nothing had to wait");
}

#[test]
fn a_digest_tells_every_change_of_a_line_and_nothing_else() {
    let value = |quantity: i64| [(Arc::from("quantity"), Value::Int(quantity)), (Arc::from("x"), Value::Int(quantity))];
    let line = |number: u128, quantity| Record {
        id: id(number),
        version: None,
        modified: None,
        values: value(quantity).into(),
        unreadable: None,
    };
    let columns = ["quantity".to_owned()];
    let of = |lines: &[Record]| digest(lines, &columns);
    let usual = of(&[line(1, 2), line(2, 3)]);
    assert_eq!(of(&[line(2, 3), line(1, 2)]), usual, "in another order");
    for other in [vec![line(1, 2)], vec![line(1, 2), line(2, 4)], vec![line(1, 2), line(3, 3)], vec![]] {
        assert_ne!(of(&other), usual);
    }
    assert_eq!(digest(&[line(1, 2)], &[]), digest(&[line(1, 9)], &[]), "of columns that are read for it");
}
