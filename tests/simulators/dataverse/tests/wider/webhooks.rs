//! Notifications of changes.

use dataverse_simulator::DataverseOptions;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::Client;

/// Accepts one HTTP request and gives it back as text.
async fn one_request(listener: tokio::net::TcpListener, status: &str) -> (String, tokio::net::TcpListener) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    for _ in 0..1000 {
        let count = stream.read(&mut buffer).await.unwrap();
        seen.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&seen).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length: usize = head
                .lines()
                .find_map(|line| {
                    line.to_lowercase().strip_prefix("content-length: ").map(|length| length.parse().unwrap())
                })
                .unwrap_or_default();
            if body.len() >= length {
                break;
            }
        }
    }
    stream
        .write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes())
        .await
        .unwrap();
    (String::from_utf8_lossy(&seen).into_owned(), listener)
}

/// Registers a webhook for new accounts and gives the socket its notifications arrive at.
async fn account_webhook(client: &Client) -> tokio::net::TcpListener {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let endpoint = client.post("serviceendpoints", json!({"name": "e", "url": url, "contract": 8, "authtype": 4, "authvalue": "key", "connectionmode": 1, "messageformat": 2})).await.new_id();
    let shown = client.get(&format!("serviceendpoints({endpoint})")).await.json();
    assert_eq!((&shown["isauthvalueset"], shown.get("authvalue")), (&json!(true), None));
    let message = client.get("sdkmessages?$filter=name eq 'Create'").await.json()["value"][0]["sdkmessageid"]
        .as_str()
        .unwrap()
        .to_owned();
    let filter = client
        .get(&format!(
            "sdkmessagefilters?$filter=_sdkmessageid_value eq {message} and primaryobjecttypecode eq 'account'"
        ))
        .await
        .json()["value"][0]["sdkmessagefilterid"]
        .as_str()
        .unwrap()
        .to_owned();
    client
        .post("sdkmessageprocessingsteps", json!({
            "name": "s", "mode": 1, "stage": 40, "rank": 1, "sdkmessageid@odata.bind": format!("/sdkmessages({message})"),
            "sdkmessagefilterid@odata.bind": format!("/sdkmessagefilters({filter})"), "eventhandler_serviceendpoint@odata.bind": format!("/serviceendpoints({endpoint})")
        }))
        .await
        .new_id();
    listener
}

/// Name of the account a notification tells of.
fn told_name(request: &str) -> String {
    let body: Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
    let attributes = body["InputParameters"][0]["value"]["Attributes"].as_array().unwrap().clone();
    let name = attributes.iter().find(|attribute| attribute["key"] == "name").unwrap();
    name["value"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn notifications_come_twice_or_swapped_when_the_switch_says_so() {
    let client = Client::start(DataverseOptions::default()).await;
    let listener = account_webhook(&client).await;
    client.simulator.set_faults(r#"{"notifications": {"seed": 1, "duplicate": 1000}}"#).unwrap();
    client.post("accounts", json!({"name": "one"})).await.new_id();
    let (first, listener) = one_request(listener, "200 OK").await;
    let (second, listener) = one_request(listener, "200 OK").await;
    assert_eq!((told_name(&first), told_name(&second)), ("one".to_owned(), "one".to_owned()));
    client.simulator.set_faults(r#"{"notifications": {"seed": 1, "reorder": 1000}}"#).unwrap();
    client.post("accounts", json!({"name": "two"})).await.new_id();
    client.post("accounts", json!({"name": "three"})).await.new_id();
    let (first, listener) = one_request(listener, "200 OK").await;
    let (second, _) = one_request(listener, "200 OK").await;
    assert_eq!((told_name(&first), told_name(&second)), ("three".to_owned(), "two".to_owned()));
}

#[tokio::test]
async fn webhooks_tell_of_changes_and_try_once_more() {
    let client = Client::start(DataverseOptions::default()).await;
    let listener = account_webhook(&client).await;
    let account = client.post("accounts", json!({"name": "hooked", "creditlimit": 5})).await.new_id();
    let (first, listener) = one_request(listener, "503 Service Unavailable").await;
    let (second, _) = one_request(listener, "200 OK").await;
    assert!(first.starts_with("POST /hook?code=key "), "{first}");
    assert!(second.contains("x-ms-dynamics-entity-name: account"));
    assert!(second.contains("Entity:http:\\/\\/schemas.microsoft.com\\/xrm\\/2011\\/Contracts"));
    let body: Value = serde_json::from_str(second.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(
        (&body["PrimaryEntityId"], &body["MessageName"], &body["UserId"]),
        (&json!(account), &json!("Create"), &json!(client.simulator.integration_user()))
    );
}
