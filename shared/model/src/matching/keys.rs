//! What records are compared by: pairs of fields, and the hash of what a record holds in them.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::comparing::folded;
use crate::record::Record;
use crate::table::{Column, FieldType, Side};
use crate::value::Value;

/// Namespace of the hashes. They are kept while a run goes on, so it must not change.
const KEY_NAMESPACE: Uuid = Uuid::from_u128(0x6f0c_2d7b_9a41_5e86_b3d2_71c4_08e5_0003);
/// An odd number that spreads the bits of joined keys.
const SPREAD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

/// Two fields that have to be equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatchPair {
    /// Property of Business Central.
    pub business_central: String,
    /// Column of Dataverse.
    pub dataverse: String,
    /// Whether upper and lower case differ (R194).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub case_sensitive: bool,
}

impl MatchPair {
    /// The column of a side.
    pub fn column(&self, side: Side) -> &str {
        match side {
            Side::BusinessCentral => &self.business_central,
            Side::Dataverse => &self.dataverse,
        }
    }
}

/// What a record holds in the fields of one priority, as a hash: equal for equal values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(u128);

impl Key {
    /// A key as it was stored.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// The key to be stored.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The key of this priority and a later one together.
    #[must_use]
    pub fn with(self, later: Self) -> Self {
        Self((self.0.rotate_left(5) ^ later.0).wrapping_mul(SPREAD))
    }
}

/// What a record holds in the fields of one priority; `None` when one of them is blank or unknown: a blank is equal to nothing.
pub fn key_of(pairs: &[MatchPair], side: Side, record: &Record) -> Option<Key> {
    let mut said = String::new();
    for pair in pairs {
        let value = record.known(pair.column(side))?;
        let form = form(value, pair.case_sensitive)?;
        // Neither a blank at the end nor the end of one value is taken for the beginning of the next.
        said.push_str(&form);
        said.push('\u{1f}');
    }
    (!said.is_empty()).then(|| Key(Uuid::new_v5(&KEY_NAMESPACE, said.as_bytes()).as_u128()))
}

/// A value in the one form of all that are equal to it.
fn form(value: &Value, case_sensitive: bool) -> Option<String> {
    let form = match value {
        Value::Null => return None,
        Value::Text(text) if text.trim().is_empty() => return None,
        Value::Text(text) if case_sensitive => format!("t{}", text.trim_end()),
        Value::Text(text) => format!("t{}", folded(text)),
        Value::Bool(flag) => format!("b{flag}"),
        Value::Date(day) => format!("d{day}"),
        Value::DateTime(time) => format!("i{time}"),
        other => match (other.as_decimal(), other.as_guid()) {
            (Some(number), _) => format!("n{}", number.normalize()),
            (None, Some(id)) => format!("g{id}"),
            (None, None) => return None,
        },
    };
    Some(form)
}

/// Why two columns cannot be compared (R189); `None` when they can.
pub fn problem(business_central: &Column, dataverse: &Column) -> Option<String> {
    let (ours, theirs) = (kind(&business_central.field), kind(&dataverse.field));
    (ours.is_none() || ours != theirs).then(|| {
        format!(
            "{} of Business Central ({}) and {} of Dataverse ({}) cannot be equal; choose fields of one kind",
            business_central.name, business_central.field, dataverse.name, dataverse.field
        )
    })
}

/// Kinds of values that can be equal across both systems. What refers to a record has another value on either side.
#[derive(PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Flag,
    Day,
    Instant,
}

fn kind(field: &FieldType) -> Option<Kind> {
    match field {
        FieldType::Text { .. } | FieldType::Code { .. } | FieldType::Memo => Some(Kind::Text),
        FieldType::Decimal | FieldType::Money | FieldType::Int => Some(Kind::Number),
        FieldType::Bool => Some(Kind::Flag),
        FieldType::Date => Some(Kind::Day),
        FieldType::DateTime => Some(Kind::Instant),
        FieldType::Guid
        | FieldType::Lookup { .. }
        | FieldType::OptionSet
        | FieldType::Enum { .. }
        | FieldType::EntityName => None,
    }
}
