//! The tasks queue delivers work that is no single record: runs that go on in a new invocation.

fn main() -> Result<(), lambda_runtime::Error> {
    couplet_runtime::lambda::run_task()
}
