//! The built-in `matmul_f32`: against sums in f64, and with messages that are none.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use ringscope::abi::status;
use ringscope::device::SharedDevice;
use ringscope::device::cuda::CudaDevice;
use ringscope::device::host::HostDevice;
use ringscope::{LaunchOptions, Reply, RingKernelRuntime};

use crate::sized::SOON;
use crate::stand_in::{Runs, StandIn, assert_clean, with_stand_in};

/// a of m rows and k columns, b of k rows and n columns.
#[derive(Clone, Debug)]
struct Product {
    m: usize,
    n: usize,
    k: usize,
    a: Vec<f32>,
    b: Vec<f32>,
}

impl Product {
    fn new(m: usize, n: usize, k: usize, seed: u64) -> Self {
        let mut state = seed | 1;
        let mut number = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // -8 to 8, of all magnitudes from 2^-17 on.
            ((state >> 40) as f32 / (1u64 << 24) as f32 - 0.5) * [16.0, 1.0, 0.01][(state % 3) as usize]
        };
        let (a, b) = ((0..m * k).map(|_| number()).collect(), (0..k * n).map(|_| number()).collect());
        Product { m, n, k, a, b }
    }

    fn message(&self) -> Vec<u8> {
        let shape = [self.m, self.n, self.k, 0].map(|word| word as u32);
        let floats = self.a.iter().chain(&self.b).flat_map(|f| f.to_le_bytes());
        shape.iter().flat_map(|word| word.to_le_bytes()).chain(floats).collect()
    }

    /// Compares with the sums in f64, whose own error is as nothing: a sum of k products in f32, each rounded at most once with its
    /// addition and once before it, is off by at most `k·u / (1 − k·u)` of the sum of the products' magnitudes, with
    /// u = 2^-24 (Higham, Accuracy and Stability of Numerical Algorithms, 3.1); and by 2^-149 for each that underflows.
    fn check(&self, reply: &Reply) {
        assert_eq!((reply.status, reply.payload.len()), (0, self.m * self.n * 4), "{}x{}x{}", self.m, self.n, self.k);
        let ku = (self.k + 1) as f64 * 2f64.powi(-24);
        for (at, bytes) in reply.payload.chunks_exact(4).enumerate() {
            let (row, column) = (at / self.n, at % self.n);
            let products =
                (0..self.k).map(|j| f64::from(self.a[row * self.k + j]) * f64::from(self.b[j * self.n + column]));
            let (sum, size) = products.fold((0.0, 0.0), |(sum, size), p| (sum + p, size + p.abs()));
            let limit = ku / (1.0 - ku) * size + self.k as f64 * 2f64.powi(-149);
            let got = f64::from(f32::from_le_bytes(bytes.try_into().expect("four bytes")));
            assert!(
                (got - sum).abs() <= limit,
                "[{row}][{column}] of {}x{}x{}: {got}, not {sum}",
                self.m,
                self.n,
                self.k
            );
        }
    }
}

fn start(device: &SharedDevice, blocks: u32) -> RingKernelRuntime {
    let runtime = RingKernelRuntime::builder().on(Arc::clone(device)).telemetry(true).kernel("matmul_f32");
    let runtime = runtime.max_kernels(1).slots(4).slot_bytes(40_000).start_limit(SOON).stop_limit(SOON).build();
    let runtime = runtime.expect("a runtime");
    runtime.launch_blocking("w", &LaunchOptions::new().blocks(blocks)).expect("a launch");
    runtime.activate_blocking("w").expect("it is activated");
    runtime
}

fn reply(runtime: &RingKernelRuntime, message: &[u8]) -> Reply {
    runtime.send_blocking("w", message).expect("it is sent");
    runtime.receive_blocking("w", SOON).expect("a reply")
}

fn multiply(runtime: &RingKernelRuntime, product: &Product) {
    product.check(&reply(runtime, &product.message()));
}

/// A small one, of a kernel that is called "w".
pub fn one_product(runtime: &RingKernelRuntime) {
    multiply(runtime, &Product::new(3, 5, 7, 11));
}

/// Messages that are no product, and what they are refused with.
fn refused() -> Vec<(Vec<u8>, u32)> {
    let bad = status::BAD_MESSAGE;
    let words = |words: [u32; 4], floats: usize| {
        let bytes = words.iter().flat_map(|word| word.to_le_bytes());
        bytes.chain(std::iter::repeat_n(0, floats * 4)).collect::<Vec<u8>>()
    };
    let mut cut = Product::new(2, 2, 2, 1).message();
    cut.pop();
    vec![
        (Vec::new(), bad),
        (vec![1; 15], bad),
        (words([0, 1, 1, 0], 1), bad),
        (words([1, 0, 1, 0], 1), bad),
        (words([1, 1, 0, 0], 0), bad),
        (words([1, 1, 1, 1], 2), bad),
        (words([1, 1, 1, 0], 3), bad),
        (words([2, 2, 2, 0], 7), bad),
        // Whose sizes are right modulo 2^32, and modulo 2^64.
        (words([1 << 16, 1 << 16, 1 << 16, 0], 0), bad),
        (words([u32::MAX, u32::MAX, u32::MAX, 0], 2), bad),
        (words([1 << 31, 1 << 31, 2, 0], 0), bad),
        (cut, bad),
        // A column and a row, whose product is larger than a slot.
        (words([200, 200, 1, 0], 400), status::REPLY_TOO_LARGE),
    ]
}

fn refuses_what_is_no_product(runtime: &RingKernelRuntime) {
    let refused = refused();
    for (n, (message, code)) in refused.iter().enumerate() {
        assert_eq!(reply(runtime, message).status, *code, "message {n}");
    }
    one_product(runtime);
    let t = runtime.telemetry_blocking("w").expect("it is known");
    assert_eq!((t.messages_processed, t.errors), (1, refused.len() as u64));
}

#[test]
fn products_on_the_host_device_are_as_exact_as_f32_is() {
    let runtime = start(&(Arc::new(HostDevice::new()) as SharedDevice), 2);
    // The edges of a tile, and what is not square.
    for (m, n, k) in [(1, 1, 1), (32, 32, 32), (33, 31, 32), (1, 97, 33), (70, 1, 64), (64, 64, 64), (5, 6, 700)] {
        multiply(&runtime, &Product::new(m, n, k, (m * n * k) as u64));
    }
    let shapes = (1..80usize, 1..80usize, 1..60usize, any::<u64>());
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() });
    let all = runner.run(&shapes, |(m, n, k, seed)| {
        multiply(&runtime, &Product::new(m, n, k, seed));
        Ok(())
    });
    all.expect("every product");
}

#[test]
fn what_is_no_product_is_refused_on_the_host_device() {
    refuses_what_is_no_product(&start(&(Arc::new(HostDevice::new()) as SharedDevice), 2));
}

#[test]
fn products_on_the_ptx_machine_are_as_exact_as_f32_is() {
    if !with_stand_in("matmul::products_on_the_ptx_machine_are_as_exact_as_f32_is", Runs::Ptx) {
        return;
    }
    let device: SharedDevice = Arc::new(CudaDevice::open(0).expect("a device"));
    let runtime = start(&device, 2);
    for (m, n, k) in [(1, 1, 1), (33, 5, 34), (7, 40, 3)] {
        multiply(&runtime, &Product::new(m, n, k, (m * n * k) as u64));
    }
    runtime.terminate_blocking("w").expect("it ends");
    drop((runtime, device));
    assert_clean(&StandIn);
}

#[test]
fn what_is_no_product_is_refused_on_the_ptx_machine() {
    if !with_stand_in("matmul::what_is_no_product_is_refused_on_the_ptx_machine", Runs::Ptx) {
        return;
    }
    let device: SharedDevice = Arc::new(CudaDevice::open(0).expect("a device"));
    let runtime = start(&device, 1);
    refuses_what_is_no_product(&runtime);
    runtime.terminate_blocking("w").expect("it ends");
    drop((runtime, device));
    assert_clean(&StandIn);
}
