//! `$batch` in both forms, and faults in the middle of one.

use crate::client::Client;
use reqwest::Method;
use serde_json::{Value, json};

fn batch(client: &Client) -> String {
    format!("{}/api/v2.0/$batch", client.simulator.url())
}

fn create(client: &Client, id: &str, body: &Value) -> Value {
    json!({"id": id, "method": "POST", "url": format!("companies({})/items", client.simulator.company_id()), "headers": {"Content-Type": "application/json"}, "body": body})
}

fn statuses(body: &Value) -> Vec<u64> {
    body["responses"].as_array().unwrap().iter().map(|response| response["status"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_batch_stops_at_its_first_failure_unless_told_to_go_on() {
    let client = Client::numbered_by_hand().await;
    let requests = json!({"requests": [create(&client, "1", &json!({"number": "A"})), create(&client, "2", &json!({"number": "A"})), create(&client, "3", &json!({"number": "B"}))]});
    let reply = client.post(&batch(&client), requests.clone()).await;
    assert_eq!(statuses(&reply.body), [201, 400]);
    let reply =
        client.send(Method::POST, &batch(&client), &[("prefer", "odata.continue-on-error")], Some(requests)).await;
    assert_eq!(statuses(&reply.body), [400, 400, 201]);
    assert_eq!(reply.body["responses"][2]["id"], "3");
    assert_eq!(reply.body["responses"][2]["body"]["number"], "B");
    assert_eq!(client.simulator.requests(), 2);
    assert_eq!(client.simulator.request_log()[1].operations.len(), 3);
}

#[tokio::test]
async fn a_snapshot_batch_undoes_everything_when_one_operation_fails() {
    let client = Client::numbered_by_hand().await;
    let requests = json!({"requests": [create(&client, "1", &json!({"number": "A"})), create(&client, "2", &json!({"nonsense": 1}))]});
    let reply = client.send(Method::POST, &batch(&client), &[("isolation", "snapshot")], Some(requests)).await;
    assert_eq!(statuses(&reply.body), [201, 400]);
    assert!(client.simulator.rows("Item").is_empty());
}

#[tokio::test]
async fn more_than_a_hundred_operations_are_refused() {
    let client = Client::empty().await;
    let requests: Vec<Value> = (0..101).map(|at| create(&client, &at.to_string(), &json!({}))).collect();
    assert_eq!(client.post(&batch(&client), json!({"requests": requests})).await.status.as_u16(), 400);
    assert!(client.simulator.rows("Item").is_empty());
}

#[tokio::test]
async fn a_connection_cut_after_the_second_write_leaves_two_records() {
    let client = Client::empty().await;
    let requests: Vec<Value> = (0..5).map(|at| create(&client, &at.to_string(), &json!({}))).collect();
    client.simulator.faults().cut_after_write(2);
    assert!(client.try_send(Method::POST, &batch(&client), &[], Some(json!({"requests": requests}))).await.is_err());
    assert_eq!(client.simulator.rows("Item").len(), 2);
    client.simulator.faults().cut_before_write(1);
    assert!(client.try_send(Method::POST, &client.standard("items"), &[], Some(json!({}))).await.is_err());
    assert_eq!(client.simulator.rows("Item").len(), 2);
}

#[tokio::test]
async fn a_multipart_batch_answers_in_parts_and_its_change_sets_are_whole() {
    let client = Client::numbered_by_hand().await;
    let company = client.simulator.company_id();
    let part = |content_id: &str, body: &str| {
        format!(
            "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: {content_id}\r\n\r\nPOST companies({company})/items HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{body}\r\n"
        )
    };
    let body = format!(
        "--b\r\nContent-Type: application/http\r\n\r\nGET companies({company})/items HTTP/1.1\r\nAccept: application/json\r\n\r\n\r\n--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n{}--c\r\n{}--c--\r\n--b--\r\n",
        part("1", "{\"number\":\"A\"}"),
        part("2", "{\"number\":\"B\"}")
    );
    let reply = client
        .http
        .post(batch(&client))
        .bearer_auth(&client.token)
        .header("content-type", "multipart/mixed; boundary=b")
        .body(body.clone())
        .send()
        .await
        .unwrap();
    let text = reply.text().await.unwrap();
    assert_eq!(text.matches("HTTP/1.1 201 Created").count(), 2, "{text}");
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 1);
    let again = client
        .http
        .post(batch(&client))
        .bearer_auth(&client.token)
        .header("content-type", "multipart/mixed; boundary=b")
        .body(body.replace("\"A\"", "\"C\""))
        .send()
        .await
        .unwrap();
    assert!(again.text().await.unwrap().contains("Internal_EntityWithSameKeyExists"));
    assert_eq!(client.simulator.rows("Item").len(), 2);
}
