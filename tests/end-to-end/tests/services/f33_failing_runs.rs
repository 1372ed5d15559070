//! An alarm over successful runs goes on with numbers of earlier periods when a period has none, so a job that failed rang
//! hours late. Now a run that fails tells a zero.

use std::sync::{Arc, Mutex};

use couplet_end_to_end::settings_to_nowhere;
use couplet_local::EmbeddedCloud;
use couplet_model::job::Trigger;
use couplet_runtime::handlers::{self, RunJobEvent, RunMode};
use couplet_runtime::{Application, metrics::Metrics};
use serde_json::Value;

#[tokio::test]
async fn f33_a_run_that_fails_tells_no_success_beside_its_failure() {
    let settings = settings_to_nowhere();
    let cloud = EmbeddedCloud::in_memory(&settings).await.expect("the embedded cloud opens");
    let mut application = Application::new(&settings, cloud.services()).expect("the application is wired");
    let told: Arc<Mutex<Vec<Value>>> = Arc::default();
    let lines = Arc::clone(&told);
    application.metrics = Metrics::to("Couplet/couplet", couplet_model::Clock::default(), move |line| {
        lines.lock().expect("nobody panics").push(serde_json::from_str(line).expect("JSON"));
    });
    // Where teams own the records there are no salespeople: it fails before it asks a system anything.
    let event = RunJobEvent { job: "SALESPEOPLE".to_owned(), mode: RunMode::Modified, trigger: Trigger::Schedule };
    handlers::run_job(&application, &event, None).await.expect_err("it fails");

    let told = told.lock().expect("nobody panics");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["Job"], "SALESPEOPLE");
    assert_eq!((told[0]["SuccessfulRuns"].as_u64(), told[0]["FailedRuns"].as_u64()), (Some(0), Some(1)));
}
