// memory_races.cpp: two accesses that nothing orders, at least one of them a write, not both fit to be concurrent.
#include <cstdio>

#include "memory_state.h"

namespace ptx {
// Both strong, each meant for the other, of the same bytes. Copies and the silent host go by words whatever was
// written.
static bool morally_strong(const Stamp& a, const Stamp& b) {
    if (!a.strong || !b.strong || !mutual(a.scope, *a.by, b.scope, *b.by)) return false;
    auto by_words = [](const Stamp& s) { return s.by->standing.kind == Standing::COPY || s.by->number == SILENT_HOST; };
    return a.mask == b.mask || by_words(a) || by_words(b);
}

static bool conflict(const Actor& actor, const Stamp& before, const Stamp& now) {
    return (before.mask & now.mask) != 0 && !actor.knows(*before.by, before.epoch) && !morally_strong(before, now);
}

// Somebody who happened before this agent saw the write, with a strong load or a read-modify-write: that orders it too.
bool MemoryState::observed_before(const Actor& by, const Word& word, const Write& write) const {
    if (write.excused) return true;
    const Write* last = &write;
    for (const Write& next : word.writes) {
        if (next.seq <= write.seq) continue;
        if (!next.rmw || !last->strong || !mutual(last->scope, *last->by, next.scope, *next.by)) break;
        if (by.knows(*next.by, next.epoch)) return true;
        last = &next;
    }
    for (const Read& read : word.reads)
        if (read.strong && read.seen >= write.seq && read.seen <= last->seq && write.strong &&
            mutual(write.scope, *write.by, read.scope, *read.by) && by.knows(*read.by, read.first))
            return true;
    return false;
}

void MemoryState::check_read(const Actor& by, const Word& word, const Stamp& access) {
    for (auto write = word.writes.rbegin(); write != word.writes.rend(); ++write)
        if (conflict(by, *write, access) && !observed_before(by, word, *write))
            return report(word, *write, "wrote", access, "reads");
}

void MemoryState::check_write(const Actor& by, const Word& word, const Stamp& access) {
    for (auto write = word.writes.rbegin(); write != word.writes.rend(); ++write)
        if (conflict(by, *write, access) && !observed_before(by, word, *write))
            return report(word, *write, "wrote", access, "writes");
    for (const Read& read : word.reads)
        if (conflict(by, read, access)) return report(word, read, "read", access, "writes");
}

static std::string who(const Life& life) {
    const Standing& s = life.standing;
    if (life.number == SILENT_HOST) return "the host";
    if (s.kind == Standing::HOST) return "host thread " + std::to_string(life.number);
    const std::string device = " of device " + std::to_string(s.device);
    if (s.kind == Standing::COPY) return "a copy" + device;
    return "thread " + std::to_string(s.thread) + " of block " + std::to_string(s.block) + device;
}

static std::string what(const Stamp& access, const char* verb) {
    const unsigned at = access.mask == 0 ? 0 : unsigned(__builtin_ctz(access.mask));
    char text[80];
    std::snprintf(text, sizeof text, " %s 0x%llx (%d bytes) by `", verb, (unsigned long long)(access.value >> at * 8),
                  __builtin_popcount(access.mask));
    return who(*access.by) + text + access.site + "`";
}

static const char* why(const Stamp& a, const Stamp& b) {
    if (!a.strong || !b.strong) return "nothing orders the two";
    if (!mutual(a.scope, *a.by, b.scope, *b.by))
        return "nothing orders the two, and their scopes do not include each other";
    return "nothing orders the two, and their sizes differ";
}

void MemoryState::report(const Word& word, const Stamp& first, const char* did, const Stamp& second, const char* does) {
    if (settings.stop_at_first_race && !races.empty()) return;
    if (!reported_.insert({first.site, second.site}).second) return;
    const u64 address = word.address + u64(__builtin_ctz(unsigned(first.mask & second.mask)));
    char place[120];
    using Long = unsigned long long;
    const Range& range = *word.range;
    std::snprintf(place, sizeof place, "race at 0x%llx (byte %llu of the %llu at 0x%llx): ", Long(address),
                  Long(address - range.base), Long(range.bytes), Long(range.base));
    races.push_back(Race{place + what(first, did) + ", and " + what(second, does) + ": " + why(first, second)});
}
}  // namespace ptx
