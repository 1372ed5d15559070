//! What a line of a posted invoice becomes in Dataverse, which prices it brings, and what rounding leaves, case by case.

use couplet_model::Switches;
use couplet_model::message::Direction;
use couplet_model::system::SystemErrorKind;
use serde_json::{Value as Json, json};

use crate::bench::{Bench, Call, EURO, case, pair, with};

const TO: Direction = Direction::ToDataverse;
/// The default price list.
const LIST: u128 = 31;

async fn bench(switches: Switches) -> Bench {
    let bench = Bench::with("POSTEDSALESLINE-INV", switches).await;
    let product = &bench.installation().options().product_name;
    let name = bench.installation().catalogue().defaults().price_list_names(product, "EUR")[0].clone();
    bench.dataverse.put("pricelevel", LIST, json!({"name": name, "transactioncurrencyid": EURO}));
    bench.couple("ITEM-PRODUCT", [pair(60, 61, "1000")]).await;
    bench.couple("RESOURCE-PRODUCT", [pair(62, 63, "KATE")]).await;
    for (product, unit) in [(61, 71), (63, 73)] {
        bench.dataverse.put("product", product, json!({"defaultuomid": unit, "defaultuomscheduleid": 70}));
    }
    bench.dataverse.put("uom", 75, json!({"name": "BOX", "uomscheduleid": 70}));
    bench
}

#[expect(clippy::needless_pass_by_value, reason = "cases are short and read better without references")]
fn line(kind: &str, number: Json) -> Json {
    json!({"documentId": 90, "sequence": 10000, "type": kind, "lineObjectNumber": number, "description": "Chair",
           "unitOfMeasureCode": "BOX", "quantity": 4, "unitPrice": 250, "discountAmount": 0, "netAmount": 1000,
           "netAmountIncludingTax": 1050, "currencyCode": "EUR", "pricesIncludeTax": false})
}

fn always() -> Json {
    json!({"lineitemnumber": 10000, "tax": 50})
}

#[tokio::test]
async fn c_173_s188_lines_have_products_with_their_units_or_are_write_ins() {
    let bench = bench(Switches { unit_groups: false, ..Switches::default() }).await;
    let product = |product: u64, unit: u64| json!({"isproductoverridden": false, "productid": product, "uomid": unit});
    let write_in = |text: &str| json!({"isproductoverridden": true, "productdescription": text});
    let cases = vec![
        case("an item").source(line("Item", json!("1000"))).gives(always()).and_at_first(product(61, 71)),
        case("a resource").source(line("Resource", json!("KATE"))).gives(always()).and_at_first(product(63, 73)),
        case("an account")
            .source(line("G/L Account", json!("8000")))
            .gives(always())
            .and_at_first(write_in("8000 Chair.")),
        case("a comment").source(line(" ", json!(null))).gives(always()).and_at_first(write_in("Chair.")),
        case("an item that is no product").source(line("Item", json!("2000"))).waits_for("ITEM-PRODUCT", "2000"),
        case("one that is there").source(line("Item", json!("2000"))).destination(json!({})).gives(always()),
    ];
    bench.adjusts(TO, cases).await;
    assert_eq!(bench.dataverse.take_calls().iter().filter(|call| call.starts_with("fetch product")).count(), 1);
}

#[tokio::test]
async fn s188_with_unit_groups_a_line_has_the_unit_it_names() {
    let bench = bench(Switches { unit_groups: true, ..Switches::default() }).await;
    let at_first = json!({"isproductoverridden": false, "productid": 61, "uomid": 75});
    let other = with(&line("Item", json!("1000")), json!({"unitOfMeasureCode": "PALLET"}));
    let cases = vec![
        case("a box").source(line("Item", json!("1000"))).gives(always()).and_at_first(at_first),
        case("a unit that is not in the group")
            .source(other)
            .fails("unit PALLET of Item 1000 is not in the unit group of its product (E43)"),
    ];
    bench.adjusts(TO, cases).await;
}

#[tokio::test]
async fn s187_tax_is_taken_off_prices_that_include_it() {
    let bench = bench(Switches { unit_groups: false, ..Switches::default() }).await;
    let of = |quantity: i64| {
        let values = json!({"pricesIncludeTax": true, "unitPrice": 11, "quantity": quantity, "netAmount": 30,
                            "netAmountIncludingTax": 33});
        with(&line("Item", json!("1000")), values)
    };
    let there = |name| case(name).destination(json!({}));
    let cases = vec![
        there("three pieces").source(of(3)).gives(json!({"lineitemnumber": 10000, "tax": 3, "priceperunit": 10})),
        there("none").source(of(0)).gives(json!({"lineitemnumber": 10000, "tax": 3})),
    ];
    bench.adjusts(TO, cases).await;
}

#[tokio::test]
async fn c_176_s189_prices_that_the_list_lacks_are_created_and_those_it_has_stay() {
    let bench = bench(Switches { unit_groups: false, ..Switches::default() }).await;
    let of = |product: u64, unit: u64, price: i64| json!({"productid": product, "uomid": unit, "priceperunit": price});
    let there = json!({"productid": 63, "uomid": 73, "pricelevelid": u64::try_from(LIST).ok(), "amount": 9});
    bench.dataverse.put("productpricelevel", 80, there);
    let new = |name, held: Json| {
        case(name).source(line("Item", json!("1000"))).transferred(held).leaves(json!({}), json!({}))
    };
    let cases = || {
        vec![
            new("missing", of(61, 71, 250)),
            new("missing, too, at another price", of(61, 71, 260)),
            new("there", of(63, 73, 300)),
            new("for nothing", of(61, 77, 0)),
            new("a write-in", json!({"priceperunit": 5})),
        ]
    };
    let calls = bench.after_writing(TO, cases()).await;
    assert_eq!(calls, ["find productpricelevel", "write productpricelevel 1"]);
    let prices = bench.dataverse.ids("productpricelevel");
    let made = prices.iter().find(|price| price.0.as_u128() != 80).expect("a price");
    let made = bench.dataverse.row_of("productpricelevel", *made);
    assert_eq!(made["amount"], json!(250));
    assert_eq!(bench.dataverse.row("productpricelevel", 80)["amount"], json!(9));
    assert_eq!(bench.after_writing(TO, cases()).await, ["find productpricelevel"], "a second time nothing is missing");
}

#[tokio::test]
async fn s191_what_rounding_leaves_is_one_line_of_the_invoice() {
    let bench = bench(Switches { unit_groups: false, ..Switches::default() }).await;
    let of = |document: u64, gross: Json, quantity: i64| {
        let values = json!({"documentId": document, "pricesIncludeTax": true, "netAmountIncludingTax": gross, "quantity": quantity});
        with(&line("G/L Account", json!("8000")), values)
    };
    let held = |invoice: u64, quantity: i64| json!({"invoiceid": {"invoice": invoice}, "priceperunit": 3.33, "quantity": quantity, "tax": 0.01, "manualdiscountamount": 0});
    let fine =
        |name, source: Json, held: Json| case(name).source(source).transferred(held).leaves(json!({}), json!({}));
    let cases = || {
        vec![
            fine("two cents off", of(90, json!(10.02), 3), held(1, 3)),
            fine("one cent back", of(90, json!(3.33), 1), held(1, 1)),
            fine("nothing off", of(91, json!(10), 3), held(2, 3)),
        ]
    };
    assert_eq!(bench.after_writing(TO, cases()).await, ["write invoicedetail 1"]);
    let lines = bench.dataverse.ids("invoicedetail");
    let rounding = |id: &&couplet_model::RecordId| {
        bench.dataverse.row_of("invoicedetail", **id)["productdescription"] == json!("Rounding")
    };
    let made: Vec<Json> =
        lines.iter().filter(rounding).map(|id| bench.dataverse.row_of("invoicedetail", *id)).collect();
    assert_eq!(made.len(), 1);
    assert_eq!((&made[0]["priceperunit"], &made[0]["quantity"]), (&json!(0.01), &json!(1)));
    bench.after_writing(TO, cases()).await;
    assert_eq!(bench.dataverse.ids("invoicedetail").len(), lines.len(), "a repeated attempt writes the same line");
    bench.dataverse.fail(Call::Write, "invoicedetail", SystemErrorKind::Timeout);
    let failing = vec![
        case("off").source(of(90, json!(10.02), 3)).transferred(held(1, 3)).fails_by(SystemErrorKind::Timeout),
        fine("nothing off", of(91, json!(10), 3), held(2, 3)),
    ];
    bench.after_writing(TO, failing).await;
}
