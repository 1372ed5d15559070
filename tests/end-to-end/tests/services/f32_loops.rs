//! Lambda cuts what sends messages to itself after some sixteen rounds, and with its detection switched off a message could go
//! round for ever. So every message that is sent anew carries how often it has waited, and there is a last time.

use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage, SqsMessageAttribute};
use aws_sdk_sqs::types::{Message, MessageAttributeValue};
use couplet_local::{EmbeddedCloud, EventSource, EventSourceOptions};
use couplet_model::RunId;
use couplet_model::task::{Continuation, TASK_FORMAT, Task, TaskMessage};
use couplet_runtime::{Application, handlers};
use jiff::{SignedDuration, Timestamp};

use super::f24_pauses::{COMPANY, settings};

/// The most that a message waits; then its deliveries are attempts.
const MOST: &str = "5000";

/// A cloud in which another worker is at a run for so long, and the task of its leg after the next, which has to wait.
async fn held_run(held: SignedDuration) -> (EmbeddedCloud, Application, String) {
    let settings = settings();
    let cloud = EmbeddedCloud::in_memory(&settings).await.expect("the embedded cloud opens");
    let application = Application::new(&settings, cloud.services()).expect("the application is wired");
    let run = RunId::fresh();
    let store = application.engine.store();
    store.acquire_lease(COMPANY, "CUSTOMER", run, Timestamp::now(), held).await.expect("the lease is free");
    let task = Task::ContinueRun(Continuation { job: "CUSTOMER".to_owned(), run, invocation: 2 });
    let body = serde_json::to_string(&TaskMessage { v: TASK_FORMAT, company: COMPANY, task }).expect("JSON");
    (cloud, application, body)
}

fn waits_of(message: &Message) -> Option<&str> {
    message.message_attributes()?.get("waits")?.string_value()
}

#[tokio::test]
async fn f32_a_message_that_waits_carries_how_often_it_has_waited() {
    let (cloud, application, body) = held_run(SignedDuration::from_millis(300)).await;
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

    let services = cloud.services();
    let mut received = Vec::new();
    for _ in 0..100 {
        let request =
            services.sqs.receive_message().queue_url(&services.tasks_queue_url).message_attribute_names("All");
        received = request.send().await.expect("the queue answers").messages.unwrap_or_default();
        if !received.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(received.len(), 1);
    assert_eq!((received[0].body(), waits_of(&received[0])), (Some(body.as_str()), Some(MOST)));
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
