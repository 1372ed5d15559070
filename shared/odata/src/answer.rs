//! Answers whose form is fixed, as types.

use couplet_model::Said;
use couplet_model::system::{SystemError, SystemErrorKind};
use couplet_model::table::Side;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

/// Reads an answer of a fixed form. `what` names it for people.
///
/// # Errors
/// When it has another form. A log repeats nothing of the answer.
pub fn typed<T: DeserializeOwned>(side: Side, what: &str, content: Json) -> Result<T, SystemError> {
    serde_json::from_value(content).map_err(|error| {
        let message = format!("the answer about {what} cannot be understood: {error}");
        SystemError::new(side, SystemErrorKind::Protocol, "", message)
    })
}

#[derive(Deserialize)]
struct List {
    value: Vec<Json>,
}

/// Reads a list whose members have a fixed form; members of another form are left out. `what` names the list for people.
///
/// # Errors
/// When it is no list. The service's own answers are lists, so it was cut, or written by somebody on the way: that passes.
pub fn typed_list<T: DeserializeOwned>(side: Side, what: &str, content: Json) -> Result<Vec<T>, SystemError> {
    let List { value } = serde_json::from_value(content).map_err(|_| {
        let message = format!("the answer about {what} is not a list");
        SystemError::new(side, SystemErrorKind::Transient, "", Said::safe(message))
    })?;
    Ok(value.into_iter().filter_map(|member| serde_json::from_value(member).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use couplet_model::RetryClass;
    use serde_json::json;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Company {
        name: String,
    }

    #[test]
    fn a_list_gives_the_members_that_have_its_form() {
        let list = json!({"value": [{"name": "A", "other": 1}, {"name": 2}, null, {"name": "B"}]});
        let names = typed_list::<Company>(Side::BusinessCentral, "companies", list).expect("a list");
        assert_eq!(names.into_iter().map(|company| company.name).collect::<Vec<_>>(), ["A", "B"]);
        for other in [json!({}), json!({"value": {}}), json!(null)] {
            let error = typed_list::<Company>(Side::BusinessCentral, "companies", other).expect_err("no list");
            assert_eq!(error.retry_class(), RetryClass::RetryNow);
        }
    }

    #[test]
    fn f28_an_answer_of_another_form_is_named_and_not_repeated_in_a_log() {
        let error = typed::<Company>(Side::Dataverse, "WhoAmI", json!({"name": ["secret"]})).expect_err("another form");
        assert!(error.message.contains("WhoAmI"), "{error}");
        let nameless = typed::<Company>(Side::Dataverse, "WhoAmI", json!({})).expect_err("another form");
        assert!(nameless.message.contains("`name`"), "{nameless}");
        for error in [error, nameless] {
            assert_eq!(error.for_log(), "unexpected answer of Dataverse", "nothing of the answer is in a log");
        }
    }
}
