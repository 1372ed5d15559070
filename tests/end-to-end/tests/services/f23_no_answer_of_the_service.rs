//! An answer that is no answer of the service is never counted as written.
