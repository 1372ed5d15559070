//! A timer looks for items whose stock changed and puts their products into the records queue.

fn main() -> Result<(), lambda_runtime::Error> {
    couplet_runtime::lambda::refresh_availability()
}
