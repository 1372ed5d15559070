//! What the demonstration found: a table for people, one object for programs.

use std::time::Duration;

use couplet_model::outcome::Counters;
use serde_json::{Map, Value, json};

use super::SHOWN;
use super::arrivals::{self, Arrival};
use super::company::Requests;
use super::passes::{JobResult, Pass};
use crate::tables::{number, table, text};

/// What the demonstration found.
#[derive(Debug)]
pub struct Report {
    /// The three passes.
    pub passes: Vec<Pass>,
    /// Couplings by mapping.
    pub couplings: Vec<(String, u64)>,
    /// Coupled fields that do not agree.
    pub mismatches: Vec<String>,
    /// Records that failed, and why.
    pub errors: Vec<String>,
    /// Changes that both systems told of.
    pub arrivals: Vec<Arrival>,
}

impl Report {
    /// What is not as it should be, one line each; empty when all is well.
    pub fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = Vec::new();
        let failed: u64 = self.passes.iter().map(Pass::failed).sum();
        if failed > 0 {
            problems.push(format!("{failed} records failed"));
            problems.extend(self.errors.iter().map(|error| format!("  {error}")));
        }
        if !self.mismatches.is_empty() {
            problems.push(format!("{} coupled fields do not agree", self.mismatches.len()));
            problems.extend(self.mismatches.iter().take(SHOWN).map(|mismatch| format!("  {mismatch}")));
        }
        let last = self.passes.last();
        for job in last.into_iter().flat_map(|pass| &pass.jobs) {
            let written = job.counters.inserted + job.counters.modified;
            if written > 0 {
                problems.push(format!("{} wrote {written} records although nothing had changed", job.job));
            }
            if job.counters.waiting > 0 {
                problems.push(format!("{} has {} records waiting for others", job.job, job.counters.waiting));
            }
        }
        for late in self.arrivals.iter().filter(|arrival| arrival.took > arrivals::LONGEST) {
            let (what, seconds) = (late.what, late.took.as_secs_f64());
            problems.push(format!("{what} took {seconds:.1} s {} although it was told of", late.direction));
        }
        problems
    }

    /// The object for programs.
    pub fn json(&self) -> Value {
        let passes: Vec<Value> = self
            .passes
            .iter()
            .map(|pass| json!({ "pass": pass.number, "jobs": pass.jobs.iter().map(job_object).collect::<Vec<_>>() }))
            .collect();
        let couplings: Map<String, Value> =
            self.couplings.iter().map(|(mapping, count)| (mapping.clone(), json!(count))).collect();
        let arrivals: Vec<Value> = self
            .arrivals
            .iter()
            .map(|arrival| json!({ "direction": arrival.direction, "seconds": seconds(arrival.took) }))
            .collect();
        json!({
            "passes": passes, "couplings": couplings, "mismatches": self.mismatches.len(), "notified_changes": arrivals,
        })
    }

    /// The tables for people, one for each pass.
    pub fn text(&self) -> String {
        let waiting = self.passes.iter().flat_map(|pass| &pass.jobs).any(|job| job.counters.waiting > 0);
        let mut parts: Vec<String> = self.passes.iter().map(|pass| shown(pass, waiting)).collect();
        let couplings: Vec<String> = self.couplings.iter().map(|(name, count)| format!("{name} {count}")).collect();
        parts.push(format!(
            "couplings: {}\ncoupled fields that do not agree: {}",
            couplings.join(", "),
            self.mismatches.len()
        ));
        let arrived = |arrival: &Arrival| {
            format!("{} came {} in {:.1} s at most", arrival.what, arrival.direction, arrival.took.as_secs_f64())
        };
        if !self.arrivals.is_empty() {
            let arrived: Vec<String> = self.arrivals.iter().map(arrived).collect();
            parts.push(format!(
                "by notification, without a timer (Business Central gathers changes for 1 s here, for 30 s online):\n{}",
                arrived.join("\n")
            ));
        }
        parts.join("\n\n")
    }
}

fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

/// What people did before a pass.
fn headline(pass: u32) -> String {
    let what = match pass {
        1 => "everything for the first time",
        2 => "after people worked on both sides",
        _ => "nothing has changed since",
    };
    format!("Pass {pass}: {what}")
}

/// The table of one pass. Jobs that found nothing share a line.
fn shown(pass: &Pass, waiting: bool) -> String {
    let mut head = vec!["job", "direction"];
    head.extend(["inserted", "modified", "unchanged", "ignored", "skipped", "failed"]);
    if waiting {
        head.push("waiting");
    }
    head.extend(["requests BC", "requests Dataverse", "seconds"]);
    let mut shown = table(&head);
    let columns = if waiting { 7 } else { 6 };
    let mut line = |name: &str, direction: &str, counters: &Counters, requests: Requests, elapsed: Duration| {
        let mut row = vec![text(name), text(direction)];
        row.extend(numbers(counters).into_iter().take(columns).map(number));
        row.extend([number(requests.business_central), number(requests.dataverse)]);
        row.push(number(format!("{:.1}", elapsed.as_secs_f64())));
        shown.add_row(row);
    };
    let (busy, idle): (Vec<&JobResult>, Vec<&JobResult>) =
        pass.jobs.iter().partition(|job| numbers(&job.counters).iter().any(|count| *count > 0));
    for job in busy {
        line(&job.job, job.direction, &job.counters, job.requests, job.elapsed);
    }
    if !idle.is_empty() {
        let requests = Requests {
            business_central: idle.iter().map(|job| job.requests.business_central).sum(),
            dataverse: idle.iter().map(|job| job.requests.dataverse).sum(),
        };
        let name = match idle.len() {
            1 => format!("{}: nothing new", idle[0].job),
            count => format!("{count} jobs: nothing new"),
        };
        line(&name, "", &Counters::default(), requests, idle.iter().map(|job| job.elapsed).sum());
    }
    format!("{}\n{shown}", headline(pass.number))
}

fn numbers(counters: &Counters) -> [u64; 7] {
    [
        counters.inserted,
        counters.modified,
        counters.unchanged,
        counters.ignored,
        counters.skipped,
        counters.failed,
        counters.waiting,
    ]
}

fn job_object(job: &JobResult) -> Value {
    json!({
        "job": job.job,
        "inserted": job.counters.inserted,
        "modified": job.counters.modified,
        "unchanged": job.counters.unchanged,
        "ignored": job.counters.ignored,
        "skipped": job.counters.skipped,
        "failed": job.counters.failed,
        "requests": {
            "business_central": job.requests.business_central,
            "dataverse": job.requests.dataverse,
        },
        "seconds": seconds(job.elapsed),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(counters: Counters) -> Report {
        let job = |counters| JobResult {
            job: "ITEM-PRODUCT".to_owned(),
            direction: "both ways",
            counters,
            requests: Requests { business_central: 2, dataverse: 3 },
            elapsed: Duration::from_millis(1500),
        };
        Report {
            passes: vec![
                Pass { number: 1, jobs: vec![job(Counters { inserted: 5, ..Counters::default() })] },
                Pass { number: 2, jobs: vec![job(counters)] },
            ],
            couplings: vec![("ITEM-PRODUCT".to_owned(), 5)],
            mismatches: Vec::new(),
            errors: Vec::new(),
            arrivals: vec![Arrival {
                direction: "to Dataverse",
                what: "the phone of a customer",
                took: Duration::from_millis(2345),
            }],
        }
    }

    #[test]
    fn a_last_pass_that_writes_is_a_problem() {
        assert_eq!(report(Counters { unchanged: 5, ..Counters::default() }).problems(), [""; 0]);
        let problems = report(Counters { modified: 1, ..Counters::default() }).problems();
        assert_eq!(problems, ["ITEM-PRODUCT wrote 1 records although nothing had changed"]);
    }

    #[test]
    fn a_change_that_was_told_of_and_came_late_is_a_problem() {
        let mut report = report(Counters::default());
        assert!(
            report.text().contains("the phone of a customer came to Dataverse in 2.3 s at most"),
            "{}",
            report.text()
        );
        assert_eq!(report.json()["notified_changes"][0]["seconds"].to_string(), "2.345");
        report.arrivals[0].took = Duration::from_secs(6);
        assert_eq!(report.problems(), ["the phone of a customer took 6.0 s to Dataverse although it was told of"]);
    }

    #[test]
    fn the_object_has_the_documented_shape() {
        let first = &report(Counters::default()).json()["passes"][0]["jobs"][0];
        assert_eq!(
            first.to_string(),
            r#"{"job":"ITEM-PRODUCT","inserted":5,"modified":0,"unchanged":0,"ignored":0,"skipped":0,"failed":0,"requests":{"business_central":2,"dataverse":3},"seconds":1.5}"#
        );
    }

    #[test]
    fn jobs_that_found_nothing_share_a_line() {
        let mut report = report(Counters::default());
        let idle = report.passes[1].jobs[0].clone();
        assert!(report.text().contains("ITEM-PRODUCT: nothing new"), "{}", report.text());
        report.passes[1].jobs.push(idle);
        let text = report.text();
        let (first, second) = text.split_once("Pass 2").expect("two passes");
        assert!(first.contains("ITEM-PRODUCT") && !first.contains("nothing new"), "{first}");
        let line = second.lines().find(|line| line.contains("2 jobs: nothing new")).expect("a line");
        let cells: Vec<&str> = line.split('┆').map(str::trim).collect();
        assert_eq!(cells[cells.len() - 3..cells.len() - 1], ["4", "6"], "{line}");
    }

    #[test]
    fn waiting_records_get_a_column_only_when_there_are_any() {
        assert!(!report(Counters::default()).text().contains("waiting"));
        assert!(report(Counters { waiting: 1, ..Counters::default() }).text().contains("waiting"));
    }
}
