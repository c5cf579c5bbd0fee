// A kernel that somebody already has, and three calls; and two metrics of its own.
//
// Counts the Collatz steps of `numbers` numbers from `first` on. Each block takes every gridDim.x-th batch.
#include <ringscope/telemetry.cuh>

constexpr unsigned BATCH = 1024;

extern "C" __global__ void collatz(ringscope::KernelRef telemetry, ringscope::CounterRef steps_taken,
                                   unsigned long long first, unsigned long long numbers, unsigned* steps) {
    ringscope::Recorder rec(telemetry);  // 1. every thread of the block
    // A metric comes as an argument, or is looked up by its index; values are counted in shared memory first.
    ringscope::HistogramRef lengths = ringscope::histogram(telemetry, 1);
    __shared__ ringscope::LocalHistogram<3> in_batch;
    in_batch.begin();
    for (unsigned long long base = (unsigned long long)blockIdx.x * BATCH; base < numbers;
         base += (unsigned long long)gridDim.x * BATCH) {
        unsigned long long begun = rec.begin();  // 2. when the work on a batch starts
        unsigned long long end = base + BATCH < numbers ? base + BATCH : numbers;
        for (unsigned long long i = base + threadIdx.x; i < end; i += blockDim.x) {
            unsigned count = 0;
            for (unsigned long long n = first + i; n != 1; n = n % 2 == 0 ? n / 2 : 3 * n + 1) ++count;
            steps[i] = count;
            steps_taken.add(count);
            in_batch.observe(lengths, count);
        }
        in_batch.flush(lengths);  // waits for all threads, too
        // 3. one thread, when it is done: bytes in, bytes out.
        if (threadIdx.x == 0) rec.end(begun, (end - base) * sizeof(first), (end - base) * sizeof(*steps));
    }
}
RINGSCOPE_ENTRY(collatz)
