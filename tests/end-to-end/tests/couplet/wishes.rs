//! What people ask for of chosen records ends in the same state whatever dies on its way, and however often its tasks and
//! messages are delivered.

use couplet_end_to_end::{Killing, World, WorldOptions, chosen};
use couplet_engine::{EngineOptions, Failpoint};
use couplet_model::matching::MatchPair;
use couplet_model::message::{Direction, Resolution};
use couplet_model::request::{Chosen, Want};
use couplet_model::table::Side;
use couplet_model::task::Task;
use couplet_model::{DataverseId, MappingName, RecordId, SystemId};
use dataverse_simulator::Poison;
use jiff::SignedDuration;
use serde_json::json;
use uuid::Uuid;

use crate::coupled_customers::{Pair, coupled, new_account, of_customers, synchronize};
use crate::observing::text;

const CUSTOMER: &str = "CUSTOMER";

/// Claims of dead workers end at once, so that the test need not wait.
fn options() -> EngineOptions {
    EngineOptions { claim: SignedDuration::ZERO, ..EngineOptions::default() }
}

/// Two coupled customers, *One* and *Two*, at peace.
async fn at_peace() -> (World, Vec<Pair>) {
    let (world, pairs) = coupled(WorldOptions { engine: options(), ..of_customers(2) }).await;
    for (pair, name) in pairs.iter().zip(["One", "Two"]) {
        pair.change_customer(&world, json!({"displayName": name, "faxNo": "1", "phoneNumber": "9"}));
    }
    synchronize(&world).await;
    synchronize(&world).await;
    (world, pairs)
}

/// What a person asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// A pair of which both records were changed is synchronized both ways.
    Synchronize,
    /// A row of Dataverse that nobody has changed for long is brought to Business Central, where somebody has.
    OldRow,
    /// A customer without an account gets one.
    Create,
    /// An account that was deleted is made again.
    Restore,
    /// A customer and an account are coupled, and the account wins.
    Couple,
    /// A customer and an account that match are only coupled.
    CoupleOnly,
    /// What both sides changed is settled.
    Resolve,
    /// A pair is uncoupled.
    Uncouple,
    /// All pairs are uncoupled, and an account that nothing couples leaves the company.
    UncoupleAll,
    /// A pair is skipped.
    Skip,
    /// A skipped pair is brought back.
    Unskip,
    /// What failed is tried again.
    Retry,
}

impl Asked {
    /// Brings the world to where it is asked for.
    async fn prepare(self, world: &World, pairs: &[Pair]) -> (Want, Chosen) {
        let one = chosen(&[pairs[0].customer]);
        let sync = |direction, create| Want::Synchronize { direction, create };
        match self {
            Self::Synchronize => {
                pairs[0].change_customer(world, json!({"faxNo": "2"}));
                pairs[0].change_account(world, json!({"fax": "3", "telephone1": "555"}));
                (sync(None, false), one)
            }
            Self::OldRow => {
                pairs[0].change_customer(world, json!({"faxNo": "2"}));
                let row = vec![(Side::Dataverse, RecordId(pairs[0].account))];
                (sync(Some(Direction::FromDataverse), false), Chosen::Records(row))
            }
            Self::Create => (sync(Some(Direction::ToDataverse), true), chosen(&[new_customer(world)])),
            Self::Restore => {
                pairs[0].delete_account(world);
                (sync(Some(Direction::ToDataverse), true), one)
            }
            Self::Couple => {
                let pair = (SystemId::from(RecordId(new_customer(world))), new_row(world));
                (Want::Couple { direction: Direction::FromDataverse }, Chosen::Pairs(vec![pair]))
            }
            Self::CoupleOnly => {
                new_customer(world);
                new_row(world);
                let phone = MatchPair {
                    business_central: "phoneNumber".to_owned(),
                    dataverse: "telephone1".to_owned(),
                    case_sensitive: false,
                };
                let want = Want::Match { synchronize: None, create: false, dry_run: false };
                (want, Chosen::Uncoupled(vec![vec![phone]]))
            }
            Self::Resolve => {
                pairs[0].change_customer(world, json!({"faxNo": "2"}));
                pairs[0].change_account(world, json!({"fax": "3"}));
                synchronize(world).await;
                let dataverse = Resolution { wins: Some(Side::Dataverse), ..Resolution::default() };
                (Want::Resolve(dataverse), Chosen::Conflicting)
            }
            Self::Uncouple => (Want::Uncouple, one),
            Self::UncoupleAll => {
                let stray = crate::coupled_customers::company(world);
                let account = new_account(world, "Stray");
                let change = json!({"bcbi_CompanyId@odata.bind": format!("/bcbi_companies({stray})")});
                world.dataverse.update_as_user("account", account, change).expect("taken");
                (Want::Uncouple, Chosen::Coupled)
            }
            Self::Skip => (Want::Skip, one),
            Self::Unskip => {
                world.ask(CUSTOMER, Want::Skip, one.clone()).await.expect("carried out");
                pairs[0].change_customer(world, json!({"faxNo": "2"}));
                pairs[0].change_account(world, json!({"telephone1": "555"}));
                (Want::Unskip, one)
            }
            Self::Retry => {
                let (table, column) = (Some("account".to_owned()), Some("fax".to_owned()));
                let poison = Poison { table, column, text: "13".to_owned(), only_in_bulk: false };
                world.dataverse.faults().poison(poison);
                pairs[0].change_customer(world, json!({"faxNo": "13"}));
                synchronize(world).await;
                assert!(!world.failures(CUSTOMER).await.is_empty(), "it is refused");
                world.dataverse.faults().clear_poison();
                (Want::Retry, Chosen::Failed)
            }
        }
    }

    /// What must be among how everything stands in the end.
    fn ends_with(self) -> &'static [&'static str] {
        match self {
            Self::Synchronize => &["One fax 2 phone 9 coupled with One fax 2 phone 9 of us"],
            Self::OldRow => &["One fax 1 phone 9 coupled with One fax 1 phone 9 of us"],
            Self::Create => &["New fax - phone 777 coupled with New fax - phone 777 of us", "3 accounts"],
            Self::Restore => &["One fax 1 phone 9 coupled with One fax 1 phone 9 of us", "2 accounts"],
            Self::Couple => &["Row fax - phone 777 coupled with Row fax - phone 777", "3 accounts"],
            Self::CoupleOnly => &["New fax - phone 777 coupled with Row fax - phone 777", "3 accounts"],
            Self::Resolve => &["One fax 3 phone 9 coupled with One fax 3 phone 9 of us"],
            Self::Uncouple => &["One fax 1 phone 9 alone", "Two fax 1 phone 9 coupled", "2 accounts, 1 of us"],
            Self::UncoupleAll => &["One fax 1 phone 9 alone", "Two fax 1 phone 9 alone", "3 accounts, 0 of us"],
            Self::Skip => &["One fax 1 phone 9 skipped with One"],
            Self::Unskip => &["One fax 2 phone 555 coupled with One fax 2 phone 555 of us"],
            Self::Retry => &["One fax 13 phone 9 coupled with One fax 13 phone 9 of us"],
        }
    }
}

fn new_customer(world: &World) -> Uuid {
    let customer = json!({"displayName": "New", "phoneNumber": "777"});
    world.business_central.create_as_user("Customer", customer).expect("it is taken")
}

fn new_row(world: &World) -> DataverseId {
    let account = new_account(world, "Row");
    world.dataverse.update_as_user("account", account, json!({"telephone1": "777"})).expect("taken");
    DataverseId::from(RecordId(account))
}

/// How everything stands, in words that are the same in every world.
async fn standing(world: &World) -> Vec<String> {
    let shown = |row: &serde_json::Map<String, serde_json::Value>, names: [&str; 3]| {
        let [name, fax, phone] =
            names.map(|name| Some(text(row, name)).filter(|text| !text.is_empty()).unwrap_or("-").to_owned());
        format!("{name} fax {fax} phone {phone}")
    };
    let is_ours = |row: &serde_json::Map<String, serde_json::Value>| !text(row, "_bcbi_companyid_value").is_empty();
    let mut lines = Vec::new();
    for customer in world.business_central_ids("Customer", |_| true) {
        let record = world.business_central.row("Customer", customer).expect("it is there");
        let record = shown(&record, ["displayName", "faxNo", "phoneNumber"]);
        let Some(coupling) = world.coupling(CUSTOMER, customer).await else {
            lines.push(format!("{record} alone"));
            continue;
        };
        let row = world.dataverse.row("account", coupling.dataverse_id.0);
        let row = row.map_or_else(
            || "nothing".to_owned(),
            |row| shown(&row, ["name", "fax", "telephone1"]) + if is_ours(&row) { " of us" } else { "" },
        );
        let how = if coupling.skipped { "skipped" } else { "coupled" };
        lines.push(format!("{record} {how} with {row}, {:?}", coupling.state));
    }
    lines.sort_unstable();
    let accounts = world.dataverse.rows("account");
    let ours = accounts.iter().filter(|row| is_ours(row)).count();
    lines.push(format!("{} accounts, {ours} of us, {} couplings", accounts.len(), world.couplings(CUSTOMER).await));
    for failure in world.failures(CUSTOMER).await {
        lines.push(format!("{} failed {}", failure.label, failure.direction));
    }
    lines
}

/// Asks, and puts the messages of the records into the queue; each task is delivered so often.
async fn ask(world: &World, (want, of): (Want, Chosen), deliveries: usize) {
    world.engine.ask(&MappingName::from(CUSTOMER), want, of).await.expect("it can be carried out");
    while let Some(task) = world.tasks.next_task() {
        let Task::Ask(request) = task else { panic!("another task comes first: {task:?}") };
        for _ in 0..deliveries {
            world.engine.work_request(&request, None).await.expect("it is carried out");
        }
    }
}

/// Asks in a world of its own, lets it go wrong as told, and gives how everything stands when it has come to its end.
async fn ended(asked: Asked, wrong: Wrong) -> (Vec<String>, bool) {
    let (world, pairs) = at_peace().await;
    let wanted = asked.prepare(&world, &pairs).await;
    ask(&world, wanted, if wrong == Wrong::TaskTwice { 2 } else { 1 }).await;
    let mut happened = true;
    match wrong {
        Wrong::Nothing | Wrong::TaskTwice => world.drain().await,
        Wrong::MessageTwice => {
            let deliveries = world.queue.take(1000);
            assert!(!deliveries.is_empty(), "{asked:?}");
            for _ in 0..2 {
                world.engine.sync_batch(deliveries.clone()).await;
            }
            world.drain().await;
        }
        Wrong::Death(at) => {
            let killing = Killing::at(at);
            world.drain_with(&world.another_engine(killing.of(options()))).await;
            happened = killing.has_happened();
        }
    }
    assert!(world.queue.dead_letters().is_empty(), "{asked:?} {wrong:?}");
    (standing(&world).await, happened)
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Nothing,
    TaskTwice,
    MessageTwice,
    Death(Failpoint),
}

/// Asks in world after world; whatever goes wrong, all of them end alike. Deaths have to happen at least there.
async fn ends_alike(asked: Asked, deaths: &[Failpoint]) {
    let (expected, _) = ended(asked, Wrong::Nothing).await;
    for words in asked.ends_with() {
        assert!(expected.iter().any(|line| line.starts_with(words)), "{asked:?}: {words:?} is not in {expected:#?}");
    }
    assert!(!expected.iter().any(|line| line.contains("failed")), "{asked:?}: {expected:#?}");
    for wrong in [Wrong::TaskTwice, Wrong::MessageTwice] {
        assert_eq!(ended(asked, wrong).await.0, expected, "{asked:?} {wrong:?}");
    }
    for at in Failpoint::ALL.into_iter().chain(Failpoint::OF_DELETIONS) {
        let (found, happened) = ended(asked, Wrong::Death(at)).await;
        assert_eq!(found, expected, "{asked:?}: death at {at:?}");
        assert!(happened || !deaths.contains(&at), "{asked:?}: its workers come by {at:?}");
    }
}

const EVERY_WRITE: [Failpoint; Failpoint::ALL.len()] = Failpoint::ALL;

#[tokio::test]
async fn r218_r219_a_synchronization_that_was_asked_for_ends_alike() {
    ends_alike(Asked::Synchronize, &EVERY_WRITE).await;
}

#[tokio::test]
async fn r40_a_row_that_is_older_than_the_cursor_is_brought_once() {
    ends_alike(Asked::OldRow, &EVERY_WRITE).await;
}

#[tokio::test]
async fn r220_a_partner_that_was_asked_for_is_made_once() {
    ends_alike(Asked::Create, &EVERY_WRITE).await;
    ends_alike(Asked::Restore, &EVERY_WRITE).await;
}

#[tokio::test]
async fn r221_a_pair_that_was_asked_for_is_coupled_once() {
    ends_alike(Asked::Couple, &EVERY_WRITE).await;
}

#[tokio::test]
async fn r200_a_pair_that_matches_is_coupled_once_and_left_as_it_is() {
    ends_alike(Asked::CoupleOnly, &EVERY_WRITE).await;
}

#[tokio::test]
async fn a_conflict_that_a_person_settles_ends_alike() {
    ends_alike(Asked::Resolve, &EVERY_WRITE).await;
}

#[tokio::test]
async fn r204_r205_pairs_that_a_person_ends_end_alike() {
    ends_alike(Asked::Uncouple, &Failpoint::OF_DELETIONS).await;
    ends_alike(Asked::UncoupleAll, &Failpoint::OF_DELETIONS).await;
}

#[tokio::test]
async fn r112_r113_pairs_that_a_person_leaves_alone_or_brings_back_end_alike() {
    ends_alike(Asked::Skip, &[]).await;
    ends_alike(Asked::Unskip, &EVERY_WRITE).await;
}

#[tokio::test]
async fn r113_what_is_tried_again_ends_alike() {
    ends_alike(Asked::Retry, &EVERY_WRITE).await;
}
