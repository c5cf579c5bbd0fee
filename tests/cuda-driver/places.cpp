// places.cpp: where blocks are: what of a multiprocessor they take, and which of them find room.
#include "driver.h"

namespace stand_in {
namespace {
constexpr unsigned REGISTER_GRANULE = 256, SHARED_GRANULE = 128, LANES = 32;

unsigned registers_of_warp(const Needs& needs) {
    return (needs.registers * LANES + REGISTER_GRANULE - 1) / REGISTER_GRANULE * REGISTER_GRANULE;
}
unsigned shared_of_block(const Needs& needs) {
    return (needs.shared + SHARED_OF_SYSTEM + SHARED_GRANULE - 1) / SHARED_GRANULE * SHARED_GRANULE;
}
// What an idle multiprocessor makes shared for such a block.
unsigned carveout_for(const Needs& needs) {
    unsigned preferred = needs.carveout < 0 ? 0 : SHARED_EACH / 100 * static_cast<unsigned>(needs.carveout);
    if (needs.carveout == 100) preferred = SHARED_EACH;
    return std::max(preferred, std::min(SHARED_EACH, blocks_each() * shared_of_block(needs)));
}

bool fits(const Multiprocessor& m, const Needs& needs, Place* place) {
    unsigned carveout = m.blocks == 0 ? carveout_for(needs) : m.carveout;
    if (m.blocks + 1 > blocks_each() || m.shared + shared_of_block(needs) > carveout) return false;
    Multiprocessor then = m;
    *place = Place();
    for (unsigned warp = 0; warp < needs.warps; ++warp) {
        int least = 0;
        for (int part = 1; part < SUB_PARTITIONS; ++part)
            if (then.registers[part] < then.registers[least]) least = part;
        then.registers[least] += registers_of_warp(needs);
        then.warps[least]++;
        place->warps[least]++;
        if (then.registers[least] > REGISTERS_EACH / SUB_PARTITIONS) return false;
        if (then.warps[least] > THREADS_EACH / LANES / SUB_PARTITIONS) return false;
    }
    return true;
}

void account(Multiprocessor& m, const Place& place, int sign) {
    for (int part = 0; part < SUB_PARTITIONS; ++part) {
        m.registers[part] += sign * place.warps[part] * registers_of_warp(place.needs);
        m.warps[part] += sign * place.warps[part];
    }
    if (m.blocks == 0) m.carveout = carveout_for(place.needs);
    m.blocks += sign;
    m.shared += sign * shared_of_block(place.needs);
}
}  // namespace

unsigned blocks_each() {
    auto set = state().counts.find("blocks_each");
    if (set != state().counts.end()) return static_cast<unsigned>(set->second);
    static const char* given = std::getenv("STAND_IN_BLOCKS_EACH");
    return given == nullptr ? BLOCKS_EACH : static_cast<unsigned>(std::atoi(given));
}

bool take_place(Device* d, const Needs& needs, Place* place) {
    // The emptiest of those that have room: blocks spread evenly.
    int best = -1;
    Place found;
    for (int i = 0; i < MULTIPROCESSORS; ++i)
        if (fits(d->multiprocessors[i], needs, &found) &&
            (best < 0 || d->multiprocessors[i].blocks < d->multiprocessors[best].blocks)) {
            best = i;
            *place = found;
        }
    if (best < 0) return false;
    place->at = best;
    place->needs = needs;
    account(d->multiprocessors[best], *place, 1);
    return true;
}

void leave_place(Device* d, const Place& place) { account(d->multiprocessors[place.at], place, -1); }

unsigned fit_alone(const Needs& needs) {
    Multiprocessor m;
    Place place;
    unsigned count = 0;
    for (place.needs = needs; fits(m, needs, &place); ++count) {
        place.needs = needs;
        account(m, place, 1);
    }
    return count;
}
}  // namespace stand_in
