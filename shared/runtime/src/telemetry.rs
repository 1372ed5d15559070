//! Logs: one JSON object per line on AWS, plain lines on standard error for a person. `docs/logging.md` says what is in
//! them; no personal data and no secret ever is.

use tracing_subscriber::EnvFilter;

/// Variable that says what is logged, such as `info,couplet_engine=debug`.
pub const VARIABLE: &str = "COUPLET_LOG";

/// Logs JSON to standard output, as the functions do.
pub fn to_standard_output() {
    let filter = EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_current_span(true).with_span_list(false);
    // A second call, as in tests, keeps the first subscriber.
    let _ = subscriber.with_env_filter(filter).try_init();
}

/// Logs lines to standard error, if the variable asks for it.
pub fn to_standard_error_if_asked() {
    if let Ok(filter) = EnvFilter::try_from_env(VARIABLE) {
        let _ = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter).try_init();
    }
}
