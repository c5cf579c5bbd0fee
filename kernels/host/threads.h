// threads.h: the threads of a block that has several. Included by shim.cpp.
//
// They are fibers of the one OS thread that runs the block: each has a stack of its own, and they take turns where one waits,
// at a barrier, in __nanosleep or ringscope's own waiting, and now and then in an atomic or a fence. So what is thread-local
// is the block's, `__shared__` memory above all; a barrier of 1,024 threads costs microseconds; and what one thread does
// between two such places no other sees half done. The thread sanitizer is told of each fiber and of each barrier, and of
// nothing else: what only the order of the turns keeps apart is a race to it, as it is on a GPU.
#ifndef RINGSCOPE_HOST_THREADS_H
#define RINGSCOPE_HOST_THREADS_H

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <exception>
#include <new>

#if defined(__SANITIZE_THREAD__)
#define RINGSCOPE_HOST_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RINGSCOPE_HOST_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define RINGSCOPE_HOST_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RINGSCOPE_HOST_ASAN 1
#endif
#endif
#ifdef RINGSCOPE_HOST_TSAN
#include <sanitizer/tsan_interface.h>
// What follows is what a scheduler does on hardware: it is no access of the kernel's.
#define RINGSCOPE_HOST_UNSEEN __attribute__((no_sanitize("thread"), noinline))
#else
#define RINGSCOPE_HOST_UNSEEN
#endif
#ifdef RINGSCOPE_HOST_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

// From one stack to another: by hand where that is tested, since the C library's swapcontext asks the kernel for the signal
// mask each time. Not where the processor checks return addresses against a stack of its own.
#if defined(__x86_64__) && defined(__linux__) && defined(__LP64__) && !(defined(__CET__) && (__CET__ & 2))
#define RINGSCOPE_HOST_SWITCH 1
#elif defined(__GLIBC__) || defined(__APPLE__)
#define RINGSCOPE_HOST_UCONTEXT 1
#include <ucontext.h>
#endif

namespace {
constexpr unsigned MOST_THREADS = 1024;
constexpr std::size_t STACK_BYTES = 256 * 1024;

std::size_t page_bytes() { return (std::size_t)sysconf(_SC_PAGESIZE); }
}  // namespace

// The stacks of a block's threads: one mapping, a page that may not be touched below each stack.
struct ringscope_host_stacks {
    unsigned char* memory;
    std::size_t bytes, each;
    unsigned threads;
};

extern "C" ringscope_host_stacks* ringscope_host_stacks_new(unsigned threads) {
#if defined(RINGSCOPE_HOST_SWITCH) || defined(RINGSCOPE_HOST_UCONTEXT)
    if (threads == 0 || threads > MOST_THREADS) return nullptr;
    const std::size_t guard = page_bytes(), each = STACK_BYTES + guard;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
#ifdef MAP_NORESERVE
    flags |= MAP_NORESERVE;
#endif
    void* memory = mmap(nullptr, each * threads, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    auto* first = static_cast<unsigned char*>(memory);
    for (unsigned i = 0; i < threads; ++i) {
        if (mprotect(first + i * each, guard, PROT_NONE) == 0) continue;
        munmap(memory, each * threads);
        return nullptr;
    }
    auto* made = new (std::nothrow) ringscope_host_stacks{first, each * threads, each, threads};
    if (made == nullptr) munmap(memory, each * threads);
    return made;
#else
    (void)threads;
    return nullptr;
#endif
}
extern "C" void ringscope_host_stacks_free(ringscope_host_stacks* stacks) {
    if (stacks == nullptr) return;
    munmap(stacks->memory, stacks->bytes);
    delete stacks;
}
extern "C" bool ringscope_host_has_threads() {
#if defined(RINGSCOPE_HOST_SWITCH) || defined(RINGSCOPE_HOST_UCONTEXT)
    return true;
#else
    return false;
#endif
}

#ifdef RINGSCOPE_HOST_SWITCH
// Keeps what a call keeps, leaves the stack at *from, and goes on where the other one was left.
extern "C" void ringscope_host_switch(void** from, void* to);
asm(".text\n"
    ".p2align 4\n"
    ".globl ringscope_host_switch\n"
    ".hidden ringscope_host_switch\n"
    ".type ringscope_host_switch, @function\n"
    "ringscope_host_switch:\n"
    "    pushq %rbp\n"
    "    pushq %rbx\n"
    "    pushq %r12\n"
    "    pushq %r13\n"
    "    pushq %r14\n"
    "    pushq %r15\n"
    "    movq %rsp, (%rdi)\n"
    "    movq %rsi, %rsp\n"
    "    popq %r15\n"
    "    popq %r14\n"
    "    popq %r13\n"
    "    popq %r12\n"
    "    popq %rbx\n"
    "    popq %rbp\n"
    "    ret\n"
    ".size ringscope_host_switch, .-ringscope_host_switch\n");
#endif

namespace ringscope_host {
struct Fiber {
#ifdef RINGSCOPE_HOST_SWITCH
    void* stack_pointer = nullptr;
#elif defined(RINGSCOPE_HOST_UCONTEXT)
    ucontext_t context;
#endif
    unsigned phase = 0;  // of the barrier that it waits at
    bool waits = false, begun = false, ended = false;
#ifdef RINGSCOPE_HOST_TSAN
    void* seen_as = nullptr;
#endif
#ifdef RINGSCOPE_HOST_ASAN
    void* fake_stack = nullptr;
    const void* bottom = nullptr;
    std::size_t bytes = 0;
#endif
};
}  // namespace ringscope_host
using ringscope_host::Fiber;

// A block of several threads that runs.
struct ringscope_host_threads {
    void (*entry)(void**);
    void** args;
    Fiber* fibers;
    unsigned count, current, alive;  // a current one of `count` is the OS thread's own stack
    Fiber home;
    unsigned phase = 0;    // of the barrier
    unsigned arrived = 0;  // there
    int sum = 0;           // of their predicates
    int result[2] = {};    // of the last two phases
    char order[2] = {};    // what the thread sanitizer knows these by
    char over = 0;
    unsigned calls = 0;              // of atomics and fences
    unsigned ways = 0, least = ~0u;  // threads that gave way in this round, and the least attempt of theirs

    RINGSCOPE_HOST_UNSEEN bool is_ready(unsigned i) const {
        const Fiber& f = fibers[i];
        return !f.ended && !(f.waits && f.phase == phase);
    }
    // The next one that can go on; `count` if none can.
    RINGSCOPE_HOST_UNSEEN unsigned next() const {
        for (unsigned step = 1; step <= count; ++step) {
            unsigned i = current + step < count ? current + step : current + step - count;
            if (is_ready(i)) return i;
        }
        return count;
    }
    // Leaves the current stack for another one.
    RINGSCOPE_HOST_UNSEEN void go(unsigned to) {
        Fiber& from = current == count ? home : fibers[current];
        Fiber& next = to == count ? home : fibers[to];
        if (&from == &next) return;
        current = to;
        ringscope_thread_index.x = to;
#ifdef RINGSCOPE_HOST_ASAN
        __sanitizer_start_switch_fiber(from.ended ? nullptr : &from.fake_stack, next.bottom, next.bytes);
#endif
#ifdef RINGSCOPE_HOST_TSAN
        __tsan_switch_to_fiber(next.seen_as, __tsan_switch_to_fiber_no_sync);
#endif
#ifdef RINGSCOPE_HOST_SWITCH
        ringscope_host_switch(&from.stack_pointer, next.stack_pointer);
#elif defined(RINGSCOPE_HOST_UCONTEXT)
        swapcontext(&from.context, &next.context);
#endif
#ifdef RINGSCOPE_HOST_ASAN
        __sanitizer_finish_switch_fiber(from.fake_stack, nullptr, nullptr);
#endif
    }
    RINGSCOPE_HOST_UNSEEN void pass_barrier() {
        result[phase & 1] = sum;
        arrived = 0;
        sum = 0;
        ways = 0;
        ++phase;
    }
    // Returns how many of the threads that meet say so.
    RINGSCOPE_HOST_UNSEEN int meet(bool predicate) {
        if (is_trapped) return leave(predicate);
        Fiber& me = fibers[current];
        const unsigned mine = phase;
#ifdef RINGSCOPE_HOST_TSAN
        // Two in turn: who has left this one may be at the next before others have left this one.
        __tsan_release(&order[mine & 1]);
#endif
        sum += predicate;
        if (++arrived == alive) {
            pass_barrier();
        } else {
            me.waits = true;
            me.phase = mine;
            go(next());
            me.waits = false;
            if (is_trapped) return leave(predicate);
        }
#ifdef RINGSCOPE_HOST_TSAN
        __tsan_acquire(&order[mine & 1]);
#endif
        return result[mine & 1];
    }
    // Lets others have their turn, unless all who can go on have given way since somebody last did anything else: then the
    // OS thread may sleep, and `attempt` is the least of theirs.
    RINGSCOPE_HOST_UNSEEN bool give_way(unsigned& attempt) {
        if (is_trapped) return leave(1) != 0;
        if (attempt < least) least = attempt;
        if (++ways >= alive - arrived) {
            attempt = least;
            ways = 0;
            least = ~0u;
            return true;
        }
        go(next());
        if (is_trapped) leave(0);
        return false;
    }
    RINGSCOPE_HOST_UNSEEN void now_and_then() {
        constexpr unsigned EVERY = 64;
        unsigned attempt = 0;
        if (++calls % EVERY == 0) give_way(attempt);
    }
    // Where a thread has trapped the others do not go on: but for destructors, while this one is being ended.
    RINGSCOPE_HOST_UNSEEN static int leave(int otherwise) {
        if (std::uncaught_exceptions() == 0) throw Trap{};
        return otherwise;
    }
    // By a thread that has returned, or trapped.
    RINGSCOPE_HOST_UNSEEN void end_current() {
        fibers[current].ended = true;
        --alive;
#ifdef RINGSCOPE_HOST_TSAN
        __tsan_release(&over);
#endif
        if (is_trapped) {
            // Who has begun is ended in turn; who has not, has no stack to be undone.
            for (unsigned i = 0; i < count; ++i) {
                fibers[i].waits = false;
                fibers[i].ended |= !fibers[i].begun;
            }
        } else if (alive > 0 && arrived == alive) {
            pass_barrier();
        }
        go(next());
    }
    RINGSCOPE_HOST_UNSEEN void run_current() {
        fibers[current].begun = true;
        try {
            entry(args);
        } catch (const Trap&) {
            is_trapped = true;
        }
        end_current();
    }
    void prepare(const ringscope_host_stacks& stacks);
    void run();
};

namespace {
RINGSCOPE_HOST_UNSEEN void fiber_begins() {
#ifdef RINGSCOPE_HOST_ASAN
    ringscope_host_threads& all = *ringscope_host_block;
    bool first = all.home.bottom == nullptr;
    const void* bottom = nullptr;
    std::size_t bytes = 0;
    __sanitizer_finish_switch_fiber(nullptr, &bottom, &bytes);
    if (first) all.home.bottom = bottom, all.home.bytes = bytes;
#endif
    ringscope_host_block->run_current();
    std::terminate();  // nobody goes on where a fiber has ended
}
}  // namespace

inline void ringscope_host_threads::prepare(const ringscope_host_stacks& stacks) {
    for (unsigned i = 0; i < count; ++i) {
        unsigned char* bottom = stacks.memory + i * stacks.each + (stacks.each - STACK_BYTES);
#ifdef RINGSCOPE_HOST_SWITCH
        // As ringscope_host_switch leaves a stack: six registers, where to go on, and nothing to return to from there.
        auto* top = reinterpret_cast<void**>(bottom + STACK_BYTES);
        top[-2] = reinterpret_cast<void*>(&fiber_begins);
        fibers[i].stack_pointer = top - 8;
#elif defined(RINGSCOPE_HOST_UCONTEXT)
        getcontext(&fibers[i].context);
        fibers[i].context.uc_stack.ss_sp = bottom;
        fibers[i].context.uc_stack.ss_size = STACK_BYTES;
        fibers[i].context.uc_link = nullptr;
        makecontext(&fibers[i].context, &fiber_begins, 0);
#endif
#ifdef RINGSCOPE_HOST_TSAN
        fibers[i].seen_as = __tsan_create_fiber(0);
#endif
#ifdef RINGSCOPE_HOST_ASAN
        fibers[i].bottom = bottom;
        fibers[i].bytes = STACK_BYTES;
#endif
        (void)bottom;
    }
#ifdef RINGSCOPE_HOST_TSAN
    home.seen_as = __tsan_get_current_fiber();
#endif
}

inline void ringscope_host_threads::run() {
    go(0);
#ifdef RINGSCOPE_HOST_TSAN
    __tsan_acquire(&over);
    for (unsigned i = 0; i < count; ++i) __tsan_destroy_fiber(fibers[i].seen_as);
#endif
}

#endif  // RINGSCOPE_HOST_THREADS_H
