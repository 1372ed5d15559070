//! Who takes part, and who needs no work, case by case.

use couplet_model::coupling::LastResult;
use couplet_model::message::{Direction, Precedence, SyncOptions};
use couplet_model::outcome::IgnoreReason;
use couplet_model::record::Values;
use couplet_model::{Coupling, CouplingState, Outcome, PendingWrite, RunId};
use serde_json::{Value as Json, json};

use super::{Admission, admit, is_untouched};
use crate::bench::{Bench, COMPANY_ROW, agreed, pair, with, without};

const TO: Direction = Direction::ToDataverse;
const FROM: Direction = Direction::FromDataverse;

fn coupled() -> Coupling {
    pair(2, 1, "10000")
}

#[tokio::test]
async fn a_record_takes_part_if_filter_coupling_and_rules_let_it() {
    let bench = Bench::of("CUSTOMER").await;
    let filter = bench.installation().filter(&bench.mapping, FROM.source()).await.expect("a filter");
    let ours = json!({"statecode": 0, "customertypecode": 3, "bcbi_companyid": COMPANY_ROW});
    let but = |special: Json| with(&ours, special);
    let skipped = Coupling { skipped: true, ..coupled() };
    let create = SyncOptions { create: true, ..SyncOptions::default() };
    let usual = SyncOptions::default();
    let outside = |column: &str| Some(Outcome::Ignored(IgnoreReason::OutsideFilter(column.to_owned())));
    let not_coupled = Some(Outcome::Ignored(IgnoreReason::NotCoupled));
    for (name, record, coupling, options, expected) in [
        ("coupled", ours.clone(), Some(coupled()), usual, None),
        ("new, in a full synchronization", ours.clone(), None, create, None),
        ("new, in an ordinary one", ours.clone(), None, usual, not_coupled),
        ("of no company", but(json!({"bcbi_companyid": null})), None, create, None),
        ("of another company", but(json!({"bcbi_companyid": 999})), None, create, outside("bcbi_companyid")),
        (
            "of another company, coupled",
            but(json!({"bcbi_companyid": 999})),
            Some(coupled()),
            usual,
            outside("bcbi_companyid"),
        ),
        ("no customer", but(json!({"customertypecode": 1})), None, create, outside("customertypecode")),
        ("a vendor by now, and coupled", but(json!({"customertypecode": 11})), Some(coupled()), usual, None),
        ("inactive and new", but(json!({"statecode": 1})), None, create, outside("statecode")),
        (
            "inactive and coupled: the rules know what it means",
            but(json!({"statecode": 1})),
            Some(coupled()),
            usual,
            None,
        ),
        ("a column unknown, new", without(&ours, &["customertypecode"]), None, create, outside("customertypecode")),
        ("a column unknown, coupled", without(&ours, &["customertypecode"]), Some(coupled()), usual, None),
        ("skipped by a person", ours.clone(), Some(skipped.clone()), create, Some(Outcome::Skipped)),
        ("skipped, and outside", but(json!({"customertypecode": 1})), Some(skipped), usual, Some(Outcome::Skipped)),
    ] {
        let record = bench.record(FROM.source(), 1, &record);
        let found = admit(&bench.mapping, &filter, FROM, options, &record, coupling.as_ref());
        assert_eq!(found, expected.map_or(Admission::Process, Admission::Settled), "{name}");
    }
}

#[tokio::test]
async fn a_coupled_item_travels_out_of_its_filter_by_the_block_only() {
    let bench = Bench::of("ITEM-PRODUCT").await;
    let filter = bench.installation().filter(&bench.mapping, TO.source()).await.expect("a filter");
    let blocked = bench.record(TO.source(), 1, &json!({"blocked": true}));
    let usual = SyncOptions::default();
    let coupling = pair(1, 2, "1000");
    assert_eq!(admit(&bench.mapping, &filter, TO, usual, &blocked, Some(&coupling)), Admission::Process);
    let create = SyncOptions { create: true, ..usual };
    let outside = Admission::Settled(Outcome::Ignored(IgnoreReason::OutsideFilter("blocked".to_owned())));
    assert_eq!(admit(&bench.mapping, &filter, TO, create, &blocked, None), outside);
}

#[tokio::test]
async fn a_record_is_untouched_if_all_that_is_known_of_it_was_agreed() {
    let bench = Bench::of("CUSTOMER").await;
    let table = bench.mapping.dataverse.clone();
    let known = json!({"name": "Adatum", "fax": null, "statecode": 0});
    let settled = agreed(coupled(), &table, &known);
    let result = |failure: Option<&str>| LastResult {
        run: RunId(uuid::Uuid::nil()),
        at: jiff::Timestamp::UNIX_EPOCH,
        failure: failure.map(str::to_owned),
    };
    let source = bench.record(FROM.source(), 1, &known);
    let pending = |direction| PendingWrite::new(direction, false, &source, &[], &Values::new());
    let usual = SyncOptions::default();
    let but = |special: Json| with(&known, special);
    let written = {
        // What a write of ours set, and no commit has confirmed.
        let renamed = bench.record(FROM.source(), 1, &but(json!({"name": "Trey"})));
        let field = couplet_model::decision::TransferredField {
            source: None,
            destination: table.column("name").expect("a column").clone(),
            desired: renamed.get("name").clone(),
            travel: couplet_model::decision::Travel::BothWays,
        };
        let mut coupling = settled.clone();
        coupling.expect_write(PendingWrite::new(TO, false, &source, &[field], &renamed.values));
        coupling
    };
    let waiting = {
        let mut coupling = settled.clone();
        coupling.expect_write(pending(FROM));
        coupling
    };
    for (name, record, coupling, options, expected) in [
        ("as it was", known.clone(), Some(settled.clone()), usual, true),
        ("another name", but(json!({"name": "Trey"})), Some(settled.clone()), usual, false),
        ("a blank that was filled", but(json!({"fax": "1"})), Some(settled.clone()), usual, false),
        ("a value that was cleared", but(json!({"name": null})), Some(settled.clone()), usual, false),
        ("a column that the rules watch", but(json!({"statecode": 1})), Some(settled.clone()), usual, false),
        ("a column that nobody watches", but(json!({"description": "x"})), Some(settled.clone()), usual, true),
        ("a column never seen before", but(json!({"telephone1": "1"})), Some(settled.clone()), usual, false),
        ("what is unknown is no work", without(&known, &["name", "statecode"]), Some(settled.clone()), usual, true),
        ("what a write of ours set", but(json!({"name": "Trey"})), Some(written.clone()), usual, true),
        ("what nobody wrote", but(json!({"name": "Other"})), Some(written), usual, false),
        ("a write from it is not confirmed", known.clone(), Some(waiting), usual, false),
        ("not coupled", known.clone(), None, usual, false),
        (
            "only reserved",
            known.clone(),
            Some(Coupling { state: CouplingState::Reserved, ..settled.clone() }),
            usual,
            false,
        ),
        (
            "failed the last time",
            known.clone(),
            Some(Coupling { from_dataverse: Some(result(Some("no"))), ..settled.clone() }),
            usual,
            false,
        ),
        (
            "failed the other way",
            known.clone(),
            Some(Coupling { to_dataverse: Some(result(Some("no"))), ..settled.clone() }),
            usual,
            true,
        ),
        (
            "a full synchronization compares",
            known.clone(),
            Some(settled.clone()),
            SyncOptions { create: true, ..usual },
            false,
        ),
        (
            "and so does one in which a side wins",
            known.clone(),
            Some(settled),
            SyncOptions { precedence: Precedence::Source, ..usual },
            false,
        ),
    ] {
        let record = bench.record(FROM.source(), 1, &record);
        assert_eq!(is_untouched(&bench.mapping, FROM, options, &record, coupling.as_ref()), expected, "{name}");
    }
}

#[tokio::test]
async fn a_currency_is_never_untouched_because_its_rate_is_in_other_rows() {
    let bench = Bench::of("CURRENCY").await;
    let known = json!({"code": "USD", "symbol": "$"});
    let coupling = agreed(pair(1, 2, "USD"), &bench.mapping.business_central, &known);
    let record = bench.record(TO.source(), 1, &known);
    assert!(!is_untouched(&bench.mapping, TO, SyncOptions::default(), &record, Some(&coupling)));
}
