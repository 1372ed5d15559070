//! Whom a user becomes in Business Central, case by case.

use couplet_model::Switches;
use couplet_model::message::Direction;
use couplet_model::switches::Ownership;
use couplet_model::system::SystemErrorKind;
use serde_json::json;

use super::codes_after;
use crate::bench::{Bench, Call, case};
use crate::error::EngineError;

const FROM: Direction = Direction::FromDataverse;

/// Salespeople travel where records belong to persons.
async fn bench() -> Bench {
    Bench::with("SALESPEOPLE", Switches { ownership: Ownership::Person, ..Switches::default() }).await
}

#[test]
fn c_237_new_salespeople_get_different_codes_after_the_last_one() {
    let first: Vec<String> = codes_after(["JO", "LM"].into_iter()).take(2).collect();
    assert_eq!(first, ["SP NO. 00001", "SP NO. 00002"]);
    let next = codes_after(["SP NO. 00041", "SP NO. 00007", "SP NO. X"].into_iter()).next();
    assert_eq!(next.as_deref(), Some("SP NO. 00042"));
}

#[tokio::test]
async fn a_user_is_the_salesperson_of_the_same_address_or_else_of_the_same_name() {
    let bench = bench().await;
    for (number, name, email) in [
        (1, "Jo Berry", Some("jo@x.com")),
        (2, "Lina Townsend", None),
        (3, "Peter Saddow", Some("peter@x.com")),
        (4, "Twin", None),
        (5, "Twin", None),
        (6, "Shared A", Some("shared@x.com")),
        (7, "Shared B", Some("shared@x.com")),
    ] {
        bench.business_central.put("Salesperson/Purchaser", number, json!({"displayName": name, "email": email}));
    }
    let user = |email: Option<&str>, name: &str| json!({"internalemailaddress": email, "fullname": name});
    let cases = vec![
        case("the address").source(user(Some("JO@x.com "), "Josephine")).finds(1),
        case("the name of one without an address").source(user(Some("lina@x.com"), "lina townsend")).finds(2),
        case("the name alone").source(user(None, "Lina Townsend")).finds(2),
        case("the name of one with another address").source(user(Some("p@x.com"), "Peter Saddow")).finds_nobody(),
        case("a name that two have").source(user(None, "Twin")).finds_nobody(),
        case("an address that two have").source(user(Some("shared@x.com"), "Shared A")).finds_nobody(),
        case("neither address nor name").source(json!({"internalemailaddress": null, "fullname": null})).finds_nobody(),
        case("nobody").source(user(Some("new@x.com"), "New")).finds_nobody(),
    ];
    bench.finds(FROM, cases).await;
    let calls = bench.business_central.take_calls();
    assert_eq!(calls, ["find Salesperson/Purchaser"; 2], "one read by address and one by name for all");
}

#[tokio::test]
async fn r160_new_salespeople_get_codes_of_their_own_and_those_that_are_there_keep_theirs() {
    let bench = bench().await;
    bench.business_central.put("Salesperson/Purchaser", 1, json!({"code": "SP NO. 00007"}));
    let there = || case("one that is there").destination(json!({"code": "JO"})).gives(json!({}));
    let cases = vec![
        case("the first new one").gives(json!({})).and_at_first(json!({"code": "SP NO. 00008"})),
        there(),
        case("the second").gives(json!({})).and_at_first(json!({"code": "SP NO. 00009"})),
    ];
    bench.adjusts(FROM, cases).await;
    assert_eq!(bench.business_central.take_calls(), ["find Salesperson/Purchaser"]);
    bench.adjusts(FROM, vec![there()]).await;
    assert!(bench.business_central.take_calls().is_empty(), "codes are read for new salespeople only");
}

#[tokio::test]
async fn without_the_codes_in_use_no_new_one_is_made_up() {
    let bench = bench().await;
    bench.dataverse.put("systemuser", 1, json!({"fullname": "New"}));
    let failure = SystemErrorKind::Timeout;
    bench.business_central.fail(Call::Find, "Salesperson/Purchaser", failure);
    let user = bench.record(FROM.source(), 1, &json!({"fullname": "New"}));
    let found = bench.mapping.rules.find_existing(bench.context(FROM), &[&user]).await;
    assert!(matches!(found, Err(EngineError::System(_))));
    let new = super::Transferring { source: &user, destination: None, creating: true, base: None, lines: &[] };
    let prepared = bench.mapping.rules.prepare(bench.context(FROM), &[new]).await;
    assert!(matches!(prepared, Err(EngineError::System(_))));
}
