//! Everything at one glance: kernels, operations, network, machine.

use super::model::{Dashboard, Kind, Panel, Row, Variable};
use super::promql::{RANGE, fraction, max, of, quantile, rate, since, state_number, states, sum, with};
use crate::dashboard::metric::*;

const KERNEL: &str = "instance, kernel";
const SERIES: &str = "{{instance}} {{kernel}}";

pub(super) const KERNELS_TO_CHOOSE: Variable = Variable { name: "kernel", title: "Kernel", label: "kernel", of: STATE };

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "ringscope-overview",
        title: "ringscope: overview",
        description: "All kernels of all processes at one glance, what the application does around them, and the machines.",
        variables: &[KERNELS_TO_CHOOSE],
        rows: vec![
            Row::new("Now", now()),
            Row::new("Kernels", kernels()),
            Row::new("Operations and network", operations()),
            Row::new("Machines", machines()),
        ],
    }
}

fn now() -> Vec<Panel> {
    vec![
        Panel::new("Kernels", "Registered kernels and host actors.", "short")
            .stat()
            .ask(sum("", &of(KERNELS)), "kernels"),
        Panel::new("Messages per second", "Messages handled without error, all kernels together.", "ops")
            .stat()
            .ask(rate(TASKS_EXECUTED, ""), "handled"),
        Panel::new("Refused", "Messages that handlers refused, as a part of all that were handled.", "percentunit")
            .stat()
            .limits(0.01, 0.05)
            .ask(fraction(TASKS_FAILED, TASKS_EXECUTED, ""), "refused"),
        Panel::new("Waiting", "Messages in the queues of all kernels.", "short")
            .stat()
            .ask(sum("", &of(TASKS_PENDING)), "waiting"),
        Panel::new("Stalled", "Kernels of which a block has stopped moving. `/stuck` says why.", "short")
            .stat()
            .limits(1.0, 1.0)
            .ask(format!("count({}) or vector(0)", of(STALLED_SINCE)), "stalled"),
        Panel::new("Oldest snapshot", "Age of the oldest snapshot that any process shows.", "s")
            .stat()
            .limits(60.0, 120.0)
            .ask(format!("time() - min({})", of(SNAPSHOT_TIME)), "age"),
    ]
}

fn kernels() -> Vec<Panel> {
    let of_each = |title, says: &str, unit| Panel::new(title, says, unit);
    vec![
        of_each("States", "What state each kernel is in.", "short")
            .kind(Kind::States(states()))
            .size(24, 7)
            .ask(state_number(STATE, KERNEL), SERIES),
        of_each("Messages handled", "Messages handled without error, per second.", "ops")
            .ask(rate(PROCESSED, KERNEL), SERIES),
        of_each("Messages refused", "Messages rejected by the handlers, per second.", "ops")
            .ask(rate(ERRORS, KERNEL), SERIES),
        of_each("Handling time, p99", "The time that 99 of 100 messages are handled in.", "s")
            .ask(quantile(HANDLING, "0.99", KERNEL), SERIES),
        of_each("Queues", "Messages in the queue of each kernel.", "short").ask(max(KERNEL, QUEUE_DEPTH), SERIES),
        of_each("Busy", "Fraction of time spent handling messages, now.", "percentunit")
            .kind(Kind::Bars)
            .limits(0.8, 0.95)
            .size(8, 9)
            .ask(max(KERNEL, BUSY_RATIO), SERIES),
        table(),
    ]
}

fn table() -> Panel {
    let refused = format!("{} / ({} + {} > 0)", rate(ERRORS, KERNEL), rate(ERRORS, KERNEL), rate(PROCESSED, KERNEL));
    let columns = vec![
        ("Handled/s", "ops"),
        ("Refused", "percentunit"),
        ("p50", "s"),
        ("p99", "s"),
        ("Queue", "short"),
        ("Last sign of life", "s"),
    ];
    Panel::new(
        "Kernels now",
        "Of each kernel: rate, part refused, handling times, queue, time since a block's heartbeat.",
        "short",
    )
    .kind(Kind::Table(columns))
    .size(16, 9)
    .ask(rate(PROCESSED, KERNEL), "")
    .ask(refused, "")
    .ask(quantile(HANDLING, "0.5", KERNEL), "")
    .ask(quantile(HANDLING, "0.99", KERNEL), "")
    .ask(max(KERNEL, QUEUE_DEPTH), "")
    .ask(since(SIGN_OF_LIFE, KERNEL), "")
}

fn operations() -> Vec<Panel> {
    let (name, peer) = ("{{name}}", "{{kind}} {{peer}}");
    vec![
        Panel::new("Operations", "Operations that ended, per second, by name and status.", "ops")
            .kind(Kind::Stacked)
            .ask(rate(OPERATIONS, "name, status"), "{{name}} {{status}}"),
        Panel::new("Duration of operations", "The time that 95 of 100 operations of a name take.", "s")
            .ask(quantile(OPERATION_DURATION, "0.95", "name"), name),
        Panel::new("Operations running", "Operations that have started and not ended.", "short")
            .size(8, 8)
            .ask(sum("name", &of(OPERATIONS_RUNNING)), name),
        Panel::new("Retries", "Retries of operations, per second.", "ops")
            .size(8, 8)
            .ask(rate(OPERATION_RETRIES, "name"), name),
        Panel::new("Operations failed", "Operations that failed, per second.", "ops")
            .size(8, 8)
            .ask(sum("name", &format!("rate({}{RANGE})", with(OPERATIONS, "status=\"failed\""))), name),
        Panel::new("Network operations", "Network operations that ended, per second, by peer and status.", "ops")
            .kind(Kind::Stacked)
            .ask(rate(NETWORK, "kind, peer, status"), "{{kind}} {{peer}} {{status}}"),
        Panel::new("Network latency", "The time in which 95 of 100 operations got a peer's answer.", "s")
            .ask(quantile(NETWORK_LATENCY, "0.95", "kind, peer"), peer),
        Panel::new("Network traffic", "Bytes sent to each peer and received from it, per second.", "Bps")
            .ask(rate(NETWORK_SENT, "kind, peer"), "{{kind}} {{peer}} sent")
            .ask(rate(NETWORK_RECEIVED, "kind, peer"), "{{kind}} {{peer}} received"),
        Panel::new("Network operations running", "Network operations that have started and not ended.", "short")
            .ask(sum("kind, peer", &of(NETWORK_RUNNING)), peer),
    ]
}

fn machines() -> Vec<Panel> {
    vec![
        Panel::new("Processors", "Utilization, averaged over all cores.", "percentunit")
            .ask(max("instance", CPU), "{{instance}}"),
        Panel::new("Memory", "Memory in use on the machine, by all processes.", "bytes")
            .ask(max("instance", MEMORY), "{{instance}}"),
    ]
}
