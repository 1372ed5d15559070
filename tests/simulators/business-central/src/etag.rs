//! The concurrency token of a record, in the form the service documents.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use simulator_platform::mix;

use crate::errors::ApiError;
use crate::store::Row;

/// `W/"<base64 of '44;<hash>=1;00;'>"`.
pub(crate) fn of(row: &Row) -> String {
    let mut hash = [0_u8; 32];
    let (high, low) = row.id.as_u64_pair();
    let mut state = high ^ low.rotate_left(17) ^ row.version.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    for chunk in hash.chunks_mut(8) {
        chunk.copy_from_slice(&mix(&mut state).to_le_bytes());
    }
    let inner = format!("'44;{}1;00;'", STANDARD.encode(hash));
    format!("W/\"{}\"", STANDARD.encode(inner))
}

/// Checks an `If-Match` header against a record.
pub(crate) fn check(header: Option<&str>, required: bool, row: &Row) -> Result<(), ApiError> {
    let Some(given) = header.map(str::trim).filter(|given| !given.is_empty()) else {
        return if required { Err(ApiError::token_missing()) } else { Ok(()) };
    };
    if given == "*" || given == of(row) {
        return Ok(());
    }
    if is_well_formed(given) { Err(ApiError::entity_changed()) } else { Err(ApiError::token_missing()) }
}

fn is_well_formed(given: &str) -> bool {
    let inner = given.strip_prefix("W/\"").and_then(|rest| rest.strip_suffix('"'));
    inner
        .and_then(|inner| STANDARD.decode(inner).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .is_some_and(|text| text.starts_with('\'') && text.ends_with("1;00;'"))
}
