// clock.cpp: what %globaltimer is to a kernel. The host's steady clock, but for a drift, a tick and steps that a test sets.
#include <atomic>

#include "../../kernels/host/shim.h"
#include "driver.h"

namespace {
// From one moment of the host on. Never changed once it is used, and never freed: a block may be reading it.
struct Course {
    stand_in::u64 host, device;
    long long drift_ppb;
    stand_in::u64 tick;

    stand_in::u64 at(stand_in::u64 now) const {
        return device + (now - host) + (stand_in::u64)((__int128)(now - host) * drift_ppb / 1000000000);
    }
};
std::atomic<const Course*> course{new Course{0, 0, 0, 1}};

void go_on(long long step, long long drift_ppb, stand_in::u64 tick) {
    stand_in::u64 now = ringscope_host::steady_ns();
    course = new Course{now, course.load()->at(now) + (stand_in::u64)step, drift_ppb, tick == 0 ? 1 : tick};
}
}  // namespace

unsigned long long ringscope_host::clock_ns() {
    const Course* now = course;
    return now->at(steady_ns()) / now->tick * now->tick;
}

API void stand_in_set_clock(long long drift_ppb, stand_in::u64 tick) { go_on(0, drift_ppb, tick); }
API void stand_in_step_clock(long long by) { go_on(by, course.load()->drift_ppb, course.load()->tick); }
API stand_in::u64 stand_in_clock_ns() { return ringscope_host::clock_ns(); }
