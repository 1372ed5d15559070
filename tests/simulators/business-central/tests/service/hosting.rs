//! HTTPS, the state file, the simulator's own interface, and what the service says about itself.

use crate::client::Client;
use business_central_simulator::{BusinessCentralOptions, BusinessCentralSimulator, DemoSize};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn https_is_trusted_through_the_throw_away_authority() {
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    let simulator = BusinessCentralSimulator::start(BusinessCentralOptions {
        https: true,
        ca_file: Some(ca_file.clone()),
        ..BusinessCentralOptions::default()
    })
    .await
    .unwrap();
    assert!(simulator.url().starts_with("https://127.0.0.1:"));
    let certificate = reqwest::Certificate::from_pem(&std::fs::read(ca_file).unwrap()).unwrap();
    let http = reqwest::Client::builder().tls_certs_only([certificate]).build().unwrap();
    assert_eq!(
        http.get(format!("{}/api/v2.0/companies", simulator.url())).send().await.unwrap().status().as_u16(),
        401
    );
    assert!(reqwest::get(format!("{}/api/v2.0/companies", simulator.url())).await.is_err());
}

#[tokio::test]
async fn a_stopped_company_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let options = BusinessCentralOptions {
        demo: Some(DemoSize::default()),
        state_file: Some(folder.path().join("company.json")),
        ..BusinessCentralOptions::default()
    };
    let first = BusinessCentralSimulator::start(options.clone()).await.unwrap();
    let id = first.create_as_user("Item", json!({"displayName": "Kept"})).unwrap();
    let tables = ["Item", "Customer", "Unit Group", "Item Ledger Entry", "General Ledger Setup"];
    let before: Vec<_> = tables.iter().map(|table| first.rows(table)).collect();
    first.stop().await;
    let second = BusinessCentralSimulator::start(options).await.unwrap();
    let after: Vec<_> = tables.iter().map(|table| second.rows(table)).collect();
    assert_eq!(before, after);
    assert_eq!(second.row("Item", id).unwrap()["displayName"], "Kept");
}

#[tokio::test]
async fn one_seed_makes_one_company() {
    let options = BusinessCentralOptions { demo: Some(DemoSize::default()), ..BusinessCentralOptions::default() };
    let (first, second) = (
        BusinessCentralSimulator::start(options.clone()).await.unwrap(),
        BusinessCentralSimulator::start(options).await.unwrap(),
    );
    assert_eq!(first.rows("Item"), second.rows("Item"));
    let started = jiff::Timestamp::now();
    let newest = first
        .rows("Item")
        .iter()
        .map(|row| row["lastModifiedDateTime"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap())
        .max()
        .unwrap();
    assert!(newest < started);
}

#[tokio::test]
async fn another_process_can_act_as_a_user_and_throw_switches() {
    let client = Client::demo().await;
    let own = format!("{}/_simulator", client.simulator.authority());
    let made = client
        .post(&format!("{own}/tables/Salesperson%2FPurchaser"), json!({"code": "AB", "displayName": "Ada B"}))
        .await;
    assert_eq!(made.status.as_u16(), 200, "{}", made.text);
    assert_eq!(client.get(&format!("{own}/tables/Salesperson%2FPurchaser/{}", made.id())).await.body["code"], "AB");
    assert_eq!(
        client.post(&format!("{own}/faults"), json!({"throttleNext": 1, "retryAfterSeconds": 2})).await.status.as_u16(),
        204
    );
    assert_eq!(client.get(&client.standard("items")).await.status.as_u16(), 429);
    assert_eq!(client.post(&format!("{own}/faults"), json!({"nonsense": 1})).await.status.as_u16(), 400);
    assert_eq!(
        client
            .post(&format!("{own}/ledger-entries"), json!({"itemNumber": "1000", "quantity": 2}))
            .await
            .status
            .as_u16(),
        200
    );
    let status = client.get(&own).await;
    assert_eq!((status.body["requests"].as_u64(), status.body["records"]["Item"].as_u64()), (Some(1), Some(105)));
    assert_eq!(client.send(Method::DELETE, &format!("{own}/requests"), &[], None).await.status.as_u16(), 204);
    assert_eq!(client.simulator.requests(), 0);
}

#[tokio::test]
async fn the_metadata_names_every_entity_set_of_its_route() {
    let client = Client::empty().await;
    for route in ["api/v2.0", "api/couplet/sync/v1.0"] {
        let root = format!("{}/{route}", client.simulator.url());
        let document = client.get(&root).await;
        let metadata = client.get(&format!("{root}/$metadata")).await;
        assert!(metadata.headers["content-type"].to_str().unwrap().starts_with("application/xml"));
        for set in document.values() {
            assert!(metadata.text.contains(&format!("<EntitySet Name=\"{}\"", set["name"].as_str().unwrap())), "{set}");
        }
        assert!(metadata.text.contains("<Schema Namespace=\"Microsoft.NAV\""));
    }
    assert_eq!(
        client.get(&format!("{}/ODataV4/Company('CRONUS')/Resource_Card", client.simulator.url())).await.code(),
        "BadRequest_NotFound"
    );
}

#[tokio::test]
async fn wrong_credentials_get_no_token() {
    let client = Client::empty().await;
    let (tenant, id, secret) = client.simulator.credentials();
    let scope = "https://api.businesscentral.dynamics.com/.default";
    let cases = [
        (tenant.as_str(), "client_credentials", id.as_str(), "wrong", scope, 401),
        (tenant.as_str(), "client_credentials", "nobody", secret.as_str(), scope, 400),
        (tenant.as_str(), "password", id.as_str(), secret.as_str(), scope, 400),
        (
            tenant.as_str(),
            "client_credentials",
            id.as_str(),
            secret.as_str(),
            "https://graph.microsoft.com/.default",
            400,
        ),
        ("elsewhere", "client_credentials", id.as_str(), secret.as_str(), scope, 400),
    ];
    for (tenant, grant, id, secret, scope, expected) in cases {
        let url = format!("{}/{tenant}/oauth2/v2.0/token", client.simulator.authority());
        let form = [("grant_type", grant), ("client_id", id), ("client_secret", secret), ("scope", scope)];
        let reply = client.http.post(url).form(&form).send().await.unwrap();
        assert_eq!(reply.status().as_u16(), expected, "{grant} {id} {secret} {scope}");
        assert!(
            reply.json::<serde_json::Value>().await.unwrap()["error_description"]
                .as_str()
                .unwrap()
                .starts_with("AADSTS")
        );
    }
    assert_eq!(client.simulator.requests(), 0);
}

#[tokio::test]
async fn after_a_rotation_only_the_new_secret_gets_tokens() {
    let client = Client::empty().await;
    let (tenant, id, old) = client.simulator.credentials();
    client.simulator.faults().rotate_client_secret("rotated");
    for (secret, expected) in [(old.as_str(), 401), ("rotated", 200)] {
        let url = format!("{}/{tenant}/oauth2/v2.0/token", client.simulator.authority());
        let scope = "https://api.businesscentral.dynamics.com/.default";
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", id.as_str()),
            ("client_secret", secret),
            ("scope", scope),
        ];
        let reply = client.http.post(url).form(&form).send().await.unwrap();
        assert_eq!(reply.status().as_u16(), expected, "{secret}");
    }
}

#[tokio::test]
async fn a_page_holds_twenty_thousand_rows_and_the_rest_follows() {
    let demo = DemoSize { items: 20_001, blocked_items: 0, ..DemoSize::default() };
    let client = Client::with(BusinessCentralOptions { demo: Some(demo), ..BusinessCentralOptions::default() }).await;
    let first = client.get(&client.standard("items?$select=number&$count=true")).await;
    assert_eq!((first.values().len(), first.body["@odata.count"].as_u64()), (20_000, Some(20_001)));
    let rest = client.get(first.body["@odata.nextLink"].as_str().unwrap()).await;
    assert_eq!(rest.values().len(), 1);
    assert!(rest.body["@odata.nextLink"].is_null());
    let added = client.post(&client.standard("items"), json!({})).await;
    assert_eq!(added.body["number"], "21001");
}
