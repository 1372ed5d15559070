//! Logs: one flat JSON object per line on AWS, plain lines on standard error for a person. `docs/logging.md` says what
//! is in them; no personal data and no secret ever is.

use json_subscriber::JsonLayer;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Variable that says what is logged, such as `info,couplet_engine=debug`.
pub const VARIABLE: &str = "COUPLET_LOG";

/// Where the Lambda runtime logs the error of an invocation that failed, and a panic: the handler has logged the error
/// where it was handled, and [`log_panics`] the panic.
const SAID_ALREADY: &str = "lambda_runtime::layers::panic=off";

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
    tracing_subscriber::registry().with(filter).with(layer)
}

/// Logs lines to standard error, if the variable asks for it.
pub fn to_standard_error_if_asked() {
    if let Ok(filter) = EnvFilter::try_from_env(VARIABLE) {
        let _ = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter).try_init();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
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
