//! Which record belongs to which row, case by case.

use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::ids::RecordId;
use crate::record::Record;
use crate::table::Side;
use crate::value::Value;

/// A record that holds these values, one per priority; an empty one is blank.
fn entry(number: usize, side: Side, values: &[&str], taken: bool) -> Entry {
    let pair = |name: &str| MatchPair {
        business_central: name.to_owned(),
        dataverse: name.to_owned(),
        case_sensitive: name == "exact",
    };
    let id = RecordId(Uuid::from_u128(number as u128));
    let keys = values.iter().map(|value| {
        let name = if value.starts_with('=') { "exact" } else { "any" };
        let values = [(name.into(), Value::text(value.trim_start_matches('=')))].into();
        let record = Record { id, version: None, modified: None, values, unreadable: None };
        key_of(&[pair(name)], side, &record)
    });
    Entry::new(id, keys.collect(), taken, "")
}

fn entries(side: Side, list: &[&[&str]]) -> Vec<Entry> {
    let one = |(number, values): (usize, &&[&str])| {
        let taken = values.first() == Some(&"*");
        entry(number, side, if taken { &values[1..] } else { values }, taken)
    };
    list.iter().enumerate().map(one).collect()
}

fn with(row: usize) -> Matched {
    Matched::With(row)
}

fn several(rows: &[usize]) -> Matched {
    Matched::Several { rows: rows.to_vec(), count: rows.len() }
}

fn shared(row: usize, with: &[usize]) -> Matched {
    Matched::Shared { row, with: with.to_vec(), count: with.len() }
}

#[test]
fn c_066_c_067_r191_r192_r193_r194_r195_each_record_finds_its_row_or_the_reason() {
    use Matched::{Blank, Coupled, Nothing};
    type Side<'a> = &'a [&'a [&'a str]];
    // A `*` before the values: the row is coupled. A `=`: upper and lower case differ.
    let cases: &[(&str, Side<'_>, Side<'_>, &[Matched])] = &[
        ("by the one priority", &[&["A"], &["B"]], &[&["B"], &["A"]], &[with(1), with(0)]),
        ("two of five", &[&["1"], &["2"], &["3"]], &[&["1"], &["2"]], &[with(0), with(1), Nothing]),
        ("all rows hold the value of the first", &[&["1"], &["2"]], &[&["1"], &["1"]], &[several(&[0, 1]), Nothing]),
        ("case is no difference", &[&["Müller"]], &[&["MÜLLER "]], &[with(0)]),
        (
            "but where it is asked for",
            &[&["=Adatum"], &["=fabrikam"]],
            &[&["=ADATUM"], &["=fabrikam"]],
            &[Nothing, with(1)],
        ),
        ("a blank is equal to nothing", &[&[""], &[" "]], &[&[""], &[" "]], &[Blank, Blank]),
        ("a coupled row is found, and is not coupled again", &[&["A"]], &[&["*", "A"]], &[Coupled(0)]),
        ("nor is the other one chosen for that", &[&["A"]], &[&["*", "A"], &["A"]], &[several(&[0, 1])]),
        ("one row for two records", &[&["A"], &["A"]], &[&["A"]], &[shared(0, &[1]), shared(0, &[0])]),
        // Two priorities.
        ("the second where the first finds nothing", &[&["1", "A"]], &[&["2", "A"]], &[with(0)]),
        ("the second where the first is blank", &[&["", "A"]], &[&["", "A"]], &[with(0)]),
        (
            "the second chooses among those of the first",
            &[&["1", "A"]],
            &[&["1", "B"], &["1", "A"], &["2", "A"]],
            &[with(1)],
        ),
        ("and finds none among them", &[&["1", "A"]], &[&["1", "B"], &["1", "C"], &["2", "A"]], &[several(&[0, 1])]),
        ("the first is enough", &[&["1", "A"]], &[&["1", "B"], &["2", "A"]], &[with(0)]),
        ("the earlier priority is stronger", &[&["9", "A"], &["1", "A"]], &[&["1", "A"]], &[shared(0, &[1]), with(0)]),
        ("the later one tells who is meant", &[&["1", "B"], &["1", "A"]], &[&["1", "A"]], &[shared(0, &[1]), with(0)]),
        (
            "or says nothing",
            &[&["1", "A"], &["1", "A"], &["1", "B"]],
            &[&["1", "A"]],
            &[shared(0, &[1, 2]), shared(0, &[0, 2]), shared(0, &[0, 1])],
        ),
        ("a stronger match with a coupled row stands", &[&["1", "A"]], &[&["*", "1", ""], &["2", "A"]], &[Coupled(0)]),
        ("nothing on the other side", &[&["1", "A"]], &[], &[Nothing]),
    ];
    for (name, records, rows, expected) in cases {
        let records = entries(crate::table::Side::BusinessCentral, records);
        let rows = entries(crate::table::Side::Dataverse, rows);
        assert_eq!(match_all(&records, &rows), *expected, "{name}");
    }
}

#[test]
fn many_equal_records_are_counted_and_few_of_them_named() {
    let records: Vec<Entry> =
        (0..2_000).map(|number| entry(number, Side::BusinessCentral, &["A", ""], false)).collect();
    let rows: Vec<Entry> = (0..3_000).map(|number| entry(number, Side::Dataverse, &["A", "B"], false)).collect();
    let found = match_all(&records, &rows);
    let Matched::Several { rows: named, count } = &found[1_999] else { panic!("{:?}", found[1_999]) };
    assert_eq!((named.len(), *count), (MOST_NAMED_CANDIDATES, 3_000));
    assert_eq!(Tally::of(&found), Tally { pairs: 0, several: 2_000, unmatched: 0 });
    let found = match_all(&records, &rows[..1]);
    let Matched::Shared { with, count, .. } = &found[0] else { panic!("{:?}", found[0]) };
    assert_eq!((with.len(), *count), (MOST_NAMED_CANDIDATES, 1_999));
}

#[test]
fn a_priority_of_several_fields_wants_all_of_them() {
    let pairs: Vec<MatchPair> = [("displayName", "name"), ("city", "address1_city")]
        .map(|(ours, theirs)| MatchPair {
            business_central: ours.to_owned(),
            dataverse: theirs.to_owned(),
            case_sensitive: false,
        })
        .into();
    let key = |side: Side, values: &[(&str, &str)]| {
        let values = values.iter().map(|(name, text)| ((*name).into(), Value::text(*text))).collect();
        let id = RecordId(Uuid::from_u128(1));
        key_of(&pairs, side, &Record { id, version: None, modified: None, values, unreadable: None })
    };
    let customer = key(Side::BusinessCentral, &[("displayName", "Adatum"), ("city", "Ulm")]);
    assert!(customer.is_some());
    assert_eq!(customer, key(Side::Dataverse, &[("name", "ADATUM"), ("address1_city", "ulm")]));
    assert_ne!(customer, key(Side::Dataverse, &[("name", "Adatum"), ("address1_city", "Bonn")]));
    assert_ne!(customer, key(Side::Dataverse, &[("name", "AdatumUlm"), ("address1_city", "Ulm")]));
    assert_eq!(key(Side::Dataverse, &[("name", "Adatum"), ("address1_city", "")]), None, "a blank is equal to nothing");
    assert_eq!(key(Side::Dataverse, &[("name", "Adatum")]), None, "and so is what is not known");
}

#[test]
fn r189_only_fields_of_one_kind_are_compared() {
    let catalogue = crate::Catalogue::embedded().expect("the catalogue");
    let customer = catalogue.business_central_table("Customer").expect("customers");
    let account = catalogue.dataverse_table("account").expect("accounts");
    for (ours, theirs, fits) in [
        ("number", "accountnumber", true),
        ("displayName", "name", true),
        ("creditLimit", "creditlimit", true),
        ("number", "creditlimit", false),
        ("currencyCode", "transactioncurrencyid", false),
        ("shipmentMethodCode", "address1_freighttermscode", false),
    ] {
        let (ours, theirs) = (customer.column(ours).expect(ours), account.column(theirs).expect(theirs));
        assert_eq!(problem(ours, theirs).is_none(), fits, "{} {}", ours.name, theirs.name);
    }
}

#[test]
fn r194_numbers_and_flags_are_equal_however_they_are_written() {
    let pair = MatchPair { business_central: "a".to_owned(), dataverse: "b".to_owned(), case_sensitive: false };
    let key = |side: Side, name: &str, value: Value| {
        let values = [(name.into(), value)].into();
        let record =
            Record { id: RecordId(Uuid::from_u128(1)), version: None, modified: None, values, unreadable: None };
        key_of(std::slice::from_ref(&pair), side, &record)
    };
    let number = |text: &str| Value::Decimal(text.parse().expect("a number"));
    for (ours, theirs, equal) in [
        (number("10.00"), Value::Int(10), true),
        (number("10.5"), Value::Int(10), false),
        (Value::Bool(true), Value::Bool(true), true),
        (Value::text("10"), Value::Int(10), false),
        (number("0"), number("0.0"), true),
        (Value::Null, Value::Null, false),
    ] {
        let (one, other) = (key(Side::BusinessCentral, "a", ours.clone()), key(Side::Dataverse, "b", theirs.clone()));
        assert_eq!(one.is_some() && one == other, equal, "{ours:?} {theirs:?}");
    }
}

#[test]
fn records_are_kept_in_bytes_and_read_again() {
    let long = "é".repeat(100);
    let mut kept = entries(Side::Dataverse, &[&["A", ""], &["*", "", "B"], &[]]);
    kept[1].label = Entry::new(kept[1].id, Vec::new(), false, &long).label;
    kept[0] = kept[0].clone().known_by(Some("ÄÖÜ-10000"));
    kept[1] = kept[1].clone().known_by(Some(&"9".repeat(300)));
    assert_eq!(kept[1].label.chars().count(), 60, "of a long name the beginning");
    let bytes = pack(&kept);
    assert_eq!(unpack(&bytes).expect("records"), kept);
    assert_eq!(unpack(&bytes[..bytes.len() - 1]), Err(Malformed));
    assert_eq!(unpack(&[]).expect("none"), []);
}

#[test]
fn a_pair_of_fields_is_written_as_it_is_read() {
    let text = json!({"business_central": "number", "dataverse": "accountnumber"});
    let pair: MatchPair = serde_json::from_value(text.clone()).expect("a pair");
    assert!(!pair.case_sensitive);
    assert_eq!(serde_json::to_value(&pair).expect("JSON"), text);
}

proptest::proptest! {
    /// Nobody gets a row that is coupled, no row gets two records, and the order of the records says nothing.
    #[test]
    fn a_row_is_given_once_and_never_if_it_is_coupled(
        ours in proptest::collection::vec(("[ab]?", "[xy]?"), 0..8),
        theirs in proptest::collection::vec(("[ab]?", "[xy]?", proptest::bool::ANY), 0..8),
    ) {
        let records: Vec<Entry> = ours.iter().enumerate()
            .map(|(number, (one, two))| entry(number, Side::BusinessCentral, &[one, two], false)).collect();
        let rows: Vec<Entry> = theirs.iter().enumerate()
            .map(|(number, (one, two, taken))| entry(number, Side::Dataverse, &[one, two], *taken)).collect();
        let found = match_all(&records, &rows);
        let mut given: Vec<usize> =
            found.iter().filter_map(|one| if let Matched::With(row) = one { Some(*row) } else { None }).collect();
        proptest::prop_assert!(given.iter().all(|row| !rows[*row].taken));
        let count = given.len();
        given.sort_unstable();
        given.dedup();
        proptest::prop_assert_eq!(given.len(), count);
        let reversed: Vec<Entry> = records.iter().rev().cloned().collect();
        let again = match_all(&reversed, &rows);
        let tally = Tally::of(&found);
        proptest::prop_assert_eq!(tally, Tally::of(&again));
        for (one, other) in found.iter().zip(again.iter().rev()) {
            let row = |one: &Matched| if let Matched::With(row) = one { Some(*row) } else { None };
            proptest::prop_assert_eq!(row(one), row(other));
        }
    }
}
