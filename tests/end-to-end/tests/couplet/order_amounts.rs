//! Amounts of orders and quotes with random lines: prices with five decimals, discounts of lines and of the whole, freight, foreign
//! currencies, two rates of tax, prices with and without tax, written-in products. Both systems come to the same, to the cent.

use couplet_end_to_end::World;
use couplet_engine::RunMode;
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use crate::both_ways::{self, CREATE, JOB, details, reactivate, submit};
use crate::drawing::Draws;
use crate::invoicing::{items, with};
use crate::observing::{id, number, text};
use crate::quotes::{self, QUOTES};
use crate::selling::{self, ORDERS, TAKES_OVER, account, product, sells, set_up, written_in};

/// Documents of a test.
const DOCUMENTS: usize = 40;
/// A customer whose documents have prices without tax, and one whose include it.
const WITHOUT_TAX: &str = "C00010";
const WITH_TAX: &str = "C00020";

fn exact(number: Decimal) -> Json {
    Json::Number(number.to_string().parse().expect("a number"))
}

fn cents(amount: Decimal) -> Decimal {
    amount.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero)
}

/// What documents are drawn from.
struct Shelf {
    products: Vec<Map<String, Json>>,
    euro: String,
    accounts: [(bool, Uuid); 2],
}

impl Shelf {
    /// Items of two rates of tax and one without, and what stands for written-in products and freight.
    async fn of(world: &World) -> Self {
        let items = items(world);
        for (item, percent) in items.iter().zip([19, 7, 0, 19]) {
            world.business_central.tax_item(item.as_str().expect("a number"), Decimal::from(percent));
        }
        world.business_central.price_with_tax(WITH_TAX);
        let setup =
            json!({"writeInProductType": "Item", "writeInProductNumber": items[3], "freightAccountNumber": "6410"});
        set_up(world, setup);
        let mut products = Vec::new();
        for item in items.iter().take(3) {
            products.push(product(world, "Item", item).await);
        }
        let euro = world.coupled_row("CURRENCY", world.business_central_id("Currency", "code", "EUR")).await;
        let accounts = [(false, account(world, WITHOUT_TAX).await), (true, account(world, WITH_TAX).await)];
        Self { products, euro: format!("/transactioncurrencies({})", text(&euro, "transactioncurrencyid")), accounts }
    }

    /// A document of a kind (`salesorder`, `quote`) with one to four lines.
    fn draft(&self, world: &World, draws: &mut Draws, kind: &str, may_include_tax: bool) -> Uuid {
        let (_, account) = self.accounts[if may_include_tax { draws.below(2) } else { 0 }];
        let mut document = json!({
            "name": "Order", "customerid_account@odata.bind": format!("/accounts({account})"),
            "discountamount": exact(if draws.one_of(2) { draws.decimal(3, 2) } else { Decimal::ZERO }),
            "freightamount": exact(if draws.one_of(3) { draws.decimal(20, 2) } else { Decimal::ZERO }),
        });
        if draws.one_of(3) {
            document = with(document, &json!({"discountpercentage": exact(draws.decimal(15, 1))}));
        }
        if draws.one_of(3) {
            document = with(document, &json!({"transactioncurrencyid@odata.bind": self.euro}));
        }
        let document = world.dataverse.create_as_user(kind, document).expect("taken");
        for place in 1..=1 + draws.below(4) {
            let mut line = match draws.one_of(5) {
                true => written_in("Repair", 10 + u32::try_from(draws.below(90)).expect("small")),
                false => {
                    let quantity = Decimal::ONE + draws.decimal(30, 1);
                    let price = Decimal::ONE + draws.decimal(500, 2);
                    sells(&self.products[draws.below(3)], &quantity.to_string(), &price.to_string())
                }
            };
            if draws.one_of(2) {
                line = with(line, &json!({"manualdiscountamount": exact(draws.decimal(1, 2))}));
            }
            let of = json!({format!("{kind}id@odata.bind"): format!("/{kind}s({document})"), "sequencenumber": place});
            world.dataverse.create_as_user(&format!("{kind}detail"), with(line, &of)).expect("taken");
        }
        document
    }
}

/// What a document of Dataverse comes to, freight included.
fn total(row: &Map<String, Json>) -> Decimal {
    cents(number(row, "totalamountlessfreight") + number(row, "freightamount"))
}

/// The lines of a document of Business Central that something is sold in, in order.
fn sold(world: &World, table: &str, document: &Map<String, Json>) -> Vec<Map<String, Json>> {
    let mut lines = world.business_central.rows(table);
    lines.retain(|line| line["documentId"] == document["id"] && text(line, "lineType") == "Item");
    lines.sort_by_key(|line| line["sequence"].as_i64());
    lines
}

/// Expects the lines of a document that came from Sales to be charged as they are there, with or without tax as prices are.
fn expect_equal_lines(world: &World, (own, table): (&Map<String, Json>, &str), of: (&str, Uuid), seed: u64) {
    let (kind, document) = of;
    let mut there = world.dataverse.rows(&format!("{kind}detail"));
    there.retain(|line| text(line, &format!("_{kind}id_value")) == document.to_string());
    there.sort_by_key(|line| line["sequencenumber"].as_i64());
    let here = sold(world, table, own);
    assert_eq!(here.len(), there.len(), "seed {seed}");
    let charged = match own["pricesIncludeTax"] == json!(true) {
        true => "amountIncludingTax",
        false => "amountExcludingTax",
    };
    for (here, there) in here.iter().zip(&there) {
        let expected = cents(number(there, "extendedamount") - number(there, "tax"));
        assert_eq!(number(here, charged), expected, "seed {seed}: {here:?} {there:?}");
    }
}

#[tokio::test]
async fn orders_that_travel_one_way_come_to_the_same_whatever_is_in_them() {
    for seed in [1, 2] {
        let world = selling::prepared().await;
        let (shelf, mut draws) = (Shelf::of(&world).await, Draws::of(seed));
        let orders: Vec<Uuid> = (0..DOCUMENTS).map(|_| shelf.draft(&world, &mut draws, "salesorder", true)).collect();
        orders.iter().for_each(|order| submit(&world, *order));
        let run = world.run(TAKES_OVER, RunMode::Modified).await;
        assert_eq!(run.counters.failed, 0, "seed {seed}: {:?}", world.failures(ORDERS).await.first());
        for order in orders {
            let own = selling::order_of(&world, order).expect("taken over");
            let row = world.dataverse.row("salesorder", order).expect("there");
            expect_equal_lines(&world, (&own, "Sales Line"), ("salesorder", order), seed);
            let charged = match own["pricesIncludeTax"] == json!(true) {
                true => "totalAmountIncludingTax",
                false => "totalAmountExcludingTax",
            };
            assert_eq!(number(&own, charged), total(&row), "seed {seed}: {row:?}");
        }
    }
}

#[tokio::test]
async fn quotes_come_to_the_same_whatever_is_in_them() {
    for seed in [3, 4] {
        let world = quotes::prepared().await;
        let (shelf, mut draws) = (Shelf::of(&world).await, Draws::of(seed));
        let drawn: Vec<Uuid> = (0..DOCUMENTS).map(|_| shelf.draft(&world, &mut draws, "quote", true)).collect();
        drawn.iter().for_each(|quote| quotes::activate(&world, *quote));
        let run = world.run(QUOTES, RunMode::Modified).await;
        assert_eq!(run.counters.failed, 0, "seed {seed}: {:?}", world.failures(QUOTES).await.first());
        for quote in drawn {
            let row = world.dataverse.row("quote", quote).expect("there");
            let own = quotes::quote_of(&world, quote).0;
            expect_equal_lines(&world, (&own, "Sales Line (Quote)"), ("quote", quote), seed);
            let charged = match own["pricesIncludeTax"] == json!(true) {
                true => "totalAmountIncludingTax",
                false => "totalAmountExcludingTax",
            };
            assert_eq!(number(&own, charged), total(&row), "seed {seed}: {row:?}");
        }
    }
}

/// Expects orders to come to the same on both sides, with tax and without it.
async fn expect_equal_orders(world: &World, orders: &[Uuid], when: &str) {
    for order in orders {
        let own = both_ways::order_of(world, *order).await;
        let row = world.dataverse.row("salesorder", *order).expect("there");
        let without = (number(&own, "totalAmountExcludingTax"), total(&row));
        assert_eq!(without.0, without.1, "{when}, without tax: {row:?}");
        let with = (number(&own, "totalAmountIncludingTax"), cents(number(&row, "totalamount")));
        assert_eq!(with.0, with.1, "{when}, with tax: {row:?}");
    }
}

async fn settle(world: &World, seed: u64) {
    for _ in 0..3 {
        let run = world.run(JOB, RunMode::Modified).await;
        assert_eq!(run.counters.failed, 0, "seed {seed}: {:?}", world.failures(JOB).await.first());
    }
    let run = world.run(JOB, RunMode::Modified).await;
    assert_eq!((run.counters.inserted, run.counters.modified), (0, 0), "seed {seed}: at rest");
}

#[tokio::test]
async fn orders_that_travel_both_ways_come_to_the_same_whatever_either_side_makes_of_them() {
    for seed in [5, 6] {
        let world = both_ways::prepared().await;
        let (shelf, mut draws) = (Shelf::of(&world).await, Draws::of(seed));
        let orders: Vec<Uuid> = (0..DOCUMENTS).map(|_| shelf.draft(&world, &mut draws, "salesorder", true)).collect();
        orders.iter().for_each(|order| submit(&world, *order));
        let entered: Vec<Decimal> = totals(&world, &orders);
        let run = world.run(CREATE, RunMode::Modified).await;
        assert_eq!(run.counters.failed, 0, "seed {seed}: {:?}", world.failures(JOB).await.first());
        settle(&world, seed).await;
        expect_equal_orders(&world, &orders, &format!("seed {seed}, made")).await;
        expect_as_entered(&world, &orders, &entered, &format!("seed {seed}, made")).await;

        // Somebody in Business Central enters other prices and discounts.
        let erp = &world.business_central;
        for order in &orders {
            let own = both_ways::order_of(&world, *order).await;
            let here = id(&own, "id");
            erp.run_action_as_user("Sales Header", here, "reopen").expect("reopened");
            for line in sold(&world, "Sales Line", &own) {
                let price = Decimal::ONE + draws.decimal(300, 5);
                erp.update_as_user("Sales Line", id(&line, "id"), json!({"unitPrice": exact(price)})).expect("taken");
                if draws.one_of(2) {
                    let off = json!({"discountAmount": exact(draws.decimal(1, 2))});
                    erp.update_as_user("Sales Line", id(&line, "id"), off).expect("taken");
                }
            }
            let off = json!({"discountAmount": exact(draws.decimal(1, 2))});
            erp.update_as_user("Sales Header", here, off).expect("taken");
            erp.run_action_as_user("Sales Header", here, "release").expect("released");
        }
        settle(&world, seed).await;
        expect_equal_orders(&world, &orders, &format!("seed {seed}, changed in Business Central")).await;

        // A seller enters another quantity, and another line.
        for order in &orders {
            reactivate(&world, *order);
            let line = id(&details(&world, *order)[0], "salesorderdetailid");
            let quantity = Decimal::ONE + draws.decimal(30, 1);
            let more = json!({"quantity": exact(quantity)});
            world.dataverse.update_as_user("salesorderdetail", line, more).expect("taken");
            let price = Decimal::ONE + draws.decimal(90, 2);
            let mut added = sells(&shelf.products[draws.below(3)], "2", &price.to_string());
            added["salesorderid@odata.bind"] = json!(format!("/salesorders({order})"));
            added["manualdiscountamount"] = exact(draws.decimal(1, 2));
            world.dataverse.create_as_user("salesorderdetail", added).expect("taken");
            submit(&world, *order);
        }
        settle(&world, seed).await;
        expect_equal_orders(&world, &orders, &format!("seed {seed}, changed in Sales")).await;
    }
}

/// What orders come to in Sales, without tax.
fn totals(world: &World, orders: &[Uuid]) -> Vec<Decimal> {
    orders.iter().map(|order| total(&world.dataverse.row("salesorder", *order).expect("there"))).collect()
}

/// Expects orders to be charged as the seller entered them, without tax; a price that includes tax is rounded with it, which may
/// make a cent for each line and one for the discount.
async fn expect_as_entered(world: &World, orders: &[Uuid], entered: &[Decimal], when: &str) {
    for (order, entered) in orders.iter().zip(entered) {
        let own = both_ways::order_of(world, *order).await;
        let lines = i64::try_from(sold(world, "Sales Line", &own).len()).expect("few");
        let may_differ = match own["pricesIncludeTax"] == json!(true) {
            true => Decimal::new(lines + 1, 2),
            false => Decimal::ZERO,
        };
        let differs = (number(&own, "totalAmountExcludingTax") - entered).abs();
        assert!(differs <= may_differ, "{when}: {entered} entered, {own:?}");
    }
}
