//! A chart as Kibana's Lens saves it.

use serde_json::{Map, Value, json};

use super::model::{Chart, Column, Shape};
use super::objects::{id_of, reference};

/// Of the saved object: Kibana 8.9 and later bring it up to their own.
const VERSION: &str = "8.9.0";
const LAYER: &str = "layer";
/// What Lens calls documents as such.
const RECORDS: &str = "___records___";

pub(super) fn chart(chart: &Chart) -> Value {
    let columns: Map<String, Value> =
        chart.columns.iter().enumerate().map(|(i, c)| (name(i), column(chart, c))).collect();
    let order: Vec<String> = (0..chart.columns.len()).map(name).collect();
    let layer = json!({ "columns": columns, "columnOrder": order, "incompleteColumns": {}, "sampling": 1 });
    json!({
        "type": "lens",
        "id": id_of(chart.id),
        "attributes": {
            "title": chart.title,
            "description": chart.description,
            "visualizationType": visualization_type(chart.shape),
            "state": {
                "datasourceStates": { "formBased": { "layers": { LAYER: layer } } },
                "visualization": visualization(chart),
                "query": { "query": chart.only, "language": "kuery" },
                "filters": [],
                "internalReferences": [],
                "adHocDataViews": {},
            },
        },
        "references": [reference(&format!("indexpattern-datasource-layer-{LAYER}"), "index-pattern", &chart.data.id())],
        "coreMigrationVersion": "8.8.0",
        "typeMigrationVersion": VERSION,
    })
}

fn name(i: usize) -> String {
    format!("column_{i}")
}

fn column(chart: &Chart, column: &Column) -> Value {
    let first_number = chart.columns.iter().position(|column| !column.is_bucket()).map(name);
    match column {
        Column::Time => bucket(
            "@timestamp",
            "date",
            "date_histogram",
            "interval",
            "@timestamp",
            json!({
                "interval": "auto", "includeEmptyRows": true, "dropPartials": false,
            }),
        ),
        Column::Values(field, size) => {
            // By a state there is no order.
            let order = match chart.columns.iter().any(|column| matches!(column, Column::Last(_))) {
                true => json!({ "type": "alphabetical", "fallback": true }),
                false => json!({ "type": "column", "columnId": first_number }),
            };
            bucket(
                field,
                "string",
                "terms",
                "ordinal",
                field,
                json!({
                    "size": size, "orderBy": order, "orderDirection": "desc", "otherBucket": false, "missingBucket": false,
                    "parentFormat": { "id": "terms" }, "include": [], "exclude": [], "includeIsRegex": false,
                    "excludeIsRegex": false,
                }),
            )
        }
        Column::Ranges(field) => bucket(
            field,
            "number",
            "range",
            "interval",
            field,
            json!({
                "type": "histogram", "ranges": [{ "from": 0, "to": 1000, "label": "" }], "maxBars": "auto",
            }),
        ),
        Column::Count => number("Documents", "count", RECORDS, json!({ "emptyAsNull": true })),
        Column::Sum(field) => number(&format!("Sum of {field}"), "sum", field, json!({ "emptyAsNull": true })),
        Column::Max(field) => number(&format!("Largest {field}"), "max", field, json!({})),
        Column::Percentile(field, percent) => {
            number(&format!("p{percent} of {field}"), "percentile", field, json!({ "percentile": percent }))
        }
        Column::Last(field) => {
            let mut last = number(
                &format!("Last {field}"),
                "last_value",
                field,
                json!({
                    "sortField": "@timestamp", "showArrayValues": false,
                }),
            );
            (last["dataType"], last["scale"]) = ("string".into(), "ordinal".into());
            last["filter"] = json!({ "query": format!("{field}: *"), "language": "kuery" });
            last
        }
    }
}

impl Column {
    fn is_bucket(&self) -> bool {
        matches!(self, Column::Time | Column::Values(..) | Column::Ranges(_))
    }
}

fn bucket(label: &str, data_type: &str, operation: &str, scale: &str, field: &str, params: Value) -> Value {
    json!({
        "label": label, "dataType": data_type, "operationType": operation, "scale": scale, "isBucketed": true,
        "sourceField": field, "params": params,
    })
}

fn number(label: &str, operation: &str, field: &str, params: Value) -> Value {
    json!({
        "label": label, "dataType": "number", "operationType": operation, "scale": "ratio", "isBucketed": false,
        "sourceField": field, "params": params, "customLabel": true,
    })
}

fn visualization_type(shape: Shape) -> &'static str {
    match shape {
        Shape::Lines | Shape::StackedBars | Shape::Bars => "lnsXY",
        Shape::Donut => "lnsPie",
        Shape::Heatmap => "lnsHeatmap",
        Shape::Table => "lnsDatatable",
    }
}

fn visualization(chart: &Chart) -> Value {
    let (buckets, numbers): (Vec<usize>, Vec<usize>) =
        (0..chart.columns.len()).partition(|i| chart.columns[*i].is_bucket());
    let names = |columns: &[usize]| columns.iter().map(|i| name(*i)).collect::<Vec<_>>();
    let (buckets, numbers) = (names(&buckets), names(&numbers));
    match chart.shape {
        Shape::Lines => xy("line", &buckets, &numbers),
        Shape::StackedBars => xy("bar_stacked", &buckets, &numbers),
        Shape::Bars => xy("bar", &buckets, &numbers),
        Shape::Donut => json!({
            "shape": "donut",
            "layers": [{
                "layerId": LAYER, "layerType": "data", "primaryGroups": buckets, "metrics": numbers,
                "numberDisplay": "percent", "categoryDisplay": "default", "legendDisplay": "default", "nestedLegend": false,
            }],
        }),
        Shape::Heatmap => json!({
            "shape": "heatmap", "layerId": LAYER, "layerType": "data",
            "xAccessor": buckets.first(), "yAccessor": buckets.get(1), "valueAccessor": numbers.first(),
            "legend": { "isVisible": true, "position": "right", "type": "heatmap_legend" },
            "gridConfig": {
                "type": "heatmap_grid", "isCellLabelVisible": false, "isYAxisLabelVisible": true,
                "isXAxisLabelVisible": true, "isYAxisTitleVisible": false, "isXAxisTitleVisible": false,
            },
        }),
        Shape::Table => {
            let columns = buckets.iter().chain(&numbers).map(|id| json!({ "columnId": id }));
            json!({ "layerId": LAYER, "layerType": "data", "columns": columns.collect::<Vec<_>>() })
        }
    }
}

fn xy(series: &str, buckets: &[String], numbers: &[String]) -> Value {
    let mut layer = json!({
        "layerId": LAYER, "layerType": "data", "seriesType": series, "position": "top", "showGridlines": false,
        "xAccessor": buckets.first(), "accessors": numbers,
    });
    if let Some(split) = buckets.get(1) {
        layer["splitAccessor"] = split.as_str().into();
    }
    json!({
        "legend": { "isVisible": true, "position": "right" },
        "valueLabels": "hide",
        "fittingFunction": "None",
        "preferredSeriesType": series,
        "layers": [layer],
    })
}
