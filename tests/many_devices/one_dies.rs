//! The two GPUs of the stand-in driver: what one of them dies of, or waits for, is not the other's.

use std::time::Duration;

use cudarc::driver::sys::CUresult;
use ringscope::device::cuda::cudarc;
use ringscope::device::{DeviceError, open};
use ringscope::runtime::LaunchOptions;
use ringscope::snapshot::KernelState;
use ringscope::{DeviceSpec, RingKernelRuntime, RuntimeError, Snapshot, TelemetryConfig, TelemetryError};

use crate::stand_in::on_stand_in;
use crate::{processed, soon, traffic};

fn runtime() -> RingKernelRuntime {
    runtime_with(TelemetryConfig::default())
}

fn runtime_with(config: TelemetryConfig) -> RingKernelRuntime {
    let config = TelemetryConfig { max_blocks: 16, ..config };
    let devices = [DeviceSpec::Cuda(0), DeviceSpec::Cuda(1)];
    let builder = RingKernelRuntime::builder().devices(devices).telemetry(true).telemetry_config(config);
    builder.slots(16).slot_bytes(64).max_kernels(4).build().expect("a runtime")
}

/// Whether each device could be read, as the snapshot's page for Prometheus says it.
fn readable(snapshot: &Snapshot) -> [bool; 2] {
    let page = snapshot.export_prometheus();
    [0, 1].map(|index| {
        let series = format!("ringscope_device_readable{{device=\"{index}\"");
        let line = page.lines().find(|line| line.starts_with(&series)).expect("each has the series");
        line.ends_with(" 1")
    })
}

fn start(runtime: &RingKernelRuntime, id: &str, options: LaunchOptions) {
    runtime.launch_blocking(id, &options).expect("it is launched");
    runtime.activate_blocking(id).expect("it is activated");
}

on_stand_in! {
    fn one_dead_device_leaves_the_other_alive_and_readable(driver) {
        let runtime = runtime();
        start(&runtime, "a", LaunchOptions::new().device(0).blocks(2));
        start(&runtime, "b", LaunchOptions::new().device(1).blocks(2));
        traffic(&runtime, "a", 30);
        traffic(&runtime, "b", 20);
        let snapshot = runtime.snapshot_blocking().expect("both can be read");
        assert_eq!([processed(&snapshot, "a"), processed(&snapshot, "b")], [(Some(0), 30), (Some(1), 20)]);
        let uuids: Vec<_> = snapshot.devices.iter().filter_map(|device| device.uuid.as_deref()).collect();
        assert_eq!(uuids, ["GPU-00010203-0405-0607-0809-0a0b0c0d0e0f", "GPU-10111213-1415-1617-1819-1a1b1c1d1e1f"]);
        let page = snapshot.export_prometheus();
        let line = format!("ringscope_kernel_messages_processed_total{{kernel=\"b\",device=\"1\",device_uuid=\"{}\"}} 20", uuids[1]);
        assert!(page.lines().any(|l| l == line), "{line}: {page}");

        start(&runtime, "e", LaunchOptions::new().device(1));
        traffic(&runtime, "e", 1);
        runtime.terminate_blocking("e").expect("it ends");
        runtime.snapshot_blocking().expect("both can be read");
        driver.kill(1, CUresult::CUDA_ERROR_ILLEGAL_ADDRESS as i32);
        traffic(&runtime, "a", 5);
        let snapshot = runtime.snapshot_blocking().expect("one can be read");
        assert_eq!([processed(&snapshot, "a"), processed(&snapshot, "b")], [(Some(0), 35), (Some(1), 20)]);
        let state = |id: &str| snapshot.kernel(id).expect("it is registered").state;
        assert_eq!((state("a"), state("b")), (KernelState::Active, KernelState::Failed));
        let errors: Vec<_> = snapshot.devices.iter().map(|device| device.error.is_some()).collect();
        assert_eq!(errors, [false, true]);
        let error = snapshot.devices[1].error.as_deref().expect("it says why");
        assert!(error.contains("CUDA_ERROR_ILLEGAL_ADDRESS (700)"), "{error}");
        assert!(snapshot.kernel("b").and_then(|k| k.last_error.as_deref()).is_some_and(|text| text.contains("(700)")));
        assert!(snapshot.export_prometheus().contains("ringscope_device_readable{device=\"1\",device_uuid=\"GPU-1"));

        // Launches go where there is life, and are counted.
        start(&runtime, "c", LaunchOptions::new());
        assert_eq!(runtime.device_of("c").expect("it was launched"), 0);
        traffic(&runtime, "c", 3);
        let refused = runtime.launch_blocking("d", &LaunchOptions::new().device(1)).expect_err("it is dead");
        let died = matches!(refused, RuntimeError::Device(_) | RuntimeError::Telemetry(TelemetryError::Device(_)));
        assert!(died, "{refused:?}");
        let snapshot = runtime.snapshot_blocking().expect("one can be read");
        assert_eq!(processed(&snapshot, "c"), (Some(0), 3));
        // What ended there lives again here; what died there is not known to have ended.
        let taken = runtime.launch_blocking("b", &LaunchOptions::new().device(0)).expect_err("it may run");
        assert!(matches!(taken, RuntimeError::Telemetry(TelemetryError::AlreadyRegistered { .. })), "{taken:?}");
        start(&runtime, "e", LaunchOptions::new().device(0));
        traffic(&runtime, "e", 2);
        let snapshot = runtime.snapshot_blocking().expect("one can be read");
        let e = snapshot.kernel("e").expect("it is registered");
        assert_eq!((e.device, e.generation, e.messages_processed), (Some(0), 2, 2));
        runtime.terminate_blocking("e").expect("it ends");
        runtime.terminate_blocking("a").expect("it ends");
        runtime.terminate_blocking("c").expect("it ends");
        soon("the ends are seen", || {
            let snapshot = runtime.snapshot_blocking().expect("one can be read");
            ["a", "c"].iter().all(|id| snapshot.kernel(id).is_some_and(|k| k.state == KernelState::Terminated))
        });
        // When the last one is dead nothing can be read.
        driver.kill(0, CUresult::CUDA_ERROR_ILLEGAL_ADDRESS as i32);
        assert!(runtime.snapshot_blocking().is_err());
        let latest = runtime.latest().expect("the last good numbers");
        assert!(latest.devices.iter().all(|device| device.error.is_some()));
        assert_eq!(processed(&latest, "a"), (Some(0), 35));
    }

    fn a_late_device_keeps_its_last_numbers_and_the_others_go_on(driver) {
        let limit = Duration::from_millis(50);
        let runtime = runtime_with(TelemetryConfig { copy_limit: limit, ..TelemetryConfig::default() });
        // On a busy machine a copy may be late that does not hang.
        for (id, options) in [("a", LaunchOptions::new().device(0).blocks(2)), ("b", LaunchOptions::new().device(1).blocks(2)), ("ended", LaunchOptions::new().device(1))] {
            soon("it is launched", || runtime.launch_blocking(id, &options).is_ok());
            runtime.activate_blocking(id).expect("it takes messages");
        }
        runtime.collector().kernel("own").device(1).register().expect("a kernel of one's own");
        runtime.terminate_blocking("ended").expect("it ends");
        traffic(&runtime, "a", 3);
        traffic(&runtime, "b", 4);
        soon("both can be read", || runtime.snapshot_blocking().is_ok_and(|snapshot| {
            readable(&snapshot) == [true, true] && processed(&snapshot, "a").1 == 3 && processed(&snapshot, "b").1 == 4
        }));

        driver.set("hang_copies_of", 2);
        traffic(&runtime, "a", 5);
        traffic(&runtime, "b", 6);
        soon("the one goes on", || runtime.snapshot_blocking().is_ok_and(|snapshot| {
            processed(&snapshot, "a") == (Some(0), 8) && readable(&snapshot) == [true, false]
        }));
        for round in 1..=3 {
            let snapshot = runtime.latest().expect("a snapshot");
            assert_eq!(processed(&snapshot, "b"), (Some(1), 4), "the last good numbers, in round {round}");
            assert_eq!(snapshot.kernel("b").expect("it is registered").state, KernelState::Active, "it is late, not dead");
            let error = snapshot.devices[1].error.as_deref().expect("it says why");
            assert!(error.contains("did not end within 50ms"), "{error}");
            assert_eq!(snapshot.devices[1].copied_bytes, 0);
            traffic(&runtime, "a", 1);
            soon("the one goes on", || runtime.snapshot_blocking().is_ok_and(|s| processed(&s, "a").1 == 8 + round));
        }

        // What is known of it may be of before a launch; and nothing is begun that would wait for its copies without end.
        let late = runtime.collector().retire("own").expect_err("its blocks cannot be read");
        assert!(matches!(late, TelemetryError::Device(DeviceError::CopyTimedOut { .. })), "{late:?}");
        let late = runtime.launch_blocking("ended", &LaunchOptions::new().device(1)).expect_err("its rings cannot be made clean");
        assert!(late.to_string().contains("did not end within"), "{late:?}");

        driver.set("hang_copies_of", 0);
        soon("it is read again", || runtime.snapshot_blocking().is_ok_and(|snapshot| {
            readable(&snapshot) == [true, true] && processed(&snapshot, "b") == (Some(1), 10)
        }));
        traffic(&runtime, "b", 2);
        soon("it goes on", || runtime.snapshot_blocking().is_ok_and(|snapshot| processed(&snapshot, "b").1 == 12));
        soon("it can be retired", || runtime.collector().retire("own").is_ok());
        soon("it lives again", || runtime.launch_blocking("ended", &LaunchOptions::new().device(1)).is_ok());
        runtime.terminate_blocking("a").expect("it ends");
        runtime.terminate_blocking("b").expect("it ends");
    }

    fn what_two_devices_count_in_one_metric_adds_up(driver) {
        let devices = [0, 1].map(|ordinal| open(DeviceSpec::Cuda(ordinal)).expect("it opens").device);
        crate::counts::go_on_without_the_second(devices, || driver.kill(1, CUresult::CUDA_ERROR_ILLEGAL_ADDRESS as i32));
    }

    fn a_gpu_that_is_opened_twice_is_one(driver) {
        let devices = [DeviceSpec::Cuda(1), DeviceSpec::Cuda(1)];
        let error = RingKernelRuntime::builder().devices(devices).telemetry(true).build().map(drop);
        let twice = matches!(error, Err(RuntimeError::Telemetry(TelemetryError::DeviceTwice { first: 0, second: 1, .. })));
        assert!(twice, "{error:?}");
        assert_eq!(driver.get("resident"), 0);
    }
}
