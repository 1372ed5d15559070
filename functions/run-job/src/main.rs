//! A timer starts one synchronization job; it finds changes and puts them into the records queue.

fn main() -> Result<(), lambda_runtime::Error> {
    couplet_runtime::lambda::run_job()
}
