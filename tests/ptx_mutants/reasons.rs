//! Why a mutant of the PTX survives: nothing needs that order there, or the machine cannot see it.

use crate::{Mutant, is_caught};

/// Holds for a mutant if each of its texts does.
pub(crate) struct Rule {
    /// Start of the names of entries, with commas between; empty for all.
    entries: &'static str,
    /// The mutation; with a star, also that of every copy.
    what: &'static str,
    /// Start of the opcode.
    opcode: &'static str,
    /// Somewhere in the place with its calls.
    place: &'static str,
    pub(crate) reason: &'static str,
}

const fn rule(
    entries: &'static str,
    what: &'static str,
    opcode: &'static str,
    place: &'static str,
    reason: &'static str,
) -> Rule {
    Rule { entries, what, opcode, place, reason }
}

const STOP: &str = "Needed, and seldom to be seen: a block that learns of STOP from another must find the host's last tail at its own \
    last look. Without the order both words of the host must be answered stale at once, just after messages that nobody has seen. \
    refresh() with every copy relaxed is caught in each entry.";
const HELD: &str = "Needed, and seldom to be seen: a block that waits for room for a reply must be the first to learn of a message \
    that another takes at once. Every copy at once is caught.";
const TWICE: &str = "Needed, and seldom run: a command that comes between the last two looks of a wait for room. Every copy at once is caught.";
const AT_STOP: &str = "Never reached while the orders before it are right: who has seen STOP, has seen the last tail and the last command.";
const IN_OPEN: &str = "A look at the command while a block waits for room: what it finds is looked at again by the next look, and the \
    trials have few such waits. Every copy at once is caught.";
const BOX: &str = "A word of a black box, which its host reads when the kernel rests or died, and takes by stamps, in any order. The \
    machine's host finds it in memory by then, whatever the scope; on a GPU it is .sys that says so.";
const BOX_COUNT: &str = "The black box's count on the device: written and read by the thread that writes the box, which program order \
    serves.";
const RECORD: &str = "A word of a ring of records, or of its head: a copy finds it at any moment, in any order, and stamps say what it is \
    of. The machine's host copies without telling what it reads, so a weak store is no race that it knows of.";
const ONCE: &str = "Written once, when the block begins; nobody else writes it, and a copy takes it at any moment.";
const LANE_0: &str =
    "Lane 0 alone writes this reply, and what the other lanes read of the message lies before another meeting.";

pub(crate) const RULES: &[Rule] = &[
    rule(
        "",
        "stores swapped",
        "st.relaxed.gpu",
        "put(RINGSCOPE",
        "Words of the telemetry: nothing orders them for a reader in any case.",
    ),
    rule(
        "",
        "stores swapped",
        "st.global",
        "publish `slot->",
        "Both lie before the one fence that publishes the reply.",
    ),
    rule(
        "echo",
        "stores swapped",
        "st.v4.u32",
        "handle",
        "Not run: an unrolled loop for payloads from 2 KiB on, and the slots here have 512 bytes. Both stores lie before the fence.",
    ),
    rule(
        "",
        "",
        "ld.acquire.sys",
        "< drop_queue",
        "The last look after a stop, for a count: no message is read after it, and STOP, which was acquired before, is the host's last word.",
    ),
    rule("", "", "red.release.gpu", "< drop_queue", AT_STOP),
    rule("", "", "st.relaxed.sys", "< drop_queue", AT_STOP),
    rule("", "acquire to relaxed*", "ld.acquire.gpu", "look `ringscope_u64 command", STOP),
    rule("", "release to relaxed*", "red.release.gpu", "raise_release_gpu(&args_.device->seen_command", STOP),
    rule("", "acquire to relaxed", "ld.acquire.sys", "refresh `ringscope_u64 command", STOP),
    rule("", "", "st.relaxed.sys", "answer_the_clock", TWICE),
    rule("", "scope to .cta", "red.release.gpu", "seen_command, command_ = command);` < open", TWICE),
    rule(
        "",
        "acquire to relaxed",
        "ld.acquire.sys",
        "refresh `ringscope_u64 tail = detail::load_acquire_system(&args_.host->tail);` < open",
        HELD,
    ),
    rule(
        "",
        "*",
        "ld.acquire.sys",
        "refresh `ringscope_u64 command = detail::load_acquire_system(&args_.host->command);` < open",
        IN_OPEN,
    ),
    rule("", "*", "st.relaxed.sys", "RINGSCOPE_BOX_", BOX),
    rule("", "*", "ld.relaxed.gpu", "RINGSCOPE_BOX_WRITTEN", BOX_COUNT),
    rule("", "*", "st.relaxed.gpu", "RINGSCOPE_BOX_WRITTEN", BOX_COUNT),
    rule("", "*", "st.relaxed.gpu", "put_word", RECORD),
    rule("", "*", "st.relaxed.gpu", "store_relaxed(head(", RECORD),
    rule(
        "",
        "*",
        "ld.relaxed.gpu",
        "written_ = load_relaxed(head(",
        "Read when the block begins, by who alone writes it.",
    ),
    rule(
        "",
        "*",
        "ld.relaxed.gpu",
        "ringscope_u64 filter = load_relaxed(ref.filter)",
        "The trial changes it by a copy, which tells nobody: each value of it is one that was set.",
    ),
    rule("", "*", "st.relaxed.gpu", "begin_life", ONCE),
    rule(
        "",
        "stores swapped",
        "st.relaxed.gpu",
        "put_where",
        "Words of a place: nothing orders them for a reader in any case.",
    ),
    rule("", "", "red.release.gpu", "seen_tail, tail_ = tail);` < open", HELD),
    rule("crc32c,compute", "bar.warp.sync dropped*", "bar.warp.sync", "open `sync_lanes", LANE_0),
    rule("", "bar.warp.sync dropped", "bar.warp.sync", "open `sync_lanes();` < publish", LANE_0),
    rule("crc32c,compute", "bar.warp.sync dropped*", "bar.warp.sync", "publish `sync_lanes", LANE_0),
    rule(
        "",
        "bar.warp.sync dropped",
        "bar.warp.sync",
        "record_warp `sync_lanes",
        "The one of two that comes before the record: publish() has met already after what lane 0 wrote. The one behind the record is caught, and so are both.",
    ),
    rule(
        "probe_metrics",
        "*",
        "ld.relaxed.gpu",
        "find `if (at != KIND_WORD)",
        "Written before the kind, which was acquired, and never changed after.",
    ),
];

fn holds(rule: &Rule, mutant: &Mutant) -> bool {
    let entry = rule.entries.is_empty() || rule.entries.split(',').any(|name| mutant.entry.starts_with(name));
    let what = match rule.what.strip_suffix('*') {
        Some("") => true,
        Some(what) => mutant.what.strip_suffix(", every copy").unwrap_or(&mutant.what) == what,
        None => rule.what.is_empty() && !mutant.what.ends_with(", every copy") || mutant.what == rule.what,
    };
    entry && what && mutant.opcode.starts_with(rule.opcode) && mutant.calls.contains(rule.place)
}

pub(crate) fn reason_of(mutant: &Mutant) -> Option<&'static Rule> {
    RULES.iter().find(|rule| holds(rule, mutant))
}

/// Survivors without a reason, and rules that no survivor needs.
pub(crate) fn missing(mutants: &[Mutant]) -> (Vec<&Mutant>, Vec<&'static str>) {
    let survivors: Vec<_> = mutants.iter().filter(|m| !is_caught(m)).collect();
    let unexplained = survivors.iter().filter(|m| reason_of(m).is_none()).copied().collect();
    let used = |rule: &Rule| survivors.iter().any(|m| reason_of(m).is_some_and(|r| std::ptr::eq(r, rule)));
    (unexplained, RULES.iter().filter(|rule| !used(rule)).map(|rule| rule.place).collect())
}
