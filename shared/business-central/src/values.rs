//! Values in the forms of Business Central: never null, blanks by type, options as XML-style names.

use couplet_model::record::Values;
use couplet_model::system::SystemError;
use couplet_model::table::{Access, FieldType, Table};
use couplet_model::value::{Value, ValueError};
use couplet_odata::columns::column;
use couplet_odata::content::is_damaged;
use couplet_odata::literal::{decode_option_name, encode_option_name, instant_text, literal, quoted};
use serde_json::{Map, Value as Json, json};

const BLANK_DATE: &str = "0001-01-01";
const BLANK_INSTANT: &str = "0001-01-01T00:00:00Z";
const BLANK_ID: &str = "00000000-0000-0000-0000-000000000000";

/// A value as it is read.
pub(crate) fn read(field: &FieldType, json: &Json) -> Result<Value, ValueError> {
    match (field, json) {
        _ if is_damaged(json) => Err(ValueError { expected: field.to_string(), found: "damaged text".to_owned() }),
        (FieldType::Enum { .. }, Json::String(name)) if name.contains("_x") => {
            Value::from_json(field, &Json::String(decode_option_name(name)))
        }
        _ => Value::from_json(field, json),
    }
}

/// A value as it is written.
pub(crate) fn written(field: &FieldType, value: &Value) -> Json {
    match (field, value) {
        (FieldType::Enum { .. }, Value::Text(name)) => json!(encode_option_name(name)),
        (FieldType::Int | FieldType::OptionSet, Value::Decimal(number)) if number.is_integer() => {
            i64::try_from(*number).map_or_else(|_| value.to_json(), Json::from)
        }
        (FieldType::Date, Value::DateTime(instant)) => json!(instant.to_string().get(..10)),
        (_, Value::DateTime(instant)) => json!(instant_text(*instant)),
        (field, Value::Null) => blank(field),
        _ => value.to_json(),
    }
}

/// A value as a literal of a filter.
pub(crate) fn filtered(field: &FieldType, value: &Value) -> String {
    match (field, value) {
        (FieldType::Enum { .. }, Value::Text(name)) => quoted(&encode_option_name(name)),
        (FieldType::Date | FieldType::DateTime | FieldType::Guid | FieldType::Lookup { .. }, Value::Null) => {
            blank(field).as_str().unwrap_or_default().to_owned()
        }
        (field, Value::Null) => match blank(field) {
            Json::String(text) => quoted(&text),
            other => other.to_string(),
        },
        _ => literal(value),
    }
}

fn blank(field: &FieldType) -> Json {
    match field {
        FieldType::Text { .. } | FieldType::Code { .. } | FieldType::Memo | FieldType::EntityName => json!(""),
        FieldType::Enum { .. } => json!(encode_option_name(" ")),
        FieldType::Decimal | FieldType::Money | FieldType::Int | FieldType::OptionSet => json!(0),
        FieldType::Bool => json!(false),
        FieldType::Guid | FieldType::Lookup { .. } => json!(BLANK_ID),
        FieldType::Date => json!(BLANK_DATE),
        FieldType::DateTime => json!(BLANK_INSTANT),
    }
}

/// What a body is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A new record: blanks are its defaults and are left out, so that number series and templates work.
    Create,
    /// An existing one: blanks clear. Columns that can only be given to a new record are left out.
    Update,
}

/// Properties that come first, in this order, because the service validates the values of a body as they come: only a person
/// takes the number of its company, and only an item or resource the number of a line; what the company of a person, the
/// customer of a document, the item of a line or another country hands down must not replace what the body gives, and a
/// discount is one of the quantity and price that are there.
const FIRST: [&str; 19] = [
    "type",
    "lineType",
    "companyNumber",
    "customerNumber",
    "assetType",
    "assetNo",
    "itemNo",
    "lineObjectNumber",
    "currencyCode",
    "billToCountry",
    "shipToCountry",
    "unitOfMeasureCode",
    "quantity",
    "unitPrice",
    "salesPrice",
    "priceWithoutTax",
    "lineAmount",
    "discountAmount",
    "discountWithoutTax",
];

/// The body that sets these values; the id is left out.
pub(crate) fn body(table: &Table, values: &Values, purpose: Purpose) -> Result<Map<String, Json>, SystemError> {
    let mut body = Map::with_capacity(values.len() + 1);
    let first = FIRST.iter().filter_map(|name| values.get_key_value(*name));
    for (name, value) in first.chain(values.iter().filter(|(name, _)| !FIRST.contains(&&***name))) {
        if **name == *table.id_column {
            continue;
        }
        let column = column(table, name)?;
        let left_out = match purpose {
            Purpose::Create => value.is_null(),
            Purpose::Update => column.access == Access::Insert,
        };
        if !left_out {
            body.insert(name.to_string(), written(&column.field, value));
        }
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{table, values};
    use rust_decimal::Decimal;
    use uuid::Uuid;

    fn option() -> FieldType {
        FieldType::Enum { values: vec![] }
    }

    #[test]
    fn options_travel_as_encoded_names() {
        for (wire, value) in [
            ("_x0020_", Value::Null),
            (" ", Value::Null),
            ("In_x0020_Review", Value::text("In Review")),
            ("Open", Value::text("Open")),
        ] {
            assert_eq!(read(&option(), &json!(wire)), Ok(value.clone()), "{wire}");
            if wire != " " {
                assert_eq!(written(&option(), &value), json!(wire));
                assert_eq!(filtered(&option(), &value), format!("'{wire}'"));
            }
        }
        assert_eq!(read(&FieldType::Memo, &json!("a_x0020_b")), Ok(Value::text("a_x0020_b")));
    }

    #[test]
    fn every_type_has_its_blank() {
        for (field, body, filter) in [
            (FieldType::Text { length: 5 }, json!(""), "''"),
            (option(), json!("_x0020_"), "'_x0020_'"),
            (FieldType::Decimal, json!(0), "0"),
            (FieldType::Int, json!(0), "0"),
            (FieldType::Bool, json!(false), "false"),
            (FieldType::Guid, json!(BLANK_ID), BLANK_ID),
            (FieldType::Date, json!("0001-01-01"), "0001-01-01"),
            (FieldType::DateTime, json!("0001-01-01T00:00:00Z"), "0001-01-01T00:00:00Z"),
        ] {
            assert_eq!(written(&field, &Value::Null), body, "{field}");
            assert_eq!(filtered(&field, &Value::Null), filter, "{field}");
        }
    }

    #[test]
    fn a_new_record_is_given_no_blanks_and_an_old_one_is_cleared_by_them() {
        let table = table();
        let values = values(&[
            ("id", Value::Guid(Uuid::from_u128(1))),
            ("displayName", Value::Null),
            ("number", Value::text("A1")),
            ("unitPrice", Value::Decimal(Decimal::new(125, 1))),
        ]);
        let price: Json = serde_json::from_str("12.5").expect("number");
        let create = body(&table, &values, Purpose::Create).expect("body");
        assert_eq!(Json::Object(create), json!({"number": "A1", "unitPrice": price}));
        let update = body(&table, &values, Purpose::Update).expect("body");
        assert_eq!(Json::Object(update), json!({"displayName": "", "unitPrice": price}));
        assert!(body(&table, &crate::client::tests::values(&[("nosuch", Value::Null)]), Purpose::Create).is_err());
    }
}
