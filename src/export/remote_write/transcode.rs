//! Requests for a receiver that turns out not to know what is in them: version 2, or native histograms.

use prost::{DecodeError, Message};

#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(string, repeated, tag = "4")]
    symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    timeseries: Vec<Series>,
}

/// Samples and histograms are written alike in both versions.
#[derive(Clone, PartialEq, Message)]
struct Series {
    #[prost(uint32, repeated, tag = "1")]
    labels: Vec<u32>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    samples: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "3")]
    histograms: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    samples: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "4")]
    histograms: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// Writes a request of version 2 as one of version 1; help, types and units are not in it.
///
/// # Errors
/// It is no request of version 2.
pub(crate) fn v1_of_v2(request: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let Request { symbols, timeseries } = Request::decode(request)?;
    let text = |n: u32| symbols.get(n as usize).cloned().unwrap_or_default();
    let labels = |references: &[u32]| {
        references.chunks_exact(2).map(|pair| Label { name: text(pair[0]), value: text(pair[1]) }).collect()
    };
    let series = |series: Series| TimeSeries {
        labels: labels(&series.labels),
        samples: series.samples,
        histograms: series.histograms,
    };
    Ok(WriteRequest { timeseries: timeseries.into_iter().map(series).collect() }.encode_to_vec())
}

/// Takes the native histograms out of a request of version 1, and returns how many these were; help, types and units go too.
///
/// # Errors
/// It is no request of version 1.
pub(crate) fn without_native(request: &[u8]) -> Result<(Vec<u8>, u64), DecodeError> {
    let mut request = WriteRequest::decode(request)?;
    let taken = request.timeseries.iter().map(|series| series.histograms.len() as u64).sum();
    request.timeseries.retain(|series| series.histograms.is_empty());
    Ok((request.encode_to_vec(), taken))
}
