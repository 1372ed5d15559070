//! What goes over the wire: errors, URLs, preferences, rows as JSON.

pub mod error;
pub mod path;
pub mod prefer;
pub mod request;
pub mod rows;
