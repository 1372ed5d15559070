//! Ownership: the default owner, and the columns that follow from it.

use super::session::Session;
use crate::schema::Table;
use crate::store::{Cell, Row};
use crate::wire::error::ApiResult;

/// Fills `ownerid` on create, and `owninguser`, `owningteam`, `owningbusinessunit` whenever the owner is set.
pub fn complete(session: &Session<'_>, table: &Table, row: &mut Row, created: bool) -> ApiResult<()> {
    if table.column("organizationid").is_some_and(|column| row.get(column).is_none()) && created {
        organization(session, table, row)?;
    }
    let Some(owner) = table.column("ownerid") else {
        return Ok(());
    };
    let users = session.position("systemuser")?;
    if created && row.get(owner).is_none() {
        row.set(owner, Some(Cell::Lookup { table: users, id: session.caller }));
    }
    let Some(Cell::Lookup { table: owner_table, id }) = row.get(owner).cloned() else {
        return Ok(());
    };
    let is_user = owner_table == users;
    let unit = session
        .store
        .get(owner_table, id)
        .and_then(|owner| owner.get(session.store.schema.table(owner_table).column("businessunitid")?).cloned());
    let link = Cell::Lookup { table: owner_table, id };
    let mut set = |name: &str, value: Option<Cell>| {
        if let Some(column) = table.column(name) {
            row.set(column, value);
        }
    };
    set("owninguser", is_user.then(|| link.clone()));
    set("owningteam", (!is_user).then_some(link));
    set("owningbusinessunit", unit);
    set("owneridtype", Some(Cell::text(if is_user { "systemuser" } else { "team" })));
    Ok(())
}

fn organization(session: &Session<'_>, table: &Table, row: &mut Row) -> ApiResult<()> {
    let organizations = session.position("organization")?;
    let Some(column) = table.column("organizationid").filter(|column| *column != table.id) else {
        return Ok(());
    };
    let Some(id) = session.store.rows(organizations).after(None).next().map(|row| row.id) else {
        return Ok(());
    };
    let value = if matches!(table.columns[column].kind, crate::schema::Kind::Lookup(_)) {
        Cell::Lookup { table: organizations, id }
    } else {
        Cell::Guid(id)
    };
    row.set(column, Some(value));
    Ok(())
}
