//! The embedded metric format: lines of JSON for CloudWatch's logs, which makes metrics of them.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::datum::{Datum, Dimension, Format, data};
use crate::snapshot::Snapshot;

/// Most metrics of a line.
const MOST_METRICS: usize = 100;
/// Most values of a metric of a line.
const MOST_VALUES: usize = 100;

/// A line, without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EmfLine {
    /// Metrics in it.
    pub(crate) items: u64,
    pub(crate) text: String,
}

/// Metrics of one set of dimensions.
struct Document {
    dimensions: Vec<Dimension>,
    timestamp: i64,
    metrics: Vec<Value>,
    values: Map<String, Value>,
}

/// Writes what was added since `previous`, and how things are, as lines, and how many data CloudWatch does not take.
pub(crate) fn emf(format: &Format, snapshot: &Snapshot, previous: Option<&Snapshot>) -> (Vec<EmfLine>, u64) {
    let format = Format { most_values: MOST_VALUES, ..format.clone() };
    let mut documents: Vec<Document> = Vec::new();
    let mut of_dimensions: HashMap<String, usize> = HashMap::new();
    let mut clashes = 0;
    let rejected = data(&format, snapshot, previous, &mut |datum| {
        // Dimensions and metrics are fields of one object.
        if datum.dimensions.iter().any(|dimension| dimension.name == datum.metric_name) {
            clashes += 1;
            return;
        }
        let key: String = datum.dimensions.iter().map(|d| format!("{}\n{}\n", d.name, d.value)).collect();
        let known = of_dimensions.get(&key).copied();
        let known = known.filter(|at| documents[*at].has_room(&datum.metric_name));
        let at = known.unwrap_or(documents.len());
        if at == documents.len() {
            documents.push(Document::new(&datum));
            of_dimensions.insert(key, at);
        }
        documents[at].push(datum);
    });
    (documents.into_iter().map(|document| document.line(&format.namespace)).collect(), rejected + clashes)
}

impl Document {
    fn new(datum: &Datum) -> Self {
        let dimensions = datum.dimensions.clone();
        Document { dimensions, timestamp: datum.timestamp, metrics: Vec::new(), values: Map::new() }
    }

    fn has_room(&self, name: &str) -> bool {
        self.metrics.len() < MOST_METRICS && !self.values.contains_key(name)
    }

    fn push(&mut self, datum: Datum) {
        let resolution = datum.storage_resolution;
        self.metrics.push(json!({"Name": datum.metric_name, "Unit": datum.unit, "StorageResolution": resolution}));
        let value = match datum.value {
            Some(value) => json!(value),
            None => {
                let pairs = datum.values.iter().zip(&datum.counts);
                json!({
                    "Values": datum.values, "Counts": datum.counts,
                    "Min": datum.values.first(), "Max": datum.values.last(),
                    "Count": datum.counts.iter().sum::<f64>(), "Sum": pairs.map(|(value, n)| value * n).sum::<f64>(),
                })
            }
        };
        self.values.insert(datum.metric_name, value);
    }

    fn line(self, namespace: &str) -> EmfLine {
        let items = self.metrics.len() as u64;
        let names: Vec<&str> = self.dimensions.iter().map(|dimension| dimension.name.as_str()).collect();
        let directive = json!({"Namespace": namespace, "Dimensions": [names], "Metrics": self.metrics});
        let mut fields = Map::new();
        let metadata = json!({"Timestamp": self.timestamp.saturating_mul(1000), "CloudWatchMetrics": [directive]});
        fields.insert("_aws".to_owned(), metadata);
        fields.extend(self.dimensions.into_iter().map(|dimension| (dimension.name, Value::String(dimension.value))));
        fields.extend(self.values);
        EmfLine { items, text: Value::Object(fields).to_string() }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::TelemetryCollector;

    #[test]
    fn each_line_names_the_metrics_that_it_has() {
        let collector = TelemetryCollector::new(true);
        for n in 0..120 {
            collector
                .gauge(&format!("gauge_{n}"), "One")
                .expect("a name")
                .on_host()
                .expect("a gauge")
                .set(f64::from(n));
        }
        collector.gauge("kernel", "Clashes").expect("a name").label("kernel", "x").on_host().expect("a gauge").set(1.0);
        let spread = collector.histogram("spread", "Spread").expect("a name").scale(5).on_host().expect("a histogram");
        (0..4000u64).for_each(|i| spread.observe(i * i));
        collector.record_processed("w", Some(Duration::from_nanos(3))).expect("on");
        let service = Dimension::new("service", "shop").into_iter().collect();
        let format = Format::new("test".to_owned(), service, Some(1));
        let (lines, rejected) = emf(&format, &collector.snapshot().expect("a snapshot"), None);
        assert_eq!(rejected, 1, "the metric with the name of its dimension");
        let (mut spread, mut gauges) = (0.0, 0);
        for line in &lines {
            assert!(!line.text.contains('\n'));
            let document: Value = serde_json::from_str(&line.text).expect("JSON");
            let directive = &document["_aws"]["CloudWatchMetrics"][0];
            assert_eq!(directive["Namespace"], "test");
            let metrics = directive["Metrics"].as_array().expect("a list");
            assert!(metrics.len() as u64 == line.items && metrics.len() <= 100);
            let dimensions = directive["Dimensions"][0].as_array().expect("one set");
            for name in dimensions {
                assert!(document[name.as_str().expect("a name")].is_string());
            }
            assert_eq!(document.as_object().expect("an object").len(), 1 + dimensions.len() + metrics.len());
            for metric in metrics {
                let name = metric["Name"].as_str().expect("a name");
                let value = &document[name];
                assert!(value.is_number() || value["Values"].as_array().expect("values").len() <= 100, "{line:?}");
                gauges += usize::from(name.starts_with("gauge_"));
                spread += if name == "spread" { value["Count"].as_f64().expect("a count") } else { 0.0 };
            }
        }
        assert_eq!((spread, gauges), (4000.0, 120));
        let of_kernel =
            lines.iter().find(|line| line.text.contains("ringscope_kernel_messages_processed")).expect("one");
        let document: Value = serde_json::from_str(&of_kernel.text).expect("JSON");
        assert_eq!((&document["kernel"], &document["service"]), (&"w".into(), &"shop".into()));
        assert_eq!(document["ringscope_kernel_messages_processed"], 1.0);
        assert_eq!(document["ringscope_kernel_message_duration_seconds"]["Sum"], 3e-9);
    }
}
