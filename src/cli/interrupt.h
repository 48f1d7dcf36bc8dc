#pragma once

#include <atomic>

namespace adder::cli {

/// From now on the first Ctrl-C (SIGINT) only sets interrupted(), so that work can stop in an orderly way; a
/// second one ends the process as usual.
void catch_interrupt();

/// Set by the signal handler, never cleared. The program's only mutable global: a handler can reach no other.
const std::atomic<bool>& interrupted();

}  // namespace adder::cli
