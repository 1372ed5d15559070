//! Reading from a simulated Dataverse: change tracking and its loss, bulk reads, filters, definitions.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use crate::world::{columns, id, values, world, world_with};
use couplet_model::filter::{Condition, Operator};
use couplet_model::ids::RecordId;
use couplet_model::system::{Cursor, NextPage, Position, Resume, System, SystemErrorKind};
use couplet_model::{Filter, Table, Value};
use dataverse_simulator::DataverseOptions;
use serde_json::json;
use uuid::Uuid;

#[tokio::test]
async fn a_feed_of_more_than_5000_rows_comes_in_full_pages_and_ends_in_a_delta_link() {
    let world = world().await;
    world.add_accounts(11_000);
    let accounts = world.accounts();
    let feed = world.feed(&accounts, &["name"], Resume::Everything).await;
    let ids: HashSet<RecordId> = feed.upserted().iter().map(|record| record.id).collect();
    assert_eq!((ids.len(), feed.changes.len(), feed.pages, world.requests()), (11_000, 11_000, 3, 3));
    assert!(feed.notes.iter().all(Option::is_none));
    assert!(matches!(&feed.cursor.position, Position::DeltaLink(link) if link.contains("deltatoken")));
    assert!(feed.upserted().iter().all(|record| record.version.is_some() && record.modified.is_some()));
}

#[tokio::test]
async fn the_delta_link_gives_changes_and_deletions_and_nothing_when_it_is_quiet() {
    let world = world().await;
    let ids = world.add_accounts(20);
    let accounts = world.accounts();
    let first = world.feed(&accounts, &["name"], Resume::Everything).await;
    world.requests();
    let quiet = world.feed(&accounts, &["name"], Resume::Since(first.cursor)).await;
    assert_eq!((quiet.changes.len(), world.requests()), (0, 1));
    world.simulator.update_as_user("account", ids[3].0, json!({"name": "Changed"})).unwrap();
    world.simulator.delete_as_user("account", ids[4].0).unwrap();
    let next = world.feed(&accounts, &["name"], Resume::Since(quiet.cursor)).await;
    let [record] = next.upserted()[..] else { panic!("{:?}", next.changes) };
    assert_eq!((record.id, record.get("name")), (ids[3], &Value::text("Changed")));
    assert_eq!((next.deleted(), world.requests()), (vec![ids[4]], 1));
}

#[tokio::test]
async fn an_expired_delta_link_falls_back_to_the_time_of_change_and_says_so_on_every_page() {
    let world = world().await;
    let ids = world.add_accounts(6000);
    let accounts = world.accounts();
    let first = world.feed(&accounts, &["name"], Resume::Everything).await;
    world.simulator.faults().advance_clock(Duration::from_secs(3600));
    world.simulator.update_as_user("account", ids[5].0, json!({"name": "Changed"})).unwrap();
    world.simulator.delete_as_user("account", ids[6].0).unwrap();
    world.simulator.expire_delta_links();
    // An hour has ended the token too; a new one is not what this test counts.
    world.client.who_am_i().await.unwrap();
    // Half an hour after the rows were made: only the change lies behind it.
    let as_of = first.cursor.as_of.checked_add(jiff::SignedDuration::from_mins(30)).unwrap();
    world.requests();
    let again = world.feed(&accounts, &["name"], Resume::Since(Cursor { as_of, ..first.cursor })).await;
    assert_eq!((again.changes.len(), again.pages, world.requests()), (1, 2, 3));
    assert_eq!(again.upserted()[0].id, ids[5]);
    assert!(
        again.notes.iter().all(|note| note.as_ref().is_some_and(|note| note.contains("deletions"))),
        "{:?}",
        again.notes
    );
    let next = world.feed(&accounts, &["name"], Resume::Since(again.cursor)).await;
    assert_eq!((next.changes.len(), next.notes), (0, vec![None]));
}

#[tokio::test]
async fn a_link_lost_between_two_pages_begins_the_feed_again() {
    let world = world().await;
    world.add_accounts(6000);
    let accounts = world.accounts();
    let names = columns(&["name"]);
    let query = couplet_model::system::ChangesQuery {
        table: &accounts,
        columns: &names,
        filter: &Filter::default(),
        look_back: crate::world::LOOK_BACK,
    };
    let NextPage::More(token) = world.client.changes(&query, Resume::Everything).await.unwrap().next else {
        panic!("one page")
    };
    let broken = couplet_model::system::PageToken(token.0.replace("%7C", "%7Cx"));
    let feed = world.feed(&accounts, &["name"], Resume::Page(broken)).await;
    assert_eq!((feed.changes.len(), feed.pages), (6000, 2));
}

#[tokio::test]
async fn columns_that_a_delta_link_does_not_know_are_read_beside_it() {
    let world = world().await;
    let ids = world.add_accounts(3);
    let accounts = world.accounts();
    let first = world.feed(&accounts, &["name"], Resume::Everything).await;
    world.simulator.update_as_user("account", ids[0].0, json!({"telephone1": "12345"})).unwrap();
    world.requests();
    let next = world.feed(&accounts, &["name", "telephone1"], Resume::Since(first.cursor)).await;
    let [record] = next.upserted()[..] else { panic!("{:?}", next.changes) };
    assert_eq!((record.get("telephone1"), world.requests()), (&Value::text("12345"), 2));
}

#[tokio::test]
async fn a_table_without_change_tracking_is_read_by_its_time_of_change() {
    let world = world().await;
    let memberships = world.table("teammembership");
    let feed = world.feed(&memberships, &[], Resume::Everything).await;
    assert!(matches!(feed.cursor.position, Position::ModifiedOn(_)));
    world.requests();
    world.feed(&memberships, &[], Resume::Everything).await;
    assert_eq!(world.requests(), 1, "the table is known to have none");
    let ids = world.add_accounts(10);
    let accounts = world.accounts();
    world.simulator.faults().advance_clock(Duration::from_secs(3600));
    world.simulator.update_as_user("account", ids[2].0, json!({"name": "B"})).unwrap();
    world.simulator.update_as_user("account", ids[3].0, json!({"name": "C"})).unwrap();
    let as_of = feed.cursor.as_of.checked_add(jiff::SignedDuration::from_mins(30)).unwrap();
    let filter = Filter::all(vec![Condition::equal("name", Value::text("B"))]);
    let since = Resume::Since(Cursor { position: Position::ModifiedOn(as_of), as_of, ..feed.cursor.clone() });
    let feed = world.filtered_feed(&accounts, &["name"], &filter, since).await;
    assert_eq!(feed.upserted().iter().map(|record| record.id).collect::<Vec<_>>(), [ids[2]]);
}

#[tokio::test]
async fn f09_a_row_committed_late_is_read_by_its_time_of_change() {
    let world = world().await;
    let ids = world.add_accounts(2);
    let accounts = world.accounts();
    let names = columns(&["name"]);
    let written = world.feed(&accounts, &["name"], Resume::Everything).await.cursor.as_of;
    // The cursor stands three minutes after the rows were written, as after another row of that time.
    let passed = written.checked_add(jiff::SignedDuration::from_mins(3)).unwrap();
    world.simulator.faults().advance_clock(Duration::from_secs(180));
    for (minutes, expected) in [(1, vec![]), (5, ids)] {
        let query = couplet_model::system::ChangesQuery {
            table: &accounts,
            columns: &names,
            filter: &Filter::default(),
            look_back: jiff::SignedDuration::from_mins(minutes),
        };
        let cursor = Cursor::by_time(Some(passed), passed, query.look_back);
        let page = world.client.changes(&query, Resume::Since(cursor)).await.unwrap();
        let found: Vec<_> = page
            .changes
            .iter()
            .map(|change| match change {
                couplet_model::record::Change::Upserted(record) => record.id,
                couplet_model::record::Change::Deleted(id) => *id,
            })
            .collect();
        assert_eq!(found.len(), expected.len(), "{minutes} minutes");
        assert!(expected.iter().all(|id| found.contains(id)));
    }
}

#[tokio::test]
async fn a_thousand_records_by_id_are_one_request() {
    let world = world().await;
    let mut ids = world.add_accounts(1000);
    ids.push(RecordId(Uuid::from_u128(1)));
    let records = world.fetch(&world.accounts(), &ids, &["name", "ownerid", "owneridtype"]).await;
    assert_eq!((records.len(), world.requests()), (1000, 1));
    for record in &records {
        assert!(record.version.is_some());
        assert!(matches!(record.get("ownerid"), Value::Reference { table, .. } if &**table == "systemuser"));
        assert_eq!(record.get("owneridtype"), &Value::text("systemuser"));
    }
    assert_eq!(world.fetch(&world.accounts(), &ids[..3], &["name"]).await.len(), 3);
    assert!(world.fetch(&world.accounts(), &[], &["name"]).await.is_empty());
    assert_eq!(world.requests(), 1);
}

#[tokio::test]
async fn records_are_found_by_lists_lookups_and_blanks() {
    let world = world().await;
    let ids = world.add_accounts(900);
    let accounts = world.accounts();
    let company = world.company();
    for id in ids.iter().take(5) {
        world.simulator.update_as_user("account", id.0, json!({"_bcbi_companyid_value": company})).unwrap();
    }
    world.simulator.update_as_user("account", ids[0].0, json!({"name": "O'Neill & \"Sons\" 100%"})).unwrap();
    let names = |count: usize| (1..=count).map(|number| Value::text(format!("A{number}"))).collect::<Vec<_>>();
    let condition = |column: &str, operator, values| Condition { column: column.into(), operator, values };
    for (conditions, expected) in [
        (vec![Condition::one_of("name", names(850))], 850),
        (vec![Condition::equal("name", Value::text("o'neill & \"sons\" 100%"))], 1),
        (vec![Condition::one_of("name", vec![Value::text("O'Neill & \"Sons\" 100%"), Value::text("A7")])], 2),
        (vec![Condition::equal("bcbi_companyid", Value::Guid(company))], 5),
        (vec![Condition::equal("bcbi_companyid", Value::Null)], 895),
        (vec![Condition::one_of("bcbi_companyid", vec![Value::Guid(company), Value::Null])], 900),
        (vec![Condition::one_of("bcbi_companyid", vec![Value::Guid(company), Value::Guid(Uuid::from_u128(3))])], 5),
        (vec![condition("bcbi_companyid", Operator::NotEqual, vec![Value::Guid(company)])], 895),
        (vec![Condition::one_of("statecode", vec![Value::Int(0), Value::Int(1)])], 900),
        (vec![condition("statecode", Operator::NotEqual, vec![Value::Int(0)])], 0),
        (vec![Condition::one_of("name", names(450)), Condition::equal("bcbi_companyid", Value::Guid(company))], 4),
        (vec![Condition::one_of("name", vec![])], 0),
    ] {
        world.requests();
        let found = world.find(&accounts, &Filter::all(conditions.clone()), &["name"]).await;
        assert_eq!(found.len(), expected, "{conditions:?}");
        assert!(world.requests() <= 1, "{conditions:?}");
    }
}

#[tokio::test]
async fn a_search_follows_its_pages() {
    let world = world().await;
    world.add_accounts(5100);
    let all = world.find(&world.accounts(), &Filter::default(), &["name"]).await;
    assert_eq!((all.len(), world.requests()), (5100, 2));
}

#[tokio::test]
async fn definitions_tell_labels_sets_and_who_we_are() {
    let world = world_with(DataverseOptions::default()).await;
    let accounts = world.accounts();
    for (column, label) in [("paymenttermscode", "Net 30"), ("statecode", "Active")] {
        let options = Table::of_options(&accounts, accounts.column(column).unwrap(), BTreeMap::new());
        let found = world.find(&options, &Filter::default(), &[column]).await;
        assert!(found.iter().any(|option| option.get(column) == &Value::text(label)), "{found:?}");
    }
    let me = world.client.who_am_i().await.unwrap();
    assert_eq!(me.user_id, world.simulator.integration_user());
    let company = world.table("bcbi_company");
    assert_eq!(world.find(&company, &Filter::default(), &["bcbi_name"]).await.len(), 1);
    world.requests();
    world.find(&company, &Filter::default(), &["bcbi_name"]).await;
    assert_eq!(world.requests(), 1, "entity sets are asked for once");
}

#[tokio::test]
async fn a_column_the_service_does_not_know_is_a_matter_of_set_up() {
    let world = world().await;
    let mut accounts = (*world.accounts()).clone();
    let ghost = std::sync::Arc::clone(&accounts.columns["name"]);
    accounts.columns.insert("ghost".into(), ghost);
    let error = world.client.fetch(&accounts, &[id(1)], &columns(&["ghost"])).await.unwrap_err();
    assert_eq!(error.kind, SystemErrorKind::Protocol);
    let writes = [couplet_model::system::Write::create(Some(id(1)), values(&[("ghost", Value::text("x"))]))];
    let error = world.write(&accounts, &writes).await.pop().unwrap().unwrap_err();
    assert_eq!(error.kind, SystemErrorKind::Protocol, "{error}");
}
