//! A made-up document, orders with lines; and price lists, whose lines name them by a key. What can happen to them is in the
//! files beside this one.

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
use crate::mappings::rules::{
    AfterDeletion, BatchRules, Context, MappingRules, NothingSpecial, OnDeletion, SourceDeleted, Transferring,
};
use crate::ports::{BatchReport, Delivery, Disposition, QueueError, RecordsQueue};

mod ending;
mod interrupted;
mod travelling;

const TO: Direction = Direction::ToDataverse;
const FROM: Direction = Direction::FromDataverse;
const ORDER: &str = "MADE-UP ORDER";
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
            ORDER,
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

/// Rules of a mapping under which something becomes of the partner of what was deleted.
struct Deleting(OnDeletion);

#[async_trait]
impl MappingRules for Deleting {
    fn on_deletion(&self, _: Direction) -> OnDeletion {
        self.0
    }

    async fn source_deleted(&self, _: Context<'_>, records: &mut [SourceDeleted<'_>]) -> Result<(), EngineError> {
        records.iter_mut().for_each(|record| record.end = Ok(AfterDeletion::Uncoupled { is_change: true }));
        Ok(())
    }

    async fn prepare(
        &self,
        _context: Context<'_>,
        _sources: &[Transferring<'_>],
    ) -> Result<Box<dyn BatchRules>, EngineError> {
        Ok(Box::new(NothingSpecial))
    }
}

struct World {
    bench: Bench,
    sent: Arc<Sent>,
    /// The rules of headers.
    headers: &'static dyn MappingRules,
}

impl World {
    async fn of(header: &str) -> Self {
        let mut bench = Bench::on(catalogue(), "CURRENCY", Switches::default()).await.expect("a bench");
        let sent = Arc::new(Sent::default());
        bench.engine = engine(&bench, &sent, &Plain, Failpoints::default());
        let name = MappingName::from(header);
        bench.mapping = Arc::clone(bench.engine.mapping(&name).expect("the made-up document can run"));
        Self { bench, sent, headers: &Plain }
    }

    /// Lets the rules say what becomes of the partners of headers that were deleted.
    fn deleting(mut self, on_deletion: &'static Deleting) -> Self {
        self.headers = on_deletion;
        self.bench.engine = self.engine(Failpoints::default());
        self.bench.mapping = Arc::clone(self.bench.engine.mapping(&self.bench.mapping.name).expect("it can run"));
        self
    }

    /// An engine in a process of its own.
    fn engine(&self, failpoints: Failpoints) -> Engine {
        engine(&self.bench, &self.sent, self.headers, failpoints)
    }

    async fn orders() -> Self {
        let world = Self::of(ORDER).await;
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
fn engine(bench: &Bench, sent: &Arc<Sent>, headers: &'static dyn MappingRules, failpoints: Failpoints) -> Engine {
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
            &Plain as &dyn MappingRules
        }
        other => rules_of(other),
    };
    let mappings = Mappings::install_with(engine.catalogue(), &Switches::default(), rules).expect("mappings");
    engine.mappings = Arc::new(mappings.with_rules(&ORDER.into(), headers));
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
