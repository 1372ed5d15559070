//! Couplings: reserved once, found by either side and by key, removed from one mapping only.

use std::collections::HashSet;

use couplet_model::{CompanyId, Coupling, RetryClass, Side, SystemId};
use couplet_store::{Removal, Reservation};
use uuid::Uuid;

use crate::builders::*;

#[tokio::test]
async fn r99_one_bc_record_is_coupled_once_per_mapping() {
    let store = empty_store().await;
    let first = reserved(&store, &items(), vec![pair(1, 1)]).await.remove(0);
    assert_eq!(first.revision, 1);
    let second = store.reserve(COMPANY, &items(), vec![pair(1, 2)]).await.unwrap();
    assert_eq!(second, [Reservation::Taken(first)]);
    let row = store.couplings_by_id(COMPANY, &items(), Side::Dataverse, &[dv(2)]).await.unwrap();
    assert!(row.is_empty());
}

#[tokio::test]
async fn r99_one_dataverse_row_is_coupled_once_per_mapping() {
    let store = empty_store().await;
    let first = reserved(&store, &items(), vec![pair(1, 1)]).await.remove(0);
    let second = store.reserve(COMPANY, &items(), vec![pair(2, 1)]).await.unwrap();
    assert_eq!(second, [Reservation::Taken(first)]);
    assert_eq!(one_by_bc(&store, &items(), 2).await, None);
}

#[tokio::test]
async fn one_key_is_reserved_once_per_mapping() {
    let store = empty_store().await;
    let first = reserved(&store, &items(), vec![keyed(1, "1000")]).await.remove(0);
    let second = store.reserve(COMPANY, &items(), vec![keyed(2, "1000")]).await.unwrap();
    assert_eq!(second, [Reservation::Taken(first)]);
}

#[tokio::test]
async fn of_two_reservations_in_one_call_the_first_wins() {
    let store = empty_store().await;
    let results = store.reserve(COMPANY, &items(), vec![pair(1, 1), pair(1, 2), pair(2, 1), pair(2, 2)]).await.unwrap();
    let [Reservation::Reserved(first), Reservation::Taken(a), Reservation::Taken(b), Reservation::Reserved(_)] =
        &results[..]
    else {
        panic!("{results:?}")
    };
    assert_eq!((a, b), (first, first));
}

#[tokio::test]
async fn taken_reservations_do_not_keep_the_others_from_being_stored() {
    let store = empty_store().await;
    reserved(&store, &items(), (0..250).step_by(10).map(|n| pair(n, n)).collect()).await;
    let results = store.reserve(COMPANY, &items(), (0..250).map(|n| keyed(n, &n.to_string())).collect()).await.unwrap();
    for (number, result) in results.iter().enumerate() {
        assert_eq!(matches!(result, Reservation::Taken(_)), number % 10 == 0, "{number}");
    }
}

#[tokio::test]
async fn two_racing_reservations_of_one_record_end_in_one_coupling() {
    let store = empty_store().await;
    let race = (0..8).map(|row| {
        let store = store.clone();
        tokio::spawn(async move { store.reserve(COMPANY, &items(), vec![pair(1, row)]).await })
    });
    let mut standing = HashSet::new();
    let mut won = 0;
    for racer in race.collect::<Vec<_>>() {
        match racer.await.unwrap().unwrap().remove(0) {
            Reservation::Reserved(coupling) => {
                won += 1;
                standing.insert(coupling.dataverse_id);
            }
            Reservation::Taken(coupling) => {
                standing.insert(coupling.dataverse_id);
            }
        }
    }
    assert_eq!((won, standing.len()), (1, 1));
}

/// D1, U2.
#[tokio::test]
async fn two_mappings_on_one_table_never_mix() {
    let store = empty_store().await;
    let product = reserved(&store, &items(), vec![keyed(1, "1000")]).await.remove(0);
    let resource = reserved(&store, &resources(), vec![keyed(1, "1000")]).await.remove(0);
    store.remove_coupling(COMPANY, &items(), &product).await.unwrap();

    assert_eq!(one_by_bc(&store, &items(), 1).await, None);
    assert_eq!(one_by_key(&store, &items(), "1000").await, None);
    assert_eq!(one_by_bc(&store, &resources(), 1).await, Some(resource.clone()));
    assert_eq!(one_by_key(&store, &resources(), "1000").await, Some(resource));
    assert_eq!(store.coupling_page(COMPANY, &items(), None, 10).await.unwrap().couplings, []);
}

#[tokio::test]
async fn u13_r107_two_companies_on_one_table_never_mix() {
    let store = empty_store().await;
    reserved(&store, &items(), vec![pair(1, 1)]).await;
    let other = CompanyId(Uuid::from_u128(0xC1));
    let found = store.couplings_by_id(other, &items(), Side::BusinessCentral, &[bc(1)]).await.unwrap();
    assert!(found.is_empty());
    let free = store.reserve(other, &items(), vec![pair(1, 2)]).await.unwrap();
    assert!(matches!(free[0], Reservation::Reserved(_)));
}

#[tokio::test]
async fn a_removed_coupling_leaves_both_records_and_the_key_free() {
    let store = empty_store().await;
    let first = reserved(&store, &items(), vec![keyed(1, "1000")]).await.remove(0);
    store.remove_coupling(COMPANY, &items(), &first).await.unwrap();
    // Once more: an answer was lost, a crash was repeated.
    store.remove_coupling(COMPANY, &items(), &first).await.unwrap();
    reserved(&store, &items(), vec![keyed(1, "1000")]).await;
}

#[tokio::test]
async fn a_coupling_that_changed_meanwhile_is_not_removed() {
    let store = empty_store().await;
    let first = reserved(&store, &items(), vec![pair(1, 1)]).await.remove(0);
    let run = started(&store).await;
    store.commit(COMPANY, &items(), JOB, run, vec![storing(first.clone())]).await.unwrap();
    let error = store.remove_coupling(COMPANY, &items(), &first).await.unwrap_err();
    assert_eq!(error.retry_class(), RetryClass::Conflict);
    assert!(one_by_bc(&store, &items(), 1).await.is_some());
}

#[tokio::test]
async fn couplings_are_found_in_bulk_by_either_side_and_by_key() {
    let store = empty_store().await;
    let couplings = reserved(&store, &items(), (0..250).map(|n| keyed(n, &format!("I{n}"))).collect()).await;
    let ask: Vec<_> = (0..300).map(bc).chain([bc(1)]).collect();
    let by_bc = store.couplings_by_id(COMPANY, &items(), Side::BusinessCentral, &ask).await.unwrap();
    let ask: Vec<_> = (0..300).map(dv).collect();
    let by_dv = store.couplings_by_id(COMPANY, &items(), Side::Dataverse, &ask).await.unwrap();
    let ask: Vec<_> = (0..300).map(|n| format!("I{n}")).collect();
    let by_key = store.couplings_by_key(COMPANY, &items(), &ask).await.unwrap();
    assert_eq!((by_bc.len(), by_dv.len(), by_key.len()), (250, 250, 250));
    for coupling in &couplings {
        assert_eq!(by_bc[&coupling.system_id.into()], *coupling);
        assert_eq!(by_dv[&coupling.dataverse_id.into()], *coupling);
        assert_eq!(by_key[coupling.key.as_ref().unwrap()], *coupling);
    }
}

#[tokio::test]
async fn pages_visit_every_coupling_once() {
    let store = empty_store().await;
    reserved(&store, &items(), (0..103).map(|n| pair(n, n)).collect()).await;
    let mut seen = HashSet::new();
    let mut after = None;
    for _ in 0..20 {
        let page = store.coupling_page(COMPANY, &items(), after, 10).await.unwrap();
        assert!(page.couplings.len() <= 10);
        for coupling in page.couplings {
            assert!(seen.insert(coupling.system_id));
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((seen.len(), after), (103, None));
}

#[tokio::test]
async fn reservations_do_not_count_as_coupled() {
    let store = empty_store().await;
    let couplings = reserved(&store, &items(), (0..40).map(|n| pair(n, n)).collect()).await;
    let run = started(&store).await;
    let commits = couplings.into_iter().take(25).map(storing).collect();
    store.commit(COMPANY, &items(), JOB, run, commits).await.unwrap();
    assert_eq!(store.count_couplings(COMPANY, &items()).await.unwrap(), 25);
}

/// Lines of the document of this number: 200 of them begin at a hundred times its number.
fn lines_of(document: u128) -> Vec<Coupling> {
    let header = Some(SystemId::from(bc(document)));
    (0..200).map(|line| Coupling { document: header, ..pair(document * 1000 + line, document * 1000 + line) }).collect()
}

#[tokio::test]
async fn lines_are_found_by_their_document_and_removed_many_at_a_time() {
    let store = empty_store().await;
    let mut lines = reserved(&store, &items(), lines_of(1)).await;
    reserved(&store, &items(), lines_of(2)).await;
    reserved(&store, &resources(), lines_of(1)).await;
    let one = [SystemId::from(bc(1))];
    let mut found = store.couplings_of_documents(COMPANY, &items(), &one).await.unwrap();
    found.sort_by_key(|coupling| coupling.system_id);
    lines.sort_by_key(|coupling| coupling.system_id);
    assert_eq!(found, lines);
    // One is claimed by another worker meanwhile, and one is gone.
    store.claim(COMPANY, &items(), &lines[..1]).await.unwrap();
    store.remove_coupling(COMPANY, &items(), &lines[1]).await.unwrap();
    let removals = store.remove_couplings(COMPANY, &items(), &lines).await.unwrap();
    assert_eq!(removals[0], Removal::Stale);
    assert!(removals[1..].iter().all(|removal| *removal == Removal::Removed), "{removals:?}");
    let left = store.couplings_of_documents(COMPANY, &items(), &one).await.unwrap();
    assert_eq!(left.iter().map(|coupling| coupling.system_id).collect::<Vec<_>>(), [lines[0].system_id]);
    assert_eq!(store.remove_couplings(COMPANY, &items(), &left).await.unwrap(), [Removal::Removed]);
    for (mapping, document, of) in [(items(), 1, 0), (items(), 2, 200), (resources(), 1, 200)] {
        let headers = [SystemId::from(bc(document))];
        let lines = store.couplings_of_documents(COMPANY, &mapping, &headers).await.unwrap();
        assert_eq!(lines.len(), of, "{mapping} {document}");
    }
    // Nothing points to them any more: both ids are free.
    assert_eq!(reserved(&store, &items(), lines_of(1)).await.len(), 200);
}

#[tokio::test]
async fn a_line_that_moves_is_found_by_its_document_still() {
    let store = empty_store().await;
    let line = reserved(&store, &items(), lines_of(1)).await.remove(0);
    let own = SystemId::from(bc(9000));
    let replaced = store.replace_coupling(COMPANY, &items(), &line, Coupling { system_id: own, ..line.clone() }).await;
    let replaced = replaced.unwrap().expect("nobody changed it");
    let made = SystemId::from(bc(9001));
    store.move_to_made(COMPANY, &items(), &[(replaced, made)]).await.unwrap();
    let found = store.couplings_of_documents(COMPANY, &items(), &[SystemId::from(bc(1))]).await.unwrap();
    let ids: HashSet<SystemId> = found.iter().map(|coupling| coupling.system_id).collect();
    assert_eq!((found.len(), ids.contains(&made), ids.contains(&line.system_id)), (200, true, false));
    assert_eq!(store.remove_couplings(COMPANY, &items(), &found).await.unwrap().len(), 200);
    assert!(store.couplings_of_documents(COMPANY, &items(), &[SystemId::from(bc(1))]).await.unwrap().is_empty());
}
