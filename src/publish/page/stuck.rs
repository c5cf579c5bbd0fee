//! `/stuck`: which kernels hang, where and why.

use crate::snapshot::{Snapshot, StuckKernel};
use serde::Serialize;

/// A kernel that hangs, and the same as a sentence.
#[derive(Serialize)]
pub struct Told {
    sentence: String,
    #[serde(flatten)]
    kernel: StuckKernel,
}

impl From<StuckKernel> for Told {
    fn from(kernel: StuckKernel) -> Self {
        Told { sentence: kernel.to_string(), kernel }
    }
}

#[derive(Serialize)]
struct Document {
    stuck: Vec<Told>,
}

/// Returns a line for each kernel that hangs.
pub fn text(snapshot: &Snapshot) -> String {
    let lines: String = snapshot.stuck().iter().map(|kernel| format!("{kernel}\n")).collect();
    if lines.is_empty() { "no kernel hangs\n".to_owned() } else { lines }
}

/// Returns the same as a document.
///
/// # Errors
/// The JSON writer's; none is known.
pub fn json(snapshot: &Snapshot) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Document { stuck: snapshot.stuck().into_iter().map(Told::from).collect() })
}

/// Returns whether the query or the `Accept` header asks for JSON; text is for people and for those who take anything.
pub fn wants_json(query: Option<&str>, accept: &str) -> bool {
    let format = query.and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("format=")));
    if let Some(format) = format {
        return format == "json";
    }
    let json = weight(accept, "application/json");
    json > 0.0 && ["text/plain", "text/html", "text/*"].into_iter().all(|text| json >= weight(accept, text))
}

/// Returns how much an `Accept` header, or one of its family, wants this: 0 is not at all.
pub fn weight(accept: &str, of: &str) -> f64 {
    let ranges = accept.split(',').map(|range| range.split(';').map(str::trim));
    let of_this = ranges.filter_map(|mut parts| (parts.next()?.eq_ignore_ascii_case(of)).then_some(parts));
    let weights =
        of_this.map(|mut parameters| parameters.find_map(|p| p.strip_prefix("q=")?.parse::<f64>().ok()).unwrap_or(1.0));
    weights.fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_for_who_asks_for_it() {
        for accept in ["", "*/*", "text/html, */*;q=0.8", "text/plain, application/json;q=0.5", "application/json;q=0"]
        {
            assert!(!wants_json(None, accept), "{accept}");
        }
        for accept in ["application/json", "application/json, text/plain, */*", "text/plain;q=0.5, Application/JSON"] {
            assert!(wants_json(None, accept), "{accept}");
        }
        assert!(
            wants_json(Some("x=y&format=json"), "text/plain") && !wants_json(Some("format=text"), "application/json")
        );
    }

    #[test]
    fn without_a_kernel_that_hangs_it_says_so() {
        let snapshot = crate::TelemetryCollector::new(true).snapshot().unwrap();
        assert_eq!(text(&snapshot), "no kernel hangs\n");
        assert_eq!(json(&snapshot).unwrap(), b"{\"stuck\":[]}");
    }
}
