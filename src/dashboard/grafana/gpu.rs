//! The GPUs, as NVIDIA's management library tells of them, beside what the kernels say themselves.

use super::Metric;
use super::model::{Dashboard, Kind, Panel, Row, Variable};
use super::promql::{max, of, of_processes, rate, sum};
use crate::dashboard::metric::*;

const GPU: &str = "instance, gpu";
const SERIES: &str = "{{instance}} GPU {{gpu}}";

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "ringscope-gpu",
        title: "ringscope: GPU",
        description: "The GPUs of the machines: utilization, memory, heat, power, clocks, errors.",
        variables: &[Variable { name: "device", title: "GPU", label: "gpu", of: GPU_UTILIZATION }],
        rows: vec![
            Row::new("Utilization", utilization()),
            Row::new("Memory", memory()),
            Row::new("Heat, power and clocks", physics()),
            Row::new("Errors", errors()),
        ],
    }
}

fn lines(title: &'static str, says: &str, unit: &'static str, metric: Metric) -> Panel {
    Panel::new(title, says, unit).ask(max(GPU, metric), SERIES)
}

fn utilization() -> Vec<Panel> {
    let busy = "What part of the time the kernels' blocks handle messages, by their own account. A kernel that stays keeps the \
                GPU's utilization at 100 %, busy or not, hung or not.";
    vec![
        lines(
            "Utilization",
            "Part of the time in which at least one kernel was running on the GPU.",
            "percentunit",
            GPU_UTILIZATION,
        ),
        Panel::new("Busy, as the kernels say", busy, "percentunit")
            .ask(format!("avg by (instance) ({})", of_processes(BUSY_RATIO)), "{{instance}}"),
    ]
}

fn memory() -> Vec<Panel> {
    vec![
        Panel::new("Memory in use, now", "Part of the GPU's memory that is in use by all processes.", "percentunit")
            .kind(Kind::Bars)
            .limits(0.8, 0.95)
            .size(8, 8)
            .ask(format!("{}\n  / {}", max(GPU, GPU_MEMORY_USED), max(GPU, GPU_MEMORY_TOTAL)), SERIES),
        lines("Memory in use", "Memory in use by all processes.", "bytes", GPU_MEMORY_USED).size(8, 8),
        lines(
            "Memory of the process",
            "Memory in use by the process that shows the telemetry.",
            "bytes",
            GPU_PROCESS_MEMORY,
        )
        .size(8, 8),
    ]
}

fn physics() -> Vec<Panel> {
    let throttled = Kind::States(vec![(0, "full clocks", "#009E73"), (1, "throttled", "#D55E00")]);
    vec![
        lines("Temperature", "Temperature of the GPU.", "celsius", GPU_TEMPERATURE).limits(75.0, 85.0),
        lines("Power", "Power draw.", "watt", GPU_POWER),
        lines(
            "Clock of the multiprocessors",
            "Clock frequency of the streaming multiprocessors.",
            "hertz",
            GPU_SM_CLOCK,
        ),
        lines("Clock of the memory", "Clock frequency of the GPU's memory.", "hertz", GPU_MEMORY_CLOCK),
        lines("Throttled", "Whether the clocks are throttled, for whatever reason.", "short", GPU_THROTTLED)
            .kind(throttled)
            .size(24, 5),
    ]
}

fn errors() -> Vec<Panel> {
    let total = |title, says: &str, metric| Panel::new(title, says, "short").ask(sum(GPU, &of(metric)), SERIES);
    let speed = Panel::new(
        "Messages handled",
        "Messages handled without error by all kernels of a process, per second.",
        "ops",
    )
    .size(8, 8)
    .ask(rate(TASKS_EXECUTED, "instance"), "{{instance}}");
    vec![
        total("ECC errors, corrected", "Corrected ECC memory errors since the driver was loaded.", GPU_ECC_CORRECTED)
            .size(8, 8),
        total(
            "ECC errors, uncorrected",
            "Uncorrected ECC memory errors since the driver was loaded.",
            GPU_ECC_UNCORRECTED,
        )
        .size(8, 8),
        speed,
    ]
}
