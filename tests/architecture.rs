//! The house's order: a file imports only downward, no two files import each other, even by way of others, and no file is
//! too long to be read at one sitting. docs/architecture.md says what the rooms are for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// From the bottom up; rooms of one row may use each other, as long as there is no circle.
const FLOORS: &[&[&str]] = &[
    &["abi", "config", "histogram", "machine", "nvtx"],
    &["device"],
    &["reader"],
    &["metrics"],
    &["trace"],
    &["snapshot"],
    &["collector"],
    &["export"],
    &["alert"],
    &["feed"],
    &["recording"],
    &["publish", "dashboard", "runtime"],
    &["capi", "cli"],
];
const MOST_LINES: usize = 500;

type Module = Vec<String>;

struct File {
    module: Module,
    /// Absolute paths of what it imports, by the name that it has here.
    imports: Vec<(String, Module)>,
    /// Absolute paths that are written out elsewhere in it.
    mentions: Vec<Module>,
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the crate") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn sources(folder: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    files_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    found.retain(|path| path.extension().and_then(|e| e.to_str()).is_some_and(|e| extensions.contains(&e)));
    found.sort();
    found
}

/// `src/a/mod.rs` and `src/a.rs` are `a`.
fn module_of(path: &Path) -> Module {
    let inside = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("a file of src");
    let mut module: Module = inside.with_extension("").iter().map(|p| p.to_string_lossy().into_owned()).collect();
    if module.last().is_some_and(|last| last == "mod" || last == "lib") {
        module.pop();
    }
    module
}

/// Code without its unit tests, which come last, without comments, without texts that are no paths, and without who may
/// see what.
fn code_of(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or(text);
    let text = text.split("#[cfg(all(test").next().unwrap_or(text);
    // Attributes have paths in texts.
    let is_path = |text: &str| ["crate::", "super::", "self::"].iter().any(|root| text.starts_with(root));
    let without_texts = |line: &str| {
        let quoted = line.replace("\\\"", "").replace("'\"'", "");
        let parts = quoted.split('"').enumerate().filter(|(i, part)| i % 2 == 0 || is_path(part));
        parts.map(|(_, part)| part).collect::<Vec<_>>().join("\"")
    };
    let without_comment = |line: &str| without_texts(line).split("//").next().unwrap_or("").to_owned();
    let code = text.lines().map(without_comment).collect::<Vec<_>>().join("\n");
    let mut parts = code.split("pub(in ");
    let first = parts.next().unwrap_or("").to_owned();
    let code = first + &parts.map(|part| part.split_once(')').map_or(part, |(_, after)| after)).collect::<String>();
    from_the_file(&code)
}

/// A module inside the file is part of it: what it calls `super` is the file itself.
fn from_the_file(code: &str) -> String {
    let starts_inside = |line: &str| line.split(' ').any(|word| word == "mod") && line.ends_with('{');
    let mut flat = String::new();
    let mut inside = false;
    for line in code.lines() {
        inside = (inside && !line.starts_with('}')) || starts_inside(line);
        flat += &if inside { line.replace("super::", "self::") } else { line.to_owned() };
        flat.push('\n');
    }
    flat
}

/// `a::{b, c::{self, d as e}}` as its leaves: the name here, and the path.
fn leaves(tree: &str, prefix: &[String], found: &mut Vec<(String, Module)>) {
    let tree = tree.trim();
    // Behind the last comma of a list there is nothing.
    if tree.is_empty() {
        return;
    }
    if let Some((head, rest)) = tree.split_once('{') {
        let head: Vec<String> = prefix.iter().cloned().chain(segments(head)).collect();
        let inside = rest.rsplit_once('}').map_or(rest, |(inside, _)| inside);
        let (mut depth, mut start) = (0, 0);
        for (i, c) in inside.char_indices().chain([(inside.len(), ',')]) {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    leaves(&inside[start..i], &head, found);
                    start = i + 1;
                }
                _ => {}
            }
        }
        return;
    }
    let (path, name) =
        tree.split_once(" as ").map_or((tree, None), |(path, name)| (path, Some(name.trim().to_owned())));
    let mut path: Module = prefix.iter().cloned().chain(segments(path)).collect();
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    if let Some(last) = path.last().cloned() {
        found.push((name.unwrap_or(last), path));
    }
}

fn segments(path: &str) -> impl Iterator<Item = String> {
    path.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned)
}

/// Paths in code that begin with `crate`, `super`, `self`, or a module of this file.
fn mentioned(code: &str, children: &BTreeSet<String>) -> Vec<Module> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let words = code.split(|c: char| !is_name(c)).filter(|word| word.contains("::"));
    let paths = words.map(|word| segments(word).collect::<Module>());
    let known = |first: &str| ["crate", "super", "self", "ringscope"].contains(&first) || children.contains(first);
    paths.filter(|path| path.len() > 1 && known(&path[0])).collect()
}

fn absolute(path: &[String], module: &[String], children: &BTreeSet<String>) -> Option<Module> {
    let mut at = match path.first()?.as_str() {
        "crate" | "ringscope" => Vec::new(),
        "self" | "super" => module.to_vec(),
        first if children.contains(first) => [module, &[first.to_owned()]].concat(),
        _ => return None,
    };
    if path[0] == "super" {
        at.pop();
    }
    for part in &path[1..] {
        if part == "super" { drop(at.pop()) } else { at.push(part.clone()) }
    }
    Some(at)
}

fn read(path: PathBuf, modules: &BTreeSet<Module>) -> File {
    let module = module_of(&path);
    let below = |m: &&Module| m.len() == module.len() + 1 && m.starts_with(&module);
    let children = modules.iter().filter(below).filter_map(|m| m.last().cloned()).collect();
    let code = code_of(&std::fs::read_to_string(&path).expect("a source file"));
    let mut statements = Vec::new();
    let mut rest = String::new();
    for statement in code.split_inclusive(';') {
        match statement.rfind("use ") {
            Some(at) if !statement[at..].contains('(') => {
                statements.push(statement[at + 4..].trim_end_matches(';').to_owned());
                rest += &statement[..at];
            }
            _ => rest += statement,
        }
    }
    let mut imports = Vec::new();
    statements.iter().for_each(|tree| leaves(tree, &[], &mut imports));
    let imports = imports.into_iter().filter_map(|(name, path)| Some((name, absolute(&path, &module, &children)?)));
    let mentions = mentioned(&rest, &children).iter().filter_map(|path| absolute(path, &module, &children)).collect();
    File { imports: imports.collect(), mentions, module }
}

/// The file that defines what this path names, through whatever names it again on the way.
fn definer<'a>(path: &[String], files: &'a BTreeMap<Module, File>, depth: usize) -> Option<&'a Module> {
    let known = (0..=path.len()).rev().find(|n| files.contains_key(&path[..*n]))?;
    let (module, file) = files.get_key_value(&path[..known])?;
    let Some(item) = path.get(known) else { return Some(module) };
    match file.imports.iter().find(|(name, _)| name == item) {
        Some((_, to)) if depth > 0 && to != path => {
            let further: Module = to.iter().chain(&path[known + 1..]).cloned().collect();
            definer(&further, files, depth - 1)
        }
        _ => Some(module),
    }
}

fn edges() -> BTreeMap<Module, BTreeSet<Module>> {
    let paths = sources("src", &["rs"]);
    let modules: BTreeSet<Module> = paths.iter().map(|path| module_of(path)).collect();
    let files: BTreeMap<Module, File> =
        paths.into_iter().map(|path| read(path, &modules)).map(|file| (file.module.clone(), file)).collect();
    let of = |file: &File| {
        let all = file.imports.iter().map(|(_, path)| path).chain(&file.mentions);
        let to = all.filter_map(|path| definer(path, &files, 8)).filter(|to| **to != file.module);
        to.cloned().collect::<BTreeSet<_>>()
    };
    // The front door and the program's first file see everything.
    let rooms = files.values().filter(|file| !file.module.is_empty() && file.module != ["main"]);
    rooms.map(|file| (file.module.clone(), of(file))).collect()
}

fn floor(module: &Module) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&module.first().map_or("", |room| room)))
}

#[test]
fn what_is_no_import_is_not_read_as_one() {
    let file = [
        "use super::a; // not super::b",
        "pub(in crate::c) fn f() {}",
        "const TARGET: &str = \"ringscope::d\";",
        "#[serde(serialize_with = \"super::e::f\")]",
        "mod inside {",
        "    use super::g;",
        "}",
        "use super::h;",
        "#[cfg(test)]",
        "mod tests {",
        "    use super::i;",
    ];
    let left = [
        "use super::a; ",
        " fn f() {}",
        "const TARGET: &str = \";",
        "#[serde(serialize_with = \"super::e::f\")]",
        "mod inside {",
        "    use self::g;",
        "}",
        "use super::h;",
    ];
    assert_eq!(code_of(&file.join("\n")).lines().collect::<Vec<_>>(), left);
}

#[test]
fn a_file_imports_only_downward() {
    let edges = edges();
    let imports: usize = edges.values().map(BTreeSet::len).sum();
    assert!(imports > 300, "{imports} imports: does this test still understand the sources?");
    let mut wrong = Vec::new();
    for (from, to) in edges.iter().flat_map(|(from, all)| all.iter().map(move |to| (from, to))) {
        let Some(own) = floor(from) else {
            wrong.push(format!("{} is on no floor", from.join("::")));
            continue;
        };
        if floor(to).is_some_and(|other| other > own) {
            wrong.push(format!("{} imports {}, which is above it", from.join("::"), to.join("::")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_two_files_import_each_other() {
    let edges = edges();
    let mut reached: BTreeMap<&Module, BTreeSet<&Module>> = BTreeMap::new();
    for from in edges.keys() {
        let mut seen = BTreeSet::new();
        let mut next: Vec<&Module> = edges[from].iter().collect();
        while let Some(to) = next.pop() {
            if seen.insert(to) {
                next.extend(edges.get(to).into_iter().flatten());
            }
        }
        reached.insert(from, seen);
    }
    let circles = edges.iter().flat_map(|(from, all)| all.iter().map(move |to| (from, to)));
    let circles = circles.filter(|(from, to)| reached.get(*to).is_some_and(|back| back.contains(*from)));
    let lines: Vec<String> = circles.map(|(a, b)| format!("{} -> {}", a.join("::"), b.join("::"))).collect();
    assert!(lines.is_empty(), "in circles:\n{}", lines.join("\n"));
}

#[test]
fn no_file_is_longer_than_a_sitting() {
    let all = [
        sources("src", &["rs"]),
        sources("tests", &["rs", "cpp", "c", "h"]),
        sources("kernels", &["cu", "cuh", "h", "cpp"]),
    ];
    let length = |path: &PathBuf| std::fs::read_to_string(path).expect("a source file").lines().count();
    let long: Vec<String> = all
        .iter()
        .flatten()
        .map(|path| (length(path), path))
        .filter(|(lines, _)| *lines > MOST_LINES)
        .map(|(lines, path)| format!("{lines} {}", path.display()))
        .collect();
    assert!(long.is_empty(), "over {MOST_LINES} lines:\n{}", long.join("\n"));
}
