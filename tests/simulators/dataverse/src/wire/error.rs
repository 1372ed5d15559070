//! The error body of the service, and one constructor per documented error.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::schema::{Table, privileges};

/// An error as the client sees it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{status} {code} {message}")]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// Hexadecimal code of the service.
    pub code: &'static str,
    /// Text.
    pub message: String,
    /// Seconds for `Retry-After`.
    pub retry_after: Option<u64>,
    /// Details for elastic-style bulk errors and the like, inside `error`.
    pub details: Vec<(&'static str, String)>,
}

/// Result of an operation on the wire.
pub type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    /// An error with its status, code and text.
    #[must_use]
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None, details: Vec::new() }
    }

    /// The JSON body. `annotated` adds the error annotations that `odata.include-annotations` asks for.
    #[must_use]
    pub fn body(&self, annotated: bool) -> Value {
        let mut error = Map::new();
        error.insert("code".to_owned(), json!(self.code));
        error.insert("message".to_owned(), json!(self.message));
        if annotated {
            error.insert("@Microsoft.PowerApps.CDS.ErrorDetails.OperationStatus".to_owned(), json!("0"));
            error.insert("@Microsoft.PowerApps.CDS.ErrorDetails.SubErrorCode".to_owned(), json!("0"));
            for (name, text) in &self.details {
                error.insert((*name).to_owned(), json!(text));
            }
            let help = format!(
                "http://go.microsoft.com/fwlink/?LinkID=398563&error=Microsoft.Crm.CrmException%3a{}&client=platform",
                self.code.trim_start_matches("0x")
            );
            error.insert("@Microsoft.PowerApps.CDS.HelpLink".to_owned(), json!(help));
            error.insert("@Microsoft.PowerApps.CDS.TraceText".to_owned(), json!(""));
            error.insert("@Microsoft.PowerApps.CDS.InnerError.Message".to_owned(), json!(self.message));
        }
        json!({"error": Value::Object(error)})
    }

    /// The caller's roles do not have a privilege on a table.
    #[must_use]
    pub fn no_privilege(kind: &str, table: &Table, caller: Uuid) -> Self {
        let (name, id) = (privileges::name(kind, table), privileges::id(kind, table));
        let (code, entity, shown) = (table.type_code, &table.name, &table.display_name);
        let message = format!(
            "Principal user (Id={caller}, type=8, roleCount=1, accessMode=4), is missing {name} privilege (Id={id}) on OTC={code} for entity '{entity}' (LocalizedName='{shown}')."
        );
        Self::new(403, "0x80040220", message)
    }

    /// `0x80060888` with the text of the OData library.
    #[must_use]
    pub fn odata(message: impl Into<String>) -> Self {
        Self::new(400, "0x80060888", message)
    }

    /// No such column in a query or a body.
    #[must_use]
    pub fn unknown_property(property: &str, type_name: &str) -> Self {
        Self::odata(format!("Could not find a property named '{property}' on type '{type_name}'."))
    }

    /// No such resource.
    #[must_use]
    pub fn unknown_segment(segment: &str) -> Self {
        Self::new(404, "0x80060888", format!("Resource not found for the segment '{segment}'."))
    }

    /// Wrong verb for the resource.
    #[must_use]
    pub fn wrong_verb(verb: &str) -> Self {
        Self::new(405, "0x80060888", format!("The requested resource does not support http method '{verb}'."))
    }

    /// The table does not know a message.
    #[must_use]
    pub fn no_method(message: &str, table: &str) -> Self {
        Self::new(400, "0x80040800", format!("The '{message}' method does not support entities of type '{table}'."))
    }

    /// The row is not there.
    #[must_use]
    pub fn missing_row(table: &str, id: Uuid) -> Self {
        Self::new(404, "0x80040217", format!("{table} With Id = {id} Does Not Exist"))
    }

    /// No row has this alternate key.
    #[must_use]
    pub fn missing_key(table: &str) -> Self {
        Self::new(404, "0x80060891", format!("A record with the specified key values does not exist in {table} entity"))
    }

    /// Rows that must stay point at the row that was to go.
    #[must_use]
    pub fn associated() -> Self {
        Self::new(
            405,
            "0x80040227",
            "The object you tried to delete is associated with another object and cannot be deleted.",
        )
    }

    /// The primary key is taken.
    #[must_use]
    pub fn duplicate() -> Self {
        Self::new(412, "0x80040237", "A record with matching key values already exists.")
    }

    /// The etag is stale.
    #[must_use]
    pub fn stale() -> Self {
        Self::new(
            412,
            "0x80060882",
            "The version of the existing record doesn't match the RowVersion property provided.",
        )
    }

    /// The payload could not be read.
    #[must_use]
    pub fn payload(set: &str, inner: &str) -> Self {
        Self::new(
            400,
            "0x80048d19",
            format!(
                "Error identified in Payload provided by the user for Entity :'{set}', For more information on this error please follow this help link https://go.microsoft.com/fwlink/?linkid=2195293  ---->  InnerException : {inner}"
            ),
        )
    }

    /// A business rule refuses.
    #[must_use]
    pub fn refused(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    /// A required value is missing.
    #[must_use]
    pub fn required(column: &str, table: &str) -> Self {
        Self::refused("0x80040200", format!("Attribute '{column}' cannot be NULL (entity '{table}')."))
    }

    /// The caller's column security profiles do not allow this write.
    #[must_use]
    pub fn secured(column: &str, table: &str, caller: Uuid, creating: bool) -> Self {
        let (code, verb) = if creating { ("0x8004F50A", "create") } else { ("0x8004F508", "update") };
        Self::new(
            403,
            code,
            format!(
                "Caller user with Id {caller} does not have {verb} permissions for a secured attribute {column} of entity {table}. The requested operation could not be completed."
            ),
        )
    }

    /// Something this simulator does not do, refused so that nobody mistakes silence for success.
    #[must_use]
    pub fn not_supported(what: &str) -> Self {
        Self::new(501, "0x80060888", format!("{what} is not implemented by the Dataverse simulator."))
    }
}
