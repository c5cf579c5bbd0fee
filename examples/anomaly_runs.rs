//! Tries `ringscope::alert::anomaly` on runs in which it is known what went wrong, and when:
//!
//! ```sh
//! cargo run --example anomaly_runs -- [--runs N] [--out DIR]
//! ```
//!
//! The runs are made by tests/anomalies/generator.rs, the same ones each time. Prints one JSON document: for each story how many
//! runs there were, in how many something was found while it was wrong and after how many seconds, and how many findings there were
//! while nothing was. With `--out` the series of the first three runs are also written as CSV, with their labels, in the folders that the Numenta
//! Anomaly Benchmark has: data/STORY/….csv and labels/combined_windows.json.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

#[path = "../tests/anomalies/generator.rs"]
mod generator;

use generator::{Run, SECONDS, Story};
use ringscope::histogram::Histogram;
use ringscope::snapshot::Snapshot;

use watching::{Judged, judge, snapshots};

#[path = "../tests/anomalies/watching.rs"]
mod watching;

/// Runs of each story whose series are written.
const WRITTEN: u64 = 3;

/// What became of the runs of one story.
#[derive(Default)]
struct Outcome {
    runs: u32,
    found: u32,
    delays: Vec<usize>,
    /// Findings while nothing was wrong.
    false_findings: u32,
    seconds: usize,
    /// How often which measure was found in which way while something was wrong.
    by: BTreeMap<String, u32>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let (runs, out) = arguments()?;
    let mut labels = BTreeMap::new();
    let mut stories = Vec::new();
    for story in Story::ALL {
        let mut outcome = Outcome::default();
        for seed in 0..runs {
            let run = generator::run(*story, seed);
            outcome.add(&judge(&run));
            if let Some(out) = out.as_ref().filter(|_| seed < WRITTEN) {
                write(out, &run, &mut labels)?;
            }
        }
        stories.push(format!("    {}", outcome.json(*story)));
    }
    if let Some(out) = &out {
        std::fs::create_dir_all(out.join("labels"))?;
        let labels: Vec<String> = labels.iter().map(|(path, windows)| format!("  \"{path}\": {windows}")).collect();
        std::fs::write(out.join("labels/combined_windows.json"), format!("{{\n{}\n}}\n", labels.join(",\n")))?;
    }
    println!("{{\n  \"seconds\": {SECONDS},\n  \"stories\": [\n{}\n  ]\n}}", stories.join(",\n"));
    Ok(())
}

fn arguments() -> Result<(u64, Option<PathBuf>), Box<dyn Error>> {
    let (mut runs, mut out) = (10, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{argument} takes a value"))?;
        match argument.as_str() {
            "--runs" => runs = value.parse()?,
            "--out" => out = Some(PathBuf::from(value)),
            other => return Err(format!("{other} is no option: there are --runs N and --out DIR").into()),
        }
    }
    Ok((runs, out))
}

impl Outcome {
    fn add(&mut self, judged: &Judged) {
        self.runs += 1;
        self.seconds += judged.seconds;
        self.false_findings += judged.wrongly.len() as u32;
        self.found += u32::from(judged.delay.is_some());
        self.delays.extend(judged.delay);
        for finding in &judged.rightly {
            let measure = finding.measure().map_or("series", |measure| measure.name());
            *self.by.entry(format!("{measure} {}", finding.kind)).or_default() += 1;
        }
    }

    fn json(mut self, story: Story) -> String {
        self.delays.sort_unstable();
        let delay = self.delays.get(self.delays.len() / 2).map_or("null".to_owned(), usize::to_string);
        let by: Vec<String> = self.by.iter().map(|(what, count)| format!("\"{what}\": {count}")).collect();
        format!(
            "{{\"story\": \"{}\", \"is_anomaly\": {}, \"runs\": {}, \"found\": {}, \"median_delay\": {delay}, \
             \"seconds\": {}, \"false_findings\": {}, \"by\": {{{}}}}}",
            story.name(),
            story.is_anomaly(),
            self.runs,
            self.found,
            self.seconds,
            self.false_findings,
            by.join(", ")
        )
    }
}

/// The series in which a story shows; of one that is about a distribution, none does.
fn series_of(story: Story) -> &'static [&'static str] {
    match story {
        Story::Hang => &["throughput", "queue_depth"],
        Story::SlowBlocks | Story::Pause => &["p99"],
        Story::Leak => &["mean"],
        Story::Errors => &["error_rate"],
        Story::Bimodal => &[],
        Story::Steady | Story::Cycle | Story::Bursts => &["throughput", "p99"],
        Story::Ramp | Story::Step | Story::Turns => &["p99"],
    }
}

fn write(out: &Path, run: &Run, labels: &mut BTreeMap<String, String>) -> Result<(), Box<dyn Error>> {
    let snapshots: Vec<Snapshot> = snapshots(run).collect();
    for series in series_of(run.story) {
        let path = format!("{}/{series}_{}.csv", run.story.name(), run.seed);
        let mut text = "timestamp,value\n".to_owned();
        for pair in snapshots.windows(2) {
            text += &format!("{},{}\n", clock(pair[1].time), value(series, &pair[0], &pair[1]));
        }
        let file = out.join("data").join(&path);
        std::fs::create_dir_all(file.parent().unwrap_or(out))?;
        std::fs::write(file, text)?;
        let windows = run.wrong.iter().map(|wrong| {
            let end = wrong.end.max(wrong.start + watching::SHORTEST).min(SECONDS - 1);
            format!("[\"{}\", \"{}\"]", clock(at(wrong.start)), clock(at(end)))
        });
        labels.insert(path, format!("[{}]", windows.collect::<Vec<_>>().join(", ")));
    }
    Ok(())
}

fn at(second: usize) -> SystemTime {
    watching::START + Duration::from_secs(second as u64 + 1)
}

/// As the benchmark writes times; the runs are of one day.
fn clock(time: SystemTime) -> String {
    let seconds = time.duration_since(watching::START).unwrap_or_default().as_secs();
    format!("2026-01-01 {:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn value(series: &str, before: &Snapshot, now: &Snapshot) -> f64 {
    let (before, now) = (&before.kernels[0], &now.kernels[0]);
    let processed = (now.messages_processed - before.messages_processed) as f64;
    let errors = (now.errors - before.errors) as f64;
    let latency: Histogram = now.histogram.since(&before.histogram);
    match series {
        "throughput" => processed,
        "error_rate" => errors / (processed + errors).max(1.0),
        "mean" => latency.mean(),
        "p99" => latency.quantile(0.99),
        _ => now.queue_depth as f64,
    }
}
