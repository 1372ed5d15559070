//! What a line of a posted invoice becomes in Dataverse, which prices it brings, and what rounding leaves, case by case.

use couplet_model::Switches;
use couplet_model::ids::derived_id;
use couplet_model::message::Direction;
use couplet_model::system::SystemErrorKind;
use serde_json::{Value as Json, json};

use crate::bench::{Bench, COMPANY, Call, Case, case, id, pair, with};

const TO: Direction = Direction::ToDataverse;
/// The default price list, and that of an order.
const LISTS: [u64; 2] = [31, 32];
/// Posted invoices, each with its row in Dataverse: an ordinary one, one of an order, one with a discount of 10, one that is paid.
const INVOICES: [(u128, u128); 4] = [(90, 91), (92, 93), (94, 95), (96, 97)];

async fn bench(switches: Switches) -> Bench {
    let bench = Bench::with("POSTEDSALESLINE-INV", switches).await;
    let pairs = INVOICES.map(|(ours, theirs)| pair(ours, theirs, &ours.to_string()));
    bench.couple("POSTEDSALESINV-INV", pairs).await;
    let row = |list: u64, discount: u64, state: u64| json!({"pricelevelid": list, "discountamount": discount, "statecode": state});
    let [ordinary, of_order] = LISTS;
    let rows = [row(ordinary, 0, 0), row(of_order, 0, 0), row(ordinary, 10, 0), row(ordinary, 0, 2)];
    for ((_, number), row) in INVOICES.into_iter().zip(rows) {
        bench.dataverse.put("invoice", number, row);
    }
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
async fn s170_lines_of_a_closed_invoice_are_left_as_they_are() {
    let bench = bench(Switches { unit_groups: false, ..Switches::default() }).await;
    let of_paid = with(&line("Item", json!("1000")), json!({"documentId": 96}));
    let cases = vec![
        case("one that is there").source(of_paid.clone()).destination(json!({})).gives(json!({})),
        case("one that somebody deleted").source(of_paid).ignores("its invoice is closed in Dataverse"),
        case("of an open invoice").source(line("Item", json!("2000"))).destination(json!({})).gives(always()),
    ];
    bench.adjusts(TO, cases).await;
    assert_eq!(bench.dataverse.take_calls().iter().filter(|call| call.starts_with("fetch invoice")).count(), 1);
}

/// A new line of an invoice, with what it holds in Dataverse of product, unit and price.
#[expect(clippy::needless_pass_by_value, reason = "cases are short and read better without references")]
fn sold(name: &'static str, document: u64, held: Json) -> Case {
    let source = with(&line("Item", json!("1000")), json!({"documentId": document}));
    case(name).source(source).transferred(with(&held, json!({"quantity": 4, "tax": 50})))
}

fn of(product: u64, unit: u64, price: i64) -> Json {
    json!({"productid": product, "uomid": unit, "priceperunit": price})
}

#[tokio::test]
async fn c_176_s189_prices_that_the_invoices_list_lacks_are_created_and_those_it_has_stay() {
    let bench = bench(Switches { unit_groups: false, ..Switches::default() }).await;
    let there = json!({"productid": 63, "uomid": 73, "pricelevelid": LISTS[0], "amount": 9});
    bench.dataverse.put("productpricelevel", 80, there);
    let fine = |name, document, held| sold(name, document, held).leaves(json!({}), json!({}));
    let cases = || {
        vec![
            fine("missing", 90, of(61, 71, 250)),
            fine("missing, too, at another price", 90, of(61, 71, 260)),
            fine("there", 90, of(63, 73, 300)),
            fine("there, but not in the list of the order", 92, of(63, 73, 310)),
            fine("for nothing", 90, of(61, 77, 0)),
            fine("a write-in", 90, json!({"priceperunit": 5})),
            fine("of an invoice that nobody has read", 98, of(63, 78, 1)),
        ]
    };
    let prices = || {
        let rows = bench
            .dataverse
            .ids("productpricelevel")
            .into_iter()
            .map(|id| bench.dataverse.row_of("productpricelevel", id));
        let mut prices: Vec<String> =
            rows.map(|row| format!("{} in {}: {}", row["productid"], row["pricelevelid"], row["amount"])).collect();
        prices.sort();
        prices
    };
    let calls = bench.after_writing(TO, cases()).await;
    assert_eq!(calls[..2], ["find productpricelevel", "write productpricelevel 2"]);
    let made = ["61 in 31: 250", "63 in 31: 9", "63 in 32: 310"];
    assert_eq!(prices(), made);
    let calls = bench.after_writing(TO, cases()).await;
    assert_eq!(
        calls.iter().filter(|call| call.contains("productpricelevel")).count(),
        1,
        "a second time nothing is missing"
    );
    assert_eq!(prices(), made);
}

#[tokio::test]
async fn s189_a_price_that_is_refused_stops_the_lines_that_bring_it_and_no_others() {
    let bench = bench(Switches { unit_groups: false, ..Switches::default() }).await;
    let id = derived_id(COMPANY, &"POSTEDSALESLINE-INV".into(), &price_role(31, 71), id(61));
    bench.dataverse.refuse(id.0.as_u128(), SystemErrorKind::Refused);
    let fine = |name, document, held| sold(name, document, held).leaves(json!({}), json!({}));
    let cases = vec![
        sold("refused", 90, of(61, 71, 250)).fails_by(SystemErrorKind::Refused),
        sold("of another invoice", 94, of(61, 71, 250)).fails_by(SystemErrorKind::Refused),
        fine("in another list", 92, of(61, 71, 250)),
        fine("by another unit", 90, of(61, 72, 250)),
        fine("another product", 90, of(63, 71, 250)),
        fine("a write-in", 90, json!({"priceperunit": 5})),
    ];
    bench.after_writing(TO, cases).await;
    assert_eq!(bench.dataverse.ids("productpricelevel").len(), 3);
    bench.dataverse.fail(Call::Find, "productpricelevel", SystemErrorKind::Timeout);
    let cases = vec![
        sold("by another unit", 90, of(61, 72, 250)).fails_by(SystemErrorKind::Timeout),
        fine("a write-in", 90, json!({"priceperunit": 5})),
    ];
    bench.after_writing(TO, cases).await;
}

fn price_role(list: u128, unit: u128) -> String {
    format!("price in {} by {}", id(list), id(unit))
}

/// A new line of an invoice that charges so much for it, and what Dataverse made of it.
fn charged(name: &'static str, document: u64, includes_tax: bool, gross: f64, extended: f64) -> Case {
    known(name, document, includes_tax, gross, extended).resumed()
}

/// The same of a line that came earlier.
fn known(name: &'static str, document: u64, includes_tax: bool, gross: f64, extended: f64) -> Case {
    let invoice = json!({"invoice": document + 1});
    let values = json!({"documentId": document, "pricesIncludeTax": includes_tax, "netAmountIncludingTax": gross});
    let held =
        json!({"invoiceid": invoice, "priceperunit": extended, "quantity": 1, "tax": 0, "manualdiscountamount": 0});
    case(name)
        .source(with(&line("G/L Account", json!("8000")), values))
        .destination(with(&held, json!({"extendedamount": extended})))
        .transferred(held)
}

/// The balancing line of an invoice: its number, and what it comes to.
fn rounding(bench: &Bench, document: u128) -> (u128, Json) {
    let id = derived_id(COMPANY, &"POSTEDSALESLINE-INV".into(), "Rounding", id(document));
    let row = bench.dataverse.row_of("invoicedetail", id);
    let is_one_write_in = row["quantity"] == json!(1) && row["productdescription"] == json!("Rounding");
    assert!(row.is_null() || is_one_write_in, "{row}");
    (id.0.as_u128(), row["priceperunit"].clone())
}

#[tokio::test]
async fn s191_what_dataverse_rounds_otherwise_is_one_line_of_the_invoice() {
    let bench = bench(Switches { unit_groups: false, ..Switches::default() }).await;
    let fine = |case: Case| case.leaves(json!({}), json!({}));
    let cases = |third: f64| {
        vec![
            fine(charged("two cents off", 90, true, 10.02, 10.0)),
            fine(charged("one cent back", 90, true, third, 3.34)),
            fine(charged("nothing off", 92, true, 10.0, 10.0)),
            fine(charged("off by the digits of its price", 94, false, 123.45, 130.0)),
            fine(charged("a discount is taken off the whole", 94, false, 0.0, 0.0)),
            fine(charged("of an invoice that nobody has read", 98, true, 1.0, 2.0)),
        ]
    };
    let balance = ["find invoicedetail", "write invoicedetail 2"];
    assert_eq!(bench.after_writing(TO, cases(3.33)).await, balance);
    let (number, amount) = rounding(&bench, 90);
    assert_eq!(amount, json!(0.01));
    assert_eq!(rounding(&bench, 94).1, json!(3.45), "123.45 are charged, and the lines come to 130 less 10");
    assert_eq!([92, 98].map(|document| rounding(&bench, document).1), [json!(null), json!(null)]);
    assert_eq!(bench.after_writing(TO, cases(3.33)).await, balance, "a repeated attempt writes the same lines");
    assert_eq!(rounding(&bench, 90).1, json!(0.01));

    // Once nothing is left, the line goes.
    for (document, amount) in [(90, 0.01), (94, 3.45)] {
        let (number, _) = rounding(&bench, document);
        let held = json!({"invoiceid": {"invoice": document as u64 + 1}, "extendedamount": amount, "quantity": 1,
                          "priceperunit": amount, "productdescription": "Rounding"});
        bench.dataverse.put("invoicedetail", number, held);
    }
    assert_eq!(bench.after_writing(TO, cases(3.33)).await, ["find invoicedetail"], "they come to what they should");
    assert_eq!(bench.after_writing(TO, cases(3.32)).await, ["find invoicedetail", "write invoicedetail 1"]);
    assert!(!bench.dataverse.has("invoicedetail", id(number)));
}

#[tokio::test]
async fn s191_an_invoice_is_balanced_once_all_its_lines_are_there_and_fails_alone() {
    let bench = bench(Switches { unit_groups: false, ..Switches::default() }).await;
    let fine = |case: Case| case.leaves(json!({}), json!({}));
    // What adds up is not even looked at.
    let cases = vec![
        fine(charged("adds up", 90, false, 10.0, 10.0)),
        fine(charged("less its discount", 94, false, 20.0, 30.0)),
    ];
    assert_eq!(bench.after_writing(TO, cases).await, [""; 0]);
    // Unless a part of it came earlier.
    let cases = vec![fine(known("earlier", 92, false, 5.0, 5.0)), fine(charged("now", 92, false, 5.0, 5.0))];
    assert_eq!(bench.after_writing(TO, cases).await, ["find invoicedetail"]);
    bench.dataverse.fail(Call::Write, "invoicedetail", SystemErrorKind::Timeout);
    let cases = vec![
        charged("off", 90, true, 10.02, 10.0).fails_by(SystemErrorKind::Timeout),
        fine(charged("nothing off", 92, true, 10.0, 10.0)),
    ];
    bench.after_writing(TO, cases).await;
    bench.dataverse.mend();
    bench.dataverse.fail(Call::Find, "invoicedetail", SystemErrorKind::Timeout);
    let cases = vec![
        charged("off", 90, true, 10.02, 10.0).fails_by(SystemErrorKind::Timeout),
        fine(charged("adds up", 94, false, 20.0, 30.0)),
    ];
    bench.after_writing(TO, cases).await;
}

#[tokio::test]
async fn s191_an_amount_that_is_not_shown_is_not_known_unless_nothing_is_charged() {
    let bench = bench(Switches { unit_groups: false, ..Switches::default() }).await;
    let fine = |case: Case| case.leaves(json!({}), json!({}));
    let unseen = |case: Case, document: u64| case.destination(json!({"invoiceid": {"invoice": document + 1}}));
    let cases = vec![
        fine(charged("two cents off", 90, true, 5.02, 5.0)),
        fine(unseen(charged("a comment", 90, true, 0.0, 0.0), 90)),
        fine(charged("two cents off, too", 92, true, 5.02, 5.0)),
        fine(unseen(charged("whatever it comes to", 92, true, 1.0, 1.0), 92)),
    ];
    bench.after_writing(TO, cases).await;
    assert_eq!([90, 92].map(|document| rounding(&bench, document).1), [json!(0.02), json!(null)]);
}
