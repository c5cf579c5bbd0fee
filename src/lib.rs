//! See inside a CUDA kernel that never returns.
//!
//! A persistent ("ring") kernel is launched once and lives for hours, taking messages from a queue. To every outside
//! tool it is one endless launch: NVML says 100 % busy, a profiler shows one bar. ringscope puts the instruments
//! inside: the kernel itself counts and times into device memory, with relaxed atomics and no fence; the host copies
//! that memory while the kernel runs, on a stream of its own, and derives rates, percentiles and summaries.
//!
//! ```
//! use std::time::Duration;
//! use ringscope::{DeviceSpec, KernelState, RingKernelRuntime};
//!
//! # #[tokio::main(flavor = "multi_thread")] async fn main() -> Result<(), ringscope::RuntimeError> {
//! let runtime = RingKernelRuntime::builder().device(DeviceSpec::Host).kernel("crc32c").telemetry(true).build()?;
//! runtime.launch("worker").await?;
//! runtime.activate("worker").await?;
//! for message in ["123456789", "The quick brown fox"] {
//!     runtime.send("worker", message.as_bytes()).await?;
//! }
//! let reply = runtime.receive("worker", Duration::from_secs(5)).await?;
//! assert_eq!(reply.payload, 0xe306_9283_u32.to_le_bytes()); // the CRC-32C of "123456789"
//! runtime.receive("worker", Duration::from_secs(5)).await?;
//!
//! let t = runtime.telemetry("worker").await?; // read now, while the kernel runs
//! assert_eq!(t.state, KernelState::Active);
//! assert_eq!((t.messages_received, t.messages_processed, t.errors), (2, 2, 0));
//! assert_eq!((t.bytes_in, t.bytes_out), (28, 8));
//! assert!(t.throughput > 0.0 && t.latency.is_some());
//! # Ok(()) }
//! ```
//!
//! # Where to start
//!
//! * [`RingKernelRuntime`] launches ring kernels and talks to them; telemetry is off by default, and off costs nothing.
//! * A kernel of your own takes a [`KernelRef`] by value and makes three calls; register it with
//!   [`TelemetryCollector::register`]. Its header is found through Cargo's `links` metadata
//!   (`DEP_RINGSCOPE_INCLUDE` in your build script), or as [`device::HEADERS`] for NVRTC. See
//!   `examples/bring-your-own-kernel`.
//! * A ring kernel of your own is a handler over `<ringscope/ring.cuh>`, with arguments, state and metrics:
//!   [`ring_kernel!`] names it, [`LaunchOptions::args`] gives it its arguments. See `examples/own-ring-kernel`, with a
//!   kernel of one warp and one of 128 threads a block.
//! * A kernel that hangs is explained while it runs: [`Snapshot::stuck`] groups its blocks by where they are and what they wait
//!   for, [`Snapshot::blocks`] has each of them. Waypoints are named by
//!   [`waypoints`](collector::KernelRegistration::waypoints) or in the kernel's source; ring kernels have places of their own.
//!   See `examples/stuck.rs`.
//! * [`TelemetryCollector`] counts host actors by call, as kernels count by themselves.
//! * Periodic collection, with a bounded history, subscribers, hooks and ready-made metrics of health and traffic:
//!   [`start_collection`](TelemetryCollector::start_collection), [`snapshots`](TelemetryCollector::snapshots),
//!   [`subscribe`](TelemetryCollector::subscribe), [`add_hook`](TelemetryCollector::add_hook),
//!   [`install`](TelemetryCollector::install). See `examples/monitor.rs`.
//! * [`metrics`] are counters, gauges and histograms of your own, in the same snapshot.
//! * [`monitor_operations`](TelemetryCollector::monitor_operations) switches on what the application does around its kernels:
//!   [`operation`](TelemetryCollector::operation), [`network_operation`](TelemetryCollector::network_operation),
//!   [`Metered`](collector::Metered) streams, [`record_event`](TelemetryCollector::record_event). See
//!   `examples/operations.rs`.
//! * [`trace`] records what host threads do as spans, in one trace with the messages they send, for Perfetto, OpenTelemetry
//!   and Jaeger.
//! * What kernels record at [`Level::Events`] (events, spans, samples, log lines, messages that a
//!   [filter](trace::TraceFilter) chooses) comes as a stream while they run:
//!   [`trace_stream`](TelemetryCollector::trace_stream), with what was lost in its place.
//! * [`export`] writes a snapshot for Prometheus (classic text, OpenMetrics, protobuf with native histograms) and as JSON.
//! * `publish` (feature `publish`, and one for each destination) sends snapshots, spans, operations and events to where people
//!   look, with queues, retries and counts of what is lost: OpenTelemetry, Prometheus, Grafana Cloud, Elasticsearch, Datadog,
//!   CloudWatch, Jaeger, files. docs/destinations.md says what arrives where, in which type.
//! * `telemetry.serve("127.0.0.1:9464")?` (feature `page`) serves a page for browsers with live charts, the map of blocks, events and
//!   alerts; and everything as JSON, by server-sent events, and for Prometheus. docs/page.md has the paths.
//! * `telemetry.record(path)` (feature `recording`) keeps all of it in a file; [`alert`] has rules and detectors of what is unusual, and `publish::Alerting` (feature `alerts`)
//!   tells people.
//! * [`device`] has the devices: CUDA, loaded at run time, and the CPU, which runs the same kernel sources on threads.
//!
//! # The names of ring-kernel telemetry elsewhere, and here
//!
//! | elsewhere | here |
//! |---|---|
//! | `RingKernelRuntime(enable_telemetry=True)` | `RingKernelRuntime::builder().telemetry(true)` (off by default; off costs nothing) |
//! | `await runtime.launch("w")`, `activate`, `send`, `receive(timeout)` | the same, async on tokio, plus `deactivate`, `terminate`, `call`, `send_timeout`, `try_receive`; `send_batch`, `receive_batch` and `receive_into`, which allocate nothing for a message; and `…_blocking` forms usable without tokio |
//! | `runtime.get_telemetry(id)`, `get_summary()`, `reset_telemetry(id or all)` | `runtime.telemetry(id)`, `summary()`, `reset_telemetry(Option<&str>)` |
//! | `KernelTelemetry`: kernel_id, state, messages_received, messages_sent, messages_processed, errors, start_time, last_message_time, throughput, uptime, error_rate | [`KernelTelemetry`]: the same, plus latencies of handling and of waiting, queue depth, high water and full events, bytes, busy_ratio, rates over windows, stalls |
//! | `TelemetryCollector(enabled)`: record_receive, record_send, record_error(id, error), get_telemetry, get_all_telemetry, get_summary, reset | [`TelemetryCollector`]: the same without `get_`; a handle (`collector.actor("w")?`) for the hot path, which costs no look-up and no lock |
//! | printf and a debugger, to find where a kernel hangs | `rec.at`, `rec.waiting`, `spin_until` in the kernel; [`Snapshot::stuck`], [`Snapshot::blocks`], `/stuck` of `ringscope serve` |
//! | tasks_executed, tasks_failed, tasks_pending, avg/p50/p95/p99 latency in ms, throughput | [`Snapshot::tasks`]; for Prometheus `ringscope_tasks_executed_total`, `ringscope_tasks_failed_total`, `ringscope_tasks_pending`, `ringscope_task_latency_seconds` |
//! | `start_collection()`, `stop_collection()`, `snapshot()`, `snapshots()`, hooks | the same, plus `latest()` without a lock, [`subscribe`](TelemetryCollector::subscribe), ready-made metrics ([`install`](TelemetryCollector::install)) |
//! | counter, gauge, histogram by name and labels | [`metrics`]: of host threads (`.on_host()`) and of kernels (`.on_device()`) |
//! | cpu_utilization_percent, memory_used_mb, the GPUs | [`Snapshot::system`], [`Snapshot::gpus`] (features `system`, `nvml`) |
//! | telemetry_collection_runs_total and its like | [`Snapshot::self_metrics`], and the same names on a page for Prometheus; `telemetry_metrics_count`, the number of registered metrics, is `telemetry_registered_metrics` there, since names in `_count` belong to histograms |
//! | `monitor_operations()`, `operation(name)` with succeed, fail, retry; failed_events, slow_events, retry_stats, metrics_json | [`TelemetryCollector::monitor_operations`], [`operation`](TelemetryCollector::operation): the same; ended by `finish(result)` as well; dropped, it is abandoned |
//! | `network_operation(kind, host, port)`, failed_network_ops, slow_network_ops; `record_event(name, value, labels, metadata)` | the same, plus [`Metered`](collector::Metered) streams, [`throughput_by_peer`](TelemetryCollector::throughput_by_peer), [`subscribe_events`](TelemetryCollector::subscribe_events) |
//! | `export_prometheus()`, `export_json()` | the same on [`Snapshot`], plus OpenMetrics and native histograms |
//! | `MetricsExporter`: `PrometheusAdapter(path)`, `JsonExporter(path)`, `MultiExporter` | `publish::PrometheusFile`, `publish::JsonFile` (timestamp; metrics by name with value, labels, timestamp; events_count; running), `publish::Composite` |
//! | `PeriodicExporter(exporter, collector, interval)` | `publish::Periodic::builder(&collector).interval(…).destination(…).start()` |
//! | `create_exporter("otlp", endpoint)` | `publish::AnyDestination::from_url("otlp+http://…", &environment)` |
//! | `MetricsPublisher` with `publish_event_metrics`, `publish_network_metrics` | `publish::Publisher` and `publish::Destination`; a `publish::Publication` has the snapshot, operations, network operations, events and spans since the one before |
//! | `ElasticsearchPublisher(hosts, index_prefix)`, `PrometheusPublisher(port)`, `GrafanaCloudPublisher(api_key, org_slug)`, `CompositePublisher([…])` | `publish::Elasticsearch`, `PrometheusPublisher`, `GrafanaCloud`, `Composite` |
//! | summary: kernel_count, total_messages, total_errors, aggregate_throughput, per_kernel | [`Summary`], which serializes to exactly these names |
//!
//! # What is exact, and what is not
//!
//! Every counter is exact, monotone and never torn. A snapshot is not a transaction: its counters may lie apart by at
//! most [`Snapshot::copy_duration`]. When a kernel is idle all of its counters agree exactly. A kernel records a message
//! after its reply is published; [`RingKernelRuntime::snapshot`] waits, at most a second, for the records of replies already
//! received. Percentiles come from exponential buckets: at the default scale their error is under 4.4 %.
//!
//! # Limits
//!
//! * 64-bit little-endian Linux; NVIDIA GPUs of compute capability 7.5 and later.
//! * What is registered stays: a kernel's id and shards are not given to another, so that its last numbers stay readable.
//! * All rings and the slab are allocated when the runtime is built: nothing can be allocated safely on CUDA while a
//!   kernel is resident.
//! * The watchdog knows a block that works on one message for longer than the
//!   [`stall_limit`](TelemetryConfig::stall_limit) from one that hangs only by its recovery.
//! * On GPUs whose clock ticks every 1,024 ns (A100, RTX 40), shorter latencies read as 0 or one tick each.
//!
//! # Features
//!
//! On by default, since a dependency on ringscope is for those who link the library: `cuda` and `host` (needs a C++
//! compiler to build). By choice: `serde`; `json` (implies `serde`); `prometheus-protobuf` (native histograms; the text
//! formats need no feature); `trace` (traces in Perfetto's format, in OpenTelemetry's protocol and in Jaeger's JSON);
//! `system` (processors and memory in every snapshot); `nvml` (GPUs, through NVIDIA's management library where there is
//! a driver); `tracing` (what telemetry has to say of itself as `tracing` events, see the table in [`collector`];
//! without it nothing is printed; and a layer for `tracing_subscriber` that records an application's own spans, see
//! [`trace`]); `nvtx` (names what the host does in NVIDIA's profilers, see [`nvtx`]; needs a C compiler and libclang to
//! build); `capi` (the functions of `include/ringscope.h`, for hosts in C, C++ and Python: `scripts/capi.sh` builds the libraries, docs/c-api.md); `dashboard` (dashboards for Grafana and Kibana, rules and alerts for Prometheus, as the texts of files); and `cli`,
//! the program, which implies
//! `json`, `prometheus-protobuf`, `trace`, `system`, `nvml` and all destinations but `cloudwatch`.
//!
//! Destinations are features of their own, each of which implies `publish`, the way to any of them: `files` (Prometheus's
//! textfile collector, JSON, JSON lines); `prometheus-server` (a server that Prometheus scrapes); `otlp` (OpenTelemetry's protocol
//! over HTTP, and Jaeger), `otlp-grpc`; `remote-write` and `pushgateway` (Prometheus); `elasticsearch`; `grafana-cloud`
//! (implies `otlp`, `remote-write` and `tls`); `datadog` (DogStatsD); `cloudwatch` (by the AWS SDK, which brings some hundred
//! crates). What people look at: `page` (the server with the page for browsers; `page-tls` for `https://`), `recording`, `alerts` (rules from
//! TOML, notifications); `feed` is what these share. `tls` adds `https://` to the destinations over HTTP, by rustls; `http-client` is what these share. A library with none of them
//! resolves the same crates as before there were any.

pub mod abi;
pub mod alert;
#[cfg(feature = "capi")]
mod capi;
pub mod collector;
#[cfg(feature = "alerts")]
#[doc(hidden)]
pub mod config;
#[cfg(feature = "dashboard")]
pub mod dashboard;
pub mod device;
pub mod export;
#[cfg(feature = "feed")]
pub mod feed;
pub mod histogram;
pub mod machine;
pub mod metrics;
pub mod nvtx;
#[cfg(feature = "publish")]
pub mod publish;
mod reader;
#[cfg(feature = "recording")]
pub mod recording;
pub mod runtime;
pub mod snapshot;
pub mod trace;

pub use abi::KernelRef;
pub use collector::{ActorHandle, HookKind, Subscription, TelemetryCollector, TelemetryConfig, TelemetryError};
pub use device::{Builtin, DeviceError, DeviceSpec, KernelArgs, KernelSource, Level};
pub use metrics::{Counter, Gauge, Histogram, MetricError};
pub use runtime::{
    InputRing, LaunchOptions, MeasuredInputRing, Replies, Reply, ReplyRef, RingKernel, RingKernelRuntime,
    RuntimeBuilder, RuntimeError, SentBatch,
};
pub use snapshot::{KernelState, KernelTelemetry, Latency, Snapshot, Summary, Tasks, Totals};

/// The README's examples are tests.
#[cfg(all(doctest, feature = "host"))]
#[doc = include_str!("../README.md")]
struct Readme;
