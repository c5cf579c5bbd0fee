// declarations.h: what kernels take by value, for C++ that declares or launches kernels and compiles none. The same
// types with their functions are in metrics.cuh; tests/headers compares their sizes.
#ifndef RINGSCOPE_DECLARATIONS_H
#define RINGSCOPE_DECLARATIONS_H

namespace ringscope {
struct CounterRef {
    ringscope_metric metric;
};
struct GaugeRef {
    ringscope_metric metric;
};
struct HistogramRef {
    ringscope_metric metric;
};
struct ExponentialRef {
    ringscope_metric metric;
};
template <class Ref>
struct FamilyRef {
    ringscope_metric metric;
};
using CounterFamilyRef = FamilyRef<CounterRef>;
using GaugeFamilyRef = FamilyRef<GaugeRef>;
using HistogramFamilyRef = FamilyRef<HistogramRef>;
using ExponentialFamilyRef = FamilyRef<ExponentialRef>;
}  // namespace ringscope

#endif  // RINGSCOPE_DECLARATIONS_H
