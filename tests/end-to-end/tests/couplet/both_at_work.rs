//! Orders that travel both ways while people work with them on both sides at once: whoever changes something finds it in the end, and
//! what cannot be is told.

use business_central_simulator::Poison;
use couplet_end_to_end::World;
use couplet_engine::RunMode;
use rust_decimal::Decimal;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::both_ways::{
    CREATE, JOB, add_line, details, drafted, expect_equal_amounts, lines_of, order_of, prepared, reactivate, run,
    state, submit, submitted,
};
use crate::invoicing::items;
use crate::observing::{id, number, text};
use crate::selling::set_up;

/// An order that both sides have agreed on, and its id in Business Central.
async fn agreed(world: &World, other: &Json, lines: &[(&Json, i64, &str, &str)]) -> (Uuid, Uuid) {
    let order = submitted(world, other, lines).await;
    world.run(CREATE, RunMode::Modified).await;
    for _ in 0..3 {
        run(world).await;
    }
    (order, id(&order_of(world, order).await, "id"))
}

fn act(world: &World, order: Uuid, action: &str) {
    world.business_central.run_action_as_user("Sales Header", order, action).expect("done");
}

fn change_line(world: &World, order: Uuid, change: Json) {
    let line = id(&details(world, order)[0], "salesorderdetailid");
    world.dataverse.update_as_user("salesorderdetail", line, change).expect("taken");
}

async fn told(world: &World) -> Vec<String> {
    world.failures(JOB).await.into_iter().map(|failure| failure.message).collect()
}

#[tokio::test]
async fn s108_an_order_of_which_a_line_fails_keeps_the_discount_that_its_seller_gave() {
    let world = prepared().await;
    let items = items(&world);
    let (order, here) = agreed(&world, &json!({"discountamount": 50}), &[(&items[0], 2, "100", "0")]).await;
    reactivate(&world, order);
    change_line(&world, order, json!({"quantity": 4}));
    add_line(&world, order, (&items[1], 1, "20", "0")).await;
    let blocked = world.business_central_id("Item", "number", items[1].as_str().expect("a number"));
    world.business_central.update_as_user("Item", blocked, json!({"blocked": true})).expect("blocked");
    submit(&world, order);
    world.run(JOB, RunMode::Modified).await;
    assert!(!told(&world).await.is_empty(), "the line that fails is told");
    let made = order_of(&world, order).await;
    assert_eq!(number(&lines_of(&world, here)[0], "quantity"), Decimal::from(4));
    assert_eq!((number(&made, "discountAmount"), text(&made, "documentStatus")), (Decimal::from(50), "Released"));
    world.business_central.update_as_user("Item", blocked, json!({"blocked": false})).expect("taken");
    world.run(JOB, RunMode::Modified).await;
    for _ in 0..2 {
        run(&world).await;
    }
    let row = world.dataverse.row("salesorder", order).expect("there");
    assert_eq!((number(&row, "discountamount"), lines_of(&world, here).len()), (Decimal::from(50), 2));
    expect_equal_amounts(&world, order).await;
}

#[tokio::test]
async fn what_a_seller_changed_before_business_central_shipped_the_order_arrives() {
    let world = prepared().await;
    let items = items(&world);
    let (order, here) = agreed(&world, &json!({}), &[(&items[0], 2, "100", "0")]).await;
    reactivate(&world, order);
    change_line(&world, order, json!({"priceperunit": 90}));
    submit(&world, order);
    act(&world, here, "ship");
    for _ in 0..3 {
        run(&world).await;
    }
    assert_eq!(number(&lines_of(&world, here)[0], "unitPrice"), Decimal::from(90));
    assert_eq!((state(&world, order), text(&order_of(&world, order).await, "documentStatus")), (3, "Released"));
    expect_equal_amounts(&world, order).await;
}

#[tokio::test]
async fn a_price_of_business_central_and_a_quantity_of_sales_are_both_kept() {
    let world = prepared().await;
    let items = items(&world);
    let (order, here) = agreed(&world, &json!({}), &[(&items[0], 1, "100", "0")]).await;
    act(&world, here, "reopen");
    let line = id(&lines_of(&world, here)[0], "id");
    world.business_central.update_as_user("Sales Line", line, json!({"unitPrice": 120})).expect("taken");
    reactivate(&world, order);
    change_line(&world, order, json!({"quantity": 2}));
    submit(&world, order);
    run(&world).await;
    let held = &lines_of(&world, here)[0];
    let shown = ["quantity", "unitPrice", "discountAmount"].map(|column| number(held, column));
    assert_eq!(shown, [2, 120, 0].map(Decimal::from));
    // Whoever has it open closes it.
    assert_eq!(text(&order_of(&world, order).await, "documentStatus"), "Open");
    act(&world, here, "release");
    for _ in 0..2 {
        run(&world).await;
    }
    assert_eq!(number(&details(&world, order)[0], "priceperunit"), Decimal::from(120));
    expect_equal_amounts(&world, order).await;
}

#[tokio::test]
async fn a_product_that_becomes_a_write_in_sells_the_former_item_no_more() {
    let world = prepared().await;
    let items = items(&world);
    set_up(&world, json!({"writeInProductType": "Item", "writeInProductNumber": items[3]}));
    let (order, here) = agreed(&world, &json!({}), &[(&items[0], 2, "100", "0")]).await;
    reactivate(&world, order);
    let written = json!({"isproductoverridden": true, "productid@odata.bind": null, "uomid@odata.bind": null,
                         "productdescription": "A chair made to measure"});
    change_line(&world, order, written);
    submit(&world, order);
    run(&world).await;
    let line = &lines_of(&world, here)[0];
    assert_eq!(text(line, "lineObjectNumber"), items[3].as_str().expect("a number"));
    assert_eq!(text(line, "description"), "A chair made to measure");
    assert_eq!(number(line, "quantity"), Decimal::from(2));
}

#[tokio::test]
async fn an_order_that_is_canceled_in_sales_is_told_before_it_is_shipped() {
    let world = prepared().await;
    let items = items(&world);
    let (order, here) = agreed(&world, &json!({}), &[(&items[0], 2, "100", "0")]).await;
    let canceled = json!({"statecode": 2, "statuscode": 4});
    world.dataverse.update_as_user("salesorder", order, canceled).expect("canceled");
    world.run(JOB, RunMode::Modified).await;
    let said = told(&world).await;
    assert!(said.iter().any(|message| message.contains("canceled in Dataverse")), "{said:?}");
    act(&world, here, "reopen");
    world.business_central.delete_as_user("Sales Header", here).expect("deleted");
    world.run(JOB, RunMode::Full).await;
    assert_eq!(told(&world).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_order_that_is_over_in_sales_stays_so_when_a_line_of_it_goes_in_business_central() {
    let world = prepared().await;
    let items = items(&world);
    let lines: [(&Json, i64, &str, &str); 2] = [(&items[0], 2, "100", "0"), (&items[1], 1, "20", "0")];
    let (order, here) = agreed(&world, &json!({}), &lines).await;
    let invoiced = json!({"statecode": 4, "statuscode": 100_003});
    world.dataverse.update_as_user("salesorder", order, invoiced).expect("invoiced");
    act(&world, here, "reopen");
    world.business_central.delete_as_user("Sales Line", id(&lines_of(&world, here)[1], "id")).expect("deleted");
    act(&world, here, "release");
    world.run(JOB, RunMode::Modified).await;
    assert_eq!((state(&world, order), details(&world, order).len()), (4, 2));
    let said = told(&world).await;
    assert!(said.iter().any(|message| message.contains("invoiced or canceled in Dataverse")), "{said:?}");
}

#[tokio::test]
async fn the_person_that_an_order_is_for_stays_also_in_a_full_synchronization() {
    let world = prepared().await;
    let items = items(&world);
    let customer = world.business_central_id("Customer", "number", "C00010");
    let account = id(&world.coupled_row("CUSTOMER", customer).await, "accountid");
    let person = json!({"lastname": "Miller", "parentcustomerid_account@odata.bind": format!("/accounts({account})")});
    let person = world.dataverse.create_as_user("contact", person).expect("taken");
    let order = drafted(&world, &json!({}), &[(&items[0], 2, "100", "0")]).await;
    let of_person = json!({"customerid_contact@odata.bind": format!("/contacts({person})")});
    world.dataverse.update_as_user("salesorder", order, of_person).expect("taken");
    submit(&world, order);
    world.run(CREATE, RunMode::Modified).await;
    run(&world).await;
    for mode in [RunMode::Full, RunMode::Modified] {
        world.run(JOB, mode).await;
        let row = world.dataverse.row("salesorder", order).expect("there");
        assert_eq!(id(&row, "_customerid_value"), person, "{mode:?}: {:?}", told(&world).await);
    }
}

#[tokio::test]
async fn an_order_that_is_deleted_in_sales_before_it_is_complete_is_told() {
    let world = prepared().await;
    let items = items(&world);
    let lines: [(&Json, i64, &str, &str); 2] = [(&items[0], 2, "100", "0"), (&items[1], 1, "20", "0")];
    let order = submitted(&world, &json!({}), &lines).await;
    let number = items[1].as_str().expect("a number").to_owned();
    let refused = Poison { table: None, property: Some("lineObjectNumber".into()), text: number };
    world.business_central.faults().refuse_text(refused);
    world.run(CREATE, RunMode::Modified).await;
    let begun = world.business_central.rows("Sales Header");
    assert_eq!(begun.len(), 1, "a part of it is there");
    reactivate(&world, order);
    world.dataverse.delete_as_user("salesorder", order).expect("deleted");
    world.run(JOB, RunMode::Modified).await;
    let said = told(&world).await;
    assert!(said.iter().any(|message| message.contains("is not complete: delete that one by hand")), "{said:?}");
    world.business_central.delete_as_user("Sales Header", id(&begun[0], "id")).expect("deleted");
    world.run(JOB, RunMode::Modified).await;
    assert_eq!(told(&world).await, Vec::<String>::new());
}
