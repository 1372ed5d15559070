//! Both systems tell of changes; the jobs that read them start early.

fn main() -> Result<(), lambda_runtime::Error> {
    couplet_runtime::lambda::receive_change()
}
