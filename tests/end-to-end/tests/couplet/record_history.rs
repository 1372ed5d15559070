//! What became of a record and why, asked afterwards: every end that matters once, with its values and the rule that decided.

use couplet_end_to_end::{Killing, World, WorldOptions, catalogue_with, chosen};
use couplet_engine::{Disposition, EngineOptions, Failpoint, RunMode};
use couplet_model::field_rule::FieldRule;
use couplet_model::history::{Cause, FieldReason, HistoryEntry, HistoryOutcome, Origin};
use couplet_model::message::Direction;
use couplet_model::request::{Chosen, Want};
use couplet_model::table::Side;
use couplet_model::task::Task;
use couplet_model::{MappingName, RecordId};
use couplet_store::{Retention, Store};
use dataverse_simulator::Poison;
use jiff::SignedDuration;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::coupled_customers::{Pair, coupled, new_account, of_customers, pairs, synchronize};

const TO: Direction = Direction::ToDataverse;
const FROM: Direction = Direction::FromDataverse;

/// Claims of dead workers end at once, so that the test need not wait.
fn options() -> EngineOptions {
    EngineOptions { claim: SignedDuration::ZERO, ..EngineOptions::default() }
}

/// The history of a record, oldest first.
async fn history(world: &World, mapping: &str, side: Side, record: Uuid) -> Vec<HistoryEntry> {
    let story = world.engine.story(&MappingName::from(mapping), side, RecordId(record), 100).await;
    let mut entries = story.expect("the store answers").entries;
    entries.reverse();
    entries
}

/// The history of a pair; whoever asks from the other side is told the same.
async fn of_pair(world: &World, pair: Pair) -> Vec<HistoryEntry> {
    let entries = history(world, "CUSTOMER", Side::BusinessCentral, pair.customer).await;
    assert_eq!(history(world, "CUSTOMER", Side::Dataverse, pair.account).await, entries);
    entries
}

/// Direction, outcome and cause of entries.
fn ends(entries: &[HistoryEntry]) -> Vec<(Direction, HistoryOutcome, Cause)> {
    entries.iter().map(|entry| (entry.direction, entry.outcome, entry.cause)).collect()
}

/// What is told of the field of a destination column.
fn of_column<'e>(entry: &'e HistoryEntry, column: &str) -> &'e FieldReason {
    let found = entry.fields.iter().find(|field| field.destination == column);
    found.unwrap_or_else(|| panic!("{column} is not in {entry:?}"))
}

fn values(field: &FieldReason) -> [Option<&str>; 4] {
    [&field.source_value, &field.destination_value, &field.base, &field.written].map(|value| value.as_deref())
}

fn refuse(world: &World, text: &str) {
    let (table, column) = (Some("account".to_owned()), Some("name".to_owned()));
    world.dataverse.faults().poison(Poison { table, column, text: text.to_owned(), only_in_bulk: false });
}

/// How many items of the histories of customers are stored.
fn items(world: &World) -> usize {
    let answer = world.raw("Scan", &json!({"TableName": "couplet", "ProjectionExpression": "pk"}));
    assert!(answer.get("LastEvaluatedKey").is_none(), "one page");
    let rows = answer["Items"].as_array().expect("items");
    rows.iter().filter(|row| row["pk"]["S"].as_str().is_some_and(|pk| pk.contains("#history#CUSTOMER#"))).count()
}

#[tokio::test]
async fn a_new_record_and_a_change_by_either_side_are_told_with_their_values() {
    let (world, pairs) = coupled(of_customers(1)).await;
    let pair = pairs[0];
    let first = of_pair(&world, pair).await;
    assert_eq!(ends(&first), [(TO, HistoryOutcome::Inserted, Cause::NewRecord)]);
    let name = of_column(&first[0], "name");
    assert_eq!(
        (name.rule, name.source.as_deref(), name.origin),
        (FieldRule::NewRecord, Some("displayName"), Origin::Field)
    );
    assert!(name.written.is_some() && name.written == name.source_value, "{name:?}");
    let kind = of_column(&first[0], "customertypecode");
    assert_eq!(
        (kind.origin, kind.written.as_deref()),
        (Origin::Template, Some("3")),
        "it is made a customer by the template"
    );
    assert_eq!(of_column(&first[0], "ownerid").origin, Origin::MappingRule);
    assert!(first[0].fields.iter().all(|field| field.written.is_some()), "{first:?}");

    pair.change_customer(&world, json!({"faxNo": "111"}));
    synchronize(&world).await;
    pair.change_account(&world, json!({"fax": "222", "websiteurl": "https://sales.example"}));
    synchronize(&world).await;
    let entries = of_pair(&world, pair).await;
    let changed = HistoryOutcome::Modified;
    assert_eq!(ends(&entries[1..]), [(TO, changed, Cause::Changed), (FROM, changed, Cause::Changed)]);
    let columns: Vec<&str> = entries[1].fields.iter().map(|field| field.destination.as_str()).collect();
    assert_eq!(columns, ["fax"], "what agrees is not listed");
    let fax = of_column(&entries[1], "fax");
    assert_eq!((fax.rule, values(fax)), (FieldRule::SourceChanged, [Some("111"), Some(""), Some(""), Some("111")]));
    let fax = of_column(&entries[2], "faxNo");
    assert_eq!(
        (fax.rule, values(fax)),
        (FieldRule::SourceChanged, [Some("222"), Some("111"), Some("111"), Some("222")])
    );
    assert_eq!(entries[2].fields.len(), 2, "{:?}", entries[2].fields);
    assert_eq!(
        (entries[1].business_central, entries[1].dataverse),
        (Some(RecordId(pair.customer)), Some(RecordId(pair.account)))
    );
}

#[tokio::test]
async fn what_both_sides_changed_in_different_fields_is_told_field_by_field() {
    let (world, pairs) = coupled(of_customers(1)).await;
    let pair = pairs[0];
    pair.change_customer(&world, json!({"faxNo": "111"}));
    pair.change_account(&world, json!({"websiteurl": "https://sales.example"}));
    synchronize(&world).await;
    let entries = of_pair(&world, pair).await;
    let to = entries.iter().find(|entry| entry.direction == TO && entry.cause == Cause::Changed).expect("one");
    assert_eq!(of_column(to, "fax").rule, FieldRule::SourceChanged);
    let website = of_column(to, "websiteurl");
    assert_eq!((website.rule, &website.written), (FieldRule::DestinationChanged, &None));
    let from = entries.iter().find(|entry| entry.direction == FROM).expect("one");
    assert_eq!(of_column(from, "website").rule, FieldRule::SourceChanged);
    assert_eq!(of_column(from, "website").written.as_deref(), Some("https://sales.example"));
}

#[tokio::test]
async fn ee11_a_conflict_and_how_a_person_settles_it_are_told() {
    let (world, pairs) = coupled(of_customers(1)).await;
    let pair = pairs[0];
    pair.change_customer(&world, json!({"faxNo": "111"}));
    pair.change_account(&world, json!({"fax": "222"}));
    synchronize(&world).await;
    let entries = of_pair(&world, pair).await;
    assert_eq!(ends(&entries[1..]).len(), 2, "{entries:?}");
    for entry in &entries[1..] {
        assert_eq!((entry.outcome, entry.cause), (HistoryOutcome::Conflict, Cause::BothSides));
        let column = if entry.direction == TO { "fax" } else { "faxNo" };
        let fax = of_column(entry, column);
        assert_eq!((fax.rule, &fax.written, fax.base.as_deref()), (FieldRule::Conflict, &None, Some("")));
        assert!(entry.message.as_deref().is_some_and(|message| message.contains("EE11")), "{entry:?}");
    }
    let resolution = world.engine.resolution(&"CUSTOMER".into(), Some(Side::Dataverse), &[]).expect("a side");
    world.ask("CUSTOMER", Want::Resolve(resolution), Chosen::Conflicting).await.expect("carried out");
    let entries = of_pair(&world, pair).await;
    let settled: Vec<&HistoryEntry> = entries.iter().filter(|entry| entry.cause == Cause::Settled).collect();
    let written = settled.iter().find(|entry| entry.outcome == HistoryOutcome::Modified).expect("one side is written");
    let fax = of_column(written, "faxNo");
    assert_eq!((fax.rule, values(fax)), (FieldRule::PersonSource, [Some("222"), Some("111"), Some(""), Some("222")]));
}

#[tokio::test]
async fn a_failure_a_skipped_and_an_uncoupled_record_are_told_and_so_is_what_followed() {
    let (world, pairs) = coupled(of_customers(1)).await;
    let pair = pairs[0];
    refuse(&world, "Unacceptable");
    pair.change_customer(&world, json!({"displayName": "Unacceptable"}));
    synchronize(&world).await;
    let entries = of_pair(&world, pair).await;
    let failed = entries.last().expect("an entry");
    assert_eq!((failed.outcome, failed.cause), (HistoryOutcome::Failed, Cause::NotPossible));
    let name = of_column(failed, "name");
    assert_eq!(
        (name.rule, name.source_value.as_deref(), &name.written),
        (FieldRule::SourceChanged, Some("Unacceptable"), &None)
    );
    assert!(failed.message.is_some(), "{failed:?}");
    world.dataverse.faults().clear_poison();
    world.ask("CUSTOMER", Want::Retry, Chosen::Failed).await.expect("carried out");
    world.ask("CUSTOMER", Want::Skip, chosen(&[pair.customer])).await.expect("carried out");
    pair.change_customer(&world, json!({"faxNo": "111"}));
    synchronize(&world).await;
    world.ask("CUSTOMER", Want::Unskip, chosen(&[pair.customer])).await.expect("carried out");
    world.ask("CUSTOMER", Want::Uncouple, chosen(&[pair.customer])).await.expect("carried out");
    assert!(!pair.is_coupled(&world).await);
    let entries = of_pair(&world, pair).await;
    let to: Vec<_> = ends(&entries).into_iter().filter(|(direction, ..)| *direction == TO).collect();
    assert_eq!(
        to,
        [
            (TO, HistoryOutcome::Inserted, Cause::NewRecord),
            (TO, HistoryOutcome::Failed, Cause::NotPossible),
            (TO, HistoryOutcome::Modified, Cause::Changed),
            (TO, HistoryOutcome::Skipped, Cause::SkippedByPerson),
            (TO, HistoryOutcome::Modified, Cause::Unskipped),
            (TO, HistoryOutcome::Uncoupled, Cause::UncoupledByPerson),
        ],
        "a skipped record that changes tells nothing"
    );
}

#[tokio::test]
async fn a_record_that_waits_and_one_that_does_so_in_vain_are_told_and_so_is_its_coupling() {
    let world = World::start(WorldOptions::default()).await;
    world.run("CURRENCY", RunMode::Full).await;
    world.run("ITEM-PRODUCT", RunMode::Full).await;
    let item = world.business_central_ids("Item", |row| row["blocked"] == json!(false))[0];
    let waits = history(&world, "ITEM-PRODUCT", Side::BusinessCentral, item).await;
    assert_eq!(ends(&waits), [(TO, HistoryOutcome::Waiting, Cause::Needs)]);
    assert!(waits[0].message.as_deref().is_some_and(|message| message.contains("UNIT OF MEASURE")), "{waits:?}");
    world.run("UNIT OF MEASURE", RunMode::Full).await;
    let entries = history(&world, "ITEM-PRODUCT", Side::BusinessCentral, item).await;
    let expected = [(TO, HistoryOutcome::Waiting, Cause::Needs), (TO, HistoryOutcome::Inserted, Cause::NewRecord)];
    assert_eq!(ends(&entries), expected, "released in the same run");
    let product = world.coupling("ITEM-PRODUCT", item).await.expect("coupled").dataverse_id.0;
    assert_eq!(history(&world, "ITEM-PRODUCT", Side::Dataverse, product).await, entries);
}

#[tokio::test]
async fn an_account_that_failed_before_it_was_coupled_is_told_from_either_side() {
    let (world, _) = coupled(of_customers(0)).await;
    let account = new_account(&world, "Unacceptable");
    world.business_central.faults().refuse_text(business_central_simulator::Poison {
        table: Some("Customer".to_owned()),
        property: Some("displayName".to_owned()),
        text: "Unacceptable".to_owned(),
    });
    world.run("CUSTOMER", RunMode::Full).await;
    let before = history(&world, "CUSTOMER", Side::Dataverse, account).await;
    assert_eq!(ends(&before), [(FROM, HistoryOutcome::Failed, Cause::NotPossible)]);
    assert_eq!((before[0].business_central, before[0].dataverse), (None, Some(RecordId(account))));
    let name = of_column(&before[0], "displayName");
    assert_eq!((name.source_value.as_deref(), &name.written), (Some("Unacceptable"), &None));
    world.business_central.faults().accept_all_texts();
    world.run("CUSTOMER", RunMode::Full).await;
    let pair = pairs(&world).await[0];
    let told = of_pair(&world, pair).await;
    assert_eq!(ends(&told[1..]), [(FROM, HistoryOutcome::Inserted, Cause::NewRecord)]);
    assert_eq!(told[0], before[0]);
}

#[tokio::test]
async fn a_deletion_is_told_with_what_the_rule_made_of_it() {
    for restores in [false, true] {
        let name = if restores { "restore" } else { "remove_coupling" };
        let change = |mapping: &mut Json| mapping["deletion_conflict"] = json!(name);
        let catalogue = catalogue_with(&[("customer", &change)]).expect("a catalogue");
        let (world, pairs) = coupled(WorldOptions { catalogue: Some(catalogue), ..of_customers(1) }).await;
        let pair = pairs[0];
        pair.delete_customer(&world);
        pair.change_account(&world, json!({"name": "Survivor"}));
        synchronize(&world).await;
        let entries = history(&world, "CUSTOMER", Side::Dataverse, pair.account).await;
        let causes: Vec<Cause> = entries.iter().map(|entry| entry.cause).collect();
        let expected = if restores { Cause::Restored } else { Cause::PartnerDeleted };
        assert_eq!((causes[0], causes.last().copied()), (Cause::NewRecord, Some(expected)), "{name}: {entries:?}");
        if !restores {
            let told = history(&world, "CUSTOMER", Side::BusinessCentral, pair.customer).await;
            assert_eq!(told, entries, "{name}: the deleted record leads to it as well");
        }
    }
}

#[tokio::test]
async fn a_message_delivered_twice_is_one_entry_and_a_quiet_run_writes_none() {
    let (world, pairs) = coupled(of_customers(3)).await;
    let first = items(&world);
    assert_eq!(first, 3, "one for each new record");
    world.run("CUSTOMER", RunMode::Modified).await;
    world.run("CUSTOMER", RunMode::Full).await;
    assert_eq!(items(&world), first, "nothing became of anything");
    pairs[0].change_customer(&world, json!({"faxNo": "111"}));
    world.find("CUSTOMER", RunMode::Modified).await;
    let deliveries = world.queue.take(10);
    for _ in 0..3 {
        let report = world.engine.sync_batch(deliveries.clone()).await;
        assert!(report.dispositions.iter().all(|disposition| *disposition == Disposition::Done));
    }
    assert_eq!(items(&world), first + 1);
    // Who asks for a record is told of it, though it is as it should be.
    let want = Want::Synchronize { direction: Some(TO), create: false };
    world.ask("CUSTOMER", want, chosen(&[pairs[1].customer])).await.expect("carried out");
    let told = of_pair(&world, pairs[1]).await;
    assert_eq!(ends(&told[1..]), [(TO, HistoryOutcome::Unchanged, Cause::AskedFor)]);
}

/// Asks for something of a customer, up to the queue.
async fn ask(world: &World, want: Want, customer: Uuid) {
    world.engine.ask(&"CUSTOMER".into(), want, chosen(&[customer])).await.expect("asked");
    while let Some(Task::Ask(request)) = world.tasks.next_task() {
        world.engine.work_request(&request, None).await.expect("put into the queue");
    }
}

#[tokio::test]
async fn whoever_dies_at_any_failpoint_leaves_a_whole_history() {
    for fatal in Failpoint::ALL {
        let (world, pairs) = coupled(WorldOptions { engine: options(), ..of_customers(1) }).await;
        let pair = pairs[0];
        pair.change_customer(&world, json!({"faxNo": "111"}));
        world.find("CUSTOMER", RunMode::Modified).await;
        world.drain_killed(fatal, options()).await;
        let entries = of_pair(&world, pair).await;
        let changed: Vec<&HistoryEntry> =
            entries.iter().filter(|entry| entry.outcome == HistoryOutcome::Modified).collect();
        assert_eq!(changed.len(), 1, "{fatal:?}: {entries:?}");
        let fax = of_column(changed[0], "fax");
        assert_eq!(values(fax), [Some("111"), Some(""), Some(""), Some("111")], "{fatal:?}");
        assert!(matches!(fax.rule, FieldRule::SourceChanged | FieldRule::EarlierAttempt), "{fatal:?}: {fax:?}");
        let new = json!({"displayName": "Made"});
        let new = world.business_central.create_as_user("Customer", new).expect("taken");
        ask(&world, Want::Synchronize { direction: Some(TO), create: true }, new).await;
        world.drain_killed(fatal, options()).await;
        let told = history(&world, "CUSTOMER", Side::BusinessCentral, new).await;
        assert_eq!(ends(&told), [(TO, HistoryOutcome::Inserted, Cause::NewRecord)], "{fatal:?}");
    }
    let (world, pairs) = coupled(WorldOptions { engine: options(), ..of_customers(1) }).await;
    let pair = pairs[0];
    ask(&world, Want::Uncouple, pair.customer).await;
    // The pair ends in the store, and what became of it is not: the worker dies behind its end.
    let deliveries = world.queue.take(10);
    let killed = world.another_engine(Killing::at(Failpoint::Recorded).of(options()));
    killed.sync_batch(deliveries.clone()).await;
    deliveries.into_iter().for_each(|delivery| world.queue.give_back(delivery));
    world.drain().await;
    let told = of_pair(&world, pair).await;
    assert_eq!(ends(&told[1..]), [(TO, HistoryOutcome::Uncoupled, Cause::UncoupledByPerson)]);
}

#[tokio::test]
async fn nothing_is_written_where_the_history_is_kept_for_no_days() {
    let (world, pairs) = coupled(of_customers(1)).await;
    let first = items(&world);
    let retention = Retention { history: SignedDuration::ZERO, ..Retention::default() };
    let store = Store::new(world.store().client().clone(), "couplet", retention);
    let engine = world.another_engine_on(store, options());
    pairs[0].change_customer(&world, json!({"faxNo": "111"}));
    let run = world.run_with(&engine, "CUSTOMER", RunMode::Modified).await;
    assert_eq!((run.counters.modified, items(&world)), (1, first));
}
