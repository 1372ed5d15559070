//! Which rows a read answers with, in which order, and where the next page begins.

use std::cmp::Ordering;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use uuid::Uuid;

use super::filter::{Filter, Operand, Operator};
use super::options::{Order, Query};
use crate::cell::Cell;
use crate::errors::ApiError;
use crate::navigation;
use crate::schema::{Property, Source, TableId, schema};
use crate::store::{Key, Row, Store};

/// Lines or other records under one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parent {
    pub id: Uuid,
    /// Position of the property of the members that holds the parent's id.
    pub foreign: usize,
}

/// One page of rows.
pub(crate) struct Page<'a> {
    pub rows: Vec<&'a Row>,
    pub total: Option<usize>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// Answers a query with at most `page_size` rows.
pub(crate) fn select<'a>(
    store: &'a Store,
    table: TableId,
    query: &Query,
    parent: Option<Parent>,
    page_size: usize,
) -> Result<Page<'a>, ApiError> {
    let order = full_order(table, &query.order);
    let after = query.skip_token.as_deref().map(|token| position(token, table, &order)).transpose()?;
    let limit = query.top.unwrap_or(usize::MAX).min(page_size);
    let candidates = candidates(store, table, query, parent);
    let total = query.count.then(|| match &candidates {
        Candidates::All if query.filter.is_none() => store.count(table),
        Candidates::All => store.rows(table).filter(|row| accepts(store, table, query, row)).count(),
        Candidates::Some(rows) => rows.len(),
    });
    let mut rows: Vec<&Row> = match candidates {
        Candidates::All if query.order.is_empty() => {
            // The order of the primary key is kept by the table: no need to see more than one page.
            let wanted = limit.saturating_add(1).saturating_add(query.skip);
            let accepted = |row: &&'a Row| accepts(store, table, query, row);
            match &after {
                Some(after) => store.rows_after(table, after).filter(accepted).take(wanted).collect(),
                None => store.rows(table).filter(accepted).take(wanted).collect(),
            }
        }
        candidates => {
            let rows: Vec<&Row> = match candidates {
                Candidates::Some(rows) => rows,
                Candidates::All => store.rows(table).filter(|row| accepts(store, table, query, row)).collect(),
            };
            let mut keyed: Vec<(Vec<Cell>, &Row)> =
                rows.into_iter().map(|row| (order_values(store, table, row, &order), row)).collect();
            keyed.sort_by(|left, right| compare(&left.0, &right.0, &order));
            if let Some(after) = &after {
                keyed.retain(|(values, _)| compare(values, after, &order) == Ordering::Greater);
            }
            keyed.into_iter().map(|(_, row)| row).collect()
        }
    };
    rows.drain(..query.skip.min(rows.len()));
    let more = rows.len() > limit && query.top.is_none_or(|top| top > limit);
    rows.truncate(limit);
    let next = if more { rows.last().map(|row| token(store, table, row, &order)) } else { None };
    Ok(Page { rows, total, next })
}

/// Counts what a filter selects.
pub(crate) fn count(store: &Store, table: TableId, query: &Query, parent: Option<Parent>) -> usize {
    match candidates(store, table, query, parent) {
        Candidates::All => store.rows(table).filter(|row| accepts(store, table, query, row)).count(),
        Candidates::Some(rows) => rows.len(),
    }
}

fn accepts(store: &Store, table: TableId, query: &Query, row: &Row) -> bool {
    query.filter.as_ref().is_none_or(|filter| filter.holds(store, table, row))
}

enum Candidates<'a> {
    All,
    /// Found through an index and already filtered.
    Some(Vec<&'a Row>),
}

/// Uses an index where the filter allows it.
fn candidates<'a>(store: &'a Store, table: TableId, query: &Query, parent: Option<Parent>) -> Candidates<'a> {
    let accepted = |row: &&'a Row| {
        accepts(store, table, query, row)
            && parent.is_none_or(|parent| row.cells[parent.foreign].as_guid() == parent.id)
    };
    if let Some(parent) = parent {
        return Candidates::Some(
            navigation::members(store, parent.id, table, parent.foreign).into_iter().filter(accepted).collect(),
        );
    }
    let Some(filter) = &query.filter else { return Candidates::All };
    let definition = schema().table(table);
    for condition in filter.conjuncts() {
        for (at, property) in definition.properties.iter().enumerate() {
            let single_key = definition.key.as_slice() == [at];
            let document = property.name == "documentId" && store.has_lines(table);
            if !(property.source == Source::Id || single_key || document) {
                continue;
            }
            let Some(mut values) = condition.wanted_values(at) else { continue };
            values.sort();
            values.dedup();
            let found: Vec<&Row> = values
                .iter()
                .flat_map(|value| -> Vec<&Row> {
                    if property.source == Source::Id {
                        store.row(table, value.as_guid()).into_iter().collect()
                    } else if document {
                        store.lines(table, value.as_guid()).collect()
                    } else {
                        store.by_key(table, &vec![value.clone()]).into_iter().collect()
                    }
                })
                .filter(accepted)
                .collect();
            return Candidates::Some(found);
        }
        if let Filter::Compare(
            Operand::Property(at),
            Operator::Greater | Operator::GreaterOrEqual,
            Cell::DateTime(since),
        ) = condition
            && definition.properties[*at].source == Source::Modified
        {
            return Candidates::Some(store.rows_modified_since(table, *since).filter(accepted).collect());
        }
    }
    Candidates::All
}

/// The requested order, made unambiguous by the primary key.
fn full_order(table: TableId, order: &[Order]) -> Vec<Order> {
    let key = schema().table(table).key.iter().map(|at| Order { at: *at, descending: false });
    order.iter().copied().chain(key.filter(|part| !order.iter().any(|given| given.at == part.at))).collect()
}

fn order_values(store: &Store, table: TableId, row: &Row, order: &[Order]) -> Vec<Cell> {
    order.iter().map(|part| store.cell(table, row, part.at)).collect()
}

fn compare(left: &[Cell], right: &[Cell], order: &[Order]) -> Ordering {
    for ((left, right), part) in left.iter().zip(right).zip(order) {
        let ordering = if part.descending { right.cmp(left) } else { left.cmp(right) };
        if ordering.is_ne() {
            return ordering;
        }
    }
    Ordering::Equal
}

fn token(store: &Store, table: TableId, row: &Row, order: &[Order]) -> String {
    let properties = &schema().table(table).properties;
    let values: Vec<Value> = order_values(store, table, row, order)
        .iter()
        .zip(order)
        .map(|(cell, part)| cell.to_json(&properties[part.at].kind))
        .collect();
    URL_SAFE_NO_PAD.encode(Value::Array(values).to_string())
}

fn position(token: &str, table: TableId, order: &[Order]) -> Result<Key, ApiError> {
    let invalid = || ApiError::bad_request(format!("The skip token '{token}' is not valid."));
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid())?;
    let values: Vec<Value> = serde_json::from_slice(&bytes).map_err(|_| invalid())?;
    if values.len() != order.len() {
        return Err(invalid());
    }
    let properties = &schema().table(table).properties;
    values
        .iter()
        .zip(order)
        .map(|(value, part)| Cell::from_json(value, &Property { length: None, ..properties[part.at].clone() }))
        .collect::<Result<_, _>>()
        .map_err(|_| invalid())
}
