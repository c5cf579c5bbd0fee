//! What is drawn: frames of a fixed state as text, at several sizes; and whatever is pressed and whatever comes, nothing breaks.
//!
//! `RINGSCOPE_WRITE_DOCS=1 cargo test --bin ringscope top::tests` writes the frames of tests/top/frames anew.

mod devices;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ringscope::alert::{Alert, AlertState, Severity};
use ringscope::feed::{Entry, EntryKind, Moment};
use ringscope::machine::GpuMetrics;
use ringscope::snapshot::{PublisherTelemetry, RingPlace, SelfMetrics};
use ringscope::{KernelState, Snapshot};

use crate::cli::top::input;
use crate::cli::top::state::app::{App, Effect};
use crate::cli::top::state::blocks::{BlockMap, Cell, Doing};
use crate::cli::top::state::link::{Kind, Link, Origin};
use crate::cli::top::state::page::Page;
use crate::cli::top::state::sample::{NOON, Sample};
use crate::cli::top::view::theme::{Depth, Theme};
use crate::cli::top::view::{self, draw_blocks};

const FULL: Theme = Theme { depth: Depth::True, unicode: true };
const POOR: Theme = Theme { depth: Depth::None, unicode: false };

fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + NOON
}

fn entry(seconds: u64, severity: Severity, kind: EntryKind, subject: &str, text: &str) -> Entry {
    Entry::new(noon() + Duration::from_secs(seconds), severity, kind, subject, text)
}

fn alert(rule: &str, severity: Severity, state: AlertState, summary: &str) -> Alert {
    let mut alert = Alert::pending(rule, severity, 1.0, noon() + Duration::from_secs(12));
    alert.state = state;
    alert.summary = summary.into();
    alert.labels = Arc::new([("kernel".into(), "worker_2".into())]);
    alert
}

/// What a snapshot has beside its kernels.
fn around(snapshot: &mut Snapshot) {
    snapshot.self_metrics = SelfMetrics::default();
    snapshot.self_metrics.collection_runs_total = 1234;
    snapshot.self_metrics.dropped.hooks = 7;
    snapshot.copied_bytes = 33_400;
    snapshot.system = None;
    let mut gpu = GpuMetrics::default();
    gpu.name = Some("NVIDIA H100 PCIe".into());
    gpu.uuid = Some("GPU-11111111-2222-3333-4444-555555555555".into());
    gpu.utilization_percent = Some(100);
    (gpu.memory_used_bytes, gpu.memory_total_bytes) = (Some(21_000_000_000), Some(80_000_000_000));
    (gpu.temperature_celsius, gpu.power_watts, gpu.sm_clock_mhz) = (Some(61), Some(287.4), Some(1755));
    gpu.throttle_reasons = Some(vec!["sw_power_cap"]);
    snapshot.gpus = Some(Arc::new([gpu]));
    let mut publisher = PublisherTelemetry::default();
    publisher.destination = "otlp+http://collector:4318".into();
    (publisher.published_items, publisher.dropped_items[0], publisher.failures) = (81_213, 12, 3);
    snapshot.publishers = Arc::new([publisher]);
    for (n, kernel) in snapshot.kernels.iter_mut().enumerate() {
        kernel.busy_ratio = 0.25 * (n % 4) as f64;
        kernel.queue_depth = (n * n) as u64;
        kernel.queue_high_water = 100;
    }
}

fn with(moment: &Arc<Moment>, alerts: Vec<Alert>) -> Arc<Moment> {
    let mut moment = (**moment).clone();
    let mut snapshot = (*moment.snapshot).clone();
    around(&mut snapshot);
    moment.snapshot = Arc::new(snapshot);
    moment.alerts = alerts.into();
    Arc::new(moment)
}

/// Five kernels that worked for a minute; one is slow now and then, one stalls, one failed.
fn fixed() -> App {
    let mut sample = Sample::named(&["parser", "worker_1", "worker_2", "worker_10", "\u{1b}[2J\u{202e}evil 設定"]);
    let mut app = App::new(Origin::new(Kind::Server, "http://gpu7:9464"), noon());
    for n in 0..60_u64 {
        sample.work(0, 100 + 40 * (n % 7));
        sample.work(1, 20 + n);
        sample.work(3, if n % 10 == 0 { 2000 } else { 10 });
        if n > 30 {
            sample.states = vec![(2, KernelState::Stalled), (4, KernelState::Failed)];
        }
        sample.entries = match n {
            5 => vec![entry(5, Severity::Info, EntryKind::Kernel, "worker_1", "launched")],
            31 => vec![entry(
                31,
                Severity::Warning,
                EntryKind::Kernel,
                "worker_2",
                "stalled: block 17 (SM 4) at \"load\"",
            )],
            40 => vec![entry(
                40,
                Severity::Critical,
                EntryKind::Kernel,
                "\u{1b}[2Jevil",
                "failed: no \u{202e}such\naddress",
            )],
            44 => vec![entry(44, Severity::Warning, EntryKind::Network, "http gpu3:80", "failed after 2.0s: refused")],
            _ => Vec::new(),
        };
        let alerts = vec![
            alert("p99 of worker_2", Severity::Critical, AlertState::Firing, "p99 is 123 ms, above 100 ms for 2 min"),
            alert("memory", Severity::Warning, AlertState::Pending, "91 % of the machine's memory is in use"),
        ];
        app.now = noon() + Duration::from_secs(n + 1);
        app.push(with(&sample.moment(), alerts));
    }
    app
}

/// 132 blocks of which one waits for something, and 40 wait for that one.
fn hang() -> BlockMap {
    let load = || Doing::Waypoint("load".to_owned(), 0);
    let barrier = || Doing::Waypoint("wait_barrier".to_owned(), 1);
    let cell = |block: u32, silent: bool, waits_for: Option<&str>| Cell {
        block,
        multiprocessor: Some(block / 2),
        doing: 0,
        since: Some(noon() + Duration::from_secs(if silent { 40 } else { 59 })),
        message: Some(81_213 + u64::from(block)),
        waits_for: waits_for.map(str::to_owned),
        sign_of_life: Some(noon() + Duration::from_secs(if silent { 40 } else { 59 })),
        silent,
    };
    BlockMap::of_cells((0..132).map(|n| match n {
        17 => (barrier(), cell(n, true, Some("the value 4; it has seen 3")), true),
        40..80 => (load(), cell(n, true, None), false),
        n if n % 5 == 0 => (Doing::Ring(RingPlace::Handler), cell(n, false, None), false),
        n => (Doing::Ring(RingPlace::Message), cell(n, false, Some("work")), false),
    }))
}

fn text(buffer: &Buffer) -> String {
    let area = buffer.area;
    let line = |y: u16| {
        let mut skip = 0;
        let mut line = String::new();
        for x in area.left()..area.right() {
            let symbol = buffer[(x, y)].symbol();
            if skip == 0 {
                line.push_str(symbol);
                skip = crate::cli::term::text::columns(symbol).saturating_sub(1);
            } else {
                skip -= 1;
            }
        }
        line.trim_end().to_owned() + "\n"
    };
    (area.top()..area.bottom()).map(line).collect()
}

fn frame(app: &App, theme: Theme, (width, height): (u16, u16)) -> String {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    view::draw(app, theme, area, &mut buffer);
    text(&buffer)
}

/// Compares with the file, or writes it.
fn check(name: &str, seen: &str) {
    let path = format!("{}/tests/top/frames/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("RINGSCOPE_WRITE_DOCS").is_some() {
        std::fs::write(&path, seen).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    let hint = "RINGSCOPE_WRITE_DOCS=1 cargo test --bin ringscope top::tests writes it anew";
    assert!(known == seen, "{name} is drawn otherwise; {hint}:\n{seen}");
}

#[test]
fn frames_of_a_fixed_state() {
    let mut app = fixed();
    for (size, name) in [((120, 36), "120x36"), ((80, 24), "80x24"), ((40, 10), "40x10")] {
        for page in Page::ALL.into_iter().filter(|page| *page != Page::Blocks) {
            app.page = page;
            check(&format!("{}-{name}", page.name()), &frame(&app, FULL, size));
        }
    }
    app.page = Page::Kernels;
    check("kernels-ascii-80x24", &frame(&app, POOR, (80, 24)));
    app.help = Some(0);
    check("help-80x24", &frame(&app, FULL, (80, 24)));
    app.help = None;
    app.now += Duration::from_secs(12);
    app.origin.link = Link::Down {
        why: "http://gpu7:9464 cannot be reached: refused".into(),
        again: app.now + Duration::from_secs(4),
    };
    check("kernels-lost-80x24", &frame(&app, FULL, (80, 24)));
    let mut unheard = App::new(app.origin.clone(), app.now);
    unheard.help = None;
    check("kernels-never-reached-80x24", &frame(&unheard, FULL, (80, 24)));
}

#[test]
fn frames_of_a_hang() {
    let mut app = fixed();
    app.kernel = Some("worker_2".into());
    app.block = 17;
    for (theme, (width, height), name) in [
        (FULL, (120, 30), "blocks-120x30"),
        (FULL, (80, 22), "blocks-80x22"),
        (POOR, (80, 22), "blocks-ascii-80x22"),
        (FULL, (40, 8), "blocks-40x8"),
    ] {
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        let stuck = "worker_2 hangs since 20.0 s: 40 blocks at \"load\"; block 17 (SM 8) at \"wait_barrier\": expected 4, seen 3";
        draw_blocks(&app, theme, Some((&hang(), stuck)), area, &mut buffer);
        check(name, &text(&buffer));
    }
}

#[test]
fn old_numbers_are_dimmed_and_nothing_else_is_said_of_them() {
    use ratatui::style::Modifier;
    let mut app = fixed();
    let is_dim = |app: &App| {
        let area = Rect::new(0, 0, 80, 24);
        let mut buffer = Buffer::empty(area);
        view::draw(app, FULL, area, &mut buffer);
        buffer[(4, 12)].modifier.contains(Modifier::DIM)
    };
    assert!(!is_dim(&app) && frame(&app, FULL, (80, 24)).contains("● live"));
    app.now += Duration::from_secs(30);
    assert!(is_dim(&app) && frame(&app, FULL, (80, 24)).contains("last seen 30 s ago"));
}

#[test]
fn no_colour_is_used_without_colours_and_no_sign_beyond_ascii_without_unicode() {
    use ratatui::style::Color;
    let mut app = fixed();
    for page in Page::ALL {
        app.page = page;
        let area = Rect::new(0, 0, 100, 30);
        let mut buffer = Buffer::empty(area);
        view::draw(&app, POOR, area, &mut buffer);
        assert!(buffer.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset), "{page:?}");
        let foreign: String =
            buffer.content.iter().map(|cell| cell.symbol()).filter(|symbol| !symbol.is_ascii()).collect();
        assert_eq!(foreign, "", "{page:?}");
    }
}

#[test]
fn holding_stepping_and_going_on() {
    use crate::cli::top::state::action::Action;
    let mut app = fixed();
    let newest = app.shown().unwrap();
    assert_eq!(app.apply(Action::Pause), Some(Effect::Hold));
    assert_eq!(app.apply(Action::Step(-1)), None);
    assert_eq!(app.shown(), Some(newest - 1));
    assert_eq!(app.apply(Action::Step(5)), None);
    assert_eq!(app.shown(), Some(newest));
    app.apply(Action::Step(-1000));
    assert_eq!(app.shown(), app.history.oldest());
    assert!(app.said().is_some_and(|said| said.contains("older")));
    assert_eq!(app.apply(Action::Newest), Some(Effect::GoOn));
    assert_eq!((app.shown(), app.held), (Some(newest), None));
    assert_eq!(app.apply(Action::Seek(-10)), Some(Effect::Hold));
    assert_eq!(app.shown(), Some(newest - 10));
    assert_eq!(app.apply(Action::Faster(1)), None);
    app.origin = Origin::new(Kind::Recording, "run.rscope");
    assert_eq!(app.apply(Action::Faster(1)), Some(Effect::Speed(2.0)));
    assert_eq!(app.apply(Action::Seek(-60)), Some(Effect::Seek(-60)));
    app.apply(Action::Newest);
    assert_eq!(app.apply(Action::Step(1)), Some(Effect::Next));
}

#[test]
fn what_is_copied_is_what_is_selected() {
    use crate::cli::top::state::action::Action;
    let mut app = fixed();
    app.kernel = Some("worker_1".into());
    assert_eq!(app.apply(Action::Copy), Some(Effect::Copy("worker_1".into())));
    app.page = Page::Log;
    app.apply(Action::EditFilter);
    "GPU3".chars().for_each(|c| drop(app.apply(Action::Write(c))));
    assert_eq!(app.apply(Action::Copy), Some(Effect::Copy("http gpu3:80 failed after 2.0s: refused".into())));
    app.apply(Action::Back);
    app.page = Page::Alerts;
    app.apply(Action::Open);
    assert_eq!((app.page, app.kernel.as_deref()), (Page::Kernel, Some("worker_2")));
}

#[derive(Clone, Debug)]
enum Step {
    Key(KeyCode, bool),
    Mouse(MouseEventKind, u16, u16),
    Size(u16, u16),
    Moment(u8),
    Back,
    Lost,
    Time(u8),
}

fn keys() -> impl Strategy<Value = KeyCode> {
    use KeyCode::{BackTab, Backspace, Down, End, Enter, Esc, Home, Left, PageDown, PageUp, Right, Tab, Up};
    let named = [
        BackTab,
        Backspace,
        Down,
        End,
        Enter,
        Esc,
        Home,
        Left,
        PageDown,
        PageUp,
        Right,
        Tab,
        Up,
        KeyCode::F(1),
        KeyCode::Null,
    ];
    prop_oneof![
        prop::sample::select(named.to_vec()),
        (32_u8..127).prop_map(|c| KeyCode::Char(c.into())),
        any::<char>().prop_map(KeyCode::Char)
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    let mouse = prop::sample::select(vec![
        MouseEventKind::Down(MouseButton::Left),
        MouseEventKind::Down(MouseButton::Right),
        MouseEventKind::ScrollDown,
        MouseEventKind::ScrollUp,
        MouseEventKind::Moved,
    ]);
    prop_oneof![
        8 => (keys(), prop::bool::weighted(0.1)).prop_map(|(key, ctrl)| Step::Key(key, ctrl)),
        3 => (mouse, 0_u16..130, 0_u16..40).prop_map(|(kind, x, y)| Step::Mouse(kind, x, y)),
        2 => (0_u16..130, 0_u16..40).prop_map(|(width, height)| Step::Size(width, height)),
        1 => (200_u16..420, 60_u16..130).prop_map(|(width, height)| Step::Size(width, height)),
        4 => any::<u8>().prop_map(Step::Moment),
        1 => Just(Step::Back),
        1 => Just(Step::Lost),
        1 => any::<u8>().prop_map(Step::Time),
    ]
}

fn check_invariants(app: &App, area: Rect, buffer: &Buffer, drawn: &view::Drawn) {
    let shown = app.shown();
    assert_eq!(shown.is_some(), app.moment().is_some());
    if let Some(moment) = app.moment() {
        let is_there = app.kernel.as_ref().is_some_and(|kernel| moment.snapshot.kernel(kernel).is_some());
        assert!(is_there || app.rows().is_empty(), "{:?}", app.kernel);
    }
    assert!(app.shape.lines > 0 && app.shape.blocks > 0);
    for cell in &buffer.content {
        assert!(!cell.symbol().contains(|c: char| c.is_control() || c == '\u{202e}'), "{:?}", cell.symbol());
    }
    for (target, _) in drawn.targets() {
        assert!(target.is_empty() || area.intersects(*target), "{target:?} in {area:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn nothing_that_is_pressed_or_comes_breaks_it(
        all in prop::collection::vec(steps(), 1..60),
        depth in prop::sample::select(vec![Depth::None, Depth::Sixteen, Depth::Many, Depth::True]),
        unicode: bool,
        kind in prop::sample::select(vec![Kind::Workload, Kind::Server, Kind::Recording]),
    ) {
        let theme = Theme { depth, unicode };
        let mut sample = Sample::named(&["a", "b_10", "b_2", "設定\u{202e}\u{1b}[2J"]);
        let mut app = App::new(Origin::new(kind, "somewhere\u{1b}]0;x\u{7}"), noon());
        let mut area = Rect::new(0, 0, 80, 24);
        let mut drawn: Option<view::Drawn> = None;
        let first = with(&sample.moment(), Vec::new());
        for step in all {
            let action = match step {
                Step::Key(code, ctrl) => {
                    let modifiers = if ctrl { KeyModifiers::CONTROL } else { KeyModifiers::NONE };
                    input::key(KeyEvent::new(code, modifiers), app.editing)
                }
                Step::Mouse(kind, column, row) => {
                    let target = drawn.as_ref().and_then(|drawn| drawn.at(column, row));
                    input::mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }, target)
                }
                Step::Size(width, height) => { area = Rect::new(0, 0, width, height); None }
                Step::Moment(n) => {
                    sample.work(usize::from(n) % 4, n.into());
                    sample.states = vec![(usize::from(n / 4) % 4, KernelState::ALL[usize::from(n) % KernelState::ALL.len()])];
                    sample.entries = vec![entry(n.into(), Severity::ALL[usize::from(n) % 3], EntryKind::Event, "b_2", "\u{1b}[2Jx")];
                    let rule = alert("r\u{202e}", Severity::Critical, AlertState::Firing, "s\n");
                    app.push(with(&sample.moment(), vec![rule; usize::from(n % 3)]));
                    None
                }
                Step::Back => { app.push(Arc::clone(&first)); None }
                Step::Lost => {
                    app.origin.link = Link::Down { why: "gone\u{1b}[2J".into(), again: app.now };
                    None
                }
                Step::Time(seconds) => { app.now += Duration::from_secs(seconds.into()); None }
            };
            if let Some(action) = action {
                app.apply(action);
            }
            let mut buffer = Buffer::empty(area);
            let now = view::draw(&app, theme, area, &mut buffer);
            app.shape = now.shape;
            check_invariants(&app, area, &buffer, &now);
            drawn = Some(now);
        }
    }

    #[test]
    fn maps_of_blocks_fit_any_screen(
        blocks in 0_u32..5000, width in 0_u16..200, height in 0_u16..80, at in 0_usize..6000, waypoints in 1_u32..40,
    ) {
        let cell = |block: u32| Cell {
            block, multiprocessor: Some(block), doing: 0, since: None, message: None, waits_for: None, sign_of_life: None,
            silent: block.is_multiple_of(3),
        };
        let doing = |n: u32| Doing::Waypoint(format!("w\u{1b}{}", n % waypoints), n % waypoints);
        let map = BlockMap::of_cells((0..blocks).map(|n| (doing(n), cell(n), n % 7 == 0)));
        let mut app = fixed_once().clone();
        app.block = at;
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        let drawn = draw_blocks(&app, FULL, Some((&map, "stuck")), area, &mut buffer);
        assert!(drawn.shape.blocks > 0 && drawn.shape.lines > 0);
    }
}

fn fixed_once() -> &'static App {
    static APP: std::sync::OnceLock<App> = std::sync::OnceLock::new();
    APP.get_or_init(fixed)
}

/// Prints what drawing costs: `cargo test --release --bin ringscope top::tests::measure -- --ignored --nocapture`.
#[test]
#[ignore = "it measures; nothing can be wrong"]
fn measure() {
    for (kernels, blocks, size) in [(100, 0, (120, 36)), (1000, 64, (120, 36)), (1000, 64, (400, 120))] {
        let mut sample = Sample::new(kernels);
        let mut app = App::new(Origin::new(Kind::Server, "x"), noon());
        let mut push = Duration::ZERO;
        for n in 0..60 {
            (0..kernels).for_each(|kernel| sample.work(kernel, 1 + (kernel as u64 + n) % 20));
            let moment = sample.moment();
            let start = Instant::now();
            app.push(moment);
            push += start.elapsed();
        }
        for page in Page::ALL {
            app.page = page;
            let area = Rect::new(0, 0, size.0, size.1);
            let cells = hang();
            let mut times: Vec<Duration> = (0..50)
                .map(|_| {
                    let mut buffer = Buffer::empty(area);
                    let start = Instant::now();
                    if page == Page::Blocks && blocks > 0 {
                        draw_blocks(&app, FULL, Some((&cells, "stuck")), area, &mut buffer);
                    } else {
                        view::draw(&app, FULL, area, &mut buffer);
                    }
                    start.elapsed()
                })
                .collect();
            times.sort();
            let (width, height) = size;
            println!("{kernels:>5} kernels, {width}x{height}, {:<10} a frame takes {:.2?}", page.name(), times[25]);
        }
        println!("{kernels:>5} kernels, a moment takes {:.2?}", push / 60);
    }
}
