//! `ringscope doctor`: which devices there are, tried out, and why one cannot be used.

pub mod deep;

use std::time::{Duration, Instant};

use ringscope::device::{self, CudaUnavailable, DeviceError, DeviceInfo, SharedDevice};
use ringscope::{DeviceSpec, RingKernelRuntime, RuntimeError};
use serde::Serialize;

use crate::cli::args::DoctorArgs;
use crate::cli::error::CliError;
use crate::cli::opening::opening;
use crate::cli::term::text::{Style, Text, paragraphs, plain, styled};
use crate::cli::term::{terminal, units};

/// More CUDA devices than any machine has.
const MOST_DEVICES: usize = 64;

/// Columns that prose is read in.
const WIDTH: usize = 100;

/// What was found.
#[derive(Serialize)]
struct Findings {
    version: &'static str,
    /// What `--device auto` takes.
    auto: Option<String>,
    /// The version of NVRTC, which compiles kernels of the user's own; ringscope's need none.
    nvrtc: Option<String>,
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

/// Shows what there is; returns whether some device can be used.
///
/// # Errors
/// Stdout cannot be written.
pub fn doctor(args: &DoctorArgs) -> Result<bool, CliError> {
    let mut devices = cuda_devices();
    devices.push(examine("host".to_owned(), DeviceSpec::Host).0);
    // As `auto` chooses: the first CUDA device or none, then the host.
    let auto = devices.iter().find(|d| d.usable && (d.device == "cuda:0" || d.device == "host"));
    let auto = auto.map(|d| d.device.clone());
    let nvrtc = nvrtc_version().map(version);
    let findings = Findings { version: env!("CARGO_PKG_VERSION"), auto, nvrtc, devices };
    match args.json {
        true => terminal::print_json(&findings)?,
        false => terminal::print_lines(&findings.lines(terminal::stdout_width().min(WIDTH)))?,
    }
    Ok(findings.devices.iter().any(|d| d.usable))
}

#[cfg(feature = "cuda")]
use ringscope::device::cuda::nvrtc_version;
#[cfg(not(feature = "cuda"))]
fn nvrtc_version() -> Option<i32> {
    None
}

/// 13000 is 13.0.
fn version(number: i32) -> String {
    format!("{}.{}", number / 1000, number % 1000 / 10)
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
    match opening(spec, &format!("trying {name}"), || device::open(spec)) {
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
    fn lines(&self, width: usize) -> Vec<Text> {
        let title = format!("ringscope {}", self.version);
        let mut lines = vec![Text::from(vec![styled(Style::Bold, &title)]), Text::default()];
        let names = self.devices.iter().map(|d| d.device.len()).max().unwrap_or(0);
        let indent = names + 2;
        for device in &self.devices {
            let word = if device.usable { styled(Style::Good, "usable") } else { styled(Style::Bad, "not usable") };
            lines.push(Text::from(vec![styled(Style::Bold, &format!("{:names$}  ", device.device)), word]));
            let says = device.says(self.nvrtc.as_deref());
            let says = says.iter().flat_map(|text| paragraphs(text, width.saturating_sub(indent)));
            lines.extend(says.map(|line| Text::from(vec![plain(&" ".repeat(indent))]).with(line)));
            lines.push(Text::default());
        }
        let auto = match &self.auto {
            Some(auto) => vec![plain("--device auto takes "), styled(Style::Bold, auto)],
            None => vec![plain("no device can be used: do what is said above for one of them")],
        };
        lines.extend(Text::from(auto).wrapped(width, 2));
        lines
    }
}

impl Found {
    fn says(&self, nvrtc: Option<&str>) -> Vec<String> {
        let mut says = Vec::new();
        if let Some(info) = &self.info {
            says.push(format!("{}: {}", info.name, info.detail));
            if let Some(code) = &info.kernel_code {
                says.push(format!("ringscope's kernels: {code}"));
                says.push(format!("kernels of your own: {}", own_kernels(nvrtc, info.driver_cuda)));
            }
            says.extend(info.warnings.iter().map(|w| format!("warning: {w}")));
        }
        if let Some(us) = self.round_trip_us {
            says.push(format!("a message to a kernel and back: {}", units::latency(us * 1e3)));
        }
        says.extend(self.reason.clone());
        says
    }
}

/// Whether their sources can be compiled here.
fn own_kernels(nvrtc: Option<&str>, driver: Option<i32>) -> String {
    let major = |version: &str| version.split('.').next().and_then(|major| major.parse::<i32>().ok());
    match nvrtc {
        None => {
            "NVRTC (libnvrtc.so), which compiles their sources, was not found; ringscope's own need none".to_owned()
        }
        Some(nvrtc) if major(nvrtc) > driver.map(|driver| driver / 1000) => {
            format!("NVRTC {nvrtc} is newer than the driver, which may not load what it compiles: install an older one")
        }
        Some(nvrtc) => format!("NVRTC {nvrtc} compiles their sources"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::term::text::Paint;
    use ringscope::device::DeviceKind;

    #[test]
    fn long_names_and_reasons_fit() {
        let name = "NVIDIA\u{202e} 設定".repeat(12);
        let mut info = DeviceInfo::named(DeviceKind::Cuda, name, "compute capability 9.0");
        info.warnings = vec!["a display watchdog ends kernels that run for seconds".into()];
        let device = |usable, info| Found {
            device: "cuda:0".into(),
            usable,
            reason: (!usable).then(|| "a kernel does not compile:\n\tptxas: line 3".into()),
            info,
            round_trip_us: usable.then_some(12.0),
        };
        let devices = vec![device(true, Some(info)), device(false, None)];
        let findings = Findings { version: "1", auto: None, nvrtc: None, devices };
        for width in [40, 80, 100] {
            let lines = findings.lines(width);
            assert!(lines.len() > 10 && lines.iter().all(|line| line.width() <= width), "{width}: {lines:?}");
        }
        let shown: Vec<String> = findings.lines(40).iter().map(|l| l.render(40, Paint { on: false })).collect();
        assert_eq!(shown[2..4], ["cuda:0  usable", "        NVIDIA\\u{202e}"]);
        assert!(shown.contains(&"            ptxas: line 3".to_owned()), "{shown:?}");
        findings.lines(1);
    }

    #[test]
    fn whether_kernels_of_ones_own_can_be_compiled() {
        assert!(own_kernels(None, Some(12_000)).contains("was not found"));
        assert_eq!(own_kernels(Some("12.9"), Some(12_000)), "NVRTC 12.9 compiles their sources");
        assert_eq!(own_kernels(Some("12.9"), Some(13_000)), "NVRTC 12.9 compiles their sources");
        assert!(own_kernels(Some("13.0"), Some(12_080)).contains("newer than the driver"));
    }
}
