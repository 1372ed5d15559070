//! Links, tokens, literals, counts and refusals on the wire.

use dataverse_simulator::{DataverseOptions, DataverseSimulator};
use reqwest::{Client as Http, Method};
use serde_json::{Value, json};

use crate::client::Client;

const HOST: &str = "couplet.crm4.dynamics.com";

/// A client that calls the simulator by another name, and the root that it calls.
async fn by_another_name() -> (Client, Http, String) {
    let client = Client::start(DataverseOptions::default()).await;
    let address: std::net::SocketAddr = client.simulator.url().trim_start_matches("http://").parse().unwrap();
    let http = Http::builder().resolve(HOST, address).build().unwrap();
    let root = format!("http://{HOST}:{}/api/data/v9.1", address.port());
    (client, http, root)
}

#[tokio::test]
async fn f36_every_link_leads_back_to_the_host_and_the_version_that_were_called() {
    let (client, http, root) = by_another_name().await;
    let created = http
        .post(format!("{root}/accounts"))
        .bearer_auth(&client.token)
        .json(&json!({"name": "Called by name"}))
        .send()
        .await
        .unwrap();
    for header in ["OData-EntityId", "Location"] {
        let link = created.headers()[header].to_str().unwrap().to_owned();
        assert!(link.starts_with(&format!("{root}/accounts(")), "{header}: {link}");
    }
    let get = |resource: &str, prefer: &str| {
        let request =
            http.get(format!("{root}/{resource}")).bearer_auth(&client.token).header("Prefer", prefer.to_owned());
        async { request.send().await.unwrap().json::<Value>().await.unwrap() }
    };
    let page = get("accounts?$select=name", "odata.maxpagesize=1").await;
    assert_eq!(page["@odata.context"], format!("{root}/$metadata#accounts(name)"));
    let next = page["@odata.nextLink"].as_str().unwrap();
    assert!(next.starts_with(&format!("{root}/accounts?")), "{next}");
    let followed = http.get(next).bearer_auth(&client.token).send().await.unwrap();
    assert_eq!(followed.status(), 200);
    let tracked = get("accounts?$select=name", "odata.track-changes").await;
    let delta = tracked["@odata.deltaLink"].as_str().unwrap();
    assert!(delta.starts_with(&format!("{root}/accounts?")), "{delta}");
    assert_eq!(http.get(delta).bearer_auth(&client.token).send().await.unwrap().status(), 200);
    let definitions = get("EntityDefinitions(LogicalName='account')?$select=LogicalName", "").await;
    assert_eq!(definitions["@odata.context"], format!("{root}/$metadata#EntityDefinitions/$entity"));
}

#[tokio::test]
async fn f36_links_inside_a_batch_lead_back_to_the_host_of_the_batch() {
    let (client, http, root) = by_another_name().await;
    let body = "--b\r\nContent-Type: application/http\r\n\r\nPOST accounts HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{\"name\": \"In a batch\"}\r\n--b--\r\n";
    let answer = http
        .post(format!("{root}/$batch"))
        .bearer_auth(&client.token)
        .header("Content-Type", "multipart/mixed; boundary=b")
        .body(body)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(answer.contains(&format!("OData-EntityId: {root}/accounts(")), "{answer}");
}

/// Asks for a token: Basic credentials, then fields of the form.
async fn token(simulator: &DataverseSimulator, basic: Option<(&str, &str)>, form: &[(&str, &str)]) -> (u16, Value) {
    let (tenant, ..) = simulator.credentials();
    let mut all = vec![("grant_type", "client_credentials"), ("scope", "https://x/.default")];
    all.extend_from_slice(form);
    let mut request = Http::new().post(format!("{}/{tenant}/oauth2/v2.0/token", simulator.authority())).form(&all);
    if let Some((client, secret)) = basic {
        request = request.basic_auth(client, Some(secret));
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn f36_the_token_endpoint_takes_http_basic() {
    let simulator = DataverseSimulator::start(DataverseOptions::default()).await.unwrap();
    let (_, id, secret) = simulator.credentials();
    let (status, answer) = token(&simulator, Some((&id, &secret)), &[]).await;
    assert_eq!((status, answer["token_type"].as_str()), (200, Some("Bearer")));
    // Both parts are encoded like fields of a form before they are joined.
    let (status, _) = token(&simulator, Some((&id, &secret.replace('-', "%2D"))), &[]).await;
    assert_eq!(status, 200);
    let (status, answer) = token(&simulator, Some((&id, "wrong")), &[]).await;
    assert_eq!((status, answer["error"].as_str()), (401, Some("invalid_client")));
    let twice = [("client_id", id.as_str()), ("client_secret", secret.as_str())];
    let (status, answer) = token(&simulator, Some((&id, &secret)), &twice).await;
    assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_request")));
}

#[tokio::test]
async fn f36_bodies_are_read_as_strictly_as_the_service_reads_them() {
    let client = Client::start(DataverseOptions::default()).await;
    let opportunity = client.post("opportunities", json!({"name": "Dates"})).await.new_id();
    let order = client.post("salesorders", json!({"name": "Dates"})).await.new_id();
    for (resource, body, status) in [
        (format!("salesorders({order})"), json!({"requestdeliveryby": "2026-03-01T10:00:00Z"}), 204),
        (format!("salesorders({order})"), json!({"requestdeliveryby": "2026-03-01T10:00:00+02:00"}), 204),
        (format!("salesorders({order})"), json!({"requestdeliveryby": "2026-03-01"}), 204),
        // A time without an offset is no instant.
        (format!("salesorders({order})"), json!({"requestdeliveryby": "2026-03-01T10:00:00"}), 400),
        // A day takes no time.
        (format!("opportunities({opportunity})"), json!({"estimatedclosedate": "2026-03-01"}), 204),
        (format!("opportunities({opportunity})"), json!({"estimatedclosedate": "2026-03-01T00:00:00Z"}), 400),
        // A decimal is no whole number, whatever its value.
        (format!("opportunities({opportunity})"), json!({"closeprobability": 5}), 204),
        (format!("opportunities({opportunity})"), serde_json::from_str(r#"{"closeprobability": 5.0}"#).unwrap(), 400),
        (format!("opportunities({opportunity})"), serde_json::from_str(r#"{"closeprobability": 5e0}"#).unwrap(), 400),
        (format!("opportunities({opportunity})"), serde_json::from_str(r#"{"prioritycode": 1.0}"#).unwrap(), 400),
    ] {
        let answer = client.patch(&resource, body.clone(), &[]).await;
        assert_eq!(answer.status, status, "{resource} {body}: {}", answer.text());
        if status == 400 {
            assert_eq!(answer.code(), "0x80048d19", "{body}");
        }
    }
}

#[tokio::test]
async fn f36_filters_are_read_as_strictly_as_the_service_reads_them() {
    let client = Client::start(DataverseOptions::default()).await;
    for (filter, status) in [
        ("name eq 'Contoso'", 200),
        ("name eq \"Contoso\"", 400),
        ("contains(name,\"Contoso\")", 400),
        // Lists of query functions have their texts in double quotes.
        ("Microsoft.Dynamics.CRM.In(PropertyName='name',PropertyValues=[\"Contoso\"])", 200),
        ("createdon gt 2026-03-01T10:00:00Z", 200),
        ("createdon gt 2026-03-01", 200),
        ("createdon gt 2026-03-01T10:00:00", 400),
        // The platform reads the values of query functions itself.
        ("Microsoft.Dynamics.CRM.OnOrAfter(PropertyName='createdon',PropertyValue='2026-03-01T10:00:00')", 200),
    ] {
        let answer = client.get(&format!("accounts?$select=name&$filter={filter}")).await;
        assert_eq!(answer.status, status, "{filter}: {}", answer.text());
    }
    for (filter, status) in
        [("estimatedclosedate eq 2026-03-01", 200), ("estimatedclosedate ge 2026-03-01T00:00:00Z", 400)]
    {
        let answer = client.get(&format!("opportunities?$select=name&$filter={filter}")).await;
        assert_eq!(answer.status, status, "{filter}: {}", answer.text());
    }
}

#[tokio::test]
async fn f36_a_total_that_nobody_counted_exceeds_no_limit() {
    let client = Client::start(DataverseOptions::default()).await;
    let annotated = [("Prefer", "odata.include-annotations=\"*\"")];
    let totals = |body: Value| {
        (
            body["@Microsoft.Dynamics.CRM.totalrecordcount"].as_i64(),
            body["@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded"].as_bool(),
        )
    };
    let plain = client.send(Method::GET, "accounts?$select=name", None, &annotated).await.json();
    assert_eq!(totals(plain), (Some(-1), Some(false)));
    let counted = client.send(Method::GET, "accounts?$select=name&$count=true", None, &annotated).await.json();
    assert_eq!(totals(counted), (Some(5), Some(false)));
    let fetched = "accounts?fetchXml=<fetch><entity name='account'><attribute name='name'/></entity></fetch>";
    let fetched = client.send(Method::GET, fetched, None, &annotated).await.json();
    assert_eq!(totals(fetched), (Some(-1), Some(false)));
}

#[tokio::test]
async fn f36_a_total_at_the_limit_is_whole_and_one_beyond_is_not() {
    let client = Client::start(DataverseOptions { demo: None, ..DataverseOptions::default() }).await;
    let rows = (0..5000).map(|number| json!({"name": format!("A{number}")})).collect();
    client.simulator.create_many_as_user("account", rows).unwrap();
    let annotated = [("Prefer", "odata.include-annotations=\"Microsoft.Dynamics.CRM.*\"")];
    for exceeded in [false, true] {
        let page = client.send(Method::GET, "accounts?$select=accountid&$count=true", None, &annotated).await.json();
        assert_eq!(page["@odata.count"], 5000);
        assert_eq!(page["@Microsoft.Dynamics.CRM.totalrecordcount"], 5000);
        assert_eq!(page["@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded"], exceeded);
        client.simulator.create_as_user("account", json!({"name": "One more"})).unwrap();
    }
}

#[tokio::test]
async fn f36_what_the_service_can_do_and_the_simulator_cannot_is_refused_as_such() {
    let client = Client::start(DataverseOptions::default()).await;
    let account = client.post("accounts", json!({"name": "A"})).await.new_id();
    for function in [
        "RetrieveUserQueues(UserId=@u)?@u=00000000-0000-0000-0000-000000000001".to_owned(),
        "RetrieveOrganizationInfo()".to_owned(),
        "GetAllTimeZonesWithDisplayName(LocaleId=1033)".to_owned(),
        format!("accounts({account})/Microsoft.Dynamics.CRM.RetrieveSharedPrincipalsAndAccess()"),
    ] {
        let answer = client.get(&function).await;
        assert_eq!(answer.status, 501, "{function}: {}", answer.text());
        assert!(answer.text().contains("is not implemented by the Dataverse simulator"), "{}", answer.text());
    }
    for action in ["GrantAccess", "QualifyLead", "CloseIncident"] {
        assert_eq!(client.post(action, json!({})).await.status, 501, "{action}");
    }
    // What the service does not have either is not found.
    assert_eq!(client.get("RetrieveNothing()").await.status, 404);
    assert_eq!(client.post("GrantNothing", json!({})).await.status, 404);
    assert_eq!(client.get("RetrieveAvailableLanguages()").await.json()["LocaleIds"], json!([1033]));
}
