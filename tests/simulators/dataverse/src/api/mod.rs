//! The Web API below `/api/data/v9.2/`: finds out what a request is for and answers it.

mod actions;
mod batch;
mod body;
mod bulk;
mod changes;
mod cookie;
mod csdl;
mod custom;
mod customize;
mod definitions;
mod describe;
mod fetch_xml;
mod functions;
mod global_choices;
mod joined;
mod keys;
mod links;
mod merge;
pub(crate) mod messages;
mod metadata_names;
mod metadata_query;
mod option_sets;
mod read;
mod related;
mod sql;
mod unsupported;
mod write;

pub(crate) use customize::without_table;
pub(crate) use option_sets::{options, set_option};

use uuid::Uuid;

use crate::wire::error::{ApiError, ApiResult};
use crate::wire::path::{KeyText, Target};
use crate::wire::prefer::Prefer;
use crate::wire::request::{ApiRequest, ApiResponse, Verb};
use crate::world::World;
use crate::write::Session;

/// Request body limit: the documented message limit.
pub const LARGEST_BODY: usize = 122_000_000;

/// What a request handler knows besides the request.
pub(crate) struct Context<'a> {
    pub world: &'a World,
    pub request: &'a ApiRequest,
    pub target: Target,
    pub prefer: Prefer,
    /// Ids of earlier parts of the same change set.
    pub references: &'a [(String, String)],
}

impl<'a> Context<'a> {
    fn new(world: &'a World, request: &'a ApiRequest, references: &'a [(String, String)]) -> Self {
        Self { world, request, target: Target::parse(&request.resource), prefer: request.prefer(), references }
    }

    /// Root of the Web API, as the client called it.
    pub fn api(&self) -> String {
        self.request.root.clone()
    }
}

/// Answers one request; a `$batch` answers all its parts.
#[must_use]
pub fn serve(world: &World, request: &ApiRequest) -> ApiResponse {
    let context = Context::new(world, request, &[]);
    let annotated = context.prefer.annotated();
    let first = context.target.segments.first().map_or("", |segment| segment.name.as_str());
    let result = if first == "$batch" { batch::serve(&context) } else { alone(&context) };
    result.unwrap_or_else(|error| ApiResponse::error(&error, annotated))
}

/// Whether a request may change something; it decides about locks and faults.
#[must_use]
pub fn writes(request: &ApiRequest) -> bool {
    match request.verb {
        Verb::Get => false,
        Verb::Post if request.resource.starts_with("$batch") => batch::writes(&request.body),
        _ => true,
    }
}

/// A request that is not a batch.
fn alone(context: &Context<'_>) -> ApiResult<ApiResponse> {
    if context.request.verb == Verb::Get {
        return read::get(context);
    }
    if let Some(response) = option_sets::post(context)? {
        return Ok(response);
    }
    if let Some(response) = definitions::write(context)? {
        return Ok(response);
    }
    context.world.transaction(context.request.caller, false, |session| change(context, session))
}

/// A changing request, inside a transaction.
fn change(context: &Context<'_>, session: &mut Session<'_>) -> ApiResult<ApiResponse> {
    if let Some(response) = actions::post(context, session)? {
        return Ok(response);
    }
    if let Some(response) = bulk::post(context, session)? {
        return Ok(response);
    }
    if context.target.segments.last().is_some_and(|segment| segment.name == "$ref") {
        return links::change(context, session);
    }
    write::change(context, session)
}

/// The user a request acts for: the caller, or the impersonated user.
pub(crate) fn acting_user(world: &World, request: &ApiRequest, application: Uuid) -> ApiResult<Uuid> {
    let by_id = request.header("mscrmcallerid");
    let by_object = request.header("callerobjectid");
    let Some(text) = by_id.as_ref().or(by_object.as_ref()) else {
        return Ok(application);
    };
    let unknown = || ApiError::new(403, "0x80040204", format!("Invalid caller id: {text}."));
    let id = crate::store::guid(text.trim()).ok_or_else(unknown)?;
    let store = world.read();
    let users = store.schema.position("systemuser").ok_or_else(unknown)?;
    if by_id.is_some() {
        return store.get(users, id).map(|row| row.id).ok_or_else(unknown);
    }
    let column = store.schema.table(users).column("azureactivedirectoryobjectid").ok_or_else(unknown)?;
    store.rows(users).find(column, &crate::store::Cell::Guid(id)).first().copied().ok_or_else(unknown)
}

/// The table of the first segment.
pub(crate) fn table_of(session_schema: &crate::schema::Schema, target: &Target) -> ApiResult<usize> {
    let segment = target.segments.first().ok_or_else(|| ApiError::unknown_segment(""))?;
    session_schema.set_position(&segment.name).ok_or_else(|| ApiError::unknown_segment(&segment.name))
}

/// The key of the first segment.
pub(crate) fn key_of(target: &Target) -> Option<&KeyText> {
    target.segments.first().and_then(|segment| segment.key.as_ref())
}

/// The parsers, for the tests that throw any text at them.
#[cfg(test)]
pub(crate) mod parser_entries {
    use crate::schema::Schema;

    pub(crate) fn sql(schema: &Schema, text: &str) -> Result<(), crate::wire::error::ApiError> {
        super::sql::parse(schema, text).map(|_| ())
    }

    pub(crate) fn fetch_xml(schema: &Schema, text: &str) -> Result<(), crate::wire::error::ApiError> {
        super::fetch_xml::parse(schema, None, text, uuid::Uuid::nil()).map(|_| ())
    }

    /// The contents of the parts.
    pub(crate) fn multipart(boundary: &str, body: &[u8]) -> Result<Vec<String>, &'static str> {
        let parts = super::batch::parse_multipart(boundary, body)?;
        Ok(parts.iter().map(|part| String::from_utf8_lossy(&part.content).into_owned()).collect())
    }
}
