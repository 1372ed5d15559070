//! A small AWS on loopback with one deployed stack: its table, its queues, its functions and their logs.
//!
//! The functions are the real handlers, between both simulated systems; what they need of AWS they get over the wire,
//! as the command does.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::QueueAttributeName;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use couplet_local::{EmbeddedDynamoDb, scheduler};
use couplet_model::job::Trigger;
use couplet_runtime::configuration::{Environment, Settings, Sources};
use couplet_runtime::handlers::{Asked, FullSyncEvent};
use couplet_runtime::{Application, Cloud, handlers, wiring};
use serde::Serialize;
use serde_json::{Value, json};
use winterbaume_core::{MockRequest, MockService};
use winterbaume_sqs::SqsService;

use business_central_simulator::BusinessCentralSimulator;
use dataverse_simulator::DataverseSimulator;

/// The job that refreshes item availability.
const ITEM_AVAILABILITY: &str = "Item Availability";

/// The deployed stack.
pub const STACK: &str = "couplet-test";
/// A stack whose functions nobody may look at.
pub const FORBIDDEN: &str = "couplet-forbidden";
const REGION: &str = "us-east-1";
/// Longest time to wait for records to be applied.
const LOOKS: u32 = 600;

/// What a call of a function does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Calls {
    /// It runs the job; `sync-record` applies what it found.
    #[default]
    Work,
    /// It runs the job; nothing applies what it found.
    Find,
    /// It answers never.
    Hang,
}

/// The account.
pub struct Aws {
    url: String,
    /// What the stack was deployed with, secrets included.
    deployed: Environment,
    shared: Arc<Shared>,
}

struct Shared {
    dynamodb: EmbeddedDynamoDb,
    sqs: SqsService,
    /// Variables of the functions.
    environment: Mutex<Environment>,
    application: Mutex<Option<Application>>,
    calls: Mutex<Calls>,
    /// Log events by group.
    logs: Mutex<BTreeMap<String, Vec<Value>>>,
}

impl Aws {
    /// Deploys the stack between both systems.
    pub async fn start(business_central: &BusinessCentralSimulator, dataverse: &DataverseSimulator) -> Self {
        let shared = Arc::new(Shared {
            dynamodb: EmbeddedDynamoDb::open_in_memory().expect("a database"),
            sqs: SqsService::new(),
            environment: Mutex::default(),
            application: Mutex::default(),
            calls: Mutex::default(),
            logs: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });

        let mut aws = Self { url, deployed: Environment::new(), shared };
        let records = aws.create_queue("records").await;
        let tasks = aws.create_queue("tasks").await;
        let environment = environment(business_central, dataverse, &records, &tasks);
        let sources = Sources::of_environment(&environment);
        let settings = Settings::from_sources(&sources).expect("settings");
        let cloud = Cloud {
            dynamodb: aws.dynamodb(),
            sqs: aws.sqs(),
            queue_url: records,
            tasks_queue_url: tasks,
            is_ours_alone: false,
        };
        wiring::store(&settings, cloud.dynamodb.clone()).create_table_if_absent().await.expect("a table");
        let application = Application::new(&settings, cloud).expect("an application");
        *aws.shared.application.lock().expect("a lock") = Some(application);
        *aws.shared.environment.lock().expect("a lock") = with_arns(environment.clone());
        aws.deployed = environment;
        aws
    }

    /// Deploys the stack with another setting.
    pub fn deploy_with(&self, name: &str, value: &str) {
        let mut environment = self.deployed.clone();
        environment.insert(name.to_owned(), value.to_owned());
        let settings = Settings::from_sources(&Sources::of_environment(&environment)).expect("settings");
        let application = Application::new(&settings, self.application().cloud).expect("an application");
        *self.shared.application.lock().expect("a lock") = Some(application);
        *self.shared.environment.lock().expect("a lock") = with_arns(environment);
    }

    /// Variables with which the command finds this account.
    pub fn variables(&self) -> Vec<(&str, &str)> {
        vec![
            ("AWS_ENDPOINT_URL", &self.url),
            ("AWS_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_CONFIG_FILE", "/nowhere"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/nowhere"),
        ]
    }

    /// What calls of functions do from now on.
    pub fn let_calls(&self, calls: Calls) {
        *self.shared.calls.lock().expect("a lock") = calls;
    }

    /// Gives the functions another variable.
    pub fn set_variable(&self, name: &str, value: &str) {
        self.shared.environment.lock().expect("a lock").insert(name.to_owned(), value.to_owned());
    }

    /// Lets a function log a line.
    pub fn log(&self, function: &str, at_milliseconds: i64, line: &str) {
        let mut logs = self.shared.logs.lock().expect("a lock");
        let events = logs.entry(format!("/couplet/{STACK}/{function}")).or_default();
        let id = format!("{function}-{}", events.len());
        events.push(json!({ "eventId": id, "timestamp": at_milliseconds, "message": line }));
    }

    /// The stack's services.
    pub fn application(&self) -> Application {
        self.shared.application.lock().expect("a lock").clone().expect("the stack is deployed")
    }

    /// Receives what is in the records queue until it is given up.
    pub async fn let_records_die(&self) {
        let cloud = self.application().cloud;
        for _ in 0..LOOKS {
            let request = cloud.sqs.receive_message().queue_url(&cloud.queue_url).max_number_of_messages(10);
            let answer = request.send().await.expect("the queue answers");
            if answer.messages().is_empty() {
                return;
            }
            for message in answer.messages() {
                let receipt = message.receipt_handle().expect("a receipt");
                let request = cloud.sqs.change_message_visibility().queue_url(&cloud.queue_url).receipt_handle(receipt);
                request.visibility_timeout(0).send().await.expect("given back");
            }
        }
        panic!("the records do not die");
    }

    /// Messages in a queue, hidden ones included.
    pub async fn depth(&self, url: &str) -> u64 {
        let counts = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let request = self.sqs().get_queue_attributes().queue_url(url).set_attribute_names(Some(counts.to_vec()));
        let answer = request.send().await.expect("the queue answers");
        let attributes = answer.attributes().expect("attributes");
        counts.iter().filter_map(|name| attributes.get(name)?.parse::<u64>().ok()).sum()
    }

    async fn create_queue(&self, name: &str) -> String {
        let dead = format!("{STACK}-{name}-given-up");
        self.sqs().create_queue().queue_name(&dead).send().await.expect("a queue");
        let redrive = json!({
            "deadLetterTargetArn": format!("arn:aws:sqs:{REGION}:123456789012:{dead}"),
            "maxReceiveCount": 2,
        });
        let request = self.sqs().create_queue().queue_name(format!("{STACK}-{name}"));
        let request = request.attributes(QueueAttributeName::RedrivePolicy, redrive.to_string());
        request.send().await.expect("a queue").queue_url.expect("a URL")
    }

    fn sqs(&self) -> aws_sdk_sqs::Client {
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(&self.url);
        aws_sdk_sqs::Client::from_conf(config.build())
    }

    fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(&self.url);
        aws_sdk_dynamodb::Client::from_conf(config.build())
    }
}

/// The settings of the stack, secrets included.
fn environment(
    business_central: &BusinessCentralSimulator,
    dataverse: &DataverseSimulator,
    records: &str,
    tasks: &str,
) -> Environment {
    let url = business_central.url();
    let environment = url.rsplit('/').next().expect("an environment").to_owned();
    let mut variables = vec![
        ("COMPANY", business_central.company_id().to_string()),
        ("BUSINESS_CENTRAL_ENVIRONMENT", environment),
        ("SWITCHES_OWNERSHIP", "person".to_owned()),
        ("SWITCHES_UNIT_GROUPS", "false".to_owned()),
        ("CLOUD_TABLE", format!("{STACK}-table")),
        ("CLOUD_QUEUE_URL", records.to_owned()),
        ("CLOUD_TASKS_QUEUE_URL", tasks.to_owned()),
        ("LOG", "info".to_owned()),
    ];
    let (tenant, client, secret) = business_central.credentials();
    variables.extend([
        ("BUSINESS_CENTRAL_URL", url),
        ("BUSINESS_CENTRAL_AUTHORITY", business_central.authority()),
        ("BUSINESS_CENTRAL_TENANT", tenant),
        ("BUSINESS_CENTRAL_CLIENT_ID", client),
        ("BUSINESS_CENTRAL_CLIENT_SECRET", secret),
    ]);
    let (tenant, client, secret) = dataverse.credentials();
    variables.extend([
        ("DATAVERSE_URL", dataverse.url()),
        ("ENTRA_AUTHORITY", dataverse.authority()),
        ("ENTRA_TENANT", tenant),
        ("ENTRA_CLIENT_ID", client),
        ("ENTRA_CLIENT_SECRET", secret),
    ]);
    variables.into_iter().map(|(name, value)| (format!("COUPLET_{name}"), value)).collect()
}

/// What the functions' configuration shows: where the secrets are, never the secrets.
fn with_arns(environment: Environment) -> Environment {
    let shown = |(name, value): (String, String)| match name.ends_with("_SECRET") {
        true => (format!("{name}_ARN"), format!("arn:aws:secretsmanager:{REGION}:123456789012:secret:{name}")),
        false => (name, value),
    };
    environment.into_iter().map(shown).collect()
}

async fn answer(State(aws): State<Arc<Shared>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let (service, operation) = target.rsplit_once('.').unwrap_or_default();
    match service {
        "DynamoDB_20120810" => {
            let database = aws.dynamodb.clone();
            let operation = operation.to_owned();
            let answered = tokio::task::spawn_blocking(move || database.answer(&operation, &body)).await;
            let (status, body) = answered.expect("the database answers");
            json_answer(status, "application/x-amz-json-1.0", body)
        }
        "AmazonSQS" => {
            let uri = format!("https://sqs.{REGION}.amazonaws.com/");
            let request = MockRequest { method: method.to_string(), uri, headers, body };
            let response = aws.sqs.handle(request).await;
            let status = StatusCode::from_u16(response.status).expect("a status");
            (status, response.headers, response.body).into_response()
        }
        "Logs_20140328" => log_events(&aws, &body),
        _ => function(&aws, uri.path(), &body).await,
    }
}

fn json_answer(status: u16, kind: &str, body: String) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [("content-type", kind.to_owned())], body).into_response()
}

fn refusal(status: u16, code: &str, message: &str) -> Response {
    let mut response = json_answer(status, "application/json", json!({ "message": message }).to_string());
    response.headers_mut().insert(HeaderName::from_static("x-amzn-errortype"), code.parse().expect("a header"));
    response
}

/// Two events a page, so that there are pages.
fn log_events(aws: &Shared, body: &[u8]) -> Response {
    const PAGE: usize = 2;
    let request: Value = serde_json::from_slice(body).expect("JSON");
    let logs = aws.logs.lock().expect("a lock");
    let Some(events) = logs.get(request["logGroupName"].as_str().expect("a group")) else {
        return refusal(400, "ResourceNotFoundException", "The specified log group does not exist.");
    };
    let since = request["startTime"].as_i64().unwrap_or_default();
    let begin = request["nextToken"].as_str().map_or(0, |token| token.parse::<usize>().expect("our token"));
    let found: Vec<&Value> = events.iter().filter(|event| event["timestamp"].as_i64() >= Some(since)).collect();
    let page: Vec<&Value> = found.iter().skip(begin).take(PAGE).copied().collect();
    let mut answer = json!({ "events": page });
    if found.len() > begin + PAGE {
        answer["nextToken"] = json!((begin + PAGE).to_string());
    }
    json_answer(200, "application/x-amz-json-1.1", answer.to_string())
}

async fn function(aws: &Shared, path: &str, body: &[u8]) -> Response {
    let (name, what) = path.strip_prefix("/2015-03-31/functions/").and_then(|rest| rest.split_once('/')).expect(path);
    if name.starts_with(FORBIDDEN) {
        return refusal(403, "AccessDeniedException", "User: arn:aws:iam::1:user/eve is not authorized");
    }
    let Some(function) = name.strip_prefix(&format!("{STACK}-")) else {
        return refusal(404, "ResourceNotFoundException", &format!("Function not found: {name}"));
    };
    if what == "configuration" {
        let environment = aws.environment.lock().expect("a lock").clone();
        let body = json!({ "FunctionName": name, "Environment": { "Variables": environment } });
        return json_answer(200, "application/json", body.to_string());
    }
    let calls = *aws.calls.lock().expect("a lock");
    if calls == Calls::Hang {
        std::future::pending::<()>().await;
    }
    let application = aws.application.lock().expect("a lock").clone().expect("the stack is deployed");
    let event = match serde_json::from_slice(body).expect("an event of the function") {
        Asked::Run(event) => event,
        Asked::Ask(event) => {
            assert_eq!(function, "run-job");
            let taken_down = handlers::ask(&application, event).await;
            tokio::spawn(apply(application));
            return function_answer(taken_down);
        }
        Asked::FullSync(event) => {
            assert_eq!(function, "run-job");
            let answer = handlers::full_sync(&application, &event).await;
            if answer.is_ok() && calls == Calls::Work && !matches!(event, FullSyncEvent::Review(_)) {
                tokio::spawn(apply_until_quiet(application));
            }
            return function_answer(answer);
        }
        Asked::Notifications(keeping) => {
            assert_eq!(function, "run-job");
            return function_answer(handlers::keep_subscriptions(&application, keeping).await);
        }
        Asked::Meant(event) => return function_answer(handlers::meant(&application, event).await),
        Asked::Find(event) => return function_answer(handlers::find(&application, &event).await),
        Asked::SwitchUnits(event) => {
            assert_eq!(function, "run-job");
            // The time is up after each step.
            let done = handlers::switch_units_in_function(&application, event, Instant::now()).await;
            return function_answer(done);
        }
    };
    assert_eq!(function == "refresh-availability", event.job == ITEM_AVAILABILITY, "{function}");
    assert_ne!(event.trigger, Trigger::Schedule, "a person started it");
    let found = scheduler::start(&application, &event.job, event.mode, event.trigger).await;
    if found.is_ok() && calls == Calls::Work {
        tokio::spawn(apply(application));
    }
    function_answer(found)
}

/// The answer of a function, or its failure.
fn function_answer(answer: Result<impl Serialize, impl std::fmt::Display>) -> Response {
    match answer {
        Ok(answer) => json_answer(200, "application/json", serde_json::to_string(&answer).expect("JSON")),
        Err(error) => {
            let body = json!({ "errorType": "EngineError", "errorMessage": error.to_string() }).to_string();
            let mut response = json_answer(200, "application/json", body);
            let header = HeaderName::from_static("x-amz-function-error");
            response.headers_mut().insert(header, "Unhandled".parse().expect("a header"));
            response
        }
    }
}

/// What `run-task`, `sync-record` and their event sources do, until both queues are empty.
async fn apply(application: Application) {
    let (tasks, records) = (application.cloud.tasks_queue_url.clone(), application.cloud.queue_url.clone());
    for _ in 0..LOOKS {
        let event = receive(&application, &tasks).await;
        if !event.records.is_empty() {
            let response = handlers::run_task(&application, event.clone(), None).await;
            assert!(response.batch_item_failures.is_empty(), "every task is done");
            delete(&application, &tasks, &event).await;
        }
        let event = receive(&application, &records).await;
        if event.records.is_empty() {
            return;
        }
        let response = handlers::sync_record(&application, event.clone()).await;
        assert!(response.batch_item_failures.is_empty(), "every record is applied");
        delete(&application, &records, &event).await;
    }
}

/// As [`apply`], until no message is left that comes later: one task may wait for what others do.
async fn apply_until_quiet(application: Application) {
    let queues = [application.cloud.tasks_queue_url.clone(), application.cloud.queue_url.clone()];
    let names = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        QueueAttributeName::ApproximateNumberOfMessagesDelayed,
    ];
    let mut looks = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..LOOKS {
        looks.tick().await;
        apply(application.clone()).await;
        let mut left: u64 = 0;
        for url in &queues {
            let request = application.cloud.sqs.get_queue_attributes().queue_url(url);
            let answer = request.set_attribute_names(Some(names.to_vec())).send().await.expect("the queue answers");
            let attributes = answer.attributes().expect("attributes");
            left += names.iter().filter_map(|name| attributes.get(name)?.parse::<u64>().ok()).sum::<u64>();
        }
        if left == 0 {
            return;
        }
    }
}

/// Up to ten messages of a queue.
async fn receive(application: &Application, queue: &str) -> SqsEvent {
    let request = application.cloud.sqs.receive_message().queue_url(queue).max_number_of_messages(10);
    let answer = request.send().await.expect("the queue answers");
    let mut event = SqsEvent::default();
    for message in answer.messages() {
        let mut incoming = SqsMessage::default();
        incoming.message_id = message.message_id.clone();
        incoming.receipt_handle = message.receipt_handle.clone();
        incoming.body = message.body.clone();
        event.records.push(incoming);
    }
    event
}

async fn delete(application: &Application, queue: &str, event: &SqsEvent) {
    for message in &event.records {
        let receipt = message.receipt_handle.as_deref().expect("a receipt");
        let request = application.cloud.sqs.delete_message().queue_url(queue).receipt_handle(receipt);
        request.send().await.expect("deleted");
    }
}
