//! What is told of orders and what is not, case by case.

use couplet_model::message::Direction;
use couplet_model::switches::SalesOrders;
use couplet_model::system::SystemErrorKind;
use couplet_model::{Coupling, CouplingState, Switches};
use serde_json::{Value as Json, json};

use super::ORDERS;
use crate::bench::{Bench, COMPANY_ROW, Call, case, id, pair, source_of};
use crate::failpoints::Failpoint;

const TO: Direction = Direction::ToDataverse;

async fn bench(job: &str) -> Bench {
    Bench::with(job, Switches { sales_orders: SalesOrders::Legacy, ..Switches::default() }).await
}

fn post(text: &str, order: u64) -> Json {
    json!({"text": text, "regardingobjectid": {"salesorder": order}, "source": 1, "type": 7})
}

#[tokio::test]
async fn s135_s137_c_150_a_released_order_is_told_of_once() {
    let bench = bench("Sales Order Status").await;
    bench.couple(ORDERS, [pair(source_of(0).0.as_u128(), 71, "S-1")]).await;
    let reserved = Coupling::new(source_of(1).into(), id(72).into(), CouplingState::Reserved);
    bench.couple(ORDERS, [reserved]).await;
    let released = |number: &str| json!({"number": number, "documentStatus": "Released", "documentType": "Order"});
    let number = || json!({"text": "S-1"});
    let cases = vec![
        case("a coupled order")
            .source(released("S-1"))
            .transferred(number())
            .gives(json!({}))
            .and_at_first(post("Sales order S-1 was released in Business Central.", 71)),
        case("one that is being created").source(released("S-2")).waits_for(ORDERS, id(72)),
        case("one that nobody coupled").source(released("S-3")).ignores("its order is not coupled"),
        case("told before").source(released("S-4")).destination(json!({})).transferred(number()).gives(json!({})),
    ];
    bench.adjusts(TO, cases).await;
}

#[tokio::test]
async fn s135_c_151_shipments_and_invoices_are_told_to_the_order_they_came_from() {
    for (job, text) in [
        ("Sales Shipment Status", "Sales shipment P-1 was created in Business Central."),
        ("Sales Invoice Status", "Sales invoice P-1 was created in Business Central."),
    ] {
        let bench = bench(job).await;
        bench.couple(ORDERS, [pair(11, 71, "S-1")]).await;
        let in_sales = |number: &str, company: Option<u128>| json!({"ordernumber": number, "bcbi_companyid": company.and_then(|row| u64::try_from(row).ok())});
        bench.dataverse.put("salesorder", 72, in_sales("ORD-2", Some(COMPANY_ROW)));
        bench.dataverse.put("salesorder", 73, in_sales("ORD-3", None));
        let posted =
            |order: Json| json!({"number": "P-1", "orderNumber": order, "customerPurchaseOrderReference": null});
        let referring = |order: &str, reference: &str| json!({"number": "P-1", "orderNumber": order, "customerPurchaseOrderReference": reference});
        let cases = vec![
            case("of a coupled order").source(posted(json!("s-1"))).gives(json!({})).and_at_first(post(text, 71)),
            case("of another one").source(posted(json!("S-2"))).ignores("its order is not coupled"),
            case("of one that went with its last invoice")
                .source(referring("S-3", "ord-2"))
                .gives(json!({}))
                .and_at_first(post(text, 72)),
            case("of one that another company has")
                .source(referring("S-4", "ORD-3"))
                .ignores("its order is not coupled"),
            case("of none, with a word of the customer")
                .source(referring("", "ORD-2"))
                .ignores("its order is not coupled"),
            case("of none").source(posted(json!(null))).ignores("its order is not coupled"),
            case("of a blank one").source(posted(json!(""))).ignores("its order is not coupled"),
        ];
        bench.adjusts(TO, cases).await;
    }
}

#[tokio::test]
async fn s140_the_activity_feed_of_orders_is_activated_when_there_is_something_to_tell() {
    let bench = bench("Sales Order Status").await;
    bench.dataverse.put(
        "msdyn_postconfig",
        1,
        json!({"msdyn_entityname": "salesorder", "statecode": 1, "statuscode": 2}),
    );
    bench.dataverse.put("msdyn_postconfig", 2, json!({"msdyn_entityname": "account", "statecode": 1, "statuscode": 2}));
    let order = |number: u128| {
        let values = json!({"number": format!("S-{number}"), "documentStatus": "Released", "documentType": "Order"});
        bench.business_central.put("Sales Header", number, values);
    };
    order(11);
    bench.sync(TO, &[11]).await;
    assert_eq!(bench.dataverse.row("msdyn_postconfig", 1)["statecode"], 1, "nothing to tell");
    bench.couple(ORDERS, [pair(11, 71, "S-11"), pair(12, 72, "S-12")]).await;
    bench.sync(TO, &[11]).await;
    let active =
        json!({"msdyn_entityname": "salesorder", "statecode": 0, "statuscode": 1, "msdyn_configurewall": true});
    assert_eq!(bench.dataverse.row("msdyn_postconfig", 1), active);
    assert_eq!(bench.dataverse.row("msdyn_postconfig", 2)["statecode"], 1);
    assert_eq!(bench.dataverse.ids("post").len(), 1);
    bench.dataverse.take_calls();

    // It is not written again, and what goes wrong with it holds up nothing.
    bench.dataverse.fail(Call::Find, "msdyn_postconfig", SystemErrorKind::NotFound);
    order(12);
    bench.sync(TO, &[12]).await;
    assert_eq!(bench.dataverse.ids("post").len(), 2);
    let calls = bench.dataverse.take_calls();
    assert!(calls.iter().all(|call| !call.starts_with("write msdyn")), "{calls:?}");
}

#[tokio::test]
async fn a_death_at_every_failpoint_leaves_one_post_and_a_second_release_none() {
    for fatal in Failpoint::ALL {
        let bench = bench("Sales Order Status").await;
        bench.couple(ORDERS, [pair(11, 71, "S-1")]).await;
        let order = |status: &str| json!({"number": "S-1", "documentStatus": status, "documentType": "Order"});
        bench.business_central.put("Sales Header", 11, order("Released"));
        bench.sync_by(&bench.another_process(Some(fatal)), TO, &[11]).await;
        let next = bench.another_process(None);
        for status in ["Released", "Open", "Released"] {
            bench.business_central.put("Sales Header", 11, order(status));
            bench.sync_by(&next, TO, &[11]).await;
        }
        assert_eq!(bench.dataverse.ids("post").len(), 1, "{fatal:?}");
    }
}

#[tokio::test]
async fn what_was_posted_before_the_first_run_is_never_told_of() {
    use crate::find::found::RunMode;
    let bench = bench("Sales Shipment Status").await;
    bench.couple(ORDERS, [pair(11, 71, "S-1")]).await;
    let posted = |number: &str| json!({"number": number, "orderNumber": "S-1", "customerPurchaseOrderReference": null});
    let run = async |mode| {
        let request = crate::run::RunRequest {
            job: "Sales Shipment Status".to_owned(),
            mode,
            trigger: couplet_model::job::Trigger::Schedule,
            until: None,
        };
        bench.engine.run_job(&request).await.expect("a run").enqueued
    };
    bench.business_central.put("Sales Shipment Header", 1, posted("P-1"));
    // Longer than a run looks back.
    bench.pass(jiff::SignedDuration::from_hours(1));
    assert_eq!(run(RunMode::Modified).await, 0);
    bench.pass(jiff::SignedDuration::from_hours(1));
    bench.business_central.put("Sales Shipment Header", 2, posted("P-2"));
    assert_eq!(run(RunMode::Modified).await, 1);
    bench.pass(jiff::SignedDuration::from_hours(1));
    assert_eq!(run(RunMode::Full).await, 0, "nor in a full synchronization");
    bench.business_central.put("Sales Shipment Header", 3, posted("P-3"));
    assert_eq!(run(RunMode::Full).await, 1);
}
