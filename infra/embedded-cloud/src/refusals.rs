//! The class of a refusal of the embedded DynamoDB: that of the service, by which clients decide whether to repeat.
//!
//! The engine reads a request while it checks it. What it finds is an error of the reader with a mark in front, or without
//! one; only its own server turns that into a class. This does the same for requests that reach it without its server.

use dynoxide::DynoxideError;

/// What the service answers to an operation it does not know. Nobody repeats it.
pub(crate) const UNKNOWN_OPERATION: &str = "com.amazon.coral.service#UnknownOperationException";

/// Why a request has no result.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The engine refused it.
    Engine(DynoxideError),
    /// There is no such operation here.
    UnknownOperation,
}

impl From<DynoxideError> for Refusal {
    fn from(error: DynoxideError) -> Self {
        Self::Engine(error)
    }
}

/// The classes of a request that was not understood.
#[derive(Clone, Copy)]
enum Class {
    /// Well-formed, and not allowed.
    Validation,
    /// Not allowed by the rules for whole requests, which some operations tell with an introduction.
    RequestValidation,
    /// Not in the form the operation takes.
    Serialization,
}

/// The marks in front of an error, longer ones before those they begin with, and whether the place in the text that the
/// reader adds belongs to the message.
const MARKS: [(&str, Class, bool); 5] = [
    ("SERIALIZATION_AS_READ:", Class::Serialization, true),
    ("VALIDATION_AS_READ:", Class::Validation, true),
    ("VALIDATION_REQUEST:", Class::RequestValidation, false),
    ("SERIALIZATION:", Class::Serialization, false),
    ("VALIDATION:", Class::Validation, false),
];

/// What the reader says without a mark where the service speaks of a request that is not allowed: something is missing,
/// null, or none of the words to choose from.
const NOT_ALLOWED: [&str; 5] =
    ["missing field", "unknown variant", "invalid type: null", "empty AttributeValue", "Supplied AttributeValue"];

/// The refusal of a request that the engine could not read, by what it said.
pub(crate) fn unreadable(text: &str) -> DynoxideError {
    let marked = MARKS.iter().find_map(|(mark, class, as_read)| Some((text.strip_prefix(mark)?, *class, *as_read)));
    let (message, class) = match marked {
        Some((message, class, true)) => (message, class),
        Some((message, class, false)) => (without_place(message), class),
        None if NOT_ALLOWED.iter().any(|part| text.contains(part)) => (without_place(text), Class::Validation),
        None => (text, Class::Serialization),
    };
    let message = message.to_owned();
    match class {
        Class::Validation => DynoxideError::ValidationException(message),
        Class::RequestValidation => DynoxideError::EnvelopedValidation(message),
        Class::Serialization => DynoxideError::SerializationException(message),
    }
}

/// The message without the place in the text behind it.
fn without_place(message: &str) -> &str {
    message.rsplit_once(" at line ").map_or(message, |(before, _)| before)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::EmbeddedDynamoDb;

    const VALIDATION: &str = "com.amazon.coral.validate#ValidationException";
    const SERIALIZATION: &str = "com.amazon.coral.service#SerializationException";

    #[test]
    fn f35_every_mark_of_the_engine_has_its_class_and_never_shows() {
        for (text, class, message) in [
            ("VALIDATION:too long at line 1 column 9", VALIDATION, "too long"),
            ("VALIDATION_REQUEST:no number at line 1 column 9", VALIDATION, "no number"),
            ("VALIDATION_AS_READ:expected i32 at line 1 column 9", VALIDATION, "expected i32 at line 1 column 9"),
            ("SERIALIZATION:Unexpected token at line 1 column 9", SERIALIZATION, "Unexpected token"),
            ("SERIALIZATION_AS_READ:expected i32 at line 1 column 9", SERIALIZATION, "expected i32 at line 1 column 9"),
            ("missing field `Key` at line 1 column 9", VALIDATION, "missing field `Key`"),
            ("unknown variant `X`, expected `S` at line 1 column 9", VALIDATION, "unknown variant `X`, expected `S`"),
            ("invalid type: null, expected a map at line 1 column 9", VALIDATION, "invalid type: null, expected a map"),
            ("expected string for S at line 1 column 9", SERIALIZATION, "expected string for S at line 1 column 9"),
            (
                "EOF while parsing a value at line 1 column 0",
                SERIALIZATION,
                "EOF while parsing a value at line 1 column 0",
            ),
        ] {
            let refusal = unreadable(text);
            assert_eq!((refusal.error_type(), refusal.to_string().as_str()), (class, message), "{text}");
            assert_eq!(refusal.status_code(), 400, "nobody repeats it: {text}");
        }
    }

    #[test]
    fn f35_refusals_have_the_class_that_the_service_gives() {
        let database = EmbeddedDynamoDb::open_in_memory().unwrap();
        let table = json!({
            "TableName": "things", "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        });
        assert_eq!(database.answer("CreateTable", table.to_string().as_bytes()).0, 200);
        let key = json!({"pk": {"S": "a"}});
        let item = |value: Value| json!({"TableName": "things", "Item": {"pk": {"S": "a"}, "value": value}});
        for (what, operation, request, class) in [
            ("no table named", "DescribeTable", json!({}), VALIDATION),
            ("a short name", "DescribeTable", json!({"TableName": "x"}), VALIDATION),
            ("no text", "PutItem", item(json!({"S": 5})), SERIALIZATION),
            ("no number", "PutItem", item(json!({"N": "five"})), VALIDATION),
            ("no boolean", "PutItem", item(json!({"BOOL": 5})), SERIALIZATION),
            ("false for null", "PutItem", item(json!({"NULL": false})), VALIDATION),
            ("two types", "PutItem", item(json!({"S": "a", "N": "1"})), VALIDATION),
            ("no type", "PutItem", item(json!({})), VALIDATION),
            ("an empty set", "PutItem", item(json!({"SS": []})), VALIDATION),
            (
                "a table that is none",
                "GetItem",
                json!({"TableName": "nowhere", "Key": key}),
                "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException",
            ),
            ("a table that is there", "CreateTable", table, "com.amazonaws.dynamodb.v20120810#ResourceInUseException"),
            (
                "a flag that is none",
                "GetItem",
                json!({"TableName": "things", "Key": key, "ConsistentRead": [1]}),
                SERIALIZATION,
            ),
            ("another operation", "CreateBackup", json!({"TableName": "things", "BackupName": "b"}), UNKNOWN_OPERATION),
        ] {
            let (status, answer) = database.answer(operation, request.to_string().as_bytes());
            let answer: Value = serde_json::from_str(&answer).unwrap();
            assert_eq!((status, answer["__type"].as_str()), (400, Some(class)), "{what}: {answer}");
            let message = answer.get("message").or_else(|| answer.get("Message")).and_then(Value::as_str).unwrap();
            assert!(MARKS.iter().all(|(mark, ..)| !message.contains(mark)), "{what}: {message}");
        }
        let (status, answer) = database.answer("GetItem", b"{");
        assert_eq!(status, 400);
        assert!(answer.contains(SERIALIZATION), "{answer}");
    }
}
