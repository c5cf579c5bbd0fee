// memory_rmw.h: what a read-modify-write makes of a value of 4 or 8 bytes.
#pragma once
#include "memory.h"

namespace ptx {
u64 applied(Rmw what, u8 bytes, u64 old, u64 operand);
}
