//! Documents whose pair ends, or goes to another record: the pairs of their lines go first.

use super::*;

static UNCOUPLING: Deleting = Deleting(OnDeletion::Uncouple);
static DELETING_PARTNERS: Deleting = Deleting(OnDeletion::DeletePartner);
static SAYING: Deleting = Deleting(OnDeletion::AsTheRulesDo);
static STAYING: Deleting = Deleting(OnDeletion::Stay);

impl World {
    /// Two orders that were synchronized.
    async fn coupled() -> Self {
        let world = Self::orders().await;
        world.put_order(2);
        world.sync(TO, &[id(1), id(2)]).await;
        world.bench.pass(SignedDuration::from_mins(10));
        world
    }

    /// The lines that are coupled, by their ids in Business Central.
    async fn coupled_lines(&self) -> Vec<RecordId> {
        let store = self.bench.engine.store();
        let page = store.coupling_page(COMPANY, &LINE.into(), None, 10_000).await.expect("a store");
        let mut lines: Vec<RecordId> = page.couplings.iter().map(|pair| pair.system_id.into()).collect();
        lines.sort_unstable();
        lines
    }

    /// Deletes an order with its lines where it came from.
    fn delete_order(&self, order: u128) {
        let bc = &self.bench.business_central;
        bc.delete("Sales Header", order);
        bc.delete("Sales Line", order * 10 + 1);
        bc.delete("Sales Line", order * 10 + 2);
    }

    /// An engine that dies once at a failpoint.
    fn dying_at(&self, fatal: Failpoint) -> (Engine, Arc<AtomicUsize>) {
        let deaths = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&deaths);
        let dies = move |point| point == fatal && counted.fetch_add(1, Ordering::Relaxed) == 0;
        (self.engine(Failpoints::new(dies)), deaths)
    }
}

#[tokio::test]
async fn s123_the_pairs_of_lines_end_with_their_documents_in_whatever_way_that_ends() {
    let partner = made("MADE-UP ORDER", TO, 1).0.as_u128();
    let cases: [(&str, &'static Deleting, bool); 5] = [
        ("the two are coupled no more", &UNCOUPLING, true),
        ("the partner is deleted as well", &DELETING_PARTNERS, true),
        ("the rules say so", &SAYING, true),
        ("it was deleted on both sides", &Deleting(OnDeletion::AsTheMappingSays), true),
        ("the coupling stays", &STAYING, false),
    ];
    for (name, rules, ends) in cases {
        let world = World::coupled().await.deleting(rules);
        world.delete_order(1);
        if name.contains("both sides") {
            world.bench.dataverse.delete("salesorder", partner);
        }
        for delivery in 0..2 {
            world.sync(TO, &[id(1)]).await;
            assert_eq!(world.bench.coupling(1).await.is_none(), ends, "{name}, {delivery}");
            let left = if ends { vec![id(21), id(22)] } else { [11, 12, 21, 22].map(id).to_vec() };
            assert_eq!(world.coupled_lines().await, left, "{name}, {delivery}");
        }
        assert!(world.bench.coupling(2).await.is_some(), "{name}");
    }
}

#[tokio::test]
async fn s123_no_pair_of_a_line_is_left_wherever_a_worker_dies() {
    let points = Failpoint::OF_DELETIONS.into_iter().chain(Failpoint::OF_ENDING_DOCUMENTS).chain([Failpoint::Stored]);
    for fatal in points {
        let world = World::coupled().await.deleting(&DELETING_PARTNERS);
        world.delete_order(1);
        let (dying, deaths) = world.dying_at(fatal);
        let report = world.sync_with(&dying, TO, &[id(1), id(2)]).await;
        assert_eq!((deaths.load(Ordering::Relaxed), report.groups[0].returned), (1, 2), "{fatal:?}");
        for delivery in 0..2 {
            world.sync(TO, &[id(1), id(2)]).await;
            assert_eq!(world.coupled_lines().await, [21, 22].map(id), "{fatal:?}, {delivery}");
            assert!(world.bench.coupling(1).await.is_none(), "{fatal:?}, {delivery}");
        }
    }
}

#[tokio::test]
async fn a_document_that_is_made_again_under_its_key_has_its_own_lines_and_their_pairs_only() {
    for fatal in [None, Some(Failpoint::LinesNoted), Some(Failpoint::LinesStored)] {
        let world = World::coupled().await;
        world.delete_order(1);
        world.put_order(5);
        let again = json!({"number": "ORDER-1", "shipToName": "Adatum"});
        world.bench.business_central.put("Sales Header", 5, again);
        if let Some(fatal) = fatal {
            let (dying, deaths) = world.dying_at(fatal);
            world.sync_with(&dying, TO, &[id(5)]).await;
            assert_eq!(deaths.load(Ordering::Relaxed), 1);
        }
        for _ in 0..2 {
            world.sync(TO, &[id(5)]).await;
            let order = world.bench.coupling(5).await.expect("a pair");
            assert_eq!(order.id(Side::Dataverse), made("MADE-UP ORDER", TO, 1), "{fatal:?}");
            assert_eq!(world.lines_of_dataverse().len(), 4, "{fatal:?}: two of each order");
            assert_eq!(world.coupled_lines().await, [21, 22, 51, 52].map(id), "{fatal:?}");
        }
    }
}
