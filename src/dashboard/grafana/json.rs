//! A dashboard in Grafana's JSON: the classic model, with today's panels.

use serde_json::{Value, json};

use super::Metric;
use super::model::{Dashboard, Kind, Panel, Row, Variable};

/// The version of the model: Grafana 10 to 12 read it, and bring it up to their own.
const SCHEMA_VERSION: u32 = 39;
const COLUMNS: u32 = 24;
/// Panels ask the data source that the variable chooses.
const SOURCE: &str = "${datasource}";

/// The whole file.
pub(super) fn dashboard(of: &Dashboard, source: Option<&str>, every: &Metric) -> Value {
    let mut variables = vec![datasource(source)];
    let label = |name, title, label, chosen: &str| variable(name, title, &values(label, every, chosen));
    variables.push(label("job", "Job", "job", ""));
    variables.push(label("instance", "Instance", "instance", "job=~\"$job\""));
    for Variable { name, title, label, of } in of.variables {
        variables.push(variable(name, title, &values(label, of, "job=~\"$job\", instance=~\"$instance\"")));
    }
    json!({
        "uid": of.uid,
        "title": of.title,
        "description": of.description,
        "tags": ["ringscope"],
        "editable": true,
        "graphTooltip": 1,
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "refresh": "10s",
        "time": { "from": "now-1h", "to": "now" },
        "timezone": "browser",
        "links": [{
            "asDropdown": false, "icon": "external link", "includeVars": true, "keepTime": true, "tags": ["ringscope"],
            "targetBlank": false, "title": "", "tooltip": "", "type": "dashboards", "url": ""
        }],
        "annotations": { "list": [] },
        "templating": { "list": variables },
        "panels": panels(&of.rows),
    })
}

fn datasource(chosen: Option<&str>) -> Value {
    let mut variable =
        json!({ "type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus" });
    if let Some(chosen) = chosen {
        variable["current"] = json!({ "text": chosen, "value": chosen });
    }
    variable
}

/// What Grafana asks for the values of a label.
fn values(label: &str, of: &Metric, chosen: &str) -> String {
    let chosen = if chosen.is_empty() { String::new() } else { format!("{{{chosen}}}") };
    format!("label_values({of}{chosen}, {label})")
}

fn variable(name: &str, title: &str, query: &str) -> Value {
    json!({
        "type": "query",
        "name": name,
        "label": title,
        "datasource": { "type": "prometheus", "uid": SOURCE },
        "query": { "qryType": 1, "query": query, "refId": name },
        "refresh": 2,
        "sort": 7,
        "multi": true,
        "includeAll": true,
        "allValue": ".*",
        "current": { "text": "All", "value": "$__all" },
    })
}

/// Rows and panels, from left to right and from the top down.
fn panels(rows: &[Row]) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    let (mut id, mut top) = (0, 0);
    for row in rows {
        id += 1;
        let row_id = id;
        let mut inside = Vec::new();
        let (mut left, mut y, mut height) = (0, top + 1, 0);
        for panel in &row.panels {
            if left + panel.size.0 > COLUMNS {
                (left, y, height) = (0, y + height, 0);
            }
            id += 1;
            inside.push(self::panel(panel, id, left, y));
            left += panel.size.0;
            height = height.max(panel.size.1);
        }
        let closed = if row.is_closed { std::mem::take(&mut inside) } else { Vec::new() };
        all.push(json!({
            "type": "row", "id": row_id, "title": row.title, "collapsed": row.is_closed,
            "gridPos": { "x": 0, "y": top, "w": COLUMNS, "h": 1 }, "panels": closed,
        }));
        all.append(&mut inside);
        top = if row.is_closed { top + 1 } else { y + height };
    }
    all
}

fn panel(panel: &Panel, id: u32, x: u32, y: u32) -> Value {
    let is_table = matches!(panel.kind, Kind::Table(_));
    let is_now = is_table || matches!(panel.kind, Kind::Bars);
    let format = match panel.kind {
        Kind::Table(_) => "table",
        Kind::Heatmap => "heatmap",
        _ => "time_series",
    };
    let target = |(i, query): (usize, &super::model::Query)| {
        json!({
            "refId": ref_id(i),
            "datasource": { "type": "prometheus", "uid": SOURCE },
            "expr": query.expr,
            "legendFormat": query.legend,
            "format": format,
            "instant": is_now,
            "range": !is_now,
            "editorMode": "code",
        })
    };
    let (w, h) = panel.size;
    let mut value = json!({
        "type": kind_name(&panel.kind),
        "id": id,
        "title": panel.title,
        "description": panel.description,
        "datasource": { "type": "prometheus", "uid": SOURCE },
        "gridPos": { "x": x, "y": y, "w": w, "h": h },
        "targets": panel.queries.iter().enumerate().map(target).collect::<Vec<_>>(),
        "fieldConfig": { "defaults": defaults(panel), "overrides": overrides(panel) },
        "options": options(panel),
    });
    if let Kind::Table(columns) = &panel.kind {
        value["transformations"] = transformations(columns);
    }
    value
}

fn ref_id(i: usize) -> String {
    char::from(b'A' + u8::try_from(i % 26).unwrap_or_default()).to_string()
}

fn kind_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Lines | Kind::Stacked => "timeseries",
        Kind::Stat => "stat",
        Kind::Bars => "bargauge",
        Kind::States(_) => "state-timeline",
        Kind::Heatmap => "heatmap",
        Kind::Table(_) => "table",
    }
}

fn defaults(panel: &Panel) -> Value {
    let mut defaults = json!({ "unit": panel.unit });
    let steps = match panel.limits {
        None => json!([{ "value": null, "color": "green" }]),
        Some((yellow, red)) => json!([
            { "value": null, "color": "green" }, { "value": number(yellow), "color": "yellow" }, { "value": number(red), "color": "red" }
        ]),
    };
    defaults["thresholds"] = json!({ "mode": "absolute", "steps": steps });
    match &panel.kind {
        Kind::Lines | Kind::Stacked => {
            let is_stacked = matches!(panel.kind, Kind::Stacked);
            defaults["color"] = json!({ "mode": "palette-classic" });
            defaults["custom"] = json!({
                "drawStyle": "line", "lineWidth": 1, "fillOpacity": if is_stacked { 40 } else { 5 }, "showPoints": "never",
                "spanNulls": false, "stacking": { "group": "A", "mode": if is_stacked { "normal" } else { "none" } },
            });
            if panel.unit == "percentunit" {
                defaults["min"] = 0.into();
            }
        }
        Kind::Stat => defaults["color"] = json!({ "mode": "thresholds" }),
        Kind::Bars => {
            defaults["color"] = json!({ "mode": "thresholds" });
            (defaults["min"], defaults["max"]) = (0.into(), 1.into());
        }
        Kind::States(states) => {
            let options = states
                .iter()
                .map(|(n, name, colour)| (n.to_string(), json!({ "text": name, "color": colour, "index": n })));
            defaults["color"] = json!({ "mode": "thresholds" });
            defaults["custom"] = json!({ "fillOpacity": 80, "lineWidth": 0 });
            defaults["mappings"] = json!([{ "type": "value", "options": Value::Object(options.collect()) }]);
        }
        Kind::Heatmap => defaults["custom"] = json!({ "scaleDistribution": { "type": "linear" } }),
        Kind::Table(_) => defaults["custom"] = json!({ "align": "auto" }),
    }
    defaults
}

/// Whole where it is, as every other program writes it.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 { Value::from(value as i64) } else { Value::from(value) }
}

/// The units of a table's columns.
fn overrides(panel: &Panel) -> Vec<Value> {
    let Kind::Table(columns) = &panel.kind else { return Vec::new() };
    let unit = |(title, unit): &(&str, &str)| json!({ "matcher": { "id": "byName", "options": title }, "properties": [{ "id": "unit", "value": unit }] });
    columns.iter().map(unit).collect()
}

fn options(panel: &Panel) -> Value {
    let legend = json!({ "calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": true });
    let last = json!({ "calcs": ["lastNotNull"], "fields": "", "values": false });
    match &panel.kind {
        Kind::Lines | Kind::Stacked => json!({ "legend": legend, "tooltip": { "mode": "multi", "sort": "desc" } }),
        Kind::Stat => json!({
            "reduceOptions": last, "graphMode": "area", "colorMode": "value", "justifyMode": "auto", "textMode": "auto",
            "orientation": "auto", "wideLayout": true, "showPercentChange": false, "percentChangeColorMode": "standard",
        }),
        Kind::Bars => json!({
            "reduceOptions": last, "displayMode": "gradient", "orientation": "horizontal", "showUnfilled": true,
            "valueMode": "color", "namePlacement": "auto", "sizing": "auto", "minVizWidth": 8, "minVizHeight": 16,
            "maxVizHeight": 300, "legend": { "calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": false },
        }),
        Kind::States(_) => json!({
            "showValue": "auto", "rowHeight": 0.9, "mergeValues": true, "alignValue": "left", "perPage": 20,
            "legend": { "calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": false },
            "tooltip": { "mode": "single", "sort": "none" },
        }),
        Kind::Heatmap => heatmap(panel.unit),
        Kind::Table(_) => json!({ "showHeader": true, "cellHeight": "sm", "frameIndex": 0 }),
    }
}

/// Prometheus's buckets as they come, in a colour scale that is also readable in shades of grey.
fn heatmap(unit: &str) -> Value {
    json!({
        "calculate": false,
        "cellGap": 1,
        "cellValues": { "unit": "short" },
        "color": {
            "mode": "scheme", "scheme": "Viridis", "steps": 64, "exponent": 0.5, "scale": "exponential", "fill": "dark-orange",
            "reverse": false,
        },
        "exemplars": { "color": "rgba(255,0,255,0.7)" },
        "filterValues": { "le": 1e-9 },
        "legend": { "show": true },
        "rowsFrame": { "layout": "auto" },
        "showValue": "never",
        "tooltip": { "mode": "single", "yHistogram": true, "showColorScale": true },
        "yAxis": { "axisPlacement": "left", "reverse": false, "unit": unit },
    })
}

/// One row for each label set, one column for each query.
fn transformations(columns: &[(&str, &str)]) -> Value {
    let named = |(i, (title, _)): (usize, &(&str, &str))| (format!("Value #{}", ref_id(i)), Value::from(*title));
    let names: serde_json::Map<String, Value> = columns.iter().enumerate().map(named).collect();
    json!([
        { "id": "merge", "options": {} },
        { "id": "organize", "options": { "excludeByName": { "Time": true }, "indexByName": {}, "renameByName": names } },
    ])
}
