// exit.cpp: a process ends while its kernel is resident. How long is it there?
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <thread>

#include "measure.h"

using namespace gpu;

namespace {
constexpr double KERNEL_SECONDS = 12;
enum Way { RETURN, EXIT_NOW, KILLED, WAYS };
const char* const NAMES[WAYS] = {"exit(), with the driver's clean-up", "_exit(), without it", "SIGKILL"};

[[noreturn]] void child(Way way, int ready) {
    try {
        Gpu gpu;
        Function stay = gpu.function("stay");
        auto started = gpu.mapped(64), stop = gpu.mapped(64);
        gpu.launch(stay, 1, 32, 0, gpu.stream(), started.device, stop.device, 1u, static_cast<u64>(KERNEL_SECONDS * 1e9));
        auto begun = Clock::now();
        while (started.host[0] == 0 && seconds_since(begun) < 5) {
        }
        char there = started.host[0] != 0;
        if (write(ready, &there, 1) != 1) std::_Exit(3);
    } catch (const Failure& failure) {
        std::fprintf(stderr, "error: %s\n", failure.what());
        std::_Exit(3);
    }
    if (way == KILLED) pause();
    if (way == EXIT_NOW) std::_Exit(0);
    std::exit(0);
}

// Seconds until the process is gone; less than 0: it was not by then.
double gone_after(Way way) {
    constexpr double PATIENCE = 25;
    int ready[2];
    if (pipe(ready) != 0) throw Failure("no pipe");
    pid_t pid = fork();
    if (pid < 0) throw Failure("no process");
    if (pid == 0) child(way, ready[1]);
    close(ready[1]);
    char there = 0;
    bool said = read(ready[0], &there, 1) == 1 && there;
    close(ready[0]);
    auto begun = Clock::now();
    if (way == KILLED || !said) kill(pid, SIGKILL);
    int status = 0;
    double gone = -1;
    while (gone < 0 && seconds_since(begun) < PATIENCE) {
        if (waitpid(pid, &status, WNOHANG) == pid) gone = seconds_since(begun);
        else std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    if (!said) throw Failure("the kernel that stays was not started");
    if (gone < 0) kill(pid, SIGKILL);
    return gone;
}
}  // namespace

void exits() {
    std::printf("a kernel that stays for %.0f s; the process is gone after\n", KERNEL_SECONDS);
    double after[WAYS];
    for (int way = 0; way < WAYS; ++way) {
        after[way] = gone_after(static_cast<Way>(way));
        if (after[way] < 0) std::printf("%-40s more than 25 s\n", NAMES[way]);
        else std::printf("%-40s %8.3f s\n", NAMES[way], after[way]);
        // Let the kernel of this one be gone before the next.
        std::this_thread::sleep_for(std::chrono::milliseconds(500));
    }
    auto waits = [&](int way) { return after[way] < 0 || after[way] > KERNEL_SECONDS / 2; };
    std::printf("\ndecision: %s\n", waits(RETURN) ? "exit() waits for a resident kernel: a program must end its kernels first, and ringscope stops them at exit"
                                                  : "exit() does not wait for a resident kernel: nothing more is needed");
    std::printf("decision: %s\n", waits(KILLED) ? "even SIGKILL waits: a kernel needs a limit of its own, which ends it when its host is gone" : "a process that is killed takes its kernel along");
}
