//! `ringscope doctor`: which devices there are, tried out, and why one cannot be used.

pub mod deep;

use std::time::{Duration, Instant};

use ringscope::device::{self, CudaUnavailable, DeviceError, DeviceInfo, SharedDevice};
use ringscope::{DeviceSpec, RingKernelRuntime, RuntimeError};
use serde::Serialize;

use crate::cli::CliError;
use crate::cli::args::DoctorArgs;
use crate::cli::term::table::{Style, Text, plain, styled, wrap};
use crate::cli::term::{terminal, units};

/// More CUDA devices than any machine has.
const MOST_DEVICES: usize = 64;

/// What was found.
#[derive(Serialize)]
struct Findings {
    version: &'static str,
    /// What `--device auto` takes.
    auto: Option<String>,
    devices: Vec<Found>,
}

/// A device, or why there is none.
#[derive(Serialize)]
struct Found {
    /// For `--device`.
    device: String,
    usable: bool,
    /// Why not, and what to do.
    reason: Option<String>,
    info: Option<DeviceInfo>,
    /// A message through a kernel on it and back.
    round_trip_us: Option<f64>,
}

/// Whether some device can be used.
pub fn doctor(args: &DoctorArgs) -> Result<bool, CliError> {
    let mut devices = cuda_devices();
    devices.push(examine("host".to_owned(), DeviceSpec::Host).0);
    // As `auto` chooses: the first CUDA device or none, then the host.
    let auto = devices.iter().find(|d| d.usable && (d.device == "cuda:0" || d.device == "host"));
    let findings = Findings { version: env!("CARGO_PKG_VERSION"), auto: auto.map(|d| d.device.clone()), devices };
    let text = match args.json {
        true => serde_json::to_string_pretty(&findings).map_err(|e| CliError::Output(e.into()))? + "\n",
        false => findings.render(terminal::stdout_width().min(110)),
    };
    terminal::print(&text)?;
    Ok(findings.devices.iter().any(|d| d.usable))
}

/// Every CUDA device, or one finding that says why there is none.
fn cuda_devices() -> Vec<Found> {
    let mut devices = Vec::new();
    for ordinal in 0..MOST_DEVICES {
        let (found, why) = examine(format!("cuda:{ordinal}"), DeviceSpec::Cuda(ordinal));
        // What keeps one device from being used leaves the next one; all else is the same for all.
        let of_this_one = matches!(why, None | Some(CudaUnavailable::DeviceTooOld { .. } | CudaUnavailable::Open(_)));
        if ordinal == 0 || of_this_one {
            devices.push(found);
        }
        if !of_this_one {
            break;
        }
    }
    devices
}

/// Opens a device and tries it; also what CUDA said if it cannot be opened.
fn examine(name: String, spec: DeviceSpec) -> (Found, Option<CudaUnavailable>) {
    let cannot = |name, error: &DeviceError| Found {
        device: name,
        usable: false,
        reason: Some(error.to_string()),
        info: None,
        round_trip_us: None,
    };
    match device::open(spec) {
        Ok(selected) => (try_out(name, selected.device), None),
        Err(error) => {
            let found = cannot(name, &error);
            let why = if let DeviceError::CudaUnavailable(why) = error { Some(why) } else { None };
            (found, why)
        }
    }
}

/// Sends messages through a kernel and back: that it opens does not say that it works.
fn try_out(name: String, device: SharedDevice) -> Found {
    let info = Some(device.info().clone());
    let (reason, time) = match round_trip(device) {
        Ok(time) => (None, Some(time.as_secs_f64() * 1e6)),
        Err(error) => (Some(format!("it opens, and a kernel on it does not work: {error}")), None),
    };
    Found { device: name, usable: reason.is_none(), reason, info, round_trip_us: time }
}

/// The shortest of some.
fn round_trip(device: SharedDevice) -> Result<Duration, RuntimeError> {
    const PATIENCE: Duration = Duration::from_secs(5);
    let builder = RingKernelRuntime::builder().on(device).telemetry(true);
    let runtime = builder.max_kernels(1).slots(16).slot_bytes(64).stop_limit(PATIENCE).build()?;
    runtime.launch_blocking("doctor", &Default::default())?;
    runtime.activate_blocking("doctor")?;
    let mut shortest = Duration::MAX;
    for n in 0..32u32 {
        let start = Instant::now();
        runtime.send_blocking("doctor", &n.to_le_bytes())?;
        runtime.receive_blocking("doctor", PATIENCE)?;
        shortest = shortest.min(start.elapsed());
    }
    runtime.terminate_blocking("doctor")?;
    runtime.snapshot_blocking()?;
    Ok(shortest)
}

impl Findings {
    fn render(&self, width: usize) -> String {
        let paint = terminal::stdout_paint();
        let mut lines =
            vec![Text::from(vec![styled(Style::Bold, &format!("ringscope {}", self.version))]), Text::default()];
        let names = self.devices.iter().map(|d| d.device.len()).max().unwrap_or(0);
        for device in &self.devices {
            let (style, word) = if device.usable { (Style::Good, "usable") } else { (Style::Bad, "not usable") };
            let name = format!("{:names$}  ", device.device);
            let indent = " ".repeat(names + 2);
            lines.push(Text::from(vec![styled(Style::Bold, &name), styled(style, word)]));
            for line in device.says().iter().flat_map(|text| wrap(text, width.saturating_sub(names + 2))) {
                lines.push(Text::from(vec![plain(&indent), plain(&line)]));
            }
            lines.push(Text::default());
        }
        lines.push(Text::from(match &self.auto {
            Some(auto) => vec![plain("--device auto takes "), styled(Style::Bold, auto)],
            None => vec![plain("no device can be used: do what is said above for one of them")],
        }));
        lines.iter().map(|l| l.render(width, paint).trim_end().to_owned() + "\n").collect()
    }
}

impl Found {
    fn says(&self) -> Vec<String> {
        let mut says = Vec::new();
        if let Some(info) = &self.info {
            says.push(format!("{}: {}", info.name, info.detail));
            says.extend(info.warnings.iter().map(|w| format!("warning: {w}")));
        }
        if let Some(us) = self.round_trip_us {
            says.push(format!("a message to a kernel and back: {}", units::latency(us * 1e3)));
        }
        says.extend(self.reason.clone());
        says
    }
}
