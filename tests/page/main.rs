//! The page in a real browser: what it loads, whether its numbers are those of the snapshot, what it says of a hang, and whether
//! everybody can use it. scripts/browser.sh brings the browser.
#![cfg(all(feature = "cli", feature = "host", unix))]
#![allow(unsafe_code)]

mod browser;
mod library;
#[path = "../serving/mod.rs"]
mod serving;
mod site;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ringscope::publish::TelemetryServer;
use ringscope::{DeviceSpec, TelemetryCollector, device};

use serving::Serving;
use site::{BLOCKS, ISLAND, Site};

/// How many milliseconds a tile takes, about.
const PACE: u32 = 20;

/// A site with a past.
fn site() -> Option<Site> {
    browser::is_there().then(|| {
        let site = Site::start(PACE);
        site.wait_for("it has a past", |snapshot| snapshot.sequence > 8);
        site
    })
}

fn url(server: &TelemetryServer) -> String {
    format!("{}/", server.url().trim_end_matches('/'))
}

#[test]
fn what_is_not_our_own_is_what_its_authors_published() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/publish/page/assets/vendor");
    let files = std::fs::read_dir(&folder).unwrap().count();
    // Its lines that are no sums are passed over.
    let output =
        Command::new("sha256sum").args(["--check", "README.md"]).current_dir(folder).output().expect("sha256sum");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.matches(": OK").count() == files - 1, "{said}");
}

#[test]
fn the_page_is_small_and_asks_nobody_else() {
    let Some(site) = site() else { return };
    browser::check("load.mjs", &[&url(&site.server)]);
}

#[test]
fn tables_and_charts_have_the_numbers_of_the_snapshot() {
    let Some(site) = site() else { return };
    browser::check("numbers.mjs", &[&url(&site.server)]);
}

#[test]
fn several_devices_are_a_column() {
    if !browser::is_there() {
        return;
    }
    let devices = [DeviceSpec::Host; 2].map(|spec| device::open(spec).expect("the host device").device);
    let collector = TelemetryCollector::builder().devices(devices).build().unwrap();
    for on in [0, 1] {
        collector.kernel(format!("worker_{on}")).device(on).register().unwrap();
    }
    collector.actor("parser").unwrap();
    collector.start_collection(Duration::from_millis(100)).unwrap();
    let server = collector.serve("127.0.0.1:0").unwrap();
    browser::check("devices.mjs", &[&url(&server), "worker_1=1 host", "worker_0=0 host", "parser=–"]);
}

#[test]
fn a_hang_is_an_island_and_a_sentence() {
    let Some(site) = site() else { return };
    let [first, blocks, all] = [ISLAND.start, ISLAND.end - ISLAND.start, BLOCKS].map(|n| n.to_string());
    browser::run("hang.mjs", &[&url(&site.server), &first, &blocks, &all], |asked| match asked {
        "hang" => {
            site.hang();
            "it hangs".to_owned()
        }
        "release" => {
            site.release();
            "it goes on".to_owned()
        }
        asked => panic!("{asked}"),
    });
}

#[test]
fn events_are_found_by_what_they_are() {
    let Some(site) = site() else { return };
    browser::check("events.mjs", &[&url(&site.server)]);
}

#[test]
fn everything_is_reached_by_the_keyboard() {
    let Some(site) = site() else { return };
    browser::check("keyboard.mjs", &[&url(&site.server)]);
}

#[test]
fn every_view_fits_and_everybody_can_read_it() {
    let Some(site) = site() else { return };
    site.hang();
    browser::check("views.mjs", &[&url(&site.server)]);
}

#[test]
fn a_token_is_asked_for() {
    const TOKEN: &str = "an-open-sesame-of-a-test";
    if !browser::is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, TOKEN).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let serving = Serving::start(&["--token-file", file.to_str().unwrap(), "--messages", "100"]);
    browser::check("token.mjs", &[&format!("http://{}/", serving.address), TOKEN]);
}

#[test]
fn a_server_that_goes_away_leaves_a_page_that_says_so() {
    if !browser::is_there() {
        return;
    }
    let mut serving = Some(Serving::start(&["--messages", "100", "--interval", "100ms"]));
    let address = serving.as_ref().unwrap().address.clone();
    browser::run("stale.mjs", &[&format!("http://{address}/")], |asked| match asked {
        "kill" => {
            drop(serving.take());
            "killed".to_owned()
        }
        "start" => {
            let mut command = Command::new(env!("CARGO_BIN_EXE_ringscope"));
            let args = ["serve", "--listen", &address, "--device", "host", "--messages", "100", "--interval", "100ms"];
            serving = Some(Serving::spawn(command.args(args)));
            "started".to_owned()
        }
        asked => panic!("{asked}"),
    });
}

#[test]
fn a_page_that_is_too_slow_says_what_it_lost() {
    if !browser::is_there() {
        return;
    }
    let collector = TelemetryCollector::new(true);
    for n in 0..300 {
        collector.record_processed(&format!("an actor of many, number {n}"), None).unwrap();
    }
    collector.start_collection(Duration::from_millis(10)).unwrap();
    let server = collector.serve("127.0.0.1:0").unwrap();
    browser::check("slow.mjs", &[&url(&server)]);
}

#[test]
fn the_running_trace_is_handed_to_perfetto() {
    if !browser::is_there() {
        return;
    }
    let serving = Serving::start(&["--messages", "1000"]);
    browser::check("perfetto.mjs", &[&format!("http://{}/", serving.address)]);
}

#[test]
fn names_do_nothing() {
    if !browser::is_there() {
        return;
    }
    let long = "x".repeat(128);
    let names = [
        "<img src=x onerror=window.hit=1>",
        "\"><script>window.hit=1</script>",
        "javascript:window.hit=1",
        "{{constructor.constructor('window.hit=1')()}}",
        "../../snapshot.json?a=b#c&d",
        "%2e%2e%2f %",
        "__proto__",
        "constructor",
        "\u{202e}drawkcab",
        "e\u{301}\u{301}\u{301} \u{1f300}",
        &long,
    ];
    let collector = TelemetryCollector::new(true);
    collector.monitor_operations().unwrap();
    for name in names {
        collector.record_processed(name, Some(Duration::from_millis(1))).unwrap();
        collector.record_event(name, 1.0, &[("a", name)], &[]).unwrap();
    }
    collector.start_collection(Duration::from_millis(100)).unwrap();
    let server = collector.serve("127.0.0.1:0").unwrap();
    let url = url(&server);
    browser::check("hostile.mjs", &[&[url.as_str()], &names[..]].concat());
}

/// Not a test: scripts/pictures.sh makes the pictures of docs/ with it.
#[test]
#[ignore = "makes pictures: scripts/pictures.sh"]
fn pictures() {
    let folder = std::env::var("RINGSCOPE_PICTURES").expect("where to, from scripts/pictures.sh");
    assert!(browser::is_there(), "a browser: eval \"$(scripts/browser.sh)\"");
    let site = Site::start(PACE);
    site.wait_for("there is something to see", |snapshot| snapshot.sequence > 240);
    browser::run("pictures.mjs", &[&url(&site.server), &folder], |asked| match asked {
        "hang" => {
            site.hang();
            "it hangs".to_owned()
        }
        asked => panic!("{asked}"),
    });
}
