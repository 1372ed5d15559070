//! Records as JSON.

use crate::cell::{Cell, write_json_text};
use crate::documents;
use crate::etag;
use crate::navigation::{self, Link};
use crate::query::{Expand, Query};
use crate::schema::{Route, Source, TableId, schema};
use crate::store::{Row, Store};

/// Appends one record; `context` goes first if given.
pub(crate) fn entity(
    out: &mut Vec<u8>,
    store: &Store,
    route: Route,
    table: TableId,
    row: &Row,
    query: &Query,
    context: Option<&str>,
) {
    let definition = schema().table(table);
    out.push(b'{');
    if let Some(context) = context {
        out.extend_from_slice(b"\"@odata.context\":");
        write_json_text(context, out);
        out.push(b',');
    }
    out.extend_from_slice(b"\"@odata.etag\":");
    write_json_text(&etag::of(row), out);
    for (at, property) in definition.properties.iter().enumerate() {
        let selected = query.select.as_ref().is_none_or(|selected| selected.contains(&at));
        if !property.on(route) || !selected {
            continue;
        }
        out.extend_from_slice(b",\"");
        out.extend_from_slice(property.name.as_bytes());
        out.extend_from_slice(b"\":");
        let cell = match property.source {
            Source::Id => Cell::Guid(documents::shown_id(table, route, row)),
            _ if property.name == "documentId" => documents::document_shown(store, table, route, row, at),
            _ => store.cell(table, row, at),
        };
        cell.write_json(&property.kind, out);
    }
    for part in &query.expand {
        expanded(out, store, route, row, part);
    }
    out.push(b'}');
}

fn expanded(out: &mut Vec<u8>, store: &Store, route: Route, row: &Row, part: &Expand) {
    let target = part.navigation.target;
    out.push(b',');
    write_json_text(&part.navigation.name, out);
    out.push(b':');
    match part.navigation.link {
        Link::Many { foreign } => {
            let members = navigation::members(store, row.id, target, foreign);
            let accepted = members
                .into_iter()
                .filter(|member| part.query.filter.as_ref().is_none_or(|filter| filter.holds(store, target, member)));
            out.push(b'[');
            for (position, member) in
                accepted.skip(part.query.skip).take(part.query.top.unwrap_or(usize::MAX)).enumerate()
            {
                if position > 0 {
                    out.push(b',');
                }
                entity(out, store, route, target, member, &part.query, None);
            }
            out.push(b']');
        }
        Link::One { .. } | Link::Same => match navigation::follow(store, row, &part.navigation) {
            Some(found) => entity(out, store, route, target, found, &part.query, None),
            None => out.extend_from_slice(b"null"),
        },
    }
}

/// The fragment of a context URL that names what was selected.
pub(crate) fn selected(table: TableId, query: &Query) -> String {
    match &query.select {
        None => String::new(),
        Some(selected) => {
            let properties = &schema().table(table).properties;
            let names: Vec<&str> = selected.iter().map(|at| properties[*at].name.as_str()).collect();
            format!("({})", names.join(","))
        }
    }
}
