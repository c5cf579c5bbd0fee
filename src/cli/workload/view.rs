//! What a terminal sees of a session: the line above the live display, and how far the stream is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ringscope::device::{DeviceInfo, DeviceKind};

use crate::cli::term::frame::Done;
use crate::cli::term::text::{Style, StyledText, plain, styled};
use crate::cli::workload::args::RunArgs;
use crate::cli::workload::input::Limit;
use crate::cli::workload::stream::Progress;

/// Returns what is said before the first message, line by line: what runs where, why not on CUDA, warnings.
pub fn header(args: &RunArgs, devices: &[&DeviceInfo], without_cuda: Option<&str>) -> Vec<Vec<StyledText>> {
    let what = what(args, devices);
    let about = |before: &str, device: &DeviceInfo| {
        let name = styled(Style::Bold, &device.name);
        vec![plain(&format!("{before}, ")), name, plain(&format!(" ({})", device.detail))]
    };
    let mut lines = match devices {
        [device] => vec![about(&what, device)],
        _ => vec![vec![plain(&what)]],
    };
    if devices.len() > 1 {
        let each = |(index, device): (usize, &&DeviceInfo)| about(&format!("{index} {}", device_name(device)), device);
        lines.extend(devices.iter().enumerate().map(each));
    }
    lines.extend(without_cuda.map(|why| vec![styled(Style::Dim, &format!("not on CUDA: {why}"))]));
    let mut warnings: Vec<_> = devices.iter().flat_map(|device| &device.warnings).collect();
    warnings.dedup();
    lines.extend(warnings.iter().map(|warning| vec![styled(Style::Warn, &format!("warning: {warning}"))]));
    lines
}

/// Returns what runs where: `crc32c in 3 ring kernels of 1 block on the host`.
pub fn what(args: &RunArgs, devices: &[&DeviceInfo]) -> String {
    let s = |n| if n == 1 { "" } else { "s" };
    let kernels = args.kernels(devices.len());
    format!(
        "{} in {kernels} ring kernel{} of {} block{} on {}",
        args.kernel.builtin().name(),
        s(kernels),
        args.blocks,
        s(args.blocks),
        match devices {
            [device] if device.kind == DeviceKind::Host => "the host".to_owned(),
            [device] => device_name(device),
            _ => format!("{} devices", devices.len()),
        }
    )
}

fn device_name(device: &DeviceInfo) -> String {
    match device.kind {
        DeviceKind::Cuda => format!("cuda:{}", device.ordinal),
        _ => "host".to_owned(),
    }
}

/// Returns how far the stream is after `elapsed`, measured by what it is to do; `input_bytes` are of one pass.
pub fn done(progress: &Progress, limit: Limit, input_bytes: Option<u64>, elapsed: Duration) -> Done {
    let value = |n: &AtomicU64| n.load(Ordering::Relaxed);
    let (bytes, messages) = (value(&progress.bytes), value(&progress.messages));
    let of = |part: f64, whole: f64| if whole > 0.0 { (part / whole).min(1.0) } else { 1.0 };
    let (part, of_bytes) = match limit {
        Limit::Messages(limit) => (Some(of(messages as f64, limit as f64)), None),
        Limit::Time(limit) => (Some(of(elapsed.as_secs_f64(), limit.as_secs_f64())), None),
        // A file that grew meanwhile has no end that is known.
        Limit::OnePass => match input_bytes.filter(|all| *all >= bytes) {
            Some(all) => (Some(of(bytes as f64, all as f64)), Some(all)),
            None => (None, None),
        },
        Limit::Never => (None, None),
    };
    let (mismatches, refused) = (value(&progress.mismatches), value(&progress.refused));
    Done { elapsed, part, bytes, of_bytes, messages, mismatches, refused }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::run_args;
    use crate::cli::term::text::{Paint, Text};

    fn device(name: &str) -> DeviceInfo {
        let mut info = DeviceInfo::named(DeviceKind::Host, name, "64 cores, one thread a block");
        info.warnings = vec![format!("{name} is slow")];
        info
    }

    #[test]
    fn the_header_fits_whatever_the_device_is_called() {
        let args = run_args(&[]);
        for name in
            ["CPU", "An Integrated(R) Processor(TM) 9999X @ 3.14GHz with a very long name", &"設定\u{202e}".repeat(60)]
        {
            let lines = header(&args, &[&device(name)], Some("no driver was found: install one"));
            assert_eq!(lines.len(), 3);
            for width in [40, 80, 100] {
                let lines: Vec<Text> =
                    lines.iter().flat_map(|line| Text::from(line.clone()).wrapped(width, 2)).collect();
                assert!(lines.iter().all(|line| line.width() <= width), "{width}: {lines:?}");
                let shown: String = lines.iter().map(|line| line.render(width, Paint { on: false })).collect();
                assert!(!shown.contains('\u{202e}') && shown.contains("not on CUDA: no driver"), "{shown}");
            }
        }
        let whole =
            Text::from(header(&args, &[&device("CPU")], None).remove(0)).render(usize::MAX, Paint { on: false });
        assert_eq!(whole, "crc32c in 3 ring kernels of 1 block on the host, CPU (64 cores, one thread a block)");
        let several = header(&args, &[&device("CPU"), &device("CPU")], None);
        let several: Vec<String> =
            several.into_iter().map(|line| Text::from(line).render(usize::MAX, Paint { on: false })).collect();
        let expected = [
            "crc32c in 3 ring kernels of 1 block on 2 devices",
            "0 host, CPU (64 cores, one thread a block)",
            "1 host, CPU (64 cores, one thread a block)",
            "warning: CPU is slow",
        ];
        assert_eq!(several, expected, "what both warn of is said once");
    }

    #[test]
    fn it_is_as_far_as_its_limit_says() {
        let progress = Progress { bytes: 50.into(), messages: 5.into(), ..Progress::default() };
        let part = |limit, bytes| done(&progress, limit, bytes, Duration::from_secs(1)).part;
        assert_eq!(part(Limit::Messages(20), None), Some(0.25));
        assert_eq!(part(Limit::Time(Duration::from_secs(2)), None), Some(0.5));
        assert_eq!(part(Limit::OnePass, Some(100)), Some(0.5));
        assert_eq!((part(Limit::OnePass, None), part(Limit::Never, Some(100))), (None, None));
        assert_eq!(part(Limit::OnePass, Some(40)), None, "a file that grew");
    }
}
