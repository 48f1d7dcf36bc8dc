#pragma once

#include "hlo/ops.h"

namespace adder::engine {

/// Counter-based random numbers for sampling: Threefry-2x32 with 20 rounds (Salmon et al. 2011), in plain
/// integer ops, so that a row's stream depends on its own key and counter alone: not on its neighbours, its
/// slot, the plugin or the block length.
/// key u32[B,2], counter u32[B] -> float32 [B] uniform in [0,1), a multiple of 2^-23.
hlo::Value uniform(hlo::Value key, hlo::Value counter);

/// The two output words [B] of Threefry-2x32; exposed for its known-answer test.
std::pair<hlo::Value, hlo::Value> threefry_2x32(hlo::Value key0, hlo::Value key1, hlo::Value counter0,
                                                hlo::Value counter1);

}  // namespace adder::engine
