//! Logs: one flat JSON object per line on AWS, plain lines on standard error for a person. `docs/logging.md` says what
//! is in them; no personal data and no secret ever is.

use std::io::Write;

use json_subscriber::JsonLayer;
use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// Variable that says what is logged, such as `info,couplet_engine=debug`.
pub const VARIABLE: &str = "COUPLET_LOG";

/// Where the Lambda runtime logs the error of an invocation that failed, and a panic: the handler has logged the error
/// where it was handled, and [`log_panics`] the panic.
const SAID_ALREADY: &str = "lambda_runtime::layers::panic=off";
/// What the targets of our own lines begin with.
const OURS: [&str; 1] = ["couplet"];

/// Logs JSON to standard output, as the functions do.
pub fn to_standard_output() {
    let filter = EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| EnvFilter::new("info"));
    // A second call, as in tests, keeps the first subscriber.
    let _ = flat_json(each_failure_once(filter), std::io::stdout).try_init();
    log_panics();
}

fn each_failure_once(filter: EnvFilter) -> EnvFilter {
    match SAID_ALREADY.parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    }
}

/// A panic is a line like any other, and says where it was; its message may hold values of a record.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "the program panicked");
    }));
}

/// Every line is one object; the fields of all spans around an event stand beside its own, so that a search by field
/// finds them. An event never repeats a field of a span around it.
fn flat_json<W>(filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let mut layer = JsonLayer::new(writer);
    layer
        .with_timer("timestamp", SystemTime)
        .with_level("level")
        .with_target("target")
        .with_flattened_event()
        .with_top_level_flattened_span_list();
    tracing_subscriber::registry().with(filter).with(layer.with_filter(filter_fn(is_ours_or_important)))
}

/// What libraries say below `info` may hold headers and bodies of requests, and so secrets and values of records.
fn is_ours_or_important(line: &Metadata<'_>) -> bool {
    let libraries = LevelFilter::INFO;
    *line.level() <= libraries || OURS.iter().any(|start| line.target().starts_with(start))
}

/// Every line a subscriber is asked for, as the functions write them, to a writer of one's own.
pub fn lines_to<W>(wanted: &str, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    flat_json(EnvFilter::new(wanted), writer)
}

/// Logs lines to standard error, if the variable asks for it.
pub fn to_standard_error_if_asked() {
    if let Ok(filter) = EnvFilter::try_from_env(VARIABLE) {
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
        let lines = lines.with_filter(filter_fn(is_ours_or_important));
        let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        // Its message may hold values of records; nobody to tell that nobody listens.
        let _ = writeln!(std::io::stderr().lock(), "couplet panicked at {place}; please report that with what you did");
    }));
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::Value;

    use super::*;

    /// A writer that keeps what is written.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("nobody panics").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Kept {
        fn lines(&self) -> Vec<String> {
            let bytes = self.0.lock().expect("nobody panics").clone();
            String::from_utf8(bytes).expect("text").lines().map(str::to_owned).collect()
        }
    }

    #[test]
    fn what_the_runtime_says_again_is_not_logged_again() {
        let kept = Kept::default();
        let writer = kept.clone();
        let filter = each_failure_once(EnvFilter::new("info"));
        tracing::subscriber::with_default(flat_json(filter, move || writer.clone()), || {
            tracing::error!(target: "lambda_runtime::layers::panic", "System(SystemError)");
            tracing::error!(target: "lambda_runtime", "something else");
        });
        let lines = kept.lines();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("something else"));
    }

    #[test]
    fn f28_libraries_are_not_asked_for_their_requests() {
        let kept = Kept::default();
        let writer = kept.clone();
        tracing::subscriber::with_default(lines_to("trace", move || writer.clone()), || {
            tracing::debug!(target: "hyper::proto", "a body");
            tracing::trace!(target: "aws_smithy_runtime::client", "a header");
            tracing::warn!(target: "hyper::proto", "a warning");
            tracing::debug!(target: "couplet_odata::identity", "ours");
        });
        let lines = kept.lines().join("\n");
        assert!(lines.contains("a warning") && lines.contains("ours"), "{lines}");
        assert!(!lines.contains("a body") && !lines.contains("a header"), "{lines}");
    }

    #[test]
    fn the_fields_of_all_spans_stand_beside_those_of_the_event() {
        let kept = Kept::default();
        let writer = kept.clone();
        tracing::subscriber::with_default(flat_json(EnvFilter::new("info"), move || writer.clone()), || {
            let _outer = tracing::info_span!("invocation", company = "c1", request_id = "r1").entered();
            let _inner = tracing::info_span!("batch", mapping = "CUSTOMER").entered();
            tracing::info!(records = 3_u64, "batch applied");
            tracing::debug!("not asked for");
        });
        let lines = kept.lines();
        assert_eq!(lines.len(), 1);
        let line: Value = serde_json::from_str(&lines[0]).expect("JSON");
        for (field, value) in [
            ("level", "INFO"),
            ("message", "batch applied"),
            ("company", "c1"),
            ("request_id", "r1"),
            ("mapping", "CUSTOMER"),
        ] {
            assert_eq!(line[field], value, "{field} in {line}");
        }
        assert_eq!(line["records"].as_u64(), Some(3));
        assert!(line["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')));
    }
}
