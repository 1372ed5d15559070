//! Values as the body of a write: plain columns by name, lookups bound through their navigation property.

use couplet_model::catalogue::usual_form;
use couplet_model::record::Values;
use couplet_model::system::{SystemError, SystemErrorKind};
use couplet_model::table::{DayForm, FieldType, Side, Table};
use couplet_model::value::{Value, noon_of};
use couplet_odata::columns::column;
use serde_json::{Map, Value as Json, json};

use crate::clearing_form::Form;
use crate::learned::Learned;
use crate::rows::lookup_beside;

/// Logical names of the tables that lookups among these values point to.
pub(crate) fn targets<'a>(table: &'a Table, values: &'a Values) -> impl Iterator<Item = String> + 'a {
    values.iter().filter_map(|(name, value)| {
        value.as_guid()?;
        let column = table.column(name)?;
        match &column.field {
            FieldType::Lookup { targets } => target_of(table, name, targets, value, values),
            _ => None,
        }
    })
}

/// The body that sets these values. The id column is left out: the caller puts it where it belongs.
pub(crate) fn body(table: &Table, values: &Values, learned: &Learned) -> Result<Map<String, Json>, SystemError> {
    let mut body = Map::with_capacity(values.len());
    for (name, value) in values {
        if **name == *table.id_column {
            continue;
        }
        let column = column(table, name)?;
        match &column.field {
            FieldType::Lookup { targets } => {
                match learned.clearing(&table.name, name) {
                    // Done afterwards, by a request of its own.
                    Form::Reference if value.is_null() => continue,
                    form => {
                        let (property, bound) = bind(table, name, targets, value, values, learned)?;
                        let plain = property.trim_end_matches("@odata.bind");
                        let cleared = form == Form::Navigation && value.is_null();
                        body.insert(if cleared { plain.to_owned() } else { property }, bound);
                    }
                }
            }
            // Follows from the binding of its lookup.
            FieldType::EntityName if lookup_beside(table, name).is_some() => {}
            field => {
                let said = learned.facts(&table.name).map(|known| known.facts.column(name)).unwrap_or_default();
                let day = said.or(usual_form(&table.name, name)).day;
                body.insert(name.to_string(), plain(field, value, day));
            }
        }
    }
    Ok(body)
}

fn plain(field: &FieldType, value: &Value, day: Option<DayForm>) -> Json {
    match (field, value) {
        (FieldType::Date, Value::Date(date)) if day == Some(DayForm::UserLocal) => {
            noon_of(*date).map_or(Json::Null, |noon| json!(noon.to_string()))
        }
        // A whole number may arrive as a decimal from a computation.
        (FieldType::Int | FieldType::OptionSet, Value::Decimal(number)) if number.is_integer() => {
            i64::try_from(*number).map_or_else(|_| value.to_json(), Json::from)
        }
        (FieldType::Date, Value::DateTime(instant)) => json!(instant.to_string().get(..10)),
        _ => value.to_json(),
    }
}

fn bind(
    table: &Table,
    name: &str,
    targets: &[String],
    value: &Value,
    values: &Values,
    learned: &Learned,
) -> Result<(String, Json), SystemError> {
    let polymorphic = targets.len() > 1;
    let property = |target: &str| format!("{}@odata.bind", learned.navigation(&table.name, name, target, polymorphic));
    let Some(id) = value.as_guid() else {
        if value.is_null() {
            // Clearing through any one of the targets clears the column.
            return Ok((property(targets.first().map_or("", String::as_str)), Json::Null));
        }
        return Err(refused(format!("column {name} of {} refers to a row, but the value is no id", table.name)));
    };
    let target = target_of(table, name, targets, value, values)
        .ok_or_else(|| refused(format!("column {name} of {} does not say which table it refers to", table.name)))?;
    let entity_set = learned
        .entity_set(&target)
        .ok_or_else(|| refused(format!("Dataverse has no table {target}, which {name} of {} refers to", table.name)))?;
    Ok((property(&target), json!(format!("/{entity_set}({})", id.hyphenated()))))
}

/// The table a lookup points to: named by the reference, by the type column beside it, or the first possible one.
fn target_of(table: &Table, name: &str, targets: &[String], value: &Value, values: &Values) -> Option<String> {
    if let Value::Reference { table, .. } = value {
        return Some(table.to_string());
    }
    if targets.len() > 1 {
        let beside = values
            .iter()
            .find_map(|(other, value)| (lookup_beside(table, other) == Some(name)).then(|| value.as_text())?);
        if let Some(target) = beside {
            return Some(target.to_owned());
        }
    }
    targets.first().cloned()
}

fn refused(message: String) -> SystemError {
    SystemError::new(Side::Dataverse, SystemErrorKind::Refused, "", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::{table, values};
    use rust_decimal::Decimal;
    use std::collections::BTreeMap;
    use uuid::Uuid;

    fn learned() -> Learned {
        let sets = [("account", "accounts"), ("contact", "contacts"), ("uom", "uoms")];
        let sets = sets.iter().map(|(table, set)| ((*table).to_owned(), (*set).to_owned())).collect();
        Learned::new(sets, BTreeMap::new())
    }

    #[test]
    fn every_type_has_its_form_on_the_wire() {
        let table = table();
        let id = Uuid::from_u128(1);
        let reference = Value::Reference { table: "contact".into(), id };
        let values = values(&[
            ("thingid", Value::Guid(id)),
            ("name", Value::text("A")),
            ("price", Value::Decimal(Decimal::new(1050, 2))),
            ("state", Value::Decimal(Decimal::from(2))),
            ("note", Value::Null),
            ("customerid", reference),
            ("customeridtype", Value::text("contact")),
            ("uomid", Value::Guid(id)),
        ]);
        let body = body(&table, &values, &learned()).expect("body");
        assert_eq!(
            Json::Object(body),
            json!({
                "customerid_contact@odata.bind": "/contacts(00000000-0000-0000-0000-000000000001)",
                "name": "A", "note": null, "price": serde_json::from_str::<Json>("10.5").expect("number"), "state": 2,
                "uomid@odata.bind": "/uoms(00000000-0000-0000-0000-000000000001)",
            })
        );
        assert_eq!(targets(&table, &values).collect::<Vec<_>>(), ["contact", "uom"]);
    }

    #[test]
    fn a_blank_lookup_is_cleared() {
        let values = values(&[("customerid", Value::Null), ("uomid", Value::Null)]);
        let body = body(&table(), &values, &learned()).expect("body");
        assert_eq!(Json::Object(body), json!({"customerid_account@odata.bind": null, "uomid@odata.bind": null}));
    }

    #[test]
    fn f05_a_day_is_written_as_a_day_or_as_noon_as_its_column_keeps_it() {
        let day = Value::Date("2026-03-01".parse().expect("a day"));
        for (form, expected) in [
            (None, json!("2026-03-01")),
            (Some(DayForm::Day), json!("2026-03-01")),
            (Some(DayForm::UserLocal), json!("2026-03-01T12:00:00Z")),
        ] {
            assert_eq!(plain(&FieldType::Date, &day, form), expected);
            assert_eq!(plain(&FieldType::Date, &Value::Null, form), Json::Null);
        }
    }

    #[test]
    fn f08_a_lookup_is_cleared_in_the_form_that_worked() {
        let values = values(&[("uomid", Value::Null)]);
        for (form, expected) in [
            (Form::Bind, json!({"uomid@odata.bind": null})),
            (Form::Navigation, json!({"uomid": null})),
            (Form::Reference, json!({})),
        ] {
            let mut learned = learned();
            learned.learn_clearing("thing", "uomid", form);
            assert_eq!(Json::Object(body(&table(), &values, &learned).expect("body")), expected, "{form:?}");
        }
    }

    #[test]
    fn the_type_column_beside_a_lookup_names_its_target() {
        let id = Value::Guid(Uuid::from_u128(1));
        let values = values(&[("customerid", id), ("customeridtype", Value::text("contact"))]);
        let body = body(&table(), &values, &learned()).expect("body");
        assert!(body.contains_key("customerid_contact@odata.bind"));
    }

    #[test]
    fn what_cannot_be_written_is_said_before_it_is_sent() {
        let id = Uuid::from_u128(1);
        for (name, value, expected) in [
            ("nosuch", Value::Null, "nosuch"),
            ("uomid", Value::text("PCS"), "no id"),
            ("customerid", Value::Reference { table: "lead".into(), id }, "lead"),
        ] {
            let error = body(&table(), &values(&[(name, value)]), &learned()).expect_err("refused");
            assert!(error.message.contains(expected), "{error}");
        }
    }
}
