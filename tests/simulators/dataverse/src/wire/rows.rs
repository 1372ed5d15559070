//! Rows as JSON: columns, annotations and expanded navigation properties.

use super::prefer::Prefer;
use crate::query::options::{Expand, Expanded, Query};
use crate::schema::{Column, Hidden, Kind, Table};
use crate::store::{Cell, Row, Store};

const FORMATTED: &str = "OData.Community.Display.V1.FormattedValue";
const LOGICAL_NAME: &str = "Microsoft.Dynamics.CRM.lookuplogicalname";
const NAVIGATION: &str = "Microsoft.Dynamics.CRM.associatednavigationproperty";

/// Writes rows of one store for one request.
pub struct RowWriter<'a> {
    store: &'a Store,
    formatted: bool,
    logical_name: bool,
    navigation: bool,
}

impl<'a> RowWriter<'a> {
    /// A writer that adds the annotations the request prefers.
    #[must_use]
    pub fn new(store: &'a Store, prefer: &Prefer) -> Self {
        Self {
            store,
            formatted: prefer.annotates(FORMATTED),
            logical_name: prefer.annotates(LOGICAL_NAME),
            navigation: prefer.annotates(NAVIGATION),
        }
    }

    /// Writes one row as a JSON object. `context` becomes its `@odata.context`.
    pub fn row(&self, out: &mut Vec<u8>, table: usize, row: &Row, query: &Query, context: Option<&str>) {
        let here = self.store.schema.table(table);
        out.push(b'{');
        if let Some(context) = context {
            out.extend_from_slice(b"\"@odata.context\":");
            text(out, context);
            out.push(b',');
        }
        out.extend_from_slice(format!("\"@odata.etag\":\"W/\\\"{}\\\"\"", row.version).as_bytes());
        match &query.select {
            Some(columns) => {
                for column in columns {
                    self.column(out, here, *column, row);
                }
                if !columns.contains(&here.id) {
                    self.column(out, here, here.id, row);
                }
            }
            None => {
                for (at, column) in here.columns.iter().enumerate() {
                    if column.exposed && !column.name.is_empty() && column.name != "authvalue" {
                        self.column(out, here, at, row);
                    }
                }
            }
        }
        for expand in &query.expand {
            self.expanded(out, row, expand);
        }
        out.push(b'}');
    }

    fn column(&self, out: &mut Vec<u8>, table: &Table, at: usize, row: &Row) {
        self.value(out, &table.columns[at].property, table, at, row);
    }

    /// Writes `,"name":value` with its annotations.
    pub fn value(&self, out: &mut Vec<u8>, name: &str, table: &Table, at: usize, row: &Row) {
        let column = &table.columns[at];
        if column.is_hidden() {
            if column.security.is_some_and(|security| security.hidden == Hidden::Null) {
                out.push(b',');
                text(out, name);
                out.extend_from_slice(b":null");
            }
            return;
        }
        let version =
            (column.name == "versionnumber").then(|| Cell::Int(i64::try_from(row.version).unwrap_or(i64::MAX)));
        let cell = version.as_ref().or_else(|| row.get(at)).filter(|_| column.name != "authvalue");
        if let Some(cell) = cell {
            self.annotations(out, name, table, column, cell, row);
        }
        out.push(b',');
        text(out, name);
        out.push(b':');
        match cell {
            Some(Cell::Text(value)) => text(out, value),
            Some(Cell::Guid(id) | Cell::Lookup { id, .. }) => {
                let mut buffer = uuid::Uuid::encode_buffer();
                out.push(b'"');
                out.extend_from_slice(id.hyphenated().encode_lower(&mut buffer).as_bytes());
                out.push(b'"');
            }
            Some(cell) => out.extend_from_slice(cell.to_json(&column.kind).to_string().as_bytes()),
            None => out.extend_from_slice(b"null"),
        }
    }

    fn annotations(&self, out: &mut Vec<u8>, property: &str, table: &Table, column: &Column, cell: &Cell, row: &Row) {
        let mut annotate = |name: &str, value: &str| {
            out.push(b',');
            text(out, &format!("{property}@{name}"));
            out.push(b':');
            text(out, value);
        };
        if let Cell::Lookup { table: target, id } = cell {
            let target_table = self.store.schema.table(*target);
            if self.navigation
                && let Some((_, name)) =
                    column.navigation.iter().find(|(to, _)| *to == target_table.name || to == "principal")
            {
                annotate(NAVIGATION, name);
            }
            if self.logical_name {
                annotate(LOGICAL_NAME, &target_table.name);
            }
            if self.formatted
                && let Some(name) = self.store.primary_name(*target, *id)
            {
                annotate(FORMATTED, name);
            }
            return;
        }
        if self.formatted
            && let Some(formatted) = self.formatted(table, column, cell, row)
        {
            annotate(FORMATTED, &formatted);
        }
    }

    fn formatted(&self, table: &Table, column: &Column, cell: &Cell, row: &Row) -> Option<String> {
        Some(match (&column.kind, cell) {
            (Kind::Choice(choice), Cell::Int(value)) => {
                choice.options.iter().find(|(option, _)| i64::from(*option) == *value)?.1.clone()
            }
            (Kind::Boolean, Cell::Bool(value)) => if *value { "Yes" } else { "No" }.to_owned(),
            (Kind::Money, cell) => {
                let symbol = table
                    .column("transactioncurrencyid")
                    .and_then(|currency| row.get(currency))
                    .and_then(|currency| match currency {
                        Cell::Lookup { table, id } => {
                            let currency = self.store.get(*table, *id)?;
                            match currency.get(self.store.schema.table(*table).column("currencysymbol")?)? {
                                Cell::Text(symbol) => Some(symbol.to_string()),
                                _ => None,
                            }
                        }
                        _ => None,
                    })
                    .unwrap_or_default();
                format!("{symbol}{}", grouped(&format!("{:.2}", cell.number()?)))
            }
            (Kind::Decimal | Kind::Double, cell) => grouped(&format!("{:.2}", cell.number()?)),
            (Kind::Integer | Kind::BigInteger, Cell::Int(value)) => grouped(&value.to_string()),
            (Kind::DateTime, Cell::Time(_)) => {
                let text = cell.plain_text();
                let (day, time) = text.split_once('T')?;
                format!("{} {}", american_day(day)?, american_time(time)?)
            }
            (Kind::DateOnly, Cell::Day(day)) => american_day(&day.to_string())?,
            _ => return None,
        })
    }

    fn expanded(&self, out: &mut Vec<u8>, row: &Row, expand: &Expand) {
        out.push(b',');
        text(out, &expand.name);
        out.push(b':');
        match &expand.to {
            Expanded::One { column, table } => {
                let target = row.get(*column).and_then(|cell| match cell {
                    // A lookup to several tables: each navigation property leads to its own only.
                    Cell::Lookup { table: at, id } if at == table => self.store.get(*table, *id),
                    _ => None,
                });
                match target {
                    Some(target) => self.row(out, *table, target, &expand.query, None),
                    None => out.extend_from_slice(b"null"),
                }
            }
            Expanded::Many(members) => {
                let table = members.table();
                let mut rows: Vec<&Row> = members
                    .of(self.store, row.id)
                    .into_iter()
                    .filter_map(|id| self.store.get(table, id))
                    .map(AsRef::as_ref)
                    .filter(|row| expand.query.filter.as_ref().is_none_or(|filter| filter.holds(self.store, row)))
                    .collect();
                sort(self.store, &mut rows, &expand.query);
                out.push(b'[');
                for (at, member) in rows.iter().take(expand.query.top.unwrap_or(usize::MAX)).enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    self.row(out, table, member, &expand.query, None);
                }
                out.push(b']');
            }
        }
    }
}

/// Sorts rows by `$orderby`; ties keep the order of the ids. Nulls come first, as in SQL Server.
pub fn sort(store: &Store, rows: &mut [&Row], query: &Query) {
    if query.order.is_empty() {
        return;
    }
    rows.sort_by(|left, right| order(store, left, right, query));
}

/// Order of two rows under `$orderby`, then by id.
#[must_use]
pub fn order(store: &Store, left: &Row, right: &Row, query: &Query) -> std::cmp::Ordering {
    use std::cmp::Ordering;
    for (path, descending) in &query.order {
        let (left, right) =
            (crate::query::predicate::value(store, left, path), crate::query::predicate::value(store, right, path));
        let order = match (left, right) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(left), Some(right)) => crate::store::compare(left, right).unwrap_or(Ordering::Equal),
        };
        let order = if *descending { order.reverse() } else { order };
        if order != Ordering::Equal {
            return order;
        }
    }
    left.id.cmp(&right.id)
}

/// Writes a JSON string.
pub fn text(out: &mut Vec<u8>, value: &str) {
    // Writing to a vector cannot fail.
    let _ = serde_json::to_writer(&mut *out, value);
}

fn grouped(number: &str) -> String {
    let (whole, fraction) = number.split_once('.').map_or((number, None), |(whole, fraction)| (whole, Some(fraction)));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    fraction.map_or_else(|| format!("{sign}{grouped}"), |fraction| format!("{sign}{grouped}.{fraction}"))
}

fn american_day(day: &str) -> Option<String> {
    let mut parts = day.split('-').map(|part| part.parse::<u32>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    Some(format!("{month}/{day}/{year}"))
}

fn american_time(time: &str) -> Option<String> {
    let mut parts = time.split(':');
    let hour: u32 = parts.next()?.parse().ok()?;
    let minute = parts.next()?;
    let half = if hour < 12 { "AM" } else { "PM" };
    let hour = if hour.is_multiple_of(12) { 12 } else { hour % 12 };
    Some(format!("{hour}:{minute} {half}"))
}
