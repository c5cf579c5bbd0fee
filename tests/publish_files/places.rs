//! Where files can be written, with which permissions, and what is said of places where they cannot.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use ringscope::publish::{JsonFile, JsonLines, PrometheusFile, PublishError};

use super::{child, counted, file_of_child, folder, names, publish, target};

fn said(error: Result<impl std::fmt::Debug, PublishError>) -> String {
    error.expect_err("it cannot be").to_string()
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let file = |text: &str| {
        let (target, environment) = target(text);
        said(match target.scheme.as_str() {
            "prometheus-file" => PrometheusFile::from_target(target, &environment).map(drop),
            "json-file" => JsonFile::from_target(target, &environment).map(drop),
            _ => JsonLines::from_target(target, &environment).map(drop),
        })
    };
    for (text, what) in [
        ("prometheus-file:page.txt", "must end with .prom"),
        ("prometheus-file:.prom", "must end with .prom"),
        ("prometheus-file:a.prom?mod=644", "there are mode, labels"),
        ("prometheus-file:a.prom?mode=444", "from 600 to 777"),
        ("prometheus-file:a.prom?mode=rw", "from 600 to 777"),
        ("prometheus-file:a.prom?labels=kernel=a", "samples of ringscope's have a label of this name"),
        ("prometheus-file:a.prom?labels=le=a", "samples of ringscope's have a label of this name"),
        ("prometheus-file:a.prom?labels=1=a", "a letter first"),
        ("prometheus-file:a.prom?labels==a", "a letter first"),
        ("prometheus-file:a.prom?labels=__a=a", "Prometheus's own"),
        ("prometheus-file:a.prom?labels=a=1,a=2", "it is there twice"),
        ("json-file:", "must end with the name of a file"),
        ("json-file:folder/", "must end with the name of a file"),
        ("json-file:a.json?keep=3", "there are mode"),
        ("json-lines:a?rotate_bytes=0", "at least 1"),
        ("json-lines:a?rotate_bytes=64MiB", "no whole number"),
        ("json-lines:a?keep=-1", "no whole number"),
        ("json-lines:a?keep=99999999999", "so many files"),
        ("json-lines:a?labels=a", "there are rotate_bytes, keep, mode"),
    ] {
        let said = file(text);
        assert!(said.contains(what), "{text}: {said}");
    }
    let (target, environment) = target("json-lines:user@host.jsonl");
    JsonLines::from_target(target, &environment).unwrap();
}

#[test]
fn a_folder_that_is_not_there_or_not_to_be_written_to_is_said() {
    let folder = folder();
    std::fs::write(folder.path().join("file"), "").unwrap();
    for (path, what) in [
        (folder.path().join("none/run.prom"), "make the folder"),
        (folder.path().join("file/run.prom"), "make the folder"),
        // Nobody makes files there, whoever it is.
        (Path::new("/sys/run.prom").to_owned(), "let the user of this process write into the folder"),
        (folder.path().join(format!("{}.prom", "long".repeat(100))), "name too long"),
    ] {
        for error in [
            publish(&PrometheusFile::new(&path).unwrap(), &counted(1)).unwrap_err(),
            publish(&JsonLines::new(&path).unwrap(), &counted(1)).unwrap_err(),
        ] {
            let said = error.to_string();
            assert!(said.to_lowercase().contains(what) && said.contains(path.to_str().unwrap()), "{said}");
            // Somebody may make it.
            assert!(!error.is_permanent() && error.reason() == "file", "{error:?}");
        }
    }
}

#[test]
fn links_folders_and_devices_are_not_replaced() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("file.json"), "before").unwrap();
    symlink("file.json", path("link.json")).unwrap();
    symlink("nothing", path("lost.json")).unwrap();
    std::fs::create_dir(path("folder.json")).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(path("socket.json")).unwrap();
    let before = names(folder.path());
    for (name, what) in [
        ("link.json", "name file.json itself"),
        ("lost.json", "name nothing itself"),
        ("folder.json", "it is a folder: add the name of a file"),
        ("socket.json", "it is no regular file"),
    ] {
        let said = said(publish(&JsonFile::new(path(name)).unwrap(), &counted(1)));
        assert!(said.contains(what), "{name}: {said}");
    }
    assert!(said(publish(&JsonFile::new("/dev/null").unwrap(), &counted(1))).contains("it is no regular file"));
    drop(listener);
    assert_eq!(names(folder.path()), before);
    assert_eq!(std::fs::read_to_string(path("file.json")).unwrap(), "before");

    // A folder may well be a link.
    symlink(path("folder.json"), path("to-folder")).unwrap();
    publish(&JsonFile::new(path("to-folder/a.json")).unwrap(), &counted(1)).unwrap();
    assert_eq!(names(&path("folder.json")), ["a.json"]);
}

/// In a child whose files would be its own alone.
#[test]
fn writes_each_kind_of_file() {
    let Some(folder) = file_of_child() else { return };
    publish(&PrometheusFile::new(folder.join("a.prom")).unwrap(), &counted(1)).unwrap();
    publish(&JsonFile::new(folder.join("b.json")).unwrap(), &counted(1)).unwrap();
    publish(&JsonLines::new(folder.join("c.jsonl")).unwrap(), &counted(1)).unwrap();
    publish(&JsonFile::new(folder.join("d.json")).unwrap().mode(0o640).unwrap(), &counted(1)).unwrap();
    let (target, environment) = target(&format!("json-lines:{}?mode=660", folder.join("e").display()));
    publish(&JsonLines::from_target(target, &environment).unwrap(), &counted(1)).unwrap();
}

#[test]
fn others_can_read_whatever_the_processs_mask_is() {
    let folder = folder();
    let written = child("places::writes_each_kind_of_file", "umask 077", folder.path()).output().unwrap();
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stdout));
    let modes: Vec<u32> = names(folder.path()).iter().map(|name| mode(&folder.path().join(name))).collect();
    assert_eq!(modes, [0o644, 0o644, 0o644, 0o640, 0o660]);
}

#[test]
fn a_device_that_is_full_is_said() {
    let error = publish(&JsonLines::new("/dev/full").unwrap(), &counted(1)).unwrap_err();
    assert!(error.to_string().contains("make room there, or write elsewhere"), "{error}");
    assert!(!error.is_permanent());
}

/// In a child to whom the system gives less and less room: what was there before stays whole, and is all there is.
#[test]
fn writes_until_there_is_no_room() {
    let Some(folder) = file_of_child() else { return };
    let file = JsonFile::new(folder.join("a.json")).unwrap();
    let lines = JsonLines::new(folder.join("b.jsonl")).unwrap();
    publish(&file, &counted(1)).unwrap();
    let before = std::fs::read_to_string(folder.join("a.json")).unwrap();
    let error = (0..10_000).find_map(|_| publish(&lines, &counted(2)).err()).expect("there is a limit");
    assert!(error.to_string().contains("make room there, or write elsewhere"), "{error}");
    let text = std::fs::read_to_string(folder.join("b.jsonl")).unwrap();
    assert!(text.ends_with('\n') && text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));

    let collector = ringscope::TelemetryCollector::new(true);
    for n in 0..2000 {
        let name = format!("a_name_that_takes_room_{n}");
        collector.counter(&name, "Help").unwrap().on_host().unwrap().inc();
    }
    let error = publish(&file, &super::publication(collector.snapshot().unwrap())).unwrap_err();
    assert!(error.to_string().contains("make room there, or write elsewhere"), "{error}");
    assert_eq!(std::fs::read_to_string(folder.join("a.json")).unwrap(), before);
    assert_eq!(names(&folder), ["a.json", "b.jsonl"]);
}

const FULL: &str = "places::writes_until_there_is_no_room";

#[test]
fn a_limit_of_the_size_of_files_leaves_what_was_there() {
    let folder = folder();
    // In units of 512 bytes, with the signal ignored that would end the process.
    let limited = child(FULL, "trap '' XFSZ; ulimit -f 128", folder.path()).output().unwrap();
    assert!(limited.status.success(), "{}", String::from_utf8_lossy(&[limited.stdout, limited.stderr].concat()));
    assert_eq!(names(folder.path()), ["a.json", "b.jsonl"]);
}

/// A disk of 128 KiB in memory, which a user may have in a namespace of its own on most systems.
#[test]
fn a_full_disk_leaves_what_was_there() {
    let folder = folder();
    let mount = format!("mount -t tmpfs -o size=128k none '{}' || exit 42", folder.path().display());
    let mut command = std::process::Command::new("unshare");
    let within = child(FULL, &mount, folder.path());
    command.args(["--user", "--map-root-user", "--mount"]).arg(within.get_program()).args(within.get_args());
    let full = command.env(super::CHILD, folder.path()).output();
    match full {
        Ok(output) if output.status.code() == Some(0) => {}
        Ok(output) if output.status.code() == Some(101) => {
            panic!("{}", String::from_utf8_lossy(&[output.stdout, output.stderr].concat()))
        }
        other => println!("skipped: no file system of one's own can be mounted here: {other:?}"),
    }
}
