#pragma once

#include <atomic>

namespace adder::cli {

/// From now on the first Ctrl-C (SIGINT), SIGTERM or SIGHUP only sets interrupted(), so that work can stop in
/// an orderly way; a second one of its kind ends the process as usual. One that is ignored, as under nohup,
/// stays so.
void catch_interrupt();

/// Set by the signal handler, never cleared. A mutable global: a handler can reach nothing else.
const std::atomic<bool>& interrupted();

}  // namespace adder::cli
