//! OPPORTUNITY end to end: both ways, with owner, account and amounts, and how closing travels.

use couplet_end_to_end::{World, WorldOptions};
use couplet_engine::{Disposition, EngineOptions, Failpoint, RunMode};
use jiff::SignedDuration;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::observing::{id, number, text};

const JOB: &str = "OPPORTUNITY";

/// Claims of dead workers end at once, so that the tests need not wait.
fn options() -> EngineOptions {
    EngineOptions { claim: SignedDuration::ZERO, ..EngineOptions::default() }
}

async fn prepared() -> World {
    let world = World::start(WorldOptions { engine: options(), ..WorldOptions::default() }).await;
    for job in ["SALESPEOPLE", "CURRENCY", "CUSTOMER"] {
        world.run(job, RunMode::Full).await;
    }
    world
}

/// An opportunity in progress in Business Central, of the first customer and salesperson.
fn in_progress(world: &World, number: &str) -> Uuid {
    let values = json!({
        "number": number, "description": format!("Chairs {number}"), "status": "In Progress",
        "customerNumber": "C00010", "salespersonCode": salesperson(world), "estimatedValue": 1250.5,
        "estimatedClosingDate": "2026-05-01",
    });
    world.business_central.create_as_user("Opportunity", values).expect("taken")
}

/// The code of a salesperson that is coupled to a user.
fn salesperson(world: &World) -> Json {
    let rows = world.business_central.rows("Salesperson/Purchaser");
    let made = rows.iter().find(|row| text(row, "code").starts_with("SP NO. "));
    made.expect("a user became a salesperson")["code"].clone()
}

fn status(world: &World, opportunity: Uuid) -> String {
    let row = world.business_central.row("Opportunity", opportunity).expect("there");
    text(&row, "status").replace("_x0020_", " ")
}

async fn close_in_sales(world: &World, name: &str, row: Uuid, revenue: Json) {
    let close = json!({
        "OpportunityClose": {
            "@odata.type": "Microsoft.Dynamics.CRM.opportunityclose", "subject": "Over", "actualrevenue": revenue,
            "opportunityid@odata.bind": format!("/opportunities({row})"),
        },
        "Status": -1,
    });
    world.sales_action(name, &close).await;
}

#[tokio::test]
async fn c_054_s193_s194_s196_opportunities_travel_both_ways_with_owner_account_and_amounts() {
    let world = prepared().await;
    let opportunity = in_progress(&world, "OP1");
    let theirs = world.dataverse.create_as_user("opportunity", json!({"name": "Tables"})).expect("taken");
    let run = world.run(JOB, RunMode::Full).await;
    assert_eq!((run.to_dataverse.inserted, run.from_dataverse.inserted, run.counters.failed), (1, 1, 0));

    let row = world.coupled_row(JOB, opportunity).await;
    let customer = world.business_central_id("Customer", "number", "C00010");
    let account = world.coupled_row("CUSTOMER", customer).await;
    let code = salesperson(&world);
    let user = world.business_central_id("Salesperson/Purchaser", "code", code.as_str().expect("a code"));
    let user = world.coupled_row("SALESPEOPLE", user).await;
    assert_eq!((text(&row, "name"), text(&row, "estimatedclosedate")), ("Chairs OP1", "2026-05-01"));
    assert_eq!(number(&row, "estimatedvalue"), "1250.5".parse().expect("a number"));
    assert_eq!(id(&row, "_parentaccountid_value"), id(&account, "accountid"), "S194");
    assert_eq!(id(&row, "_ownerid_value"), id(&user, "systemuserid"), "S193");
    let company = &world.dataverse.rows("bcbi_company")[0]["bcbi_companyid"];
    assert_eq!(&row["_bcbi_companyid_value"], company, "S196");

    let made = world.business_central_id("Opportunity", "description", "Tables");
    assert_eq!(id(&world.coupled_row(JOB, made).await, "opportunityid"), theirs);
    let row = world.dataverse.row("opportunity", theirs).expect("there");
    assert_eq!(&row["_bcbi_companyid_value"], company, "the company it came into claims it");

    // Only the description flows back; what a person changes of the amounts in Sales stays there.
    let change = json!({"name": "Round tables", "estimatedvalue": 7});
    world.dataverse.update_as_user("opportunity", theirs, change).expect("taken");
    world.business_central.update_as_user("Opportunity", opportunity, json!({"estimatedValue": 900})).expect("taken");
    let run = world.run(JOB, RunMode::Modified).await;
    assert_eq!((run.to_dataverse.modified, run.from_dataverse.modified, run.counters.failed), (1, 1, 0));
    assert_eq!(text(&world.business_central.row("Opportunity", made).expect("there"), "description"), "Round tables");
    assert_eq!(number(&world.dataverse.row("opportunity", theirs).expect("there"), "estimatedvalue"), 7.into());
    assert_eq!(number(&world.coupled_row(JOB, opportunity).await, "estimatedvalue"), 900.into());
    world.run(JOB, RunMode::Modified).await;
    let quiet = world.run(JOB, RunMode::Modified).await;
    assert_eq!((quiet.enqueued, quiet.counters.modified), (0, 0));
}

#[tokio::test]
async fn closing_travels_both_ways_and_a_second_pass_closes_nothing() {
    let world = prepared().await;
    let ours: Vec<Uuid> = ["OP1", "OP2", "OP3", "OP4"].map(|number| in_progress(&world, number)).into();
    world.run(JOB, RunMode::Full).await;
    world.run(JOB, RunMode::Modified).await;
    let contacts = world.business_central.rows("Contact");
    let person = contacts.iter().find(|row| row["type"] == json!("Person")).expect("a person");
    let of_a_contact = json!({"contactNumber": person["number"]});
    for opportunity in &ours {
        world.business_central.update_as_user("Opportunity", *opportunity, of_a_contact.clone()).expect("taken");
    }
    let mut rows = Vec::new();
    for opportunity in &ours {
        rows.push(id(&world.coupled_row(JOB, *opportunity).await, "opportunityid"));
    }
    world.business_central.run_action_as_user("Opportunity", ours[0], "closeAsWon").expect("closed");
    world.business_central.run_action_as_user("Opportunity", ours[1], "closeAsLost").expect("closed");
    close_in_sales(&world, "WinOpportunity", rows[2], json!(500)).await;
    close_in_sales(&world, "LoseOpportunity", rows[3], json!(0)).await;
    let run = world.run(JOB, RunMode::Modified).await;
    assert_eq!(run.counters.failed, 0, "{:?}", world.failures(JOB).await);
    let states: Vec<i64> = rows
        .iter()
        .map(|row| world.dataverse.row("opportunity", *row).expect("there")["statecode"].as_i64().expect("a state"))
        .collect();
    assert_eq!(states, [1, 2, 1, 2]);
    assert_eq!(ours.iter().map(|ours| status(&world, *ours)).collect::<Vec<_>>(), ["Won", "Lost", "Won", "Lost"]);
    let won = world.dataverse.row("opportunity", rows[0]).expect("there");
    assert_eq!(
        number(&won, "actualvalue"),
        "1250.5".parse().expect("a number"),
        "what Business Central says it brought"
    );
    assert!(!text(&won, "actualclosedate").is_empty());
    world.run(JOB, RunMode::Modified).await;
    let quiet = world.run(JOB, RunMode::Modified).await;
    assert_eq!((quiet.counters.modified, quiet.counters.failed), (0, 0));
    assert!(world.queue.dead_letters().is_empty());
}

#[tokio::test]
async fn what_business_central_refuses_to_win_is_told_and_the_others_travel() {
    let world = prepared().await;
    let ours = [in_progress(&world, "OP1"), in_progress(&world, "OP2")];
    world.run(JOB, RunMode::Full).await;
    world.run(JOB, RunMode::Modified).await;
    for opportunity in ours {
        let row = id(&world.coupled_row(JOB, opportunity).await, "opportunityid");
        // Winning needs a contact, losing does not.
        let action = if opportunity == ours[0] { "WinOpportunity" } else { "LoseOpportunity" };
        close_in_sales(&world, action, row, json!(500)).await;
    }
    let run = world.run(JOB, RunMode::Modified).await;
    assert_eq!(run.from_dataverse.failed, 1);
    assert_eq!(ours.map(|ours| status(&world, ours)), ["In Progress", "Lost"]);
    let failures = world.failures(JOB).await;
    assert!(failures[0].message.contains("Contact does not exist"), "{failures:?}");
}

#[tokio::test]
async fn opportunities_survive_a_death_at_every_failpoint_and_double_delivery() {
    for fatal in Failpoint::ALL {
        let world = prepared().await;
        let opportunity = in_progress(&world, "OP1");
        world.dataverse.create_as_user("opportunity", json!({"name": "Tables"})).expect("taken");
        world.find(JOB, RunMode::Full).await;
        let again = world.queue.take(1000);
        for delivery in again.iter().cloned() {
            world.queue.give_back(delivery);
        }
        world.drain_killed(fatal, options()).await;
        assert!(
            world.engine.sync_batch(again).await.dispositions.iter().all(|end| *end == Disposition::Done),
            "{fatal:?}"
        );
        assert_eq!(world.business_central.rows("Opportunity").len(), 2, "{fatal:?}");
        assert_eq!(world.dataverse.count("opportunity"), 2, "{fatal:?}");
        assert_eq!(world.couplings(JOB).await, 2, "{fatal:?}");
        assert!(world.failures(JOB).await.is_empty() && world.queue.dead_letters().is_empty(), "{fatal:?}");
        world.coupled_row(JOB, opportunity).await;
    }
}

#[tokio::test]
async fn closing_survives_a_death_at_every_failpoint_in_each_direction() {
    for fatal in Failpoint::ALL.into_iter().chain(Failpoint::OF_ACTIONS) {
        let world = prepared().await;
        let ours = [in_progress(&world, "OP1"), in_progress(&world, "OP2")];
        world.run(JOB, RunMode::Full).await;
        world.run(JOB, RunMode::Modified).await;
        let theirs = id(&world.coupled_row(JOB, ours[1]).await, "opportunityid");
        for direction in 0..2 {
            if direction == 0 {
                world.business_central.run_action_as_user("Opportunity", ours[0], "closeAsLost").expect("closed");
            } else {
                close_in_sales(&world, "LoseOpportunity", theirs, json!(0)).await;
            }
            world.find(JOB, RunMode::Modified).await;
            // Nothing new is reserved for a pair that is there.
            if fatal == Failpoint::Claimed {
                world.drain().await;
            } else {
                world.drain_killed(fatal, options()).await;
            }
            assert!(world.failures(JOB).await.is_empty(), "{fatal:?} {:?}", world.failures(JOB).await);
            let there = world.coupled_row(JOB, ours[direction]).await;
            assert_eq!(
                (&there["statecode"], status(&world, ours[direction]).as_str()),
                (&json!(2), "Lost"),
                "{fatal:?}"
            );
        }
        assert!(world.queue.dead_letters().is_empty(), "{fatal:?}");
        world.run(JOB, RunMode::Modified).await;
        assert_eq!(world.run(JOB, RunMode::Modified).await.counters.modified, 0, "{fatal:?}");
    }
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "what the work costs is worth reading in a passing test, too")]
async fn a_thousand_opportunities_stay_within_the_request_budgets() {
    let world = prepared().await;
    for position in 0..1000 {
        in_progress(&world, &format!("OP{position:04}"));
    }
    let spent = |work: &str, business_central: u64, dataverse: u64| {
        let (bc, dv) = (world.business_central.requests(), world.dataverse.requests());
        println!("{work}: {bc} requests to Business Central, {dv} to Dataverse");
        assert!(bc <= business_central && dv <= dataverse, "{work}: {bc} and {dv}");
        world.business_central.reset_requests();
        world.dataverse.reset_requests();
    };
    world.business_central.reset_requests();
    world.dataverse.reset_requests();
    let run = world.run(JOB, RunMode::Full).await;
    assert_eq!((run.counters.inserted, run.counters.failed), (1000, 0));
    spent("first load of 1,000 opportunities", 12, 12);
    world.run(JOB, RunMode::Modified).await;
    world.business_central.reset_requests();
    world.dataverse.reset_requests();
    let run = world.run(JOB, RunMode::Modified).await;
    assert_eq!((run.enqueued, run.counters.failed), (0, 0));
    spent("nothing changed", 3, 3);
}
