//! The hooks that none of the mappings uses yet, by rules that stand in for theirs.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use couplet_model::decision::TransferredField;
use couplet_model::message::Direction;
use couplet_model::system::{Action, SystemErrorKind};
use couplet_model::{RecordId, Side, SystemError};
use jiff::SignedDuration;
use parking_lot::Mutex;
use serde_json::json;

use crate::bench::{Bench, Call, Results};
use crate::error::EngineError;
use crate::failpoints::Failpoint;
use crate::mappings::rules::{
    Actions, AfterWrite, Attempted, BatchRules, BeforeWrite, Context, MappingRules, Obstacle, OnDeletion, Transferring,
};
use crate::ports::{BatchReport, Disposition};

const TO: Direction = Direction::ToDataverse;

/// Rules that stand in for those of a document: drafts stay where they are, a locked one cannot be written, and every
/// written one is closed.
#[derive(Clone, Default)]
struct Documents {
    deletion: OnDeletion,
    /// Why a locked record cannot be written.
    lock: Option<SystemErrorKind>,
    closes: bool,
    /// Whether actions of which no end is known have happened.
    has_happened: Arc<Mutex<bool>>,
    /// The records that were looked for.
    looked_for: Arc<Mutex<Vec<RecordId>>>,
}

#[async_trait]
impl MappingRules for Documents {
    fn on_deletion(&self, _: Direction) -> OnDeletion {
        self.deletion
    }

    async fn prepare(&self, _: Context<'_>, _: &[Transferring<'_>]) -> Result<Box<dyn BatchRules>, EngineError> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl BatchRules for Documents {
    fn admit(&self, record: Transferring<'_>) -> Result<(), Obstacle> {
        match record.source.get("displayName").as_text() {
            Some("Draft") => Err(Obstacle::Ignore("a draft stays where it is".to_owned())),
            _ => Ok(()),
        }
    }

    fn adjust(&self, _: Transferring<'_>, _: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        Ok(())
    }

    async fn before_write(&self, context: Context<'_>, records: &mut [BeforeWrite<'_>]) {
        for record in records {
            let is_new =
                record.destination.is_none() && record.values.is_some_and(|values| values.contains_key("name"));
            let is_locked = is_new && record.source.get("displayName").as_text() == Some("Locked");
            if let Some(kind) = self.lock.clone().filter(|_| is_locked) {
                record.ready = Err(SystemError::new(context.direction.destination(), kind, "", "it is locked"));
            }
        }
    }

    fn actions(&self) -> Option<&dyn Actions> {
        self.closes.then_some(self)
    }
}

#[async_trait]
impl Actions for Documents {
    fn wanted(&self, record: &AfterWrite<'_>) -> Option<Action> {
        let parameters = couplet_model::record::Values::new();
        Some(Action { record: record.destination, name: "Close".to_owned(), parameters })
    }

    async fn happened(&self, _: Context<'_>, records: &[Attempted<'_>]) -> Result<Vec<bool>, EngineError> {
        for record in records {
            assert_eq!((record.intent.action.as_str(), record.intent.side), ("Close", Side::Dataverse));
            assert!(!record.source.get("displayName").is_null());
            self.looked_for.lock().push(record.destination);
        }
        let has_happened = *self.has_happened.lock();
        Ok(records.iter().map(|_| has_happened).collect())
    }
}

async fn bench(rules: Documents, names: &[&str]) -> Bench {
    let bench = Bench::of("CUSTOMER").await.ruled_by(rules);
    for (number, name) in (1..).zip(names) {
        let customer = json!({"number": format!("C{number}"), "displayName": name, "blocked": " "});
        bench.business_central.put("Customer", number, customer);
    }
    bench
}

async fn account_of(bench: &Bench, customer: u128) -> RecordId {
    bench.coupling(customer).await.expect("a coupling").dataverse_id.into()
}

fn done(report: &BatchReport) -> Vec<bool> {
    report.dispositions.iter().map(|disposition| *disposition == Disposition::Done).collect()
}

#[tokio::test]
async fn a_record_that_a_rule_keeps_back_is_ignored() {
    let bench = bench(Documents::default(), &["Draft", "Adatum"]).await;
    let report = bench.sync(TO, &[1, 2]).await;
    let outcomes = report.groups[0].outcomes;
    assert_eq!((done(&report), outcomes.ignored, outcomes.inserted), (vec![true, true], 1, 1));
    assert_eq!((bench.coupling(1).await, bench.dataverse.ids("account").len()), (None, 1));
}

#[tokio::test]
async fn a_record_that_cannot_be_made_ready_is_not_written_and_its_neighbour_is() {
    for (kind, is_done) in [(SystemErrorKind::Refused, true), (SystemErrorKind::Timeout, false)] {
        let rules = Documents { lock: Some(kind.clone()), ..Documents::default() };
        let bench = bench(rules, &["Locked", "Adatum"]).await;
        let report = bench.sync(TO, &[1, 2]).await;
        let outcomes = report.groups[0].outcomes;
        assert_eq!((done(&report), outcomes.inserted), (vec![is_done, true], 1), "{kind:?}");
        assert_eq!(outcomes.failed, u64::from(is_done), "{kind:?}");
        assert_eq!(bench.dataverse.ids("account").len(), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn an_action_without_a_known_end_is_looked_for_before_it_is_asked_for_again() {
    for (has_happened, lost) in
        [(true, None), (false, None), (true, Some(Results::TooFew)), (false, Some(Results::TooMany))]
    {
        let rules = Documents { closes: true, ..Documents::default() };
        let bench = bench(rules.clone(), &["Adatum"]).await;
        bench.sync(TO, &[1]).await;
        let account = account_of(&bench, 1).await;
        assert_eq!(bench.dataverse.take_actions(), [("Close".to_owned(), account)]);
        let acting = || async { bench.coupling(1).await.expect("a coupling").acting };
        assert_eq!(acting().await, None);

        match lost {
            Some(results) => bench.dataverse.give(results),
            None => bench.dataverse.fail(Call::Act, "account", SystemErrorKind::Timeout),
        }
        assert_eq!(done(&bench.sync(TO, &[1]).await), [false]);
        assert_eq!(acting().await.expect("an intent").action, "Close");
        assert!(rules.looked_for.lock().is_empty(), "what ended is not looked for");
        bench.dataverse.mend();
        bench.dataverse.take_actions();

        *rules.has_happened.lock() = has_happened;
        assert_eq!(done(&bench.sync(TO, &[1]).await), [true]);
        assert_eq!(*rules.looked_for.lock(), [account]);
        assert_eq!(bench.dataverse.take_actions().len(), usize::from(!has_happened), "{has_happened} {lost:?}");
        assert_eq!(acting().await, None);
    }
}

#[tokio::test]
async fn an_action_that_is_refused_fails_its_record_and_leaves_no_intent() {
    let rules = Documents { closes: true, ..Documents::default() };
    let bench = bench(rules, &["Adatum", "Trey"]).await;
    bench.sync(TO, &[1, 2]).await;
    bench.dataverse.take_actions();
    bench.dataverse.refuse(account_of(&bench, 1).await.0.as_u128(), SystemErrorKind::Refused);
    let report = bench.sync(TO, &[1, 2]).await;
    let outcomes = report.groups[0].outcomes;
    assert_eq!((done(&report), outcomes.failed, outcomes.total()), (vec![true, true], 1, 2));
    assert_eq!(bench.dataverse.take_actions(), [("Close".to_owned(), account_of(&bench, 2).await)]);
    assert_eq!(bench.coupling(1).await.expect("a coupling").acting, None);
}

#[tokio::test]
async fn what_becomes_of_the_partner_of_a_deleted_record_is_for_the_rules() {
    let refused = Some(SystemErrorKind::Refused);
    let timeout = Some(SystemErrorKind::Timeout);
    let gone = Some(SystemErrorKind::NotFound);
    // Rule, what the partner answers, whether the message is done, whether the partner and the coupling are there after it.
    for (deletion, answer, is_done, partner, coupled) in [
        (OnDeletion::AsTheMappingSays, None, true, true, true),
        (OnDeletion::Stay, None, true, true, true),
        (OnDeletion::Uncouple, None, true, true, false),
        (OnDeletion::DeletePartner, None, true, false, false),
        (OnDeletion::DeletePartner, gone, true, true, false),
        (OnDeletion::DeletePartner, refused, true, true, true),
        (OnDeletion::DeletePartner, timeout, false, true, true),
    ] {
        let bench = bench(Documents { deletion, ..Documents::default() }, &["Adatum"]).await;
        bench.sync(TO, &[1]).await;
        let account = account_of(&bench, 1).await;
        bench.business_central.delete("Customer", 1);
        let case = format!("{deletion:?} {answer:?}");
        if let Some(kind) = answer {
            bench.dataverse.refuse(account.0.as_u128(), kind);
        }
        let report = bench.sync(TO, &[1]).await;
        assert_eq!(done(&report), [is_done], "{case}: {:?}", report.dispositions);
        let after = (bench.dataverse.has("account", account), bench.coupling(1).await.is_some());
        assert_eq!(after, (partner, coupled), "{case}");
    }
}

#[tokio::test]
async fn a_process_that_dies_around_an_action_leaves_a_doubt_that_is_ended_before_it_happens_twice() {
    for (fatal, has_happened) in Failpoint::OF_ACTIONS.into_iter().zip([false, true]) {
        let rules = Documents { closes: true, ..Documents::default() };
        let bench = bench(rules.clone(), &["Adatum"]).await;
        let dying = bench.another_process(Some(fatal));
        assert_eq!(done(&bench.sync_by(&dying, TO, &[1]).await), [false], "{fatal:?}: it died");
        assert_eq!(bench.coupling(1).await.expect("a pair").acting.expect("an intent").action, "Close");
        *rules.has_happened.lock() = has_happened;
        let next = bench.another_process(None);
        assert_eq!(done(&bench.sync_by(&next, TO, &[1]).await), [true], "{fatal:?}");
        assert_eq!(bench.dataverse.take_actions().len(), 1, "{fatal:?}: it happened once");
        assert_eq!((rules.looked_for.lock().len(), bench.dataverse.ids("account").len()), (1, 1), "{fatal:?}");
        assert_eq!(bench.coupling(1).await.expect("a pair").acting, None, "{fatal:?}");
    }
}

#[tokio::test]
async fn rows_that_dataverse_gives_their_ids_are_made_once_although_their_worker_dies() {
    let deaths = [Failpoint::Claimed, Failpoint::Written, Failpoint::AfterWrite].map(Some);
    for fatal in [None].into_iter().chain(deaths) {
        let bench = bench(Documents::default(), &["Adatum", "Trey"]).await;
        bench.dataverse.take_ids(false);
        let report = bench.sync_by(&bench.another_process(fatal), TO, &[1, 2]).await;
        assert_eq!(done(&report), [fatal.is_none(); 2], "{fatal:?}");
        // What the dead process was creating may still be under way, and is looked for when it must be there.
        bench.pass(SignedDuration::from_mins(4));
        assert_eq!(done(&bench.sync_by(&bench.another_process(None), TO, &[1, 2]).await), [true; 2], "{fatal:?}");
        let rows = bench.dataverse.ids("account");
        assert_eq!(rows.len(), 2, "{fatal:?}: {rows:?}");
        for customer in [1, 2] {
            assert!(rows.contains(&account_of(&bench, customer).await), "{fatal:?}: {customer} leads to a row");
            assert_eq!(bench.coupling(customer).await.expect("a pair").intent, None, "{fatal:?}");
        }
    }
}

#[tokio::test]
async fn a_pair_that_moved_to_its_own_id_is_free_when_its_message_goes_back() {
    let bench = Bench::of("CUSTOMER").await;
    bench.business_central.take_ids(false);
    bench.dataverse.put("account", 1, json!({"name": "Adatum", "statecode": 0, "customertypecode": 3}));
    // The account cannot be given to the company just now, which follows the creation of its customer.
    bench.dataverse.fail(Call::Write, "account", SystemErrorKind::Timeout);
    assert_eq!(done(&bench.sync(Direction::FromDataverse, &[1]).await), [false]);
    let customers = bench.business_central.ids("Customer");
    assert_eq!(customers.len(), 1, "it was created");
    let pair = bench.coupling(customers[0].0.as_u128()).await.expect("its pair");
    assert_eq!((pair.claimed_until, pair.claimed_by), (None, None));
    bench.dataverse.mend();
    assert_eq!(done(&bench.sync(Direction::FromDataverse, &[1]).await), [true], "nobody holds it");
    assert_eq!(bench.business_central.ids("Customer").len(), 1);
}

#[tokio::test]
async fn a_write_that_is_known_to_have_failed_is_expected_no_more_when_its_message_goes_back() {
    let bench = bench(Documents::default(), &["Adatum"]).await;
    bench.sync(TO, &[1]).await;
    let account = account_of(&bench, 1).await;
    bench.business_central.put("Customer", 1, json!({"number": "C1", "displayName": "Trey", "blocked": " "}));
    bench.dataverse.refuse(account.0.as_u128(), SystemErrorKind::Forbidden);
    assert_eq!(done(&bench.sync(TO, &[1]).await), [false]);
    let pair = bench.coupling(1).await.expect("a pair");
    assert_eq!((pair.pending.len(), pair.claimed_until), (0, None), "nothing of it is under way");
}

#[tokio::test]
async fn a_record_of_which_a_part_was_written_keeps_its_pair_when_a_later_part_fails() {
    let bench = Bench::of("CUSTOMER").await;
    let customer = json!({
        "number": "C1", "displayName": "Adatum", "blocked": " ", "addressLine1": "Road 1", "city": "Oslo",
        "postalCode": "0150", "email": "a@a.com", "phoneNumber": "1", "website": "a.com",
    });
    bench.business_central.put("Customer", 1, customer);
    // The last two columns: everything else is written first, then each of the two alone.
    bench.dataverse.refuse_column("telephone1", SystemErrorKind::Refused);
    bench.dataverse.refuse_column("websiteurl", SystemErrorKind::TooLarge);
    let report = bench.sync(TO, &[1]).await;
    assert_eq!((done(&report), report.groups[0].outcomes.failed), (vec![true], 1), "{:?}", report.dispositions);
    let [account] = bench.dataverse.ids("account")[..] else { panic!("one account was made") };
    assert_eq!(account_of(&bench, 1).await, account, "the account that stands there is not forgotten");
    // An attempt that finishes what an earlier one made, and is refused the same part, writes nothing.
    for _ in 0..2 {
        assert_eq!(bench.sync(TO, &[1]).await.groups[0].outcomes.failed, 1);
        assert_eq!(account_of(&bench, 1).await, account, "however often it fails");
    }
    bench.dataverse.mend();
    assert_eq!(done(&bench.sync(TO, &[1]).await), [true]);
    assert_eq!(bench.dataverse.ids("account"), [account]);
    let row = bench.dataverse.row_of("account", account);
    assert_eq!((&row["telephone1"], &row["websiteurl"]), (&json!("1"), &json!("a.com")));
}

#[tokio::test]
async fn a_create_that_may_still_happen_keeps_its_claim_and_any_other_record_that_goes_back_is_free() {
    for (kind, is_kept) in [
        (SystemErrorKind::Timeout, true),
        (SystemErrorKind::Outage, true),
        (SystemErrorKind::Throttled(Duration::from_secs(7)), false),
        (SystemErrorKind::Forbidden, false),
    ] {
        let bench = bench(Documents::default(), &["Adatum"]).await;
        bench.dataverse.take_ids(false);
        bench.dataverse.fail(Call::Write, "account", kind.clone());
        let report = bench.sync(TO, &[1]).await;
        assert_eq!(done(&report), [false], "{kind:?}");
        assert_eq!(report.groups[0].outages, u64::from(kind == SystemErrorKind::Outage), "{kind:?}");
        let pair = bench.coupling(1).await.expect("a reservation");
        assert_eq!(pair.claimed_until.is_some(), is_kept, "{kind:?}");
    }
}
