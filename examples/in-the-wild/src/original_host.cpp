// original_host.cpp: the original for the host device. ringscope gives it what CUDA C++ has, and records nothing.
#include <ringscope/platform.cuh>

#define megakernel original
#include "original.cu"
RINGSCOPE_ENTRY(original)
