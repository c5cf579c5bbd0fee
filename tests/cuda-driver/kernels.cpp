// kernels.cpp: the crate's kernels at one level (RINGSCOPE_LEVEL), for CPU threads.
#include "../../kernels/compute.cu"
#include "../../kernels/crc32c.cu"
#include "../../kernels/echo.cu"
#include "../../kernels/matmul_f32.cu"
#include "../../kernels/probe/probe.cu"
#include "../../kernels/vector_add.cu"
#include "tally.cu"
#if RINGSCOPE_LEVEL == 2
#include "../../kernels/probe/clock_probe.cu"
RINGSCOPE_ENTRY(clock_probe)
#endif
