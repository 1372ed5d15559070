//! One request, carried out against the shared store with the faults that are switched on.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use http::Method;

use super::path::{self, Target};
use super::{Answer, Context, Operation, batch, batch_multipart, read, write};
use crate::errors::ApiError;
use crate::faults::{Faults, WriteFault};
use crate::store::{Change, Store};

/// What the API works on.
pub(crate) struct Api {
    pub store: RwLock<Store>,
    pub faults: Faults,
}

impl Api {
    pub(crate) fn reading(&self) -> RwLockReadGuard<'_, Store> {
        self.store.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn writing(&self) -> RwLockWriteGuard<'_, Store> {
        self.store.write().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) use simulator_platform::Cut;

/// One operation as it was carried out: method, path, status.
pub(crate) type Done = (Method, String, u16);

/// What came of a request.
#[derive(Debug, Default)]
pub(crate) struct Executed {
    /// `None` if the connection is to be cut.
    pub answer: Option<Answer>,
    pub operations: Vec<Done>,
    pub changes: Vec<Change>,
}

/// Carries out one request of the API, a batch included.
pub(crate) fn execute(api: &Api, context: &Context, operation: &Operation) -> Executed {
    let uri = uri(context, operation);
    if operation.path.trim_matches('/') == "$batch" {
        let multipart = operation
            .header("content-type")
            .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("multipart/mixed"));
        return match (&operation.method, multipart) {
            (&Method::POST, false) => batch::execute(api, context, operation),
            (&Method::POST, true) => batch_multipart::execute(api, context, operation),
            (method, _) => Executed {
                answer: Some(Answer::refused(&ApiError::not_allowed(method.as_str(), "$batch"))),
                ..Executed::default()
            },
        };
    }
    let (result, changes) = if operation.is_write() {
        let mut store = api.writing();
        let result = one(&mut store, api, context, operation, &uri);
        let changes = store.take_changes();
        (result, changes)
    } else {
        (Ok(get(&api.reading(), context, operation, &uri)), Vec::new())
    };
    let status = result.as_ref().map_or(0, |answer| answer.status);
    Executed {
        answer: result.ok(),
        operations: vec![(operation.method.clone(), operation.path.clone(), status)],
        changes,
    }
}

pub(crate) fn uri(context: &Context, operation: &Operation) -> String {
    format!("{}/{}", context.root(operation.route), operation.path)
}

fn get(store: &Store, context: &Context, operation: &Operation, uri: &str) -> Answer {
    path::resolve(store, operation, uri).and_then(|target| read::read(store, context, operation, &target)).into()
}

/// Carries out one operation that is not a batch.
pub(crate) fn one(
    store: &mut Store,
    api: &Api,
    context: &Context,
    operation: &Operation,
    uri: &str,
) -> Result<Answer, Cut> {
    if !operation.is_write() {
        return Ok(get(store, context, operation, uri));
    }
    let target = match path::resolve(store, operation, uri) {
        Ok(Target::Batch) => return Ok(Answer::refused(&ApiError::bad_request("A batch cannot contain a batch."))),
        Ok(target) => target,
        Err(error) => return Ok(Answer::refused(&error)),
    };
    let fault = api.faults.before_write();
    match fault {
        Some(WriteFault::CutBefore) => return Err(Cut),
        Some(WriteFault::AnswerBefore(status)) => return Ok(Answer::refused(&ApiError::failing(status, None))),
        _ => {}
    }
    let answer: Answer = write::write(store, context, operation, &target, &api.faults.poison()).into();
    match fault {
        Some(WriteFault::CutAfter) => Err(Cut),
        Some(WriteFault::AnswerAfter(status)) => Ok(Answer::refused(&ApiError::failing(status, None))),
        _ => Ok(answer),
    }
}
