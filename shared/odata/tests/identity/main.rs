//! One identity against a server that answers by script: tokens, pauses, retries, the gate.
#![allow(clippy::unwrap_used, missing_docs)]

mod secrets;
mod server;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use couplet_model::RunId;
use couplet_model::correlation::in_the_name_of;
use couplet_model::system::SystemErrorKind;
use couplet_model::table::Side;
use couplet_odata::{ClientSecret, Identity, IdentitySettings, Repeat, Request};
use reqwest::Method;
use tokio::sync::Barrier;

use crate::server::{Answer, INVALID_CLIENT, Server};

fn identity(url: &str, concurrency: usize) -> Arc<Identity> {
    identity_with(url, concurrency, "hunter2".into())
}

fn identity_with(url: &str, concurrency: usize, client_secret: ClientSecret) -> Arc<Identity> {
    let identity = Identity::new(settings(url, concurrency, client_secret)).unwrap();
    Arc::new(identity.with_largest_body(LARGEST_BODY))
}

fn settings(url: &str, concurrency: usize, client_secret: ClientSecret) -> IdentitySettings {
    IdentitySettings {
        side: Side::Dataverse,
        authority: url.to_owned(),
        tenant: "tenant".into(),
        client_id: "app".into(),
        credential: client_secret.into(),
        scope: "scope".into(),
        roots: vec![url.to_owned()],
        concurrency,
        connections: Default::default(),
    }
}

/// Longest answer taken here, in bytes.
const LARGEST_BODY: usize = 4096;

fn read(url: &str) -> Request {
    Request::get(format!("{url}/things"))
}

fn write(url: &str, repeat: Repeat) -> Request {
    Request::write(Method::POST, format!("{url}/things"), repeat).json(&serde_json::json!({"name": "A"}))
}

/// Sends `count` reads at once and gives their statuses.
async fn together(identity: &Arc<Identity>, url: &str, count: usize) -> Vec<u16> {
    let tasks: Vec<_> = (0..count)
        .map(|_| {
            let (identity, request) = (Arc::clone(identity), read(url));
            tokio::spawn(async move { identity.send(&request).await.unwrap().status })
        })
        .collect();
    let mut statuses = Vec::new();
    for task in tasks {
        statuses.push(task.await.unwrap());
    }
    statuses
}

#[tokio::test]
async fn f26_an_answer_without_end_is_refused_and_not_kept() {
    let endless: &'static str = Box::leak(format!("{{\"value\":\"{}\"}}", "x".repeat(LARGEST_BODY)).into_boxed_str());
    let (server, url) = Server::start(&vec![Answer::Page(endless); 8]).await;
    let error = identity(&url, 1).send(&read(&url)).await.unwrap_err();
    assert_eq!(error.kind, SystemErrorKind::TooLarge);
    assert!(error.message.contains("4096 bytes"), "{error}");
    assert!(server.seen() <= 4, "{} requests", server.seen());
    let all_of_it: &'static str = Box::leak(format!("\"{}\"", "x".repeat(LARGEST_BODY - 2)).into_boxed_str());
    let (_server, url) = Server::start(&[Answer::Page(all_of_it)]).await;
    assert_eq!(identity(&url, 1).send(&read(&url)).await.unwrap().status, 200);
}

#[tokio::test]
async fn one_token_serves_all_calls() {
    let (server, url) = Server::start(&[]).await;
    let identity = identity(&url, 8);
    assert_eq!(together(&identity, &url, 12).await, [200; 12]);
    assert_eq!(together(&identity, &url, 3).await, [200; 3]);
    assert_eq!((server.tokens(), server.seen(), identity.requests()), (1, 15, 15));
    let seen = server.seen.lock().unwrap();
    assert!(seen.iter().all(|request| request.contains("authorization: bearer token-0")));
    assert!(seen.iter().all(|request| request.contains("odata-version: 4.0") && request.contains("gzip")));
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_for_all_who_sent_it() {
    let (server, url) = Server::start(&vec![Answer::Status(401, ""); 6]).await;
    let identity = identity(&url, 6);
    assert_eq!(together(&identity, &url, 6).await, [200; 6]);
    assert_eq!((server.tokens(), identity.requests()), (2, 12));
    assert!(server.seen.lock().unwrap()[6..].iter().all(|request| request.contains("bearer token-1")));
}

#[tokio::test]
async fn a_token_refused_again_is_the_answer() {
    let (server, url) = Server::start(&vec![Answer::Status(401, ""); 9]).await;
    let reply = identity(&url, 1).send(&read(&url)).await.unwrap();
    assert_eq!((reply.status, server.tokens(), server.seen()), (401, 2, 2));
}

#[tokio::test]
async fn a_refused_application_is_named_without_its_secret() {
    let (server, url) = Server::start(&[]).await;
    *server.token_answer.lock().unwrap() = Some(INVALID_CLIENT);
    let error = identity(&url, 1).send(&read(&url)).await.unwrap_err();
    assert_eq!(error.kind, SystemErrorKind::Unauthorized);
    assert!(error.message.contains("AADSTS7000215") && !format!("{error:?}").contains("hunter2"), "{error:?}");
    assert_eq!((server.tokens(), server.seen()), (1, 0));
}

#[tokio::test]
async fn a_storm_of_429_pauses_the_whole_identity_once() {
    let (server, url) = Server::start(&vec![Answer::Status(429, "Retry-After: 0.4\r\n"); 4]).await;
    let identity = identity(&url, 4);
    let begun = Instant::now();
    assert_eq!(together(&identity, &url, 8).await, [200; 8]);
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(400) && took < Duration::from_millis(1500), "{took:?}");
    // Four were refused at once; the other four waited with them and were never refused.
    assert_eq!((identity.throttled(), identity.requests(), server.seen()), (4, 12, 12));
}

#[tokio::test]
async fn a_pause_beyond_the_deadline_is_handed_back_with_its_length() {
    let (server, url) = Server::start(&[Answer::Status(429, "Retry-After: 60\r\n")]).await;
    let identity = identity(&url, 1);
    identity.set_deadline(Some(Instant::now() + Duration::from_secs(2)));
    for _ in 0..2 {
        let error = identity.send(&write(&url, Repeat::OnlyIfUnprocessed)).await.unwrap_err();
        assert!(matches!(error.kind, SystemErrorKind::Throttled(wait) if wait.as_secs() >= 58), "{error:?}");
    }
    assert_eq!(server.seen(), 1, "nothing is sent while the pause holds");
}

#[tokio::test]
async fn a_503_that_names_a_pause_is_a_pause() {
    let (server, url) = Server::start(&[Answer::Status(503, "Retry-After: 0.2\r\n")]).await;
    let identity = identity(&url, 1);
    let reply = identity.send(&write(&url, Repeat::OnlyIfUnprocessed)).await.unwrap();
    assert_eq!((reply.status, server.seen(), identity.throttled()), (200, 2, 1));
}

#[tokio::test]
async fn passing_faults_are_repeated_as_far_as_the_request_allows() {
    for (repeat, answer, status, sent) in [
        (Repeat::Read, Answer::Status(502, ""), 200, 2),
        (Repeat::Read, Answer::Status(408, ""), 200, 2),
        (Repeat::Idempotent, Answer::Status(504, ""), 200, 2),
        (Repeat::Idempotent, Answer::Status(408, ""), 408, 1),
        (Repeat::OnlyIfUnprocessed, Answer::Status(503, ""), 503, 1),
        (Repeat::Idempotent, Answer::Status(500, ""), 500, 1),
        (Repeat::Idempotent, Answer::Cut, 200, 2),
        (Repeat::Read, Answer::Page("<html>Sign in</html>"), 200, 2),
        (Repeat::Idempotent, Answer::Page("<html>Sign in</html>"), 200, 2),
        (Repeat::Read, Answer::Page("{\"value\":["), 200, 2),
    ] {
        let (server, url) = Server::start(&[answer]).await;
        let reply = identity(&url, 1).send(&write(&url, repeat)).await.unwrap();
        assert_eq!((reply.status, server.seen()), (status, sent), "{repeat:?}");
    }
}

#[tokio::test]
async fn a_write_of_unknown_effect_is_not_repeated() {
    let (server, url) = Server::start(&[Answer::Cut]).await;
    let identity = identity(&url, 1);
    let error = identity.send(&write(&url, Repeat::OnlyIfUnprocessed)).await.unwrap_err();
    assert_eq!((error.kind, server.seen(), identity.requests()), (SystemErrorKind::Unreachable, 1, 1));
}

#[tokio::test]
async fn f23_a_page_of_a_gateway_is_an_outage_and_no_success() {
    for (repeat, sent) in [(Repeat::Read, 4), (Repeat::Idempotent, 4), (Repeat::OnlyIfUnprocessed, 1)] {
        let (server, url) = Server::start(&vec![Answer::Page("<html>Maintenance</html>"); 9]).await;
        let error = identity(&url, 1).send(&write(&url, repeat)).await.unwrap_err();
        assert_eq!((error.kind, server.seen()), (SystemErrorKind::Outage, sent), "{repeat:?}");
        assert!(error.message.contains("text/html"), "{}", error.message);
    }
}

#[tokio::test]
async fn f19_a_request_that_the_caller_divides_is_not_repeated_at_its_size() {
    let (server, url) = Server::start(&vec![Answer::Status(504, ""); 9]).await;
    let reply = identity(&url, 1).send(&read(&url).divisible(true)).await.unwrap();
    assert_eq!((reply.status, server.seen()), (504, 1));
}

#[tokio::test]
async fn a_fault_that_stays_is_given_back_after_a_few_attempts() {
    let (server, url) = Server::start(&vec![Answer::Cut; 20]).await;
    let error = identity(&url, 1).send(&read(&url)).await.unwrap_err();
    assert_eq!((error.kind, server.seen()), (SystemErrorKind::Unreachable, 4));
    assert!(!error.message.contains("things"), "no address in messages: {}", error.message);
}

#[tokio::test]
async fn f27_an_address_outside_the_settings_is_never_asked() {
    let (server, url) = Server::start(&[]).await;
    let (elsewhere, other) = Server::start(&[]).await;
    let error = identity(&url, 1).send(&read(&other)).await.unwrap_err();
    assert_eq!(error.kind, SystemErrorKind::Protocol);
    assert!(error.message.contains(&other) && error.message.contains("nothing was sent"), "{error}");
    assert_eq!((server.seen(), elsewhere.seen(), elsewhere.tokens(), server.tokens()), (0, 0, 0, 0));
}

#[tokio::test]
async fn a_request_names_the_run_it_is_made_for() {
    let (server, url) = Server::start(&[]).await;
    let (identity, run) = (identity(&url, 1), RunId::fresh());
    in_the_name_of(run, identity.send(&read(&url))).await.unwrap();
    identity.send(&read(&url)).await.unwrap();
    let seen = server.seen.lock().unwrap();
    let header = format!("x-ms-client-request-id: {run}\r\n");
    assert_eq!([seen[0].contains(&header), seen[1].contains("x-ms-client-request-id")], [true, false], "{seen:?}");
}

#[tokio::test]
async fn a_system_that_is_not_there_is_unreachable_and_costs_no_request() {
    let (_, url) = Server::start(&[]).await;
    let gone = "http://127.0.0.1:9";
    let identity =
        Identity::new(IdentitySettings { roots: vec![gone.to_owned()], ..settings(&url, 1, "hunter2".into()) });
    let identity = identity.unwrap();
    identity.set_deadline(Some(Instant::now() + Duration::from_secs(2)));
    let error = identity.send(&read(gone)).await.unwrap_err();
    assert_eq!((error.kind, identity.requests()), (SystemErrorKind::Unreachable, 0));
}

#[tokio::test]
async fn an_answer_that_does_not_come_by_the_deadline_is_late_and_says_nothing_about_its_size() {
    let (server, url) = Server::start(&[Answer::Never]).await;
    let identity = identity(&url, 1);
    identity.set_deadline(Some(Instant::now() + Duration::from_millis(300)));
    let error = identity.send(&read(&url)).await.unwrap_err();
    assert_eq!((error.kind, server.seen()), (SystemErrorKind::Unreachable, 1));
    assert!(error.message.contains("timed out"), "{}", error.message);
}

#[tokio::test]
async fn no_more_requests_run_at_once_than_the_gate_admits() {
    // Each is answered when three of them have come.
    let three = Arc::new(Barrier::new(3));
    let (server, url) = Server::start(&vec![Answer::Together(three); 15]).await;
    assert_eq!(together(&identity(&url, 3), &url, 15).await, [200; 15]);
    assert_eq!(server.most_running.load(Ordering::SeqCst), 3);
}
