//! The fields that people name.

use couplet_model::message::Direction;
use couplet_model::request::{Chosen, Want};

use couplet_model::Switches;
use couplet_model::switches::Ownership;

use super::*;
use crate::bench::Bench;

fn by(text: &str) -> MatchChoices {
    MatchChoices { by: Some(text.to_owned()), ..MatchChoices::default() }
}

#[tokio::test]
async fn r188_r189_r191_fields_are_named_by_either_side_and_what_cannot_be_compared_is_refused() {
    let bench = Bench::of("CUSTOMER").await;
    for (text, expected) in [
        ("number", "number=accountnumber"),
        ("number,name", "number=accountnumber|displayName=name"),
        ("displayName", "displayName=name"),
        ("NAME + City, Phone No.", "displayName=name+city=address1_city|phoneNumber=telephone1"),
        ("email = emailaddress2", "email=emailaddress2"),
        ("credit limit (lcy)", "creditLimit=creditlimit"),
        ("nmae", "has no field \"nmae\" on both sides: name one of each as FIELD=COLUMN, or choose among displayName"),
        ("", "has no field \"\" on both sides"),
        ("number=nothing", "account of Dataverse has no field \"nothing\" here"),
        ("currencyCode", "CUSTOMER cannot be matched so: currencyCode of Business Central"),
        ("number,number,number,number,number,number,number,number,number", "of at most 8 priorities, not of 9"),
    ] {
        let said = match bench.engine.matching(&bench.mapping.name, &by(text)) {
            Ok((_, Chosen::Uncoupled(priorities))) => {
                let pair = |pair: &MatchPair| format!("{}={}", pair.business_central, pair.dataverse);
                let all = |pairs: &Vec<MatchPair>| pairs.iter().map(pair).collect::<Vec<_>>().join("+");
                priorities.iter().map(all).collect::<Vec<_>>().join("|")
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => error.to_string(),
        };
        assert!(said == expected || said.contains(expected) && expected.contains(' '), "{text}: {said}");
    }
    let none = bench.engine.matching(&bench.mapping.name, &MatchChoices::default()).expect_err("refused").to_string();
    assert!(
        none.contains("choose the fields for match-based coupling of CUSTOMER (EE35): name them with --by"),
        "{none}"
    );
}

#[tokio::test]
async fn r188_r196_unit_groups_are_matched_by_their_code_and_units_by_their_job_alone() {
    let in_groups = || Switches { unit_groups: true, ..Switches::default() };
    let bench = Bench::with("UNIT GROUP", in_groups()).await;
    let (_, of) = bench.engine.matching(&bench.mapping.name, &MatchChoices::default()).expect("a request");
    let code = MatchPair { business_central: "code".into(), dataverse: "name".into(), case_sensitive: false };
    assert_eq!(of, Chosen::Uncoupled(vec![vec![code]]), "the flagged row names another field");
    let bench = Bench::with("ITEM UOM", in_groups()).await;
    let refused = bench.engine.matching(&bench.mapping.name, &MatchChoices::default()).expect_err("refused");
    assert!(refused.to_string().contains("ITEM UOM is not matched by fields: its job finds the unit"), "{refused}");
}

#[tokio::test]
async fn d10_r197_r198_r199_what_follows_is_a_setting_of_the_mapping_unless_the_person_says_otherwise() {
    let to = Some(Direction::ToDataverse);
    let from = Some(Direction::FromDataverse);
    let open = MatchChoices::default;
    let by_person = || Switches { ownership: Ownership::Person, ..Switches::default() };
    for (mapping, choices, synchronize, create) in [
        ("CURRENCY", open(), to, true),
        ("CURRENCY", MatchChoices { synchronize: Some(false), create: Some(false), ..open() }, None, false),
        ("CUSTOMER", by("name"), None, false),
        ("CUSTOMER", MatchChoices { synchronize: Some(true), create: Some(true), ..by("name") }, to, true),
        ("CUSTOMER", MatchChoices { wins: Some(Side::Dataverse), ..by("name") }, from, false),
        ("SALESPEOPLE", MatchChoices { synchronize: Some(true), ..by("email") }, from, false),
    ] {
        let bench = Bench::with(mapping, by_person()).await;
        let (want, _) = bench.engine.matching(&bench.mapping.name, &choices).expect("a request");
        assert_eq!(want, Want::Match { synchronize, create, dry_run: false }, "{mapping} {choices:?}");
    }
    let bench = Bench::with("SALESPEOPLE", by_person()).await;
    let choices = MatchChoices { create: Some(true), ..by("email") };
    let (want, of) = bench.engine.matching(&bench.mapping.name, &choices).expect("a request");
    let refused = bench.engine.ask(&bench.mapping.name, want, of).await.expect_err("refused").to_string();
    assert!(
        refused.contains("SALESPEOPLE does not travel to Dataverse, so that nothing can be created there (R198)"),
        "{refused}"
    );
}
