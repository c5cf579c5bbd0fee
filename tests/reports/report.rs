//! The report.

use std::path::Path;
use std::time::Duration;

use ringscope::alert::{Alert, AlertState, Severity};
use ringscope::feed::{Entry, EntryKind};
use ringscope::recording::Reader;

use crate::html;
use crate::made::Made;
use crate::program::{Dir, output, path};
use crate::run::Run;

/// The report of a recording: the page, and the Markdown.
pub fn reports(recording: &Path) -> (String, String) {
    let (page, markdown) = (recording.with_extension("html"), recording.with_extension("md"));
    for target in [&page, &markdown] {
        let done = output(&["report", path(recording), "-o", path(target)]);
        assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    }
    (std::fs::read_to_string(page).unwrap(), std::fs::read_to_string(markdown).unwrap())
}

#[test]
fn kernels_on_several_devices_are_told_with_their_device() {
    let dir = Dir::new("report-devices");
    for (devices, cells) in [("host,host", ["0 host", "1 host"]), ("host", [""; 2])] {
        let recording = dir.0.join(format!("{}.rscope", devices.len()));
        let args = ["record", "--device", devices, "--kernels", "2", "--messages", "300", "-o", path(&recording)];
        let done = output(&args);
        assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
        let (page, markdown) = reports(&recording);
        let kernels = html::table(&html::is_sound(&page), "rate over time");
        let titles = &kernels[0];
        assert_eq!(titles.iter().any(|title| title == "device"), !cells[0].is_empty(), "{titles:?}");
        assert_eq!(markdown.contains("| kernel | device |"), !cells[0].is_empty());
        for (kernel, cell) in ["worker_0", "worker_1"].iter().zip(cells).filter(|(_, cell)| !cell.is_empty()) {
            assert_eq!(html::cell(&kernels, kernel, "device"), cell);
        }
    }
}

#[test]
fn a_real_run_is_told_with_the_numbers_of_its_last_snapshot() {
    let dir = Dir::new("report-real");
    let recording = dir.0.join("run.rscope");
    let run = Run::start(&["alpha", "beta"], Duration::from_secs(60));
    let writer = run.record(&recording);
    for n in 0..200 {
        run.call("alpha", 100 * n);
        run.call("beta", 2000);
    }
    (0..7).for_each(|_| run.refused("beta"));
    // What was counted is recorded.
    run.wait_for("all is recorded", |now| now.kernel("beta").unwrap().handled() == 207);
    let last = run.runtime.snapshot_blocking().unwrap().sequence;
    run.wait_for("a later snapshot", |now| now.sequence > last + 3);
    writer.end();

    let moments: Vec<_> = Reader::open(&recording).unwrap().collect();
    let last = &moments.last().unwrap().snapshot;
    let (page, markdown) = reports(&recording);
    let read = html::is_sound(&page);
    let kernels = html::table(&read, "rate over time");
    for kernel in &last.kernels {
        let cell = |title| html::cell(&kernels, &kernel.kernel_id, title);
        assert_eq!(cell("messages"), kernel.messages_processed.to_string());
        assert_eq!(cell("refused"), kernel.errors.to_string());
        assert_eq!(cell("state at the end"), kernel.state.name());
        assert_eq!(cell("most waiting"), kernel.queue_high_water.to_string());
        let shown = format!("| `{}` | {} | {} |", kernel.kernel_id, kernel.state, kernel.messages_processed);
        assert!(markdown.contains(&shown), "{shown}: {markdown}");
    }
    let beta = last.kernel("beta").unwrap();
    assert_eq!((beta.messages_processed, beta.errors), (200, 7));
    // Percentiles of all messages, as the last snapshot has them.
    let percentiles = read["tables"].as_array().unwrap().iter().filter(|table| table[0][0] == "latency of");
    let counts: Vec<&str> = percentiles.map(|table| table[1][1].as_str().unwrap()).collect();
    let of_last: Vec<String> = last.kernels.iter().map(|kernel| kernel.histogram.count().to_string()).collect();
    assert_eq!(counts, of_last);
    assert!(read["text"].as_str().unwrap().contains(&format!("{} readings", moments.len())));
}

#[test]
fn a_hang_is_told_with_where_and_until_when() {
    let dir = Dir::new("report-hang");
    let recording = dir.0.join("hang.rscope");
    // A busy machine may keep a living block from its core for a while.
    let run = Run::start(&["busy", "calm"], Duration::from_secs(2));
    let writer = run.record(&recording);
    run.call("calm", 10);
    // One message that takes longer than the limit; as long as it takes to be seen.
    let mut rounds = 1_u32 << 30;
    loop {
        run.send("busy", rounds);
        run.take("busy");
        let hung = Reader::open(&recording).unwrap().any(|moment| !moment.snapshot.stuck().is_empty());
        if hung {
            break;
        }
        rounds = rounds.saturating_mul(2);
    }
    run.wait_for("it is over", |now| now.kernel("busy").unwrap().stall.is_none());
    let last = run.runtime.snapshot_blocking().unwrap().sequence;
    run.wait_for("that is recorded", |now| now.sequence > last + 3);
    writer.end();
    let (page, markdown) = reports(&recording);
    let read = html::is_sound(&page);
    let told = html::table(&read, "in words");
    let hang = told.iter().find(|row| row[2] == "hang" && row[3] == "busy").unwrap_or_else(|| panic!("{told:?}"));
    assert!(hang[4].contains("in the handler") && !hang[1].contains("to the end"), "{hang:?}");
    assert!(markdown.contains("| **hang** | `busy` |"), "{markdown}");
}

#[test]
fn hostile_names_are_text() {
    let dir = Dir::new("report-hostile");
    let recording = dir.0.join("hostile.rscope");
    let long = "x".repeat(128);
    let names = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' onmouseover='alert(1)",
        "</title></style></svg></table><h1>",
        "🚀 ünïcode שלום",
        "\u{202e}turned\u{200b}",
        "a|b`c`*d*_e_ [x](http://evil.example)",
        "![x](http://evil.example/x.png) http://evil.example @you",
        &long,
    ];
    let mut made = Made::new();
    for step in 0..5 {
        names.iter().for_each(|name| made.handles(name, 10 + step, |n| n + 1));
        let (now, severity) = (made.now(), Severity::Warning);
        names.iter().for_each(|name| {
            made.collector.record_error(name, name).unwrap();
            made.entries_of(now, severity, name);
        });
        made.moment();
    }
    made.save(&recording);
    let (page, markdown) = reports(&recording);
    let read = html::is_sound(&page);
    let text = read["text"].as_str().unwrap();
    for name in names.iter().filter(|name| !name.contains('\u{202e}')) {
        assert!(text.contains(name), "{name}");
        assert!(!name.contains('<') || !page.contains(name), "{name}");
    }
    assert!(text.contains("\\u{202e}turned\\u{200b}") && !page.contains('\u{202e}') && !markdown.contains('\u{202e}'));
    // In Markdown names are code, and sentences have no sign that means something.
    let outside_code = outside_code(&markdown);
    for sign in ["<script", "<img", "<h1", "](http", "http://", "@you", "*d*"] {
        assert!(!outside_code.contains(sign), "{sign}: {outside_code}");
    }
    let of_one_width = |lines: &[&str]| lines.windows(2).all(|two| cells(two[0]) == cells(two[1]));
    let lines: Vec<&str> = markdown.lines().collect();
    for table in lines.split(|line| !line.starts_with('|')).filter(|table| !table.is_empty()) {
        assert!(of_one_width(table), "{table:?}");
    }
}

/// What is neither in a code span nor behind a backslash.
fn outside_code(markdown: &str) -> String {
    let mut outside = String::new();
    for line in markdown.lines() {
        let mut rest = line;
        while let Some(at) = rest.find(['`', '\\']) {
            outside += &rest[..at];
            if rest[at..].starts_with('\\') {
                let next = rest[at + 1..].chars().next().map_or(0, char::len_utf8);
                rest = &rest[at + 1 + next..];
                continue;
            }
            let fence = rest[at..].chars().take_while(|c| *c == '`').count();
            let fence = &rest[at..at + fence];
            let inside = &rest[at + fence.len()..];
            // A shorter or a longer row of them is not its end.
            let runs = inside.match_indices(fence);
            let is_end = |at: &usize| !inside[..*at].ends_with('`') && !inside[at + fence.len()..].starts_with('`');
            let end = runs.map(|(at, _)| at).find(is_end).unwrap_or_else(|| panic!("an open code span: {line}"));
            rest = &inside[end + fence.len()..];
        }
        outside += rest;
        outside.push('\n');
    }
    outside
}

/// Cells of a row: a bar behind a backslash is none.
fn cells(line: &str) -> usize {
    line.replace("\\|", "").matches('|').count()
}

#[test]
fn gaps_resets_and_events_are_told() {
    let dir = Dir::new("report-gaps");
    let recording = dir.0.join("gaps.rscope");
    let mut made = Made::new();
    for second in 0..30 {
        made.handles("worker", 100, |_| 50);
        match second {
            10 => made.collector.reset(None).unwrap(),
            20 => made.sleeps(60),
            25 => {
                let now = made.now();
                made.tells(Entry::new(
                    now,
                    Severity::Warning,
                    EntryKind::Operation,
                    "resize",
                    "failed after 3.0 s: no space",
                ));
            }
            _ => {}
        }
        made.moment();
    }
    made.save(&recording);
    let (page, markdown) = reports(&recording);
    let read = html::is_sound(&page);
    let told = html::table(&read, "in words");
    let whats: Vec<&str> = told[1..].iter().map(|row| row[2].as_str()).collect();
    assert_eq!(whats, ["reset", "gap", "operation"], "{told:?}");
    assert_eq!((told[2][0].as_str(), told[2][1].as_str()), ("02:24:24", "1:01 min"));
    assert!(told[3][4].contains("no space"));
    // What was counted before the reset counts.
    let kernels = html::table(&read, "rate over time");
    assert_eq!(html::cell(&kernels, "worker", "messages"), "2,900");
    assert!(markdown.contains("gap in the recording"));
}

#[test]
fn alerts_are_told_from_firing_to_resolved() {
    let dir = Dir::new("report-alerts");
    let recording = dir.0.join("alerts.rscope");
    let mut made = Made::new();
    let begin = made.now();
    let at = |second: u64| begin + Duration::from_secs(second);
    let mut alert = Alert::pending("p99", Severity::Critical, 0.3, at(4));
    alert.labels = [("kernel".into(), "worker".into())].into();
    alert.summary = "p99 of <worker> is 300 ms".into();
    let mut other = Alert::pending("errors", Severity::Warning, 0.5, at(10));
    other.summary = "half of the messages are refused".into();
    for second in 0..20 {
        made.handles("worker", 10, |_| 50);
        (alert.state, other.state) = match second {
            0..5 => (AlertState::Pending, AlertState::Pending),
            5..9 => (AlertState::Firing, AlertState::Pending),
            _ => (AlertState::Resolved, AlertState::Firing),
        };
        alert.fired_at = (second >= 5).then(|| at(5));
        alert.resolved_at = (second >= 9).then(|| at(9));
        other.fired_at = (second >= 9).then(|| at(11));
        made.alerts = match second {
            0..4 => Vec::new(),
            4..=9 => vec![alert.clone()],
            10 => Vec::new(),
            _ => vec![other.clone()],
        };
        made.moment();
    }
    made.save(&recording);
    let read = html::is_sound(&reports(&recording).0);
    let told = html::table(&read, "in words");
    let told: Vec<String> = told[1..].iter().map(|row| row.join(" | ")).collect();
    assert_eq!(
        told,
        [
            "02:24:10 | 4.0 s | alert | p99 | p99 of <worker> is 300 ms",
            "02:24:16 | 8.0 s, to the end | alert | errors | half of the messages are refused",
        ]
    );
    assert!(read["text"].as_str().unwrap().contains("2 alerts fired"));
}

#[test]
fn many_kernels_are_folded_and_each_is_there() {
    let dir = Dir::new("report-many");
    let recording = dir.0.join("many.rscope");
    let mut made = Made::new();
    for second in 0..30 {
        (0..120).for_each(|kernel| made.handles(&format!("worker_{kernel}"), 3, |n| 10 + n * second));
        made.moment();
    }
    made.save(&recording);
    let (page, markdown) = reports(&recording);
    let read = html::is_sound(&page);
    assert_eq!(html::table(&read, "rate over time").len(), 121);
    assert_eq!(page.matches("<details class=\"kernel\">").count(), 120);
    assert!(page.len() < 5_000_000 && markdown.len() < 2_000_000, "{} and {} bytes", page.len(), markdown.len());
    assert!(read["text"].as_str().unwrap().contains("114 others"));
}

#[test]
fn a_damaged_recording_is_told_up_to_its_damage() {
    let dir = Dir::new("report-damaged");
    let recording = dir.0.join("damaged.rscope");
    let mut made = Made::new();
    for _ in 0..10 {
        made.handles("worker", 10, |_| 50);
        made.moment();
    }
    let at = made.frames[6];
    made.bytes[at + 12] ^= 0x40;
    made.save(&recording);
    let done = output(&["report", path(&recording), "-o", "-", "--format", "markdown"]);
    assert_eq!(done.status.code(), Some(0));
    let (said, markdown) = (String::from_utf8_lossy(&done.stderr), String::from_utf8_lossy(&done.stdout));
    assert!(said.contains(&format!("damaged at byte {at}")), "{said}");
    assert!(
        markdown.contains(&format!("damaged at byte {at}")) && markdown.contains("| `worker` | active | 60 |"),
        "{markdown}"
    );
    html::is_sound(&reports(&recording).0);
}

#[test]
fn recordings_of_nothing_and_of_one_moment_have_reports() {
    let dir = Dir::new("report-small");
    let recording = dir.0.join("nothing.rscope");
    let mut made = Made::new();
    made.save(&recording);
    let (page, markdown) = reports(&recording);
    assert!(
        html::is_sound(&page)["text"].as_str().unwrap().contains("holds no moment") && markdown.contains("no moment")
    );
    made.handles("worker", 3, |_| 50);
    made.moment();
    made.save(&recording);
    let (page, _) = reports(&recording);
    let read = html::is_sound(&page);
    assert_eq!(html::cell(&html::table(&read, "rate over time"), "worker", "messages"), "3");
}

#[test]
fn a_long_recording_stays_small_and_whole() {
    let dir = Dir::new("report-long");
    let recording = dir.0.join("long.rscope");
    let mut made = Made::new();
    for second in 0..3000 {
        made.handles("worker", 2, |_| if second == 1234 { 90_000 } else { 50 });
        made.moment();
    }
    made.save(&recording);
    let (page, _) = reports(&recording);
    let read = html::is_sound(&page);
    assert!(page.len() < 300_000, "{} bytes", page.len());
    assert_eq!(html::cell(&html::table(&read, "rate over time"), "worker", "messages"), "6,000");
    assert_eq!(html::cell(&html::table(&read, "rate over time"), "worker", "per second"), "2.0");
    assert!(html::table(&read, "from").len() <= 26, "the table behind a chart is for reading");
    assert!(read["text"].as_str().unwrap().contains("90.0 ms"), "one slow message is not averaged away");
}

#[test]
fn what_cannot_be_read_or_written_is_said() {
    let dir = Dir::new("report-wrong");
    let (nothing, text) = (dir.0.join("nothing.rscope"), dir.0.join("text.txt"));
    std::fs::write(&text, "not a recording").unwrap();
    let recording = dir.0.join("good.rscope");
    Made::new().save(&recording);
    for (args, says) in [
        (vec!["report", path(&nothing)], "cannot be read"),
        (vec!["report", path(&text)], "not a recording"),
        (vec!["report", path(&recording), "-o", path(&recording)], "would replace the recording"),
        (vec!["report", path(&recording), "-o", path(&dir.0)], "is a directory"),
        (vec!["report", path(&recording), "-o", "/no/such/folder/report.html"], "mkdir -p"),
    ] {
        let done = output(&args);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!((done.status.code(), said.contains(says)), (Some(1), true), "{args:?}: {said}");
    }
    assert_eq!(output(&["report"]).status.code(), Some(2));
}
