// measure.h: the experiments. Each prints its table and the decision that follows, and throws Failure where it cannot be done.
#ifndef RINGSCOPE_BENCHES_GPU_MEASURE_H
#define RINGSCOPE_BENCHES_GPU_MEASURE_H

#include "driver.h"

void latencies(const gpu::Gpu& gpu);
void red(const gpu::Gpu& gpu);
void queues(const gpu::Gpu& gpu);
void neighbours(const gpu::Gpu& gpu);
void clocks(const gpu::Gpu& gpu, double seconds);
void copies(const gpu::Gpu& gpu);
// Makes the processes itself, before this one has a context.
void exits();
#endif
