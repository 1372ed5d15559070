//! Which orders are taken over and what they become, the marks left in Sales, and what is told when orders are gone, case by
//! case.

use couplet_model::Switches;
use couplet_model::message::Direction;
use couplet_model::switches::SalesOrders;
use couplet_model::system::SystemErrorKind;
use serde_json::{Value as Json, json};

use crate::bench::{Bench, COMPANY_ROW, Call, case, destination_of, id, pair, source_of, with};

const TO: Direction = Direction::ToDataverse;
const FROM: Direction = Direction::FromDataverse;
const ORDERS: &str = "SALESORDER-ORDER";

async fn bench() -> Bench {
    let switches = Switches { sales_orders: SalesOrders::Legacy, unit_groups: false, ..Switches::default() };
    let bench = Bench::with(ORDERS, switches).await;
    for (number, name, kind) in [(11, "Adatum", 3), (12, "Rival", 1), (13, "Trey", 3)] {
        bench.dataverse.put("account", number, json!({"name": name, "customertypecode": kind}));
    }
    bench.dataverse.put("contact", 21, json!({"parentcustomerid": {"account": 12}}));
    bench.dataverse.put("contact", 22, json!({"parentcustomerid": null}));
    bench.couple("CUSTOMER", [pair(111, 11, "10000"), pair(112, 12, "20000")]).await;
    for (number, product) in [
        (31, json!({"name": "Bicycle", "productnumber": "1000", "statecode": 0, "producttypecode": 1})),
        (32, json!({"name": "Retired", "productnumber": "1001", "statecode": 1, "producttypecode": 1})),
        (33, json!({"name": "Fee", "productnumber": "1002", "statecode": 0, "producttypecode": 2})),
        (34, json!({"name": "New", "productnumber": "1003", "statecode": 0, "producttypecode": 1})),
        (35, json!({"name": "Gone", "productnumber": "1004", "statecode": 0, "producttypecode": 1})),
        (36, json!({"name": "Blocked", "productnumber": "1005", "statecode": 0, "producttypecode": 1})),
        (37, json!({"name": "Mary", "productnumber": "MARY", "statecode": 0, "producttypecode": 3})),
    ] {
        bench.dataverse.put("product", number, product);
    }
    bench.couple("ITEM-PRODUCT", [pair(131, 31, "1000"), pair(135, 35, "1004"), pair(136, 36, "1005")]).await;
    bench.couple("RESOURCE-PRODUCT", [pair(137, 37, "MARY")]).await;
    bench.business_central.put("Item", 131, json!({"number": "1000", "displayName": "Bicycle", "blocked": false}));
    bench.business_central.put("Item", 136, json!({"number": "1005", "displayName": "Blocked", "blocked": true}));
    bench.business_central.put("Resource", 137, json!({"number": "MARY", "displayName": "Mary", "blocked": false}));
    for (number, quote) in [(51, "QUO-1"), (52, "QUO-2")] {
        bench.dataverse.put("quote", number, json!({"quotenumber": quote}));
    }
    for (number, quote) in [(151, "SQ1"), (152, "SQ2")] {
        bench.business_central.put("Sales Header (Quote)", number, json!({"number": quote, "yourReference": "quo-1"}));
    }
    bench.business_central.put("Country/Region", 141, json!({"code": "DE", "isoCode": "DE", "displayName": "Germany"}));
    bench
}

fn setup(bench: &Bench, write_in: &str, freight: &str) {
    let setup =
        json!({"writeInProductType": "Item", "writeInProductNumber": write_in, "freightAccountNumber": freight});
    bench.business_central.put("Sales & Receivables Setup", 1, setup);
}

fn order() -> Json {
    json!({"name": "Chairs", "ordernumber": "ORD-1", "customerid": {"account": 11}, "statecode": 1, "statuscode": 3,
           "freightamount": 0, "discountamount": 0, "discountpercentage": 0})
}

fn of(other: Json) -> Json {
    with(&order(), other)
}

fn line(product: u128) -> Json {
    json!({"sequencenumber": 1, "productid": u64::try_from(product).ok(), "quantity": 1, "priceperunit": 100})
}

fn taken() -> Json {
    json!({"customerNumber": "10000"})
}

#[tokio::test]
async fn s53_to_s67_an_order_that_cannot_be_made_says_why_and_nothing_of_it_is_made() {
    let bench = bench().await;
    setup(&bench, "", "");
    let product = |number| case("").source(order()).line(line(31)).line(line(number));
    let cases = vec![
        case("of an account").source(order()).line(line(31)).line(line(37)).gives(taken()),
        case("s78 without lines").source(order()).gives(taken()),
        case("s54 of a contact, whatever the type of its account")
            .source(of(json!({"customerid": {"contact": 21}})))
            .gives(json!({"customerNumber": "20000"})),
        case("of nobody")
            .source(of(json!({"customerid": null})))
            .fails("order ORD-1 has no potential customer in Dataverse (E4)"),
        case("of a contact without account")
            .source(of(json!({"customerid": {"contact": 22}})))
            .fails("leads to no account in Dataverse (E5)"),
        case("s54 of a competitor")
            .source(of(json!({"customerid": {"account": 12}})))
            .fails("the account Rival of order ORD-1 must have the relationship type Customer"),
        case("s55 of an account nobody has coupled")
            .source(of(json!({"customerid": {"account": 13}})))
            .waits_for("CUSTOMER", id(13)),
        product(32).fails("the state of product Retired must be Active in Dataverse (E11)"),
        product(33).fails("the product 1002 is neither Sales Inventory nor Services (E12)"),
        product(34).waits_for("ITEM-PRODUCT", id(34)),
        product(35).fails("the item 1004, which product 1004 is coupled to, is not in Business Central any more (E15)"),
        product(36).fails("Blocked must be No for Item 1005"),
        case("s67 c_144 a written-in product")
            .source(order())
            .line(json!({"productid": null, "productdescription": "Repair"}))
            .fails("the order ORD-1 has a line without a product, and Sales & Receivables Setup"),
        case("s77 c_143 freight").source(of(json!({"freightamount": 12.5}))).fails("names no Freight G/L Acc. No."),
        case("s62 won by a quote")
            .source(of(json!({"quoteid": 51})))
            .gives(taken())
            .and_at_first(json!({"quoteNumber": "SQ2"})),
        case("s62 won by a quote that nobody knows").source(of(json!({"quoteid": 52}))).gives(taken()),
        case("opened by its seller")
            .source(of(json!({"statecode": 0, "statuscode": 1})))
            .ignores("a seller has opened it"),
        case("opened by an attempt that broke off")
            .source(of(json!({"statecode": 0, "statuscode": 2})))
            .destination(json!({"number": "SO1", "customerNumber": "10000"}))
            .resumed()
            .gives(taken()),
        case("canceled meanwhile")
            .source(of(json!({"statecode": 2, "statuscode": 4})))
            .destination(json!({"number": "SO1"}))
            .resumed()
            .fails("order ORD-1 is canceled in Sales, while taking it over has begun (E3)"),
        case("taken over before").source(order()).destination(json!({"number": "SO1"})).ignores("has taken it over"),
    ];
    bench.adjusts(FROM, cases).await;
    let calls = bench.dataverse.take_calls();
    assert_eq!(calls.len(), 5, "accounts, contacts, products, quotes and the company, once each: {calls:?}");
    setup(&bench, "1000", "6410");
    let cases = vec![
        case("a written-in product").source(order()).line(json!({"productid": null})).gives(taken()),
        case("freight").source(of(json!({"freightamount": 12.5}))).gives(taken()),
    ];
    bench.adjusts(FROM, cases).await;
}

#[tokio::test]
async fn s57_s58_an_address_travels_as_a_whole_or_not_at_all() {
    let bench = bench().await;
    let given = |parts: Json| {
        let blank = json!({"billToAddressLine1": null, "billToAddressLine2": null, "billToPostCode": null,
                           "billToCity": null, "billToCountry": null, "billToState": null});
        with(&blank, parts)
    };
    let whole = json!({"billToAddressLine1": "Main Street 1", "billToAddressLine2": "", "billToPostCode": "10115",
                       "billToCity": "Berlin", "billToCountry": "DE", "billToState": ""});
    let in_sales = |country: &str| {
        of(json!({"billto_line1": "Main Street 1", "billto_postalcode": "10115",
                                            "billto_city": "Berlin", "billto_country": country}))
    };
    let parts = json!({"billToAddressLine1": "Main Street 1", "billToPostCode": "10115", "billToCity": "Berlin",
                       "billToCountry": "Germany"});
    let cases = vec![
        case("blank").source(order()).transferred(given(json!({}))).gives(taken()),
        case("filled")
            .source(in_sales("Germany"))
            .transferred(given(parts.clone()))
            .gives(with(&taken(), whole.clone())),
        case("a country nobody knows")
            .source(in_sales("Atlantis"))
            .transferred(given(parts))
            .gives(with(&with(&taken(), whole), json!({"billToCountry": ""})))
            .and_notes(&["Atlantis"]),
    ];
    bench.adjusts(FROM, cases).await;
}

#[tokio::test]
async fn s82_s83_an_order_is_marked_when_all_of_it_is_there_and_submitted_again() {
    let bench = bench().await;
    setup(&bench, "1000", "6410");
    let discounted =
        json!({"freightamount": 12.5, "discountamount": 5, "totallineitemamount": 100, "totalamountlessfreight": 95});
    let cases = || {
        vec![
            case("with freight and discount")
                .source(of(discounted.clone()))
                .line(line(31))
                .leaves(json!({}), json!({})),
            case("plain").source(order()).leaves(json!({}), json!({})),
            case("refused in Business Central").source(of(discounted.clone())).fails_by(SystemErrorKind::Refused),
            case("opened already")
                .source(of(json!({"statecode": 0, "statuscode": 2})))
                .resumed()
                .destination(json!({"number": "SO4"}))
                .leaves(json!({}), json!({})),
        ]
    };
    bench.business_central.refuse(destination_of(2), SystemErrorKind::Refused);
    let calls = bench.after_writing(FROM, cases()).await;
    assert_eq!(calls, ["write salesorder 2", "write salesorder 3", "write salesorder 3"], "opened, marked, submitted");
    let order = |place| bench.dataverse.row("salesorder", source_of(place).0.as_u128());
    for place in [0, 1, 3] {
        assert_eq!([&order(place)["statecode"], &order(place)["statuscode"]], [&json!(1), &json!(3)], "order {place}");
        assert!(order(place)["lastbackofficesubmit"].as_str().is_some_and(|at| at.ends_with("T12:00:00Z")), "{place}");
        assert_eq!(order(place)["bcbi_companyid"], json!(u64::try_from(COMPANY_ROW).ok()), "order {place}");
    }
    assert!(order(2)["lastbackofficesubmit"].is_null(), "what is not whole bears no mark");
    let freight = bench.business_central.ids("Sales Line");
    assert_eq!(freight.len(), 2);
    // Again, as after a crash.
    bench.business_central.mend();
    bench.after_writing(FROM, cases().into_iter().take(2).collect()).await;
    assert_eq!(bench.business_central.ids("Sales Line"), freight, "the freight of the first attempt is met again");
}

#[tokio::test]
async fn s51_an_order_that_was_posted_before_anybody_stored_that_it_was_made_is_not_made_again() {
    let bench = bench().await;
    let invoice = json!({"number": "INV1", "customerPurchaseOrderReference": "ORD-1"});
    bench.business_central.put("Sales Invoice Header", 301, invoice);
    let marked = |number: &str| of(json!({"ordernumber": number, "lastbackofficesubmit": "2026-03-01T12:00:00Z"}));
    let cases = vec![
        case("posted").source(marked("ORD-1")).ignores("posted to its end"),
        case("after a restore").source(marked("ORD-2")).gives(taken()),
        case("never taken over, and its number is used again").source(order()).gives(taken()),
    ];
    bench.adjusts(FROM, cases).await;
}

#[tokio::test]
async fn an_order_that_its_seller_has_in_hand_is_neither_made_from_an_earlier_copy_nor_overruled() {
    let bench = bench().await;
    setup(&bench, "1000", "6410");
    bench.dataverse.put("salesorder", source_of(1).0.as_u128(), order());
    let cases = vec![
        case("deleted").source(order()).outdated().comes_again(),
        case("changed").source(order()).outdated().comes_again(),
        case("as it was read").source(order()).gives(taken()),
    ];
    bench.adjusts(FROM, cases).await;
    // Changed when all of it is there.
    let pending = of(json!({"statecode": 0, "statuscode": 2}));
    let cases = vec![
        case("submitted").source(order()).outdated().fails_by(SystemErrorKind::VersionConflict),
        case("opened by an attempt that broke off")
            .source(pending)
            .destination(json!({"number": "SO1"}))
            .resumed()
            .outdated()
            .fails_by(SystemErrorKind::VersionConflict),
    ];
    bench.after_writing(FROM, cases).await;
    for (place, state) in [(0, [1, 3]), (1, [0, 2])] {
        let row = bench.dataverse.row("salesorder", source_of(place).0.as_u128());
        assert_eq!([&row["statecode"], &row["statuscode"]], [&json!(state[0]), &json!(state[1])], "{place}");
        assert!(row["lastbackofficesubmit"].is_null(), "{place}");
    }
}

#[tokio::test]
async fn s87_s88_an_order_of_sales_is_opened_written_and_submitted_again() {
    let bench = bench().await;
    let cases = vec![
        case("one that began in Business Central").source(json!({"number": "SO1"})).ignores("it did not come from Sales"),
        case("not whole yet")
            .source(json!({"number": "SO2"}))
            .destination(json!({"statecode": 1, "statuscode": 3, "lastbackofficesubmit": null}))
            .ignores("has not been taken over"),
        case("canceled in Sales")
            .source(json!({"number": "SO3"}))
            .destination(json!({"ordernumber": "ORD-3", "statecode": 2, "statuscode": 4, "lastbackofficesubmit": "2026-01-05T12:00:00Z"}))
            .fails("order ORD-3 was canceled in Sales, while order SO3 goes on"),
        case("submitted")
            .source(json!({"number": "SO4"}))
            .destination(json!({"statecode": 1, "statuscode": 3, "lastbackofficesubmit": "2026-01-05T12:00:00Z",
                                "discountpercentage": 10, "totallineitemamount": 1000}))
            .transferred(json!({"discountamount": 150, "shipto_name": "Adatum"}))
            .gives(json!({"discountamount": 50, "shipto_name": "Adatum"})),
        case("invoiced")
            .source(json!({"number": "SO5"}))
            .destination(json!({"statecode": 4, "statuscode": 100_003, "lastbackofficesubmit": "2026-01-05T12:00:00Z"}))
            .transferred(json!({"shipto_name": "Adatum"}))
            .gives(json!({})),
    ];
    bench.adjusts(TO, cases).await;
}

#[tokio::test]
async fn s84_s85_orders_that_are_gone_are_closed_or_given_back_in_bulk() {
    let bench = bench().await;
    let submitted = json!({"statecode": 1, "statuscode": 3, "lastbackofficesubmit": "2026-01-05T12:00:00Z"});
    for number in 201..=205 {
        bench.dataverse.put("salesorder", number, submitted.clone());
    }
    bench.couple(ORDERS, (1..=6).map(|number| pair(number, 200 + number, &format!("SO{number}")))).await;
    bench.business_central.put("Sales Invoice Header", 301, json!({"number": "INV1", "orderNumber": "so1"}));
    bench.business_central.put("Sales Shipment Header", 302, json!({"number": "SH2", "orderNumber": "SO2"}));
    bench.dataverse.refuse(204, SystemErrorKind::Refused);
    bench.dataverse.take_calls();
    let report = bench.sync(TO, &[1, 2, 3, 4, 5, 6]).await;
    let outcomes = &report.groups[0].outcomes;
    assert_eq!((outcomes.modified, outcomes.failed, outcomes.unchanged), (4, 1, 1), "{report:?}");
    let state = |number| {
        let row = bench.dataverse.row("salesorder", number);
        (row["statecode"].as_i64(), row["statuscode"].as_i64(), row["lastbackofficesubmit"].is_null())
    };
    assert_eq!(state(201), (Some(4), Some(100_003), false), "invoiced");
    assert_eq!(state(202), (Some(4), Some(100_003), false), "shipped, so it was invoiced with others");
    for number in [203, 205] {
        assert_eq!(state(number), (Some(0), Some(2), true), "deleted by a person");
    }
    assert!(bench.coupling(4).await.is_some(), "what was refused stays coupled, and is tried again");
    for number in [1, 2, 3, 5, 6] {
        assert!(bench.coupling(number).await.is_none(), "{number}");
    }
    let calls = bench.dataverse.take_calls();
    assert!(calls.len() <= 6, "in bulk: {calls:?}");
    bench.dataverse.fail(Call::Fetch, "salesorder", SystemErrorKind::Outage);
    assert_eq!(bench.sync(TO, &[4]).await.groups.iter().map(|group| group.outcomes.failed).sum::<u64>(), 0);
    assert!(bench.coupling(4).await.is_some());
}

#[tokio::test]
async fn s83_an_order_that_cannot_be_marked_is_submitted_all_the_same_and_marked_with_the_next_attempt() {
    let bench = bench().await;
    bench.dataverse.refuse_column("lastbackofficesubmit", SystemErrorKind::Refused);
    bench.after_writing(FROM, vec![case("refused").source(order()).fails_by(SystemErrorKind::Refused)]).await;
    let row = || bench.dataverse.row("salesorder", source_of(0).0.as_u128());
    assert_eq!((&row()["statecode"], row()["lastbackofficesubmit"].is_null()), (&json!(1), true));
    bench.dataverse.mend();
    let again = case("again").source(order()).destination(json!({"number": "SO1"})).resumed();
    bench.after_writing(FROM, vec![again.leaves(json!({}), json!({}))]).await;
    assert_eq!((&row()["statecode"], row()["lastbackofficesubmit"].is_null()), (&json!(1), false));
    // It was opened by an attempt that nobody knows the end of.
    let opened = of(json!({"statecode": 0, "statuscode": 2}));
    let opened = case("opened").source(opened).destination(json!({"number": "SO1"})).resumed();
    let calls = bench.after_writing(FROM, vec![opened.leaves(json!({}), json!({}))]).await;
    assert_eq!(calls, ["write salesorder 1", "write salesorder 1"], "marked and submitted");
    assert_eq!(row()["statecode"], json!(1));
}
