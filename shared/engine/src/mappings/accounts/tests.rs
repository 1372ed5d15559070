//! What customers and vendors become in Dataverse and back, case by case.

use couplet_model::message::Direction;
use couplet_model::system::SystemErrorKind;
use couplet_model::table::Side;
use serde_json::{Value as Json, json};

use super::{CONTACTS, Merged};
use crate::bench::{Bench, COMPANY_ROW, Call, Results, TEAM, case, destination_of, id, pair, source_of, with, without};

const TO: Direction = Direction::ToDataverse;
const FROM: Direction = Direction::FromDataverse;

async fn bench() -> Bench {
    Bench::of("CUSTOMER").await
}

async fn vendors() -> Bench {
    Bench::of("VENDOR").await
}

#[tokio::test]
async fn s248_an_account_is_the_customers_if_number_and_name_agree_and_no_other_company_has_it() {
    let bench = bench().await;
    for (number, text, name, company) in [
        (1, "10000", "Adatum", Some(COMPANY_ROW)),
        (2, "20000", "Trey Research", None),
        (3, "30000", "School", Some(999)),
        (4, "40000", "Twin", None),
        (5, "40000", "Twin", None),
    ] {
        let company = company.and_then(|company| u64::try_from(company).ok());
        bench.dataverse.put("account", number, json!({"accountnumber": text, "name": name, "bcbi_companyid": company}));
    }
    bench.dataverse.take_calls();
    let vendor = json!({"accountnumber": "60000", "name": "Fabrikam", "customertypecode": 11});
    bench.dataverse.put("account", 6, vendor.clone());
    bench.dataverse.put("account", 7, with(&vendor, json!({"accountnumber": "70000", "customertypecode": 3})));
    let customer = |number: &str, name: &str| json!({"number": number, "displayName": name});
    let cases = vec![
        case("a vendor").source(customer("60000", "Fabrikam")).finds_nobody(),
        case("a customer").source(customer("70000", "Fabrikam")).finds(7),
        case("number and name").source(customer("10000", "ADATUM")).finds(1),
        case("of no company").source(customer("20000", "Trey Research")).finds(2),
        case("another name").source(customer("10000", "Fabrikam")).finds_nobody(),
        case("another company").source(customer("30000", "School")).finds_nobody(),
        case("two of them").source(customer("40000", "Twin")).finds_nobody(),
        case("a name without a number").source(json!({"number": null, "displayName": "Adatum"})).finds_nobody(),
        case("a number without a name").source(json!({"number": "10000", "displayName": null})).finds_nobody(),
    ];
    bench.finds(TO, cases).await;
    assert_eq!(bench.dataverse.take_calls(), ["find account", "find bcbi_company"]);
}

#[tokio::test]
async fn a_customer_is_the_accounts_if_number_and_name_agree() {
    let bench = bench().await;
    bench.business_central.put("Customer", 1, json!({"number": "10000", "displayName": "Adatum"}));
    let account = |number: &str, name: &str| json!({"accountnumber": number, "name": name});
    let cases = vec![
        case("number and name").source(account("10000", "adatum")).finds(1),
        case("another name").source(account("10000", "Fabrikam")).finds_nobody(),
        case("another number").source(account("10001", "Adatum")).finds_nobody(),
    ];
    bench.finds(FROM, cases).await;
    assert_eq!(bench.business_central.take_calls(), ["find Customer"]);
}

#[tokio::test]
async fn s247_r257_an_account_is_of_a_customer_of_the_company_and_a_new_one_of_its_team() {
    let bench = bench().await;
    let first = || json!({"customertypecode": 3});
    let of_the_team = || json!({"customertypecode": 3, "ownerid": {"team": u64::try_from(TEAM).ok()}});
    let company = || json!({"bcbi_companyid": COMPANY_ROW});
    let owned = || json!({"ownerid": {"systemuser": 7}});
    let cases = vec![
        case("a new one").source(json!({})).gives(company()).and_at_first(of_the_team()),
        case("a new one with a salesperson")
            .source(json!({}))
            .transferred(owned())
            .gives(with(&company(), owned()))
            .and_at_first(first()),
        case("one that is there keeps its owner")
            .source(json!({}))
            .destination(json!({}))
            .gives(company())
            .and_at_first(first()),
    ];
    bench.adjusts(TO, cases).await;

    let bench = bench_without_company().await;
    let cases = vec![case("no row of the company").source(json!({})).gives(json!({})).and_at_first(first())];
    bench.adjusts(TO, cases).await;
}

async fn bench_without_company() -> Bench {
    let bench = bench().await;
    bench.dataverse.delete("bcbi_company", COMPANY_ROW);
    bench
}

#[tokio::test]
async fn r151_a_blank_primary_contact_wipes_only_one_that_is_coupled() {
    let bench = bench().await;
    bench.couple(CONTACTS, [pair(70, 71, "CT1")]).await;
    let base = json!({"bcbi_companyid": COMPANY_ROW});
    let first = || json!({"customertypecode": 3});
    let account = |contact: Json| json!({"primarycontactid": contact});
    let cleared = || json!({"primarycontactid": null});
    let cases = vec![
        case("one that is coupled")
            .source(json!({"primaryContactNo": null}))
            .destination(account(json!(71)))
            .transferred(cleared())
            .gives(with(&base, cleared()))
            .and_at_first(first()),
        case("one that is not")
            .source(json!({"primaryContactNo": null}))
            .destination(account(json!(72)))
            .transferred(cleared())
            .gives(base.clone())
            .and_at_first(first()),
        case("another contact comes")
            .source(json!({"primaryContactNo": "CT1"}))
            .destination(account(json!(72)))
            .transferred(account(json!(71)))
            .gives(with(&base, account(json!(71))))
            .and_at_first(first()),
    ];
    bench.adjusts(TO, cases).await;

    let customer = |contact: Json| json!({"primaryContactNo": contact, "blocked": " "});
    let cleared = || json!({"primaryContactNo": null});
    let cases = vec![
        case("one that is coupled")
            .source(account(json!(null)))
            .destination(customer(json!("CT1")))
            .transferred(cleared())
            .gives(cleared()),
        case("one that is not")
            .source(account(json!(null)))
            .destination(customer(json!("CT2")))
            .transferred(cleared())
            .gives(json!({})),
        case("none there").source(account(json!(null))).transferred(cleared()).gives(cleared()),
        case("another contact comes")
            .source(account(json!(71)))
            .destination(customer(json!("CT2")))
            .transferred(json!({"primaryContactNo": "CT1"}))
            .gives(json!({"primaryContactNo": "CT1"})),
    ];
    bench.adjusts(FROM, cases).await;
}

#[tokio::test]
async fn c_219_an_inactive_account_blocks_a_customer_that_is_not_blocked_otherwise() {
    let bench = bench().await;
    let all = || json!({"blocked": "All"});
    let cases = vec![
        case("inactive").source(json!({"statecode": 1})).destination(json!({"blocked": " "})).gives(all()),
        case("inactive and new").source(json!({"statecode": 1})).gives(all()),
        case("blocked for invoices")
            .source(json!({"statecode": 1}))
            .destination(json!({"blocked": "Invoice"}))
            .gives(json!({})),
        case("a block that is not known").source(json!({"statecode": 1})).destination(json!({})).gives(json!({})),
        case("active").source(json!({"statecode": 0})).destination(json!({"blocked": "All"})).gives(json!({})),
        case("unknown").source(json!({})).destination(json!({"blocked": " "})).gives(json!({})),
    ];
    bench.adjusts(FROM, cases).await;
}

#[tokio::test]
async fn a_country_as_people_write_it_becomes_a_code_and_no_country_stays_behind() {
    let bench = bench().await;
    let germany = json!({"code": "DE", "displayName": "Germany", "isoCode": "DE"});
    bench.business_central.put("Country/Region", 1, germany);
    bench.business_central.put(
        "Country/Region",
        2,
        json!({"code": "GB", "displayName": "Great Britain", "isoCode": "GB"}),
    );
    let account = |text: &str| json!({"address1_country": text});
    let customer = |code: &str| json!({"country": code, "blocked": " "});
    // The field row has cut the text to what a code may hold.
    let cut = |text: &str| json!({"country": text});
    let cases = vec![
        case("the name").source(account("germany")).transferred(cut("GERMANY")).gives(cut("DE")),
        case("the code").source(account("gb")).destination(customer("DE")).transferred(cut("GB")).gives(cut("GB")),
        case("the same as there")
            .source(account("DE"))
            .destination(customer("DE"))
            .transferred(cut("DE"))
            .gives(cut("DE")),
        case("no country")
            .source(account("Atlantis"))
            .destination(customer("DE"))
            .transferred(cut("ATLANTIS"))
            .gives(json!({}))
            .and_notes(&["\"Atlantis\" is neither code nor ISO code nor name"]),
        case("a blank one")
            .source(json!({"address1_country": null}))
            .transferred(json!({"country": null}))
            .gives(json!({"country": null})),
    ];
    bench.adjusts(FROM, cases).await;
    let reads = bench.business_central.take_calls();
    assert_eq!(reads.iter().filter(|call| *call == "find Country/Region").count(), 1, "{reads:?}");

    let base = json!({"bcbi_companyid": COMPANY_ROW});
    let first = || json!({"customertypecode": 3});
    let code = |code: &str| json!({"country": code});
    let cases = vec![
        case("a text that means the code stays")
            .source(code("DE"))
            .destination(account("Germany"))
            .transferred(account("DE"))
            .gives(with(&base, account("Germany")))
            .and_at_first(first()),
        case("another country is written")
            .source(code("GB"))
            .destination(account("Germany"))
            .transferred(account("GB"))
            .gives(with(&base, account("GB")))
            .and_at_first(first()),
    ];
    bench.adjusts(TO, cases).await;
}

#[tokio::test]
async fn while_countries_cannot_be_read_the_batch_comes_again() {
    let bench = bench().await;
    bench.business_central.put("Country/Region", 1, json!({"code": "DE", "displayName": "Germany"}));
    bench.business_central.fail(Call::Find, "Country/Region", SystemErrorKind::Timeout);
    let account = bench.record(Side::Dataverse, 1, &json!({"address1_country": "Germany"}));
    let one = super::Transferring { source: &account, destination: None, creating: true, base: None, lines: &[] };
    let prepared = super::MappingRules::prepare(&super::CUSTOMERS, bench.context(FROM), &[one]).await;
    assert!(prepared.is_err(), "what passes comes again");
    bench.business_central.mend();
    assert!(super::MappingRules::prepare(&super::CUSTOMERS, bench.context(FROM), &[one]).await.is_ok());
}

#[tokio::test]
async fn r258_an_account_that_created_a_customer_belongs_to_the_company_from_then_on() {
    let bench = bench().await;
    let ours = json!({"bcbi_companyid": COMPANY_ROW});
    let nobodys = json!({"bcbi_companyid": null});
    let nothing = |named: &'static str| case(named).leaves(json!({}), json!({}));
    let cases = vec![
        nothing("a new customer of nobody's account").source(nobodys.clone()),
        nothing("of our own account").source(ours.clone()),
        nothing("a customer that was there").source(nobodys.clone()).destination(json!({})),
    ];
    assert_eq!(bench.after_writing(FROM, cases).await, ["write account 1"]);
    let company = |place: u128| bench.dataverse.row_of("account", source_of(place))["bcbi_companyid"].clone();
    assert_eq!((company(0), company(2)), (json!(COMPANY_ROW), json!(null)));

    bench.dataverse.refuse(1001, SystemErrorKind::Forbidden);
    let cases = vec![
        case("an account that refuses").source(nobodys.clone()).fails_by(SystemErrorKind::Forbidden),
        nothing("its neighbour").source(nobodys.clone()),
    ];
    bench.after_writing(FROM, cases).await;
    bench.dataverse.mend();

    for results in [Results::TooFew, Results::TooMany] {
        bench.dataverse.give(results);
        let lost = |name| case(name).source(nobodys.clone()).fails_by(SystemErrorKind::Transient);
        bench.after_writing(FROM, vec![lost("the first"), lost("the second")]).await;
    }

    let bench = bench_without_company().await;
    let cases = vec![nothing("no row of the company").source(nobodys)];
    assert!(bench.after_writing(FROM, cases).await.is_empty());
}

#[tokio::test]
async fn a_new_account_is_known_to_be_active_and_merged_into_no_other() {
    let bench = bench().await;
    let cases = vec![
        case("a new one").leaves(json!({}), json!({"statecode": 0, "merged": false, "masterid": null})),
        case("one that was there").destination(json!({})).leaves(json!({}), json!({})),
    ];
    assert!(bench.after_writing(TO, cases).await.is_empty());
    assert_eq!(bench.dataverse.row("account", destination_of(0)), json!({}));
}

#[tokio::test]
async fn an_account_stays_behind_only_while_it_is_merged_and_inactive() {
    let bench = bench().await;
    let merged = json!({"merged": true, "statecode": 1, "masterid": 9});
    for (name, side, known, expected) in [
        ("merged", Side::Dataverse, merged.clone(), Some(Merged::Into(id(9)))),
        ("into an unknown one", Side::Dataverse, without(&merged, &["masterid"]), Some(Merged::Unknown)),
        ("activated again", Side::Dataverse, with(&merged, json!({"statecode": 0})), None),
        ("never merged", Side::Dataverse, with(&merged, json!({"merged": false})), None),
        ("not known to be inactive", Side::Dataverse, without(&merged, &["statecode"]), None),
        ("a customer", Side::BusinessCentral, json!({"number": "1"}), None),
    ] {
        let record = bench.record(side, 1, &known);
        assert_eq!(bench.mapping.rules.merged_into(side, &record), expected, "{name}");
    }
}

#[tokio::test]
async fn s247_s248_a_vendor_has_accounts_of_vendors_and_takes_no_customers_account_over() {
    let bench = vendors().await;
    let account = |relationship: Json| json!({"accountnumber": "10000", "name": "A", "customertypecode": relationship});
    for (number, relationship) in [(1, json!(11)), (2, json!(null)), (3, json!(3))] {
        let named = json!({"accountnumber": number.to_string()});
        bench.dataverse.put("account", number, with(&account(relationship), named));
    }
    let vendor = |number: &str| json!({"number": number, "displayName": "A"});
    let cases = vec![
        case("a vendor's").source(vendor("1")).finds(1),
        case("nobody's").source(vendor("2")).finds(2),
        case("a customer's").source(vendor("3")).finds_nobody(),
    ];
    bench.finds(TO, cases).await;

    let first = json!({"customertypecode": 11, "ownerid": {"team": u64::try_from(TEAM).ok()}});
    let company = json!({"bcbi_companyid": COMPANY_ROW});
    let cases = vec![
        case("a new one").source(json!({})).gives(company.clone()).and_at_first(first),
        case("a customer's, coupled by hand, stays one")
            .source(json!({}))
            .destination(account(json!(3)))
            .gives(company)
            .and_at_first(json!({"customertypecode": 11})),
    ];
    bench.adjusts(TO, cases).await;
}

#[tokio::test]
async fn an_inactive_account_blocks_no_vendor_and_a_blank_contact_wipes_only_a_coupled_one() {
    let bench = vendors().await;
    bench.couple(CONTACTS, [pair(70, 71, "CT1")]).await;
    let vendor = |contact: Json| json!({"primaryContactNo": contact, "blocked": " "});
    let cleared = || json!({"primaryContactNo": null});
    let blank = || json!({"primarycontactid": null});
    let cases = vec![
        case("inactive").source(json!({"statecode": 1})).destination(json!({"blocked": " "})).gives(json!({})),
        case("a contact that is coupled")
            .source(blank())
            .destination(vendor(json!("CT1")))
            .transferred(cleared())
            .gives(cleared()),
        case("one that is not")
            .source(blank())
            .destination(vendor(json!("CT2")))
            .transferred(cleared())
            .gives(json!({})),
    ];
    bench.adjusts(FROM, cases).await;
}

#[tokio::test]
async fn r258_an_account_that_created_a_vendor_belongs_to_the_company_from_then_on() {
    let bench = vendors().await;
    let new = case("a new vendor of nobody's account").source(json!({"bcbi_companyid": null}));
    let calls = bench.after_writing(FROM, vec![new.leaves(json!({}), json!({}))]).await;
    assert_eq!(calls, ["write account 1"]);
    assert_eq!(bench.dataverse.row_of("account", source_of(0))["bcbi_companyid"], json!(COMPANY_ROW));
}

#[tokio::test]
async fn d4_u2_customers_and_vendors_never_see_each_others_couplings() {
    let bench = bench().await;
    // The numbers of customers and vendors are alike, and the account is one.
    bench.couple("CUSTOMER", [pair(1, 100, "10000")]).await;
    bench.couple("VENDOR", [pair(2, 100, "10000")]).await;
    let store = bench.engine.store();
    for (mapping, expected) in [("CUSTOMER", id(1)), ("VENDOR", id(2))] {
        let keys = ["10000".to_owned()];
        let by_key = store.couplings_by_key(crate::bench::COMPANY, &mapping.into(), &keys).await.expect("a store");
        assert_eq!(by_key["10000"].system_id.0, expected.0, "{mapping}");
        let by_row = store.couplings_by_id(crate::bench::COMPANY, &mapping.into(), Side::Dataverse, &[id(100)]).await;
        assert_eq!(by_row.expect("a store")[&id(100)].system_id.0, expected.0, "{mapping}");
    }
    for mapping in [super::CUSTOMERS, super::VENDORS] {
        let keeps = |column| super::MappingRules::keeps_coupled(&mapping, FROM, column);
        assert!(keeps("customertypecode") && keeps("statecode") && !keeps("bcbi_companyid"));
    }
}
