//! Every name that the headers bring along is documented as the author's, or begins with ringscope.

use std::collections::BTreeSet;

use crate::toolkit::root;

/// What a kernel's author may use. Everything else is in `detail`.
const DOCUMENTED: &str = "KernelRef Word16 LANES_PER_WARP lane_index sync_lanes all_lanes from_lane from_lane0 xor_lanes sum_lanes \
     block_index block_count thread_index thread_count clock_ns Metric CounterRef GaugeRef HistogramRef ExponentialRef \
     FamilyRef CounterFamilyRef GaugeFamilyRef HistogramFamilyRef ExponentialFamilyRef counter gauge histogram exponential \
     counter_family gauge_family histogram_family exponential_family LocalCounter LocalHistogram Kind MessageRecord Role Attached \
     Recorder Span spin_until spin_until_equal check Message Ring Reply Context NoArgs run_ring \
     warp_index sync_block shared_memory BlockMail BlockReply BlockContext BlockLoop run_ring_block";

/// The text without comments and strings; preprocessor lines apart.
fn code_of(text: &str) -> (Vec<String>, Vec<String>) {
    let (mut code, mut directives, mut goes_on) = (Vec::new(), Vec::new(), false);
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or_default();
        if goes_on || line.trim_start().starts_with('#') {
            goes_on = line.trim_end().ends_with('\\');
            directives.push(line.trim().to_owned());
        } else {
            code.push(line.to_owned());
        }
    }
    (code, directives)
}

fn words(line: &str) -> Vec<&str> {
    line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty()).collect()
}

/// What a declaration declares, from its first line.
fn declared(line: &str) -> Option<String> {
    let words = words(line);
    let after = |keyword: &str| words.iter().position(|word| *word == keyword).map(|at| words[at + 1].to_owned());
    match *words.first()? {
        "template" => None, // The name is in the next line.
        "struct" | "class" => words[1..].iter().find(|word| !word.starts_with("RINGSCOPE_")).map(ToString::to_string),
        "using" => after("using"),
        "enum" => after("enum"),
        "typedef" => words.last().map(ToString::to_string),
        _ => {
            let (before, _) = line.split_once(['(', '=', ';', '[', '{'])?;
            crate::names::words(before).last().map(ToString::to_string)
        }
    }
}

/// The names declared right in the namespace ringscope, or outside of all.
fn names_of(text: &str) -> BTreeSet<String> {
    let (code, _) = code_of(text);
    let (mut open, mut names, mut goes_on): (Vec<bool>, _, _) = (Vec::new(), BTreeSet::new(), false);
    for line in &code {
        let trimmed = line.trim();
        let is_scope =
            ["namespace ringscope", "inline namespace", "extern \"C\""].iter().any(|w| trimmed.starts_with(w));
        let starts = !goes_on && line.starts_with(|c: char| c.is_ascii_alphabetic() || c == '[');
        // A member of another class, defined outside of it, brings no name.
        if starts
            && !is_scope
            && open.iter().all(|scope| *scope)
            && !trimmed.split('(').next().unwrap_or("").contains("::")
        {
            names.extend(declared(trimmed).filter(|_| !trimmed.starts_with("namespace detail")));
        }
        for brace in trimmed.chars().filter(|c| "{}".contains(*c)) {
            match brace {
                '{' => open.push(is_scope),
                _ => drop(open.pop()),
            }
        }
        goes_on = !trimmed.is_empty() && !trimmed.ends_with(['{', '}', ';', ':', '>']);
    }
    names
}

#[test]
fn the_search_for_names_finds_them() {
    let text = "typedef unsigned x_t;\nnamespace ringscope {\nnamespace detail {\nint hidden(int a) {\n}\n}\n\
                inline namespace LEVEL {\ntemplate <class T>\nRINGSCOPE_INLINE T open(T v,\n    int w) {\n    return v;\n}\n\
                struct RINGSCOPE_MAY_ALIAS Struct {\n    int member;\n};\n}\nconstexpr int LANES = 3;\nusing Other = int;\n}\n";
    let found: Vec<_> = names_of(text).into_iter().collect();
    assert_eq!(found, ["LANES", "Other", "Struct", "open", "x_t"]);
}

#[test]
fn every_name_of_the_headers_is_documented_or_internal() {
    let documented: BTreeSet<_> = DOCUMENTED.split_whitespace().map(str::to_owned).collect();
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(root().join("kernels/include/ringscope")).expect("the headers") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a header");
        for directive in code_of(&text).1.iter().filter_map(|line| line.strip_prefix("#define ")) {
            let name = words(directive)[0];
            assert!(name.starts_with("RINGSCOPE_"), "{}: a macro `{name}`", path.display());
        }
        let names = names_of(&text).into_iter().filter(|name| !name.to_ascii_lowercase().starts_with("ringscope_"));
        found.extend(names);
    }
    let unknown: Vec<_> = found.difference(&documented).collect();
    assert!(unknown.is_empty(), "neither documented nor in detail: {unknown:?}");
    let gone: Vec<_> = documented.difference(&found).collect();
    assert!(gone.is_empty(), "no longer there: {gone:?}");
}
