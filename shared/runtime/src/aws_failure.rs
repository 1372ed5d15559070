//! A call to AWS that failed: said in one line, and whether it passes.

use std::error::Error;
use std::time::Duration;

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};

/// Longest time for one attempt at something small, such as a secret or a token; the SDK makes three.
pub(crate) const LONGEST_ATTEMPT: Duration = Duration::from_secs(5);
/// Codes with which services ask for less, whatever their status.
const THROTTLE_CODES: &[&str] = &["Throttl", "TooManyRequests", "RequestLimitExceeded", "SlowDown"];

/// What went wrong, in one line: code and message when the service answered, else the innermost cause, such as a refused
/// connection. The SDK's own text is a page for each of them.
pub fn in_one_line<E>(error: &SdkError<E>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let text = match error {
        SdkError::ServiceError(answer) => match (answer.err().code(), answer.err().message()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(text), None) | (None, Some(text)) => text.to_owned(),
            (None, None) => format!("HTTP status {} without an error code", answer.raw().status().as_u16()),
        },
        SdkError::ResponseError(answer) => {
            let status = answer.raw().status().as_u16();
            format!("an answer of HTTP status {status} that cannot be read: {}", innermost(error))
        }
        SdkError::DispatchFailure(failure) if failure.is_io() => format!("no connection: {}", innermost(error)),
        _ => innermost(error),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the same call may succeed later although nobody mends anything.
pub fn passes<E>(error: &SdkError<E>) -> bool
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(answer) => {
            let code = answer.err().code().unwrap_or_default();
            answer.raw().status().as_u16() >= 500 || THROTTLE_CODES.iter().any(|known| code.contains(known))
        }
        SdkError::DispatchFailure(failure) => failure.is_io() || failure.is_timeout(),
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => true,
        // What is wrong was known before anything was sent.
        _ => false,
    }
}

/// The last cause that says anything, without the lines below its first: those list what was tried before.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    let texts = causes.filter_map(|cause| cause.to_string().trim().lines().next().map(str::to_owned));
    texts.last().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io;

    use aws_sdk_sqs::config::http::HttpResponse;
    use aws_sdk_sqs::error::{ConnectorError, ErrorMetadata};
    use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchError as Refusal;

    use super::*;

    fn answer(status: u16) -> HttpResponse {
        HttpResponse::new(status.try_into().expect("a status"), "".into())
    }

    fn refused(status: u16, code: Option<&str>, message: Option<&str>) -> SdkError<Refusal> {
        let mut metadata = ErrorMetadata::builder();
        if let Some(code) = code {
            metadata = metadata.code(code);
        }
        if let Some(message) = message {
            metadata = metadata.message(message);
        }
        SdkError::service_error(Refusal::generic(metadata.build()), answer(status))
    }

    fn refused_connection() -> io::Error {
        io::Error::new(io::ErrorKind::ConnectionRefused, "Connection refused (os error 111)")
    }

    #[test]
    fn every_failure_is_one_line_and_passes_or_does_not() {
        for (error, text, expected) in [
            (refused(400, Some("AccessDenied"), Some("not you,\n never")), "AccessDenied: not you, never", false),
            (refused(400, Some("QueueDoesNotExist"), None), "QueueDoesNotExist", false),
            (refused(503, None, None), "HTTP status 503 without an error code", true),
            (refused(400, Some("ThrottlingException"), Some("less")), "ThrottlingException: less", true),
            (
                SdkError::dispatch_failure(ConnectorError::io(io::Error::other(refused_connection()).into())),
                "no connection: Connection refused (os error 111)",
                true,
            ),
            (SdkError::dispatch_failure(ConnectorError::timeout("connect: 3.1 s".into())), "connect: 3.1 s", true),
            (
                SdkError::dispatch_failure(ConnectorError::other("no credentials\nTried:\n a file".into(), None)),
                "no credentials",
                false,
            ),
            (SdkError::timeout_error("no answer in 5 s"), "no answer in 5 s", true),
            (SdkError::construction_failure("no region"), "no region", false),
            (
                SdkError::response_error("not JSON", answer(200)),
                "an answer of HTTP status 200 that cannot be read: not JSON",
                true,
            ),
        ] {
            assert_eq!((in_one_line(&error).as_str(), passes(&error)), (text, expected), "{error:?}");
        }
    }
}
