//! Discounts and prepayments of orders that travel both ways: what a seller takes off is what Business Central takes off, whatever its
//! prices look like and whatever happens there at the same time.

use couplet_end_to_end::World;
use couplet_engine::RunMode;
use rust_decimal::Decimal;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::both_ways::{
    CREATE, add_line, details, expect_equal_amounts, lines_of, order_of, prepared, reactivate, run, submit, submitted,
};
use crate::invoicing::items;
use crate::observing::{id, number};

fn exact(text: &str) -> Json {
    Json::Number(text.parse().expect("a number"))
}

/// An order that is on both sides, and both sides know it.
async fn agreed(world: &World, other: &Json, lines: &[(&Json, i64, &str, &str)]) -> (Uuid, Uuid) {
    let order = submitted(world, other, lines).await;
    world.run(CREATE, RunMode::Modified).await;
    for _ in 0..3 {
        run(world).await;
    }
    (order, id(&order_of(world, order).await, "id"))
}

/// A seller changes an order and submits it again.
fn change(world: &World, order: Uuid, header: Json) {
    reactivate(world, order);
    world.dataverse.update_as_user("salesorder", order, header).expect("taken");
}

#[tokio::test]
async fn s108_what_a_seller_takes_off_an_order_is_not_lost_when_a_part_of_it_is_shipped_meanwhile() {
    let world = prepared().await;
    let items = items(&world);
    let (order, here) = agreed(&world, &json!({}), &[(&items[0], 4, "100", "0")]).await;
    change(&world, order, json!({"discountamount": 50}));
    submit(&world, order);
    world.ship_parts(here, &[Decimal::ONE]);
    run(&world).await;
    let row = world.dataverse.row("salesorder", order).expect("there");
    assert_eq!(number(&row, "discountamount"), Decimal::from(50));
    run(&world).await;
    assert_eq!(number(&order_of(&world, order).await, "discountAmount"), Decimal::from(50));
    run(&world).await;
    expect_equal_amounts(&world, order).await;
}

#[tokio::test]
async fn s96_a_payment_discount_that_is_taken_away_leaves_the_discount_of_the_order() {
    let world = prepared().await;
    let items = items(&world);
    let (order, here) = agreed(&world, &json!({"discountpercentage": 10}), &[(&items[0], 10, "100", "0")]).await;
    expect_equal_amounts(&world, order).await;
    let erp = &world.business_central;
    assert_eq!(number(&order_of(&world, order).await, "paymentDiscountPercent"), Decimal::ZERO);
    erp.run_action_as_user("Sales Header", here, "reopen").expect("reopened");
    erp.update_as_user("Sales Header", here, json!({"paymentDiscountPercent": 10})).expect("taken");
    erp.update_as_user("Sales Header", here, json!({"paymentDiscountPercent": 0, "shipToName": "Ramp"}))
        .expect("taken");
    erp.run_action_as_user("Sales Header", here, "release").expect("released");
    run(&world).await;
    let row = world.dataverse.row("salesorder", order).expect("there");
    assert_eq!(number(&row, "discountpercentage"), Decimal::from(10));
    expect_equal_amounts(&world, order).await;
    // The next change of a line takes the discount along.
    change(&world, order, json!({"name": "More chairs"}));
    let line = id(&details(&world, order)[0], "salesorderdetailid");
    world.dataverse.update_as_user("salesorderdetail", line, json!({"quantity": 20})).expect("taken");
    submit(&world, order);
    run(&world).await;
    run(&world).await;
    expect_equal_amounts(&world, order).await;
    assert_eq!(number(&order_of(&world, order).await, "totalAmountExcludingTax"), Decimal::from(1800));
}

#[tokio::test]
async fn s75_s108_discounts_from_sales_take_off_the_same_where_prices_include_tax_or_have_a_fraction_of_a_cent() {
    let world = prepared().await;
    let items = items(&world);
    let erp = &world.business_central;
    for (item, tax) in items.iter().zip([25, 7, 19]) {
        erp.tax_item(item.as_str().expect("a number"), Decimal::from(tax));
    }
    for (includes_tax, price) in [(true, "1000"), (true, "0.33333"), (false, "0.12345")] {
        let (order, here) = agreed(&world, &json!({}), &[(&items[0], 1000, "1", "0"), (&items[1], 3, "20", "0")]).await;
        erp.run_action_as_user("Sales Header", here, "reopen").expect("reopened");
        erp.update_as_user("Sales Header", here, json!({"pricesIncludeTax": includes_tax})).expect("taken");
        let lines = lines_of(&world, here);
        erp.update_as_user("Sales Line", id(&lines[0], "id"), json!({"unitPrice": exact(price)})).expect("taken");
        erp.update_as_user("Sales Line", id(&lines[1], "id"), json!({"unitPrice": 25})).expect("taken");
        erp.run_action_as_user("Sales Header", here, "release").expect("released");
        for _ in 0..2 {
            run(&world).await;
        }
        expect_equal_amounts(&world, order).await;
        let before = number(&world.dataverse.row("salesorder", order).expect("there"), "totalamountlessfreight");
        // Ten off a line, five off the order, and one line more.
        change(&world, order, json!({"discountamount": 5}));
        let line = &details(&world, order)[0];
        let less = number(line, "manualdiscountamount") + Decimal::TEN;
        let line = id(line, "salesorderdetailid");
        world
            .dataverse
            .update_as_user("salesorderdetail", line, json!({"manualdiscountamount": exact(&less.to_string())}))
            .expect("taken");
        add_line(&world, order, (&items[2], 2, "40", "8")).await;
        submit(&world, order);
        let there = world.dataverse.row("salesorder", order).expect("there");
        let agreed = number(&there, "totalamountlessfreight");
        run(&world).await;
        let made = order_of(&world, order).await;
        let charged = number(&made, "totalAmountExcludingTax");
        assert!((charged - agreed).abs() <= Decimal::new(1, 2), "{price}, {includes_tax}: {charged}, not {agreed}");
        assert!(charged > before, "{price}");
        for _ in 0..2 {
            run(&world).await;
        }
        expect_equal_amounts(&world, order).await;
        let quiet = run(&world).await;
        assert_eq!((quiet.counters.inserted, quiet.counters.modified), (0, 0), "{price}");
    }
}

#[tokio::test]
async fn s102_c_163_an_order_with_an_invoiced_prepayment_is_released_again_unless_the_change_makes_more_of_it_due() {
    let world = prepared().await;
    let items = items(&world);
    let (order, here) = agreed(&world, &json!({}), &[(&items[0], 4, "100", "0")]).await;
    let erp = &world.business_central;
    let line = id(&details(&world, order)[0], "salesorderdetailid");
    erp.ask_prepayment(here, Decimal::from(50)).expect("asked");
    erp.invoice_prepayment(here).expect("invoiced");
    run(&world).await;
    for (quantity, status, what) in [(3, "Open", "released"), (6, "Draft", "open while more is due")] {
        change(&world, order, json!({"name": what}));
        world.dataverse.update_as_user("salesorderdetail", line, json!({"quantity": quantity})).expect("taken");
        submit(&world, order);
        run(&world).await;
        let made = order_of(&world, order).await;
        assert_eq!(made["status"], json!(status), "{what}");
        assert_eq!(number(&lines_of(&world, here)[0], "quantity"), Decimal::from(quantity), "{what}");
    }
    // The rest is invoiced, and the next change releases the order.
    erp.invoice_prepayment(here).expect("invoiced");
    change(&world, order, json!({"shipto_name": "Ramp"}));
    submit(&world, order);
    run(&world).await;
    assert_eq!(order_of(&world, order).await["status"], json!("Open"));
}
