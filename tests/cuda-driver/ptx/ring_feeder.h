// ring_feeder.h: the stream that feeds a ring in device memory, as src/device/cuda/feeder.rs has it: copies of slots, one after
// the other, and behind them a word that is written after a fence of the system. The device takes it up some words at a time.
#pragma once
#include <deque>

#include "ring_host.h"
#include "trial.h"

namespace ring {
class StreamFeeder : public Feeder {
   public:
    StreamFeeder(Memory& memory, Ring& ring, u64 seed, trial::Breach breach) : memory_(memory), ring_(ring), draw_(seed), breach_(breach) {
        static const u64 PACES[] = {1, 4, 16, 200};
        words_a_step_ = PACES[draw_(4)];
        most_at_once_ = std::min<u64>(1 + draw_(6), ring.slots);
        stream_ = begin();
    }
    void message(u64 n, u64 bytes) override {
        if (staged_ == 0) first_ = n;
        bytes_[n % SLOTS] = RINGSCOPE_SLOT_HEADER + bytes;
        if (++staged_ == most_at_once_ || draw_(3) == 0) post();
    }
    void command(u64 word) override {
        post();
        if (breach_ == trial::Breach::COMMAND_OVERTAKES) queue_.push_front({begin(), {}, &ring_.posted[1], word});
        else queue_.push_back({begin(), {}, &ring_.posted[1], word});
    }
    // The whole slot, as the host has it now: no block may be reading it.
    void copy_slot(u64 n) {
        Feeding feeding{begin(), {}, nullptr, 0};
        add(feeding, n, 1, STRIDE);
        queue_.push_back(std::move(feeding));
    }
    // What the device does of it in a while.
    void step() {
        if (draw_(20) == 0) post();
        for (u64 n = 0; n < words_a_step_ && !queue_.empty(); ++n) work();
    }
    void end() {
        for (const Feeding& feeding : queue_) memory_.end(feeding.agent);
        queue_.clear();
        memory_.end(stream_);
    }

   private:
    struct Piece {
        u8 *to, *from;
        u64 bytes;
    };
    // An agent of its own, which knows what the host knew when it was put in the stream; and of the stream what came before.
    struct Feeding {
        Agent agent;
        std::deque<Piece> pieces;
        ringscope_u64* word;
        u64 value;
        bool begun = false;
    };

    Agent begin() {
        Standing standing;
        standing.kind = Standing::COPY;
        return memory_.begin(standing);
    }
    // What is staged, and the tail behind it.
    void post() {
        if (staged_ == 0) return;
        Feeding feeding{begin(), {}, &ring_.posted[0], first_ + staged_};
        u64 to_end = ring_.slots - first_ % ring_.slots, before = std::min(staged_, to_end);
        add_run(feeding, first_, before);
        if (staged_ > before) add_run(feeding, first_ + before, staged_ - before);
        queue_.push_back(std::move(feeding));
        staged_ = 0;
    }
    // Slots that lie behind one another: from the first to the last byte of the last, or row by row.
    void add_run(Feeding& feeding, u64 first, u64 count) {
        u64 longest = 0;
        for (u64 n = first; n < first + count; ++n) longest = std::max(longest, bytes_[n % SLOTS]);
        if (draw_(2) == 0) add(feeding, first, count, longest);
        else add(feeding, first, 1, (count - 1) * STRIDE + bytes_[(first + count - 1) % SLOTS]);
    }
    void add(Feeding& feeding, u64 first, u64 rows, u64 bytes) {
        for (u64 n = first; n < first + rows; ++n) feeding.pieces.push_back({ring_.fed + n % ring_.slots * STRIDE, ring_.in_slot(n), bytes});
    }
    // One word of a copy, or the one behind it.
    void work() {
        Feeding& now = queue_.front();
        if (!now.begun) memory_.meet({now.agent, stream_});
        now.begun = true;
        if (breach_ == trial::Breach::WORD_BEFORE_COPIES) write(now);
        if (!now.pieces.empty()) return copy(now);
        write(now);
        memory_.meet({now.agent, stream_});
        memory_.end(now.agent);
        queue_.pop_front();
    }
    void copy(Feeding& now) {
        Piece& piece = now.pieces.front();
        u64 bytes = std::min<u64>(piece.bytes, 8);
        memory_.copy_bytes_in(now.agent, reinterpret_cast<u64>(piece.to), piece.from, bytes);
        piece = {piece.to + bytes, piece.from + bytes, piece.bytes - bytes};
        if (piece.bytes == 0) now.pieces.pop_front();
    }
    void write(Feeding& now) {
        if (now.word == nullptr) return;
        Order order = breach_ == trial::Breach::WORD_WITHOUT_FENCE ? Order::RELAXED : Order::RELEASE;
        memory_.store(now.agent, {reinterpret_cast<u64>(now.word), 8, order, Scope::SYS, "a word written by a stream"}, now.value);
        now.word = nullptr;
    }

    Memory& memory_;
    Ring& ring_;
    trial::Draw draw_;
    trial::Breach breach_;
    Agent stream_ = 0;
    u64 words_a_step_ = 1, most_at_once_ = 1;
    u64 first_ = 0, staged_ = 0, bytes_[SLOTS] = {};
    std::deque<Feeding> queue_;
};
}  // namespace ring
