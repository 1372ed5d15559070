//! Behaviour over real HTTP: rows, queries, upserts, change tracking, batches and bulk messages.

use crate::client::Client;
use dataverse_simulator::DataverseOptions;
use serde_json::{Value, json};

#[tokio::test]
async fn a_request_without_a_token_is_refused() {
    let client = Client::start(DataverseOptions::default()).await;
    let response = reqwest::get(format!("{}/WhoAmI", client.api)).await.unwrap();
    assert_eq!(response.status(), 401);
    assert!(response.headers().contains_key("www-authenticate"));
}

#[tokio::test]
async fn a_wrong_secret_gets_the_documented_refusal() {
    let client = Client::start(DataverseOptions::default()).await;
    let (tenant, id, _) = client.simulator.credentials();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", id.as_str()),
        ("client_secret", "wrong"),
        ("scope", "x/.default"),
    ];
    let response = reqwest::Client::new()
        .post(format!("{}/{tenant}/oauth2/v2.0/token", client.simulator.authority()))
        .form(&form)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 401);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error_codes"][0], 7_000_215);
}

#[tokio::test]
async fn who_am_i_names_the_application_user() {
    let client = Client::start(DataverseOptions::default()).await;
    let body = client.get("WhoAmI").await.json();
    assert_eq!(body["UserId"], client.simulator.integration_user().to_string());
}

#[tokio::test]
async fn a_created_row_can_be_read_updated_and_deleted() {
    let client = Client::start(DataverseOptions::default()).await;
    let created =
        client.post("accounts", json!({"name": "Contoso", "creditlimit": 1000.5, "customertypecode": 3})).await;
    assert_eq!(created.status, 204);
    let id = created.new_id();
    let read = client.get(&format!("accounts({id})?$select=name,creditlimit,statecode,_ownerid_value")).await;
    assert_eq!(read.status, 200);
    let body = read.json();
    assert_eq!(body["name"], "Contoso");
    assert_eq!(body["creditlimit"].to_string(), "1000.5000");
    assert_eq!(body["statecode"], 0);
    assert_eq!(body["_ownerid_value"], client.simulator.integration_user().to_string());
    assert!(body["_transactioncurrencyid_value"].is_string());
    assert_eq!(
        client.patch(&format!("accounts({id})"), json!({"name": "Contoso Ltd"}), &[("If-Match", "*")]).await.status,
        204
    );
    let stale = client
        .patch(&format!("accounts({id})"), json!({"name": "x"}), &[("If-Match", body["@odata.etag"].as_str().unwrap())])
        .await;
    assert_eq!((stale.status, stale.code()), (412, "0x80060882".to_owned()));
    assert_eq!(client.delete(&format!("accounts({id})")).await.status, 204);
    let gone = client.get(&format!("accounts({id})")).await;
    assert_eq!((gone.status, gone.code()), (404, "0x80040217".to_owned()));
}

#[tokio::test]
async fn lookups_are_bound_and_cleared_by_navigation_property() {
    let client = Client::start(DataverseOptions::default()).await;
    let account = client.post("accounts", json!({"name": "A"})).await.new_id();
    let contact = client
        .post(
            "contacts",
            json!({"lastname": "B", "parentcustomerid_account@odata.bind": format!("/accounts({account})")}),
        )
        .await
        .new_id();
    let read = client.get(&format!("contacts({contact})?$select=_parentcustomerid_value")).await.json();
    assert_eq!(read["_parentcustomerid_value"], account);
    let filtered = client.get(&format!("contacts?$select=fullname&$filter=_parentcustomerid_value eq {account}&$expand=parentcustomerid_account($select=name)")).await.json();
    assert_eq!(filtered["value"][0]["parentcustomerid_account"]["name"], "A");
    assert_eq!(
        client
            .patch(&format!("contacts({contact})"), json!({"parentcustomerid_account@odata.bind": null}), &[])
            .await
            .status,
        204
    );
    let read = client.get(&format!("contacts({contact})?$select=_parentcustomerid_value")).await.json();
    assert!(read["_parentcustomerid_value"].is_null());
    let wrong_case = client
        .patch(
            &format!("contacts({contact})"),
            json!({"ParentCustomerId_account@odata.bind": format!("/accounts({account})")}),
            &[],
        )
        .await;
    assert_eq!((wrong_case.status, wrong_case.code()), (400, "0x80048d19".to_owned()));
}

#[tokio::test]
async fn an_upsert_creates_once_and_then_updates() {
    let client = Client::start(DataverseOptions::default()).await;
    let id = "5f1b7c0e-54d1-4a8e-9f1c-2f1d7a550099";
    let first =
        client.patch(&format!("accounts({id})"), json!({"name": "A"}), &[("Prefer", "return=representation")]).await;
    assert_eq!(first.status, 201);
    let second =
        client.patch(&format!("accounts({id})"), json!({"name": "B"}), &[("Prefer", "return=representation")]).await;
    assert_eq!(second.status, 200);
    let refused = client.patch(&format!("accounts({id})"), json!({"name": "B"}), &[("If-None-Match", "*")]).await;
    assert_eq!((refused.status, refused.code()), (412, "0x80040237".to_owned()));
    let missing = client
        .patch("accounts(5f1b7c0e-54d1-4a8e-9f1c-2f1d7a550098)", json!({"name": "B"}), &[("If-Match", "*")])
        .await;
    assert_eq!(missing.status, 404);
}

#[tokio::test]
async fn pages_follow_each_other_without_gaps() {
    let client = Client::start(DataverseOptions::default()).await;
    for number in 0..23 {
        client.post("accounts", json!({"name": format!("N{:02}", (number * 7) % 23), "customertypecode": 11})).await;
    }
    for query in [
        "accounts?$select=name&$filter=customertypecode eq 11",
        "accounts?$select=name&$filter=customertypecode eq 11&$orderby=name desc",
    ] {
        let mut names = Vec::new();
        let mut next = Some(query.to_owned());
        let mut pages = 0;
        while let Some(url) = next {
            let page = client.send(reqwest::Method::GET, &url, None, &[("Prefer", "odata.maxpagesize=5")]).await.json();
            names.extend(page["value"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()));
            next = page["@odata.nextLink"].as_str().map(str::to_owned);
            pages += 1;
            assert!(pages < 10);
        }
        assert_eq!((pages, names.len()), (5, 23));
        if query.contains("desc") {
            assert!(names.windows(2).all(|pair| pair[0] > pair[1]));
        }
    }
}

#[tokio::test]
async fn change_tracking_tells_changes_and_then_deletions() {
    let client = Client::start(DataverseOptions::default()).await;
    let kept = client.post("accounts", json!({"name": "kept"})).await.new_id();
    let first = client
        .send(
            reqwest::Method::GET,
            "accounts?$select=name",
            None,
            &[("Prefer", "odata.track-changes,odata.maxpagesize=2")],
        )
        .await;
    assert!(first.header("preference-applied").contains("odata.track-changes"));
    let mut page = first.json();
    let mut rows = page["value"].as_array().unwrap().len();
    while let Some(next) = page["@odata.nextLink"].as_str().map(str::to_owned) {
        page = client
            .send(reqwest::Method::GET, &next, None, &[("Prefer", "odata.track-changes,odata.maxpagesize=2")])
            .await
            .json();
        rows += page["value"].as_array().unwrap().len();
    }
    assert_eq!(rows, client.simulator.count("account"));
    let link = page["@odata.deltaLink"].as_str().unwrap().to_owned();
    let quiet = client.get(&link).await.json();
    assert_eq!(quiet["value"], json!([]));
    client.patch(&format!("accounts({kept})"), json!({"name": "changed"}), &[]).await;
    let short = client.post("accounts", json!({"name": "short"})).await.new_id();
    client.delete(&format!("accounts({short})")).await;
    let delta = client.get(&link).await.json();
    assert_eq!(delta["value"][0]["name"], "changed");
    assert_eq!(delta["value"][1]["id"], short);
    assert_eq!(delta["value"][1]["reason"], "deleted");
    assert!(delta["@odata.context"].as_str().unwrap().ends_with("#accounts(name)/$delta"));
    let filtered = client
        .send(reqwest::Method::GET, "accounts?$filter=name eq 'x'", None, &[("Prefer", "odata.track-changes")])
        .await;
    assert_eq!(filtered.status, 400);
    client.simulator.expire_delta_links();
    let expired = client.get(&link).await;
    assert_eq!((expired.status, expired.code()), (400, "0x80044352".to_owned()));
}

#[tokio::test]
async fn bulk_messages_are_one_transaction() {
    let client = Client::start(DataverseOptions::default()).await;
    let kind = "Microsoft.Dynamics.CRM.account";
    let targets: Vec<Value> =
        (0..3).map(|number| json!({"@odata.type": kind, "name": format!("bulk {number}")})).collect();
    let created = client.post("accounts/Microsoft.Dynamics.CRM.CreateMultiple", json!({"Targets": targets})).await;
    assert_eq!(created.status, 200);
    let ids: Vec<String> =
        created.json()["Ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 3);
    let before = client.simulator.count("account");
    let bad = client.post("accounts/Microsoft.Dynamics.CRM.CreateMultiple", json!({"Targets": [{"@odata.type": kind, "name": "good"}, {"@odata.type": kind, "name": "x", "customertypecode": 99}]})).await;
    assert_eq!((bad.status, bad.code()), (400, "0x8004431A".to_owned()));
    assert_eq!(client.simulator.count("account"), before);
    let updated = client
        .post(
            "accounts/Microsoft.Dynamics.CRM.UpdateMultiple",
            json!({"Targets": [{"@odata.type": kind, "accountid": ids[0], "name": "new"}]}),
        )
        .await;
    assert_eq!(updated.status, 204);
    let upserted = client
        .post("accounts/Microsoft.Dynamics.CRM.UpsertMultiple", json!({"Targets": [{"@odata.type": kind, "accountid": ids[1], "name": "again"}, {"@odata.type": kind, "accountid": "5f1b7c0e-54d1-4a8e-9f1c-2f1d7a550077", "name": "fresh"}]}))
        .await;
    assert_eq!(upserted.status, 204);
    assert_eq!(client.simulator.count("account"), before + 1);
    let listed = client.get("sdkmessagefilters?$select=sdkmessagefilterid&$filter=sdkmessageid/name eq @m and primaryobjecttypecode eq @t&@m='CreateMultiple'&@t='account'").await.json();
    assert_eq!(listed["value"].as_array().unwrap().len(), 1);
    client.simulator.faults().bulk_unsupported("account", true);
    let listed = client.get("sdkmessagefilters?$select=sdkmessagefilterid&$filter=sdkmessageid/name eq @m and primaryobjecttypecode eq @t&@m='CreateMultiple'&@t='account'").await.json();
    assert_eq!(listed["value"], json!([]));
}

#[tokio::test]
async fn a_batch_answers_every_part_in_order() {
    let client = Client::start(DataverseOptions::default()).await;
    for line_end in ["\r\n", "\n"] {
        let body = format!(
            "\n--batch_1\nContent-Type: application/http\nContent-Transfer-Encoding: binary\n\nPOST {api}/accounts HTTP/1.1\nContent-Type: application/json\n\n{{\"name\":\"one\"}}\n--batch_1\nContent-Type: application/http\n\nGET /api/data/v9.2/accounts(00000000-0000-0000-0000-000000000001) HTTP/1.1\n\n\n--batch_1\nContent-Type: multipart/mixed;boundary=changeset_1\n\n--changeset_1\nContent-Type: application/http\nContent-ID: 1\n\nPOST /api/data/v9.2/accounts HTTP/1.1\nContent-Type: application/json; type=entry\n\n{{\"name\":\"parent\"}}\n--changeset_1\nContent-Type: application/http\nContent-ID: 2\n\nPOST /api/data/v9.2/contacts HTTP/1.1\nContent-Type: application/json\n\n{{\"lastname\":\"child\",\"parentcustomerid_account@odata.bind\":\"$1\"}}\n--changeset_1--\n\n--batch_1--\n",
            api = client.api
        )
        .replace('\n', line_end);
        let continued = client.batch("batch_1", &body, true).await;
        assert_eq!(continued.status, 200, "{}", continued.text());
        let text = continued.text();
        assert_eq!(text.matches("HTTP/1.1 204 No Content").count(), 3, "{text}");
        assert_eq!(text.matches("HTTP/1.1 404 Not Found").count(), 1);
        assert!(text.starts_with("--batchresponse_"));
        let stopped = client.batch("batch_1", &body, false).await;
        assert_eq!(stopped.status, 404);
        assert_eq!(stopped.text().matches("HTTP/1.1 204 No Content").count(), 1);
    }
}

#[tokio::test]
async fn a_failing_change_set_leaves_nothing_behind() {
    let client = Client::start(DataverseOptions::default()).await;
    let before = client.simulator.count("account");
    let body = "--b\r\nContent-Type: multipart/mixed; boundary=\"c\"\r\n\r\n--c\r\nContent-Type: application/http\r\nContent-ID: 1\r\n\r\nPOST /api/data/v9.2/accounts HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{\"name\":\"one\"}\r\n--c\r\nContent-Type: application/http\r\nContent-ID: 2\r\n\r\nPOST /api/data/v9.2/accounts HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{\"nonsense\":1}\r\n--c--\r\n--b--\r\n";
    let answer = client.batch("b", body, false).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("0x80060888"));
    assert_eq!(client.simulator.count("account"), before);
}

#[tokio::test]
async fn in_finds_rows_by_many_values() {
    let client = Client::start(DataverseOptions::default()).await;
    for name in ["a", "b", "c"] {
        client.post("accounts", json!({"name": name, "accountnumber": format!("N-{name}")})).await;
    }
    let found = client.get("accounts?$select=name&$filter=Microsoft.Dynamics.CRM.In(PropertyName='accountnumber',PropertyValues=[\"N-a\",\"N-c\"])&$orderby=name").await.json();
    let names: Vec<&str> = found["value"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["a", "c"]);
}

#[tokio::test]
async fn a_clock_that_is_behind_shows_in_rows_and_in_the_date_header() {
    let client = Client::start(DataverseOptions::default()).await;
    let switches = format!("{}/_simulator/faults", client.simulator.url());
    assert_eq!(client.post(&switches, json!({"clock_skew_seconds": -172_800})).await.status, 200);
    let account = client.post("accounts", json!({"name": "Late"})).await.new_id();
    let read = client.get(&format!("accounts({account})?$select=modifiedon")).await;
    let modified: jiff::Timestamp = read.json()["modifiedon"].as_str().unwrap().parse().unwrap();
    let date = jiff::fmt::rfc2822::parse(&read.header("date")).unwrap().timestamp();
    let yesterday = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(47);
    assert!(modified < yesterday && date < yesterday, "{modified} {date}");
}
