//! What AWS answers when it does not do what was asked, in one sentence with the remedy.

use aws_sdk_lambda::error::ProvideErrorMetadata;

use super::Stack;

impl Stack {
    /// The sentence for an error of a call about `what`.
    pub(super) fn refused<E: ProvideErrorMetadata + std::error::Error>(&self, what: &str, error: &E) -> anyhow::Error {
        anyhow::anyhow!(sentence(&self.name, &self.region, what, error.code(), error.message(), &causes(error)))
    }
}

fn sentence(stack: &str, region: &str, what: &str, code: Option<&str>, message: Option<&str>, causes: &str) -> String {
    let message = message.unwrap_or("it says no more");
    match code {
        Some("ResourceNotFoundException") => format!(
            "there is no stack {stack} in {region}, or it is another one than Couplet's ({what} is not there): name it with --stack, and its region with AWS_REGION"
        ),
        Some("AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation") => format!(
            "AWS denies access to {what} ({message}): your role needs the actions listed in docs/operations.md, Looking from outside"
        ),
        Some(
            "ExpiredToken"
            | "ExpiredTokenException"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "UnrecognizedClientException",
        ) => format!(
            "AWS does not accept the credentials ({message}): log in again, with aws sso login or with new keys"
        ),
        Some(code) => format!("AWS refuses {what}: {code}: {message}"),
        None => format!("AWS cannot be asked for {what} in {region} ({causes}): check the network and AWS_REGION"),
    }
}

/// An error and what caused it, in one line; what was said before is not repeated.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !said.contains(&text) {
            said = format!("{said}: {text}");
        }
        next = cause.source();
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_names_its_remedy() {
        for (code, remedy) in [
            (Some("ResourceNotFoundException"), "name it with --stack"),
            (Some("AccessDeniedException"), "docs/operations.md"),
            (Some("ExpiredTokenException"), "aws sso login"),
            (Some("UnrecognizedClientException"), "log in again"),
            (Some("TooManyRequestsException"), "TooManyRequestsException: slow down"),
            (None, "check the network"),
        ] {
            let said = sentence("couplet", "eu-west-1", "couplet-run-job", code, Some("slow down"), "dispatch failure");
            assert!(said.contains(remedy), "{said}");
            assert!(said.contains("couplet-run-job") || said.contains("credentials"), "{said}");
        }
    }
}
