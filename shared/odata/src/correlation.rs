//! Which run a request belongs to: it travels in a header, so that the systems' own logs can be searched by it.

use couplet_model::RunId;

/// The header both systems keep in their telemetry.
pub const HEADER: &str = "x-ms-client-request-id";

tokio::task_local! {
    static RUN: RunId;
}

/// Does some work in the name of a run.
pub async fn in_the_name_of<T>(run: RunId, work: impl Future<Output = T>) -> T {
    RUN.scope(run, work).await
}

/// The run the current work is done for.
pub(crate) fn current_run() -> Option<RunId> {
    RUN.try_with(|run| *run).ok()
}
