//! Metrics in CloudWatch's embedded metric format: lines of the log that CloudWatch reads as numbers.
//!
//! Every combination of a name and a dimension's value costs per month, so there are few of both. What is not worth a
//! metric is in the line beside it, where searches find it. Source: the specification of the format (Amazon CloudWatch
//! User Guide).

use std::io::Write;
use std::sync::Arc;

use couplet_model::Clock;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// Variable that names the namespace; without it nothing is measured.
pub const VARIABLE: &str = "COUPLET_METRICS_NAMESPACE";

/// Values of one metric in one line; the format allows no more.
const MOST_VALUES: usize = 100;

/// Unit of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Thousandths of a second.
    Milliseconds,
}

/// One metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    name: &'static str,
    unit: Unit,
    values: Vec<u64>,
}

impl Metric {
    /// A number of things.
    pub fn count(name: &'static str, count: u64) -> Self {
        Self { name, unit: Unit::Count, values: vec![count] }
    }

    /// A duration.
    pub fn milliseconds(name: &'static str, duration: u64) -> Self {
        Self::durations(name, vec![duration])
    }

    /// Several durations. Of more than fit into a line as many are kept, evenly spaced by size, so that percentiles
    /// stay what they are.
    pub fn durations(name: &'static str, mut durations: Vec<u64>) -> Self {
        durations.sort_unstable();
        if durations.len() > MOST_VALUES {
            let last = durations.len() - 1;
            durations = (0..MOST_VALUES).map(|index| durations[index * last / (MOST_VALUES - 1)]).collect();
        }
        Self { name, unit: Unit::Milliseconds, values: durations }
    }

    fn is_told(&self) -> bool {
        !self.values.is_empty()
    }

    fn value(&self) -> Value {
        match self.values.as_slice() {
            [one] => json!(one),
            several => json!(several),
        }
    }
}

type WriteLine = dyn Fn(&str) + Send + Sync;

/// Where metrics go. Clones go to the same place.
#[derive(Clone, Default)]
pub struct Metrics(Option<Arc<Target>>);

struct Target {
    clock: Clock,
    namespace: String,
    write: Box<WriteLine>,
}

impl Metrics {
    /// To standard output, if the environment names a namespace.
    pub fn of_environment(clock: &Clock) -> Self {
        Self::of_namespace(std::env::var(VARIABLE).ok(), clock)
    }

    fn of_namespace(namespace: Option<String>, clock: &Clock) -> Self {
        match namespace {
            Some(namespace) if !namespace.trim().is_empty() => Self::to(namespace, clock.clone(), |line| {
                // A line nobody takes is no reason to fail.
                let _ = writeln!(std::io::stdout().lock(), "{line}");
            }),
            _ => Self::default(),
        }
    }

    /// To a function that takes the lines.
    pub fn to(namespace: impl Into<String>, clock: Clock, write: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(Target { clock, namespace: namespace.into(), write: Box::new(write) })))
    }

    /// Tells these metrics under one dimension. `beside` is only for searching: ids and names, never values of records.
    pub fn tell(&self, dimension: (&str, &str), metrics: &[Metric], beside: &[(&str, String)]) {
        let Some(target) = &self.0 else { return };
        if let Some(line) = line(&target.namespace, target.clock.now(), dimension, metrics, beside) {
            (target.write)(&line);
        }
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Metrics").field(&self.0.as_ref().map(|target| &target.namespace)).finish()
    }
}

/// The line of some metrics; `None` when none of them has a value.
fn line(
    namespace: &str,
    at: Timestamp,
    (dimension, value): (&str, &str),
    metrics: &[Metric],
    beside: &[(&str, String)],
) -> Option<String> {
    let told: Vec<&Metric> = metrics.iter().filter(|metric| metric.is_told()).collect();
    if told.is_empty() {
        return None;
    }
    let unit = |unit| match unit {
        Unit::Count => "Count",
        Unit::Milliseconds => "Milliseconds",
    };
    let definitions: Vec<Value> =
        told.iter().map(|metric| json!({ "Name": metric.name, "Unit": unit(metric.unit) })).collect();
    let mut line = Map::new();
    line.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": at.as_millisecond(),
            "CloudWatchMetrics": [{ "Namespace": namespace, "Dimensions": [[dimension]], "Metrics": definitions }],
        }),
    );
    line.insert(dimension.to_owned(), json!(value));
    line.extend(beside.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
    line.extend(told.iter().map(|metric| (metric.name.to_owned(), metric.value())));
    Some(Value::Object(line).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(metrics: &[Metric]) -> Option<Value> {
        let beside = [("run", "r1".to_owned())];
        let line = line("Couplet/couplet", Timestamp::UNIX_EPOCH, ("Job", "CUSTOMER"), metrics, &beside)?;
        assert!(!line.contains('\n'), "one line");
        Some(serde_json::from_str(&line).expect("JSON"))
    }

    #[test]
    fn a_line_says_what_the_format_asks_for() {
        let line = parsed(&[Metric::count("RecordsFound", 7), Metric::durations("Lag", vec![3, 1])]).expect("a line");
        let wanted = json!({
            "_aws": {
                "Timestamp": 0,
                "CloudWatchMetrics": [{
                    "Namespace": "Couplet/couplet",
                    "Dimensions": [["Job"]],
                    "Metrics": [
                        { "Name": "RecordsFound", "Unit": "Count" },
                        { "Name": "Lag", "Unit": "Milliseconds" },
                    ],
                }],
            },
            "Job": "CUSTOMER",
            "run": "r1",
            "RecordsFound": 7,
            "Lag": [1, 3],
        });
        assert_eq!(line, wanted);
    }

    #[test]
    fn metrics_without_a_value_are_not_told() {
        assert_eq!(parsed(&[Metric::durations("Lag", vec![])]), None);
        let line = parsed(&[Metric::durations("Lag", vec![]), Metric::count("Failed", 0)]).expect("a line");
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Metrics"], json!([{ "Name": "Failed", "Unit": "Count" }]));
        assert_eq!(line.get("Lag"), None);
    }

    #[test]
    fn of_many_durations_the_distribution_is_kept() {
        let kept = Metric::durations("Lag", (0..1000).rev().collect()).values;
        assert_eq!(kept.len(), 100);
        assert_eq!((kept[0], kept[99]), (0, 999));
        assert!((495..=510).contains(&kept[50]), "the median stays: {}", kept[50]);
    }

    #[test]
    fn what_is_told_goes_to_the_place_of_all_clones_once() {
        let told = Arc::new(std::sync::Mutex::new(0));
        let count = Arc::clone(&told);
        let metrics = Metrics::to("Couplet", Clock::default(), move |_| *count.lock().expect("nobody panics") += 1);
        let of_another = metrics.clone();
        for told in [&metrics, &of_another] {
            told.tell(("Job", "CUSTOMER"), &[Metric::count("RecordsFound", 1)], &[]);
            told.tell(("Job", "CUSTOMER"), &[Metric::durations("Lag", vec![])], &[]);
        }
        assert_eq!(*told.lock().expect("nobody panics"), 2);
    }

    #[test]
    fn nothing_is_measured_without_a_namespace() {
        for (namespace, measures) in [(None, false), (Some(""), false), (Some(" \t"), false), (Some("Couplet"), true)] {
            assert_eq!(
                Metrics::of_namespace(namespace.map(str::to_owned), &Clock::default()).0.is_some(),
                measures,
                "{namespace:?}"
            );
        }
    }
}
