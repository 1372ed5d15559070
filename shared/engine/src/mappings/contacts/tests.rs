//! Whom persons work for on the other side, and who is the primary contact there, case by case.

use couplet_model::RecordMessage;
use couplet_model::message::{Direction, SyncOptions};
use couplet_model::system::SystemErrorKind;
use couplet_model::table::Side;
use serde_json::{Value as Json, json};

use crate::bench::{Bench, COMPANY, COMPANY_ROW, Call, EURO, TEAM, case, destination_of, id, pair, with};
use crate::mappings::rules::Merged;
use crate::ports::Delivery;

const TO: Direction = Direction::ToDataverse;
const FROM: Direction = Direction::FromDataverse;

/// Companies in Business Central, each with its company contact and what it is: `CT1` a customer, `CT2` a vendor, `CT3`
/// both with two accounts, `CT4` both with one account, `CT5` an uncoupled customer, `CT6` an uncoupled vendor, `CT7` an
/// uncoupled customer and a coupled vendor, `CT8` nothing. The customer `C9` is coupled and has no company contact.
async fn bench() -> Bench {
    let bench = Bench::of("CONTACT").await;
    let relations = [
        ("CT1", "Customer", "C1"),
        ("CT2", "Vendor", "V2"),
        ("CT3", "Customer", "C3"),
        ("CT3", "Vendor", "V3"),
        ("CT4", "Customer", "C4"),
        ("CT4", "Vendor", "V4"),
        ("CT5", "Customer", "C5"),
        ("CT6", "Vendor", "V6"),
        ("CT7", "Customer", "C7"),
        ("CT7", "Vendor", "V7"),
        ("CT8", "Bank Account", "B8"),
    ];
    for (row, (contact, table, number)) in (1..).zip(relations) {
        let relation = json!({"contactNumber": contact, "linkToTable": table, "number": number});
        bench.business_central.put("Contact Business Relation", row, relation);
    }
    let customers = [pair(11, 111, "C1"), pair(13, 113, "C3"), pair(14, 114, "C4"), pair(19, 119, "C9")];
    bench.couple("CUSTOMER", customers).await;
    let vendors = [pair(22, 122, "V2"), pair(23, 123, "V3"), pair(24, 114, "V4"), pair(27, 127, "V7")];
    bench.couple("VENDOR", vendors).await;
    bench.business_central.take_calls();
    bench.dataverse.take_calls();
    bench
}

fn account(number: u64) -> Json {
    json!({"parentcustomerid": {"account": number}})
}

fn person_of(company: &str) -> Json {
    json!({"number": "P1", "companyNumber": company})
}

#[tokio::test]
async fn s256_s257_u9_r161_a_person_works_for_the_account_of_its_companys_customer_or_else_vendor() {
    let bench = bench().await;
    let company = || json!({"bcbi_companyid": COMPANY_ROW});
    let team = || json!({"ownerid": {"team": u64::try_from(TEAM).ok()}});
    let works_for = |number: u64| with(&company(), account(number));
    let cases = vec![
        case("a customer's").source(person_of("CT1")).gives(works_for(111)).and_at_first(team()),
        case("in other letters").source(person_of("ct1")).gives(works_for(111)).and_at_first(team()),
        case("a vendor's").source(person_of("CT2")).gives(works_for(122)).and_at_first(team()),
        case("of both, two accounts")
            .source(person_of("CT3"))
            .gives(works_for(113))
            .and_at_first(team())
            .and_notes(&["is customer C3 and vendor V3, which are different on the other side"]),
        case("of both, one account").source(person_of("CT4")).gives(works_for(114)).and_at_first(team()),
        case("of both, the vendor coupled").source(person_of("CT7")).gives(works_for(127)).and_at_first(team()),
        case("an uncoupled customer's").source(person_of("CT5")).waits_for("CUSTOMER", "C5"),
        case("an uncoupled vendor's").source(person_of("CT6")).waits_for("VENDOR", "V6"),
        case("a bank's").source(person_of("CT8")).ignores("is no customer and no vendor (S256)"),
        case("nobody's").source(person_of("CT0")).ignores("is no customer and no vendor (S256)"),
        case("c_230: coupled, its customer is not any more")
            .source(person_of("CT5"))
            .agreed_at_source(json!({"companyNumber": "CT5"}))
            .destination(account(7))
            .gives(company()),
        case("moved to an uncoupled customer's")
            .source(person_of("CT5"))
            .agreed_at_source(json!({"companyNumber": "CT1"}))
            .destination(account(111))
            .gives(company())
            .and_notes(&["the company CT5 is not coupled by CUSTOMER yet: the person keeps the parentcustomerid"])
            .and_misses("CUSTOMER", "C5"),
        case("moved to a bank's")
            .source(person_of("CT8"))
            .agreed_at_source(json!({"companyNumber": "CT1"}))
            .destination(account(111))
            .gives(company())
            .and_notes(&["the company CT8 is synchronized neither as a customer nor as a vendor"]),
        case("moved to a bank's, without an account")
            .source(person_of("CT8"))
            .agreed_at_source(json!({"companyNumber": "CT1"}))
            .destination(json!({"parentcustomerid": null}))
            .gives(company()),
        case("moved in Dataverse to an uncoupled account")
            .source(person_of("CT1"))
            .agreed_at_source(json!({"companyNumber": "CT1"}))
            .destination(account(201))
            .agreed(account(111))
            .gives(company()),
        case("moved in Dataverse to a coupled account")
            .source(person_of("CT1"))
            .agreed_at_source(json!({"companyNumber": "CT1"}))
            .destination(account(122))
            .agreed(account(111))
            .gives(works_for(111)),
        case("moved in Dataverse to a contact")
            .source(person_of("CT1"))
            .agreed_at_source(json!({"companyNumber": "CT1"}))
            .destination(json!({"parentcustomerid": {"contact": 5}}))
            .agreed(account(111))
            .gives(works_for(111)),
        case("moved on both sides")
            .source(person_of("CT2"))
            .agreed_at_source(json!({"companyNumber": "CT1"}))
            .destination(account(201))
            .agreed(account(111))
            .gives(works_for(122)),
        case("coupled, without a company").source(person_of("")).destination(account(7)).gives(company()),
        case("coupled, without an account")
            .source(person_of("CT1"))
            .destination(json!({"parentcustomerid": null}))
            .gives(works_for(111)),
        case("coupled, moved to another company")
            .source(person_of("CT2"))
            .destination(account(111))
            .gives(works_for(122)),
        case("told already that there are two accounts")
            .source(person_of("CT3"))
            .destination(account(113))
            .gives(works_for(113)),
    ];
    bench.adjusts(TO, cases).await;
    let reads = bench.business_central.take_calls();
    let of_relations = reads.iter().filter(|call| *call == "find Contact Business Relation").count();
    assert_eq!(of_relations, 1, "one read for all: {reads:?}");
}

#[tokio::test]
async fn s258_u9_r162_a_contact_works_for_the_company_contact_of_its_account_and_may_have_no_company() {
    let bench = bench().await;
    let accounts = [
        (201, 3, 0, Some(COMPANY_ROW)),
        (202, 11, 0, None),
        (203, 1, 0, None),
        (204, 3, 1, None),
        (205, 3, 0, Some(999)),
    ];
    for (number, relationship, state, company) in accounts {
        let company = company.and_then(|company| u64::try_from(company).ok());
        let row = json!({"customertypecode": relationship, "statecode": state, "bcbi_companyid": company});
        bench.dataverse.put("account", number, row);
    }
    let works_for = |company: &str| json!({"companyNumber": company});
    let key = |number| id(number).0;
    let lost = "the customer C9 has no company contact in Business Central";
    let cases = vec![
        case("a customer's").source(account(111)).gives(works_for("CT1")),
        case("a vendor's").source(account(122)).gives(works_for("CT2")),
        case("of both, one company").source(account(114)).gives(works_for("CT4")),
        case("c_225: an account that will be a customer").source(account(201)).waits_for("CUSTOMER", key(201)),
        case("one that will be a vendor").source(account(202)).waits_for("VENDOR", key(202)),
        case("a competitor's").source(account(203)).gives(json!({})),
        case("an inactive account's").source(account(204)).gives(json!({})),
        case("another company's").source(account(205)).gives(json!({})),
        case("one that is gone").source(account(206)).gives(json!({})),
        case("nobody's").source(json!({"parentcustomerid": null})).gives(json!({})),
        case("a contact's").source(json!({"parentcustomerid": {"contact": 5}})).gives(json!({})),
        case("coupled, its account is not any more")
            .source(account(201))
            .agreed_at_source(account(201))
            .destination(works_for("CT9"))
            .gives(json!({})),
        case("moved to an account that will be a customer")
            .source(account(201))
            .agreed_at_source(account(111))
            .destination(works_for("CT1"))
            .gives(json!({}))
            .and_notes(&[
                "is not coupled by CUSTOMER yet: the person keeps the companyNumber it has in Business Central",
            ])
            .and_misses("CUSTOMER", key(201)),
        case("moved to a competitor's")
            .source(account(203))
            .agreed_at_source(account(111))
            .destination(works_for("CT1"))
            .gives(json!({}))
            .and_notes(&["is synchronized neither as a customer nor as a vendor"]),
        case("moved to a competitor's, without a company")
            .source(account(203))
            .agreed_at_source(account(111))
            .destination(works_for(""))
            .gives(json!({})),
        case("moved in Business Central to an uncoupled customer's")
            .source(account(111))
            .agreed_at_source(account(111))
            .destination(works_for("CT5"))
            .agreed(works_for("CT1"))
            .gives(json!({})),
        case("coupled, without a company").source(account(111)).destination(works_for("")).gives(works_for("CT1")),
        case("of a customer without a company contact").source(account(119)).fails(lost),
        case("the same, coupled")
            .source(account(119))
            .destination(works_for("CT1"))
            .gives(json!({}))
            .and_notes(&[lost]),
    ];
    bench.adjusts(FROM, cases).await;
}

/// A person and a contact who are a pair, at company `CT1` and its account.
async fn settled() -> Bench {
    let bench = bench().await;
    let named = json!({"type": "Person", "firstName": "Eva", "surname": "Berg"});
    bench.business_central.put("Contact", 1, with(&person_of("CT1"), named));
    assert_eq!(bench.sync(TO, &[1]).await.groups[0].outcomes.inserted, 1);
    bench
}

/// Whether something is on record of the record with a number.
async fn is_noted(bench: &Bench, direction: Direction, number: u128) -> bool {
    let (store, name) = (bench.engine.store(), &bench.mapping.name);
    !store.failures_of(COMPANY, name, direction, &[id(number)]).await.expect("a store").is_empty()
}

#[tokio::test]
async fn s258_u9_a_person_who_moved_to_an_uncoupled_account_follows_when_that_is_coupled() {
    let bench = settled().await;
    let contact = bench.coupling(1).await.expect("coupled").dataverse_id.0.as_u128();
    let row = bench.dataverse.row("contact", contact);
    bench.dataverse.put("account", 201, json!({"customertypecode": 3, "statecode": 0, "bcbi_companyid": null}));
    bench.dataverse.put("contact", contact, with(&with(&row, account(201)), json!({"telephone1": "1"})));
    let moved = bench.sync(FROM, &[contact]).await;
    assert_eq!(moved.groups[0].outcomes.modified, 1, "{moved:?}");
    let person = || bench.business_central.row("Contact", 1);
    assert_eq!((&person()["companyNumber"], &person()["phoneNumber"]), (&json!("CT1"), &json!("1")));
    assert!(bench.failure(FROM, contact).await.contains("not coupled by CUSTOMER yet"));
    // Nobody takes it back meanwhile, not even where Business Central wins.
    let full = bench.sync_in_full(TO, &[1]).await;
    assert_eq!(full.groups[0].outcomes.failed, 0, "{full:?}");
    assert_eq!(bench.dataverse.row("contact", contact)["parentcustomerid"], account(201)["parentcustomerid"]);

    bench.couple("CUSTOMER", [pair(15, 201, "C5")]).await;
    let followed = bench.sync(FROM, &[contact]).await;
    assert_eq!(followed.groups[0].outcomes.modified, 1, "{followed:?}");
    assert!(!is_noted(&bench, FROM, contact).await);
    assert_eq!(person()["companyNumber"], json!("CT5"));
    assert_eq!(bench.sync(FROM, &[contact]).await.groups[0].outcomes.unchanged, 1);
}

#[tokio::test]
async fn s257_c_230_a_person_who_moved_to_an_uncoupled_company_follows_when_that_is_coupled() {
    let bench = settled().await;
    let contact = bench.coupling(1).await.expect("coupled").dataverse_id.0.as_u128();
    let parent = || bench.dataverse.row("contact", contact)["parentcustomerid"].clone();
    let person = bench.business_central.row("Contact", 1);
    bench.business_central.put("Contact", 1, with(&person, json!({"companyNumber": "CT5"})));
    let moved = bench.sync(TO, &[1]).await;
    assert_eq!(moved.groups[0].outcomes.unchanged, 1, "{moved:?}");
    assert!(is_noted(&bench, TO, 1).await);
    assert_eq!(parent(), account(111)["parentcustomerid"]);
    let back = bench.sync_in_full(FROM, &[contact]).await;
    assert_eq!(back.groups[0].outcomes.failed, 0, "{back:?}");
    assert_eq!(bench.business_central.row("Contact", 1)["companyNumber"], json!("CT5"), "it is not taken back");

    bench.couple("CUSTOMER", [pair(15, 201, "C5")]).await;
    let followed = bench.sync(TO, &[1]).await;
    assert_eq!(followed.groups[0].outcomes.modified, 1, "{followed:?}");
    assert!(!is_noted(&bench, TO, 1).await);
    assert_eq!(parent(), account(201)["parentcustomerid"]);
}

#[tokio::test]
async fn s251_a_person_without_a_company_gets_one_when_its_account_is_coupled() {
    let bench = bench().await;
    for (number, relationship) in [(203, 1), (204, 1)] {
        let row = json!({"customertypecode": relationship, "statecode": 0, "bcbi_companyid": null});
        bench.dataverse.put("account", number, row);
        let named = json!({
            "firstname": "Eva", "lastname": "Berg", "statecode": 0, "parentcustomeridtype": "account", "bcbi_companyid": null
        });
        let number = u64::try_from(number).expect("small");
        bench.dataverse.put("contact", u128::from(number) + 100, with(&account(number), named));
    }
    assert_eq!(bench.sync(FROM, &[303, 304]).await.groups[0].outcomes.inserted, 2);
    for person in bench.business_central.ids("Contact") {
        let row = bench.business_central.row_of("Contact", person);
        bench.business_central.put("Contact", person.0.as_u128(), with(&row, json!({"companyNumber": null})));
    }
    let due = || bench.mapping.rules.also_due(bench.installation(), FROM);
    assert_eq!(due().await.expect("an answer"), []);

    bench.couple("CUSTOMER", [pair(15, 203, "C5")]).await;
    bench.business_central.take_calls();
    assert_eq!(due().await.expect("an answer"), [id(303)]);
    assert_eq!(bench.business_central.take_calls(), ["find Contact"], "one read for all");
    let run = bench.run().await;
    let message = RecordMessage { options: SyncOptions::default(), ..bench.message(run, FROM, 303) };
    let report = bench.engine.sync_batch(vec![Delivery { message, receive_count: 1 }]).await;
    assert_eq!(report.groups[0].outcomes.modified, 1, "{report:?}");
    let companies = bench.business_central.ids("Contact").into_iter();
    let companies: Vec<Json> =
        companies.map(|person| bench.business_central.row_of("Contact", person)["companyNumber"].clone()).collect();
    assert!(companies.contains(&json!("CT5")) && companies.contains(&json!(null)), "{companies:?}");
    assert_eq!(due().await.expect("an answer"), [], "nothing is left to do");
}

#[tokio::test]
async fn s251_a_person_whose_company_was_taken_off_does_not_get_it_back() {
    let bench = settled().await;
    let contact = bench.coupling(1).await.expect("coupled").dataverse_id.0.as_u128();
    let person = || bench.business_central.row("Contact", 1);
    let due = || bench.mapping.rules.also_due(bench.installation(), FROM);
    let taken_off = with(&person(), json!({"companyNumber": null}));
    bench.business_central.put("Contact", 1, taken_off);
    assert_eq!(due().await.expect("an answer"), [], "before Business Central is followed");
    for full in [false, true] {
        let report = if full { bench.sync_in_full(TO, &[1]).await } else { bench.sync(TO, &[1]).await };
        assert_eq!(report.groups[0].outcomes.unchanged, 1, "{report:?}");
        assert_eq!(due().await.expect("an answer"), [], "full: {full}");
    }
    let row = || bench.dataverse.row("contact", contact);
    assert_eq!(row()["parentcustomerid"], account(111)["parentcustomerid"], "the contact keeps its account");

    // What else changes in Dataverse travels without it; whoever moves the person there is followed.
    bench.dataverse.put("contact", contact, with(&row(), json!({"telephone1": "1"})));
    assert_eq!(bench.sync(FROM, &[contact]).await.groups[0].outcomes.modified, 1);
    assert_eq!((&person()["phoneNumber"], &person()["companyNumber"]), (&json!("1"), &json!(null)));
    assert_eq!(due().await.expect("an answer"), []);
    bench.dataverse.put("contact", contact, with(&row(), account(122)));
    assert_eq!(bench.sync(FROM, &[contact]).await.groups[0].outcomes.modified, 1);
    assert_eq!(person()["companyNumber"], json!("CT2"));
}

#[tokio::test]
async fn s257_s258_a_coupled_person_is_followed_out_of_the_filter() {
    let bench = bench().await;
    let rules = bench.mapping.rules;
    for (direction, column, keeps) in [
        (TO, "companyNumber", true),
        (TO, "type", false),
        (FROM, "parentcustomerid", true),
        (FROM, "parentcustomeridtype", true),
        (FROM, "statecode", true),
        (FROM, "bcbi_companyid", false),
    ] {
        assert_eq!(rules.keeps_coupled(direction, column), keeps, "{column}");
    }
    let merged = json!({"merged": true, "statecode": 1, "masterid": 9});
    let merged = bench.record(Side::Dataverse, 1, &merged);
    assert_eq!(rules.merged_into(Side::Dataverse, &merged), Some(Merged::Into(id(9))));
}

#[tokio::test]
async fn s259_r163_the_first_person_who_arrives_is_the_primary_contact_of_an_account_without_one() {
    let bench = bench().await;
    for (customer, chosen) in [(11, json!(null)), (13, json!("P9")), (14, json!("p1"))] {
        bench.business_central.put("Customer", customer, json!({"primaryContactNo": chosen}));
    }
    bench.business_central.put("Vendor", 22, json!({"primaryContactNo": null}));
    for (number, contact) in [(111, json!(null)), (113, json!(null)), (114, json!(null)), (122, json!(77))] {
        let account = json!({"primarycontactid": contact, "address1_primarycontactname": null});
        bench.dataverse.put("account", number, account);
    }
    bench.dataverse.put("account", 114, json!({"primarycontactid": null, "address1_primarycontactname": "Office"}));
    let standing = || json!({"fullname": "Eva Berg", "statecode": 0, "merged": false, "masterid": null});
    let named = |number: u64| with(&account(number), json!({"firstname": "Eva", "lastname": "Berg"}));
    let with_parent = || with(&standing(), json!({"parentcustomeridtype": "account"}));
    let arrives = |name, company: &str, number| {
        let names = json!({"firstName": "Eva", "middleName": "Maria", "surname": "Berg"});
        let source = with(&person_of(company), names);
        case(name).source(source).transferred(named(number)).leaves(json!({}), with_parent())
    };
    let cases = vec![
        arrives("the first", "CT1", 111),
        arrives("the second", "CT1", 111),
        arrives("of a customer who chose somebody else", "CT3", 113),
        arrives("of a customer who chose this person", "CT4", 114),
        arrives("of an account that has one", "CT2", 122),
        case("one that was there")
            .source(person_of("CT1"))
            .destination(json!({}))
            .transferred(named(111))
            .leaves(json!({}), json!({"fullname": "Eva Berg", "parentcustomeridtype": "account"})),
    ];
    bench.after_writing(TO, cases.clone()).await;
    let primary = |number: u128| bench.dataverse.row("account", number)["primarycontactid"].clone();
    let person = |place| json!({"contact": u64::try_from(destination_of(place)).ok()});
    assert_eq!(primary(111), person(0), "the first");
    let name = |number: u128| bench.dataverse.row("account", number)["address1_primarycontactname"].clone();
    assert_eq!((name(111), name(114)), (json!("Eva Maria Berg"), json!("Eva Maria Berg")), "as Business Central does");
    assert_eq!(primary(113), json!(null), "whom the customer chose comes with the customer");
    assert_eq!(primary(114), person(3));
    assert_eq!(primary(122), json!(77), "one that is there stays");

    // Again: nothing is chosen twice. What fails for a while comes again, what is refused leaves the account without one.
    bench.dataverse.put("account", 111, json!({"primarycontactid": null}));
    bench.dataverse.fail(Call::Write, "account", SystemErrorKind::Timeout);
    let mut lost = cases.clone();
    lost[0] = case("the first").source(person_of("CT1")).transferred(named(111)).fails_by(SystemErrorKind::Timeout);
    bench.after_writing(TO, lost).await;
    bench.dataverse.mend();
    bench.dataverse.refuse(111, SystemErrorKind::Refused);
    bench.after_writing(TO, cases).await;
    assert_eq!(primary(111), json!(null));
}

#[tokio::test]
async fn s259_r163_a_new_person_is_the_primary_contact_of_a_customer_without_one_by_its_number() {
    let bench = bench().await;
    bench.dataverse.put("account", 111, json!({"primarycontactid": null}));
    bench.dataverse.put("account", 122, json!({"primarycontactid": 78}));
    bench.business_central.put("Customer", 11, json!({"primaryContactNo": null}));
    bench.business_central.put("Vendor", 22, json!({"primaryContactNo": null}));
    bench.business_central.put("Contact", destination_of(0), json!({"number": "P100"}));
    bench.business_central.put("Contact", destination_of(1), json!({"number": "P101"}));
    let ours = |number| with(&account(number), json!({"bcbi_companyid": COMPANY_ROW}));
    let cases = vec![
        case("a customer's").source(ours(111)).leaves(json!({}), json!({})),
        case("of an account that has another").source(ours(122)).leaves(json!({}), json!({})),
    ];
    bench.after_writing(FROM, cases).await;
    assert_eq!(bench.business_central.row("Customer", 11)["primaryContactNo"], json!("P100"));
    assert_eq!(bench.business_central.row("Vendor", 22)["primaryContactNo"], json!(null));
}

#[tokio::test]
async fn c_213_c_214_a_contact_has_the_coupled_currency_or_the_local_one() {
    const DOLLAR: u64 = 160;
    let bench = bench().await;
    bench.couple("CURRENCY", [pair(60, DOLLAR.into(), "USD")]).await;
    bench.dataverse.put("transactioncurrency", DOLLAR.into(), json!({"isocurrencycode": "USD", "exchangerate": 2}));
    let person = json!({"type": "Person", "firstName": "Eva", "surname": "Berg", "currencyCode": "USD"});
    bench.business_central.put("Contact", 1, with(&person_of("CT1"), person));
    let report = bench.sync(TO, &[1]).await;
    assert_eq!(report.groups[0].outcomes.inserted, 1, "{report:?}");
    let contact = bench.coupling(1).await.expect("coupled").dataverse_id;
    let row = bench.dataverse.row_of("contact", contact.into());
    assert_eq!(row["transactioncurrencyid"]["transactioncurrency"], json!(DOLLAR), "{row}");

    let local = json!({"transactioncurrencyid": u64::try_from(EURO).ok()});
    bench.dataverse.put("contact", contact.0.as_u128(), with(&row, local));
    let report = bench.sync(FROM, &[contact.0.as_u128()]).await;
    assert_eq!(report.groups[0].outcomes.modified, 1, "{report:?}");
    let code = &bench.business_central.row("Contact", 1)["currencyCode"];
    assert_eq!(*code, json!("EUR"), "the page shows a blank code so, and stores this one as blank");
}
