//! Customers with what belongs to them: salespeople as owners, primary contacts, and several that are asked for at once.

use couplet_end_to_end::{World, WorldOptions, catalogue_with};
use couplet_engine::RunMode;
use couplet_model::message::Direction::FromDataverse;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::coupled_customers::{Pair, coupled, of_customers, synchronize};
use crate::observing::{id, person_of, text};

fn field(mapping: &mut Json, column: &str) -> usize {
    let rows = mapping["fields"].as_array().expect("rows");
    rows.iter().position(|row| row["dataverse"] == json!(column) && row["business_central"].is_string()).expect("a row")
}

/// A world of one coupled customer whose mapping is changed.
async fn one(change: &dyn Fn(&mut Json)) -> (World, Pair) {
    let catalogue = catalogue_with(&[("customer", change)]).expect("a catalogue");
    let (world, pairs) = coupled(WorldOptions { catalogue: Some(catalogue), ..of_customers(1) }).await;
    (world, pairs[0])
}

/// A person who works for the customer and is its primary contact in Business Central.
fn primary_contact(world: &World, pair: Pair) -> Uuid {
    let person = person_of(world, "Customer", pair.customer, "Berg");
    let number = text(&world.business_central.row("Contact", person).expect("there"), "number").to_owned();
    pair.change_customer(world, json!({"primaryContactNo": number}));
    person
}

fn salesperson(world: &World, code: &str) -> Uuid {
    let values = json!({"code": code, "displayName": code});
    world.business_central.create_as_user("Salesperson/Purchaser", values).expect("taken")
}

/// A user that no salesperson is coupled with.
fn users(world: &World) -> Vec<Uuid> {
    let rows = world.dataverse.rows("systemuser");
    let licensed = rows.iter().filter(|row| {
        row["isdisabled"] == json!(false)
            && row["islicensed"] == json!(true)
            && row["isintegrationuser"] == json!(false)
    });
    licensed.map(|row| id(row, "systemuserid")).collect()
}

#[tokio::test]
async fn c_218_r38_r217_of_several_chosen_customers_each_has_its_own_result() {
    let (world, pairs) = coupled(of_customers(3)).await;
    let (sound, fresh, refused) = (pairs[0], pairs[1], pairs[2]);
    let uncoupled = world.business_central.create_as_user("Customer", json!({"displayName": "Alone"})).expect("taken");
    sound.change_customer(&world, json!({"displayName": "Sound"}));
    refused.change_customer(&world, json!({"displayName": "Refused"}));
    world.dataverse.faults().poison(dataverse_simulator::Poison {
        table: Some("account".to_owned()),
        column: Some("name".to_owned()),
        text: "Refused".to_owned(),
        only_in_bulk: false,
    });
    let all = [sound.customer, uncoupled, fresh.customer, refused.customer];
    let run = world.push("CUSTOMER", &all, false).await;
    let counters = run.counters;
    assert_eq!((run.enqueued, counters.modified, counters.failed), (4, 1, 1), "{counters:?}");
    assert_eq!((counters.ignored, counters.unchanged), (1, 1), "one is not coupled, and one agrees: {counters:?}");
    let failures = world.failures("CUSTOMER").await;
    let number = text(&refused.customer(&world), "number").to_owned();
    assert!(failures.len() == 1 && failures[0].label.contains(&number), "D9: {failures:?}");
}

#[tokio::test]
async fn c_220_c_223_a_coupled_primary_contact_travels_and_one_that_is_taken_off_in_sales_goes() {
    let (world, pair) = one(&|_| {}).await;
    let person = primary_contact(&world, pair);
    world.run("CONTACT", RunMode::Full).await;
    for job in ["CUSTOMER", "CONTACT", "CUSTOMER"] {
        let run = world.run(job, RunMode::Modified).await;
        assert_eq!(run.counters.failed, 0, "{job}: {:?}", world.failures(job).await);
    }
    let contact = id(&world.coupled_row("CONTACT", person).await, "contactid");
    assert_eq!(text(&pair.account(&world), "_primarycontactid_value"), contact.to_string(), "C-220");
    pair.change_account(&world, json!({"primarycontactid@odata.bind": null}));
    let run = synchronize(&world).await;
    assert_eq!((run.from_dataverse.modified, run.counters.failed), (1, 0), "C-223");
    assert_eq!(text(&pair.customer(&world), "primaryContactNo"), "", "C-223");
}

#[tokio::test]
async fn c_222_where_the_row_does_not_clear_an_uncoupled_primary_contact_is_told_and_the_present_one_stays() {
    let (world, pair) = one(&|mapping| {
        let row = field(mapping, "primarycontactid");
        mapping["fields"][row]["clear_on_failure"] = json!(false);
    })
    .await;
    let parent = format!("/accounts({})", pair.account);
    let contact = json!({"firstname": "Ida", "lastname": "Dahl", "parentcustomerid_account@odata.bind": parent});
    let contact = world.dataverse.create_as_user("contact", contact).expect("taken");
    pair.change_account(&world, json!({"primarycontactid@odata.bind": format!("/contacts({contact})")}));
    synchronize(&world).await;
    let person = primary_contact(&world, pair);
    let number = text(&world.business_central.row("Contact", person).expect("there"), "number").to_owned();
    let run = synchronize(&world).await;
    assert_eq!((run.to_dataverse.failed, run.to_dataverse.noted), (0, 1), "{:?}", run.counters);
    assert_eq!(text(&pair.account(&world), "_primarycontactid_value"), contact.to_string());
    let failures = world.failures("CUSTOMER").await;
    assert!(failures.iter().any(|failure| failure.message.contains(&number)), "{failures:?}");
}

#[tokio::test]
async fn d9_a_value_that_is_not_coupled_is_named_and_so_is_the_customer_it_belongs_to() {
    let (world, pairs) = coupled(of_customers(2)).await;
    salesperson(&world, "NOBODY");
    pairs[1].change_customer(&world, json!({"salespersonCode": "NOBODY"}));
    synchronize(&world).await;
    let failures = world.failures("CUSTOMER").await;
    let number = text(&pairs[1].customer(&world), "number").to_owned();
    let [failure] = &failures[..] else { panic!("{failures:?}") };
    assert_eq!(failure.record.0, pairs[1].customer);
    assert!(failure.label.contains(&number) && failure.message.contains("NOBODY"), "{failure:?}");
}

#[tokio::test]
async fn c_234_a_salesperson_that_a_person_couples_takes_the_name_of_its_user() {
    let world = World::start(of_customers(0)).await;
    let (zoe, user) = (salesperson(&world, "ZOE"), users(&world)[0]);
    let before = world.dataverse.row("systemuser", user).expect("there");
    let run = world.couple("SALESPEOPLE", zoe, user, FromDataverse).await.expect("carried out");
    assert_eq!((run.counters.modified, run.counters.failed), (1, 0), "{:?}", world.failures("SALESPEOPLE").await);
    let name = |row: &serde_json::Map<String, Json>, column: &str| text(row, column).to_owned();
    let salesperson = world.business_central.row("Salesperson/Purchaser", zoe).expect("there");
    assert_eq!(name(&salesperson, "displayName"), name(&before, "fullname"));
    assert_eq!(world.dataverse.row("systemuser", user), Some(before), "the user is unchanged");
}

#[tokio::test]
async fn c_238_c_239_c_241_r263_r264_the_owner_of_an_account_follows_the_salesperson_and_a_team_is_no_salesperson() {
    let (world, pair) = one(&|mapping| {
        let row = field(mapping, "ownerid");
        mapping["fields"][row]["direction"] = json!("bidirectional");
    })
    .await;
    let all = users(&world);
    for (code, user) in [("A", all[0]), ("B", all[1])] {
        let record = salesperson(&world, code);
        world.couple("SALESPEOPLE", record, user, FromDataverse).await.expect("carried out");
    }
    let owner = |world: &World| text(&pair.account(world), "_ownerid_value").to_owned();
    pair.change_customer(&world, json!({"salespersonCode": "A"}));
    synchronize(&world).await;
    assert_eq!(owner(&world), all[0].to_string(), "C-241");
    pair.change_customer(&world, json!({"salespersonCode": "B"}));
    synchronize(&world).await;
    assert_eq!(owner(&world), all[1].to_string(), "C-238");

    let team = id(&world.dataverse.rows("bcbi_company")[0], "_bcbi_defaultowningteam_value");
    let given = json!({"ownerid@odata.bind": format!("/teams({team})"), "name": "Given to a team"});
    pair.change_account(&world, given);
    let run = synchronize(&world).await;
    assert_eq!((run.from_dataverse.modified, run.counters.failed), (1, 0), "C-239: {:?}", run.counters);
    let both = pair.both(&world, "salespersonCode", "_ownerid_value");
    assert_eq!(both, ("B".to_owned(), team.to_string()), "C-239: nobody's code is made up");
    // The salesperson of the customer takes the account back.
    pair.change_customer(&world, json!({"salespersonCode": "A"}));
    world.push("CUSTOMER", &[pair.customer], false).await;
    assert_eq!(owner(&world), all[0].to_string(), "C-241: from a team to a user");
    synchronize(&world).await;
    pair.change_account(&world, json!({"ownerid@odata.bind": format!("/systemusers({})", all[1])}));
    synchronize(&world).await;
    assert_eq!(text(&pair.customer(&world), "salespersonCode"), "B", "a user is");
}
