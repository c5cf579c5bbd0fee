// telemetry.cuh: the one header of a kernel author. No STL, no other include, C++17; nvcc, NVRTC, clang.
//
//     extern "C" __global__ void my_kernel(ringscope::KernelRef telemetry, ...) {
//         ringscope::Recorder rec(telemetry);           // 1. every thread of the block
//         while (...) {
//             unsigned long long t = rec.begin();        // 2. the thread, or the warp, that handles the message
//             ...
//             rec.end(t, bytes_in, bytes_out);           // 3. after the result was published
//         }
//     }                                                  // the end of `rec` says that the block has ended
//     RINGSCOPE_ENTRY(my_kernel)
//
// -DRINGSCOPE_LEVEL=0 removes all of it at compile time, a null ref at run time; 1 keeps the counters and the waypoints,
// 2 (the default) adds the latency histogram, 3 events and spans.
//
// A kernel that waits for work gives a sign of life, or the host's watchdog takes it for one that hangs; and one that waits
// for something that is due says for what, so that the host can say why it hangs:
//
//     rec.waiting(IDLE);                                 // no work: this may last for ever
//     rec.waiting(BARRIER, stage, 4, arrived);           // due: a block that stays here hangs, and has a reason
//     rec.at(LOAD);                                      // one store: where the block is
//
// A C++ compiler that compiles no kernels gets the types that kernels take by value, and nothing else. A CPU runs kernels
// where RINGSCOPE_CPU is defined.
#ifndef RINGSCOPE_TELEMETRY_CUH
#define RINGSCOPE_TELEMETRY_CUH

#include <ringscope/abi.h>
#include <ringscope/platform.cuh>

namespace ringscope {
using KernelRef = ringscope_kernel_ref;
}  // namespace ringscope

#ifdef RINGSCOPE_DECLARATIONS
#include <ringscope/declarations.h>
#else
#include <ringscope/atomic.cuh>
#include <ringscope/clock.cuh>
#include <ringscope/histogram.cuh>
#include <ringscope/metrics.cuh>
#include <ringscope/local.cuh>
#include <ringscope/record.cuh>
#include <ringscope/trace.cuh>
#include <ringscope/recorder.cuh>
#include <ringscope/wait.cuh>
#endif

// Names of waypoints, events and spans, at file scope: an enum for the kernel, and a text that the host reads from the
// module, so that it can say the names. One list for all kernels of a module.
//
//     RINGSCOPE_NAMES(load, mma, store)
//     ... rec.at(mma);
#define RINGSCOPE_NAMES(...)                              \
    enum ringscope_names : unsigned { __VA_ARGS__ };      \
    RINGSCOPE_NAMES_TEXT_(#__VA_ARGS__)
#ifdef RINGSCOPE_DECLARATIONS
#define RINGSCOPE_NAMES_TEXT_(text)
#elif RINGSCOPE_CUDA
// Modules that are linked from several units have one text, which of them is all the same.
#ifdef __CUDACC_RDC__
#define RINGSCOPE_NAMES_WEAK_ __attribute__((weak))
#else
#define RINGSCOPE_NAMES_WEAK_
#endif
#define RINGSCOPE_NAMES_TEXT_(text) \
    extern "C" {                    \
    __device__ RINGSCOPE_NAMES_WEAK_ char ringscope_names_text[sizeof(text)] = text; \
    }
#else
#define RINGSCOPE_NAMES_TEXT_(text) \
    static constexpr const char* ringscope_names_of(int) { return text; }
// What is found where a file names nothing.
static constexpr const char* ringscope_names_of(long) { return nullptr; }
#endif

#endif  // RINGSCOPE_TELEMETRY_CUH
