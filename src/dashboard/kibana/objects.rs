//! Saved objects that are no charts.

use serde_json::{Value, json};

use super::model::{Chart, Data, Search};

const COLUMNS: u32 = 48;
const LIST: (u32, u32) = (48, 12);
/// Where an object says which data view its search is of.
const INDEX: &str = "kibanaSavedObjectMeta.searchSourceJSON.index";

/// Ids are the same in each Kibana, so that a newer file takes the place of an older one.
pub(super) fn id_of(name: &str) -> String {
    format!("ringscope-{name}")
}

pub(super) fn reference(name: &str, kind: &str, id: &str) -> Value {
    json!({ "name": name, "type": kind, "id": id })
}

pub(super) fn data_view(data: Data, prefix: &str) -> Value {
    let format = |(field, unit): (String, &str)| match unit {
        "bytes" => (field, json!({ "id": "bytes" })),
        unit => {
            let params = json!({ "inputFormat": unit, "outputFormat": "humanizePrecise", "outputPrecision": 2, "useShortSuffix": true });
            (field, json!({ "id": "duration", "params": params }))
        }
    };
    let formats: Value = Value::Object(data.units().into_iter().map(format).collect());
    let stream = format!("{prefix}-{}", data.name());
    json!({
        "type": "index-pattern",
        "id": data.id(),
        "attributes": {
            "title": stream, "name": stream, "timeFieldName": "@timestamp", "fieldFormatMap": formats.to_string(),
            "fieldAttrs": "{}", "fields": "[]", "runtimeFieldMap": "{}", "sourceFilters": "[]",
        },
        "references": [],
        "coreMigrationVersion": "8.8.0",
        "typeMigrationVersion": "8.0.0",
    })
}

pub(super) fn search(search: &Search) -> Value {
    let source = json!({
        "query": { "query": search.only, "language": "kuery" }, "filter": [], "indexRefName": INDEX,
    });
    json!({
        "type": "search",
        "id": id_of(search.id),
        "attributes": {
            "title": search.title,
            "description": search.description,
            "columns": search.fields,
            "sort": [["@timestamp", "desc"]],
            "kibanaSavedObjectMeta": { "searchSourceJSON": source.to_string() },
        },
        "references": [reference(INDEX, "index-pattern", &search.data.id())],
        "coreMigrationVersion": "8.8.0",
        "typeMigrationVersion": "8.0.0",
    })
}

pub(super) fn dashboard(charts: &[Chart], searches: &[Search]) -> Value {
    let charts = charts.iter().map(|chart| ("lens", chart.id, chart.size));
    let searches = searches.iter().map(|search| ("search", search.id, LIST));
    let (mut panels, mut references) = (Vec::new(), Vec::new());
    let (mut x, mut y, mut height) = (0, 0, 0);
    for (i, (kind, id, (w, h))) in (1..).zip(charts.chain(searches)) {
        if x + w > COLUMNS {
            (x, y, height) = (0, y + height, 0);
        }
        panels.push(json!({
            "version": "8.9.0", "type": kind, "panelIndex": i.to_string(), "embeddableConfig": {},
            "panelRefName": format!("panel_{i}"),
            "gridData": { "x": x, "y": y, "w": w, "h": h, "i": i.to_string() },
        }));
        references.push(reference(&format!("{i}:panel_{i}"), kind, &id_of(id)));
        x += w;
        height = height.max(h);
    }
    let options = json!({ "useMargins": true, "syncColors": false, "syncCursor": true, "syncTooltips": false, "hidePanelTitles": false });
    let source = json!({ "query": { "query": "", "language": "kuery" }, "filter": [] });
    json!({
        "type": "dashboard",
        "id": id_of("overview"),
        "attributes": {
            "title": "ringscope",
            "description": "Operations, network, errors and kernels, as ringscope sends them to Elasticsearch.",
            "panelsJSON": Value::from(panels).to_string(),
            "optionsJSON": options.to_string(),
            "timeRestore": true,
            "timeFrom": "now-1h",
            "timeTo": "now",
            "refreshInterval": { "pause": false, "value": 10_000 },
            "version": 1,
            "kibanaSavedObjectMeta": { "searchSourceJSON": source.to_string() },
        },
        "references": references,
        "coreMigrationVersion": "8.8.0",
        "typeMigrationVersion": "8.9.0",
    })
}
