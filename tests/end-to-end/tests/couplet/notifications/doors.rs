//! What comes to the door and is no notification: it costs nothing, and is told of in one line.

use std::io::Write;
use std::sync::{Arc, Mutex};

use couplet_model::notification::LARGEST_BODY;
use couplet_runtime::handlers::{ChangeRequest, receive_change};
use couplet_runtime::telemetry;
use couplet_worlds::{NOTHING, Notified};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tracing::instrument::WithSubscriber;

/// Lines of the log.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Write::write(&mut *self.0.lock().expect("nobody panics"), bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn at_least_warnings(&self) -> Vec<Value> {
        let bytes = self.0.lock().expect("nobody panics").clone();
        let lines = String::from_utf8(bytes).expect("text");
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        lines.filter(|line| line["level"] == "WARN" || line["level"] == "ERROR").collect()
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("nobody panics").clone()).expect("text")
    }
}

fn about_accounts(key: &str) -> ChangeRequest {
    ChangeRequest {
        method: "POST".to_owned(),
        path: "/dataverse".to_owned(),
        query: format!("code={}", key.replace(' ', "+")),
        key: None,
        body: Some(br#"{"MessageName":"Update","PrimaryEntityName":"account"}"#.to_vec()),
    }
}

/// Anything that somebody may send who does not know the secret.
fn forged() -> impl Strategy<Value = ChangeRequest> {
    let bodies = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200).prop_map(Some),
        Just(Some(br#"{"MessageName":"Update","PrimaryEntityName":"account"}"#.to_vec())),
        "[a-z0-9 ]{0,20}".prop_map(|state| {
            let notice = r#"{"value":[{"clientState":"STATE","resource":"api/v2.0/companies(x)/customers(y)"}]}"#;
            Some(notice.replace("STATE", &state).into_bytes())
        }),
        Just(None),
    ];
    let paths = prop_oneof!["/business-central(/[a-z]{1,9})?", Just("/dataverse".to_owned()), "/[a-z/.]{0,20}"];
    let queries = prop_oneof!["code=[a-z0-9%+]{0,30}", "[ -~]{0,40}", Just(String::new())];
    let is_no_handshake = |query: &String| !query.to_lowercase().contains("validationtoken");
    (
        "[A-Z]{0,7}|POST",
        paths,
        queries.prop_filter("a handshake", is_no_handshake),
        prop::option::of("[ -~]{0,20}"),
        bodies,
    )
        .prop_map(|(method, path, query, key, body)| ChangeRequest { method, path, query, key, body })
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_forged_notifications_start_nothing_and_are_one_line_of_the_log() {
    let world = Notified::start(NOTHING).await;
    let application = &world.installed.application;
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = telemetry::lines_to("info", move || writer.clone());
    let before = world.installed.dataverse.requests() + world.installed.business_central.requests();
    async {
        let mut runner = TestRunner::deterministic();
        for _ in 0..10_000 {
            let request = forged().new_tree(&mut runner).expect("a request").current();
            let answer = receive_change(application, &request).await;
            assert!((400..500).contains(&answer.status), "{request:?}: {answer:?}");
            assert_eq!(answer.body, "");
        }
    }
    .with_subscriber(subscriber)
    .await;
    let told = lines.at_least_warnings();
    assert!(told.iter().all(|line| line["level"] == "WARN"), "no error: {told:?}");
    // The first is told at once, the others when the minute is over; on a slow machine that may come while they are sent.
    let counted = |told: &[Value]| told.iter().map(|line| line["refused"].as_u64().expect("a number")).sum::<u64>();
    assert!(told.len() <= 2, "{told:?}");
    let before_the_end = counted(&told);
    world.pass(61);
    let writer = lines.clone();
    let last = receive_change(application, &about_accounts("forged"))
        .with_subscriber(telemetry::lines_to("info", move || writer.clone()))
        .await;
    assert_eq!(last.status, 403);
    let told = lines.at_least_warnings();
    assert_eq!(counted(&told), 10_001, "{before_the_end} were told before");
    assert!(!lines.text().contains(Notified::SECRET));
    assert_eq!(world.installed.open().await, 0, "nothing was asked for");
    assert_eq!(world.installed.dataverse.requests() + world.installed.business_central.requests(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_true_notifications_starts_each_job_once_a_minute() {
    let world = Notified::start(NOTHING).await;
    let application = &world.installed.application;
    for minute in 0..3 {
        for _ in 0..200 {
            assert_eq!(receive_change(application, &about_accounts(Notified::SECRET)).await.status, 200);
        }
        let tasks = world.installed.visible(&application.cloud.tasks_queue_url).await;
        let of = |job: &str| tasks.iter().filter(|task| task.contains(&format!(r#""job":"{job}""#))).count();
        // The first minute's run is asked for at once, and one more when it is over; every later minute has one.
        assert_eq!((of("CUSTOMER"), of("VENDOR")), (1, 1), "minute {minute}: {tasks:?}");
        assert_eq!(of("ITEM-PRODUCT"), 0, "it reads no accounts");
        world.pass(20);
    }
    assert!(world.installed.open().await <= 4 * 2, "at most one start is noted ahead");
}

/// Sends a text to the door and reads the answer as far as it goes.
async fn asked(world: &Notified, request: &[u8]) -> String {
    let address = world.door.url();
    let address = address.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).await.expect("the door is open");
    stream.write_all(request).await.expect("sent");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(std::time::Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
    read.expect("it answers without waiting for the rest").expect("read");
    String::from_utf8_lossy(&answer).into_owned()
}

fn posted(path: &str, more: &str) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nHost: door\r\nConnection: close\r\n{more}\r\n").into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_door_answers_a_handshake_a_wrong_key_and_fifty_megabytes() {
    let world = Notified::start(NOTHING).await;
    let token =
        asked(&world, &posted("/business-central/items?validationToken=a%2Bb+c", "Content-Length: 0\r\n")).await;
    assert!(token.starts_with("HTTP/1.1 200 OK\r\n") && token.ends_with("\r\n\r\na+b c"), "{token}");
    assert!(token.contains("content-type: text/plain"), "{token}");
    let body = r#"{"PrimaryEntityName":"account"}"#;
    let mut forged = posted("/dataverse?code=guessed", &format!("Content-Length: {}\r\n", body.len()));
    forged.extend_from_slice(body.as_bytes());
    assert!(asked(&world, &forged).await.starts_with("HTTP/1.1 403 "));
    let key = Notified::SECRET.replace(' ', "%20");
    let mut right = posted(&format!("/dataverse?code={key}"), &format!("Content-Length: {}\r\n", body.len()));
    right.extend_from_slice(body.as_bytes());
    assert!(asked(&world, &right).await.starts_with("HTTP/1.1 200 "));
    let mut by_header =
        posted("/dataverse", &format!("code: {}\r\nContent-Length: {}\r\n", Notified::SECRET, body.len()));
    by_header.extend_from_slice(body.as_bytes());
    assert!(asked(&world, &by_header).await.starts_with("HTTP/1.1 200 "));
    // None of the fifty megabytes is sent, so the answer cannot have waited for them.
    let announced = posted(&format!("/dataverse?code={key}"), "Content-Length: 52428800\r\n");
    assert!(asked(&world, &announced).await.starts_with("HTTP/1.1 413 "));
    // Nor does it read on where the length is not announced.
    let mut chunked = posted(&format!("/dataverse?code={key}"), "Transfer-Encoding: chunked\r\n");
    let chunk = LARGEST_BODY / 4;
    for _ in 0..5 {
        chunked.extend_from_slice(format!("{chunk:x}\r\n").as_bytes());
        chunked.extend(std::iter::repeat_n(b' ', chunk));
        chunked.extend_from_slice(b"\r\n");
    }
    assert!(asked(&world, &chunked).await.starts_with("HTTP/1.1 413 "));
}
