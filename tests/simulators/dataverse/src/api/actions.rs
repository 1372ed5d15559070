//! Actions: what happens to documents and products beyond create, update and delete.

use super::Context;
use crate::wire::error::ApiResult;
use crate::wire::request::ApiResponse;
use crate::write::Session;

/// Answers an action; `None` when the request is none.
pub(crate) fn post(_context: &Context<'_>, _session: &mut Session<'_>) -> ApiResult<Option<ApiResponse>> {
    Ok(None)
}
