//! Who reads a file finds nothing wrong with it: promtool, amtool, Grafana's own models, jsonnet, a parser of YAML; and finds what
//! is wrong in files that are.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ringscope::dashboard::Reader;
use serde_json::Value;

use crate::made::{contents, made, of_repository};
use crate::receivers::found;

/// All files, in a folder of this test's own.
fn written() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in made() {
        let path = folder.path().join(&file.path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &file.contents).unwrap();
    }
    folder
}

/// Whether a checker is content, and what it says.
fn checked(program: &Path, arguments: &[&str], file: &Path) -> (bool, String) {
    let output = Command::new(program).args(arguments).arg(file).output().expect("it starts");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.success() && !said.contains("FAILED"), said)
}

/// The same file with something wrong in it.
fn changed(file: &Path, from: &str, to: &str) -> PathBuf {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{} has no {from}", file.display());
    let other = file.with_file_name(format!("wrong-{}", file.file_name().unwrap().to_str().unwrap()));
    std::fs::write(&other, text.replacen(from, to, 1)).unwrap();
    other
}

#[test]
fn promtool_finds_nothing_wrong_with_configuration_rules_and_alerts() {
    let Some(promtool) = found("RINGSCOPE_PROMTOOL3") else { return };
    let folder = written();
    for (what, file, from, to) in [
        ("config", "prometheus.yml", "scrape_interval", "scrape_intervall"),
        ("rules", "rules.yml", "sum by", "summ by"),
        ("rules", "alerts.yml", "for: 5m", "for: soon"),
    ] {
        let file = folder.path().join("prometheus").join(file);
        let arguments: &[&str] =
            if what == "rules" { &["check", "rules", "--lint=all", "--lint-fatal"] } else { &["check", what] };
        let (good, said) = checked(&promtool, arguments, &file);
        assert!(good && said.contains("SUCCESS"), "{}: {said}", file.display());
        let (good, said) = checked(&promtool, arguments, &changed(&file, from, to));
        assert!(!good, "{said}");
    }
}

/// tests/dashboards/rules-test.yml: each alert fires where it must, and only there; each recorded series has the value that it must.
#[test]
fn rules_and_alerts_do_what_they_are_for() {
    let Some(promtool) = found("RINGSCOPE_PROMTOOL3") else { return };
    let folder = written();
    let tests = std::fs::read_to_string(of_repository("tests/dashboards/rules-test.yml")).unwrap();
    let missing = |kind: &str, file: &str| {
        let text = contents(file);
        let names: Vec<String> =
            text.lines().filter_map(|line| Some(line.trim().strip_prefix(kind)?.to_owned())).collect();
        assert!(names.len() > 15, "{names:?}");
        names.into_iter().filter(|name| !tests.contains(name)).collect::<Vec<_>>()
    };
    assert_eq!(missing("- alert: ", "prometheus/alerts.yml"), [""; 0], "no test of these");
    assert_eq!(missing("- record: ", "prometheus/rules.yml"), [""; 0], "no test of these");
    let file = folder.path().join("prometheus/rules-test.yml");
    std::fs::write(&file, &tests).unwrap();
    let (good, said) = checked(&promtool, &["test", "rules"], &file);
    assert!(good && said.contains("SUCCESS"), "{said}");
    // The same tests, with a limit that is another one.
    changed(&folder.path().join("prometheus/alerts.yml"), "> 0.05", "> 0.5");
    let wrong = folder.path().join("prometheus/wrong-rules-test.yml");
    std::fs::write(&wrong, tests.replace("alerts.yml", "wrong-alerts.yml")).unwrap();
    assert!(!checked(&promtool, &["test", "rules"], &wrong).0);
}

#[test]
fn amtool_finds_nothing_wrong_with_the_example() {
    let Some(amtool) = found("RINGSCOPE_AMTOOL") else { return };
    let folder = written();
    let file = folder.path().join("alertmanager/alertmanager.yml");
    let (good, said) = checked(&amtool, &["check-config"], &file);
    assert!(
        good && said.contains("SUCCESS") && said.contains("3 receivers") && said.contains("2 inhibit rules"),
        "{said}"
    );
    let (good, said) = checked(&amtool, &["check-config"], &changed(&file, "receiver: later", "receiver: latter"));
    assert!(!good, "{said}");
    for (severity, receiver) in [("critical", "at once"), ("warning", "later"), ("info", "nobody")] {
        let mut command = Command::new(&amtool);
        command.args(["config", "routes", "test", "--config.file"]).arg(&file).arg(format!("severity={severity}"));
        let said = command.output().unwrap().stdout;
        assert_eq!(String::from_utf8_lossy(&said).trim(), receiver);
    }
}

/// Runs a script of this folder with packages that scripts/receivers.sh brings, and returns what it prints, as JSON.
fn python(variable: &str, script: &str, arguments: &[&Path]) -> Option<Value> {
    let packages = found(variable)?;
    let mut command = Command::new("python3");
    command.arg(of_repository("tests/dashboards").join(script)).args(arguments);
    let output = command.env("PYTHONPATH", packages).stdin(Stdio::null()).output().expect("python3 starts");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

#[test]
fn grafanas_own_models_know_everything_that_dashboards_say() {
    let folder = written();
    let wrong = |file: &Path| python("RINGSCOPE_DASHBOARD_MODELS", "grafana.py", &[file]);
    let mut dashboards = 0;
    for file in made().iter().filter(|file| file.reader == Reader::Grafana) {
        let Some(found) = wrong(&folder.path().join(&file.path)) else { return };
        assert_eq!(found, serde_json::json!([]), "{}", file.path);
        dashboards += 1;
    }
    assert_eq!(dashboards, 4);
    let file = folder.path().join("grafana/ringscope-overview.json");
    for (from, to, what) in [
        ("\"legendFormat\"", "\"legendFormatt\"", "legendFormatt"),
        ("\"collapsed\": false", "\"collapsed\": \"no\"", "collapsed"),
        ("\"showPoints\": \"never\"", "\"showPoints\": \"seldom\"", "showPoints"),
        ("\"graphMode\"", "\"graphModes\"", "graphModes"),
        ("\"refresh\": 2", "\"refresh\": 7", "refresh"),
    ] {
        let found = wrong(&changed(&file, from, to)).unwrap();
        // The models have names as Python has them.
        let says = |w: &Value| w.as_str().unwrap().replace('_', "").contains(&what.to_lowercase());
        assert!(found.as_array().unwrap().iter().any(|w| says(&w.to_string().to_lowercase().into())), "{to}: {found}");
    }
}

#[test]
fn the_mixin_is_jsonnet_with_what_the_files_have() {
    let folder = written();
    let Some(library) =
        python("RINGSCOPE_DASHBOARD_MODELS", "mixin.py", &[&folder.path().join("mixin/mixin.libsonnet")])
    else {
        return;
    };
    let dashboards = library["grafanaDashboards"].as_object().unwrap();
    assert_eq!(dashboards.len(), 4);
    for (name, dashboard) in dashboards {
        let file: Value = serde_json::from_str(&contents(&format!("grafana/{name}"))).unwrap();
        assert_eq!(*dashboard, file, "{name}");
    }
    // The same as the files in YAML, as somebody else's parser reads them.
    for (key, file) in [("prometheusRules", "prometheus/rules.yml"), ("prometheusAlerts", "prometheus/alerts.yml")] {
        let Some(yaml) = python("RINGSCOPE_SCHEMAS", "yaml_to_json.py", &[&folder.path().join(file)]) else { return };
        assert_eq!(library[key], yaml, "{key}");
    }
}
