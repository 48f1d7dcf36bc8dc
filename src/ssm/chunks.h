#pragma once

// What the chunked forms share (legend in recurrence.h).

#include <utility>

#include "ssm/dims.h"

namespace adder::ssm {

/// Appends zeros along the token axis, which is the second, up to `tokens`.
Value pad_tokens(Value x, std::int64_t tokens);

/// The state before each chunk: S_0 = state, S_{c+1} = exp(total_c) S_c + Z_c, total [B,C,H,1] or [B,C,H,N],
/// z [B,C,H,P,N]. Returns [B,C,H,P,N] and the last.
std::pair<Value, Value> carry(Value state, Value total, Value z, const Sizes& d, std::int64_t chunks);

/// scan_chunked for decay per state channel; `d` are the sizes.
Scan scan_channels(const Recurrence& r, Value state, const Sizes& d, const Form& form);

}  // namespace adder::ssm
