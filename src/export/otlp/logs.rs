//! Log records: what happened to kernels, what the application said, operations that failed or were abandoned, and lines
//! that kernels and the host wrote into a trace. Each has a severity, a name of its kind, a sentence, and the parts of it.

use std::sync::Arc;
use std::time::SystemTime;

use super::attributes::{attribute, pair, resource, scope};
use super::log_messages::LogRecord;
use super::messages::{AnyValue, KeyValue, OneValue};
use super::operations::{self, Operations, ended_ns, nanoseconds};
use super::requests::{Form, Names, Request, Requests};
use super::time::unix_ns;
use crate::collector::{ApplicationEvent, EventKind, KernelEvent, NetworkRecord, OperationRecord};
use crate::snapshot::OperationStatus;
use crate::trace::{Instant, InstantKind, Source, Trace};

const NAMES: Names = Names { resources: "resourceLogs", scopes: "scopeLogs", items: "logRecords" };

/// What happened since the last time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Happened<'a> {
    pub(crate) events: &'a [Arc<ApplicationEvent>],
    pub(crate) kernel_events: &'a [KernelEvent],
    /// Those that succeeded are no log records.
    pub(crate) operations: Operations<'a>,
    /// Of which the lines of text are taken.
    pub(crate) trace: Option<&'a Trace>,
    /// When it was gathered.
    pub(crate) observed: SystemTime,
}

/// Writes what happened.
pub(crate) fn logs(source: &Source, happened: &Happened<'_>, form: Form) -> Result<Vec<Request>, serde_json::Error> {
    let mut requests = Requests::new(&NAMES, form, &resource(source));
    requests.scope(&scope("ringscope", Vec::new()));
    let observed = unix_ns(happened.observed);
    let mut add = |record: LogRecord| requests.message(&LogRecord { observed_time_unix_nano: observed, ..record });
    happened.kernel_events.iter().for_each(|event| add(of_kernel(event)));
    happened.events.iter().for_each(|event| add(of_application(event)));
    happened.operations.operations.iter().filter_map(of_operation).for_each(&mut add);
    happened.operations.network.iter().filter_map(of_network).for_each(&mut add);
    let instants = happened.trace.map_or(&[][..], |trace| &trace.instants);
    instants.iter().filter(|instant| instant.kind == InstantKind::Log).for_each(|line| add(of_line(line)));
    requests.finish()
}

/// `SeverityNumber`, and what it is called.
#[derive(Clone, Copy, Debug)]
enum Severity {
    Info = 9,
    Warn = 13,
    Error = 17,
}

impl Severity {
    fn text(self) -> &'static str {
        match self {
            Severity::Info => "INFO",
            Severity::Warn => "WARN",
            Severity::Error => "ERROR",
        }
    }
}

fn record(
    time_unix_nano: u64,
    severity: Severity,
    name: impl Into<String>,
    sentence: String,
    attributes: Vec<KeyValue>,
) -> LogRecord {
    LogRecord {
        time_unix_nano,
        severity_number: severity as i32,
        severity_text: severity.text().to_owned(),
        body: Some(AnyValue { value: Some(OneValue::String(sentence)) }),
        attributes,
        event_name: name.into(),
        ..LogRecord::default()
    }
}

fn of_kernel(event: &KernelEvent) -> LogRecord {
    let KernelEvent { kernel_id, kind, .. } = event;
    let severity = match kind {
        EventKind::Failed => Severity::Error,
        EventKind::Stalled => Severity::Warn,
        _ => Severity::Info,
    };
    let mut sentence = format!("kernel {kernel_id} {kind}");
    let mut attributes =
        vec![pair("ringscope.kernel", kernel_id.to_string().into()), pair("ringscope.event", kind.name().into())];
    if let Some(stall) = &event.stall {
        sentence = format!("kernel {kernel_id} stalled: {}", stall.status);
        attributes.push(pair("ringscope.block", stall.block.into()));
        attributes.push(pair("ringscope.silent_since_unix_ns", unix_ns(stall.since).into()));
    }
    if let Some(why) = &event.died_of {
        sentence = format!("kernel {kernel_id} failed: {why}");
        attributes.push(pair("error.message", why.to_string().into()));
    }
    record(unix_ns(event.time), severity, format!("ringscope.kernel.{kind}"), sentence, attributes)
}

/// Labels and metadata are attributes by their own names; the value is `value`, unless one of them is called so.
fn of_application(event: &ApplicationEvent) -> LogRecord {
    let ApplicationEvent { name, value, labels, metadata, .. } = event;
    let mut attributes = vec![pair("value", (*value).into())];
    for (key, text) in labels.iter().chain(metadata.iter()) {
        match attributes.iter_mut().find(|known| known.key == key) {
            // Keys are unique: what events are chosen by comes first.
            Some(known) if known.key == "value" && labels.get(key) == Some(text) => *known = text_pair(key, text),
            Some(_) => {}
            None => attributes.push(text_pair(key, text)),
        }
    }
    record(unix_ns(event.time), Severity::Info, &**name, format!("{name} {value}"), attributes)
}

fn text_pair(key: &str, text: &str) -> KeyValue {
    pair(key.to_owned(), text.to_owned().into())
}

fn severity_of(status: OperationStatus) -> Option<Severity> {
    match status {
        OperationStatus::Succeeded => None,
        OperationStatus::Failed => Some(Severity::Error),
        OperationStatus::Abandoned => Some(Severity::Warn),
    }
}

fn of_operation(of: &OperationRecord) -> Option<LogRecord> {
    let severity = severity_of(of.status)?;
    let mut attributes = operations::attributes(of);
    attributes.push(pair("ringscope.duration_ns", nanoseconds(of.duration).into()));
    Some(record(ended_ns(of.start_time, of.duration), severity, "ringscope.operation", of.to_string(), attributes))
}

fn of_network(of: &NetworkRecord) -> Option<LogRecord> {
    let severity = severity_of(of.status)?;
    let mut attributes = operations::network_attributes(of);
    attributes.push(pair("ringscope.duration_ns", nanoseconds(of.duration).into()));
    Some(record(
        ended_ns(of.start_time, of.duration),
        severity,
        "ringscope.network_operation",
        of.to_string(),
        attributes,
    ))
}

/// A line that a kernel or the host wrote, in the span in which it did.
fn of_line(line: &Instant) -> LogRecord {
    let mut attributes: Vec<KeyValue> = line.attributes.iter().map(attribute).collect();
    if let Some(message) = &line.message {
        attributes.push(pair("ringscope.kernel", message.kernel.to_string().into()));
        attributes.push(pair("messaging.message.id", message.number.to_string().into()));
    }
    let mut record = record(line.time.unix_ns, Severity::Info, "ringscope.log", line.name.to_string(), attributes);
    if let Some(context) = &line.context {
        record.trace_id = context.trace_id().to_bytes().to_vec();
        record.span_id = context.span_id().to_bytes().to_vec();
        record.flags = context.flags().into();
    }
    record
}
