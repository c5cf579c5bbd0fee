//! The program with files as destinations.

use std::process::Command;

use serde_json::Value;

use super::{folder, names};

#[test]
fn the_program_writes_its_last_numbers_into_each_kind_of_file() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let mut run = Command::new(env!("CARGO_BIN_EXE_ringscope"));
    run.args(["run", "--device", "host", "--messages", "700", "--inject-errors", "0.1", "--json"]);
    for url in ["prometheus-file:run.prom?labels=process=a", "json-file:run.json", "json-lines:run.jsonl?keep=1"] {
        run.arg("--publish").arg(url);
    }
    let output = run.current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let kernels = said["summary"]["per_kernel"].as_object().expect("kernels");
    assert_eq!(kernels.values().map(|kernel| kernel["messages_received"].as_u64().unwrap()).sum::<u64>(), 700);

    assert_eq!(names(folder.path()), ["run.json", "run.jsonl", "run.prom"]);
    let page = std::fs::read_to_string(path("run.prom")).unwrap();
    let document: Value = serde_json::from_slice(&std::fs::read(path("run.json")).unwrap()).unwrap();
    let lines = std::fs::read_to_string(path("run.jsonl")).unwrap();
    let last: Value = serde_json::from_str(lines.lines().next_back().unwrap()).unwrap();
    for (name, field) in [("messages_received", "messages_received"), ("errors", "errors")] {
        let name = format!("ringscope_kernel_{name}_total");
        for (id, kernel) in kernels {
            let line = format!("{name}{{process=\"a\",kernel=\"{id}\",device=\"0\"}} {}", kernel[field]);
            assert!(page.lines().any(|of_page| of_page == line), "{line} in {page}");
            for document in [&document, &last] {
                let samples = document["metrics"][&name].as_array().unwrap();
                let sample = samples.iter().find(|sample| sample["labels"]["kernel"] == **id).expect("of each kernel");
                assert_eq!(sample["value"], kernel[field], "{name} of {id}");
            }
        }
    }
    assert_eq!((&document["running"], &last["running"]), (&false.into(), &false.into()));
}
