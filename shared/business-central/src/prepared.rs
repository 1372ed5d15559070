//! Writes of Business Central, each with the API that takes it, its body and the step it is at.

use couplet_model::ids::RecordId;
use couplet_model::system::{SystemError, SystemErrorKind};
use couplet_model::table::{Side, Table};
use couplet_odata::Repeat;
use serde_json::{Map, Value as Json};

use crate::route::Route;

/// What an operation does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Create, under the given id if there is one.
    Create,
    /// The number may be what was refused: create again and let the number series give one.
    CreateUnnumbered,
    /// The id may be taken by an earlier attempt of this very create: update what is there.
    Adopt,
    Update,
    Delete,
}

/// One write with its body.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    /// Its place in the call.
    pub place: usize,
    pub route: Route,
    pub step: Step,
    pub id: Option<RecordId>,
    pub etag: Option<String>,
    pub body: Map<String, Json>,
    /// The body of the update that follows a create whose id is taken.
    pub adopting: Map<String, Json>,
}

impl Prepared {
    pub fn repeat(&self) -> Repeat {
        if self.creates() && self.id.is_none() { Repeat::OnlyIfUnprocessed } else { Repeat::Idempotent }
    }

    pub fn creates(&self) -> bool {
        matches!(self.step, Step::Create | Step::CreateUnnumbered)
    }

    /// The update of what an earlier attempt of this create has made.
    pub fn adopting(self) -> Self {
        Self { step: Step::Adopt, body: self.adopting, adopting: Map::new(), ..self }
    }
}

/// The column of the number that a number series may give; codes have no series.
pub(crate) fn number_column(table: &Table) -> Option<&String> {
    table.label_column.as_ref().filter(|name| *name == "number")
}

pub(crate) fn has_number(table: &Table, item: &Prepared) -> bool {
    number_column(table).is_some_and(|name| item.body.contains_key(name))
}

pub(crate) fn failure(kind: SystemErrorKind, message: &'static str) -> SystemError {
    SystemError::new(Side::BusinessCentral, kind, "", message)
}
