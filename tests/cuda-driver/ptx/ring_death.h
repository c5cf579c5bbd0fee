// ring_death.h: a ring's kernel that dies, and what it leaves. A reply that waits for others to be published with may be lost; one
// that the host can find is whole, and none is there twice; and a message whose slot was given back has its whole reply in memory.
#pragma once
#include <algorithm>
#include <set>

#include "ring_host.h"
#include "trial.h"

namespace trial {
using namespace ring;
using Expected = std::vector<std::pair<u32, std::vector<u8>>>;  // status and bytes of each reply

class Death {
   public:
    // `tells`: of a kernel that counts what it does.
    Death(const Entry& entry, u64 seed, u64 messages, bool tells) : entry_(entry), draw_(seed) {
        static const How HOWS[] = {STOPPED, TRAPS_ANYWHERE, TRAPS_IN_REPLY};
        how_ = HOWS[draw_(3)];
        sent_ = 1 + draw_(messages);
        patience_ = !tells || draw_(4) == 0 ? 60 : 20000;
    }
    // To be launched: its own copy of the kernel.
    const Entry& entry() const { return entry_; }
    bool is_struck() const { return struck_; }
    // Nothing of it was lost but by not being done.
    bool lost_nothing() const { return how_ == STOPPED; }
    bool in_reply() const { return how_ == TRAPS_IN_REPLY; }

    // When that many messages were sent: soon, or when there is a reply that waits for others. A block that trapped takes the
    // others with it.
    void look(Machine& machine, const std::vector<u64>& blocks, u64 sent, bool gathers) {
        auto trapped = [&](u64 block) { return machine.outcome(block) != nullptr && machine.outcome(block)->end == Outcome::TRAPPED; };
        if (!struck_ && sent >= sent_ && draw_(gathers ? 4 : patience_) == 0) strike(machine);
        if (struck_ && std::any_of(blocks.begin(), blocks.end(), trapped)) machine.stop_all(0);
    }

   private:
    enum How : u8 { STOPPED, TRAPS_ANYWHERE, TRAPS_IN_REPLY } how_;

    void strike(Machine& machine) {
        struck_ = true;
        if (how_ == STOPPED) return machine.stop_all(0);
        for (Instruction& i : entry_.code)
            if (how_ == TRAPS_ANYWHERE ? !is_waited_at(i) : is_of_reply(i)) become_trap(i);
    }
    // Lanes are there already, and the others come to meet them.
    static bool is_waited_at(const Instruction& i) {
        static const Op OPS[] = {Op::BAR, Op::BAR_WARP, Op::MATCH, Op::REDUX, Op::SHFL, Op::VOTE};
        return std::find(std::begin(OPS), std::end(OPS), i.op) != std::end(OPS);
    }
    // A plain store that is not to shared memory: all others are words of the rings and of the telemetry.
    static bool is_of_reply(const Instruction& i) {
        return i.op == Op::ST && i.order == Order::WEAK && (i.space == Space::GLOBAL || i.space == Space::GENERIC);
    }
    static void become_trap(Instruction& i) {
        i.op = Op::TRAP;
        i.guard = -1;
    }

    Entry entry_;
    Draw draw_;
    u64 sent_, patience_;
    bool struck_ = false;
};

// What lies in the rings of a dead kernel, when all that it wrote is visible.
class Remains {
   public:
    Remains(Ring& ring, const std::vector<Answer>& answers, const Expected& expected, u64 sent, u64 taken)
        : ring_(ring), answers_(answers), expected_(expected), sent_(sent), taken_(taken) {}
    // `counts`: what the telemetry counted was not lost.
    void check(u32 blocks, bool counts, Seen& seen) {
        for (u64 n = taken_; n < taken_ + ring_.slots; ++n) check_reply(n);
        for (u64 n = 0; n < sent_; ++n) bench::check(!is_given_back(n) || has_reply(n), "a message was given back, its reply is not whole");
        seen.unpublished += unpublished_;
        if (!counts) return;
        // Of each block one message may be published and not counted yet; what it gathered is counted, and lies there.
        u64 counted = ring_.count(RINGSCOPE_SENT);
        bench::check(published_ <= counted + blocks && counted <= published_ + unpublished_, "replies counted are not those published, or gathered");
    }

   private:
    // The host did not come to it: a reply before it is missing.
    void check_reply(u64 n) {
        auto* slot = reinterpret_cast<const ringscope_slot_out*>(ring_.out_slot(n));
        bool is_own = slot->seq < sent_ && answers_[slot->seq].status == ~0u;
        if (slot->ready != n + 1) {
            unpublished_ += n < ring_.device.out_ticket && is_own && is_whole(slot);
            return;
        }
        ++published_;
        is_own = is_own && untaken_.insert(slot->seq).second;
        bench::check(is_own && is_whole(slot), "a reply that nobody took is wrong");
    }
    bool is_whole(const ringscope_slot_out* slot) const {
        auto& [status, bytes] = expected_[slot->seq];
        const u8* payload = reinterpret_cast<const u8*>(slot) + RINGSCOPE_SLOT_HEADER;
        return slot->status == status && slot->bytes == bytes.size() && std::equal(bytes.begin(), bytes.end(), payload);
    }
    bool is_given_back(u64 n) const { return n + ring_.slots < sent_ || *ring_.done_of(n) == n + 1; }
    bool has_reply(u64 message) const {
        if (answers_[message].status != ~0u) return true;
        for (u64 n = taken_; n < taken_ + ring_.slots; ++n) {
            auto* slot = reinterpret_cast<const ringscope_slot_out*>(ring_.out_slot(n));
            if (slot->seq == message && is_whole(slot)) return true;
        }
        return false;
    }

    Ring& ring_;
    const std::vector<Answer>& answers_;
    const Expected& expected_;
    u64 sent_, taken_, published_ = taken_, unpublished_ = 0;
    std::set<u64> untaken_;
};
}  // namespace trial
