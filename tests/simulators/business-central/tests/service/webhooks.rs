//! Subscriptions and the notifications they bring.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::client::Client;
use axum::Router;
use axum::extract::State;
use axum::http::Uri;
use business_central_simulator::BusinessCentralOptions;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

/// Statuses to answer notifications with, before 200 again.
type Failures = Arc<Mutex<Vec<u16>>>;

async fn receive(
    State((sender, failures)): State<(UnboundedSender<Value>, Failures)>,
    uri: Uri,
    body: String,
) -> (axum::http::StatusCode, String) {
    if let Some(token) = uri.query().and_then(|query| query.strip_prefix("validationToken=")) {
        return (axum::http::StatusCode::OK, token.to_owned());
    }
    sender.send(serde_json::from_str(&body).unwrap()).unwrap();
    let status = failures.lock().unwrap().pop().unwrap_or(200);
    (axum::http::StatusCode::from_u16(status).unwrap(), String::new())
}

/// A receiver that repeats validation tokens and passes notifications on.
async fn receiver(failures: &[u16]) -> (String, UnboundedReceiver<Value>) {
    let (sender, notifications) = unbounded_channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/notify", listener.local_addr().unwrap());
    let failures: Failures = Arc::new(Mutex::new(failures.to_vec()));
    let router = Router::new().fallback(receive).with_state((sender, failures));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, notifications)
}

async fn quick() -> Client {
    Client::with(BusinessCentralOptions {
        webhook_delay: Duration::from_millis(20),
        ..BusinessCentralOptions::default()
    })
    .await
}

fn subscriptions(client: &Client) -> String {
    format!("{}/api/v2.0/subscriptions", client.simulator.url())
}

fn request(client: &Client, url: &str, set: &str) -> Value {
    json!({"notificationUrl": url, "resource": format!("/api/v2.0/companies({})/{set}", client.simulator.company_id()), "clientState": "ours"})
}

async fn next(notifications: &mut UnboundedReceiver<Value>) -> Value {
    timeout(Duration::from_secs(10), notifications.recv()).await.unwrap().unwrap()
}

#[tokio::test]
async fn changes_within_the_delay_come_as_one_notification() {
    let client = quick().await;
    let (url, mut notifications) = receiver(&[]).await;
    let subscription = client.post(&subscriptions(&client), request(&client, &url, "items")).await;
    assert_eq!(subscription.status.as_u16(), 201, "{}", subscription.text);
    let first = client.post(&client.standard("items"), json!({})).await.id();
    client.simulator.update_as_user("Item", first.parse().unwrap(), json!({"displayName": "Desk"})).unwrap();
    let notification = next(&mut notifications).await;
    let values = notification["value"].as_array().unwrap();
    assert_eq!(values.len(), 1);
    assert_eq!(values[0]["changeType"], "created");
    assert_eq!(values[0]["clientState"], "ours");
    assert_eq!(values[0]["resource"], format!("api/v2.0/companies({})/items({first})", client.simulator.company_id()));
}

#[tokio::test]
async fn more_than_a_thousand_changes_name_the_collection() {
    let client = quick().await;
    client.simulator.faults().set_webhook_delay(Duration::from_millis(300));
    let (url, mut notifications) = receiver(&[]).await;
    client.post(&subscriptions(&client), request(&client, &url, "customers")).await;
    for _ in 0..1001 {
        client.simulator.create_as_user("Customer", json!({})).unwrap();
    }
    let notification = next(&mut notifications).await;
    assert_eq!(notification["value"][0]["changeType"], "collection", "{notification}");
    assert!(
        notification["value"][0]["resource"]
            .as_str()
            .unwrap()
            .contains("/customers?$filter=lastModifiedDateTime%20gt%20")
    );
}

#[tokio::test]
async fn a_notification_that_failed_comes_again_and_a_refused_one_ends_the_subscription() {
    let client = quick().await;
    client.simulator.faults().set_webhook_delay(Duration::from_millis(5));
    let (url, mut notifications) = receiver(&[410, 503]).await;
    client.post(&subscriptions(&client), request(&client, &url, "items")).await;
    client.simulator.create_as_user("Item", json!({})).unwrap();
    assert_eq!(next(&mut notifications).await, next(&mut notifications).await);
    for _ in 0..200 {
        if client.get(&subscriptions(&client)).await.values().is_empty() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the subscription is still there");
}

#[tokio::test]
async fn a_receiver_must_repeat_the_token_and_an_entity_must_support_notifications() {
    let client = quick().await;
    let (url, _notifications) = receiver(&[]).await;
    let silent = client.post(&subscriptions(&client), request(&client, "http://127.0.0.1:9/closed", "items")).await;
    assert_eq!(silent.status.as_u16(), 400);
    let contacts = client.post(&subscriptions(&client), request(&client, &url, "contacts")).await;
    assert_eq!(contacts.status.as_u16(), 400);
}

#[tokio::test]
async fn a_subscription_is_renewed_and_deleted_with_its_etag() {
    let client = quick().await;
    let (url, _notifications) = receiver(&[]).await;
    let created = client.post(&subscriptions(&client), request(&client, &url, "items")).await;
    let one = format!("{}('{}')", subscriptions(&client), created.body["subscriptionId"].as_str().unwrap());
    client.simulator.faults().advance_clock(Duration::from_secs(60));
    let renewed = client.patch(&one, &created.etag(), request(&client, &url, "items")).await;
    assert_eq!(renewed.status.as_u16(), 200, "{}", renewed.text);
    assert!(renewed.body["expirationDateTime"].as_str() > created.body["expirationDateTime"].as_str());
    let without = client.send(Method::DELETE, &one, &[], None).await;
    assert_eq!(without.code(), "BadRequest_InvalidToken");
    assert_eq!(client.delete(&one).await.status.as_u16(), 204);
    assert!(client.get(&subscriptions(&client)).await.values().is_empty());
}

#[tokio::test]
async fn notifications_come_twice_when_the_switch_says_so() {
    let client = quick().await;
    let (url, mut notifications) = receiver(&[]).await;
    client.post(&subscriptions(&client), request(&client, &url, "items")).await;
    client.simulator.set_faults(r#"{"notifications": {"seed": 1, "duplicate": 1000}}"#).unwrap();
    client.post(&client.standard("items"), json!({})).await.id();
    let first = next(&mut notifications).await;
    assert_eq!(next(&mut notifications).await, first);
}

#[tokio::test]
async fn a_late_notification_is_overtaken_by_the_next_one() {
    let client = quick().await;
    let (url, mut notifications) = receiver(&[]).await;
    client.post(&subscriptions(&client), request(&client, &url, "items")).await;
    // One request per address; this seed holds the first one back and no other.
    client.post(&subscriptions(&client), request(&client, &format!("{url}/second"), "customers")).await;
    client.simulator.set_faults(r#"{"notifications": {"seed": 7, "reorder": 500}}"#).unwrap();
    let early = client.post(&client.standard("items"), json!({})).await.id();
    let later = client.post(&client.standard("customers"), json!({})).await.id();
    let item = |notification: &Value| notification["value"][0]["resource"].as_str().unwrap().to_owned();
    assert!(item(&next(&mut notifications).await).contains(&later));
    assert!(item(&next(&mut notifications).await).contains(&early));
}
