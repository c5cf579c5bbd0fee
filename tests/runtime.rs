//! The runtime's promise: launch, activate, send, receive, and counts that are exact.
#![cfg(feature = "host")]

use std::time::Duration;

use ringscope::{DeviceSpec, KernelState, LaunchOptions, RingKernelRuntime};

const SOON: Duration = Duration::from_secs(20);

mod common;

fn runtime(device: DeviceSpec) -> RingKernelRuntime {
    println!("on {device:?}");
    RingKernelRuntime::builder().device(device).telemetry(true).build().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_missions_example() {
    for device in common::devices() {
        launch_activate_send_receive(&runtime(device)).await;
    }
}

async fn launch_activate_send_receive(runtime: &RingKernelRuntime) {
    runtime.launch("w").await.unwrap();
    assert_eq!(runtime.telemetry("w").await.unwrap().state, KernelState::Launched);
    runtime.activate("w").await.unwrap();
    for n in 0..100u32 {
        runtime.send("w", &n.to_le_bytes()).await.unwrap();
        let reply = runtime.receive("w", SOON).await.unwrap();
        assert_eq!((reply.seq, reply.status, &reply.payload[..]), (u64::from(n), 0, &n.to_le_bytes()[..]));
    }
    let t = runtime.telemetry("w").await.unwrap();
    assert_eq!(t.state, KernelState::Active);
    assert_eq!((t.messages_received, t.messages_sent, t.messages_processed, t.errors), (100, 100, 100, 0));
    assert_eq!((t.bytes_in, t.bytes_out), (400, 400));
    assert!(t.throughput > 0.0 && t.uptime > Duration::ZERO && t.error_rate == 0.0);
    assert!(t.start_time.unwrap() < t.last_message_time.unwrap());
    let latency = t.latency.unwrap();
    assert_eq!(latency.count, 100);
    assert!(latency.min_ns as f64 <= latency.p50_ns && latency.p50_ns <= latency.p99_ns);
    assert!(latency.p99_ns <= latency.max_ns as f64);

    runtime.deactivate("w").await.unwrap();
    assert_eq!(runtime.telemetry("w").await.unwrap().state, KernelState::Deactivated);
    assert!(runtime.send("w", b"x").await.unwrap_err().to_string().contains("activate it first"));
    runtime.activate("w").await.unwrap();
    runtime.send("w", b"again").await.unwrap();
    assert_eq!(runtime.receive("w", SOON).await.unwrap().payload, b"again");

    runtime.reset_telemetry(Some("w")).await.unwrap();
    let t = runtime.telemetry("w").await.unwrap();
    assert_eq!((t.messages_received, t.messages_processed, t.bytes_in, t.latency), (0, 0, 0, None));
    runtime.send("w", b"after").await.unwrap();
    runtime.receive("w", SOON).await.unwrap();
    assert_eq!(runtime.telemetry("w").await.unwrap().messages_processed, 1);

    runtime.terminate("w").await.unwrap();
    let t = runtime.telemetry("w").await.unwrap();
    assert_eq!((t.state, t.messages_processed), (KernelState::Terminated, 1));
    assert_eq!(runtime.summary().await.unwrap().total_messages, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn crc32c_in_the_kernel_is_the_crates() {
    for device in common::devices() {
        check_crcs(&runtime(device)).await;
    }
}

async fn check_crcs(runtime: &RingKernelRuntime) {
    let options = LaunchOptions::new().kernel("crc32c").blocks(3);
    runtime.launch_with("crc", options).await.unwrap();
    runtime.activate("crc").await.unwrap();
    let bytes: Vec<u8> = (0..4096u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut expected = Vec::new();
    for len in (0..200).chain([255, 256, 257, 511, 512, 513, 1000, 4080, 4095, 4096]) {
        let n = runtime.send("crc", &bytes[..len]).await.unwrap();
        assert_eq!(n as usize, expected.len());
        expected.push(crc32c::crc32c(&bytes[..len]));
    }
    let mut seen = vec![false; expected.len()];
    for _ in 0..expected.len() {
        let reply = runtime.receive("crc", SOON).await.unwrap();
        assert_eq!(reply.payload, expected[reply.seq as usize].to_le_bytes(), "message {}", reply.seq);
        assert!(!std::mem::replace(&mut seen[reply.seq as usize], true), "message {} answered twice", reply.seq);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn vector_add_adds() {
    for device in common::devices() {
        add_and_refuse(RingKernelRuntime::builder().device(device).kernel("vector_add").build().unwrap()).await;
    }
}

async fn add_and_refuse(runtime: RingKernelRuntime) {
    runtime.launch("add").await.unwrap();
    runtime.activate("add").await.unwrap();
    let message: Vec<u8> = [1.0f32, 2.0, 3.5, 10.0, 20.0, 30.25].iter().flat_map(|f| f.to_le_bytes()).collect();
    runtime.send("add", &message).await.unwrap();
    let reply = runtime.receive("add", SOON).await.unwrap();
    let sum: Vec<f32> = reply.payload.chunks(4).map(|c| f32::from_le_bytes(c.try_into().unwrap())).collect();
    assert_eq!(sum, [11.0, 22.0, 33.75]);
    runtime.send("add", &message[..7]).await.unwrap();
    let refused = runtime.receive("add", SOON).await.unwrap();
    assert_eq!((refused.status, refused.payload.len()), (ringscope::abi::status::BAD_MESSAGE, 0));
    // Telemetry is off by default, and says how to switch it on.
    assert!(runtime.telemetry("add").await.unwrap_err().to_string().contains(".telemetry(true)"));
}

/// Rates are over the time that a kernel was counted: from its start or its last reset, to now or to its end.
#[tokio::test(flavor = "multi_thread")]
async fn rates_end_with_the_kernel_and_start_again_with_a_reset() {
    for device in common::devices() {
        let runtime = runtime(device);
        runtime.launch("w").await.unwrap();
        runtime.activate("w").await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        runtime.reset_telemetry(None).await.unwrap();
        for _ in 0..50 {
            runtime.send("w", b"x").await.unwrap();
            runtime.receive("w", SOON).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        let running = runtime.telemetry("w").await.unwrap();
        assert!(running.uptime > Duration::from_millis(300), "a reset does not restart the kernel");
        // 50 messages over less than the uptime, for the time before the reset does not count.
        assert!(running.throughput > 50.0 / running.uptime.as_secs_f64());
        runtime.terminate("w").await.unwrap();
        let ended = runtime.telemetry("w").await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        let later = runtime.telemetry("w").await.unwrap();
        assert_eq!((ended.uptime, ended.throughput), (later.uptime, later.throughput));
        assert!(later.throughput > 0.0 && later.busy_ratio > 0.0);
    }
}
