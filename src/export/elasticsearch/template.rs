//! Index templates: what type each field has, and that the indexes are those of a data stream.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::stream::{ECS_VERSION, Stream};

/// Version of the templates: one that has changed has a larger one.
pub(crate) const TEMPLATE_VERSION: u64 = 1;
/// Above Elastic's own, which are at most 250, should one of theirs match.
const PRIORITY: u64 = 300;
/// Fields of an index. Each series of a name is one; a histogram is eight.
const MOST_FIELDS: u64 = 10_000;

/// The template of the data stream called `name`, whose documents are kept for `retention`, or without end.
pub(crate) fn index_template(stream: Stream, name: &str, retention: Option<Duration>) -> Value {
    let mut template = Map::new();
    if let Some(retention) = retention {
        template.insert("lifecycle".to_owned(), json!({ "data_retention": time_value(retention) }));
    }
    template.insert("settings".to_owned(), json!({ "index.mapping.total_fields.limit": MOST_FIELDS }));
    template.insert(
        "mappings".to_owned(),
        json!({
            "_meta": { "ecs_version": ECS_VERSION },
            "date_detection": false,
            "dynamic_templates": dynamic_templates(stream),
            "properties": properties(stream),
        }),
    );
    json!({
        "index_patterns": [name],
        "data_stream": {},
        "priority": PRIORITY,
        "version": TEMPLATE_VERSION,
        "_meta": { "managed_by": "ringscope", "description": stream.description() },
        "template": template,
    })
}

/// In the largest unit that has no fraction.
fn time_value(time: Duration) -> String {
    let seconds = time.as_secs().max(1);
    let (per, unit) = [(86_400, 'd'), (3600, 'h'), (60, 'm')]
        .into_iter()
        .find(|(per, _)| seconds.is_multiple_of(*per))
        .unwrap_or((1, 's'));
    format!("{}{unit}", seconds / per)
}

/// What fields of names that nobody knows beforehand are; the first that fits holds. A number's type does not depend on
/// which number came first.
fn dynamic_templates(stream: Stream) -> Vec<Value> {
    let keyword = json!({ "type": "keyword", "ignore_above": 1024 });
    let of = |name: &str, path: &str, on: &str, mapping: Value| {
        let mut rule = json!({ "path_match": path, "mapping": mapping });
        rule["match_mapping_type"] = on.into();
        json!({ name: rule })
    };
    let mut rules = Vec::new();
    if stream == Stream::Metrics {
        rules.extend([
            of("histograms", "histogram.*", "*", json!({ "type": "histogram" })),
            of("summary_counts", "summary.*.count", "long", json!({ "type": "long" })),
            of("summaries", "summary.*", "double", json!({ "type": "double" })),
            of("counters", "counter.*", "long", json!({ "type": "long", "time_series_metric": "counter" })),
            of("real_counters", "counter.*", "double", json!({ "type": "double", "time_series_metric": "counter" })),
            of("gauges", "gauge.*", "long", json!({ "type": "double", "time_series_metric": "gauge" })),
            of("real_gauges", "gauge.*", "double", json!({ "type": "double", "time_series_metric": "gauge" })),
        ]);
    }
    rules.push(json!({ "texts": { "match_mapping_type": "string", "mapping": keyword } }));
    rules
}

/// The type of each field of a known name.
fn properties(stream: Stream) -> Value {
    let mut all = Map::new();
    let mut put = |kind: &str, names: &[&str]| {
        for name in names {
            put_at(&mut all, name, kind);
        }
    };
    put("date_nanos", &["@timestamp"]);
    put("keyword", &["ecs.version", "event.kind", "event.module", "event.dataset", "host.name", "service.name"]);
    put("long", &["process.pid"]);
    if stream != Stream::Metrics {
        put("date_nanos", &["event.end", "ringscope.stalled_since"]);
        put(
            "keyword",
            &["event.action", "event.id", "event.outcome", "event.provider", "event.category", "event.type"],
        );
        put("keyword", &["ringscope.kernel", "ringscope.place", "ringscope.status"]);
        put("keyword", &["process.thread.name"]);
        put("long", &["event.duration", "event.sequence", "process.thread.id"]);
        put("long", &["ringscope.block", "ringscope.code", "ringscope.message", "ringscope.messages"]);
        put("long", &["ringscope.retries"]);
        put("text", &["message", "error.message"]);
    }
    match stream {
        Stream::Metrics => {}
        Stream::Events => {
            put("double", &["ringscope.value"]);
            put("flattened", &["ringscope.metadata"]);
        }
        Stream::Operations => {
            put("keyword", &["network.direction", "network.protocol", "server.address", "url.domain"]);
            put("long", &["client.bytes", "network.bytes", "ringscope.latency", "server.bytes", "server.port"]);
        }
    }
    Value::Object(all)
}

/// Puts a field of a name with dots where objects nest.
fn put_at(properties: &mut Map<String, Value>, name: &str, kind: &str) {
    let Some((object, rest)) = name.split_once('.') else {
        let field =
            if kind == "keyword" { json!({ "type": kind, "ignore_above": 1024 }) } else { json!({ "type": kind }) };
        properties.insert(name.to_owned(), field);
        return;
    };
    let inner = properties.entry(object).or_insert_with(|| json!({ "properties": {} }));
    if let Some(Value::Object(inner)) = inner.get_mut("properties") {
        put_at(inner, rest, kind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retention_is_in_elasticsearchs_units() {
        let of = |seconds| time_value(Duration::from_secs(seconds));
        assert_eq!(
            [of(86_400 * 30), of(86_400 + 3600), of(90 * 60), of(61), of(0)],
            ["30d", "25h", "90m", "61s", "1s"]
        );
    }

    #[test]
    fn a_template_says_its_version_and_makes_a_data_stream() {
        let template = index_template(Stream::Operations, "a-operations", Some(Duration::from_secs(7 * 86_400)));
        assert_eq!(template["index_patterns"], json!(["a-operations"]));
        assert_eq!((&template["version"], &template["data_stream"]), (&TEMPLATE_VERSION.into(), &json!({})));
        assert_eq!(template["template"]["lifecycle"]["data_retention"], "7d");
        let fields = &template["template"]["mappings"]["properties"];
        assert_eq!(fields["server"]["properties"]["port"]["type"], "long");
        assert_eq!(fields["process"]["properties"]["thread"]["properties"]["id"]["type"], "long");
        let without = index_template(Stream::Metrics, "a-metrics", None);
        assert_eq!(without["template"].get("lifecycle"), None, "Elasticsearch before 8.11 knows none");
    }
}
