// The loop of a persistent kernel whose warps have roles, in the manner of the megakernels of 2025: all layers of a model are
// one launch, whose blocks take tasks from a list in global memory. In each block a scheduler fetches tasks, a loader brings
// their inputs into a page of shared memory as soon as these are there, a consumer computes in it, and a storer brings the
// result away and tells the tasks that wait for it. A page goes from one to the next by flags; several are on their way.
//
// original.cu is the kernel as its author wrote it, megakernel.cu the same with telemetry: diff original.cu megakernel.cu
#include <ringscope/telemetry.cuh>
#include "tasks.cuh"

// Where a warp waits, each followed by what it does when that is over.
RINGSCOPE_NAMES(scheduler_waits_for_stage, fetching, loader_waits_for_task, loader_waits_for_inputs, loading,
                consumer_waits_for_page, computing, storer_waits_for_result, storing)

namespace {
constexpr unsigned STAGES = 3;
enum Role : unsigned { SCHEDULER, LOADER, CONSUMER, STORER, ROLES };

// A task on its way through the block. Each flag counts to 1 with the first task that comes by, to 2 with the next.
struct Stage {
    Task task;
    Page page;
    Flag fetched, loaded, computed, stored;
    unsigned long long begun;
};

// By all lanes of a warp, until `value()` is `expected`.
template <class Value>
__device__ __forceinline__ void wait(
    ringscope::Recorder& rec, unsigned where, unsigned resource, unsigned lane, unsigned expected, Value value) {
    if (lane == 0) {
        ringscope::spin_until_equal(rec, where, 0, resource, expected, value);
        rec.at(where + 1);
    }
    __syncwarp();  // what lane 0 acquired is there for all
}
// By all lanes of a warp, after what each of them did.
__device__ __forceinline__ void arrive(Flag& flag, unsigned lane) {
    __syncwarp();
    if (lane == 0) flag.arrive();
}
}  // namespace

extern "C" __launch_bounds__(ROLES * WARP) __global__ void megakernel(
    Work work, ringscope::KernelRef telemetry, ringscope::CounterFamilyRef tasks, ringscope::CounterRef inputs) {
    __shared__ Stage stages[STAGES];
    const unsigned role = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    ringscope::Recorder rec(telemetry, blockIdx.x * ROLES + role, lane == 0);
    if (threadIdx.x == 0) {
        for (Stage& stage : stages) stage.fetched = stage.loaded = stage.computed = stage.stored = Flag{0};
    }
    __syncthreads();
    unsigned kind = NONE;
    for (unsigned i = 0; kind != STOP; ++i) {
        Stage& stage = stages[i % STAGES];
        const unsigned round = i / STAGES + 1;
        if (role == SCHEDULER) {
            wait(rec, scheduler_waits_for_stage, i % STAGES, lane, round - 1, [&] { return stage.stored.arrived(); });
            if (lane == 0) {
                stage.begun = rec.begin();
                const unsigned ticket = atomicAdd(work.next, 1u);
                if (ticket < work.count) stage.task = work.tasks[ticket];
                else stage.task.kind = STOP;
            }
            __syncwarp();
            kind = stage.task.kind;
            arrive(stage.fetched, lane);
        } else if (role == LOADER) {
            wait(rec, loader_waits_for_task, i % STAGES, lane, round, [&] { return stage.fetched.arrived(); });
            const Task task = stage.task;
            kind = task.kind;
            if (kind != STOP) {
                if (lane == 0) inputs.add(task.needs);
                wait(rec, loader_waits_for_inputs, task.id, lane, task.needs, [&] { return told(&work.done[task.id]); });
                ringscope::Span span(rec, loading);
                load(stage.page, task, work.tiles, lane);
                while (told_by_host(work.held) == task.id) __nanosleep(10000);
            }
            arrive(stage.loaded, lane);
        } else if (role == CONSUMER) {
            wait(rec, consumer_waits_for_page, i % STAGES, lane, round, [&] { return stage.loaded.arrived(); });
            const Task task = stage.task;
            kind = task.kind;
            if (kind != STOP) {
                ringscope::Span span(rec, computing);
                compute(stage.page, task, lane);
            }
            arrive(stage.computed, lane);
        } else {
            wait(rec, storer_waits_for_result, i % STAGES, lane, round, [&] { return stage.computed.arrived(); });
            const Task task = stage.task;
            kind = task.kind;
            if (kind != STOP) {
                ringscope::Span span(rec, storing);
                store(stage.page, task, work.tiles, lane);
                __syncwarp();  // the tile is whole, whoever tells of it
                for (unsigned s = lane; s < task.successors; s += WARP) {
                    tell(&work.done[work.successors[task.first_successor + s]]);
                }
                if (lane == 0) tasks.at(kind).add();
                if (lane == 0) rec.end(stage.begun, ringscope::Kind{kind}, 4 * task.reads(), 4 * task.writes());
            }
            arrive(stage.stored, lane);
        }
    }
}
RINGSCOPE_ENTRY(megakernel)
