//! Metadata writes: custom tables, columns, keys.

use super::Context;
use crate::wire::error::{ApiError, ApiResult};
use crate::wire::request::ApiResponse;

/// Answers a metadata write.
pub(crate) fn change(_context: &Context<'_>) -> ApiResult<ApiResponse> {
    Err(ApiError::not_supported("Writing metadata"))
}
