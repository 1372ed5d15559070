//! DynamoDB in this process: an SDK client whose requests are answered by an embedded engine, without a socket.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::Region;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::owner_only::keep_private;
use crate::refusals::{Refusal, UNKNOWN_OPERATION, unreadable};
use crate::storage::StorageTrouble;

const TARGET_PREFIX: &str = "DynamoDB_20120810.";
/// How a failure of the file is answered. The service itself has no such failure.
const STORAGE_FAILURE: &str = "com.amazonaws.dynamodb.v20120810#StorageFailure";

/// The embedded database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its file is to blame.
    #[error("{0}")]
    File(StorageTrouble),
    /// Anything else.
    #[error("the embedded DynamoDB cannot be opened: {0}")]
    Other(String),
}

impl OpenError {
    fn of(path: &Path, error: &DynoxideError) -> Self {
        let text = error.to_string();
        match StorageTrouble::of_failure(path, &text) {
            Some(trouble) => Self::File(trouble),
            None => Self::Other(format!("{}: {text}", path.display())),
        }
    }
}

/// A DynamoDB in this process; all its clients see the same tables.
#[derive(Clone)]
pub struct EmbeddedDynamoDb {
    database: Database,
    file: Option<Arc<File>>,
}

/// The file beneath a database, and what was found to be wrong with it.
struct File {
    path: PathBuf,
    trouble: OnceLock<StorageTrouble>,
}

impl EmbeddedDynamoDb {
    /// An empty database that is gone with the process.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub fn open_in_memory() -> Result<Self, OpenError> {
        let database = Database::memory().map_err(|error| OpenError::Other(error.to_string()))?;
        // Nothing survives a crash anyway, so nothing needs to be flushed.
        database.enable_bulk_loading().map_err(|error| OpenError::Other(error.to_string()))?;
        Ok(Self { database, file: None })
    }

    /// The database in a file, created if it is not there. What was stored survives the end of the process.
    ///
    /// # Errors
    /// When the file cannot be opened or is no such database.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let text = path.to_str().ok_or_else(|| OpenError::Other(format!("{} is not UTF-8", path.display())))?;
        if let Some(trouble) = StorageTrouble::of_empty(path) {
            return Err(OpenError::File(trouble));
        }
        let database = Database::new(text).map_err(|error| OpenError::of(path, &error))?;
        // With a write-ahead log, `synchronous = NORMAL` keeps every commit through a crash of the process and the
        // file intact through a loss of power, without a flush per transaction.
        database.disable_bulk_loading().map_err(|error| OpenError::of(path, &error))?;
        // Whoever may read the file and not change its rights, as one that only looks, reads it as it is.
        let _ = keep_private(path);
        let file = File { path: path.to_owned(), trouble: OnceLock::new() };
        Ok(Self { database, file: Some(Arc::new(file)) })
    }

    /// A client of this database.
    pub fn client(&self) -> aws_sdk_dynamodb::Client {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version_latest()
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("embedded", "embedded", None, None, "embedded"))
            .http_client(InProcess { database: self.clone() })
            .build();
        aws_sdk_dynamodb::Client::from_conf(config)
    }

    /// Answers one request of the service's wire: the operation behind the target header's last dot, and its JSON. Gives
    /// status and JSON; for whoever serves the database on a socket.
    pub fn answer(&self, operation: &str, body: &[u8]) -> (u16, String) {
        match run(&self.database, operation, body) {
            Ok(body) => (200, body),
            Err(Refusal::UnknownOperation) => (
                400,
                json!({
                    "__type": UNKNOWN_OPERATION,
                    "message": format!("the embedded DynamoDB does not answer {operation:?}"),
                })
                .to_string(),
            ),
            Err(Refusal::Engine(error)) => match self.trouble_of(&error) {
                // As a refusal, which nobody repeats: an internal error would be tried again for a minute.
                Some(trouble) => (400, json!({ "__type": STORAGE_FAILURE, "message": trouble }).to_string()),
                None => (error.status_code(), error.to_json()),
            },
        }
    }

    /// What is wrong with the file beneath the database, once something has been found to be.
    pub fn trouble(&self) -> Option<&StorageTrouble> {
        self.file.as_ref()?.trouble.get()
    }

    /// What a failure says about the file; the first finding stays.
    fn trouble_of(&self, error: &DynoxideError) -> Option<String> {
        let file = self.file.as_ref()?;
        let trouble = StorageTrouble::of_failure(&file.path, &error.to_string())?;
        Some(file.trouble.get_or_init(|| trouble).to_string())
    }

    /// Removes the items whose time to live has passed, as the service does in the background; tells how many.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub fn remove_expired(&self) -> Result<usize, OpenError> {
        self.database.sweep_ttl().map_err(|error| match &self.file {
            Some(file) => OpenError::of(&file.path, &error),
            None => OpenError::Other(error.to_string()),
        })
    }
}

/// The SDK's way to the database: one call per request, on a thread that may block.
#[derive(Clone)]
struct InProcess {
    database: EmbeddedDynamoDb,
}

impl std::fmt::Debug for InProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InProcess")
    }
}

impl HttpClient for InProcess {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let database = self.database.clone();
        HttpConnectorFuture::new(async move {
            tokio::task::spawn_blocking(move || answer(&database, &request))
                .await
                .map_err(|error| ConnectorError::other(Box::new(error), None))?
        })
    }
}

fn answer(database: &EmbeddedDynamoDb, request: &HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let target = request.headers().get("x-amz-target").unwrap_or_default();
    let operation = target.strip_prefix(TARGET_PREFIX).unwrap_or(target);
    let (status, body) = database.answer(operation, request.body().bytes().unwrap_or_default());
    let status = StatusCode::try_from(status).map_err(|error| ConnectorError::other(Box::new(error), None))?;
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    Ok(response)
}

fn run(database: &Database, operation: &str, body: &[u8]) -> Result<String, Refusal> {
    let answer = match operation {
        "CreateTable" => write(&database.create_table(read(body)?)?),
        "DescribeTable" => write(&database.describe_table(read(body)?)?),
        "ListTables" => write(&database.list_tables(read(body)?)?),
        "DeleteTable" => write(&database.delete_table(read(body)?)?),
        "UpdateTimeToLive" => write(&database.update_time_to_live(read(body)?)?),
        "DescribeTimeToLive" => write(&database.describe_time_to_live(read(body)?)?),
        "GetItem" => write(&database.get_item(read(body)?)?),
        "PutItem" => write(&database.put_item(read(body)?)?),
        "UpdateItem" => write(&database.update_item(read(body)?)?),
        "DeleteItem" => write(&database.delete_item(read(body)?)?),
        "Query" => write(&database.query(read(body)?)?),
        "Scan" => write(&database.scan(read(body)?)?),
        "BatchGetItem" => write(&database.batch_get_item(read(body)?)?),
        "BatchWriteItem" => write(&database.batch_write_item(read(body)?)?),
        "TransactGetItems" => write(&database.transact_get_items(read(body)?)?),
        "TransactWriteItems" => {
            let mut request: dynoxide::actions::transact_write_items::TransactWriteItemsRequest = read(body)?;
            // The token is for answers lost on the way. Nothing is lost inside a process, and remembering the tokens
            // of ten minutes costs more than the writes.
            request.client_request_token = None;
            write(&database.transact_write_items(request)?)
        }
        _ => return Err(Refusal::UnknownOperation),
    };
    Ok(answer?)
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, DynoxideError> {
    serde_json::from_slice(body).map_err(|error| unreadable(&error.to_string()))
}

fn write<T: Serialize>(answer: &T) -> Result<String, DynoxideError> {
    serde_json::to_string(answer).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use aws_sdk_dynamodb::types::{
        AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, Put, ScalarAttributeType,
        TransactWriteItem,
    };

    use super::*;

    async fn create_table(client: &aws_sdk_dynamodb::Client) {
        client
            .create_table()
            .table_name("things")
            .billing_mode(BillingMode::PayPerRequest)
            .key_schema(KeySchemaElement::builder().attribute_name("pk").key_type(KeyType::Hash).build().unwrap())
            .attribute_definitions(
                AttributeDefinition::builder()
                    .attribute_name("pk")
                    .attribute_type(ScalarAttributeType::S)
                    .build()
                    .unwrap(),
            )
            .send()
            .await
            .unwrap();
    }

    fn text(value: &str) -> AttributeValue {
        AttributeValue::S(value.to_owned())
    }

    fn put_new(pk: &str) -> TransactWriteItem {
        let put = Put::builder()
            .table_name("things")
            .item("pk", text(pk))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .unwrap();
        TransactWriteItem::builder().put(put).build()
    }

    #[tokio::test]
    async fn a_conditional_put_is_refused_when_the_item_is_there() {
        let client = EmbeddedDynamoDb::open_in_memory().unwrap().client();
        create_table(&client).await;
        let put = || {
            client
                .put_item()
                .table_name("things")
                .item("pk", text("a"))
                .condition_expression("attribute_not_exists(pk)")
                .send()
        };
        put().await.unwrap();
        let error = put().await.unwrap_err().into_service_error();
        assert!(error.is_conditional_check_failed_exception(), "{error:?}");
    }

    #[tokio::test]
    async fn a_cancelled_transaction_tells_the_reason_per_action_and_writes_nothing() {
        let client = EmbeddedDynamoDb::open_in_memory().unwrap().client();
        create_table(&client).await;
        client.put_item().table_name("things").item("pk", text("b")).send().await.unwrap();
        let error = client
            .transact_write_items()
            .transact_items(put_new("a"))
            .transact_items(put_new("b"))
            .send()
            .await
            .unwrap_err()
            .into_service_error();
        let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(
            cancelled,
        ) = error
        else {
            panic!("{error:?}");
        };
        let codes: Vec<_> = cancelled.cancellation_reasons().iter().map(|reason| reason.code().unwrap()).collect();
        assert_eq!(codes, ["None", "ConditionalCheckFailed"]);
        let got = client.get_item().table_name("things").key("pk", text("a")).send().await.unwrap();
        assert!(got.item.is_none());
    }

    #[tokio::test]
    async fn a_database_in_a_file_survives_its_process() {
        let path = std::env::temp_dir().join(format!("couplet-{}.db", uuid::Uuid::new_v4()));
        {
            let client = EmbeddedDynamoDb::open(&path).unwrap().client();
            create_table(&client).await;
            client.put_item().table_name("things").item("pk", text("a")).send().await.unwrap();
        }
        let client = EmbeddedDynamoDb::open(&path).unwrap().client();
        let got = client.get_item().table_name("things").key("pk", text("a")).send().await.unwrap();
        assert!(got.item.is_some());
        for ending in ["", "-wal", "-shm"] {
            let mut file = path.clone().into_os_string();
            file.push(ending);
            let _ = std::fs::remove_file(file);
        }
    }
}
