//! The subscriptions: made, renewed, mended and removed, and nobody else's touched.

use std::time::Duration;

use couplet_engine::SubscriptionsStatus;
use couplet_model::subscription::SubscriptionState;
use couplet_model::table::Side;
use couplet_runtime::handlers::{Keeping, keep_subscriptions};
use couplet_worlds::Notified;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::{CUSTOMERS, call, ids};

fn state<'a>(status: &'a SubscriptionsStatus, side: Side, table: &str) -> &'a SubscriptionState {
    let found = status.tables.iter().find(|one| one.side == side && one.table == table);
    &found.unwrap_or_else(|| panic!("{table} is not among {status:?}")).state
}

fn ends(status: &SubscriptionsStatus, table: &str) -> (String, Timestamp) {
    match state(status, Side::BusinessCentral, table) {
        SubscriptionState::Until { id, ends } => (id.clone(), *ends),
        other => panic!("{table}: {other:?}"),
    }
}

/// The steps of a webhook in Dataverse, by name.
fn steps(world: &Notified) -> Vec<Map<String, Value>> {
    world.installed.dataverse.rows("sdkmessageprocessingstep")
}

fn names(world: &Notified) -> Vec<String> {
    let mut names: Vec<String> =
        steps(world).iter().map(|step| step["name"].as_str().expect("a name").to_owned()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn all_tables_that_jobs_read_are_subscribed_and_the_others_say_why_not() {
    let world = Notified::start(CUSTOMERS).await;
    let first = world.keep().await;
    assert_eq!(first.failures(), 0, "{first:?}");
    for table in ["Customer", "Item", "Vendor"] {
        ends(&first, table);
    }
    for table in ["account", "product"] {
        assert_eq!(*state(&first, Side::Dataverse, table), SubscriptionState::Standing, "{table}");
    }
    let impossible = |status: &SubscriptionsStatus| {
        status.tables.iter().filter(|one| matches!(one.state, SubscriptionState::Impossible { .. })).count()
    };
    let requests = || world.installed.business_central.requests() + world.installed.dataverse.requests();
    let (steps, before) = (names(&world), requests());
    assert!(steps.contains(&"Couplet: Delete of account".to_owned()), "{steps:?}");
    let second = world.keep().await;
    assert_eq!(
        (second.tables.clone(), impossible(&second)),
        (first.tables.clone(), impossible(&first)),
        "nothing changes"
    );
    assert_eq!(names(&world), steps, "no step is made twice");
    // Business Central: two lists and what it can do. Dataverse: steps, messages, filters, the endpoint twice, and who we are.
    let cost = requests() - before;
    assert!(cost <= 9, "{cost} requests for {} tables that stand", second.tables.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_are_renewed_before_they_end_and_made_again_after() {
    let world = Notified::start(CUSTOMERS).await;
    let first = world.keep().await;
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    world.installed.business_central.faults().advance_clock(hours(6));
    let early = world.keep().await;
    assert_eq!(ends(&early, "Customer"), ends(&first, "Customer"), "two days are left and more");
    world.installed.business_central.faults().advance_clock(hours(24));
    let renewed = world.keep().await;
    let (id, end) = ends(&renewed, "Customer");
    assert_eq!(id, ends(&first, "Customer").0, "the same one");
    assert!(end.duration_since(ends(&first, "Customer").1) >= SignedDuration::from_hours(29));
    world.installed.business_central.faults().advance_clock(hours(73));
    let made = world.keep().await;
    assert_ne!(ends(&made, "Customer").0, id, "that one has ended");
    assert_eq!(made.failures(), 0, "{made:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_wrong_answer_ended_is_made_again_and_follows_the_door_to_another_address() {
    let mut world = Notified::start(CUSTOMERS).await;
    // A door that does not know the secret: it asks nobody, and refuses what it is told.
    let mut stranger = world.installed.application.clone();
    let section = couplet_runtime::configuration::NotificationsSection {
        url: None,
        secret: "another secret".into(),
        listen: couplet_runtime::configuration::NotificationsSection::LISTEN,
        jobs: None,
    };
    stranger.notifications = Some(couplet_runtime::Notifications::new(&section));
    let any_port = std::net::SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 0));
    let wrong = couplet_local::Door::open(stranger, any_port).await.expect("the door opens");
    let right = world.installed.application.notifications.as_ref().and_then(|door| door.url.clone());
    let set = |world: &mut Notified, url| {
        world.installed.application.notifications.as_mut().expect("notifications").url = url;
    };
    set(&mut world, Some(wrong.url()));
    let there = world.keep().await;
    assert_eq!(there.failures(), 0, "a handshake needs no secret: {there:?}");
    let customer = ids(&world, "Customer")[0];
    call(&world, &[customer], "+1 555 0700");
    let known = ends(&there, "Customer").0;
    let url = format!("{}/api/v2.0/subscriptions", world.installed.business_central.url());
    let listed = async || {
        let client = reqwest::Client::new();
        let (tenant, id, secret) = world.installed.business_central.credentials();
        let token_url = format!("{}/{tenant}/oauth2/v2.0/token", world.installed.business_central.authority());
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &id),
            ("client_secret", &secret),
            ("scope", "https://api.businesscentral.dynamics.com/.default"),
        ];
        let token: Value =
            client.post(token_url).form(&form).send().await.expect("sent").json().await.expect("a token");
        let list = client.get(&url).bearer_auth(token["access_token"].as_str().expect("a token"));
        let list: Value = list.send().await.expect("sent").json().await.expect("a list");
        let ids = list["value"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| one["subscriptionId"].as_str().expect("an id").to_owned());
        ids.collect::<Vec<_>>()
    };
    let before = listed().await.len();
    world.until("the end of one subscription", async || !listed().await.contains(&known)).await;
    assert_eq!(listed().await.len(), before - 1, "the others have addresses of their own");
    set(&mut world, right);
    let mended = world.keep().await;
    assert_eq!(mended.failures(), 0, "{mended:?}");
    assert_ne!(ends(&mended, "Customer").0, known);
    assert_eq!(ends(&mended, "Item").0, ends(&there, "Item").0, "renewed at the other address");
    let endpoints = world.installed.dataverse.rows("serviceendpoint");
    assert_eq!(endpoints.len(), 1);
    assert_eq!(endpoints[0]["url"], json!(format!("{}dataverse", mended.address)));
    drop(wrong);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_registered_is_left_alone_and_what_is_ours_goes_when_it_is_removed() {
    let world = Notified::start(CUSTOMERS).await;
    let crm = &world.installed.dataverse;
    let foreign = json!({ "name": "Somebody else's", "url": "https://example.com/", "contract": 8, "authtype": 4, "authvalue": "key" });
    let foreign = crm.create_as_user("serviceendpoint", foreign).expect("an endpoint");
    world.keep().await;
    let deleted = steps(&world)[0]["sdkmessageprocessingstepid"].as_str().expect("an id").parse().expect("a GUID");
    let all = names(&world);
    crm.delete_as_user("sdkmessageprocessingstep", deleted).expect("a person deletes a step");
    world.keep().await;
    assert_eq!(names(&world), all, "it is made again");
    // Only one job may start early: what the others read is not told of any more.
    let mut few = world.installed.application.clone();
    let section = couplet_runtime::configuration::NotificationsSection {
        url: None,
        secret: Notified::SECRET.into(),
        listen: couplet_runtime::configuration::NotificationsSection::LISTEN,
        jobs: Some(vec!["customer".to_owned()]),
    };
    let mut door = couplet_runtime::Notifications::new(&section);
    door.url = Some(world.door.url());
    few.notifications = Some(door);
    let kept = keep_subscriptions(&few, Keeping::Renew).await.expect("kept");
    assert!(names(&world).iter().all(|name| name.ends_with(" of account")), "{:?}", names(&world));
    assert!(kept.tables.iter().all(|one| one.table != "Item"), "{kept:?}");
    let removed = keep_subscriptions(&world.installed.application, Keeping::Remove).await.expect("removed");
    assert_eq!((removed.tables.len(), removed.failures()), (0, 0), "{removed:?}");
    assert_eq!(names(&world).len(), 0);
    let left = crm.rows("serviceendpoint");
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["serviceendpointid"], json!(foreign));
}
