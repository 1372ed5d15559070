//! Intents: reservations under stand-in ids, found by their marks and moved to the records they have made.

use couplet_model::coupling::{Base, Intent};
use couplet_model::{Coupling, Side, SystemId};
use couplet_store::{Moved, Reservation};

use crate::builders::*;

/// A reservation under a stand-in id that may have made a record.
fn intending(number: u128, made: bool) -> Coupling {
    let intent = Intent { side: Side::BusinessCentral, at: at(0), base: Base::default(), made };
    Coupling { intent: Some(intent), ..pair(number, number) }
}

fn own_id(number: u128) -> SystemId {
    SystemId::from(bc(1000 + number))
}

#[tokio::test]
async fn f01_a_reservation_moves_to_the_record_it_has_made_with_all_that_points_to_it() {
    let store = empty_store().await;
    let intents = vec![Coupling { key: Some("1000".into()), ..intending(1, false) }, intending(2, false)];
    let stand_ins: Vec<SystemId> = intents.iter().map(|coupling| coupling.system_id).collect();
    store.mark_intents(COMPANY, &items(), &stand_ins).await.unwrap();
    assert_eq!(store.open_intents(COMPANY, &items()).await.unwrap(), [], "marked, but not reserved yet");
    let read = reserved(&store, &items(), intents).await;
    assert_eq!(store.open_intents(COMPANY, &items()).await.unwrap(), read);
    assert_eq!(store.open_intents(COMPANY, &resources()).await.unwrap(), []);

    let made: Vec<(Coupling, SystemId)> = read.iter().cloned().zip([own_id(1), own_id(2)]).collect();
    for result in store.move_to_made(COMPANY, &items(), &made).await.unwrap() {
        let Moved::Moved(moved) = result else { panic!("refused") };
        assert!(moved.intent.as_ref().unwrap().made);
        assert_eq!(moved.revision, 2);
        let ids = [moved.dataverse_id.into()];
        let found = store.couplings_by_id(COMPANY, &items(), Side::Dataverse, &ids).await.unwrap();
        assert_eq!(found.into_values().collect::<Vec<_>>(), [moved]);
    }
    assert_eq!(one_by_bc(&store, &items(), 1).await, None, "nothing stays under the stand-in");
    let by_key = store.couplings_by_key(COMPANY, &items(), &["1000".to_owned()]).await.unwrap();
    assert_eq!(by_key["1000"].system_id, own_id(1));
    assert_eq!(store.open_intents(COMPANY, &items()).await.unwrap(), []);
}

#[tokio::test]
async fn f01_a_reservation_that_was_changed_or_whose_record_belongs_to_another_pair_does_not_move() {
    let store = empty_store().await;
    let read = reserved(&store, &items(), vec![intending(1, false), intending(2, false)]).await;
    let mut taken = pair(9, 9);
    taken.system_id = own_id(1);
    reserved(&store, &items(), vec![taken]).await;
    let stale = Coupling { revision: 7, ..read[1].clone() };
    let made = [(read[0].clone(), own_id(1)), (stale, own_id(2)), (read[1].clone(), own_id(2))];
    let results = store.move_to_made(COMPANY, &items(), &made).await.unwrap();
    assert_eq!(results[..2], [Moved::Refused, Moved::Refused]);
    assert!(matches!(&results[2], Moved::Moved(moved) if moved.system_id == own_id(2)));
    assert_eq!(one_by_bc(&store, &items(), 1).await.as_ref(), Some(&read[0]), "it stays as it was");
    // The row is still that reservation's: nobody else gets it.
    let again = store.reserve(COMPANY, &items(), vec![pair(50, 2)]).await.unwrap().remove(0);
    assert!(matches!(again, Reservation::Taken(other) if other.system_id == own_id(2)));
}

#[tokio::test]
async fn f01_marks_that_are_forgotten_find_nothing() {
    let store = empty_store().await;
    let read = reserved(&store, &items(), vec![intending(1, false)]).await;
    store.mark_intents(COMPANY, &items(), &[read[0].system_id]).await.unwrap();
    assert_eq!(store.open_intents(COMPANY, &items()).await.unwrap().len(), 1);
    store.forget_intents(COMPANY, &items(), &[read[0].system_id]).await.unwrap();
    assert_eq!(store.open_intents(COMPANY, &items()).await.unwrap(), []);
}
