// ring_steps.cuh: what a block does for a message: waits for it, reads it, makes room for its reply, publishes that. Included by
// ring.cuh. docs/rings.md has the protocol, word by word.
#ifndef RINGSCOPE_RING_STEPS_CUH
#define RINGSCOPE_RING_STEPS_CUH

namespace ringscope {
inline namespace RINGSCOPE_LEVEL_NAMESPACE {

RINGSCOPE_INLINE bool Ring::take(Message& m, MessageRecord& record) {
    goes_on();
    ringscope_u32 tickets = 0;
    if (lane_index() == 0) {
        own_.in_hand = tickets = next_ticket(record);
        keep(record);
    }
    if (from_lane0(tickets) == 0) return false;
    sync_lanes();  // what lane 0 acquired, and what it keeps, all lanes may read; a shuffle does not order memory
    m.seq = own_.ticket;
    if (rec_.on()) rec_.in_hand_warp(m.seq, own_.begin_ns);
    read_line(m, record);
    return true;
}

// The header and what the message begins with come in one trip, and of messages in hand those of the next as well: each of
// LINE_LANES lanes reads 16 bytes of a slot's first line. But the first reads none: there lies `done`, which a block stores.
RINGSCOPE_INLINE void Ring::read_line(Message& m, MessageRecord& record) {
    m.data = reinterpret_cast<const ringscope_u8*>(in_slot(m.seq)) + RINGSCOPE_SLOT_HEADER;
#if RINGSCOPE_CUDA
    (void)record;
    if (m.seq >= own_.lines_end) {
        const ringscope_u32 more = (own_.in_hand < MOST_LINES ? own_.in_hand : MOST_LINES) - 1;
        // Of the message with that number modulo MOST_LINES.
        const ringscope_u32 ahead = (lane_index() / LINE_LANES - (ringscope_u32)m.seq) % MOST_LINES;
        const ringscope_u32 word = lane_index() % LINE_LANES;
        if (ahead <= more && word != 0) own_.line[lane_index()] = reinterpret_cast<const Word16*>(in_slot(m.seq + ahead))[word];
        sync_lanes();
        if (lane_index() == 0) own_.lines_end = m.seq + more + 1;
    }
    m.line = line_of(m.seq) + RINGSCOPE_SLOT_HEADER / sizeof(Word16);
    m.line_words = LINE_LANES - RINGSCOPE_SLOT_HEADER / sizeof(Word16);
    m.bytes = line_of(m.seq)[1].x;
#else
    const Word16 header = *reinterpret_cast<const Word16*>(&in_slot(m.seq)->bytes);
    m.bytes = header.x;
    if (rec_.on()) record.sent_ns = header.z | (ringscope_u64)header.w << 32;
#endif
}

// How many tickets are in hand now, the message of the first of which is there; 0 after a stop. A ticket is never given back,
// whatever the waiting.
RINGSCOPE_INLINE ringscope_u32 Ring::next_ticket(MessageRecord& record) {
    ringscope_u64 since = own_.last_end_ns;
    // Without telemetry the clock is read here: an instruction, where a look at the host is a round trip. A clock that was
    // set back looks at once.
    ringscope_u64 now = rec_.on() ? since : clock_ns();
    // While replies are being gathered nobody waits, so nobody looks: GATHER_NS is soon over.
    bool asks = own_.gathered == 0 && now - own_.asked_ns >= REFRESH_NS;
    if (asks) {
        own_.asked_ns = now;
        refresh();
    }
    ringscope_u32 tickets = own_.in_hand - 1;
    if (own_.in_hand > 1) ++own_.ticket;
    else tickets = take_tickets(now);
    return wait(tickets, since, since != 0 && !asks, record);  // that trip is no handling
}

// One, or where there are messages for all blocks this block's share of them. Never one that is behind the tail as well as one
// that is before it: who waits for a message handles none, so whoever has the ticket of the next one asks the host.
RINGSCOPE_INLINE ringscope_u32 Ring::take_tickets(ringscope_u64 now) {
    if (MOST_TICKETS > 1 && own_.tail > own_.ticket + 1) {
        ringscope_u64 next = detail::load_relaxed(&args_.device->ticket);
        look();
        const ringscope_u32 queued = own_.tail > next ? (ringscope_u32)(own_.tail - next) : 0;
        ringscope_u32 share = queued / own_.blocks;
        if (share > own_.most) share = own_.most;
        own_.most = own_.most * 2 < MOST_TICKETS ? own_.most * 2 : MOST_TICKETS;
        own_.gathers_ns = now;
        if (share > 1 && detail::swap_if(&args_.device->ticket, next, next + share)) {
            own_.ticket = next;
            return share;
        }
        own_.ticket = detail::take_ticket(&args_.device->ticket);
    } else {
        const ringscope_u64 next = detail::take_ticket(&args_.device->ticket);
        look();  // both on their way at the same time: what is kept of them waits for them
        own_.ticket = next;
    }
    return 1;
}

RINGSCOPE_INLINE ringscope_u32 Ring::wait(ringscope_u32 tickets, ringscope_u64 since, bool at_once, MessageRecord& record) {
    ringscope_u32 in_vain = 0;
    for (ringscope_u32 attempt = 0;; ++attempt) {
        ringscope_u32 command = this->command();
        if (command == RINGSCOPE_COMMAND_STOP) {
            note_waiting(since, record);
            drop_queue(tickets);
            return 0;
        }
        ringscope_u32 state = command == RINGSCOPE_COMMAND_RUN ? RINGSCOPE_STATE_ACTIVE : RINGSCOPE_STATE_HELD;
        if (state != own_.stated) rec_.state(own_.stated = state);
        if (command == RINGSCOPE_COMMAND_RUN && own_.ticket < own_.tail) {
            // Without a wait, work on this message began when the one before was done: one clock read less.
            ringscope_u64 begun = attempt == 0 && at_once ? since : rec_.begin();
            if (since != 0 && begun > since) record.wait_ns = begun - since;
            record.begin_ns = begun;
            record.queue_depth = own_.tail - own_.ticket - 1;
            return tickets;
        }
        if (attempt == 0) rec_.no_message(since != 0 ? since : rec_.begin());
        ++record.polls;
        if (attempt % HEARTBEAT_EVERY == HEARTBEAT_EVERY - 1) since = note_waiting(since, record);
        in_vain = wait_a_little(attempt, in_vain) ? 0 : in_vain + 1;
    }
}

// Then it looks. The holder of the next message asks the host, the others watch device memory. Whether something has changed
// since so many looks that found nothing.
RINGSCOPE_INLINE bool Ring::wait_a_little(ringscope_u32 attempt, ringscope_u32 in_vain) {
#if RINGSCOPE_CUDA
    (void)attempt;
    constexpr ringscope_u32 SHORTEST_NS = 1000, LONGEST_NS = 5000, AHEAD_NS = 250, PATIENCE = 256;
    const ringscope_u32 pause = in_vain < PATIENCE ? SHORTEST_NS : LONGEST_NS;
    bool asks = own_.ticket <= own_.tail;
    if (!asks) {
        // The further ahead, the longer.
        const ringscope_u64 ahead = (own_.ticket - own_.tail) * (in_vain < PATIENCE ? AHEAD_NS : 4 * AHEAD_NS);
        __nanosleep(ahead < LONGEST_NS ? (ringscope_u32)ahead : LONGEST_NS);
    } else if (command() == RINGSCOPE_COMMAND_RUN) {
        // Nobody else asks.
        ringscope_u64 now = clock_ns();
        for (; now - own_.asked_ns < pause; now = clock_ns()) __nanosleep(pause - (ringscope_u32)(now - own_.asked_ns));
        own_.asked_ns = now;
    } else {
        // Held, all who have a message of the queue may have to: the next ticket may be nobody's.
        __nanosleep(pause);
        asks = may_ask(pause);
    }
#else
    (void)in_vain;
    detail::relax(attempt);
    const bool asks = own_.ticket <= own_.tail;
#endif
    return asks ? refresh() : look();
}

// Of several blocks one may ask the host, once in so many nanoseconds: whoever exchanged the time of the last one for its own.
RINGSCOPE_INLINE bool Ring::may_ask(ringscope_u64 pause_ns) {
    const ringscope_u64 now = clock_ns(), last = detail::load_relaxed(&args_.device->polled_ns);
    // A clock that was set back: at once.
    if (now - last < pause_ns) return false;
    return detail::exchange_relaxed(&args_.device->polled_ns, now) == last;
}

// After a stop: what is queued is counted, exactly once among the blocks, not handled. The tickets in hand come first.
RINGSCOPE_INLINE void Ring::drop_queue(ringscope_u32 tickets) {
    refresh();
    ringscope_u64 count = 0;
    while (own_.ticket < own_.tail) {
        ++count;
        if (--tickets == 0) {
            own_.ticket = detail::take_ticket(&args_.device->ticket);
            tickets = 1;
        } else {
            ++own_.ticket;
        }
    }
    if (count != 0) rec_.dropped(count);
}

// By lane 0. False when the kernel is to end first.
RINGSCOPE_INLINE bool Reply::wait_for_room() {
    ring_.goes_on();
    const ringscope_u64 since = ring_.rec_.begin();
    ring_.rec_.ring_place(RINGSCOPE_PLACE_ROOM, since);
    bool room = true;
    for (ringscope_u32 attempt = 0;; ++attempt) {
        ring_.own_.asked_ns = 0;  // commands may come meanwhile: the next ticket asks
        ring_.refresh();
        room = ring_.command() != RINGSCOPE_COMMAND_STOP;
        if (!room) break;
        if (attempt % Ring::HEARTBEAT_EVERY == Ring::HEARTBEAT_EVERY - 1) ring_.rec_.heartbeat(ring_.waiting());
        detail::relax(attempt);
        ring_.own_.out_head = detail::load_acquire_system(&ring_.args_.host->out_head);
        if (ring_.own_.out_ticket - ring_.own_.out_head < ring_.args_.slots) break;
    }
    if (ring_.rec_.on()) {
        const ringscope_u64 now = ring_.rec_.begin();
        ring_.own_.retries = 1;
        // A clock that was set back must not count as centuries.
        ring_.own_.held_ns = now > since ? now - since : 0;
        ring_.rec_.ring_place(RINGSCOPE_PLACE_HANDLER, now);
    }
    return room;
}

RINGSCOPE_INLINE ringscope_u8* Reply::open_at_once(ringscope_u32 bytes) {
    too_large_ = bytes > ring_.args_.slot_bytes;
    if (too_large_) return nullptr;
    bytes_ = bytes;
    if (!claimed_) {
        claimed_ = true;
        ringscope_u32 room = 0;
        if (lane_index() == 0) {
            const ringscope_u64 ticket = ring_.own_.out_ticket = detail::take_ticket(&ring_.args_.device->out_ticket);
            room = ticket - ring_.own_.out_head < ring_.args_.slots;
            if (room == 0) {
                ring_.own_.out_head = detail::load_acquire_system(&ring_.args_.host->out_head);
                room = ticket - ring_.own_.out_head < ring_.args_.slots;
            }
        }
        if (from_lane0(room) != 0) has_slot();
        else sync_lanes();
    }
    return data();
}

RINGSCOPE_INLINE ringscope_u8* Reply::open(ringscope_u32 bytes) {
    ringscope_u8* at_once = open_at_once(bytes);
    if (at_once != nullptr || too_large_ || opened_) return at_once;
    // The host may need the replies that are not published yet before it makes room.
    const ringscope_u32 gathered = ring_.own_.gathered;
    if (Ring::MOST_TICKETS > 1 && gathered != 0) {
        ring_.publish_gathered(ring_.own_.ticket, gathered);
        sync_lanes();  // all have read of it
        if (lane_index() == 0) ring_.own_.gathered = 0;
    }
    ringscope_u32 room = 0;
    if (lane_index() == 0) room = wait_for_room();
    if (from_lane0(room) != 0) has_slot();
    else sync_lanes();
    opened_ = true;
    return data();
}

RINGSCOPE_INLINE void Reply::has_slot() {
    // Lane 0 acquired the host's word that the slot is free again: only after meeting it may the others write there.
    sync_lanes();
    has_slot_ = opened_ = true;
}
RINGSCOPE_INLINE ringscope_u8* Reply::data() const {
    if (!has_slot_) return nullptr;
    return reinterpret_cast<ringscope_u8*>(ring_.out_slot(ring_.own_.out_ticket)) + RINGSCOPE_SLOT_HEADER;
}

RINGSCOPE_INLINE void Ring::publish(const Message& m, Reply& reply, MessageRecord& record) {
    goes_on();
    if (reply.too_large_) record.status = RINGSCOPE_REPLY_TOO_LARGE;
    if (!reply.opened_) reply.open(0);
    if (record.status != RINGSCOPE_OK) reply.bytes_ = 0;
    const ringscope_u32 before = own_.gathered, in_hand = own_.in_hand;
    sync_lanes();  // the payload of all lanes, before a lane publishes
    ringscope_u64 now = 0;
    if (!reply.has_slot_) {
        record.sent = 0;
        record.replies_dropped = 1;
    } else {
        ringscope_slot_out* slot = out_slot(own_.out_ticket);
        if (lane_index() == 0) {
            slot->seq = m.seq;
            slot->bytes = reply.bytes_;
            slot->status = record.status;
#if RINGSCOPE_CUDA
            // A host device's clock is the host's own, and nothing waits there before a reply is visible.
            if (RINGSCOPE_LEVEL > 0) {
                now = rec_.begin();
                slot->time_ns = now;
                rec_.ring_place(RINGSCOPE_PLACE_PUBLISH, now);
            }
#endif
        }
        record.bytes_out = reply.bytes_;
    }
    recall(record);
    record.number = m.seq;
#if RINGSCOPE_CUDA
    if (rec_.on()) record.sent_ns = line_of(m.seq)[1].z | (ringscope_u64)line_of(m.seq)[1].w << 32;
#endif
    if (lane_index() == before) own_.gathered_out[before] = reply.has_slot_ ? own_.out_ticket + 1 : 0;
    if (MOST_TICKETS > 1 && in_hand > 1) {
        ringscope_u32 done = 0;
        if (lane_index() == 0) {
            done = has_gathered(now, before + 1);
            own_.gathered = done != 0 ? 0 : before + 1;
        }
        if (from_lane0(done) == 0) return;
    } else if (lane_index() == 0) {
        own_.gathered = 0;
    }
    publish_gathered(m.seq + 1, before + 1);
}

// With messages in hand: whether replies are to wait no longer, by the time of the last one, if that is known.
RINGSCOPE_INLINE bool Ring::has_gathered(ringscope_u64 now, ringscope_u32 count) {
    if (now == 0) now = clock_ns();
    const bool late = now - own_.gathers_ns >= GATHER_NS;
    if (late && count == 1) own_.most = 1;  // by a single message
    if (!late && now - own_.asked_ns < REFRESH_NS && command() == RINGSCOPE_COMMAND_RUN) return false;
    own_.gathers_ns = now;
    return true;
}

// So many messages before `end`: one fence, and each lane gives back the slot of a message and publishes its reply.
RINGSCOPE_INLINE void Ring::publish_gathered(ringscope_u64 end, ringscope_u32 count) {
    if (count > 1) sync_lanes();  // the replies' headers are lane 0's
    if (lane_index() < count) {
        const ringscope_u64 seq = end - count + lane_index();
        const ringscope_u64 out = own_.gathered_out[lane_index()];
        ringscope_u64* ready = out == 0 ? nullptr : &out_slot(out - 1)->ready;
        detail::publish_system(done_word(seq), seq + 1, ready, out);
    }
}

}  // inline namespace
}  // namespace ringscope

#endif  // RINGSCOPE_RING_STEPS_CUH
