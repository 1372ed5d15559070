//! What the tables do beside storing a value: units of items, unit groups, inventory, renames, guards on deletion.

use rust_decimal::Decimal;
use uuid::Uuid;

use super::{Incoming, Writer, create, partners, prices};
use crate::cell::{BLANK_DATE, Cell};
use crate::errors::ApiError;
use crate::schema::{Kind, TableId, schema};
use crate::store::{Row, Store};

pub(super) fn at(table: TableId, property: &str) -> usize {
    schema()
        .table(table)
        .position(property)
        .unwrap_or_else(|| panic!("{} has no {property}", schema().table(table).name))
}

fn is(table: TableId, name: &str) -> bool {
    schema().table(table).name == name
}

fn values(table: TableId, pairs: Vec<(&str, Cell)>) -> Incoming {
    Incoming { values: pairs.into_iter().map(|(name, cell)| (at(table, name), cell)).collect(), ..Incoming::default() }
}

/// Values a new record starts with.
pub(crate) fn defaults(table: TableId, row: &mut Row) {
    match schema().table(table).name.as_str() {
        "Item Unit of Measure" | "Resource Unit of Measure" => {
            row.cells[at(table, "qtyPerUnitOfMeasure")] = Cell::Decimal(Decimal::ONE)
        }
        "Price List Header" => {
            row.cells[at(table, "priceType")] = Cell::Enum(1);
            row.cells[at(table, "amountType")] = Cell::Enum(1);
        }
        "Price List Line" => {
            row.cells[at(table, "priceType")] = Cell::Enum(1);
            row.cells[at(table, "amountType")] = Cell::Enum(1);
            row.cells[at(table, "assetType")] = Cell::Enum(1);
        }
        "Sales Header" | "Sales Line" => {
            if let Some(document_type) = schema().table(table).position("documentType") {
                row.cells[document_type] = Cell::Enum(1);
            }
        }
        _ => {}
    }
}

/// Derives values before a row is stored.
pub(crate) fn before_write(
    store: &mut Store,
    table: TableId,
    row: &mut Row,
    before: Option<&Row>,
) -> Result<(), ApiError> {
    prices::before_write(store, table, row, before.is_none())?;
    match schema().table(table).name.as_str() {
        "Price List Line" if before.is_none() && row.cells[at(table, "lineNo")].is_blank() => {
            let last = store.last_line_of(table, &row.cells[at(table, "priceListCode")]);
            row.cells[at(table, "lineNo")] = Cell::Int(last + 10_000);
        }
        "Unit Group" if before.is_none() => {
            let number = row.cells[at(table, "sourceNo")].as_text().to_owned();
            let source_type = row.cells[at(table, "sourceType")].as_enum();
            let owner = if source_type == 0 { "Item" } else { "Resource" };
            let owner = store
                .by_code(schema().known(owner), &number)
                .ok_or_else(|| ApiError::no_such_relation("Source No.", "Unit Group", &number, owner))?;
            let id = owner.id;
            row.cells[at(table, "sourceId")] = Cell::Guid(id);
            row.cells[at(table, "code")] = Cell::text(group_code(source_type, &number));
        }
        "Item Unit of Measure" | "Resource Unit of Measure" => {
            let quantity = row.cells[at(table, "qtyPerUnitOfMeasure")].as_decimal();
            if quantity <= Decimal::ZERO {
                return Err(ApiError::dialog("Qty. per Unit of Measure must be greater than 0."));
            }
            let (owner, column) =
                if is(table, "Item Unit of Measure") { ("Item", "itemNo") } else { ("Resource", "resourceNo") };
            let owners = schema().known(owner);
            let code = row.cells[at(table, "code")].as_text();
            let is_base = store
                .by_code(owners, row.cells[at(table, column)].as_text())
                .is_some_and(|owner| owner.cells[at(owners, "baseUnitOfMeasureCode")].as_text() == code);
            if is_base && quantity != Decimal::ONE {
                return Err(ApiError::dialog(format!(
                    "Qty. per Unit of Measure must be equal to '1' in {}: Code={code}.",
                    schema().table(table).name
                )));
            }
        }
        "Opportunity" => super::opportunities::before_write(store, table, row, before),
        "Contact" => {
            // A company is its own company; a person's company name follows the company.
            let company = row.cells[at(table, "type")].as_enum() == 0;
            let number = row.cells[at(table, "number")].clone();
            if company {
                row.cells[at(table, "companyNumber")] = number;
                row.cells[at(table, "companyName")] = row.cells[at(table, "displayName")].clone();
            } else {
                let company_number = row.cells[at(table, "companyNumber")].as_text().to_owned();
                let name = if company_number.is_empty() { None } else { store.by_code(table, &company_number) };
                if let Some(company) = name {
                    row.cells[at(table, "companyName")] = company.cells[at(table, "displayName")].clone();
                } else if !company_number.is_empty() {
                    return Err(ApiError::no_such_relation("Company No.", "Contact", &company_number, "Contact"));
                } else {
                    row.cells[at(table, "companyName")] = Cell::Text(Box::default());
                }
            }
            names_of_contact(table, row, before);
        }
        _ => {}
    }
    partners::before_write(store, table, row, before)
}

/// First, middle and last name make the full name of a person, and the other way round.
fn names_of_contact(table: TableId, row: &mut Row, before: Option<&Row>) {
    let positions = [at(table, "firstName"), at(table, "middleName"), at(table, "surname")];
    let display = at(table, "displayName");
    let parts_changed = positions
        .iter()
        .any(|part| before.map_or(!row.cells[*part].is_blank(), |before| before.cells[*part] != row.cells[*part]));
    let name_changed =
        before.map_or(!row.cells[display].is_blank(), |before| before.cells[display] != row.cells[display]);
    let person = row.cells[at(table, "type")].as_enum() == 1;
    if parts_changed {
        let parts: Vec<&str> =
            positions.iter().map(|part| row.cells[*part].as_text()).filter(|part| !part.is_empty()).collect();
        row.cells[display] = Cell::text(parts.join(" ").chars().take(100).collect::<String>());
    } else if name_changed && person {
        let name = row.cells[display].as_text().to_owned();
        let words: Vec<&str> = name.split_whitespace().collect();
        let (first, middle, last) = match words.as_slice() {
            [] => (String::new(), String::new(), String::new()),
            [only] => ((*only).to_owned(), String::new(), String::new()),
            [first, middle @ .., last] => ((*first).to_owned(), middle.join(" "), (*last).to_owned()),
        };
        for (position, text) in positions.into_iter().zip([first, middle, last]) {
            row.cells[position] = Cell::text(text.chars().take(30).collect::<String>());
        }
    }
}

/// Records that come into being with a record.
pub(crate) fn after_create(store: &mut Store, table: TableId, id: Uuid) -> Result<(), ApiError> {
    if is(table, "Item") || is(table, "Resource") {
        let number = number_of(store, table, id);
        base_unit(store, table, id, &number)?;
        let groups = schema().known("Unit Group");
        let source_type = Cell::Enum(u8::from(is(table, "Resource")));
        create(
            store,
            groups,
            &values(groups, vec![("sourceType", source_type), ("sourceNo", Cell::text(number))]),
            Writer::User,
        )?;
    }
    partners::after_create(store, table, id)
}

/// Records that follow a change.
pub(crate) fn after_modify(store: &mut Store, table: TableId, before: &Row) -> Result<(), ApiError> {
    // First what refers to the old number follows, or the base unit would be there twice.
    rename(store, table, before)?;
    if is(table, "Item") || is(table, "Resource") {
        let number = number_of(store, table, before.id);
        if is(table, "Item") && !store.inventory_of(&number).is_zero() {
            let base = at(table, "baseUnitOfMeasureCode");
            let unit = store.row(table, before.id).map(|row| row.cells[base].as_text().to_owned()).unwrap_or_default();
            let old = before.cells[base].as_text();
            if !old.is_empty() && old != unit {
                return Err(ApiError::dialog(format!(
                    "You cannot change Base Unit of Measure because there are one or more open ledger entries for item {number}."
                )));
            }
        }
        base_unit(store, table, before.id, &number)?;
    }
    partners::after_modify(store, table, before)
}

fn number_of(store: &Store, table: TableId, id: Uuid) -> String {
    store.row(table, id).map(|row| row.cells[at(table, "number")].as_text().to_owned()).unwrap_or_default()
}

/// The base unit of an item or resource is one of its units.
fn base_unit(store: &mut Store, table: TableId, id: Uuid, number: &str) -> Result<(), ApiError> {
    let unit = store
        .row(table, id)
        .map(|row| row.cells[at(table, "baseUnitOfMeasureCode")].as_text().to_owned())
        .unwrap_or_default();
    if unit.is_empty() {
        return Ok(());
    }
    let (units, owner) =
        if is(table, "Item") { ("Item Unit of Measure", "itemNo") } else { ("Resource Unit of Measure", "resourceNo") };
    let units = schema().known(units);
    let key = schema()
        .table(units)
        .key
        .iter()
        .map(|position| if *position == at(units, "code") { Cell::text(unit.as_str()) } else { Cell::text(number) })
        .collect();
    if let Some(standing) = store.by_key(units, &key) {
        let quantity = standing.cells[at(units, "qtyPerUnitOfMeasure")].as_decimal();
        if quantity != Decimal::ONE {
            return Err(ApiError::dialog(format!(
                "The quantity per base unit of measure must be 1. {unit} is set up with {quantity} per unit of measure."
            )));
        }
    } else {
        create(
            store,
            units,
            &values(units, vec![(owner, Cell::text(number)), ("code", Cell::text(unit))]),
            Writer::User,
        )?;
    }
    Ok(())
}

/// A changed key is a rename, which every record that refers to the old key follows.
fn rename(store: &mut Store, table: TableId, before: &Row) -> Result<(), ApiError> {
    let [key] = schema().table(table).key.as_slice() else { return Ok(()) };
    let old = before.cells[*key].clone();
    let Some(new) = store.row(table, before.id).map(|row| row.cells[*key].clone()) else { return Ok(()) };
    if old == new || old.is_blank() || schema().table(table).properties[*key].kind != Kind::Code {
        return Ok(());
    }
    for other in schema().ids() {
        let references: Vec<usize> = schema()
            .table(other)
            .properties
            .iter()
            .enumerate()
            .filter(|(_, property)| property.related == Some(table) && property.kind == Kind::Code)
            .map(|(position, _)| position)
            .collect();
        for position in references {
            let followers: Vec<Row> = store.rows(other).filter(|row| row.cells[position] == old).cloned().collect();
            for row in followers {
                follow(store, other, row, &[(position, new.clone())])?;
            }
        }
    }
    for (follower, property, kind) in conditional_references(&schema().table(table).name) {
        let other = schema().known(follower);
        let (position, kind) = (at(other, property), kind.map(|(name, value)| (at(other, name), value)));
        let refers =
            |row: &&Row| row.cells[position] == old && kind.is_none_or(|(at, value)| row.cells[at].as_enum() == value);
        let followers: Vec<Row> = store.rows(other).filter(refers).cloned().collect();
        for row in followers {
            let mut changed = vec![(position, new.clone())];
            if is(other, "Unit Group") {
                changed.push((
                    at(other, "code"),
                    Cell::text(group_code(row.cells[at(other, "sourceType")].as_enum(), new.as_text())),
                ));
            }
            follow(store, other, row, &changed)?;
        }
    }
    Ok(())
}

/// A rename changes other rows in the database without running their triggers; their timestamps do move.
fn follow(store: &mut Store, table: TableId, mut row: Row, changed: &[(usize, Cell)]) -> Result<(), ApiError> {
    for (position, value) in changed {
        row.cells[*position] = value.clone();
    }
    row.modified = store.clock.now();
    row.version = store.next_version();
    store.replace(table, row).map_err(|_| ApiError::same_key(schema().table(table).caption(), ""))
}

/// A table, its property, and the property and value that say what that refers to.
type ConditionalReference = (&'static str, &'static str, Option<(&'static str, u8)>);

/// Where a number of this table stands without being always one of this table.
fn conditional_references(table: &str) -> &'static [ConditionalReference] {
    match table {
        "Item" => &[
            ("Unit Group", "sourceNo", Some(("sourceType", 0))),
            ("Sales Line", "lineObjectNumber", Some(("lineType", 2))),
            ("Sales Line (Quote)", "lineObjectNumber", Some(("lineType", 2))),
            ("Sales Invoice Line", "lineObjectNumber", Some(("lineType", 2))),
        ],
        "Resource" => &[
            ("Unit Group", "sourceNo", Some(("sourceType", 1))),
            ("Sales Line", "lineObjectNumber", Some(("lineType", 3))),
            ("Sales Line (Quote)", "lineObjectNumber", Some(("lineType", 3))),
            ("Sales Invoice Line", "lineObjectNumber", Some(("lineType", 3))),
        ],
        "Contact" => &[("Contact", "companyNumber", None)],
        "Customer" => &[("Contact Business Relation", "number", Some(("linkToTable", 1)))],
        "Vendor" => &[("Contact Business Relation", "number", Some(("linkToTable", 2)))],
        _ => &[],
    }
}

/// The computed code of a unit group.
fn group_code(source_type: u8, number: &str) -> String {
    let kind = if source_type == 0 { "ITEM" } else { "RESOURCE" };
    format!("{kind} {number} UOM GR")
}

/// Posts the difference between the wanted and the present inventory.
pub(crate) fn adjust_inventory(store: &mut Store, item: Uuid, wanted: Decimal) -> Result<(), ApiError> {
    let number = number_of(store, schema().known("Item"), item);
    let difference = wanted - store.inventory_of(&number);
    if difference.is_zero() {
        return Ok(());
    }
    let entry_type = if difference.is_sign_positive() { "Positive Adjmt." } else { "Negative Adjmt." };
    post_ledger_entry(store, &number, difference, entry_type).map(|_| ())
}

/// Adds an item ledger entry.
pub(crate) fn post_ledger_entry(
    store: &mut Store,
    item_number: &str,
    quantity: Decimal,
    entry_type: &str,
) -> Result<Uuid, ApiError> {
    let items = schema().known("Item");
    let name = store
        .by_code(items, item_number)
        .map(|item| item.cells[at(items, "displayName")].clone())
        .ok_or_else(|| ApiError::record_not_found("Item", &format!("No.='{item_number}'")))?;
    let ledger = schema().known("Item Ledger Entry");
    let entry = store.last_entry(ledger) + 1;
    let today = store.clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let incoming = values(
        ledger,
        vec![
            ("entryNumber", Cell::Int(i32::try_from(entry).unwrap_or(i32::MAX))),
            ("itemNumber", Cell::text(item_number)),
            ("postingDate", Cell::Date(today.max(BLANK_DATE))),
            ("entryType", Cell::text(entry_type)),
            ("documentNumber", Cell::text(format!("T{entry:05}"))),
            ("description", name),
            ("quantity", Cell::Decimal(quantity)),
        ],
    );
    create(store, ledger, &incoming, Writer::User)
}

/// What a record takes along, and what keeps it from being deleted.
pub(crate) fn before_delete(store: &mut Store, table: TableId, row: &Row) -> Result<(), ApiError> {
    prices::before_delete(store, table, row)?;
    let definition = schema().table(table);
    match definition.name.as_str() {
        "Item" | "Resource" => {
            let number = row.cells[at(table, "number")].as_text().to_owned();
            if is(table, "Item") && !store.inventory_of(&number).is_zero() {
                let message = format!(
                    "You cannot delete Item {number} because there is at least one item ledger entry with a remaining quantity."
                );
                return Err(ApiError::dialog(message));
            }
            let group_type = u8::from(is(table, "Resource"));
            remove_where(store, "Unit Group", |row, groups| {
                row.cells[at(groups, "sourceNo")].as_text() == number
                    && row.cells[at(groups, "sourceType")].as_enum() == group_type
            });
            let (units, owner) = if is(table, "Item") {
                ("Item Unit of Measure", "itemNo")
            } else {
                ("Resource Unit of Measure", "resourceNo")
            };
            remove_where(store, units, |row, units| row.cells[at(units, owner)].as_text() == number);
            if is(table, "Item") {
                remove_where(store, "Item Variant", |row, variants| {
                    row.cells[at(variants, "itemNumber")].as_text() == number
                });
                remove_where(store, "Sales Price", |row, prices| row.cells[at(prices, "itemNo")].as_text() == number);
            }
        }
        "Opportunity" => return super::opportunities::before_delete(table, row),
        "Customer" => {
            let number = row.cells[at(table, "number")].as_text().to_owned();
            let orders = schema().known("Sales Header");
            if store.rows(orders).any(|order| order.cells[at(orders, "customerNumber")].as_text() == number) {
                return Err(ApiError::dialog(format!(
                    "You cannot delete Customer {number} because there is at least one outstanding Sales Order for this customer."
                )));
            }
        }
        _ => {}
    }
    if ["Customer", "Vendor", "Contact"].contains(&definition.name.as_str()) {
        partners::before_delete(store, table, row);
    }
    Ok(())
}

pub(super) fn remove_where(store: &mut Store, table: &str, condition: impl Fn(&Row, TableId) -> bool) {
    let table = schema().known(table);
    let ids: Vec<Uuid> = store.rows(table).filter(|row| condition(row, table)).map(|row| row.id).collect();
    for id in ids {
        store.remove(table, id);
    }
}
