use couplet_model::{Record, RecordId, Value};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::texts::{DESCRIPTION_LENGTH, Texts, pieces};
use super::*;

fn line(values: &[(&str, Value)]) -> Record {
    let values = values.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
    Record { id: RecordId(Uuid::from_u128(1)), version: None, modified: None, values, unreadable: None }
}

fn number(text: &str) -> Value {
    Value::Decimal(text.parse().expect("a number"))
}

#[test]
fn s69_to_s72_a_text_that_says_more_than_the_item_goes_into_comments() {
    let long = "x".repeat(250);
    let (hundred, fifty) = ("x".repeat(100), "x".repeat(50));
    let texts = |description: Option<&str>, comments: &[&str]| Texts {
        description: description.map(str::to_owned),
        comments: comments.iter().map(|text| (*text).to_owned()).collect(),
    };
    for (name, described, long_text, short_text, expected) in [
        ("nothing to say", Some("Bicycle"), "", "", texts(None, &[])),
        ("the same as the item", Some("Bicycle"), "", "Bicycle", texts(None, &[])),
        ("something else", Some("Bicycle"), "", "Red bicycle", texts(None, &["Red bicycle"])),
        ("the long text first", Some("Bicycle"), "Blue", "Red", texts(None, &["Blue"])),
        ("several lines", Some("Bicycle"), "Blue\r\nwith bell\n\nnew", "", texts(None, &["Blue", "with bell", "new"])),
        (
            "the first says the same, the others more",
            Some("Bicycle"),
            "Bicycle\nwith bell",
            "",
            texts(None, &["with bell"]),
        ),
        ("a blank first line", Some("Bicycle"), "\nwith bell", "Red", texts(None, &["Red", "with bell"])),
        ("c_146 a long text", Some("Bicycle"), &long, "", texts(None, &[&hundred, &hundred, &fifty])),
        ("a written-in product", None, "", "Repair", texts(Some("Repair"), &[])),
        ("a long one", None, &long, "Repair", texts(Some(&hundred), &[&hundred, &fifty])),
        ("a written-in product with lines", None, "Repair\nat once", "", texts(Some("Repair"), &["at once"])),
        ("a written-in product without words", None, "", "", texts(None, &[])),
    ] {
        let record = line(&[("description", Value::text(long_text)), ("productdescription", Value::text(short_text))]);
        assert_eq!(texts_of(&record, described), expected, "{name}");
    }
}

#[test]
fn s64_lines_and_comments_are_numbered_in_the_order_of_the_document() {
    let texts = |comments: &[&str]| Texts {
        description: None,
        comments: comments.iter().map(|text| (*text).to_owned()).collect(),
    };
    let (lines, next) = numbered(vec![texts(&[]), texts(&["a", "b"]), texts(&[])]);
    let numbers: Vec<i64> = lines.iter().map(|line| line.number).collect();
    assert_eq!(numbers, [10_000, 20_000, 50_000]);
    assert_eq!(lines[1].comments, [(30_000, "a".to_owned()), (40_000, "b".to_owned())]);
    assert_eq!(next, 60_000);
    assert_eq!(numbered(Vec::new()), (Vec::new(), 10_000));
}

#[test]
fn s75_c_141_volume_and_manual_discount_of_a_line_are_added_up() {
    for (quantity, volume, manual, expected) in
        [("10", "280", "400", "3200"), ("5", "280", "250", "1650"), ("3", "0", "0", "0"), ("0.5", "0.05", "1", "1.025")]
    {
        let line = line(&[
            ("quantity", number(quantity)),
            ("volumediscountamount", number(volume)),
            ("manualdiscountamount", number(manual)),
        ]);
        assert_eq!(
            line_discount(&line),
            expected.parse::<Decimal>().expect("a number"),
            "{quantity} {volume} {manual}"
        );
    }
    assert_eq!(line_discount(&line(&[("quantity", number("2"))])), Decimal::ZERO, "nothing was taken off");
}

#[test]
fn s79_c_142_the_discount_of_an_order_is_what_both_discounts_take_off() {
    for (amount, percentage, expected) in [("0", "0", None), ("50", "0", Some("100")), ("0", "10", Some("100"))] {
        let order = line(&[
            ("discountamount", number(amount)),
            ("discountpercentage", number(percentage)),
            ("totallineitemamount", number("1000")),
            ("totalamountlessfreight", number("900")),
        ]);
        let expected = expected.map(|text| text.parse::<Decimal>().expect("a number"));
        assert_eq!(order_discount(&order), expected, "{amount} {percentage}");
    }
    assert_eq!(order_discount(&line(&[])), None);
}

#[test]
fn no_letter_of_a_text_is_lost_in_pieces() {
    let letters = ['a', 'ß', ' ', '漢', '😀', 'é', '-'];
    for length in 0..400_usize {
        let text: String = (0..length).map(|at| letters[(at * at + at / 3 + length) % letters.len()]).collect();
        let pieces = pieces(&text);
        assert_eq!(pieces.concat().trim_end(), text.trim_end());
        assert!(pieces.iter().all(|piece| piece.encode_utf16().count() <= DESCRIPTION_LENGTH), "{text}");
    }
}
