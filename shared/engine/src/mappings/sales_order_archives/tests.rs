//! Whose archives are taken over, and what becomes of the order in Dataverse.

use couplet_model::Switches;
use couplet_model::message::Direction;
use couplet_model::switches::SalesOrders;
use serde_json::{Value as Json, json};

use super::*;
use crate::bench::{Bench, agreed, id, pair, related, with};
use crate::failpoints::Failpoint;

const TO: Direction = Direction::ToDataverse;

/// Orders of Dataverse by their numbers: 101 is gone from Business Central and marked, 102 is gone and nobody has noticed, 103 is
/// alive, 104 is of nobody.
async fn bench() -> Bench {
    let switches = Switches { sales_orders: SalesOrders::Bidirectional, unit_groups: false, ..Switches::default() };
    let bench = Bench::with(ARCHIVED_ORDERS, switches).await;
    for number in 101..=104_u128 {
        let order = json!({
            "bcbi_businesscentralordernumber": format!("SO{number}"), "bcbi_businesscentraldocumentoccurrencenumber": 2,
            "statecode": 1, "statuscode": 3, "discountpercentage": 0,
        });
        bench.dataverse.put("salesorder", number, order);
    }
    let orders = (101..=103).map(|number| {
        let order = pair(number - 100, number, &format!("SO{number}"));
        if number == 101 { related(order, DELETED, 1) } else { order }
    });
    bench.couple(ORDERS, orders).await;
    bench.business_central.put("Sales Header", 3, json!({"number": "SO103"}));
    for (at, (line, number, quantity)) in (201..).zip([(10_000, 101, 5), (20_000, 101, 1)]) {
        let held = json!({"salesorderid": {"salesorder": number}, "bcbi_businesscentrallinenumber": line, "quantity": quantity,
                          "quantityshipped": 0, "manualdiscountamount": 0, "tax": 0, "priceperunit": 10});
        bench.dataverse.put("salesorderdetail", at, held);
    }
    bench
}

fn archive(bench: &Bench, number: u128, of: u128, (occurrence, version): (i64, i64), is_invoiced: bool) {
    let held = json!({
        "number": format!("SO{of}"), "occurrence": occurrence, "versionNumber": version, "isInvoiced": is_invoiced,
        "lastShipmentDate": "2026-01-14", "paymentDiscountPercent": 2,
    });
    bench.business_central.put("Sales Header Archive", number, held);
}

fn line(bench: &Bench, number: u128, archive: u128, sequence: i64, other: Json) {
    let line = json!({
        "documentId": u64::try_from(archive).expect("a number"), "sequence": sequence, "type": "Item", "lineObjectNumber": "1000",
        "quantity": 5, "shippedQuantity": 5, "unitPrice": 10, "discountAmount": 4, "netAmount": 46, "netAmountIncludingTax": 57.5,
    });
    bench.business_central.put("Sales Line Archive", number, with(&line, other));
}

#[tokio::test]
async fn s129_only_the_last_version_of_an_order_that_is_gone_is_taken_over() {
    let bench = bench().await;
    archive(&bench, 1, 101, (2, 1), true);
    archive(&bench, 2, 101, (2, 2), true);
    archive(&bench, 3, 101, (1, 9), true);
    archive(&bench, 4, 102, (2, 1), false);
    archive(&bench, 5, 103, (2, 1), false);
    archive(&bench, 6, 104, (2, 1), true);
    let report = bench.sync(TO, &[1, 2, 3, 4, 5, 6]).await;
    let outcomes = report.groups[0].outcomes;
    assert_eq!((outcomes.ignored, outcomes.failed), (4, 0), "{report:?}");
    assert_eq!(outcomes.modified + outcomes.unchanged + outcomes.inserted, 2, "{report:?}");
    let state = |number: u128| bench.dataverse.row("salesorder", number)["statecode"].clone();
    assert_eq!([101, 102, 103, 104].map(state), [json!(4), json!(1), json!(1), json!(1)]);
    assert_eq!(
        bench.dataverse.row("salesorder", 101)["discountpercentage"],
        json!(0),
        "a payment discount is none of the order"
    );
    assert!(bench.coupling(2).await.is_some() && bench.coupling(1).await.is_none());
    // Once more: nothing is left to do.
    bench.dataverse.take_calls();
    bench.sync(TO, &[2, 4]).await;
    let calls = bench.dataverse.take_calls();
    assert!(!calls.iter().any(|call| call.starts_with("write")), "{calls:?}");
}

#[tokio::test]
async fn s131_to_s134_lines_are_brought_up_to_date_made_and_taken_away_and_the_order_is_invoiced() {
    for point in [
        None,
        Some(Failpoint::Written),
        Some(Failpoint::LinesWritten),
        Some(Failpoint::LinesEnded),
        Some(Failpoint::AfterWrite),
    ] {
        let bench = bench().await;
        bench.couple("ITEM-PRODUCT", [pair(131, 31, "1000")]).await;
        bench.dataverse.put("product", 31, json!({"defaultuomid": 51}));
        archive(&bench, 1, 101, (2, 1), true);
        line(&bench, 11, 1, 10_000, json!({}));
        line(&bench, 12, 1, 30_000, json!({}));
        line(&bench, 13, 1, 40_000, json!({"type": "G/L Account", "lineObjectNumber": "6410"}));
        if point.is_some() {
            let dying = bench.another_process(point);
            bench.sync_by(&dying, TO, &[1]).await;
        }
        let other = bench.another_process(None);
        let report = bench.sync_by(&other, TO, &[1]).await;
        assert_eq!(report.groups[0].outcomes.failed, 0, "{point:?}: {report:?}");
        let changed = bench.dataverse.row("salesorderdetail", 201);
        let of = |row: &Json, column: &str| row[column].as_f64();
        assert_eq!(of(&changed, "quantityshipped"), Some(5.0), "{point:?}: {changed}");
        assert_eq!((of(&changed, "manualdiscountamount"), of(&changed, "tax")), (Some(4.0), Some(11.5)), "{point:?}");
        assert!(!bench.dataverse.has("salesorderdetail", id(202)), "{point:?}: it is not in the archive");
        let rows = bench.dataverse.ids("salesorderdetail");
        assert_eq!(rows.len(), 2, "{point:?}: one was made");
        let made =
            rows.into_iter().find(|row| *row != id(201)).map(|row| bench.dataverse.row_of("salesorderdetail", row));
        let made = made.expect("a line");
        assert_eq!(
            (made["productid"].clone(), of(&made, "priceperunit")),
            (json!(31), Some(10.0)),
            "{point:?}: {made}"
        );
        assert_eq!(made["salesorderid"], json!({"salesorder": 101}), "{point:?}");
        let order = bench.dataverse.row("salesorder", 101);
        assert_eq!((order["statecode"].clone(), order["statuscode"].clone()), (json!(4), json!(100_003)), "{point:?}");
    }
}

#[tokio::test]
async fn s129_what_was_deleted_long_after_it_was_archived_is_found_by_its_mark_and_once() {
    let bench = bench().await;
    archive(&bench, 1, 101, (2, 1), false);
    archive(&bench, 2, 101, (2, 2), false);
    archive(&bench, 4, 103, (2, 1), false);
    let due = bench.mapping.rules.also_due(bench.installation(), TO).await.expect("an answer");
    assert_eq!(due, [id(2)]);
    bench.sync(TO, &[2]).await;
    assert!(bench.mapping.rules.also_due(bench.installation(), TO).await.expect("an answer").is_empty());
    assert_eq!(bench.dataverse.row("salesorder", 101)["statecode"], json!(1), "it was not invoiced");
}

/// Couples a line of order 101 that bears no number with one of Business Central, whose number the pair knows or does not.
async fn unnumbered(bench: &Bench, row: u128, sequence: Option<i64>) {
    let held = json!({"salesorderid": {"salesorder": 101}, "bcbi_businesscentrallinenumber": null, "quantity": 5,
                      "quantityshipped": 0, "manualdiscountamount": 0, "tax": 0, "priceperunit": 10});
    bench.dataverse.put("salesorderdetail", row, held);
    let table = bench.installation().table(Side::BusinessCentral, "Sales Line").expect("a table");
    let known = sequence.map_or(json!({"quantity": 5}), |sequence| json!({"sequence": sequence}));
    bench.couple("SOLINE-ORDERDETAIL", [agreed(pair(500 + row, row, &format!("line {row}")), &table, &known)]).await;
}

#[tokio::test]
async fn s131_a_line_that_was_posted_before_its_number_came_back_is_known_by_its_pair() {
    let bench = bench().await;
    unnumbered(&bench, 203, Some(30_000)).await;
    unnumbered(&bench, 204, Some(40_000)).await;
    archive(&bench, 1, 101, (2, 1), true);
    line(&bench, 11, 1, 10_000, json!({}));
    line(&bench, 12, 1, 30_000, json!({}));
    let report = bench.sync(TO, &[1]).await;
    assert_eq!(report.groups[0].outcomes.failed, 0, "{report:?}");
    let mut rows = bench.dataverse.ids("salesorderdetail");
    rows.sort_unstable();
    assert_eq!(rows, [id(201), id(203)], "none is made twice, and what the archive does not have is gone");
    let told = bench.dataverse.row("salesorderdetail", 203);
    assert_eq!((told["bcbi_businesscentrallinenumber"].clone(), told["tax"].as_f64()), (json!(30_000), Some(11.5)));
}

#[tokio::test]
async fn s131_no_line_is_made_while_one_that_it_may_be_has_no_number() {
    let bench = bench().await;
    unnumbered(&bench, 203, None).await;
    archive(&bench, 1, 101, (2, 1), true);
    line(&bench, 12, 1, 30_000, json!({}));
    let report = bench.sync(TO, &[1]).await;
    assert_eq!(report.groups[0].outcomes.failed, 1, "{report:?}");
    let failure = bench.failure(TO, 1).await;
    assert!(failure.contains("line 30000 of the archived order may be one of those"), "{failure}");
    assert_eq!(bench.dataverse.ids("salesorderdetail").len(), 3, "none was made");
}

#[tokio::test]
async fn s132_a_written_in_line_that_was_missing_says_what_it_is() {
    let bench = bench().await;
    let setup = json!({"writeInProductType": "Item", "writeInProductNumber": "9999", "freightAccountNumber": null});
    bench.business_central.put("Sales & Receivables Setup", 1, setup);
    archive(&bench, 1, 101, (2, 1), true);
    line(&bench, 12, 1, 30_000, json!({"lineObjectNumber": "9999", "description": "Repair"}));
    let report = bench.sync(TO, &[1]).await;
    assert_eq!(report.groups[0].outcomes.failed, 0, "{report:?}");
    let made =
        bench.dataverse.ids("salesorderdetail").into_iter().map(|row| bench.dataverse.row_of("salesorderdetail", row));
    let made: Vec<Json> = made.filter(|row| row["bcbi_businesscentrallinenumber"] == json!(30_000)).collect();
    assert_eq!(made.len(), 1);
    let said = (made[0]["isproductoverridden"].clone(), made[0]["productdescription"].clone());
    assert_eq!(said, (json!(true), json!("Repair")));
}

#[tokio::test]
async fn s130_s131_a_line_keeps_to_the_cent_what_was_charged_for_it() {
    let cases = [
        (
            "a fraction of a cent",
            false,
            json!({"quantity": 1000, "unitPrice": 0.12345, "discountAmount": 0, "netAmount": 123.45,
         "netAmountIncludingTax": 123.45}),
            (0.13, 6.55, 0.0),
            0.0,
        ),
        (
            "prices that include tax",
            true,
            json!({"quantity": 1, "unitPrice": 100, "discountAmount": 10, "netAmount": 72,
         "netAmountIncludingTax": 90, "taxPercent": 25}),
            (80.0, 8.0, 18.0),
            0.0,
        ),
        (
            "a discount of the whole order",
            false,
            json!({"quantity": 1, "unitPrice": 100, "discountAmount": 0, "netAmount": 90,
         "netAmountIncludingTax": 112.5}),
            (100.0, 0.0, 22.5),
            10.0,
        ),
    ];
    for (name, includes_tax, sold, expected, of_order) in cases {
        let bench = bench().await;
        archive(&bench, 1, 101, (2, 1), true);
        let kept =
            with(&bench.business_central.row("Sales Header Archive", 1), json!({"pricesIncludeTax": includes_tax}));
        bench.business_central.put("Sales Header Archive", 1, kept);
        line(&bench, 11, 1, 10_000, sold);
        let report = bench.sync(TO, &[1]).await;
        assert_eq!(report.groups[0].outcomes.failed, 0, "{name}: {report:?}");
        let row = bench.dataverse.row("salesorderdetail", 201);
        let of = |column: &str| row[column].as_f64().unwrap_or_else(|| panic!("{name}: {column} of {row}"));
        assert_eq!((of("priceperunit"), of("manualdiscountamount"), of("tax")), expected, "{name}");
        let order = bench.dataverse.row("salesorder", 101);
        assert_eq!(order["discountamount"].as_f64().unwrap_or_default(), of_order, "{name}: {order}");
    }
}
