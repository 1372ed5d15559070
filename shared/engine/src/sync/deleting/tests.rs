//! What becomes of a pair of which one record was deleted, by the rules of the mappings.

use couplet_model::catalogue::DeletionRule;
use couplet_model::message::Direction;
use couplet_model::switches::Ownership;
use couplet_model::system::SystemErrorKind;
use couplet_model::{Coupling, RecordId, Side, Switches, SystemError};
use serde_json::json;

use crate::bench::{Bench, COMPANY_ROW, id, pair, pair_with, with};
use crate::error::EngineError;
use crate::mappings::rules::{
    AfterDeletion, BatchRules, Context, DELETED, MappingRules, NothingSpecial, OnDeletion, SourceDeleted, Transferring,
};
use crate::ports::Disposition;

const TO: Direction = Direction::ToDataverse;
const FROM: Direction = Direction::FromDataverse;

/// A customer and an account that were synchronized, under a deletion rule.
async fn pair_under(rule: DeletionRule) -> (Bench, RecordId) {
    let bench = Bench::of("CUSTOMER").await.deleting_by(rule);
    let customer = json!({"number": "C1", "displayName": "Adatum", "blocked": " "});
    bench.business_central.put("Customer", 1, customer);
    bench.sync(TO, &[1]).await;
    let account = bench.coupling(1).await.expect("a coupling").dataverse_id.into();
    (bench, account)
}

async fn failure(bench: &Bench, direction: Direction) -> Option<String> {
    let store = bench.engine.store();
    let failures = store.failures(crate::bench::COMPANY, &bench.mapping.name, direction).await.expect("a store");
    failures.first().map(|failure| failure.message.clone())
}

fn number(record: RecordId) -> u128 {
    record.0.as_u128()
}

#[tokio::test]
async fn r64_r85_an_account_that_is_gone_fails_with_its_customer_named_and_stays_coupled() {
    let (bench, account) = pair_under(DeletionRule::None).await;
    bench.dataverse.delete("account", number(account));
    for _ in 0..2 {
        let report = bench.sync(FROM, &[number(account)]).await;
        assert!(matches!(report.dispositions[..], [Disposition::Done]), "{:?}", report.dispositions);
        assert_eq!(report.groups[0].outcomes.failed, 1);
    }
    let message = failure(&bench, FROM).await.expect("somebody is told");
    assert!(message.contains("the customer C1 in Business Central is coupled to it (EE12)"), "{message}");
    assert!(bench.coupling(1).await.is_some() && bench.business_central.has("Customer", id(1)));

    // Once the customer is deleted as well nothing is left to be told, and the coupling goes (D2).
    bench.business_central.delete("Customer", 1);
    bench.sync(FROM, &[number(account)]).await;
    assert_eq!((bench.coupling(1).await.is_some(), failure(&bench, FROM).await), (false, None));
}

#[tokio::test]
async fn r64_r85_a_customer_that_is_gone_fails_with_its_account_named() {
    let (bench, account) = pair_under(DeletionRule::None).await;
    bench.business_central.delete("Customer", 1);
    assert_eq!(bench.sync(TO, &[1]).await.groups[0].outcomes.failed, 1);
    let message = failure(&bench, TO).await.expect("somebody is told");
    assert!(message.contains("the account Adatum in Dataverse is coupled to it (EE12)"), "{message}");
    assert!(bench.dataverse.has("account", account));
}

#[tokio::test]
async fn r86_a_deleted_record_is_created_again_where_the_mapping_restores() {
    let (bench, account) = pair_under(DeletionRule::Restore).await;
    bench.dataverse.delete("account", number(account));
    assert_eq!(bench.sync(FROM, &[number(account)]).await.groups[0].outcomes.failed, 0);
    assert!(bench.coupling(1).await.is_some(), "the pair stays until the customer has travelled");
    assert_eq!(bench.sent(), [(TO, id(1), true)], "the customer travels, and is compared although nothing changed");
    let report = bench.sync(TO, &[1]).await;
    assert_eq!(report.groups[0].outcomes.inserted, 1);
    assert_eq!(bench.dataverse.ids("account").len(), 1);
}

#[tokio::test]
async fn r87_a_deleted_record_is_uncoupled_where_the_mapping_says_so() {
    let (bench, account) = pair_under(DeletionRule::RemoveCoupling).await;
    bench.dataverse.delete("account", number(account));
    assert_eq!(bench.sync(FROM, &[number(account)]).await.groups[0].outcomes.unchanged, 1);
    assert!(bench.coupling(1).await.is_none() && bench.business_central.has("Customer", id(1)));
}

#[tokio::test]
async fn a_partner_that_is_gone_is_not_made_again_where_the_mapping_keeps_pairs_unless_its_system_was_restored() {
    for is_known in [false, true] {
        let (bench, account) = pair_under(DeletionRule::Keep).await;
        bench.business_central.delete("Customer", 1);
        let row = bench.dataverse.row_of("account", account);
        bench.dataverse.put("account", number(account), with(&row, json!({"telephone1": "1"})));
        for _ in 0..if is_known { 2 } else { 0 } {
            assert_eq!(bench.sync_in_full(FROM, &[number(account)]).await.groups[0].outcomes.ignored, 1);
        }
        let mut message = bench.message(bench.run().await, FROM, number(account));
        message.options.precedence = couplet_model::message::Precedence::SourceRestoring;
        let again = vec![crate::ports::Delivery { message, receive_count: 1 }];
        let outcomes = bench.engine.sync_batch(again).await.groups[0].outcomes;
        assert_eq!(outcomes.inserted, u64::from(!is_known), "{outcomes:?}");
        assert!(bench.dataverse.has("account", account) && bench.coupling(1).await.is_some());
    }
}

#[tokio::test]
async fn r87_r88_the_account_that_stays_belongs_to_no_company_any_more() {
    for direction in [TO, FROM] {
        let (bench, account) = pair_under(DeletionRule::RemoveCoupling).await;
        let company = || bench.dataverse.row_of("account", account)["bcbi_companyid"].clone();
        assert_eq!(company(), json!(u64::try_from(COMPANY_ROW).ok()));
        bench.business_central.delete("Customer", 1);
        let record = if direction == TO { 1 } else { number(account) };
        if direction == FROM {
            let row = bench.dataverse.row_of("account", account);
            bench.dataverse.put("account", number(account), with(&row, json!({"telephone1": "1"})));
        }
        bench.dataverse.refuse(number(account), SystemErrorKind::Refused);
        assert_eq!(bench.sync(direction, &[record]).await.groups[0].outcomes.failed, 1, "R88, {direction}");
        assert!(bench.coupling(1).await.is_some());
        bench.dataverse.mend();
        assert_eq!(bench.sync(direction, &[record]).await.groups[0].outcomes.unchanged, 1, "{direction}");
        assert_eq!((bench.coupling(1).await.is_some(), company()), (false, json!(null)), "{direction}");
    }
}

#[tokio::test]
async fn r87_an_account_that_is_also_a_vendors_stays_with_the_company() {
    for direction in [TO, FROM] {
        let (bench, account) = pair_under(DeletionRule::RemoveCoupling).await;
        bench.couple("VENDOR", [pair_with(5, account, "V1")]).await;
        bench.business_central.delete("Customer", 1);
        let record = if direction == TO { 1 } else { number(account) };
        if direction == FROM {
            let row = bench.dataverse.row_of("account", account);
            bench.dataverse.put("account", number(account), with(&row, json!({"telephone1": "1"})));
        }
        assert_eq!(bench.sync(direction, &[record]).await.groups[0].outcomes.unchanged, 1, "{direction}");
        let company = bench.dataverse.row_of("account", account)["bcbi_companyid"].clone();
        let ours = json!(u64::try_from(COMPANY_ROW).ok());
        assert_eq!((bench.coupling(1).await.is_some(), company), (false, ours), "{direction}");
    }
}

#[tokio::test]
async fn a_deleted_record_that_is_skipped_or_only_reserved_is_no_case_for_the_rule() {
    for special in [
        |pair: Coupling| Coupling { skipped: true, ..pair },
        |pair: Coupling| Coupling { state: couplet_model::CouplingState::Reserved, ..pair },
    ] {
        let bench = Bench::of("CUSTOMER").await;
        bench.business_central.put("Customer", 1, json!({"number": "C1", "displayName": "Adatum", "blocked": " "}));
        bench.couple("CUSTOMER", [special(pair(1, 2, "C1"))]).await;
        let report = bench.sync(FROM, &[2]).await;
        assert_eq!((report.groups[0].outcomes.failed, failure(&bench, FROM).await), (0, None));
        assert!(bench.coupling(1).await.is_some());
    }
}

#[tokio::test]
async fn r92_s265_a_user_whose_salesperson_was_deleted_is_coupled_no_more() {
    let switches = Switches { ownership: Ownership::Person, ..Switches::default() };
    let bench = Bench::with("SALESPEOPLE", switches).await;
    let user = json!({
        "fullname": "Eva Berg", "internalemailaddress": "eva@example.com", "isdisabled": false,
        "islicensed": true, "isintegrationuser": false,
    });
    bench.dataverse.put("systemuser", 1, user);
    bench.couple("SALESPEOPLE", [pair(2, 1, "EB")]).await;
    let report = bench.sync(FROM, &[1]).await;
    let outcomes = report.groups[0].outcomes;
    assert_eq!((outcomes.failed, outcomes.unchanged, bench.coupling(2).await.is_some()), (0, 1, false));
    assert!(!bench.dataverse.ids("systemuser").is_empty());
}

/// Rules that say themselves what becomes of each partner.
struct Saying;

#[async_trait::async_trait]
impl MappingRules for Saying {
    fn on_deletion(&self, _: Direction) -> OnDeletion {
        OnDeletion::AsTheRulesDo
    }

    async fn source_deleted(&self, _: Context<'_>, records: &mut [SourceDeleted<'_>]) -> Result<(), EngineError> {
        for record in records {
            record.end = match record.coupling.key.as_deref() {
                Some("C1") => Ok(AfterDeletion::Uncoupled { is_change: true }),
                Some("C2") => Ok(AfterDeletion::Uncoupled { is_change: false }),
                Some("C3") => Ok(AfterDeletion::Kept),
                _ => Err(SystemError::new(Side::Dataverse, SystemErrorKind::Refused, "", "not now".to_owned())),
            };
        }
        Ok(())
    }

    async fn prepare(&self, _: Context<'_>, _: &[Transferring<'_>]) -> Result<Box<dyn BatchRules>, EngineError> {
        Ok(Box::new(NothingSpecial))
    }
}

#[tokio::test]
async fn rules_say_in_bulk_which_pairs_of_deleted_records_end_and_which_are_kept_with_a_mark() {
    let bench = Bench::of("CUSTOMER").await.ruled_by(Saying);
    bench.couple("CUSTOMER", (1..=4).map(|number| pair(number, 100 + number, &format!("C{number}")))).await;
    let report = bench.sync(TO, &[1, 2, 3, 4]).await;
    let outcomes = &report.groups[0].outcomes;
    assert_eq!((outcomes.modified, outcomes.unchanged, outcomes.ignored, outcomes.failed), (1, 1, 1, 1), "{report:?}");
    assert!(bench.coupling(1).await.is_none() && bench.coupling(2).await.is_none());
    assert!(bench.coupling(3).await.is_some_and(|kept| kept.related.contains_key(DELETED)));
    assert!(failure(&bench, TO).await.is_some_and(|message| message.contains("not now")), "it is tried again");
    // What was kept is not asked about again.
    let report = bench.sync(TO, &[3]).await;
    assert_eq!(report.groups[0].outcomes.ignored, 1, "{report:?}");
    assert!(bench.coupling(3).await.is_some());
}
