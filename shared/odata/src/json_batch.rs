//! `$batch` as JSON, the form Business Central speaks best.

use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::content::read_json;
use crate::multipart::BatchError;
use crate::request::{BatchPart, Operation};

/// Writes a batch; operation `n` has the id `n`.
pub fn write_batch(operations: &[Operation]) -> Json {
    let requests: Vec<Json> = operations
        .iter()
        .enumerate()
        .map(|(number, operation)| {
            let mut headers: Map<String, Json> =
                operation.headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
            let mut request = Map::new();
            request.insert("id".into(), json!(number.to_string()));
            request.insert("method".into(), json!(operation.method.as_str()));
            request.insert("url".into(), json!(operation.url));
            if let Some(body) = &operation.body {
                headers.insert("Content-Type".into(), json!("application/json"));
                request.insert("headers".into(), headers.into());
                request.insert("body".into(), body.clone());
            } else if !headers.is_empty() {
                request.insert("headers".into(), headers.into());
            }
            request.into()
        })
        .collect();
    json!({ "requests": requests })
}

/// A batch answer. A response of another form stands for no answer to its operation.
#[derive(Deserialize)]
struct Answer {
    responses: Vec<Json>,
}

#[derive(Deserialize)]
struct Response {
    id: Option<Json>,
    status: u16,
    headers: Option<Map<String, Json>>,
    #[serde(default)]
    body: Json,
}

/// Reads a batch answer: one entry per operation sent, `None` where no answer came. Answers are matched by id; those
/// without one count by their place.
///
/// # Errors
/// When the body is not a batch answer.
pub fn read_batch(json: Json, sent: usize) -> Result<Vec<Option<BatchPart>>, BatchError> {
    let Ok(Answer { responses }) = serde_json::from_value(json) else { return Err(BatchError::NoResponses) };
    let mut parts: Vec<Option<BatchPart>> = vec![None; sent];
    for (place, response) in responses.into_iter().enumerate() {
        let Ok(Response { id, status, headers, body }) = serde_json::from_value(response) else { continue };
        let number = match id {
            None => Some(place),
            Some(Json::String(id)) => id.parse().ok(),
            Some(id) => id.as_u64().and_then(|id| usize::try_from(id).ok()),
        };
        let Some(slot) = number.and_then(|number| parts.get_mut(number)) else { continue };
        let headers = headers.unwrap_or_default().into_iter();
        let headers = headers.filter_map(|(name, value)| Some((name.to_ascii_lowercase(), value.as_str()?.to_owned())));
        let body = match body {
            // Some servers put the body's text where the object belongs.
            Json::String(text) => read_json(text.as_bytes()).unwrap_or(Json::String(text)),
            body => body,
        };
        *slot = Some(BatchPart { status, headers: headers.collect(), body });
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use reqwest::Method;

    #[test]
    fn operations_carry_their_place_as_id() {
        let body = write_batch(&[
            Operation::new(Method::GET, "companies(1)/items"),
            Operation::new(Method::PATCH, "companies(1)/items(2)").header("If-Match", "*").json(json!({"a": 1})),
        ]);
        assert_eq!(
            body,
            json!({"requests": [
                {"id": "0", "method": "GET", "url": "companies(1)/items"},
                {"id": "1", "method": "PATCH", "url": "companies(1)/items(2)",
                 "headers": {"If-Match": "*", "Content-Type": "application/json"}, "body": {"a": 1}},
            ]})
        );
    }

    #[test]
    fn answers_are_matched_by_id_and_missing_ones_stay_open() {
        let body = json!({"responses": [
            {"id": "2", "status": 204, "headers": {}},
            {"id": "0", "status": 200, "headers": {"Content-Type": "application/json"}, "body": {"id": "x"}},
            {"id": "9", "status": 200},
        ]});
        let parts = read_batch(body, 3).expect("parts");
        assert_eq!(parts[0].as_ref().map(|part| part.status), Some(200));
        assert_eq!(parts[0].as_ref().and_then(|part| part.header("content-type")), Some("application/json"));
        assert!(parts[1].is_none());
        assert_eq!(parts[2].as_ref().map(|part| part.status), Some(204));
        let nameless = json!({"responses": [{"id": null, "status": 200, "body": "{\"a\":1}"}]});
        let parts = read_batch(nameless, 1).expect("parts");
        assert_eq!(parts[0].as_ref().map(|part| part.body.clone()), Some(json!({"a": 1})));
    }

    #[test]
    fn another_answer_is_an_error() {
        for body in [json!(null), json!([]), json!({"value": []}), json!("<html>")] {
            assert_eq!(read_batch(body.clone(), 1), Err(BatchError::NoResponses), "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(body in "\\PC{0,200}", sent in 0_usize..5) {
            let _ = read_batch(json!({"responses": [{"id": "0", "status": 200, "body": body}]}), sent);
        }

        #[test]
        fn any_ids_are_read_without_panic(id in "\\PC{0,20}", status in any::<u64>(), sent in 0_usize..3) {
            let body = json!({"responses": [{"id": id, "status": status}, {"id": status}, 3, null]});
            let _ = read_batch(body, sent);
        }
    }
}
