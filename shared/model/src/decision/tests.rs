//! Tables of situations and what is decided in them.

use super::*;
use crate::ids::RecordId;
use crate::table::{Access, FieldType};
use std::collections::BTreeMap;
use uuid::Uuid;

fn column(name: &str) -> Arc<Column> {
    Arc::new(Column {
        name: name.into(),
        caption: name.into(),
        field: FieldType::Text { length: 50 },
        access: Access::Full,
        standard: true,
        companion: false,
        options: BTreeMap::new(),
    })
}

fn record(name: &str, value: &str) -> Record {
    let values = [(Arc::from(name), Value::text(value))].into();
    Record { id: RecordId(Uuid::from_u128(1)), version: None, modified: None, values, unreadable: None }
}

fn base(bc: &str, dataverse: &str) -> Base {
    let mut base = Base::default();
    base.set(crate::table::Side::BusinessCentral, "displayName", &Value::text(bc));
    base.set(crate::table::Side::Dataverse, "name", &Value::text(dataverse));
    base
}

struct Case {
    name: &'static str,
    source: &'static str,
    destination: &'static str,
    base: Option<&'static str>,
    both_ways: bool,
    force: bool,
    rule: ConflictRule,
    direction: Direction,
    expected: &'static str,
}

#[test]
fn r66_r67_r69_r73_r76_r77_r83_a_table_of_situations() {
    use ConflictRule::{FromDataverse as DataverseWins, None as NoRule, ToDataverse as BusinessCentralWins};
    use Direction::{FromDataverse, ToDataverse};
    let case = |name, source, destination, base, both_ways, force, rule, direction, expected| Case {
        name,
        source,
        destination,
        base,
        both_ways,
        force,
        rule,
        direction,
        expected,
    };
    let cases = [
        case("nothing changed", "A", "A", Some("A"), true, false, NoRule, ToDataverse, "unchanged"),
        case("source changed", "B", "A", Some("A"), true, false, NoRule, ToDataverse, "write"),
        case(
            "destination changed: the other direction brings it",
            "A",
            "B",
            Some("A"),
            true,
            false,
            NoRule,
            ToDataverse,
            "unchanged",
        ),
        case("both changed alike", "B", "B", Some("A"), true, false, NoRule, ToDataverse, "unchanged"),
        case("C-019 both changed", "X", "Y", Some("A"), true, false, NoRule, ToDataverse, "conflict"),
        case("C-019 both changed, the other way", "Y", "X", Some("A"), true, false, NoRule, FromDataverse, "conflict"),
        case(
            "R76 Business Central wins, towards Dataverse",
            "X",
            "Y",
            Some("A"),
            true,
            false,
            BusinessCentralWins,
            ToDataverse,
            "write",
        ),
        case(
            "R76 Business Central wins, from Dataverse",
            "Y",
            "X",
            Some("A"),
            true,
            false,
            BusinessCentralWins,
            FromDataverse,
            "unchanged",
        ),
        case(
            "R77 Dataverse wins, towards Dataverse",
            "X",
            "Y",
            Some("A"),
            true,
            false,
            DataverseWins,
            ToDataverse,
            "unchanged",
        ),
        case(
            "R77 Dataverse wins, from Dataverse",
            "Y",
            "X",
            Some("A"),
            true,
            false,
            DataverseWins,
            FromDataverse,
            "write",
        ),
        case("C-006 one way: the source wins", "X", "Y", Some("A"), false, false, NoRule, ToDataverse, "write"),
        case(
            "one way: a change at the destination is put right",
            "A",
            "Y",
            Some("A"),
            false,
            false,
            NoRule,
            ToDataverse,
            "write",
        ),
        case("R83 forced: the source wins", "X", "Y", Some("A"), true, true, NoRule, ToDataverse, "write"),
        case("R69 never synchronized, different", "X", "Y", None, true, false, NoRule, ToDataverse, "conflict"),
        case("never synchronized, equal", "X", "X", None, true, false, NoRule, ToDataverse, "unchanged"),
    ];
    for case in cases {
        let (source_column, destination_column) = match case.direction {
            ToDataverse => ("displayName", "name"),
            FromDataverse => ("name", "displayName"),
        };
        let source = record(source_column, case.source);
        let destination = record(destination_column, case.destination);
        let fields = [TransferredField {
            source: Some(column(source_column)),
            destination: column(destination_column),
            desired: Value::text(case.source),
            travel: if case.both_ways { Travel::BothWays } else { Travel::OneWay },
        }];
        let base = case.base.map_or_else(Base::default, |value| base(value, value));
        let decision = decide(
            &Situation {
                direction: case.direction,
                source: &source,
                destination: Some(&destination),
                creation: Creation::Over,
                base: &base,
                force: case.force,
                rule: case.rule,
                resolution: None,
                newcomers: &BTreeSet::new(),
            },
            &fields,
        );
        let found = match &decision.decision {
            Decision::Create { .. } => "create",
            Decision::Update { .. } => "write",
            Decision::Unchanged { .. } => "unchanged",
            Decision::Conflict(_) => "conflict",
        };
        assert_eq!(found, case.expected, "{}", case.name);
    }
}

#[test]
fn ee11_a_person_settles_what_both_sides_changed_by_side_or_by_field() {
    use crate::table::Side::{BusinessCentral, Dataverse};
    let resolution = |wins, fields: &[(&str, crate::table::Side)]| Resolution {
        wins,
        fields: fields.iter().map(|(name, side)| ((*name).to_owned(), *side)).collect(),
    };
    let (to, from) = (Direction::ToDataverse, Direction::FromDataverse);
    for (resolution, direction, expected) in [
        (None, to, "conflict"),
        (Some(resolution(Some(BusinessCentral), &[])), to, "write"),
        (Some(resolution(Some(BusinessCentral), &[])), from, "unchanged"),
        (Some(resolution(Some(Dataverse), &[])), to, "unchanged"),
        (Some(resolution(Some(Dataverse), &[])), from, "write"),
        (Some(resolution(Some(Dataverse), &[("displayName", BusinessCentral)])), to, "write"),
        (Some(resolution(Some(Dataverse), &[("displayName", BusinessCentral)])), from, "unchanged"),
        (Some(resolution(None, &[("name", Dataverse)])), to, "unchanged"),
        (Some(resolution(None, &[("name", Dataverse)])), from, "write"),
        (Some(resolution(None, &[("phoneNumber", Dataverse)])), from, "conflict"),
    ] {
        let (read, held) = match direction {
            Direction::ToDataverse => ("displayName", "name"),
            Direction::FromDataverse => ("name", "displayName"),
        };
        let (source, destination) = (record(read, "here"), record(held, "there"));
        let fields = [TransferredField {
            source: Some(column(read)),
            destination: column(held),
            desired: Value::text("here"),
            travel: Travel::BothWays,
        }];
        let situation = Situation {
            direction,
            source: &source,
            destination: Some(&destination),
            creation: Creation::Over,
            base: &base("agreed", "agreed"),
            force: false,
            rule: ConflictRule::None,
            resolution: resolution.as_ref(),
            newcomers: &BTreeSet::new(),
        };
        let found = match decide(&situation, &fields).decision {
            Decision::Create { .. } => "create",
            Decision::Update { .. } => "write",
            Decision::Unchanged { base: kept } => {
                assert_eq!(kept, base("agreed", "agreed"), "the other direction has still to bring it");
                "unchanged"
            }
            Decision::Conflict(_) => "conflict",
        };
        assert_eq!(found, expected, "{resolution:?} {direction}");
    }
}

#[test]
fn f06_a_field_never_agreed_on_yields_no_conflict_beside_a_blank() {
    let mut known = Base::default();
    known.set(crate::table::Side::BusinessCentral, "number", &Value::text("10000"));
    let cases = [
        ("a value beside a blank travels", "A", "", "write"),
        ("a blank does not blank a value", "", "A", "unchanged"),
        ("two values that differ are for a person", "A", "B", "conflict"),
        ("two alike agree", "A", "A", "unchanged"),
    ];
    for direction in [Direction::ToDataverse, Direction::FromDataverse] {
        let (from, to) = match direction {
            Direction::ToDataverse => ("displayName", "name"),
            Direction::FromDataverse => ("name", "displayName"),
        };
        let value = |text: &str| if text.is_empty() { Value::Null } else { Value::text(text) };
        for (case, source, destination, expected) in cases {
            let mut held = record(to, destination);
            held.values.insert(to.into(), value(destination));
            let mut read = record(from, source);
            read.values.insert(from.into(), value(source));
            let fields = [TransferredField {
                source: Some(column(from)),
                destination: column(to),
                desired: value(source),
                travel: Travel::BothWays,
            }];
            let situation = Situation {
                direction,
                source: &read,
                destination: Some(&held),
                creation: Creation::Over,
                base: &known,
                force: false,
                rule: ConflictRule::None,
                resolution: None,
                newcomers: &BTreeSet::new(),
            };
            let found = match decide(&situation, &fields).decision {
                Decision::Create { .. } => "create",
                Decision::Update { .. } => "write",
                Decision::Unchanged { .. } => "unchanged",
                Decision::Conflict(_) => "conflict",
            };
            assert_eq!(found, expected, "{case}, {direction:?}");
        }
    }
}

#[test]
fn r134_a_value_cut_on_its_way_is_not_fought_over() {
    let long = record("name", "a name that Business Central had to cut");
    let short = record("displayName", "a name that");
    let mut known = Base::default();
    known.set(crate::table::Side::BusinessCentral, "displayName", &Value::text("a name that"));
    known.set(crate::table::Side::Dataverse, "name", &Value::text("a name that Business Central had to cut"));
    let fields = [TransferredField {
        source: Some(column("displayName")),
        destination: column("name"),
        desired: Value::text("a name that"),
        travel: Travel::BothWays,
    }];
    let situation = Situation {
        direction: Direction::ToDataverse,
        source: &short,
        destination: Some(&long),
        creation: Creation::Over,
        base: &known,
        force: false,
        rule: ConflictRule::None,
        resolution: None,
        newcomers: &BTreeSet::new(),
    };
    assert_eq!(decide(&situation, &fields).decision, Decision::Unchanged { base: known.clone() });
}

#[test]
fn r73_changes_of_different_fields_on_both_sides_merge() {
    let mut known = Base::default();
    for (side, names) in [
        (crate::table::Side::BusinessCentral, ["displayName", "city"]),
        (crate::table::Side::Dataverse, ["name", "address1_city"]),
    ] {
        for name in names {
            known.set(side, name, &Value::text("A"));
        }
    }
    let mut source = record("displayName", "B");
    source.values.insert("city".into(), Value::text("A"));
    let mut destination = record("name", "A");
    destination.values.insert("address1_city".into(), Value::text("C"));
    let field = |from: &str, to: &str, desired: &str| TransferredField {
        source: Some(column(from)),
        destination: column(to),
        desired: Value::text(desired),
        travel: Travel::BothWays,
    };
    let fields = [field("displayName", "name", "B"), field("city", "address1_city", "A")];
    let situation = Situation {
        direction: Direction::ToDataverse,
        source: &source,
        destination: Some(&destination),
        creation: Creation::Over,
        base: &known,
        force: false,
        rule: ConflictRule::None,
        resolution: None,
        newcomers: &BTreeSet::new(),
    };
    let Decision::Update { values, base } = decide(&situation, &fields).decision else { panic!("expected an update") };
    assert_eq!(values.keys().map(AsRef::as_ref).collect::<Vec<&str>>(), ["name"]);
    // The city's base stays, so that the other direction still sees Dataverse's change.
    assert_eq!(base.get(crate::table::Side::Dataverse, &column("address1_city")), Some(Value::text("A")));
}

#[test]
fn what_the_system_filled_in_stays_while_an_earlier_creation_is_finished() {
    let (from, to) = ("name", "displayName");
    let source = Record { values: [(from.into(), Value::Null)].into(), ..record(from, "") };
    let destination = record(to, "Filled in");
    let written = |value: &str| {
        let mut known = Base::default();
        known.set(crate::table::Side::BusinessCentral, to, &Value::text(value));
        known.set(crate::table::Side::Dataverse, from, &Value::text(value));
        known
    };
    for (name, creation, base, writes) in [
        ("nobody wrote a value", Creation::Begun, Base::default(), false),
        ("the earlier attempt wrote one, which is blank by now", Creation::Begun, written("Filled in"), true),
        ("the record belonged to the pair before", Creation::Over, Base::default(), true),
    ] {
        for travel in [Travel::OneWay, Travel::BothWays] {
            let field =
                TransferredField { source: Some(column(from)), destination: column(to), desired: Value::Null, travel };
            let situation = Situation {
                direction: Direction::FromDataverse,
                source: &source,
                destination: Some(&destination),
                creation,
                base: &base,
                force: false,
                rule: ConflictRule::FromDataverse,
                resolution: None,
                newcomers: &BTreeSet::new(),
            };
            let is_written = matches!(decide(&situation, &[field]).decision, Decision::Update { .. });
            assert_eq!(is_written, writes, "{name}, {travel:?}");
        }
    }
}

#[test]
fn a_field_that_was_not_used_for_a_while_takes_a_side_instead_of_a_conflict() {
    use ConflictRule::{FromDataverse as DataverseWins, None as NoRule, ToDataverse as BusinessCentralWins};
    let other_fields = || {
        let mut base = Base::default();
        base.set(crate::table::Side::BusinessCentral, "city", &Value::text("Paris"));
        base
    };
    let came = BTreeSet::from(["name".to_owned(), "displayName".to_owned()]);
    let cases = [
        (NoRule, Direction::ToDataverse, "A", "B", &came, other_fields(), "write"),
        (NoRule, Direction::FromDataverse, "A", "B", &came, other_fields(), "write"),
        (BusinessCentralWins, Direction::ToDataverse, "A", "B", &came, other_fields(), "write"),
        (BusinessCentralWins, Direction::FromDataverse, "A", "B", &came, other_fields(), "leave"),
        (DataverseWins, Direction::ToDataverse, "A", "B", &came, other_fields(), "leave"),
        (NoRule, Direction::ToDataverse, "A", "A", &came, other_fields(), "agreed"),
        // Of a row that was always there, and of a pair about which nothing is known, nobody can say who is right.
        (NoRule, Direction::ToDataverse, "A", "B", &BTreeSet::new(), other_fields(), "conflict"),
        (NoRule, Direction::ToDataverse, "A", "B", &came, Base::default(), "conflict"),
        // Once it has been agreed on again, it is a field like any other.
        (NoRule, Direction::ToDataverse, "A", "B", &came, base("Z", "Z"), "conflict"),
    ];
    for (rule, direction, source, destination, newcomers, known, expected) in cases {
        let (from, to) = match direction {
            Direction::ToDataverse => ("displayName", "name"),
            Direction::FromDataverse => ("name", "displayName"),
        };
        let field = TransferredField {
            source: Some(column(from)),
            destination: column(to),
            desired: Value::text(source),
            travel: Travel::BothWays,
        };
        let (source, destination) = (record(from, source), record(to, destination));
        let situation = Situation {
            direction,
            source: &source,
            destination: Some(&destination),
            creation: Creation::Over,
            base: &known,
            force: false,
            rule,
            resolution: None,
            newcomers,
        };
        let found = match decide(&situation, &[field]).decision {
            Decision::Update { .. } => "write",
            Decision::Unchanged { base } if base.get(direction.source(), &column(from)).is_some() => "agreed",
            Decision::Unchanged { .. } => "leave",
            Decision::Conflict(_) => "conflict",
            Decision::Create { .. } => "create",
        };
        assert_eq!(found, expected, "{rule:?} {direction} {known:?}");
    }
}

/// The rule by which each situation of one field is decided, both sides and the base given.
#[test]
fn every_field_that_differs_has_the_rule_that_decided() {
    use crate::table::Side::{BusinessCentral, Dataverse};
    use ConflictRule::{FromDataverse, ToDataverse};
    let wins = |side| Resolution { wins: Some(side), ..Resolution::default() };
    let (erp, crm) = (wins(BusinessCentral), wins(Dataverse));
    struct Given<'a> {
        force: bool,
        travel: Travel,
        rule: ConflictRule,
        resolution: Option<&'a Resolution>,
        creation: Creation,
        is_new_row: bool,
    }
    let usual = || Given {
        force: false,
        travel: Travel::BothWays,
        rule: ConflictRule::None,
        resolution: None,
        creation: Creation::Over,
        is_new_row: false,
    };
    let (a, x, y) = (Some("A"), Some("X"), Some("Y"));
    // Source, destination (`None`: it cannot be read), base.
    for (source, destination, agreed, given, expected) in [
        ("X", a, a, usual(), Some((FieldRule::SourceChanged, true))),
        ("A", y, a, usual(), Some((FieldRule::DestinationChanged, false))),
        ("X", x, a, usual(), None),
        ("X", y, a, usual(), Some((FieldRule::Conflict, false))),
        ("X", y, a, Given { rule: ToDataverse, ..usual() }, Some((FieldRule::ConflictRuleSource, true))),
        ("X", y, a, Given { rule: FromDataverse, ..usual() }, Some((FieldRule::ConflictRuleDestination, false))),
        ("X", y, a, Given { resolution: Some(&erp), ..usual() }, Some((FieldRule::PersonSource, true))),
        ("X", y, a, Given { resolution: Some(&crm), ..usual() }, Some((FieldRule::PersonDestination, false))),
        ("X", y, a, Given { force: true, ..usual() }, Some((FieldRule::SourceWins, true))),
        ("A", y, a, Given { force: true, ..usual() }, Some((FieldRule::SourceWins, true))),
        ("X", a, a, Given { force: true, ..usual() }, Some((FieldRule::SourceChanged, true))),
        ("X", y, a, Given { travel: Travel::OneWay, ..usual() }, Some((FieldRule::OneWay, true))),
        ("X", y, a, Given { travel: Travel::OnCreateOnly, ..usual() }, None),
        ("X", None, a, usual(), Some((FieldRule::UnknownThere, false))),
        ("A", None, a, usual(), None),
        ("X", None, None, Given { creation: Creation::Due, ..usual() }, Some((FieldRule::NewRecord, true))),
        ("", None, None, Given { creation: Creation::Due, ..usual() }, None),
        ("X", Some(""), None, usual(), Some((FieldRule::FirstValue, true))),
        ("", x, None, usual(), Some((FieldRule::BlankAtFirst, false))),
        ("X", y, None, Given { is_new_row: true, ..usual() }, Some((FieldRule::NewRow, true))),
    ] {
        let mut known = match agreed {
            Some(agreed) => base(agreed, agreed),
            None => Base::default(),
        };
        if given.creation != Creation::Due {
            known.set(BusinessCentral, "number", &Value::text("10000"));
        }
        let from = record("displayName", source);
        let to = destination.map_or_else(|| record("other", ""), |value| record("name", value));
        let newcomers = given.is_new_row.then(|| "name".to_owned()).into_iter().collect();
        let situation = Situation {
            direction: Direction::ToDataverse,
            source: &from,
            destination: Some(&to).filter(|_| given.creation != Creation::Due),
            creation: given.creation,
            base: &known,
            force: given.force,
            rule: given.rule,
            resolution: given.resolution,
            newcomers: &newcomers,
        };
        let field = TransferredField {
            source: Some(column("displayName")),
            destination: column("name"),
            desired: Value::text(source),
            travel: given.travel,
        };
        let found = decide(&situation, &[field]).rulings;
        let found: Vec<_> = found.iter().map(|ruling| (ruling.field, ruling.rule, ruling.writes)).collect();
        let expected: Vec<_> = expected.into_iter().map(|(rule, writes)| (0, rule, writes)).collect();
        assert_eq!(found, expected, "{source} {destination:?} {agreed:?}");
    }
}

#[test]
fn a_value_that_was_cut_on_its_way_is_left_and_says_so() {
    let situation = Situation {
        direction: Direction::ToDataverse,
        source: &record("displayName", "A long name"),
        destination: Some(&record("name", "A long")),
        creation: Creation::Over,
        base: &base("A long name", "A long"),
        force: false,
        rule: ConflictRule::None,
        resolution: None,
        newcomers: &BTreeSet::new(),
    };
    let field = TransferredField {
        source: Some(column("displayName")),
        destination: column("name"),
        desired: Value::text("A long name"),
        travel: Travel::BothWays,
    };
    let rulings = decide(&situation, &[field]).rulings;
    assert_eq!(rulings, [Ruling { field: 0, rule: FieldRule::NeitherChanged, writes: false }]);
}
