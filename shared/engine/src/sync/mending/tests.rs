//! What becomes of pairs of which one record was deleted, when a person asks for something.

use couplet_model::catalogue::DeletionRule;
use couplet_model::job::Run;
use couplet_model::message::{Direction, Remedy, Wish};
use couplet_model::request::{Chosen, Want};
use couplet_model::system::SystemErrorKind;
use couplet_model::table::Side;
use couplet_model::{Coupling, RecordId, RecordMessage};
use serde_json::json;

use super::{Found, Step, remedies, step};
use crate::bench::{Bench, COMPANY, id, pair};
use crate::failpoints::Failpoint;
use crate::ports::{Delivery, Disposition};

const TO: Direction = Direction::ToDataverse;
const BC: Side = Side::BusinessCentral;

#[test]
fn r94_what_is_done_follows_from_what_is_there() {
    use Remedy::{Delete, Restore, Uncouple};
    use Step::{Do, End, Leave, Refuse, Synchronize, Tell, TheOtherWay};
    let pair = |source, destination| Found { source, destination, comes_back: true, stays: false, is_kept: false };
    let (whole, none, source_gone, destination_gone) =
        (pair(true, true), pair(false, false), pair(false, true), pair(true, false));
    let one_way = |found: Found| Found { comes_back: false, ..found };
    let stays = |found: Found| Found { stays: true, ..found };
    let kept = |found: Found| Found { is_kept: true, ..found };
    for (name, wanted, found, expected) in [
        ("whole again", Some(Restore), whole, Synchronize),
        ("whole again", Some(Delete), whole, Synchronize),
        ("whole again", None, whole, Synchronize),
        ("nothing is left", Some(Restore), none, End),
        ("nothing is left", None, none, End),
        ("told", None, source_gone, Tell),
        ("told from the record that is left", None, destination_gone, Tell),
        ("the rules follow", None, stays(source_gone), Leave),
        ("the rules follow only what they hear of", None, stays(destination_gone), Tell),
        ("people are done with it", None, kept(destination_gone), Leave),
        ("made again from the one that is left", Some(Restore), destination_gone, Do(Restore)),
        ("it travels from the other side", Some(Restore), source_gone, TheOtherWay),
        ("nobody writes there", Some(Restore), one_way(source_gone), Refuse(Restore)),
        ("people are done with it", Some(Restore), kept(destination_gone), Refuse(Restore)),
        ("the one that is left is deleted", Some(Delete), source_gone, Do(Delete)),
        ("it is at the source", Some(Delete), destination_gone, TheOtherWay),
        ("nobody writes there", Some(Delete), one_way(destination_gone), Refuse(Delete)),
        ("the rules say what becomes of it", Some(Delete), stays(source_gone), Refuse(Delete)),
        ("people are done with it", Some(Delete), kept(source_gone), Refuse(Delete)),
        ("ended wherever it is", Some(Uncouple), source_gone, Do(Uncouple)),
        ("ended whatever the rules", Some(Uncouple), kept(stays(one_way(destination_gone))), Do(Uncouple)),
    ] {
        assert_eq!(step(wanted, found), expected, "{name}: {wanted:?} {found:?}");
    }
}

#[tokio::test]
async fn r94_what_can_be_done_follows_from_the_ways_and_the_rules_of_a_mapping() {
    use Remedy::{Delete, Restore, Uncouple};
    for (mapping, gone, expected) in [
        ("CUSTOMER", BC, vec![Restore, Delete, Uncouple]),
        ("CUSTOMER", Side::Dataverse, vec![Restore, Delete, Uncouple]),
        ("CURRENCY", BC, vec![Delete, Uncouple]),
        ("CURRENCY", Side::Dataverse, vec![Restore, Uncouple]),
        ("POSTEDSALESINV-INV", BC, vec![Uncouple]),
        ("POSTEDSALESINV-INV", Side::Dataverse, vec![Restore, Uncouple]),
    ] {
        let bench = Bench::of(mapping).await;
        assert_eq!(remedies(&bench.mapping, gone), expected, "{mapping}, gone from {gone}");
    }
}

/// Customers and accounts that were synchronized; gives the accounts.
async fn coupled(numbers: std::ops::RangeInclusive<u128>) -> (Bench, Vec<RecordId>) {
    let bench = Bench::of("CUSTOMER").await;
    for number in numbers.clone() {
        let row = json!({"number": format!("C{number}"), "displayName": format!("Customer {number}"), "blocked": " "});
        bench.business_central.put("Customer", number, row);
    }
    let all: Vec<u128> = numbers.collect();
    bench.sync(TO, &all).await;
    let mut accounts = Vec::new();
    for number in all {
        accounts.push(bench.coupling(number).await.expect("a pair").dataverse_id.into());
    }
    (bench, accounts)
}

fn one(side: Side, record: RecordId) -> Chosen {
    Chosen::Records(vec![(side, record)])
}

/// Carries out what is asked for, with the messages that follow from it.
async fn mend(bench: &Bench, remedy: Remedy, of: Chosen) -> Run {
    let run = bench.carry_out(Want::Mend(remedy), of).await.id;
    loop {
        let messages = bench.take_messages();
        if messages.is_empty() {
            return bench.stored(run).await;
        }
        deliver(&bench.engine, &messages).await;
    }
}

async fn deliver(engine: &crate::engine::Engine, messages: &[RecordMessage]) -> Vec<Disposition> {
    let deliveries = messages.iter().map(|message| Delivery { message: message.clone(), receive_count: 1 });
    engine.sync_batch(deliveries.collect()).await.dispositions
}

/// The messages of what is asked for.
async fn messages(bench: &Bench, remedy: Remedy, of: Chosen) -> Vec<RecordMessage> {
    bench.engine.ask(&bench.mapping.name, Want::Mend(remedy), of).await.expect("a request");
    bench.engine.work_request(&bench.take_request().expect("a task"), None).await.expect("a store");
    bench.take_messages()
}

async fn gone(bench: &Bench) -> Vec<Option<Side>> {
    let lost = bench.engine.lost_pairs(&bench.mapping.name).await.expect("a store");
    let mut gone: Vec<Option<Side>> = lost.into_iter().map(|pair| Some(pair.gone)).collect();
    gone.sort();
    gone
}

#[tokio::test]
async fn r94_a_deleted_record_is_made_again_whichever_side_it_was_on() {
    let (bench, accounts) = coupled(1..=2).await;
    bench.business_central.delete("Customer", 1);
    bench.dataverse.delete("account", accounts[1].0.as_u128());
    bench.sync(TO, &[1]).await;
    bench.sync_in_full(TO, &[2]).await;
    assert_eq!(gone(&bench).await, [Some(BC), Some(Side::Dataverse)]);
    let run = mend(&bench, Remedy::Restore, Chosen::Deleted).await;
    assert_eq!((run.counters.inserted, run.counters.failed), (2, 0), "{run:?}");
    assert_eq!((bench.business_central.ids("Customer").len(), bench.dataverse.ids("account").len()), (2, 2));
    assert!(gone(&bench).await.is_empty());
    let again = mend(&bench, Remedy::Restore, Chosen::Deleted).await;
    assert_eq!((again.enqueued, again.finished.is_some()), (0, true), "nothing is left to be done");
}

#[tokio::test]
async fn r94_many_records_that_are_made_again_are_no_sign_of_a_restored_system() {
    let (bench, accounts) = coupled(1..=30).await;
    accounts.iter().for_each(|account| bench.dataverse.delete("account", account.0.as_u128()));
    let all = Chosen::Records((1..=30).map(|number| (BC, id(number))).collect());
    let run = mend(&bench, Remedy::Restore, all).await;
    assert_eq!((run.counters.inserted, bench.dataverse.ids("account").len()), (30, 30), "{run:?}");
}

#[tokio::test]
async fn r94_c_087_the_record_that_is_left_is_deleted_with_its_pair_on_either_side() {
    let (bench, accounts) = coupled(1..=3).await;
    bench.business_central.delete("Customer", 1);
    bench.dataverse.delete("account", accounts[1].0.as_u128());
    let chosen = vec![(Side::Dataverse, accounts[0]), (BC, id(2)), (BC, id(3))];
    let run = mend(&bench, Remedy::Delete, Chosen::Records(chosen)).await;
    assert_eq!((run.counters.modified, run.counters.failed), (2, 0), "{run:?}");
    assert_eq!(bench.business_central.ids("Customer"), [id(3)], "the whole pair stays");
    assert_eq!(bench.dataverse.ids("account"), [accounts[2]]);
    assert_eq!((bench.coupling(1).await, bench.coupling(2).await), (None, None));
    assert!(bench.coupling(3).await.is_some());
}

#[tokio::test]
async fn c_089_without_the_right_to_delete_both_stay_and_it_is_told() {
    for kind in [SystemErrorKind::Forbidden, SystemErrorKind::Refused] {
        let (bench, accounts) = coupled(1..=1).await;
        bench.business_central.delete("Customer", 1);
        bench.dataverse.refuse(accounts[0].0.as_u128(), kind.clone());
        let run = mend(&bench, Remedy::Delete, one(BC, id(1))).await;
        assert_eq!((run.counters.failed, run.finished.is_some()), (1, true), "{run:?}");
        assert!(bench.dataverse.has("account", accounts[0]) && bench.coupling(1).await.is_some());
        let told = bench.failure(TO, 1).await;
        let remedy = if kind == SystemErrorKind::Forbidden { "the right to delete it" } else { "by hand" };
        assert!(told.contains("deleting the account Customer 1") && told.contains(remedy), "{told}");
        assert_eq!(gone(&bench).await, [Some(BC)], "it is still listed");
        assert!(bench.coupling(1).await.expect("a pair").claimed_until.is_none(), "nobody holds it");
        // Once it may be deleted, the same is done.
        bench.dataverse.mend();
        let run = mend(&bench, Remedy::Delete, Chosen::Deleted).await;
        assert_eq!((run.counters.modified, bench.coupling(1).await), (1, None), "{run:?}");
    }
}

#[tokio::test]
async fn r94_a_pair_is_ended_and_its_row_belongs_to_no_company() {
    let (bench, accounts) = coupled(1..=1).await;
    bench.business_central.delete("Customer", 1);
    let run = mend(&bench, Remedy::Uncouple, one(Side::Dataverse, accounts[0])).await;
    assert_eq!((run.counters.uncoupled, bench.coupling(1).await), (1, None), "{run:?}");
    assert_eq!(bench.dataverse.row_of("account", accounts[0])["bcbi_companyid"], json!(null));
}

#[tokio::test]
async fn a_pair_that_is_whole_again_is_synchronized_and_one_of_which_nothing_is_left_ends() {
    for remedy in [Remedy::Restore, Remedy::Delete, Remedy::Uncouple] {
        let (bench, accounts) = coupled(1..=2).await;
        let customer = bench.business_central.row("Customer", 1);
        bench.business_central.delete("Customer", 1);
        bench.sync(TO, &[1]).await;
        let sent = messages(&bench, remedy, Chosen::Deleted).await;
        assert_eq!(sent.len(), 1);
        // It came back before the message was worked on.
        bench.business_central.put("Customer", 1, customer);
        deliver(&bench.engine, &sent).await;
        assert!(bench.take_messages().is_empty());
        assert!(bench.coupling(1).await.is_some() && bench.business_central.has("Customer", id(1)), "{remedy:?}");
        assert_eq!(bench.dataverse.ids("account").len(), 2, "{remedy:?}");
        // The one that was left goes as well.
        bench.business_central.delete("Customer", 2);
        bench.dataverse.delete("account", accounts[1].0.as_u128());
        let run = mend(&bench, remedy, one(BC, id(2))).await;
        assert_eq!((run.counters.uncoupled, bench.coupling(2).await), (1, None), "{remedy:?}: {run:?}");
    }
}

#[tokio::test]
async fn r94_what_a_mapping_never_writes_is_neither_made_nor_deleted() {
    let bench = Bench::of("CURRENCY").await;
    bench.business_central.put("Currency", 1, json!({"code": "NOK", "displayName": "Krone"}));
    bench.dataverse.put("transactioncurrency", 12, json!({"isocurrencycode": "SEK"}));
    bench.couple("CURRENCY", [pair(1, 11, "NOK"), pair(2, 12, "SEK")]).await;
    for (remedy, number, problem) in [
        (Remedy::Delete, 1, "nothing is deleted in Business Central"),
        (Remedy::Restore, 2, "is made in Business Central"),
    ] {
        let run = mend(&bench, remedy, one(BC, id(number))).await;
        assert_eq!(run.counters.failed, 1, "{run:?}");
        let told = bench.failure(TO, number).await;
        assert!(told.contains(problem) && told.contains("couplet deleted uncouple \"CURRENCY\""), "{told}");
    }
    assert!(bench.business_central.has("Currency", id(1)));
    assert!(bench.coupling(1).await.is_some() && bench.coupling(2).await.is_some());
}

#[tokio::test]
async fn s170_r94_an_invoice_whose_posted_document_is_gone_is_not_deleted() {
    let bench = Bench::of("POSTEDSALESINV-INV").await;
    bench.dataverse.put("invoice", 11, json!({"name": "INV1"}));
    bench.couple("POSTEDSALESINV-INV", [pair(1, 11, "INV1")]).await;
    let run = mend(&bench, Remedy::Delete, one(BC, id(1))).await;
    assert_eq!(run.counters.failed, 1, "{run:?}");
    assert!(bench.failure(TO, 1).await.contains("the rules of POSTEDSALESINV-INV say what becomes"));
    assert!(bench.dataverse.has("invoice", id(11)) && bench.coupling(1).await.is_some());
}

#[tokio::test]
async fn r114_a_skipped_pair_is_mended_by_its_name() {
    let (bench, accounts) = coupled(1..=2).await;
    bench.carry_out(Want::Skip, Chosen::Coupled).await;
    accounts.iter().for_each(|account| bench.dataverse.delete("account", account.0.as_u128()));
    let run = mend(&bench, Remedy::Restore, one(BC, id(1))).await;
    assert_eq!((run.counters.inserted, run.counters.skipped), (1, 0), "{run:?}");
    assert!(!bench.coupling(1).await.expect("a pair").skipped);
    let run = mend(&bench, Remedy::Delete, one(BC, id(2))).await;
    assert_eq!((run.counters.modified, bench.coupling(2).await), (1, None), "{run:?}");
    assert!(!bench.business_central.has("Customer", id(2)));
}

#[tokio::test]
async fn r94_a_worker_that_dies_after_the_deletion_is_made_up_for_and_twice_is_once() {
    for point in [Some(Failpoint::Parted), Some(Failpoint::Stored), None] {
        let (bench, accounts) = coupled(1..=1).await;
        bench.business_central.delete("Customer", 1);
        let sent = messages(&bench, Remedy::Delete, one(BC, id(1))).await;
        if point.is_some() {
            let ends = deliver(&bench.another_process(point), &sent).await;
            assert!(!matches!(ends[..], [Disposition::Done]), "{point:?}: the message comes again");
            assert!(!bench.dataverse.has("account", accounts[0]), "{point:?}");
        }
        for _ in 0..2 {
            let ends = deliver(&bench.another_process(None), &sent).await;
            assert!(matches!(ends[..], [Disposition::Done]), "{point:?}: {ends:?}");
            assert_eq!((bench.coupling(1).await, bench.dataverse.ids("account").len()), (None, 0), "{point:?}");
        }
    }
}

#[tokio::test]
async fn only_told_nothing_is_changed_whatever_the_deletion_rule_of_the_mapping() {
    for rule in [DeletionRule::None, DeletionRule::Restore, DeletionRule::RemoveCoupling] {
        let (bench, _) = coupled(1..=1).await;
        let bench = bench.deleting_by(rule);
        bench.business_central.delete("Customer", 1);
        let run = bench.run().await;
        let message = RecordMessage { wish: Some(Wish::TellIfGone), ..bench.message(run, TO, 1) };
        bench.dataverse.take_calls();
        deliver(&bench.engine, &[message]).await;
        assert!(bench.failure(TO, 1).await.contains("(EE12)"), "{rule:?}");
        assert_eq!((gone(&bench).await, bench.coupling(1).await.is_some()), (vec![Some(BC)], true), "{rule:?}");
        assert!(bench.dataverse.take_calls().iter().all(|call| !call.starts_with("write")), "{rule:?}");
    }
}

#[tokio::test]
async fn what_an_earlier_version_stored_of_a_deletion_is_read_from_its_words() {
    let (bench, _) = coupled(1..=1).await;
    bench.business_central.delete("Customer", 1);
    bench.sync(TO, &[1]).await;
    let store = bench.engine.store();
    let mut failures = store.failures(COMPANY, &bench.mapping.name, TO).await.expect("a store");
    let failure = failures.pop().expect("a failure");
    assert_eq!(failure.gone, Some(BC));
    let earlier = couplet_store::Failure { gone: None, ..failure };
    assert_eq!(earlier.gone_from(), Some(BC));
    for message in ["writing failed (EE13)", "something was deleted in Business Central"] {
        assert_eq!(couplet_store::Failure { message: message.to_owned(), ..earlier.clone() }.gone_from(), None);
    }
    // A pair that has ended is not listed, whatever is kept of its failure.
    let coupling: Coupling = bench.coupling(1).await.expect("a pair");
    store.remove_coupling(COMPANY, &bench.mapping.name, &coupling).await.expect("a store");
    assert!(gone(&bench).await.is_empty());
}
