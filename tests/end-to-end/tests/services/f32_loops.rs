//! Lambda cuts what sends messages to itself after some sixteen rounds, and with its detection switched off a message could go
//! round for ever. So every message that is sent anew carries how often it has waited, and there is a last time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage, SqsMessageAttribute};
use aws_sdk_sqs::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_sqs::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sqs::error::BoxError;
use aws_sdk_sqs::types::MessageAttributeValue;
use couplet_end_to_end::settings_to_nowhere;
use couplet_local::{EmbeddedCloud, EventSource, EventSourceOptions};
use couplet_model::RunId;
use couplet_model::task::{Continuation, TASK_FORMAT, Task, TaskMessage};
use couplet_runtime::{Application, Cloud, handlers};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value as Json, json};

/// The most that a message waits; then its deliveries are attempts.
const MOST: &str = "5000";

/// A cloud in which another worker is at a run for so long, and the task of its leg after the next, which has to wait.
async fn held_run(held: SignedDuration) -> (EmbeddedCloud, Application, String) {
    let settings = settings_to_nowhere();
    let company = settings.company;
    let cloud = EmbeddedCloud::in_memory(&settings).await.expect("the embedded cloud opens");
    let application = Application::new(&settings, cloud.services()).expect("the application is wired");
    let run = RunId::fresh();
    let store = application.engine.store();
    store.acquire_lease(company, "CUSTOMER", run, Timestamp::now(), held).await.expect("the lease is free");
    let task = Task::ContinueRun(Continuation { job: "CUSTOMER".to_owned(), run, invocation: 2 });
    let body = serde_json::to_string(&TaskMessage { v: TASK_FORMAT, company, task }).expect("JSON");
    (cloud, application, body)
}

/// The bodies of the requests that send messages.
#[derive(Clone, Debug, Default)]
struct Sent(Arc<Mutex<Vec<Json>>>);

impl Intercept for Sent {
    fn name(&self) -> &'static str {
        "Sent"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request();
        if request.headers().get("x-amz-target").is_some_and(|target| target.ends_with(".SendMessageBatch")) {
            let body = serde_json::from_slice(request.body().bytes().unwrap_or_default())?;
            self.0.lock().expect("nobody panics").push(body);
        }
        Ok(())
    }
}

#[tokio::test]
async fn f32_a_message_that_waits_carries_how_often_it_has_waited() {
    let (cloud, mut application, body) = held_run(SignedDuration::from_mins(3)).await;
    let sent = Sent::default();
    let settings = cloud.services().sqs.config().to_builder().interceptor(sent.clone());
    application.cloud = Cloud { sqs: aws_sdk_sqs::Client::from_conf(settings.build()), ..cloud.services() };
    let mut waits = SqsMessageAttribute::default();
    waits.string_value = Some("4999".to_owned());
    let mut message = SqsMessage::default();
    message.message_id = Some("m".to_owned());
    message.body = Some(body.clone());
    message.message_attributes.insert("waits".to_owned(), waits);
    let mut event = SqsEvent::default();
    event.records = vec![message];

    let answer = handlers::run_task(&application, event, None).await;
    assert!(answer.batch_item_failures.is_empty(), "it is sent anew, and the one delivered is done");

    let sent = sent.0.lock().expect("nobody panics");
    assert_eq!(sent.len(), 1);
    let entry = &sent[0]["Entries"][0];
    assert_eq!((&entry["MessageBody"], sent[0]["Entries"][1].is_null()), (&json!(body), true));
    assert_eq!(entry["MessageAttributes"]["waits"]["StringValue"], MOST);
}

#[tokio::test]
async fn f32_a_message_that_has_waited_too_often_is_returned_and_says_so() {
    let (cloud, application, body) = held_run(SignedDuration::from_mins(3)).await;
    let services = cloud.services();
    let waits = MessageAttributeValue::builder().data_type("Number").string_value(MOST).build().expect("an attribute");
    let send = services.sqs.send_message().queue_url(&services.tasks_queue_url).message_body(body);
    send.message_attributes("waits", waits).send().await.expect("sent");

    let source = EventSource::new(cloud, application, EventSourceOptions::default());
    source.drain(Duration::from_millis(300)).await.expect("the queue answers");
    let held = source.held();
    assert_eq!(held.len(), 1);
    assert!(held[0].reason.ends_with("it has waited 5000 times and is no longer waited for"), "{}", held[0].reason);
}
