#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <type_traits>
#include <utility>

#include "adder/error.h"
#include "base/log.h"

namespace adder::hub {

/// Who watches a long operation: where its messages go, and how it is told to stop. The referents outlive it.
struct Supervision {
  LogSink& log;
  const std::atomic<bool>* stop = nullptr;  ///< null: cannot be stopped

  bool stopped() const { return stop != nullptr && stop->load(std::memory_order_relaxed); }

  /// Sleeps, but not past a request to stop. False if that came.
  bool sleep(std::chrono::milliseconds duration) const {
    const auto end = std::chrono::steady_clock::now() + duration;
    while (!stopped()) {
      const auto left = end - std::chrono::steady_clock::now();
      if (left <= left.zero()) return true;
      std::this_thread::sleep_for(
          std::min<std::chrono::steady_clock::duration>(left, std::chrono::milliseconds(50)));
    }
    return false;
  }
};

inline tl::unexpected<Error> stopped_failure() {
  return fail(ErrorCode::cancelled, "the download was interrupted",
              "what is there already is kept: the next download goes on from it");
}

/// How often and how patiently a failed request is repeated.
struct RetryPolicy {
  int attempts = 6;                                ///< in a row without progress, the first included
  std::chrono::milliseconds first_wait{500};       ///< doubles with every failure in a row
  std::chrono::milliseconds longest_wait{15'000};  ///< also the most that a server's Retry-After gets
};

/// Why one attempt failed, and whether another may do better.
struct Failure {
  Error error;
  bool transient = false;
  bool progressed = false;  ///< bytes arrived that the next attempt need not fetch: the count starts anew
  std::chrono::milliseconds retry_after{0};
  int status = 0;  ///< of the HTTP answer, if there was one
};
template <class T>
using Attempt = tl::expected<T, Failure>;

/// Calls `attempt` (returning Attempt<T>) until it succeeds, fails for good, or the policy is exhausted.
template <class T, class F>
Result<T> with_retries(const RetryPolicy& policy, const Supervision& watch, F&& attempt) {
  std::chrono::milliseconds wait = policy.first_wait;
  for (int failures = 1;; ++failures) {
    Attempt<T> outcome = attempt();
    if (outcome) {
      if constexpr (std::is_void_v<T>)
        return {};
      else
        return *std::move(outcome);
    }
    Failure failure = std::move(outcome).error();
    if (watch.stopped()) return stopped_failure();
    if (failure.progressed) {
      failures = 1;
      wait = policy.first_wait;
    }
    if (!failure.transient) return fail(std::move(failure.error));
    if (failures >= policy.attempts) {
      failure.error.message += fmt::format(" ({} attempts)", failures);
      return fail(std::move(failure.error));
    }
    const auto pause = std::min(std::max(wait, failure.retry_after), policy.longest_wait);
    log(watch.log, LogLevel::warn, "{}; trying again in {:.1f} s", failure.error.message,
        std::chrono::duration<double>(pause).count());
    if (!watch.sleep(pause)) return stopped_failure();
    wait = std::min(wait * 2, policy.longest_wait);
  }
}

}  // namespace adder::hub
