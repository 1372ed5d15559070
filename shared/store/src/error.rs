//! What can go wrong with the store, and what to do about it.

use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use couplet_model::{RetryClass, Said};

/// A failed call of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// DynamoDB asks to slow down, and went on asking after several attempts.
    #[error("DynamoDB is throttling: {0}")]
    Throttled(String),
    /// Other transactions on the same items kept winning.
    #[error("other writers kept changing the same items: {0}")]
    Contended(String),
    /// No connection, no answer in time, or a passing failure of the service.
    #[error("DynamoDB cannot be reached: {0}")]
    Unreachable(String),
    /// The identity may not do this, or is not known.
    #[error("DynamoDB denies access: {0}")]
    AccessDenied(String),
    /// The table is not there.
    #[error("the table {table} does not exist: deploy the stack, or check the table name in the configuration")]
    TableMissing {
        /// Its name.
        table: String,
    },
    /// Somebody else changed the item since it was read.
    #[error("{what} was changed by somebody else meanwhile")]
    Stale {
        /// Which item.
        what: String,
    },
    /// The item is larger than DynamoDB stores.
    #[error(
        "{what} takes {bytes} bytes; the store holds at most {} per item: map fewer or shorter fields",
        crate::item::ITEM_LIMIT
    )]
    TooLarge {
        /// Which item; names the record.
        what: String,
        /// Its size.
        bytes: usize,
    },
    /// What is stored cannot be understood.
    #[error("{what} cannot be read from the store: {reason}")]
    Corrupt {
        /// Which item.
        what: String,
        /// Why.
        reason: String,
    },
    /// The file beneath the database fails, where it is kept on this machine; in words for the operator.
    #[error("{0}")]
    Storage(String),
    /// DynamoDB refused the request.
    #[error("DynamoDB refused the request: {0}")]
    Refused(String),
}

impl StoreError {
    /// What to do with it.
    pub fn retry_class(&self) -> RetryClass {
        match self {
            Self::Throttled(_) | Self::Contended(_) | Self::Unreachable(_) => RetryClass::RetryNow,
            Self::Stale { .. } => RetryClass::Conflict,
            Self::TooLarge { .. } => RetryClass::Data,
            Self::AccessDenied(_)
            | Self::TableMissing { .. }
            | Self::Corrupt { .. }
            | Self::Storage(_)
            | Self::Refused(_) => RetryClass::Configuration,
        }
    }

    /// What a log may repeat: not the names of records, nor what was to be stored.
    pub fn for_log(&self) -> String {
        match self {
            Self::Stale { .. } => "an item of the store was changed by somebody else meanwhile".to_owned(),
            Self::TooLarge { bytes, .. } => format!("an item of {bytes} bytes is too large for the store"),
            Self::Corrupt { .. } => "an item cannot be read from the store".to_owned(),
            // The code; the message may repeat what was sent.
            Self::Refused(text) => {
                let code = text.split_once(": ").map_or("", |(code, _)| code);
                format!("DynamoDB refused the request {code}").trim_end().to_owned()
            }
            error => error.to_string(),
        }
    }

    pub(crate) fn corrupt(what: impl Into<String>, reason: &(impl ToString + ?Sized)) -> Self {
        Self::Corrupt { what: what.into(), reason: reason.to_string() }
    }

    /// Sorts a failed SDK call.
    pub(crate) fn from_sdk<E, R>(table: &str, error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug,
    {
        let service = match error {
            SdkError::ServiceError(service) => service.err(),
            SdkError::ConstructionFailure(_) => return Self::Refused(DisplayErrorContext(error).to_string()),
            _ => return Self::Unreachable(DisplayErrorContext(error).to_string()),
        };
        let code = service.code().unwrap_or_default();
        let text = format!("{code}: {}", service.message().unwrap_or_default());
        match code {
            "StorageFailure" => Self::Storage(service.message().unwrap_or_default().to_owned()),
            "ResourceNotFoundException" => Self::TableMissing { table: table.to_owned() },
            code if is_throttling(code) => Self::Throttled(text),
            code if is_contention(code) => Self::Contended(text),
            code if is_failure_of_service(code) => Self::Unreachable(text),
            "AccessDeniedException"
            | "UnrecognizedClientException"
            | "InvalidSignatureException"
            | "ExpiredTokenException"
            | "IncompleteSignatureException"
            | "MissingAuthenticationTokenException" => Self::AccessDenied(text),
            _ => Self::Refused(text),
        }
    }
}

/// For the store whole, for a log as far as that may be.
impl From<&StoreError> for Said {
    fn from(error: &StoreError) -> Self {
        Self::split(error.to_string(), error.for_log())
    }
}

/// Whether DynamoDB asks to slow down.
pub(crate) fn is_throttling(code: &str) -> bool {
    matches!(
        code,
        "ProvisionedThroughputExceededException"
            | "ProvisionedThroughputExceeded"
            | "ThrottlingException"
            | "ThrottlingError"
            | "RequestLimitExceeded"
            | "LimitExceededException"
    )
}

/// Whether the service itself failed.
pub(crate) fn is_failure_of_service(code: &str) -> bool {
    matches!(code, "InternalServerError" | "InternalFailure" | "ServiceUnavailable" | "ServiceUnavailableException")
}

/// Whether another transaction was at the same items.
pub(crate) fn is_contention(code: &str) -> bool {
    matches!(code, "TransactionConflictException" | "TransactionConflict" | "TransactionInProgressException")
}
