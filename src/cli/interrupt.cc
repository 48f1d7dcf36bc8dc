#include "cli/interrupt.h"

#include <signal.h>

namespace adder::cli {

namespace {

std::atomic<bool> flag{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may only touch lock-free atomics");

extern "C" void on_interrupt(int) { flag.store(true, std::memory_order_relaxed); }

}  // namespace

void catch_interrupt() {
  struct sigaction action {
  }, before{};
  action.sa_handler = on_interrupt;
  sigemptyset(&action.sa_mask);
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP})
    if (sigaction(signal, nullptr, &before) == 0 && before.sa_handler != SIG_IGN)
      sigaction(signal, &action, nullptr);
}

const std::atomic<bool>& interrupted() { return flag; }

}  // namespace adder::cli
