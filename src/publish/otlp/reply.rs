//! What a receiver says: of a request that it took, how much it rejected; of another, why.

use prost::Message;
use serde::Deserialize;

use super::super::publisher::Published;

/// `Export{Metrics,Trace,Logs}ServiceResponse`, which have the same numbers.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Response {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    /// Data points, spans or log records.
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

/// The same in JSON.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct JsonResponse {
    partial_success: Option<JsonPartialSuccess>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct JsonPartialSuccess {
    #[serde(alias = "rejectedSpans", alias = "rejectedLogRecords")]
    rejected_data_points: Whole,
    error_message: String,
}

/// A whole number of 64 bits, which is text in JSON; some write it as a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Whole {
    Number(i64),
    Text(String),
}

impl Default for Whole {
    fn default() -> Self {
        Whole::Number(0)
    }
}

/// `google.rpc.Status`, as far as it is read.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Status {
    #[prost(string, tag = "2")]
    pub(super) message: String,
    #[prost(message, repeated, tag = "3")]
    pub(super) details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Any {
    #[prost(string, tag = "1")]
    pub(super) type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) value: Vec<u8>,
}

impl Response {
    pub(super) fn from_protobuf(bytes: &[u8]) -> Result<Self, String> {
        Response::decode(bytes).map_err(|e| e.to_string())
    }

    pub(super) fn from_json(bytes: &[u8]) -> Result<Self, String> {
        let JsonResponse { partial_success } = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        let partial_success = partial_success.map(|partial| {
            let rejected = match partial.rejected_data_points {
                Whole::Number(number) => Ok(number),
                Whole::Text(text) => text.parse().map_err(|_| format!("{text:?} is no number of items")),
            };
            Ok::<_, String>(PartialSuccess { rejected: rejected?, error_message: partial.error_message })
        });
        Ok(Response { partial_success: partial_success.transpose()? })
    }

    /// What became of so many items.
    pub(super) fn published(self, items: u64) -> Published {
        let PartialSuccess { rejected, error_message } = self.partial_success.unwrap_or_default();
        let rejected = u64::try_from(rejected).unwrap_or_default().min(items);
        let mut published = Published::all(items - rejected);
        published.rejected = rejected;
        published.warning = match (rejected, error_message.is_empty()) {
            (0, true) => None,
            (_, true) => Some(format!("it rejected {rejected} of {items}, and did not say why")),
            (_, false) => Some(error_message),
        };
        published
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_rejected_is_counted_whichever_way_it_is_written() {
        let said = Response { partial_success: Some(PartialSuccess { rejected: 3, error_message: "too old".into() }) };
        let json = br#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old"}}"#;
        assert_eq!(Response::from_json(json), Ok(said.clone()));
        assert!(Response::from_json(&json.to_vec().repeat(2)).is_err());
        let published = Response::from_protobuf(&said.encode_to_vec()).map(|response| response.published(10)).unwrap();
        assert_eq!((published.items, published.rejected, published.warning.as_deref()), (7, 3, Some("too old")));
    }

    #[test]
    fn nonsense_is_bounded() {
        let number = |n| {
            br#"{"partialSuccess":{"rejectedDataPoints":N}}"#.map(|b| b as char).iter().collect::<String>().replace('N', n)
        };
        let published = |n| Response::from_json(number(n).as_bytes()).map(|response| response.published(10));
        assert_eq!(published("-4"), Ok(Published::all(10)));
        assert_eq!(published("400").map(|p| (p.items, p.rejected)), Ok((0, 10)));
        assert!(published("\"four\"").is_err() && Response::from_json(b"<html>").is_err());
        assert_eq!(Response::from_json(b"{}").map(|response| response.published(10)), Ok(Published::all(10)));
    }
}
