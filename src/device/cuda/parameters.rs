//! What a kernel of one's own takes by value through cudarc's launch builder.

use cudarc::driver::DeviceRepr;

use crate::abi::{
    CounterFamilyRef, CounterRef, GaugeFamilyRef, GaugeRef, HistogramFamilyRef, HistogramRef, KernelRef, RingArgs,
};

// SAFETY: plain data of fixed layout (abi.h), without padding.
unsafe impl DeviceRepr for KernelRef {}
// SAFETY: as above.
unsafe impl DeviceRepr for RingArgs {}

macro_rules! device_repr {
    ($($name:ident)*) => {$(
        // SAFETY: a MetricRef and nothing else, which is plain data of fixed layout (abi.h), without padding.
        unsafe impl DeviceRepr for $name {}
    )*};
}
device_repr!(CounterRef GaugeRef HistogramRef CounterFamilyRef GaugeFamilyRef HistogramFamilyRef);
