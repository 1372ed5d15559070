//! One field of one pair.

use couplet_model::ActiveMapping;
use couplet_model::catalogue::{Clearing, FieldMapping, Resolution};
use couplet_model::ids::MappingName;
use couplet_model::table::{Column, FieldType};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::super::row::{Row, id, plain};
use super::super::world::World;
use super::text;

/// Columns that never go below zero in Dataverse.
const NEVER_NEGATIVE: [&str; 2] = ["price", "quantityonhand"];
/// How Business Central says that there is no day.
const BLANK_DAY: &str = "0001-01-01";
/// Decimals that money columns of Dataverse keep.
const DECIMALS: u32 = 4;

/// What does not agree, if anything.
pub fn compare(
    world: &World,
    mappings: &[&ActiveMapping],
    mapping: &ActiveMapping,
    field: &FieldMapping,
    record: &Row,
    row: &Row,
) -> Option<String> {
    let (Some(ours), Some(theirs)) = (&field.business_central, &field.dataverse) else {
        return constant(field, record, row);
    };
    let left = record.get(&ours.name);
    match &field.resolution {
        Resolution::Copy => {
            let right = row.get(&theirs.name);
            // A currency without a symbol shows its code.
            let blank_symbol = theirs.name == "currencysymbol" && text(left).is_empty();
            let left = if blank_symbol { record.get("code") } else { left };
            // What a line costs before its discount.
            let discounted = (theirs.name == "baseamount").then(|| {
                let whole = number(left) + number(record.get("discountAmount"));
                whole.to_string()
            });
            same(ours, theirs, discounted.as_deref().or(left), right)
        }
        Resolution::Lookup(through) => {
            let right = id(row.get(&format!("_{}_value", theirs.name)));
            reference(world, mappings, field, through, &text(left), right, record)
                .map(|problem| format!("{} {problem}", theirs.name))
        }
        Resolution::Option(_) => {
            let label = row.get(&theirs.name).and_then(|number| number.parse::<i64>().ok());
            let label = label.filter(|number| *number != 0).map(|number| {
                theirs.options.get(&number).cloned().or_else(|| known_option(&theirs.name, number)).unwrap_or_default()
            });
            let (wanted, found) = (letters(&text(left)), letters(&label.unwrap_or_default()));
            (wanted != found)
                .then(|| format!("{} stands for {found:?} instead of {wanted:?} ({})", theirs.name, mapping.name))
        }
    }
}

fn constant(field: &FieldMapping, record: &Row, row: &Row) -> Option<String> {
    let wanted = field.constant.as_ref()?;
    let (column, holder) = match (&field.business_central, &field.dataverse) {
        (Some(column), None) => (column, record),
        (None, Some(column)) => (column, row),
        _ => return None,
    };
    // The kind of a lookup's target is implied by the target and is no column of its own.
    if column.field == FieldType::EntityName {
        return None;
    }
    let (wanted, found) = (text(plain(&wanted.to_json()).as_deref()), text(holder.get(&column.name)));
    (wanted != found).then(|| format!("{} is {found:?} instead of always {wanted:?}", column.name))
}

/// Whether two plain values are the same to a person.
fn same(ours: &Column, theirs: &Column, left: Option<&str>, right: Option<&str>) -> Option<String> {
    let differ =
        |left: String, right: String| Some(format!("{} is {right:?} but {} is {left:?}", theirs.name, ours.name));
    if is_number(ours) || is_number(theirs) {
        let (mut left, right) = (number(left), number(right));
        if NEVER_NEGATIVE.contains(&theirs.name.as_str()) {
            left = left.max(Decimal::ZERO);
        }
        if left.round_dp(DECIMALS) == right.round_dp(DECIMALS) {
            return None;
        }
        return differ(left.to_string(), right.to_string());
    }
    let (mut left, mut right) = (text(left), text(right));
    if ours.field == FieldType::Date {
        // A blank day is the first of all, and a day of Dataverse may have a time.
        left = left.replace(BLANK_DAY, "");
        right.truncate(BLANK_DAY.len());
    }
    let shorter = [length(ours), length(theirs)].into_iter().flatten().min();
    let cut = |text: &str| -> String {
        let cut: String = shorter.map_or_else(|| text.to_owned(), |most| text.chars().take(most).collect());
        cut.trim_end().to_owned()
    };
    let (mut a, mut b) = (cut(&left), cut(&right));
    if [ours, theirs].iter().any(|column| matches!(column.field, FieldType::Code { .. })) {
        (a, b) = (a.to_uppercase(), b.to_uppercase());
    }
    if a == b { None } else { differ(left, right) }
}

fn is_number(column: &Column) -> bool {
    matches!(column.field, FieldType::Decimal | FieldType::Money | FieldType::Int)
}

fn length(column: &Column) -> Option<usize> {
    match column.field {
        FieldType::Text { length } | FieldType::Code { length } => Some(length),
        _ => None,
    }
}

/// A number; blank is zero.
pub fn number(value: Option<&str>) -> Decimal {
    let text = text(value);
    text.parse().or_else(|_| Decimal::from_scientific(&text)).unwrap_or_default()
}

/// Whether a reference leads to the partner of the record the code names.
fn reference(
    world: &World,
    mappings: &[&ActiveMapping],
    field: &FieldMapping,
    through: &[MappingName],
    code: &str,
    found: Option<Uuid>,
    of: &Row,
) -> Option<String> {
    let pairs_currencies = |mapping: &&&ActiveMapping| mapping.dataverse.name == "transactioncurrency";
    let to_currency = mappings.iter().filter(pairs_currencies).any(|mapping| through.contains(&mapping.name));
    let wanted = if to_currency && (code.is_empty() || code.eq_ignore_ascii_case(world.local_currency())) {
        currency(world, world.local_currency())
    } else if code.is_empty() {
        // A blank that must not travel leaves whatever is there.
        if field.clearing == Clearing::Never {
            return None;
        }
        None
    } else {
        match through.iter().find_map(|name| partner(world, mappings, name, code, of)) {
            Some(id) => Some(id),
            None if field.clearing == Clearing::OnFailure => None,
            // The rest of the record travels, and the other side keeps what it has.
            None if field.travels_without => return None,
            None => return Some(format!("should lead to the partner of {code:?}, which has none")),
        }
    };
    (wanted != found).then(|| format!("leads to {found:?} instead of {wanted:?} for {code:?}"))
}

/// The row of a currency in Dataverse.
pub fn currency(world: &World, code: &str) -> Option<Uuid> {
    let same = |row: &Row| text(row.get("isocurrencycode")).eq_ignore_ascii_case(code);
    world.dataverse_rows("transactioncurrency").find(|(_, row)| same(row)).map(|(id, _)| *id)
}

/// The partner of the record with that code or number; of a unit, of that of the record it is named by.
fn partner(world: &World, mappings: &[&ActiveMapping], name: &MappingName, code: &str, of: &Row) -> Option<Uuid> {
    let mapping = mappings.iter().find(|mapping| mapping.name == *name)?;
    let table = &mapping.business_central;
    if let Some(unit) = world.own_unit(&table.name, &text(of.get("number").or_else(|| of.get("assetNo"))), code) {
        return unit;
    }
    world.partner(name.as_str(), code)
}

/// Options that an organization is delivered with and the catalogue does not list.
fn known_option(column: &str, number: i64) -> Option<String> {
    let labels: &[(i64, &str)] = match column {
        "paymenttermscode" => &[(1, "Net 30"), (2, "2% 10, Net 30"), (3, "Net 45"), (4, "Net 60")],
        "address1_freighttermscode" => &[(1, "FOB"), (2, "No Charge")],
        "address1_shippingmethodcode" => &[
            (1, "Airborne"),
            (2, "DHL"),
            (3, "FedEx"),
            (4, "UPS"),
            (5, "Postal Mail"),
            (6, "Full Load"),
            (7, "Will Call"),
        ],
        _ => &[],
    };
    labels.iter().find(|(known, _)| *known == number).map(|(_, label)| (*label).to_owned())
}

/// Letters and digits in upper case: how a code and a label of the same thing are told to be the same.
fn letters(text: &str) -> String {
    text.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_uppercase).collect()
}
