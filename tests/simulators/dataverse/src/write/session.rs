//! Create and update of one row on behalf of one user.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use super::{check, currency, owners};
use crate::faults::Poison;
use crate::options::Behaviour;
use crate::rules;
use crate::schema::{ChoiceRole, NAMESPACE, Table};
use crate::store::{Cell, Row, Store};
use crate::wire::error::{ApiError, ApiResult};

/// New values by column; `None` empties the column.
pub type Changes = Vec<(usize, Option<Cell>)>;

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// Created.
    Create,
    /// Updated.
    Update,
    /// Deleted.
    Delete,
}

/// One thing that happened, for webhooks.
#[derive(Debug, Clone)]
pub struct Event {
    /// What.
    pub message: Message,
    /// Table.
    pub table: usize,
    /// Row.
    pub id: Uuid,
    /// Columns that were sent or set.
    pub values: Changes,
    /// Who.
    pub user: Uuid,
    /// 1 for the caller's own operation, more for its consequences.
    pub depth: usize,
}

/// A user's writes under one lock of the store.
pub struct Session<'a> {
    /// The rows.
    pub store: &'a mut Store,
    /// Switches.
    pub behaviour: &'a Behaviour,
    /// Texts that are refused.
    pub poison: &'a [Poison],
    /// Tables whose rows may not be deleted.
    pub taken_privileges: &'a BTreeSet<(String, String)>,
    /// Who writes.
    pub caller: Uuid,
    /// The writes come from a person in the app: read-only columns may be set, as plug-ins and forms can.
    pub unrestricted: bool,
    /// Inside a bulk message.
    pub bulk: bool,
    /// The server's clock, seconds since 1970.
    pub now: i64,
    /// What happened so far.
    pub events: Vec<Event>,
    /// Depth of consequences.
    pub depth: usize,
}

impl Session<'_> {
    /// A table by position.
    #[must_use]
    pub fn table(&self, at: usize) -> Arc<Table> {
        Arc::clone(self.store.schema.table(at))
    }

    /// Position of a table that the schema always has.
    ///
    /// # Errors
    /// When it is not there.
    pub fn position(&self, name: &str) -> ApiResult<usize> {
        self.store
            .schema
            .position(name)
            .ok_or_else(|| ApiError::new(404, "0x80060888", format!("The table {name} does not exist.")))
    }

    /// Runs `work` as a consequence: read-only columns may be set, and events carry a greater depth.
    ///
    /// # Errors
    /// The work's own.
    pub fn consequence<T>(&mut self, work: impl FnOnce(&mut Self) -> ApiResult<T>) -> ApiResult<T> {
        let before = self.unrestricted;
        self.unrestricted = true;
        self.depth += 1;
        let result = work(self);
        self.depth -= 1;
        self.unrestricted = before;
        result
    }

    /// A new id: derived from the row version, so that a run can be repeated.
    #[must_use]
    pub fn new_id(&self, table: &Table) -> Uuid {
        let mut attempt = 0_u32;
        loop {
            let text = format!("{} {} {} {attempt}", self.behaviour.seed, self.store.version(), table.name);
            let id = Uuid::new_v5(&NAMESPACE, text.as_bytes());
            let taken = self.store.schema.position(&table.name).is_some_and(|at| self.store.get(at, id).is_some());
            if !taken {
                return id;
            }
            attempt += 1;
        }
    }

    /// Whether the caller may do this with rows of a table. What the platform does in consequence needs no privilege.
    pub fn may(&self, kind: &str, table: &Table) -> ApiResult<()> {
        let is_taken = self.depth == 0 && self.taken_privileges.contains(&(kind.to_owned(), table.name.clone()));
        if is_taken { Err(ApiError::no_privilege(kind, table, self.caller)) } else { Ok(()) }
    }

    /// Creates a row.
    ///
    /// # Errors
    /// When a value does not fit, a key is taken, or a business rule refuses.
    pub fn create(&mut self, at: usize, id: Option<Uuid>, changes: Changes) -> ApiResult<Uuid> {
        let table = self.table(at);
        self.may("Create", &table)?;
        let sent_id = changes
            .iter()
            .find(|(column, _)| *column == table.id)
            .and_then(|(_, value)| value.as_ref())
            .and_then(Cell::id);
        let id = id.or(sent_id).unwrap_or_else(|| self.new_id(&table));
        if self.store.get(at, id).is_some() {
            return Err(ApiError::duplicate());
        }
        check::values(self, &table, id, &changes, true)?;
        let mut row = Row::new(id);
        row.set(table.id, Some(Cell::Guid(id)));
        for (column, value) in &changes {
            let role = state_role(&table, *column);
            if *column != table.id && (table.columns[*column].creatable || self.unrestricted) && role.is_none() {
                row.set(*column, value.clone());
            }
        }
        self.stamp(&table, &mut row, true);
        rules::states::initial(&table, &mut row);
        owners::complete(self, &table, &mut row, true)?;
        rules::before_create(self, &table, &mut row, &changes)?;
        currency::complete(self, &table, &mut row, None)?;
        check::keys(self, at, &table, &row)?;
        check::poison(self, &table, &row)?;
        self.store.put(at, row);
        self.event(Message::Create, at, id, changes.clone());
        self.consequence(|session| rules::after_create(session, at, &table, id))?;
        // A person's form or an import sets the state in a second step; so does the platform for imported rows.
        let wanted: Changes = changes.into_iter().filter(|(column, _)| state_role(&table, *column).is_some()).collect();
        let stated = self.unrestricted || (self.behaviour.product_state_on_create && table.name == "product");
        if stated && !wanted.is_empty() {
            self.consequence(|session| session.update(at, id, wanted))?;
        }
        Ok(id)
    }

    /// Updates a row; sending an unchanged value counts as a change.
    ///
    /// # Errors
    /// When the row does not exist, a value does not fit, a key is taken, or a business rule refuses.
    pub fn update(&mut self, at: usize, id: Uuid, changes: Changes) -> ApiResult<()> {
        let table = self.table(at);
        self.may("Write", &table)?;
        let before = self.store.get(at, id).cloned().ok_or_else(|| ApiError::missing_row(&table.name, id))?;
        check::values(self, &table, id, &changes, false)?;
        let mut row = (*before).clone();
        for (column, value) in &changes {
            let definition = &table.columns[*column];
            if *column == table.id
                || !(definition.updatable || self.unrestricted)
                || state_role(&table, *column).is_some()
            {
                continue;
            }
            if value.is_none() && definition.required == crate::schema::Required::System {
                return Err(ApiError::required(&definition.name, &table.name));
            }
            row.set(*column, value.clone());
        }
        rules::states::change(self, &table, &before, &mut row, &changes)?;
        owners::complete(self, &table, &mut row, false)?;
        rules::before_update(self, &table, &before, &mut row, &changes)?;
        currency::complete(self, &table, &mut row, Some(&before))?;
        check::keys(self, at, &table, &row)?;
        check::poison(self, &table, &row)?;
        self.stamp(&table, &mut row, false);
        self.store.put(at, row);
        self.event(Message::Update, at, id, changes);
        self.consequence(|session| rules::after_update(session, at, &table, &before))
    }

    /// Sets who and when.
    fn stamp(&self, table: &Table, row: &mut Row, created: bool) {
        let user = self.store.schema.position("systemuser").map(|users| Cell::Lookup { table: users, id: self.caller });
        let mut set = |name: &str, value: Option<Cell>| {
            if let Some(column) = table.column(name) {
                row.set(column, value);
            }
        };
        set("modifiedon", Some(Cell::Time(self.now)));
        set("modifiedby", user.clone());
        if created {
            set("createdon", Some(Cell::Time(self.now)));
            set("createdby", user);
        }
        if created
            && let Some(column) = table.column("overriddencreatedon")
            && let Some(Cell::Time(time)) = row.get(column).cloned()
            && let Some(created_on) = table.column("createdon")
        {
            row.set(created_on, Some(Cell::Time(time)));
        }
    }

    /// Records what happened.
    pub fn event(&mut self, message: Message, table: usize, id: Uuid, values: Changes) {
        self.events.push(Event { message, table, id, values, user: self.caller, depth: self.depth + 1 });
    }
}

/// `statecode` and `statuscode` have their own rules.
fn state_role(table: &Table, column: usize) -> Option<ChoiceRole> {
    match &table.columns[column].kind {
        crate::schema::Kind::Choice(choice) if choice.role != ChoiceRole::Plain => Some(choice.role),
        _ => None,
    }
}
