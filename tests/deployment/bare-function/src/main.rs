//! The least a function with both AWS clients can be: what the others' start is measured against.

use aws_config::BehaviorVersion;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let configuration = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&configuration);
    let sqs = aws_sdk_sqs::Client::new(&configuration);
    let handler = |event: LambdaEvent<Value>| {
        let clients = (dynamodb.clone(), sqs.clone());
        async move {
            drop(clients);
            Ok::<_, Error>(event.payload)
        }
    };
    run(service_fn(handler)).await
}
