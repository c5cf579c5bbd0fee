//! What the SDK's errors mean.

use std::error::Error;
use std::time::Duration;

use aws_sdk_cloudwatch::config::http::HttpResponse;
use aws_sdk_cloudwatch::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cloudwatch::operation::put_metric_data::PutMetricDataError;

use super::super::error::PublishError;

/// Codes that say "later", whatever the status: CloudWatch is asked too often, or the credentials are exchanged.
const LATER: [&str; 9] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "RequestThrottled",
    "RequestThrottledException",
    "ExpiredToken",
    "ExpiredTokenException",
];

/// The longest that an error quotes.
const MOST_SAID: usize = 300;

pub(super) fn classified(error: &SdkError<PutMetricDataError>, peer: &str, limit: Duration) -> PublishError {
    let peer = peer.to_owned();
    match error {
        SdkError::TimeoutError(_) => PublishError::TimedOut { peer, limit },
        SdkError::DispatchFailure(failure) if failure.is_timeout() => PublishError::TimedOut { peer, limit },
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or("no code");
            let said = service.err().message().unwrap_or("it gave no reason");
            answered(peer, service.raw(), Some(code), said)
        }
        SdkError::ResponseError(response) => {
            let reason = root_cause(error);
            match response.raw().status().as_u16() {
                200..300 => PublishError::Malformed { peer, reason },
                _ => answered(peer, response.raw(), None, &reason),
            }
        }
        // No connection; no credentials, which may come; no region, which may not, but that is looked for before.
        _ => PublishError::Unreachable { peer, reason: root_cause(error) },
    }
}

fn answered(peer: String, response: &HttpResponse, code: Option<&str>, said: &str) -> PublishError {
    let number = response.status().as_u16();
    let status = code.map_or_else(|| number.to_string(), |code| format!("{number} {code}"));
    let said = said.chars().take(MOST_SAID).collect();
    let is_later = code.is_some_and(|code| LATER.contains(&code));
    if is_later || matches!(number, 408 | 425 | 429 | 500..) {
        let seconds = response.headers().get("retry-after").and_then(|text| text.trim().parse().ok());
        let retry_after = seconds.map(Duration::from_secs);
        return PublishError::Unavailable { peer, status, said, retry_after };
    }
    PublishError::Refused { peer, status, said }
}

/// The innermost error, which says what happened.
fn root_cause(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
