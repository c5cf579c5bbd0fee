//! What somebody gets who adds this crate: few dependencies, kernels that need no compiler, and a README whose links lead
//! somewhere.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

fn cargo(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).arg("--offline");
    let output = command.output().expect("cargo starts");
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo writes UTF-8")
}

/// Crates that are built for these features, this one included.
fn crates(features: &str) -> usize {
    let all = ["tree", "--package=ringscope", "--edges=normal,build", "--prefix=none", "--no-default-features"];
    let tree = cargo(&[&all[..], &["--features", features]].concat());
    tree.lines().map(|line| line.trim_end_matches(" (*)")).collect::<BTreeSet<_>>().len()
}

#[test]
fn a_linked_library_brings_few_crates() {
    assert!(crates("cuda") < 20, "with cuda alone: {}", crates("cuda"));
    assert!(crates("cuda host") < 26, "by default: {}", crates("cuda host"));
    assert!(crates("cuda host cli") > 60, "the same test counts what the program needs");
}

/// What a library without any destination resolves to, by name; `ringscope` is one of them.
const WITHOUT_DESTINATIONS: &str = "arc-swap bytemuck bytemuck_derive cc cfg-if cudarc find-msvc-tools futures-core jobserver libc \
    libloading pin-project-lite proc-macro2 quote ringscope rustversion shlex syn thiserror thiserror-impl tokio unicode-ident zmij";

/// Destinations, what each of them shares with others, and the program bring crates; a library without them stays as it was.
#[test]
fn without_a_destination_no_crate_is_added() {
    let tree =
        ["tree", "--package=ringscope", "--target=x86_64-unknown-linux-gnu", "--edges=normal,build", "--prefix=none"];
    let resolved = |more: &[&str]| {
        let tree = cargo(&[&tree[..], more].concat());
        tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect::<BTreeSet<String>>()
    };
    let expected: BTreeSet<String> =
        WITHOUT_DESTINATIONS.split(' ').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    assert_eq!(resolved(&[]), expected, "by default");
    assert!(resolved(&["--no-default-features"]).is_subset(&expected));
    let publish = resolved(&["--features", "publish"]);
    let added: Vec<&String> = publish.difference(&expected).collect();
    assert!(
        added.iter().any(|name| *name == "backon") && !publish.contains("reqwest"),
        "the same test sees what `publish` adds: {added:?}"
    );
    // TLS is not built where nobody asked for it.
    for feature in
        ["files", "otlp", "otlp-grpc", "remote-write", "pushgateway", "elasticsearch", "datadog", "prometheus-server"]
    {
        let crates = resolved(&["--features", feature]);
        assert!(!crates.contains("rustls") && !crates.contains("ring"), "{feature} brings TLS: {crates:?}");
    }
    assert!(resolved(&["--features", "otlp,tls"]).contains("rustls"));
}

#[test]
fn the_package_has_the_kernels_as_ptx_and_is_small() {
    const MOST_BYTES: u64 = 12 << 20;
    let list = cargo(&["package", "--package=ringscope", "--list", "--allow-dirty"]);
    let files: BTreeSet<&str> = list.lines().collect();
    for level in 0..=3 {
        assert!(files.contains(format!("kernels/ptx/l{level}.ptx").as_str()), "level {level} is not in the package");
    }
    // What cargo makes itself is not there.
    let bytes =
        |file: &&str| std::fs::metadata(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).map_or(0, |m| m.len());
    let all: u64 = files.iter().map(bytes).sum();
    assert!(all > 1 << 20 && all < MOST_BYTES, "{all} bytes, before they are compressed");
}

/// Targets of Markdown links that are no web addresses, without their anchors. What has blanks is no target, but code.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|t| !t.contains("://") && !t.contains(' ')).map(|t| t.split('#').next().unwrap_or(t)).collect()
}

#[test]
fn links_of_the_readme_and_the_docs_resolve_inside_the_package() {
    let list = cargo(&["package", "--package=ringscope", "--list", "--allow-dirty"]);
    let files: BTreeSet<&str> = list.lines().collect();
    let is_there = |path: &str| files.iter().any(|file| *file == path || file.starts_with(&format!("{path}/")));
    let mut checked = 0;
    for page in files.iter().filter(|file| file.ends_with(".md")) {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).expect("a packaged file");
        let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
        for link in links(&text).into_iter().filter(|link| !link.is_empty()) {
            let mut path: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
            for part in link.split('/') {
                match part {
                    ".." => drop(path.pop()),
                    "." | "" => {}
                    part => path.push(part),
                }
            }
            assert!(is_there(&path.join("/")), "{page} links to {link}, which is not in the package");
            checked += 1;
        }
    }
    assert!(checked > 5, "{checked} links");
}
