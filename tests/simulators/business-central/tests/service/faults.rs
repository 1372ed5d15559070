//! The service when it is slow, full, down or half gone.

use std::time::{Duration, Instant};

use crate::client::Client;
use business_central_simulator::{Latency, Limits, Moment};
use futures_util::future::join_all;
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn throttled_requests_may_say_how_long_to_wait() {
    let client = Client::empty().await;
    client.simulator.faults().throttle_next(1, Some(Duration::from_secs(3)));
    let reply = client.get(&client.standard("items")).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (429, "Application_TooManyRequests"));
    assert_eq!(reply.headers["retry-after"], "3");
    client.simulator.faults().throttle_every(2, None);
    let statuses = [
        client.get(&client.standard("items")).await.status.as_u16(),
        client.get(&client.standard("items")).await.status.as_u16(),
    ];
    assert_eq!(statuses, [200, 429]);
    client.simulator.faults().clear();
    assert_eq!(client.get(&client.standard("items")).await.status.as_u16(), 200);
}

#[tokio::test]
async fn the_sliding_window_lets_only_so_many_requests_in() {
    let client = Client::empty().await;
    client.simulator.faults().set_limits(Limits { requests: 3, ..Limits::online() });
    for expected in [200, 200, 200, 429] {
        assert_eq!(client.get(&client.standard("items")).await.status.as_u16(), expected);
    }
}

#[tokio::test]
async fn five_requests_run_at_once_and_a_full_queue_turns_the_rest_away() {
    let client = Client::empty().await;
    client.simulator.faults().set_latency(Latency { read: Duration::from_millis(60), write: Duration::ZERO });
    client.simulator.faults().set_limits(Limits { queue: 5, ..Limits::online() });
    let url = client.standard("items");
    let started = Instant::now();
    let replies = join_all((0..12).map(|_| client.get(&url))).await;
    let refused = replies.iter().filter(|reply| reply.status.as_u16() == 429).count();
    assert_eq!(refused, 2);
    assert!(started.elapsed() >= Duration::from_millis(120), "ten requests need two turns");
}

#[tokio::test]
async fn an_outage_ends() {
    let client = Client::empty().await;
    client.simulator.faults().set_outage(true);
    assert_eq!(client.get(&client.standard("items")).await.status.as_u16(), 503);
    client.simulator.faults().set_outage(false);
    assert_eq!(client.get(&client.standard("items")).await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_timeout_may_hide_a_write_that_took_effect() {
    let client = Client::empty().await;
    client.simulator.faults().fail_write(1, 504, Moment::After);
    assert_eq!(client.post(&client.standard("items"), json!({})).await.status.as_u16(), 504);
    assert_eq!(client.simulator.rows("Item").len(), 1);
    client.simulator.faults().fail_write(1, 408, Moment::Before);
    assert_eq!(client.post(&client.standard("items"), json!({})).await.status.as_u16(), 408);
    assert_eq!(client.simulator.rows("Item").len(), 1);
}

#[tokio::test]
async fn expired_tokens_are_refused_until_a_new_one_is_fetched() {
    let mut client = Client::empty().await;
    client.simulator.faults().expire_tokens();
    assert_eq!(client.get(&client.standard("items")).await.status.as_u16(), 401);
    client.renew_token().await;
    assert_eq!(client.get(&client.standard("items")).await.status.as_u16(), 200);
}

#[tokio::test]
async fn without_the_companion_app_its_route_is_unknown() {
    let client = Client::empty().await;
    client.simulator.faults().set_companion_installed(false);
    let reply = client.get(&client.companion("items")).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (404, "BadRequest_NotFound"));
    assert_eq!(client.get(&client.standard("items")).await.status.as_u16(), 200);
}

#[tokio::test]
async fn timestamps_come_from_the_skewed_clock() {
    let client = Client::empty().await;
    client.simulator.faults().set_clock_skew(SignedDuration::from_hours(-48));
    let reply = client.post(&client.standard("items"), json!({})).await;
    let modified: jiff::Timestamp = reply.body["lastModifiedDateTime"].as_str().unwrap().parse().unwrap();
    assert!(modified < jiff::Timestamp::now() - SignedDuration::from_hours(47));
    let date = reply.headers["date"].to_str().unwrap();
    let day = modified.strftime("%a, %d %b %Y").to_string();
    assert!(date.starts_with(&day), "{date} is not {day}");
}

#[tokio::test]
async fn a_write_with_read_only_intent_is_refused() {
    let client = Client::empty().await;
    let reply = client
        .send(Method::POST, &client.standard("items"), &[("data-access-intent", "ReadOnly")], Some(json!({})))
        .await;
    assert_eq!(reply.status.as_u16(), 400);
}
