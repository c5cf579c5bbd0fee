//! The documents of destinations say what there is: every address, option, variable and key, and the example file can be used.
#![cfg(all(feature = "cli", feature = "host"))]

mod program;

use std::collections::BTreeSet;
use std::path::Path;

use ringscope::publish::{AnyDestination, Environment, SCHEMES, Scheme};

use program::{Dir, path, ringscope, text};

const DELIVERY: [&str; 10] = [
    "interval",
    "queue_bytes",
    "queue_age",
    "timeout",
    "retry_min",
    "retry_max",
    "circuit_failures",
    "circuit_pause",
    "flush_limit",
    "spool",
];

fn document(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
}

/// The rows of the table of addresses: those that are alike are one.
fn rows() -> Vec<String> {
    let alike = |a: &Scheme, b: &Scheme| (a.options, a.variables, a.secrets) == (b.options, b.variables, b.secrets);
    SCHEMES.chunk_by(alike).map(row).collect()
}

fn row(schemes: &[Scheme]) -> String {
    let list = |names: Vec<String>| if names.is_empty() { "–".to_owned() } else { names.join(", ") };
    let addresses = schemes.iter().map(|scheme| format!("`{}:{}`", scheme.name, scheme.address));
    let options = schemes[0].options.iter().map(|option| format!("`{option}`"));
    let variables = schemes[0].variables.iter().map(|(key, variable)| match *key {
        "" => format!("`{variable}`"),
        key => format!("`{variable}` (key `{key}`)"),
    });
    let secrets = schemes[0].secrets.iter().map(|(key, variable)| format!("`{variable}` (`{key}_file`, `{key}_env`)"));
    let columns = [addresses.collect(), options.collect(), variables.collect(), secrets.collect()].map(list);
    format!("| {} |", columns.join(" | "))
}

#[test]
fn the_table_of_addresses_is_that_of_the_library() {
    let document = document("destinations.md");
    let table = rows().join("\n");
    assert!(
        document.contains(&format!("|---|---|---|---|\n{table}\n\n")),
        "docs/destinations.md lacks this table:\n{table}\nend"
    );
    for key in DELIVERY {
        assert!(document.contains(&format!("| `{key}` |")), "{key}");
    }
}

#[test]
fn the_example_has_every_key_and_can_be_used() {
    let example = document("ringscope.toml");
    let keys: BTreeSet<&str> =
        example.lines().filter_map(|line| Some(line.trim_start_matches("# ").split_once(" = ")?.0)).collect();
    // Of what the program is always built with.
    for scheme in SCHEMES.iter().filter(|scheme| scheme.is_built && !scheme.features.contains(&"cloudwatch")) {
        let secrets = scheme.secrets.iter().flat_map(|(name, _)| [format!("{name}_file"), format!("{name}_env")]);
        let variables = scheme.variables.iter().filter(|(key, _)| !key.is_empty()).map(|(key, _)| (*key).to_owned());
        let options = scheme.options.iter().map(|option| (*option).to_owned());
        for key in options.chain(variables).chain(secrets) {
            assert!(keys.contains(key.as_str()), "docs/ringscope.toml lacks {key} of {}", scheme.name);
        }
        let plain = scheme.name.replace("grpcs", "grpc").replace("https", "http");
        assert!(example.contains(&format!("url = \"{plain}:")), "docs/ringscope.toml lacks {plain}");
    }
    assert!(DELIVERY.iter().all(|key| keys.contains(key)), "{keys:?}");

    let dir = Dir::new("example");
    let file = dir.0.join("ringscope.toml");
    std::fs::write(&file, &example).unwrap();
    let secrets = example.lines().filter_map(|line| line.split_once("_env = \"")?.1.strip_suffix('"'));
    let check = ringscope(&["check", path(&file)]).envs(secrets.map(|name| (name, "hunter2"))).output().unwrap();
    assert!(check.status.success(), "{}", text(&check.stderr));
    let said = text(&check.stdout);
    assert!(said.starts_with("ok: ") && !said.contains("hunter2"), "{said}");
    for line in example.lines().filter_map(|line| line.strip_prefix("url = \"")) {
        assert!(said.contains(line.trim_end_matches('"')), "{line} in {said}");
    }
}

#[test]
fn an_unknown_scheme_is_told_which_there_are_and_one_that_is_not_built_with_what() {
    let environment = Environment::of([]);
    let unknown = AnyDestination::from_url("carrier-pigeon://roof", &environment).unwrap_err().to_string();
    assert!(SCHEMES.iter().all(|scheme| unknown.contains(scheme.name)), "{unknown}");
    for scheme in SCHEMES.iter().filter(|scheme| !scheme.is_built) {
        let address = format!("{}:{}", scheme.name, scheme.address);
        let missing = AnyDestination::from_url(&address, &environment).unwrap_err().to_string();
        assert!(scheme.features.iter().all(|feature| missing.contains(feature)), "{missing}");
    }
}
