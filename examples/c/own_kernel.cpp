// A host in C++ whose kernel counts for itself: it registers the kernel, launches it on its own, and reads it while it runs.
//
// On CPU threads, without a GPU (the kernel is compiled like any C++, with the file that gives it its blocks):
//
//     shim=$(pkg-config --variable=includedir ringscope)/ringscope/host/shim.cpp
//     c++ -std=c++17 -DRINGSCOPE_CPU own_kernel.cpp $shim $(pkg-config --cflags --libs ringscope) -pthread -o own_kernel
//
// On a GPU:
//
//     nvcc -std=c++17 -x cu own_kernel.cpp $(pkg-config --cflags --libs ringscope) -o own_kernel
#include <ringscope.h>

#include <cstdio>
#include <cstdlib>
#include <ringscope/telemetry.cuh>
#include <vector>
#ifndef __CUDACC__
#include <thread>
#endif

// ---- the kernel ----------------------------------------------------------------------------------------------------

constexpr unsigned BLOCKS = 4, THREADS = 64, BATCH = 1024;
constexpr unsigned long long FIRST = 1000000000, NUMBERS = 100 * 1024;

RINGSCOPE_NAMES(counting)

// Counts the Collatz steps of `numbers` numbers from `first` on. Each block takes every gridDim.x-th batch.
extern "C" __global__ void collatz(ringscope::KernelRef telemetry, ringscope::CounterRef steps_taken,
                                   ringscope::HistogramRef lengths, unsigned long long first, unsigned long long numbers,
                                   unsigned* steps) {
    ringscope::Recorder rec(telemetry);  // 1. every thread of the block
    for (unsigned long long base = (unsigned long long)blockIdx.x * BATCH; base < numbers;
         base += (unsigned long long)gridDim.x * BATCH) {
        unsigned long long begun = rec.begin();  // 2. when the work on a batch starts
        rec.at(counting);
        unsigned long long end = base + BATCH < numbers ? base + BATCH : numbers;
        for (unsigned long long i = base + threadIdx.x; i < end; i += blockDim.x) {
            unsigned count = 0;
            for (unsigned long long n = first + i; n != 1; n = n % 2 == 0 ? n / 2 : 3 * n + 1) ++count;
            steps[i] = count;
            steps_taken.add(count);
            lengths.observe(count);
        }
        __syncthreads();
        // 3. one thread, when it is done: bytes in, bytes out.
        if (threadIdx.x == 0) rec.end(begun, (end - base) * sizeof(first), (end - base) * sizeof(*steps));
    }
}
RINGSCOPE_ENTRY(collatz)

// ---- its launch, which is the program's own ------------------------------------------------------------------------

struct Arguments {
    ringscope::KernelRef telemetry;
    ringscope::CounterRef steps_taken;
    ringscope::HistogramRef lengths;
};

static void fail(const char* what, const char* why) {
    std::fprintf(stderr, "%s: %s\n", what, why);
    std::exit(1);
}
static void check(ringscope_result result, const char* what) {
    if (result != RINGSCOPE_RESULT_OK) fail(what, ringscope_last_error());
}

#ifdef __CUDACC__
static void check(cudaError_t error) {
    if (error != cudaSuccess) fail("CUDA", cudaGetErrorString(error));
}

class Launch {
    cudaStream_t stream{};
    unsigned* on_device{};

   public:
    static constexpr unsigned DEVICE = RINGSCOPE_DEVICE_CUDA;

    // A kernel that stays needs a non-blocking stream of its own, and nothing behind it there.
    explicit Launch(const Arguments& arguments) {
        check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
        check(cudaMalloc(&on_device, NUMBERS * sizeof(unsigned)));
        collatz<<<BLOCKS, THREADS, 0, stream>>>(arguments.telemetry, arguments.steps_taken, arguments.lengths, FIRST,
                                            NUMBERS, on_device);
        check(cudaGetLastError());
    }
    std::vector<unsigned> wait() {
        std::vector<unsigned> steps(NUMBERS);
        check(cudaStreamSynchronize(stream));
        check(cudaMemcpy(steps.data(), on_device, NUMBERS * sizeof(unsigned), cudaMemcpyDeviceToHost));
        check(cudaFree(on_device));
        check(cudaStreamDestroy(stream));
        return steps;
    }
};
#else
class Launch {
    Arguments arguments;
    unsigned long long first = FIRST, numbers = NUMBERS;
    std::vector<unsigned> steps = std::vector<unsigned>(NUMBERS);
    unsigned* to = steps.data();
    // As CUDA's launches take them: a pointer to each argument.
    void* list[6] = {&arguments.telemetry, &arguments.steps_taken, &arguments.lengths, &first, &numbers, &to};
    std::vector<std::thread> blocks;

   public:
    static constexpr unsigned DEVICE = RINGSCOPE_DEVICE_HOST;

    explicit Launch(const Arguments& given) : arguments(given) {
        for (unsigned block = 0; block < BLOCKS; ++block)
            blocks.emplace_back([this, block] { ringscope_host::run_block(collatz_host, list, block, BLOCKS, THREADS); });
    }
    Launch(const Launch&) = delete;
    Launch& operator=(const Launch&) = delete;
    std::vector<unsigned> wait() {
        for (std::thread& block : blocks) block.join();
        return steps;
    }
};
#endif

// ---- the host ------------------------------------------------------------------------------------------------------

template <class Options>
static Options sized() {
    Options options{};
    options.size = sizeof options;
    return options;
}

// Reads everything now, and the fields of the first kernel.
static ringscope_snapshot* take(const ringscope_collector* collector, ringscope_kernel_fields& fields) {
    ringscope_snapshot* snapshot = nullptr;
    check(ringscope_snapshot_take(collector, &snapshot), "snapshot");
    check(ringscope_snapshot_kernel(snapshot, 0, &fields), "fields");
    return snapshot;
}

int main() {
    auto config = sized<ringscope_config>();
    config.device = Launch::DEVICE;
    ringscope_collector* collector;
    check(ringscope_open(RINGSCOPE_C_ABI, &config, &collector), "open");

    const char* const waypoints[] = {"counting"};
    auto kernel = sized<ringscope_kernel>();
    kernel.id = "collatz";
    kernel.shards = BLOCKS;
    kernel.waypoints = waypoints;
    kernel.waypoint_count = 1;
    Arguments arguments{};
    check(ringscope_register(collector, &kernel, &arguments.telemetry), "register");

    auto metric = sized<ringscope_metric_options>();
    metric.kind = RINGSCOPE_METRIC_COUNTER;
    metric.name = "collatz_steps";
    metric.help = "Steps taken by all numbers";
    check(ringscope_device_metric(collector, &metric, &arguments.steps_taken.metric), "the counter");
    metric.kind = RINGSCOPE_METRIC_HISTOGRAM;
    metric.name = "collatz_length_steps";
    metric.help = "Steps of a number";
    metric.unit = "steps";
    check(ringscope_device_metric(collector, &metric, &arguments.lengths.metric), "the histogram");

    Launch launch(arguments);

    // Read while the kernel runs, until its blocks say that they have ended.
    auto fields = sized<ringscope_kernel_fields>();
    unsigned long long before = 0;
    do {
        ringscope_snapshot* snapshot = take(collector, fields);
        if (fields.messages_processed < before) fail("snapshot", "a counter went backwards");
        before = fields.messages_processed;
        check(ringscope_snapshot_free(snapshot), "free");
    } while (fields.state != RINGSCOPE_KERNEL_STATE_TERMINATED);

    // Its last numbers stay readable.
    std::vector<unsigned> steps = launch.wait();
    ringscope_snapshot* snapshot = take(collector, fields);
    std::printf("%s: %llu batches, %llu bytes in, %llu bytes out, %llu times, p99 %.0f us\n", fields.id,
                (unsigned long long)fields.messages_processed, (unsigned long long)fields.bytes_in,
                (unsigned long long)fields.bytes_out, (unsigned long long)fields.handling.count,
                fields.handling.p99_ns / 1e3);

    // What the kernel counted, against what it computed.
    unsigned long long total = 0, longest = 0;
    for (unsigned n : steps) {
        total += n;
        if (n > longest) longest = n;
    }
    auto value = sized<ringscope_metric_fields>();
    check(ringscope_snapshot_metric(snapshot, "collatz_steps", nullptr, 0, &value), "collatz_steps");
    std::printf("%llu steps, computed %llu\n", (unsigned long long)value.count, total);
    if (value.count != total) fail("collatz_steps", "not what was computed");
    check(ringscope_snapshot_metric(snapshot, "collatz_length_steps", nullptr, 0, &value), "collatz_length_steps");
    std::printf("%llu numbers, the longest %.0f, computed %llu\n", (unsigned long long)value.count, value.max, longest);
    if (value.count != NUMBERS || value.max != (double)longest) fail("collatz_length_steps", "not what was computed");

    check(ringscope_snapshot_free(snapshot), "free");
    check(ringscope_close(collector), "close");
    return 0;
}
