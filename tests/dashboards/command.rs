//! `ringscope dashboards`: what it writes, says and refuses.

use serde_json::Value;

use crate::made::made;
use crate::program::{Dir, json, output, path, text};

fn run(arguments: &[&str]) -> (bool, String) {
    let output = output(&[&["dashboards"], arguments].concat());
    (output.status.success(), text(&[output.stdout, output.stderr].concat()).to_owned())
}

#[test]
fn files_are_written_once_and_never_over_those_of_others() {
    let dir = Dir::new("dashboards");
    let out = dir.0.join("new/folder");
    let arguments = ["--out", path(&out)];
    let (good, said) = run(&arguments);
    assert!(good, "{said}");
    for file in made() {
        assert_eq!(std::fs::read_to_string(out.join(&file.path)).unwrap(), file.contents, "{}", file.path);
        let there = out.join(&file.path);
        assert!(said.contains(&format!("written: {}", path(&there))) && said.contains(file.import), "{said}");
    }
    let (good, said) = run(&arguments);
    assert!(good && !said.contains("written") && said.matches("unchanged: ").count() == made().len(), "{said}");

    let rules = out.join("prometheus/rules.yml");
    std::fs::write(&rules, "groups: []\n").unwrap();
    std::fs::remove_file(out.join("prometheus/alerts.yml")).unwrap();
    let (good, said) = run(&arguments);
    assert!(
        !good && said.contains(path(&rules)) && said.contains("--force") && said.contains("nothing was written"),
        "{said}"
    );
    assert_eq!(std::fs::read_to_string(&rules).unwrap(), "groups: []\n");
    assert!(!out.join("prometheus/alerts.yml").exists());
    let (good, said) = run(&["--out", path(&out), "--force"]);
    assert!(good && said.matches("written over: ").count() == 1 && said.matches("written: ").count() == 1, "{said}");
    assert!(std::fs::read_to_string(&rules).unwrap().len() > 100);
}

#[test]
fn options_are_in_the_files() {
    let dir = Dir::new("dashboards-options");
    let read = |file: &str| std::fs::read_to_string(dir.0.join(file)).unwrap();
    let arguments = [
        "--target",
        "a:1",
        "--target",
        "b:2",
        "--alertmanager",
        "c:3",
        "--datasource",
        "Mimir",
        "--index-prefix",
        "mine",
    ];
    let (document, code) = json(&[&["dashboards", "--json", "--out", path(&dir.0)], &arguments[..]].concat());
    assert_eq!(code, Some(0));
    let files = document["files"].as_array().unwrap();
    assert_eq!(files.len(), made().len());
    for (listed, made) in files.iter().zip(made()) {
        assert_eq!(listed["path"], path(&dir.0.join(&made.path)));
        assert_eq!((&listed["done"], &listed["reader"]), (&"written".into(), &Value::from(made.reader.name())));
        assert_eq!((&listed["what"], &listed["import"]), (&made.what.into(), &made.import.into()));
        assert_eq!(listed["bytes"], read(&made.path).len());
    }
    let config = read("prometheus/prometheus.yml");
    assert!(config.contains("targets: [\"a:1\", \"b:2\"]") && config.contains("targets: [\"c:3\"]"), "{config}");
    assert!(read("kibana/ringscope.ndjson").contains("mine-operations"));
    let dashboard: Value = serde_json::from_str(&read("grafana/ringscope-gpu.json")).unwrap();
    assert_eq!(dashboard["templating"]["list"][0]["current"]["value"], "Mimir");
}

#[test]
fn some_of_them_alone() {
    let dir = Dir::new("dashboards-only");
    let (good, said) = run(&["--out", path(&dir.0), "--only", "alertmanager", "--only", "prometheus"]);
    assert!(good, "{said}");
    let mut folders: Vec<_> =
        std::fs::read_dir(&dir.0).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    folders.sort();
    assert_eq!(folders, ["alertmanager", "prometheus"]);
}

#[test]
fn what_is_wrong_is_said_with_its_remedy() {
    let dir = Dir::new("dashboards-wrong");
    let file = dir.file("file", 10);
    for (arguments, says) in [
        (&["--out", path(&file)][..], "is not a folder: name another with --out"),
        (&["--out", "x", "--target", "nowhere"], "must be a host and a port"),
        (&["--out", "x", "--target", "a:0"], "must be a host and a port"),
        (&["--out", "x", "--alertmanager", "http://a:1"], "must be a host and a port"),
        (&["--out", "x", "--index-prefix", "Up"], "must be lower-case letters"),
        (&["--out", "x", "--only", "loki"], "[possible values: grafana, kibana, prometheus, alertmanager, mixin]"),
        (&[], "--out <DIR>"),
    ] {
        let (good, said) = run(arguments);
        assert!(!good && said.contains(says), "{arguments:?}: {said}");
    }
    assert!(!std::path::Path::new("x").exists());
}
