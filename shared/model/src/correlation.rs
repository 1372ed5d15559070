//! Which run the current work is done for. The engine says it, and the clients below send it along with every request; the
//! engine need not know how they do that.

use crate::ids::RunId;

tokio::task_local! {
    static RUN: RunId;
}

/// Does some work in the name of a run.
pub async fn in_the_name_of<T>(run: RunId, work: impl Future<Output = T>) -> T {
    RUN.scope(run, work).await
}

/// The run the current work is done for; `None` when it is done for no run in particular.
pub fn current_run() -> Option<RunId> {
    RUN.try_with(|run| *run).ok()
}
