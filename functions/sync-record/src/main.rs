//! The records queue delivers a batch of records to be synchronized.

fn main() -> Result<(), lambda_runtime::Error> {
    couplet_runtime::lambda::sync_record()
}
