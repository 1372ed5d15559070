//! The service as a whole: limits, HTTPS, the state file, size.

use std::time::{Duration, Instant};

use dataverse_simulator::{DataverseOptions, DataverseSimulator, ServiceLimits};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::Client;
use crate::family;

#[tokio::test]
async fn limits_hold_back_whoever_sends_too_much() {
    let limits = ServiceLimits {
        requests: 3,
        execution: Duration::from_secs(1200),
        concurrent: 52,
        window: Duration::from_secs(300),
    };
    let client = Client::start(DataverseOptions { limits: Some(limits), ..DataverseOptions::default() }).await;
    for _ in 0..3 {
        assert_eq!(client.get("WhoAmI").await.status, 200);
    }
    let refused = client.get("WhoAmI").await;
    assert_eq!((refused.status, refused.code()), (429, "0x80072322".to_owned()));
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    let admin = client
        .send(
            Method::POST,
            &format!("{}/_simulator/faults", client.simulator.url()),
            Some(json!({"limits": "off"})),
            &[],
        )
        .await;
    assert_eq!(admin.status, 200, "{}", admin.text());
    assert_eq!(client.get("WhoAmI").await.status, 200);
    let unknown = client
        .send(Method::POST, &format!("{}/_simulator/faults", client.simulator.url()), Some(json!({"nonsense": 1})), &[])
        .await;
    assert_eq!(unknown.status, 400);
}

#[tokio::test]
async fn https_is_served_under_a_throw_away_authority() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let simulator = DataverseSimulator::start(DataverseOptions {
        https: true,
        certificate_file: Some(file.clone()),
        ..DataverseOptions::default()
    })
    .await
    .unwrap();
    let certificate = reqwest::Certificate::from_pem(&std::fs::read(file).unwrap()).unwrap();
    let http = reqwest::Client::builder().tls_certs_only([certificate]).build().unwrap();
    let response = http.get(format!("{}/api/data/v9.2/WhoAmI", simulator.url())).send().await.unwrap();
    assert_eq!(response.status(), 401);
    simulator.stop().await;
}

#[tokio::test]
async fn rows_and_delta_links_survive_in_the_state_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.json");
    let options = DataverseOptions { state_file: Some(file), ..DataverseOptions::default() };
    let client = Client::start(options.clone()).await;
    let account = family(&client).await;
    let link =
        client.send(Method::GET, "contacts?$select=lastname", None, &[("Prefer", "odata.track-changes")]).await.json()
            ["@odata.deltaLink"]
            .as_str()
            .unwrap()
            .to_owned();
    for contact in client.get("contacts?$select=contactid").await.json()["value"].as_array().unwrap() {
        client.delete(&format!("contacts({})", contact["contactid"].as_str().unwrap())).await;
    }
    client.delete(&format!("accounts({account})")).await;
    client.simulator.clone().stop().await;
    let again = Client::start(options).await;
    assert_eq!(again.get(&format!("accounts({account})")).await.status, 404);
    let query = link.split_once("/contacts").unwrap().1;
    let delta = again.get(&format!("contacts{query}")).await.json();
    assert_eq!(delta["value"].as_array().unwrap().len(), 2, "{delta}");
    assert!(delta["value"].as_array().unwrap().iter().all(|row| row["reason"] == "deleted"));
}

#[tokio::test]
async fn a_hundred_thousand_rows_stay_quick() {
    let started = Instant::now();
    let client = Client::start(DataverseOptions::default()).await;
    assert!(started.elapsed() < Duration::from_secs(1), "started in {:?}", started.elapsed());
    let rows: Vec<Value> = (0..100_000).map(|number| json!({"name": format!("Account {number}"), "accountnumber": format!("{number:06}"), "customertypecode": 3})).collect();
    let filled = Instant::now();
    client.simulator.create_many_as_user("account", rows).unwrap();
    let filled = filled.elapsed();
    let read = Instant::now();
    let mut next = Some("accounts?$select=name,accountnumber,_ownerid_value,modifiedon".to_owned());
    let (mut count, mut pages) = (0, 0);
    while let Some(url) = next {
        let page = client.get(&url).await.json();
        count += page["value"].as_array().unwrap().len();
        next = page["@odata.nextLink"].as_str().map(str::to_owned);
        pages += 1;
        assert!(pages < 50);
    }
    let read = read.elapsed();
    assert_eq!((count, pages), (client.simulator.count("account"), 21));
    let found = Instant::now();
    for number in 0..200 {
        let rows =
            client.get(&format!("accounts?$select=name&$filter=accountnumber eq '{:06}'", number * 13)).await.json();
        assert_eq!(rows["value"].as_array().unwrap().len(), 1);
    }
    let found = found.elapsed();
    let scanned = Instant::now();
    let none = client.get("accounts?$select=name&$filter=modifiedon gt 2999-01-01T00:00:00Z").await.json();
    assert_eq!(none["value"], json!([]));
    eprintln!(
        "100,000 rows: filled in {filled:?}, read in {read:?} ({pages} pages), 200 look-ups in {found:?}, one scan in {:?}",
        scanned.elapsed()
    );
}
