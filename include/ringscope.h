// ringscope.h: telemetry of persistent GPU kernels, for hosts in C, C++ and what calls C. C99 and C++17.
//
// Generated from src/capi of ringscope by cbindgen; docs/c-api.md is the introduction.
//
//     ringscope_collector *collector;
//     if (ringscope_open(RINGSCOPE_C_ABI, NULL, &collector) != RINGSCOPE_RESULT_OK) puts(ringscope_last_error());
//
// What holds for all of it:
//
//   * Results. Every function that can fail returns a ringscope_result. Where it is not RINGSCOPE_RESULT_OK nothing was
//     done, what the call was to fill is as it was unless the function says otherwise, and ringscope_last_error says in
//     a sentence what is wrong, to the thread that called. The comments name the results that are to be expected; every
//     function may return RINGSCOPE_RESULT_PANICKED, and those that take a handle RINGSCOPE_RESULT_BAD_HANDLE. Nothing
//     is ever thrown.
//   * Handles. What is incomplete here (ringscope_collector and its like) is a handle: a number that the library looks
//     up, and no address. One that was ended, of another kind, or never one is RINGSCOPE_RESULT_BAD_HANDLE and nothing
//     worse. The caller ends what it opened, each handle once.
//   * Structs that begin with `size`. Set them to zero, then `size` to sizeof the struct, then what is to differ from
//     the defaults. The library touches no byte behind that size, so they can grow.
//   * Texts are UTF-8 and end with a zero byte. Those that are passed in are the caller's and are copied where they are
//     kept; whose those are that come out is said at each.
//   * Threads. Any thread may call any function at any time, with handles that others use; a call that ends a handle
//     may come while others use it, and what it stands for goes with the last of them. fork() without exec() is not
//     supported.
//   * Times are in nanoseconds; times of day are Unix time.


#ifndef RINGSCOPE_H
#define RINGSCOPE_H

#include <stddef.h>
#include <stdint.h>
#include <ringscope/abi.h>

// The number of this interface, which ringscope_open and ringscope_abi_version compare: its own in the upper half, and
// that of <ringscope/abi.h> in the lower, since what kernels take passes through it.
#define RINGSCOPE_C_ABI ((RINGSCOPE_C_INTERFACE << 16) | RINGSCOPE_ABI_VERSION)


// Number of this interface. It grows where a program that was compiled before would be wrong.
#define RINGSCOPE_C_INTERFACE 1

// The index of a device where there is none.
#define RINGSCOPE_NO_INDEX UINT32_MAX

// What became of a call. Where it is not RINGSCOPE_RESULT_OK nothing was done, no counts are lost, and
// `ringscope_last_error` says what is wrong and what to do about it.
enum ringscope_result
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // It was done.
    RINGSCOPE_RESULT_OK = 0,
    // A pointer that must not be null is null, a text is not UTF-8, a number is out of its range, or a struct does not
    // say its size.
    RINGSCOPE_RESULT_BAD_ARGUMENT = 1,
    // The handle was closed or freed, or is of another kind, or was never one.
    RINGSCOPE_RESULT_BAD_HANDLE = 2,
    // The program was compiled with the header of another version than the library's.
    RINGSCOPE_RESULT_WRONG_VERSION = 3,
    // There is no such device here, or the collector has none.
    RINGSCOPE_RESULT_NO_DEVICE = 4,
    // The device failed, or a call of its driver. The newest good snapshot stays readable.
    RINGSCOPE_RESULT_DEVICE_FAILED = 5,
    // There is no kernel, metric or series of that name, or no snapshot yet.
    RINGSCOPE_RESULT_UNKNOWN = 6,
    // The name is taken by something else.
    RINGSCOPE_RESULT_TAKEN = 7,
    // A bound that was set at opening is reached.
    RINGSCOPE_RESULT_FULL = 8,
    // The collector was opened with telemetry off.
    RINGSCOPE_RESULT_OFF = 9,
    // The buffer is too small; how many bytes it must have was said.
    RINGSCOPE_RESULT_TOO_SMALL = 10,
    // The operating system gave no thread, or cannot listen on the address.
    RINGSCOPE_RESULT_SYSTEM = 11,
    // The collector cannot do that; the text says why.
    RINGSCOPE_RESULT_REFUSED = 12,
    // The library panicked, which is a defect of it: please report the text. What was being done may be half done; the
    // collector can be used further.
    RINGSCOPE_RESULT_PANICKED = 13,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ringscope_result ringscope_result;
#else
typedef int32_t ringscope_result;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Which device kernels run on.
enum ringscope_device
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // CUDA where there is a usable GPU, else the host device; `ringscope_device_read` says which.
    RINGSCOPE_DEVICE_AUTO = 0,
    // Threads of this process, which run kernels that were compiled with -DRINGSCOPE_CPU.
    RINGSCOPE_DEVICE_HOST = 1,
    // The GPU of index `cuda_ordinal`, in its primary context, which is the one that CUDA's runtime uses.
    RINGSCOPE_DEVICE_CUDA = 2,
    // None: host actors and metrics of the host alone.
    RINGSCOPE_DEVICE_NONE = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ringscope_device ringscope_device;
#else
typedef uint32_t ringscope_device;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Where a kernel is in its life.
enum ringscope_kernel_state
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Registered or resident, and takes no messages yet.
    RINGSCOPE_KERNEL_STATE_LAUNCHED = 0,
    // Takes messages. A host actor is active from its registration on.
    RINGSCOPE_KERNEL_STATE_ACTIVE = 1,
    // Takes no messages for now.
    RINGSCOPE_KERNEL_STATE_DEACTIVATED = 2,
    // Was told to stop, and has not ended yet.
    RINGSCOPE_KERNEL_STATE_TERMINATING = 3,
    // Ended; its last numbers stay readable.
    RINGSCOPE_KERNEL_STATE_TERMINATED = 4,
    // Died, or its device did.
    RINGSCOPE_KERNEL_STATE_FAILED = 5,
    // Has not ended, and one of its blocks gave no sign of life for longer than the `stall_limit_ns`.
    RINGSCOPE_KERNEL_STATE_STALLED = 6,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ringscope_kernel_state ringscope_kernel_state;
#else
typedef uint32_t ringscope_kernel_state;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Which times a percentile is of.
enum ringscope_times
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Those of handling.
    RINGSCOPE_TIMES_HANDLING = 0,
    // Those of waiting in the queue.
    RINGSCOPE_TIMES_WAITING = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ringscope_times ringscope_times;
#else
typedef uint32_t ringscope_times;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What a snapshot is written as; all of it is text in UTF-8.
enum ringscope_format
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Everything in the snapshot as one JSON document on one line: each kernel with its buckets, each metric.
    RINGSCOPE_FORMAT_JSON = 0,
    // The sums over all kernels as one JSON document on one line.
    RINGSCOPE_FORMAT_JSON_SUMS = 1,
    // Each metric by its name, as on a page for Prometheus, as one JSON document on one line.
    RINGSCOPE_FORMAT_JSON_METRICS = 2,
    // A page for Prometheus: classic text, version 0.0.4. Its Content-Type is `text/plain; version=0.0.4;
    // charset=utf-8`.
    RINGSCOPE_FORMAT_PROMETHEUS = 3,
    // A page of OpenMetrics 1.0 text. Its Content-Type is `application/openmetrics-text; version=1.0.0; charset=utf-8`.
    RINGSCOPE_FORMAT_OPENMETRICS = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ringscope_format ringscope_format;
#else
typedef uint32_t ringscope_format;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// A collector: reads what kernels count, and takes what host threads count. Ended by `ringscope_close`. Any thread may
// use it, at the same time as others.
typedef struct ringscope_collector ringscope_collector;

// A counter, a gauge or a histogram of host threads. Ended by `ringscope_host_metric_free`; its counts stay in the
// collector. Any thread may use it, at the same time as others.
typedef struct ringscope_host_metric ringscope_host_metric;

// A server for Prometheus. Ended by `ringscope_server_stop`.
typedef struct ringscope_server ringscope_server;

// Everything known at one instant; it does not change. Ended by `ringscope_snapshot_free`, before or after the
// collector's handle. Any thread may use it, at the same time as others.
typedef struct ringscope_snapshot ringscope_snapshot;

// One of several devices of a collector.
typedef struct ringscope_device_choice {
    // A ringscope_device: RINGSCOPE_DEVICE_HOST or RINGSCOPE_DEVICE_CUDA.
    uint32_t device;
    // Index of the GPU, as CUDA counts those that are visible.
    uint32_t cuda_ordinal;
} ringscope_device_choice;

// How to open a collector. Set all of it to zero and then `size`: a field that is 0 has its default.
typedef struct ringscope_config {
    // sizeof(ringscope_config).
    size_t size;
    // A ringscope_device. Default: RINGSCOPE_DEVICE_AUTO.
    uint32_t device;
    // Index of the GPU, as CUDA counts those that are visible.
    uint32_t cuda_ordinal;
    // Not 0: telemetry is off. Nothing is opened or allocated, registering and counting succeed and do nothing, kernels
    // get a ref with which they count nothing, and reading is RINGSCOPE_RESULT_OFF.
    uint32_t off;
    // Most kernels and host actors, including those that ended. Default: 1024.
    uint32_t max_kernels;
    // Most shards of all device kernels together: one a block, or one for each role of each block. Default: 1024.
    uint32_t max_blocks;
    // Most metrics that kernels count in; a family of up to eight counters, or one histogram, is one. Default: 256.
    uint32_t device_metrics;
    // Bucket counts of the histograms among them together; one of 8 buckets an octave has 528. Default: 8192.
    uint32_t device_buckets;
    // Most series of all metrics together. Default: 4096.
    uint32_t max_series;
    // Records of events and spans that are kept for each shard until they are read: a power of two, 64 to 16384.
    // Default: none.
    uint32_t trace_records;
    // Records of each shard's black box, in host memory that outlives a kernel that died: a power of two, 64 to 16384.
    // Default: none.
    uint32_t black_box_records;
    // Buckets an octave of latency histograms: 1, 2, 4, 8, 16 or 32. Default: 8, with which percentiles are within 4.4
    // %.
    uint32_t buckets_per_octave;
    // Most snapshots that periodic collection keeps. Default: 600.
    uint32_t history_snapshots;
    // Nanoseconds for which a running block may give no sign of life before its kernel counts as stalled; UINT64_MAX is
    // never. Default: 10 s.
    uint64_t stall_limit_ns;
    // The longest that one copy from the device may take, in nanoseconds. Default: 2 s.
    uint64_t copy_limit_ns;
    // Several devices, in the place of `device`: a kernel names the one that it runs on by its index here. Each has
    // `max_blocks` shards, `device_metrics` metrics and `device_buckets` bucket counts of its own. They are read side by
    // side, and one that dies or hangs leaves the others alive and readable.
    const struct ringscope_device_choice *devices;
    // How many. Default: 0, the one that `device` names.
    size_t device_count;
} ringscope_config;

// What a device of a collector is. Set `size` before `ringscope_device_read` or `ringscope_device_at`. The texts are the
// collector's, and live until it is closed.
typedef struct ringscope_device_fields {
    // sizeof(ringscope_device_fields).
    size_t size;
    // A ringscope_device: RINGSCOPE_DEVICE_HOST or RINGSCOPE_DEVICE_CUDA; RINGSCOPE_DEVICE_NONE without one.
    uint32_t device;
    // Index among its kind.
    uint32_t ordinal;
    // Streaming multiprocessors, or processor cores; 0 without a device.
    uint32_t multiprocessors;
    // Not 0: a display watchdog ends long kernels.
    uint32_t watchdog;
    // The vendor's name; empty without a device.
    const char *name;
    // Compute capability, driver version and the like, one line for a person; empty without a device.
    const char *detail;
    // The GPU's UUID as nvidia-smi writes it, or that of the part of a GPU (MIG); empty for the host device, and where the
    // driver does not tell.
    const char *uuid;
    // Devices that the collector has.
    uint64_t count;
} ringscope_device_fields;

// A kernel that is to be registered. Set all of it to zero, then `size`, `id` and what else is known. All texts are
// copied.
typedef struct ringscope_kernel {
    // sizeof(ringscope_kernel).
    size_t size;
    // Its id, the label `kernel` where it is exported: 1 to 128 bytes of UTF-8, which no other kernel or host actor has that
    // was not retired.
    const char *id;
    // Shards: one a block, or one for each role of each block. Default: 1.
    uint32_t shards;
    // Roles of each block, of which each has a shard: then `shards` is blocks * roles. Default: 1.
    uint32_t roles;
    // Names of its waypoints, events and spans, in the order of the kernel's enum. Default: none.
    const char *const *waypoints;
    // How many.
    size_t waypoint_count;
    // Index of the device that it runs on, among those of the collector. Default: 0, the first.
    uint32_t device;
    // 0. For later.
    uint32_t reserved;
} ringscope_kernel;

// A label of a metric's series. Both texts are the caller's, in UTF-8, and are copied.
typedef struct ringscope_label {
    // Its name: letters, digits and `_`.
    const char *name;
    // Its value.
    const char *value;
} ringscope_label;

// A metric that is to be registered: one series of it, or a family of them. Set all of it to zero, then `size`, `kind`,
// `name`, `help` and what else it needs. All texts and lists are copied. Registering the same again gives what is there
// already.
typedef struct ringscope_metric_options {
    // sizeof(ringscope_metric_options).
    size_t size;
    // RINGSCOPE_METRIC_COUNTER, _GAUGE, _HISTOGRAM (exponential buckets, of whole numbers) or _EXPLICIT (a histogram
    // over `bounds`), of <ringscope/abi.h>.
    uint32_t kind;
    // Of RINGSCOPE_METRIC_HISTOGRAM: buckets an octave, 1, 2, 4, 8, 16 or 32. Default: the collector's.
    uint32_t buckets_per_octave;
    // Letters, digits and `_`; a counter is exported with `_total` behind it.
    const char *name;
    // One sentence about what is counted or measured.
    const char *help;
    // Unit, with which the name ends, such as `seconds` or `bytes`. Default: none.
    const char *unit;
    // Labels of the series, of all series of a family.
    const struct ringscope_label *labels;
    // How many. Default: 0.
    size_t label_count;
    // Of RINGSCOPE_METRIC_EXPLICIT: upper bounds, inclusive, finite and ascending.
    const double *bounds;
    // How many.
    size_t bound_count;
    // The label of a family, whose values are `family_values`; the kernel chooses among them by number. Default: no
    // family. Metrics of host threads have none.
    const char *family_label;
    // A value for each series.
    const char *const *family_values;
    // The number of each series, if they are not 0, 1, 2, ...; every other number is counted under the value `overflow`.
    const uint32_t *family_indices;
    // How many values, and how many numbers.
    size_t family_count;
} ringscope_metric_options;

// What a snapshot holds. Set `size` before `ringscope_snapshot_read`.
typedef struct ringscope_snapshot_fields {
    // sizeof(ringscope_snapshot_fields).
    size_t size;
    // Number of the snapshot; 1 is the first of its collector.
    uint64_t sequence;
    // When the copy began: Unix time in nanoseconds.
    uint64_t unix_ns;
    // How long copying took, in nanoseconds: counters of kernels lie at most this far apart in time.
    uint64_t copy_ns;
    // Bytes copied from the device.
    uint64_t copied_bytes;
    // Kernels and host actors, in the order of their registration.
    uint64_t kernels;
    // Metrics of the program's own and of the collector's sets.
    uint64_t metrics;
    // Devices, in the order in which the collector was given them.
    uint64_t devices;
} ringscope_snapshot_fields;

// Times in nanoseconds; all 0 where none was recorded. Percentiles come from the buckets, the others are exact.
typedef struct ringscope_latency {
    // Number of values.
    uint64_t count;
    // The smallest.
    uint64_t min_ns;
    // The largest.
    uint64_t max_ns;
    // The arithmetic mean.
    double mean_ns;
    // The median.
    double p50_ns;
    // The 95th percentile.
    double p95_ns;
    // The 99th percentile.
    double p99_ns;
} ringscope_latency;

// Everything known of one kernel or host actor. Counts are since the start or the last reset. Times of day are Unix time
// in nanoseconds, 0 where there is none. Set `size` before `ringscope_snapshot_kernel`. The texts are the snapshot's,
// and live until it is freed.
typedef struct ringscope_kernel_fields {
    // sizeof(ringscope_kernel_fields).
    size_t size;
    // The id that it was registered under.
    const char *id;
    // Text of the last error that a host actor recorded, or what a kernel died of; empty where there is none.
    const char *last_error;
    // A ringscope_kernel_state.
    uint32_t state;
    // Shards: one a block, or one for each role of each block; 0 for a host actor.
    uint32_t shards;
    // How many of them have started.
    uint32_t shards_started;
    // While it is stalled, the index of the block that has been silent the longest.
    uint32_t stalled_block;
    // Code of the last error; see `has_error_code`.
    uint32_t last_error_code;
    // Not 0: `last_error_code` is one.
    uint32_t has_error_code;
    // Messages taken from its queue.
    uint64_t messages_received;
    // Replies published.
    uint64_t messages_sent;
    // Messages handled without error.
    uint64_t messages_processed;
    // Messages that the handler refused.
    uint64_t errors;
    // Replies that found their ring full and had to wait.
    uint64_t retries;
    // Messages that were queued when the kernel was stopped, and replies that had no room then.
    uint64_t dropped;
    // Polls that found the queue empty.
    uint64_t polls;
    // Payload bytes received.
    uint64_t bytes_in;
    // Payload bytes of the replies.
    uint64_t bytes_out;
    // Messages waiting when the kernel last looked.
    uint64_t queue_depth;
    // The most messages that ever waited; a reset does not lower it.
    uint64_t queue_high_water;
    // Time in the handler, all blocks together, in nanoseconds.
    uint64_t busy_ns;
    // Time of waiting for messages and for room for replies, all blocks together, in nanoseconds.
    uint64_t wait_ns;
    // Time from the start to now or to the end, in nanoseconds.
    uint64_t uptime_ns;
    // When its first block started, or the host actor was registered.
    uint64_t start_unix_ns;
    // When the last message was done.
    uint64_t last_message_unix_ns;
    // The youngest sign of life of any of its blocks; 0 for a host actor.
    uint64_t last_sign_of_life_unix_ns;
    // While it is stalled, the last sign of life of `stalled_block`.
    uint64_t stalled_since_unix_ns;
    // Messages processed per second since the start or the last reset.
    double throughput;
    // Messages processed per second over the last second, or since the start where there is no earlier snapshot.
    double windowed_throughput;
    // Errors per message handled, 0 to 1.
    double error_rate;
    // Time in the handler as a fraction of the time, per block: 0 is idle, 1 is saturated.
    double busy_ratio;
    // Times of handling; none below RINGSCOPE_LEVEL 2.
    struct ringscope_latency handling;
    // Times of waiting in the queue; of kernels alone whose messages say when they were sent.
    struct ringscope_latency waiting;
    // Index of the device that it runs on; RINGSCOPE_NO_INDEX for a host actor.
    uint32_t device;
    // 0. For later.
    uint32_t reserved;
    // UUID of that device as nvidia-smi writes it; empty for a host actor and for the host device, and where the driver
    // does not tell.
    const char *device_uuid;
    // Which life under this id it is: 1 of the first, and more with each that was registered after its end.
    uint64_t generation;
    // Since when its counts count: since it was started, or since the last reset.
    uint64_t counted_since_unix_ns;
} ringscope_kernel_fields;

// What a device is, and how reading it went for a snapshot. Set `size` before `ringscope_snapshot_device`. The texts are
// the snapshot's, and live until it is freed.
typedef struct ringscope_device_reading {
    // sizeof(ringscope_device_reading).
    size_t size;
    // A ringscope_device: RINGSCOPE_DEVICE_HOST or RINGSCOPE_DEVICE_CUDA.
    uint32_t device;
    // Index among its kind.
    uint32_t ordinal;
    // The vendor's name.
    const char *name;
    // The GPU's UUID as nvidia-smi writes it, or that of the part of a GPU (MIG); empty for the host device, and where the
    // driver does not tell.
    const char *uuid;
    // Why it could not be read, and empty where it was: its kernels have their last good numbers then, and are
    // RINGSCOPE_KERNEL_STATE_FAILED unless the copy was merely late or they had ended before.
    const char *error;
    // Not 0: it was read, and `error` is empty.
    uint32_t readable;
    // 0. For later.
    uint32_t reserved;
    // Bytes copied from it.
    uint64_t copied_bytes;
    // How long copying and adding up took, in nanoseconds.
    uint64_t copy_ns;
} ringscope_device_reading;

// The value of one series of a metric. Set `size` before `ringscope_snapshot_metric`.
typedef struct ringscope_metric_fields {
    // sizeof(ringscope_metric_fields).
    size_t size;
    // RINGSCOPE_METRIC_COUNTER, _GAUGE, _HISTOGRAM or _EXPLICIT of <ringscope/abi.h>; which of the other fields mean
    // something.
    uint32_t kind;
    // 0. For later.
    uint32_t reserved;
    // The count of a counter; of a histogram, the number of its values.
    uint64_t count;
    // Values that a histogram could not hold: NaN, infinities and the like.
    uint64_t dropped;
    // The value of a gauge.
    double value;
    // Of a histogram: the sum of the values.
    double sum;
    // Of a histogram: the smallest value, 0 without values.
    double min;
    // Of a histogram: the largest value, 0 without values.
    double max;
    // Of a histogram: the median.
    double p50;
    // Of a histogram: the 95th percentile.
    double p95;
    // Of a histogram: the 99th percentile.
    double p99;
} ringscope_metric_fields;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Returns what went wrong in the last call of this thread that was not done, in UTF-8, as a sentence that says what to
// do about it; an empty text before the first. Calls that are done leave it. The library owns the text, which lives
// until the next call of this thread that fails: copy it to keep it.
const char *ringscope_last_error(void);

// Returns the number of the library's interface. A program whose header has another `RINGSCOPE_C_ABI` must not use the
// library any further than this function; `ringscope_open` refuses it. Never fails; any thread may call it.
uint32_t ringscope_abi_version(void);

// Opens a collector, and puts its handle at `collector`, to be ended by `ringscope_close`.
//
// `abi` is RINGSCOPE_C_ABI. `config` may be null, which has every default, and may go after the call.
//
// Open it before kernels are launched: on CUDA it allocates, which may wait for kernels that run. It takes some
// milliseconds; on CUDA, the first time on a machine, seconds, in which the driver compiles. It leaves the calling
// thread's current CUDA context as it was, and uses streams of its own, here and later. Collectors are independent of
// one another; those of one GPU share its primary context.
//
// RINGSCOPE_RESULT_WRONG_VERSION; RINGSCOPE_RESULT_NO_DEVICE, with the reason as the text;
// RINGSCOPE_RESULT_BAD_ARGUMENT, also for a GPU that is among the devices twice; RINGSCOPE_RESULT_DEVICE_FAILED.
//
// # Safety
// `config` is null or a struct that says its size, with as many `devices` as it says; `collector` points to a pointer.
ringscope_result ringscope_open(uint32_t abi,
                                const struct ringscope_config *config,
                                struct ringscope_collector **collector);

// Ends a collector's handle. The collector goes when nobody uses it any more: calls of other threads, servers and
// periodic collection end first; snapshots stay until they are freed.
//
// Call it when the kernels that were registered have ended. Its memory goes with it: kernels on the host device that
// still run would write to memory that is no longer theirs; on CUDA it waits until they have ended, which a persistent
// kernel may never do.
//
// RINGSCOPE_RESULT_BAD_HANDLE, also where it was closed before.
ringscope_result ringscope_close(struct ringscope_collector *collector);

// Says which device the collector is on; of several, the first.
//
// RINGSCOPE_RESULT_BAD_HANDLE, RINGSCOPE_RESULT_BAD_ARGUMENT.
//
// # Safety
// `fields` is a struct that says its size.
ringscope_result ringscope_device_read(const struct ringscope_collector *collector,
                                       struct ringscope_device_fields *fields);

// Says which device of the collector has that index, from 0, below `count` of the fields. Without a device there is the
// index 0, and it is RINGSCOPE_DEVICE_NONE.
//
// RINGSCOPE_RESULT_UNKNOWN for an index that is not there, RINGSCOPE_RESULT_BAD_HANDLE, RINGSCOPE_RESULT_BAD_ARGUMENT.
//
// # Safety
// `fields` is a struct that says its size.
ringscope_result ringscope_device_at(const struct ringscope_collector *collector,
                                     size_t index,
                                     struct ringscope_device_fields *fields);

// Registers a kernel, and puts at `to` what it takes by value: a copy of addresses, which nobody owns. Pass it to one
// launch; a second launch with the same one would add to the first one's counts. `kernel` may go after the call.
//
// The id of a kernel that was retired by `ringscope_retire` can be registered again: that begins another life, with
// counts from zero and the next `generation`, in the place of the one before.
//
// The kernel is built with <ringscope/telemetry.cuh> of this library's version, and runs on the device of the collector
// that `device` names, on CUDA in the device's primary context and on a non-blocking stream. Where it is a part of a
// grid, or times tasks by their kind, set `first_block` and `kinds` of the ref before the launch; <ringscope/abi.h> says
// what they are. May be called while kernels run; it waits for none.
//
// RINGSCOPE_RESULT_TAKEN, RINGSCOPE_RESULT_FULL (`max_kernels`, `max_blocks`), RINGSCOPE_RESULT_NO_DEVICE, also for an
// index that is not there, RINGSCOPE_RESULT_BAD_HANDLE, RINGSCOPE_RESULT_BAD_ARGUMENT.
//
// # Safety
// `kernel` is a struct that says its size, with texts that end with a zero byte; `to` points to a ringscope_kernel_ref.
ringscope_result ringscope_register(const struct ringscope_collector *collector,
                                    const struct ringscope_kernel *kernel,
                                    ringscope_kernel_ref *to);

// Ends a kernel that was registered: its last numbers stay readable, its id can be registered again, and its place is
// another kernel's when one needs it, so that any number of kernels can come and go within `max_kernels` and
// `max_blocks`. Call it when everything that was launched with its ref has ended on the device, its stream having been
// waited for. A second time it does nothing. It reads the devices once.
//
// RINGSCOPE_RESULT_REFUSED while blocks of it run, and then nothing changed; RINGSCOPE_RESULT_UNKNOWN, also for a host
// actor; RINGSCOPE_RESULT_DEVICE_FAILED, RINGSCOPE_RESULT_OFF, RINGSCOPE_RESULT_BAD_HANDLE,
// RINGSCOPE_RESULT_BAD_ARGUMENT.
//
// # Safety
// `id` ends with a zero byte.
ringscope_result ringscope_retire(const struct ringscope_collector *collector, const char *id);

// Sets the counts of the kernel or host actor `id`, or of all of them if it is null, to zero here and now. It moves a
// baseline on the host: nothing is written to the device, and nothing that comes later is lost. It reads the device
// once.
//
// RINGSCOPE_RESULT_UNKNOWN, RINGSCOPE_RESULT_DEVICE_FAILED, RINGSCOPE_RESULT_OFF, RINGSCOPE_RESULT_BAD_HANDLE,
// RINGSCOPE_RESULT_BAD_ARGUMENT.
//
// # Safety
// `id` is null or ends with a zero byte.
ringscope_result ringscope_reset(const struct ringscope_collector *collector, const char *id);

// Counts a received message for the host actor `id`, which is registered if it is new. Any thread may count for any
// actor.
//
// RINGSCOPE_RESULT_REFUSED for a device kernel's id, RINGSCOPE_RESULT_FULL (`max_kernels`), RINGSCOPE_RESULT_BAD_HANDLE,
// RINGSCOPE_RESULT_BAD_ARGUMENT.
//
// # Safety
// `id` ends with a zero byte.
ringscope_result ringscope_record_received(const struct ringscope_collector *collector,
                                           const char *id);

// Counts a sent message for the host actor `id`, as `ringscope_record_received` counts a received one.
//
// # Safety
// `id` ends with a zero byte.
ringscope_result ringscope_record_sent(const struct ringscope_collector *collector, const char *id);

// Counts a message that the host actor `id` handled, and that this took `took_ns` nanoseconds; UINT64_MAX where that is
// not known. Otherwise as `ringscope_record_received`.
//
// # Safety
// `id` ends with a zero byte.
ringscope_result ringscope_record_processed(const struct ringscope_collector *collector,
                                            const char *id,
                                            uint64_t took_ns);

// Counts a message that the host actor `id` refused, and keeps a copy of the text `error` as its last error. Otherwise
// as `ringscope_record_received`.
//
// # Safety
// `id` and `error` end with a zero byte.
ringscope_result ringscope_record_error(const struct ringscope_collector *collector, const char *id, const char *error);

// Registers a metric that kernels count in, and puts at `metric` what they take by value: ringscope::CounterRef,
// GaugeRef, HistogramRef or the same with Family are structs of it alone, so `ringscope::CounterRef{metric}` makes one.
// Its field `index` is what the kernel may look it up by. Where there are several devices, `ringscope_device_metrics` does
// it on each. May be called while kernels run: it copies to the device on a stream of its own, and waits for that copy
// for at most `copy_limit_ns`, never for a kernel. `options` may go after the call.
//
// RINGSCOPE_RESULT_TAKEN for another metric of that name, RINGSCOPE_RESULT_FULL (`device_metrics`, `device_buckets`,
// `max_series`), RINGSCOPE_RESULT_NO_DEVICE, RINGSCOPE_RESULT_DEVICE_FAILED, RINGSCOPE_RESULT_BAD_HANDLE,
// RINGSCOPE_RESULT_BAD_ARGUMENT.
//
// # Safety
// `options` is a struct that says its size, with texts that end with a zero byte and lists as long as it says; `metric`
// points to a ringscope_metric.
ringscope_result ringscope_device_metric(const struct ringscope_collector *collector,
                                         const struct ringscope_metric_options *options,
                                         ringscope_metric *metric);

// Registers a metric that kernels on each of the collector's devices count in, as `ringscope_device_metric` does, and puts
// at `metrics` what those of the first device take, those of the second, and so on, as many as `count` says, which must be
// as many as there are devices. Its field `index` is the same on all. What kernels on several devices count adds up in one
// series; of a gauge each device has a series of its own, with its index as the label `device`. On a device that is dead
// kernels count nothing.
//
// As `ringscope_device_metric`.
//
// # Safety
// `options` as for `ringscope_device_metric`; `metrics` points to `count` of ringscope_metric.
ringscope_result ringscope_device_metrics(const struct ringscope_collector *collector,
                                          const struct ringscope_metric_options *options,
                                          ringscope_metric *metrics,
                                          size_t count);

// Registers a metric of host threads, and puts its handle at `metric`, to be ended by `ringscope_host_metric_free`.
// `options` may go after the call.
//
// RINGSCOPE_RESULT_TAKEN for another metric of that name, RINGSCOPE_RESULT_FULL (`max_series`),
// RINGSCOPE_RESULT_BAD_HANDLE, RINGSCOPE_RESULT_BAD_ARGUMENT.
//
// # Safety
// `options` is a struct that says its size, with texts that end with a zero byte and lists as long as it says; `metric`
// points to a pointer.
ringscope_result ringscope_host_metric_register(const struct ringscope_collector *collector,
                                                const struct ringscope_metric_options *options,
                                                struct ringscope_host_metric **metric);

// Adds `by` to a counter.
//
// RINGSCOPE_RESULT_BAD_HANDLE; RINGSCOPE_RESULT_REFUSED for a metric of another kind.
ringscope_result ringscope_host_metric_add(const struct ringscope_host_metric *metric, uint64_t by);

// Sets a gauge.
//
// RINGSCOPE_RESULT_BAD_HANDLE; RINGSCOPE_RESULT_REFUSED for a metric of another kind.
ringscope_result ringscope_host_metric_set(const struct ringscope_host_metric *metric, double value);

// Counts a value in a histogram. One with exponential buckets rounds it to a whole number; what it cannot hold (NaN,
// infinities, there also negative values) is counted as dropped.
//
// RINGSCOPE_RESULT_BAD_HANDLE; RINGSCOPE_RESULT_REFUSED for a metric of another kind.
ringscope_result ringscope_host_metric_observe(const struct ringscope_host_metric *metric, double value);

// Ends the handle of a metric; what it counted stays in the collector.
//
// RINGSCOPE_RESULT_BAD_HANDLE.
ringscope_result ringscope_host_metric_free(struct ringscope_host_metric *metric);

// Reads everything now, while kernels run, and puts the handle of what was read at `snapshot`, to be ended by
// `ringscope_snapshot_free`. It blocks for the time of a copy from the device, at most `copy_limit_ns`. It copies on a
// stream of its own: it waits for no kernel and no stream of the program's, and leaves the calling thread's current CUDA
// context as it was. Calls of several threads wait for one another.
//
// RINGSCOPE_RESULT_DEVICE_FAILED; then `ringscope_snapshot_latest` has the last good numbers. RINGSCOPE_RESULT_OFF,
// RINGSCOPE_RESULT_BAD_HANDLE, RINGSCOPE_RESULT_BAD_ARGUMENT.
//
// # Safety
// `snapshot` points to a pointer.
ringscope_result ringscope_snapshot_take(const struct ringscope_collector *collector,
                                         struct ringscope_snapshot **snapshot);

// Puts the handle of the newest snapshot at `snapshot`, whichever thread took it, to be ended by
// `ringscope_snapshot_free`. Reads nothing from the device and waits for nothing.
//
// RINGSCOPE_RESULT_UNKNOWN before the first; RINGSCOPE_RESULT_BAD_HANDLE, RINGSCOPE_RESULT_BAD_ARGUMENT.
//
// # Safety
// `snapshot` points to a pointer.
ringscope_result ringscope_snapshot_latest(const struct ringscope_collector *collector,
                                           struct ringscope_snapshot **snapshot);

// Ends the handle of a snapshot; texts of its fields go with it.
//
// RINGSCOPE_RESULT_BAD_HANDLE.
ringscope_result ringscope_snapshot_free(struct ringscope_snapshot *snapshot);

// Says what the snapshot holds.
//
// RINGSCOPE_RESULT_BAD_HANDLE, RINGSCOPE_RESULT_BAD_ARGUMENT.
//
// # Safety
// `fields` is a struct that says its size.
ringscope_result ringscope_snapshot_read(const struct ringscope_snapshot *snapshot,
                                         struct ringscope_snapshot_fields *fields);

// Puts the index of the kernel or host actor `id` at `index`, for this snapshot.
//
// RINGSCOPE_RESULT_UNKNOWN, RINGSCOPE_RESULT_BAD_HANDLE, RINGSCOPE_RESULT_BAD_ARGUMENT.
//
// # Safety
// `id` ends with a zero byte; `index` points to a size_t.
ringscope_result ringscope_snapshot_find(const struct ringscope_snapshot *snapshot, const char *id, size_t *index);

// Says everything known of the kernel or host actor at `index`, from 0, below `kernels` of the snapshot's fields.
//
// RINGSCOPE_RESULT_UNKNOWN for an index that is not there, RINGSCOPE_RESULT_BAD_HANDLE, RINGSCOPE_RESULT_BAD_ARGUMENT.
//
// # Safety
// `fields` is a struct that says its size.
ringscope_result ringscope_snapshot_kernel(const struct ringscope_snapshot *snapshot,
                                           size_t index,
                                           struct ringscope_kernel_fields *fields);

// Says what the device at `index` is, from 0, below `devices` of the snapshot's fields, and how reading it went.
//
// RINGSCOPE_RESULT_UNKNOWN for an index that is not there, RINGSCOPE_RESULT_BAD_HANDLE, RINGSCOPE_RESULT_BAD_ARGUMENT.
//
// # Safety
// `fields` is a struct that says its size.
ringscope_result ringscope_snapshot_device(const struct ringscope_snapshot *snapshot,
                                           size_t index,
                                           struct ringscope_device_reading *fields);

// Puts the `percentile` (0 to 100) of a kernel's `times`, a ringscope_times, at `ns`, in nanoseconds; 0 where no time
// was recorded.
//
// RINGSCOPE_RESULT_UNKNOWN for an index that is not there, RINGSCOPE_RESULT_BAD_HANDLE, RINGSCOPE_RESULT_BAD_ARGUMENT.
//
// # Safety
// `ns` points to a double.
ringscope_result ringscope_snapshot_percentile(const struct ringscope_snapshot *snapshot,
                                               size_t index,
                                               uint32_t times,
                                               double percentile,
                                               double *ns);

// Says the value of the series of metric `name` with exactly these labels, in any order.
//
// RINGSCOPE_RESULT_UNKNOWN, RINGSCOPE_RESULT_BAD_HANDLE, RINGSCOPE_RESULT_BAD_ARGUMENT.
//
// # Safety
// `name` and the labels' texts end with a zero byte; `labels` has `label_count` of them; `fields` is a struct that says
// its size.
ringscope_result ringscope_snapshot_metric(const struct ringscope_snapshot *snapshot,
                                           const char *name,
                                           const struct ringscope_label *labels,
                                           size_t label_count,
                                           struct ringscope_metric_fields *fields);

// Writes the snapshot in `format`, a ringscope_format, with a zero byte behind it, into the `capacity` bytes at
// `buffer`, and puts how many bytes that takes, without the zero byte, at `bytes`; each of the two pointers may be null.
// Nothing is written to a buffer that is too small, but for a zero byte at its begin; the number of bytes is said then
// as well. A snapshot does not change, so a second call with one byte more than that succeeds.
//
// RINGSCOPE_RESULT_TOO_SMALL, RINGSCOPE_RESULT_BAD_HANDLE, RINGSCOPE_RESULT_BAD_ARGUMENT.
//
// # Safety
// `buffer` is null or has `capacity` bytes that nobody else uses; `bytes` is null or points to a size_t.
ringscope_result ringscope_snapshot_write(const struct ringscope_snapshot *snapshot,
                                          uint32_t format,
                                          char *buffer,
                                          size_t capacity,
                                          size_t *bytes);

// Writes the snapshot in `format`, a ringscope_format, and puts the text, with a zero byte behind it, at `text`. The
// text is the caller's, to be freed by `ringscope_string_free` and by nothing else.
//
// RINGSCOPE_RESULT_BAD_HANDLE, RINGSCOPE_RESULT_BAD_ARGUMENT.
//
// # Safety
// `text` points to a pointer.
ringscope_result ringscope_snapshot_text(const struct ringscope_snapshot *snapshot, uint32_t format, char **text);

// Frees a text that the library gave away. Null is no text, and done.
//
// RINGSCOPE_RESULT_BAD_HANDLE for a text that was freed before, or that the library did not give away.
ringscope_result ringscope_string_free(char *text);

// Takes a snapshot every `interval_ns` nanoseconds on a thread of its own, until `ringscope_stop_collection` or
// `ringscope_close`. A second call changes the interval. Less than 100 microseconds count as 100.
//
// RINGSCOPE_RESULT_BAD_ARGUMENT for 0, RINGSCOPE_RESULT_SYSTEM, RINGSCOPE_RESULT_OFF, RINGSCOPE_RESULT_BAD_HANDLE.
ringscope_result ringscope_start_collection(const struct ringscope_collector *collector, uint64_t interval_ns);

// Stops taking snapshots periodically, after the one in hand; done where none are taken.
//
// RINGSCOPE_RESULT_BAD_HANDLE.
ringscope_result ringscope_stop_collection(const struct ringscope_collector *collector);

// Serves the collector's telemetry under /metrics at `address`, for Prometheus to scrape: `127.0.0.1:9464` for this
// machine alone, `0.0.0.0:9464` for all that reach it, who need no password; port 0 is any that is free. Puts the handle
// at `server`, to be ended by `ringscope_server_stop`, and the port at `port`, which may be null. A scrape is answered
// by the newest snapshot of periodic collection if it is younger than a second, else the device is read. Two threads do
// it all. The collector lives as long as the server, whatever becomes of its own handle.
//
// RINGSCOPE_RESULT_SYSTEM for an address that cannot be listened on, RINGSCOPE_RESULT_BAD_HANDLE,
// RINGSCOPE_RESULT_BAD_ARGUMENT.
//
// # Safety
// `address` ends with a zero byte; `server` points to a pointer, `port` is null or points to a uint16_t.
ringscope_result ringscope_serve(const struct ringscope_collector *collector,
                                 const char *address,
                                 struct ringscope_server **server,
                                 uint16_t *port);

// Ends a server at once, and with it answers that are under way.
//
// RINGSCOPE_RESULT_BAD_HANDLE.
ringscope_result ringscope_server_stop(struct ringscope_server *server);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* RINGSCOPE_H */
