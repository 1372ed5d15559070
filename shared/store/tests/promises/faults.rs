//! A DynamoDB that falters: what passes is tried again, what does not is named.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use couplet_embedded_cloud::EmbeddedDynamoDb;
use couplet_model::{Clock, Coupling, RetryClass, Side, SystemId};
use couplet_store::{CommitResult, DeadLetter, Retention, Store, StoreError};
use serde_json::json;

use crate::builders::*;

/// Answers the next calls of an operation from a script, and counts all calls.
#[derive(Clone, Debug)]
struct Faltering {
    inner: SharedHttpClient,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    script: BTreeMap<String, VecDeque<(u16, String)>>,
    calls: BTreeMap<String, usize>,
}

impl Faltering {
    fn next(&self, operation: &str, status: u16, body: &serde_json::Value) {
        let mut state = self.state.lock().unwrap();
        state.script.entry(operation.to_owned()).or_default().push_back((status, body.to_string()));
    }

    fn calls(&self, operation: &str) -> usize {
        self.state.lock().unwrap().calls.get(operation).copied().unwrap_or_default()
    }
}

impl HttpClient for Faltering {
    fn http_connector(&self, settings: &HttpConnectorSettings, parts: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, parts);
        SharedHttpConnector::new(FalteringConnector { inner, state: Arc::clone(&self.state) })
    }
}

#[derive(Debug)]
struct FalteringConnector {
    inner: SharedHttpConnector,
    state: Arc<Mutex<State>>,
}

impl HttpConnector for FalteringConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let mut state = self.state.lock().unwrap();
        *state.calls.entry(operation.clone()).or_default() += 1;
        match state.script.get_mut(&operation).and_then(VecDeque::pop_front) {
            Some((status, body)) => {
                HttpConnectorFuture::ready(Ok(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))))
            }
            None => self.inner.call(request),
        }
    }
}

async fn faltering_store() -> (Store, Faltering) {
    let client = EmbeddedDynamoDb::open_in_memory().unwrap().client();
    let inner = client.config().http_client().unwrap();
    let faltering = Faltering { inner, state: Arc::default() };
    let config = client.config().to_builder().http_client(faltering.clone()).build();
    (store_on(aws_sdk_dynamodb::Client::from_conf(config)).await, faltering)
}

fn cancelled(codes: &[&str]) -> serde_json::Value {
    let reasons: Vec<_> = codes.iter().map(|code| json!({"Code": code})).collect();
    json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled",
        "CancellationReasons": reasons,
    })
}

fn refused(kind: &str) -> serde_json::Value {
    json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{kind}"), "message": "no"})
}

#[tokio::test]
async fn a_transaction_that_met_another_is_tried_again() {
    let (store, faltering) = faltering_store().await;
    faltering.next("TransactWriteItems", 400, &cancelled(&["TransactionConflict", "None"]));
    faltering.next("TransactWriteItems", 400, &cancelled(&["None", "ThrottlingError"]));
    reserved(&store, &items(), vec![pair(1, 1)]).await;
    assert_eq!(faltering.calls("TransactWriteItems"), 3);
}

#[tokio::test]
async fn keys_left_unread_are_asked_again() {
    let (store, faltering) = faltering_store().await;
    let coupling = reserved(&store, &items(), vec![pair(1, 1)]).await.remove(0);
    let first_key = {
        // What an overloaded service answers: nothing read, everything still to be asked.
        let shard = store.coupling_page(COMPANY, &items(), None, 1).await.unwrap().next.unwrap();
        let shard: u8 = shard.split_once('#').unwrap().0.parse().unwrap();
        json!({
            "pk": {"S": format!("{COMPANY}#{}#{shard:x}", items())},
            "sk": {"S": format!("coupling#{}", coupling.system_id)},
        })
    };
    let unread =
        json!({"Responses": {}, "UnprocessedKeys": {"couplet": {"Keys": [first_key], "ConsistentRead": true}}});
    faltering.next("BatchGetItem", 200, &unread);
    faltering.next("BatchGetItem", 400, &refused("ProvisionedThroughputExceededException"));
    let read = store.couplings_by_id(COMPANY, &items(), Side::BusinessCentral, &[bc(1)]).await.unwrap();
    assert_eq!(read[&bc(1)], coupling);
    assert_eq!(faltering.calls("BatchGetItem"), 3);
}

#[tokio::test]
async fn f35_answers_that_do_a_part_of_it_each_time_are_no_throttling() {
    let (store, faltering) = faltering_store().await;
    let key = |n: usize| json!({"pk": {"S": "p"}, "sk": {"S": n.to_string()}});
    // One key less with every answer, more answers than there are attempts.
    for left in (1..=14).rev() {
        let keys: Vec<_> = (0..left).map(key).collect();
        let unread = json!({"Responses": {}, "UnprocessedKeys": {"couplet": {"Keys": keys, "ConsistentRead": true}}});
        faltering.next("BatchGetItem", 200, &unread);
        let requests: Vec<_> = keys.iter().map(|key| json!({"DeleteRequest": {"Key": key}})).collect();
        faltering.next("BatchWriteItem", 200, &json!({"UnprocessedItems": {"couplet": requests}}));
    }
    let ids: Vec<_> = (0..15).map(bc).collect();
    store.couplings_by_id(COMPANY, &items(), Side::BusinessCentral, &ids).await.unwrap();
    assert_eq!(faltering.calls("BatchGetItem"), 15);
    let died = |n: usize| DeadLetter { message_id: n.to_string(), reason: "gone".to_owned(), at: at(0) };
    store.note_dead_letters(COMPANY, &(0..15).map(died).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(faltering.calls("BatchWriteItem"), 15);
}

#[tokio::test]
async fn a_request_is_repeated_in_one_place_only() {
    for (answer, calls) in [((500, refused("InternalServerError")), 3), ((400, refused("ValidationException")), 1)] {
        let (store, faltering) = faltering_store().await;
        let before = faltering.calls("GetItem");
        for _ in 0..40 {
            faltering.next("GetItem", answer.0, &answer.1);
        }
        store.setting(COMPANY, "catalogue").await.expect_err("it goes on");
        assert_eq!(faltering.calls("GetItem") - before, calls, "{}", answer.1);
    }
}

#[tokio::test]
async fn times_of_the_store_are_those_of_its_clock() {
    let client = EmbeddedDynamoDb::open_in_memory().unwrap().client();
    let store = store_on(client.clone()).await.with_clock(Clock::new(|| at(1_000)));
    let run = started_at(&store, at(0)).await;
    let counted = reserved(&store, &items(), vec![pair(1, 1)]).await.into_iter().map(storing).collect();
    store.run_found(COMPANY, JOB, run, at(1), None).await.unwrap();
    store.commit(COMPANY, &items(), JOB, run, counted).await.unwrap();
    assert_eq!(store.run(COMPANY, JOB, run).await.unwrap().unwrap().finished, Some(at(1_000)));
    store.mark_intents(COMPANY, &items(), &[SystemId::from(bc(2))]).await.unwrap();
    let all = client.scan().table_name("couplet").send().await.unwrap();
    let expiries: Vec<i64> =
        all.items().iter().filter_map(|item| item.get("expires")?.as_n().ok()?.parse().ok()).collect();
    assert!(expiries.len() >= 3, "a run, its counter and a mark: {expiries:?}");
    let years = 3 * 365 * 24 * 3600;
    assert!(expiries.iter().all(|expiry| (*expiry - at(1_000).as_second()).abs() < years), "{expiries:?}");
}

#[tokio::test]
async fn a_denied_access_is_a_matter_of_configuration() {
    let (store, faltering) = faltering_store().await;
    faltering.next("GetItem", 400, &refused("AccessDeniedException"));
    let error = store.setting(COMPANY, "catalogue").await.unwrap_err();
    assert!(matches!(error, StoreError::AccessDenied(_)), "{error}");
    assert_eq!(error.retry_class(), RetryClass::Configuration);
}

#[tokio::test]
async fn a_missing_table_is_named() {
    let client = EmbeddedDynamoDb::open_in_memory().unwrap().client();
    let store = Store::new(client, "nowhere", Retention::default());
    for error in [
        store.setting(COMPANY, "catalogue").await.unwrap_err(),
        store.reserve(COMPANY, &items(), vec![pair(1, 1)]).await.unwrap_err(),
        store.coupling_page(COMPANY, &items(), None, 1).await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("nowhere"), "{error}");
        assert_eq!(error.retry_class(), RetryClass::Configuration);
    }
}

#[tokio::test]
async fn a_table_that_is_there_is_left_as_it_is() {
    let (store, _) = faltering_store().await;
    reserved(&store, &items(), vec![pair(1, 1)]).await;
    store.create_table_if_absent().await.unwrap();
    assert!(one_by_bc(&store, &items(), 1).await.is_some());
}

#[tokio::test]
async fn a_batch_costs_few_requests() {
    let (store, faltering) = faltering_store().await;
    let run = started(&store).await;
    let before = faltering.calls("TransactWriteItems");
    let couplings = reserved(&store, &items(), (0..99).map(|n| keyed(n, &n.to_string())).collect()).await;
    assert_eq!(faltering.calls("TransactWriteItems") - before, 3);
    let results =
        store.commit(COMPANY, &items(), JOB, run, couplings.into_iter().map(storing).collect()).await.unwrap();
    assert_eq!(results, [CommitResult::Stored; 99]);
    assert_eq!(faltering.calls("TransactWriteItems") - before, 4);
    assert_eq!((faltering.calls("Query"), faltering.calls("UpdateItem")), (1, 0));
}

#[tokio::test]
async fn the_couplings_of_200_lines_end_in_a_few_requests() {
    let (store, faltering) = faltering_store().await;
    let header = SystemId::from(bc(9000));
    let lines = (0..200).map(|line| Coupling { document: Some(header), ..pair(line, line) }).collect();
    reserved(&store, &items(), lines).await;
    let before = faltering.calls("TransactWriteItems");
    let found = store.couplings_of_documents(COMPANY, &items(), &[header]).await.unwrap();
    store.remove_couplings(COMPANY, &items(), &found).await.unwrap();
    // 200 lines are three items each; 100 items are read or written in one request.
    let written = faltering.calls("TransactWriteItems") - before;
    assert_eq!((faltering.calls("Query"), faltering.calls("BatchGetItem"), written), (1, 2, 7));
    assert!(store.couplings_of_documents(COMPANY, &items(), &[header]).await.unwrap().is_empty());
}
