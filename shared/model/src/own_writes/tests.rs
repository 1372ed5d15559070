//! Tables of what stands in both records after a write whose fate is not known, and what is made of it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use uuid::Uuid;

use super::*;
use crate::decision::{ConflictRule, Creation, Decision, Situation, TransferredField, Travel, decide};
use crate::ids::{DataverseId, RecordId, SystemId};
use crate::table::{Access, FieldType};

const COLUMNS: [&str; 2] = ["phone", "city"];

fn column(name: &str) -> Arc<Column> {
    Arc::new(Column {
        name: name.to_owned(),
        caption: name.to_owned(),
        field: FieldType::Text { length: 50 },
        access: Access::Full,
        standard: true,
        companion: false,
        options: BTreeMap::new(),
    })
}

fn table(side: Side) -> Table {
    Table {
        side,
        name: "customer".to_owned(),
        entity_set: Some("customers".to_owned()),
        companion_entity_set: None,
        companion_takes_id: false,
        companion_parent: None,
        choice: None,
        id_column: "id".to_owned(),
        modified_column: None,
        label_column: None,
        company_column: None,
        takes_upsert: true,
        columns: COLUMNS.iter().map(|name| ((*name).to_owned(), column(name))).collect(),
    }
}

/// A record with a phone and a city; "" is blank.
fn record(phone: &str, city: &str) -> Record {
    let value = |text: &str| if text.is_empty() { Value::Null } else { Value::text(text) };
    let values = [(Arc::from("phone"), value(phone)), (Arc::from("city"), value(city))].into();
    Record { id: RecordId(Uuid::from_u128(1)), version: None, modified: None, values, unreadable: None }
}

fn base(phone: &str, city: &str) -> Base {
    let mut base = Base::default();
    for side in [Side::BusinessCentral, Side::Dataverse] {
        for (name, value) in record(phone, city).values {
            base.set(side, &name, &value);
        }
    }
    base
}

fn fields(source: &Record) -> Vec<TransferredField> {
    COLUMNS
        .iter()
        .map(|name| TransferredField {
            source: Some(column(name)),
            destination: column(name),
            desired: source.get(name).clone(),
            travel: Travel::BothWays,
        })
        .collect()
}

fn pending(direction: Direction, phone: Option<&str>, city: Option<&str>) -> PendingWrite {
    let source = record(phone.unwrap_or("?"), city.unwrap_or("?"));
    let mut values = Values::new();
    for (name, value) in [("phone", phone), ("city", city)] {
        if value.is_some() {
            values.insert(Arc::from(name), source.get(name).clone());
        }
    }
    PendingWrite::new(direction, false, &source, &fields(&source), &values)
}

fn coupled(pending: Vec<PendingWrite>) -> Coupling {
    let ids = (SystemId(Uuid::from_u128(1)), DataverseId(Uuid::from_u128(1)));
    Coupling { base: base("A", "Bonn"), pending, ..Coupling::new(ids.0, ids.1, CouplingState::Coupled) }
}

/// What is decided, in words: `write phone=B`, `nothing`, `conflict phone`.
fn decided(coupling: &Coupling, direction: Direction, source: &Record, destination: &Record) -> (String, Agreement) {
    let (business_central, dataverse) = (table(Side::BusinessCentral), table(Side::Dataverse));
    let tables = Tables { business_central: &business_central, dataverse: &dataverse };
    let agreement = recognize(&coupling.base, &coupling.pending, direction, tables, source, Some(destination));
    let situation = Situation {
        direction,
        source,
        destination: Some(destination),
        creation: Creation::Over,
        base: &agreement.known,
        force: false,
        rule: ConflictRule::None,
        resolution: None,
        newcomers: &BTreeSet::new(),
    };
    let words = match decide(&situation, &fields(source)).decision {
        Decision::Update { values, .. } => {
            let written: Vec<String> = values.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("write {}", written.join(" "))
        }
        Decision::Unchanged { .. } => "nothing".to_owned(),
        Decision::Conflict(conflicts) => {
            let names: Vec<&str> = conflicts.iter().map(|conflict| conflict.dataverse.as_str()).collect();
            format!("conflict {}", names.join(" "))
        }
        Decision::Create { .. } => "create".to_owned(),
    };
    (words, agreement)
}

/// Both sides held A. A user typed B at the source, and it was about to be written when the answer was lost or the
/// process died. Now the retry, in the same direction, finds these.
#[test]
fn f10_a_table_of_retries() {
    let cases = [
        // source, destination, decided
        ("B", "A", "write phone=B", "the write did not arrive"),
        ("B", "B", "nothing", "the write arrived"),
        ("A", "B", "write phone=A", "the user put A back while B arrived"),
        ("A", "A", "nothing", "the user put A back, and B did not arrive"),
        ("C", "B", "write phone=C", "the user typed C while B arrived"),
        ("C", "A", "write phone=C", "the user typed C, and B did not arrive"),
        ("C", "C", "nothing", "both sides were changed alike"),
        ("A", "X", "nothing", "only the destination differs from what was agreed: the other direction brings it"),
        ("B", "X", "conflict phone", "a user changed the destination, and nothing proves that B arrived before"),
        ("C", "X", "conflict phone", "users changed both sides"),
        ("", "B", "write phone=blank", "the user emptied the field while B arrived"),
    ];
    for direction in Direction::BOTH {
        let coupling = coupled(vec![pending(direction, Some("B"), None)]);
        for (source, destination, expected, name) in cases {
            let (source, destination) = (record(source, "Bonn"), record(destination, "Bonn"));
            let (decided, _) = decided(&coupling, direction, &source, &destination);
            assert_eq!(decided, expected, "{name}, {direction}");
        }
    }
}

/// The same, when a record of the destination travels the other way before the retry.
#[test]
fn f10_a_table_of_the_other_direction_first() {
    let cases = [
        // what the destination of the lost write holds, what its source holds, decided for the way back
        ("B", "B", "nothing", "our own write that comes back"),
        ("B", "A", "nothing", "our own write comes back, and the user put A back: the retry brings it"),
        ("B", "C", "nothing", "our own write comes back, and the user typed C: the retry brings it"),
        ("A", "B", "nothing", "the write did not arrive: nothing was changed there"),
        ("X", "A", "write phone=X", "a user changed only the destination of the lost write"),
        ("X", "B", "conflict phone", "users changed both sides, and nothing proves that B arrived before X"),
    ];
    for lost in Direction::BOTH {
        let coupling = coupled(vec![pending(lost, Some("B"), None)]);
        for (there, here, expected, name) in cases {
            let (decided, _) = decided(&coupling, lost.reverse(), &record(there, "Bonn"), &record(here, "Bonn"));
            assert_eq!(decided, expected, "{name}, lost {lost}");
        }
    }
}

#[test]
fn f10_another_column_of_the_same_write_proves_that_it_arrived_before_the_users_change() {
    for direction in Direction::BOTH {
        let coupling = coupled(vec![pending(direction, Some("B"), Some("Berlin"))]);
        let cases = [
            // The city arrived, so the phone did, and X came after it: no conflict with B, one with C.
            (("B", "Berlin"), ("X", "Berlin"), "nothing"),
            (("C", "Berlin"), ("X", "Berlin"), "conflict phone"),
            // The city did not arrive, so X was typed over A.
            (("B", "Berlin"), ("X", "Bonn"), "conflict phone"),
            // The destination left one column out, or a user put it back: the source brings it again.
            (("B", "Berlin"), ("B", "Bonn"), "write city=Berlin"),
        ];
        for (source, destination, expected) in cases {
            let (source, destination) = (record(source.0, source.1), record(destination.0, destination.1));
            let (decided, _) = decided(&coupling, direction, &source, &destination);
            assert_eq!(decided, expected, "{source:?} {destination:?} {direction}");
        }
    }
}

#[test]
fn f10_several_lost_writes_are_each_recognized() {
    for direction in Direction::BOTH {
        let lost = ["B", "C", "D"].map(|phone| pending(direction, Some(phone), None));
        let coupling = coupled(lost.to_vec());
        for arrived in ["B", "C", "D"] {
            let (decided, _) = decided(&coupling, direction, &record("E", "Bonn"), &record(arrived, "Bonn"));
            assert_eq!(decided, "write phone=E", "{arrived} {direction}");
        }
        // Written back and forth: the newest that fits counts.
        let back = coupled(vec![pending(direction, Some("B"), None), pending(direction, Some("A"), None)]);
        for (there, expected) in [("A", "nothing"), ("B", "write phone=A")] {
            assert_eq!(decided(&back, direction, &record("A", "Bonn"), &record(there, "Bonn")).0, expected);
        }
    }
}

#[test]
fn f10_a_write_that_may_yet_arrive_is_told_from_one_that_has() {
    let direction = Direction::ToDataverse;
    let coupling = coupled(vec![pending(direction, Some("B"), None)]);
    let may_arrive = |destination: &str| {
        decided(&coupling, direction, &record("A", "Bonn"), &record(destination, "Bonn")).1.may_arrive
    };
    assert_eq!(may_arrive("A"), [(Arc::from("phone"), Value::text("A"))].into());
    assert!(may_arrive("B").is_empty(), "it has arrived");
    assert!(decided(&coupled(vec![]), direction, &record("A", "Bonn"), &record("A", "Bonn")).1.may_arrive.is_empty());
}

#[test]
fn f10_a_column_that_cannot_be_read_proves_nothing_and_is_not_written_again() {
    let direction = Direction::ToDataverse;
    let coupling = coupled(vec![pending(direction, Some("B"), None)]);
    let (business_central, dataverse) = (table(Side::BusinessCentral), table(Side::Dataverse));
    let tables = Tables { business_central: &business_central, dataverse: &dataverse };
    let mut half_read = record("?", "Bonn");
    half_read.values.remove("phone");
    let source = record("A", "Bonn");
    let agreement = recognize(&coupling.base, &coupling.pending, direction, tables, &source, Some(&half_read));
    assert_eq!(agreement.known, coupling.base);
    assert!(agreement.may_arrive.is_empty());
}

#[test]
fn f10_a_commit_confirms_the_writes_of_its_own_direction_only() {
    let (to, from) = (Direction::ToDataverse, Direction::FromDataverse);
    let coupling = coupled(vec![pending(to, Some("B"), None)]);
    // The way back brings a city while our phone stands in Dataverse: what follows that write is not done yet.
    let (account, customer) = (record("B", "Berlin"), record("B", "Bonn"));
    let (words, agreement) = decided(&coupling, from, &account, &customer);
    assert_eq!(words, "write city=Berlin");
    let mut after = agreement.known.clone();
    for side in [Side::BusinessCentral, Side::Dataverse] {
        after.set(side, "city", &Value::text("Berlin"));
    }
    assert_eq!(agreement.base_after(&after), base("A", "Berlin"));
    assert_eq!(agreement.pending_after(&coupling, &after), coupling.pending);
    // The retry in its own direction confirms it, and forgets it.
    let (_, agreement) = decided(&coupling, to, &customer, &account);
    assert_eq!(agreement.base_after(&agreement.known), base("B", "Bonn"));
    assert_eq!(agreement.pending_after(&coupling, &agreement.known), []);
    // A column that the way back decides anew is no longer pending.
    let both = coupled(vec![pending(to, Some("B"), Some("Ulm"))]);
    let (_, agreement) = decided(&both, from, &record("X", "Bonn"), &record("A", "Bonn"));
    let mut after = agreement.known.clone();
    for side in [Side::BusinessCentral, Side::Dataverse] {
        after.set(side, "phone", &Value::text("X"));
    }
    assert_eq!(agreement.pending_after(&both, &after), [pending(to, None, Some("Ulm"))]);
}

#[test]
fn f10_a_record_that_was_created_before_the_answer_was_lost_is_compared_field_by_field() {
    for direction in Direction::BOTH {
        let source = record("B", "Bonn");
        let values: Values = source.values.clone();
        let create = PendingWrite::new(direction, true, &source, &fields(&source), &values);
        let ids = (SystemId(Uuid::from_u128(1)), DataverseId(Uuid::from_u128(1)));
        let coupling = Coupling { pending: vec![create], ..Coupling::new(ids.0, ids.1, CouplingState::Reserved) };
        assert_eq!(coupling.reserved_by(), Some(direction));
        let cases = [
            (("B", "Bonn"), ("B", "Bonn"), "nothing"),
            (("A", "Bonn"), ("B", "Bonn"), "write phone=A"),
            // A user changed the new record already: that is left for the other direction, not overwritten.
            (("B", "Bonn"), ("X", "Bonn"), "nothing"),
            (("A", "Bonn"), ("X", "Bonn"), "conflict phone"),
            // A column that did not travel with the create is brought again.
            (("B", "Bonn"), ("", "Bonn"), "write phone=B"),
        ];
        for (source, destination, expected) in cases {
            let (source, destination) = (record(source.0, source.1), record(destination.0, destination.1));
            let (decided, _) = decided(&coupling, direction, &source, &destination);
            assert_eq!(decided, expected, "{source:?} {destination:?} {direction}");
        }
    }
}

#[test]
fn f10_only_the_newest_writes_are_kept_and_the_last_can_be_forgotten() {
    let mut coupling = coupled(Vec::new());
    for number in 0..20 {
        coupling.expect_write(pending(Direction::ToDataverse, Some(&number.to_string()), None));
    }
    coupling.expect_write(pending(Direction::FromDataverse, Some("X"), None));
    assert_eq!(coupling.pending.len(), KEPT + 1);
    assert!(coupling.wrote(&column("phone"), Side::Dataverse, &Value::text("19")));
    assert!(!coupling.wrote(&column("phone"), Side::Dataverse, &Value::text("11")));
    coupling.forget_write(Direction::ToDataverse);
    assert!(!coupling.wrote(&column("phone"), Side::Dataverse, &Value::text("19")));
    assert!(coupling.awaits(Direction::ToDataverse) && coupling.awaits(Direction::FromDataverse));
    coupling.forget_write(Direction::FromDataverse);
    assert!(!coupling.awaits(Direction::FromDataverse));
}

#[test]
fn f10_a_pending_write_is_stored_without_what_is_blank() {
    let written = serde_json::to_string(&pending(Direction::ToDataverse, Some("B"), None)).expect("JSON");
    assert_eq!(
        written,
        r#"{"direction":"to_dataverse","fields":[{"source":"phone","source_value":"B","destination":"phone","value":"B"}]}"#
    );
    let coupling = coupled(vec![pending(Direction::ToDataverse, Some("B"), Some(""))]);
    let stored = serde_json::to_string(&coupling).expect("JSON");
    assert_eq!(serde_json::from_str::<Coupling>(&stored).expect("a coupling"), coupling);
    let without = serde_json::to_string(&coupled(Vec::new())).expect("JSON");
    assert!(!without.contains("pending") && !without.contains("claimed_by"), "{without}");
}
