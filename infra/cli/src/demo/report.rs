//! What the demonstration found: a table for people, one object for programs.

use std::collections::BTreeMap;

use couplet_model::outcome::Counters;
use serde_json::{Map, Value, json};

use super::SHOWN;
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
    /// Jobs that cannot run yet, and why.
    pub not_ready: BTreeMap<String, String>,
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
        json!({ "passes": passes, "couplings": couplings, "mismatches": self.mismatches.len() })
    }

    /// The table for people.
    pub fn text(&self) -> String {
        let waiting = self.passes.iter().flat_map(|pass| &pass.jobs).any(|job| job.counters.waiting > 0);
        let mut head = vec!["pass", "job", "direction"];
        head.extend(["inserted", "modified", "unchanged", "ignored", "skipped", "failed"]);
        if waiting {
            head.push("waiting");
        }
        head.extend(["requests BC", "requests Dataverse", "seconds"]);
        let mut shown = table(&head);
        for pass in &self.passes {
            for job in &pass.jobs {
                let mut row = vec![number(pass.number), text(&job.job), text(job.direction)];
                let counters = numbers(&job.counters);
                row.extend(counters.into_iter().take(if waiting { 7 } else { 6 }).map(number));
                row.extend([number(job.requests.business_central), number(job.requests.dataverse)]);
                row.push(number(format!("{:.1}", job.elapsed.as_secs_f64())));
                shown.add_row(row);
            }
        }
        let mut lines = vec![shown.to_string()];
        let couplings: Vec<String> = self.couplings.iter().map(|(name, count)| format!("{name} {count}")).collect();
        lines.push(format!("couplings: {}", couplings.join(", ")));
        lines.push(format!("coupled fields that do not agree: {}", self.mismatches.len()));
        if !self.not_ready.is_empty() {
            let names: Vec<&str> = self.not_ready.keys().map(String::as_str).collect();
            lines.push(format!("jobs that cannot run yet: {}", names.join(", ")));
        }
        lines.join("\n")
    }
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
        "seconds": (job.elapsed.as_secs_f64() * 1000.0).round() / 1000.0,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::demo::company::Requests;

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
            not_ready: BTreeMap::new(),
        }
    }

    #[test]
    fn a_last_pass_that_writes_is_a_problem() {
        assert_eq!(report(Counters { unchanged: 5, ..Counters::default() }).problems(), [""; 0]);
        let problems = report(Counters { modified: 1, ..Counters::default() }).problems();
        assert_eq!(problems, ["ITEM-PRODUCT wrote 1 records although nothing had changed"]);
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
    fn waiting_records_get_a_column_only_when_there_are_any() {
        assert!(!report(Counters::default()).text().contains("waiting"));
        assert!(report(Counters { waiting: 1, ..Counters::default() }).text().contains("waiting"));
    }
}
