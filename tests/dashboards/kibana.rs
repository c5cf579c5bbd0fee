//! Kibana's saved objects: references lead somewhere, ids differ, fields are those of documents. What a chart or a search asks
//! is asked of the Elasticsearch receiver with documents of a real run, and nothing comes back empty.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ringscope::dashboard::{Options, files};
use ringscope::publish::{AnyDestination, Environment, Periodic};
use ringscope::{DeviceSpec, LaunchOptions, RingKernelRuntime};
use serde_json::{Map, Value, json};

use crate::made::contents;
use crate::receivers::{Elastic, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);

fn objects() -> Vec<Value> {
    contents("kibana/ringscope.ndjson").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn id(object: &Value) -> (String, String) {
    (object["type"].as_str().unwrap().to_owned(), object["id"].as_str().unwrap().to_owned())
}

/// JSON inside a text.
fn inner(text: &Value) -> Value {
    serde_json::from_str(text.as_str().expect("a text with JSON")).unwrap()
}

#[test]
fn ids_differ_and_references_lead_to_objects_of_the_file() {
    let objects = objects();
    let ids: BTreeSet<_> = objects.iter().map(id).collect();
    assert_eq!(ids.len(), objects.len());
    let mut referred = BTreeSet::new();
    for object in &objects {
        let references = object["references"].as_array().unwrap();
        let names: BTreeSet<&str> = references.iter().map(|r| r["name"].as_str().unwrap()).collect();
        assert_eq!(names.len(), references.len(), "{object}");
        for reference in references {
            assert!(ids.contains(&id(reference)), "{reference} leads nowhere");
            referred.insert(id(reference));
        }
        let text = object.to_string();
        let wanted = text.matches("RefName").count();
        // A layer of a chart is found by the name of its reference.
        let layers = object.pointer("/attributes/state/datasourceStates/formBased/layers").and_then(Value::as_object);
        let layers = layers.map_or(0, Map::len);
        assert_eq!(references.len(), wanted + layers, "{object}");
    }
    let dashboard = objects.iter().filter(|object| object["type"] == "dashboard").map(id).collect();
    assert_eq!(
        ids.difference(&referred).cloned().collect::<BTreeSet<_>>(),
        dashboard,
        "only the dashboard is no part of another"
    );
}

#[test]
fn panels_of_the_dashboard_lie_beside_each_other_and_are_found_by_their_references() {
    let objects = objects();
    let dashboard = objects.iter().find(|object| object["type"] == "dashboard").unwrap();
    let panels = inner(&dashboard["attributes"]["panelsJSON"]);
    let mut cells = BTreeSet::new();
    for panel in panels.as_array().unwrap() {
        let name = format!("{}:{}", panel["panelIndex"].as_str().unwrap(), panel["panelRefName"].as_str().unwrap());
        let reference = dashboard["references"].as_array().unwrap().iter().find(|r| r["name"] == name.as_str());
        assert_eq!(reference.unwrap_or_else(|| panic!("no {name}"))["type"], panel["type"]);
        let at = |key: &str| panel["gridData"][key].as_u64().unwrap();
        assert!(at("x") + at("w") <= 48);
        for x in at("x")..at("x") + at("w") {
            (at("y")..at("y") + at("h")).for_each(|y| assert!(cells.insert((x, y)), "{name} lies on another"));
        }
    }
    assert_eq!(panels.as_array().unwrap().len(), objects.len() - 4, "all but the data views and itself");
}

#[test]
fn data_views_have_the_prefix_that_is_asked_for() {
    let mut options = Options::default();
    options.index_prefix = "of-us".into();
    let file = files(&options).into_iter().find(|file| file.path.ends_with(".ndjson")).unwrap();
    for stream in ringscope::publish::ElasticsearchStream::ALL {
        assert!(file.contents.contains(&format!("\"title\":\"of-us-{}\"", stream.name())), "{}", stream.name());
    }
}

/// A query in Kibana's language, as Elasticsearch has it: those that are used here.
fn query(kuery: &str) -> Value {
    if kuery.is_empty() {
        return json!({ "match_all": {} });
    }
    if let Some(not) = kuery.strip_prefix("not ") {
        return json!({ "bool": { "must_not": [query(not)] } });
    }
    let (field, value) = kuery.split_once(": ").expect("field: value");
    match value {
        "*" => json!({ "exists": { "field": field } }),
        value => json!({ "term": { field: value.trim_matches('"') } }),
    }
}

/// What Lens asks for a chart's columns: groups inside groups, and in the innermost the numbers.
fn aggregations(layer: &Value) -> Value {
    let order = layer["columnOrder"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
    let columns: Vec<(&str, &Value)> = order.map(|name| (name, &layer["columns"][name])).collect();
    assert_eq!(columns.len(), layer["columns"].as_object().unwrap().len());
    let mut aggregations = Map::new();
    for (name, column) in columns.iter().filter(|(_, column)| column["isBucketed"] == false) {
        if let Some(number) = number(column) {
            aggregations.insert((*name).to_owned(), number);
        }
    }
    for (name, column) in columns.iter().rev().filter(|(_, column)| column["isBucketed"] == true) {
        let field = &column["sourceField"];
        let mut group = match column["operationType"].as_str().unwrap() {
            "date_histogram" => {
                json!({ "date_histogram": { "field": field, "fixed_interval": "1s", "min_doc_count": 1 } })
            }
            "terms" => json!({ "terms": { "field": field, "size": column["params"]["size"] } }),
            "range" => json!({ "histogram": { "field": field, "interval": 1_000_000, "min_doc_count": 1 } }),
            other => panic!("{other}"),
        };
        if !aggregations.is_empty() {
            group["aggs"] = Value::Object(std::mem::take(&mut aggregations));
        }
        aggregations.insert((*name).to_owned(), group);
    }
    Value::Object(aggregations)
}

/// `None` where it is the count of the documents, which every group has.
fn number(column: &Value) -> Option<Value> {
    let field = &column["sourceField"];
    let of = |kind: &str| json!({ kind: { "field": field } });
    Some(match column["operationType"].as_str().unwrap() {
        "count" => return None,
        kind @ ("sum" | "max") => of(kind),
        // The receiver has no percentiles: of these, that each group has documents with the field.
        "percentile" => newest(json!({ "exists": { "field": field } })),
        "last_value" => newest(query(column["filter"]["query"].as_str().unwrap())),
        other => panic!("{other}"),
    })
}

/// The newest document of those.
fn newest(only: Value) -> Value {
    json!({ "filter": only, "aggs": { "last": { "top_hits": { "size": 1, "sort": [{ "@timestamp": "desc" }] } } } })
}

/// How many groups have numbers, all of which are there.
fn groups(answer: &Value) -> usize {
    let mut found = 0;
    for (_, part) in answer.as_object().into_iter().flatten().filter(|(name, _)| name.starts_with("column_")) {
        match part["buckets"].as_array() {
            Some(buckets) => {
                for bucket in buckets {
                    let has_more = bucket.as_object().unwrap().keys().any(|key| key.starts_with("column_"));
                    found +=
                        if has_more { groups(bucket) } else { usize::from(bucket["doc_count"].as_u64() > Some(0)) };
                }
            }
            None => found += usize::from(says_something(part)),
        }
    }
    found
}

fn says_something(part: &Value) -> bool {
    match part.pointer("/last/hits/hits").and_then(Value::as_array) {
        Some(hits) => !hits.is_empty(),
        None => part["value"].is_number(),
    }
}

/// A run with everything that there is, published until there are documents of each kind.
fn publish(elastic: &Elastic) {
    let runtime = RingKernelRuntime::builder().device(DeviceSpec::Host).telemetry(true).build().unwrap();
    let collector = runtime.collector();
    collector.monitor_operations().unwrap();
    let to = format!("elasticsearch+http://{}", elastic.address());
    let to = AnyDestination::from_url(&to, &Environment::of([])).unwrap();
    let periodic = Periodic::builder(collector).interval(Duration::from_millis(200)).destination(to).start().unwrap();
    runtime.launch_blocking("worker", &LaunchOptions::new().blocks(2)).unwrap();
    runtime.activate_blocking("worker").unwrap();
    wait_for("documents", || {
        runtime.call_blocking("worker", &[7; 64], PATIENCE).unwrap();
        collector.operation("resize").start().unwrap().succeed();
        let mut failing = collector.operation("resize").start().unwrap();
        failing.retry("busy");
        failing.fail("no memory");
        let mut sent = collector.network_operation("http", "peer", 80).unwrap();
        sent.sent(100);
        sent.received(1000);
        sent.succeed();
        collector.record_event("deploy", 1.0, &[], &[]).unwrap();
        let count = |stream: &str| match elastic.request("GET", &format!("/ringscope-{stream}/_count"), "") {
            answer if answer.status == 200 => answer.json()["count"].as_u64().unwrap_or(0),
            _ => 0,
        };
        ["metrics", "operations", "events"].iter().all(|stream| count(stream) > 10).then_some(())
    });
    drop(periodic);
    elastic.request("POST", "/_refresh", "");
}

#[test]
fn no_chart_and_no_search_is_empty() {
    let Some(elastic) = Elastic::start() else { return };
    publish(&elastic);
    let objects = objects();
    let views: BTreeMap<String, String> = objects
        .iter()
        .filter(|object| object["type"] == "index-pattern")
        .map(|view| (id(view).1, view["attributes"]["title"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(views.len(), 3);
    let index = |object: &Value| &views[object["references"][0]["id"].as_str().unwrap()];
    let mut asked = 0;
    for object in &objects {
        let title = &object["attributes"]["title"];
        if object["type"] == "lens" {
            let state = &object["attributes"]["state"];
            let layer = &state["datasourceStates"]["formBased"]["layers"]["layer"];
            let search = json!({
                "size": 0, "query": query(state["query"]["query"].as_str().unwrap()), "aggs": aggregations(layer),
            });
            let answer = elastic.search(index(object), &search);
            let found = groups(&answer["aggregations"]);
            println!("{title}: {found} groups");
            assert!(found > 0, "{title}: {search:#} finds nothing: {answer:#}");
            asked += 1;
        } else if object["type"] == "search" {
            let source = inner(&object["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"]);
            let search = json!({ "size": 100, "query": query(source["query"]["query"].as_str().unwrap()), "sort": [{ "@timestamp": "desc" }] });
            let answer = elastic.search(index(object), &search);
            let hits = answer["hits"]["hits"].as_array().unwrap();
            assert!(!hits.is_empty(), "{title} finds nothing");
            // Each column is a field of some document.
            for column in object["attributes"]["columns"].as_array().unwrap() {
                let column = column.as_str().unwrap();
                let has = |hit: &Value| field(&hit["_source"], column).is_some();
                // Where it was is known of device messages alone.
                assert!(
                    column == "ringscope.kernel" || hits.iter().any(has),
                    "{title}: nobody has {column}: {hits:#?}"
                );
            }
            asked += 1;
        }
    }
    assert!(asked > 15, "{asked}");
}

/// A field, whether its name is written as a whole or as a path.
fn field<'a>(document: &'a Value, name: &str) -> Option<&'a Value> {
    document.get(name).or_else(|| name.split('.').try_fold(document, |at, part| at.get(part)))
}
