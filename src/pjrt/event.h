#pragma once

#include <functional>
#include <memory>

#include "adder/error.h"

struct PJRT_Event;

namespace adder::pjrt {

struct ClientState;

/// The completion of something asynchronous: a transfer, or a program's run. Move-only; destroying it neither
/// waits nor cancels. An empty event (default-made or moved from) counts as complete and successful.
/// Thread rule: is_ready, wait and on_ready may be called from any thread; moving and destroying may not
/// overlap with them.
class Event {
 public:
  Event() = default;
  /// Takes ownership of `raw`, which may be null.
  Event(std::shared_ptr<ClientState> client, PJRT_Event* raw);
  ~Event();
  Event(Event&& other) noexcept;
  Event& operator=(Event&& other) noexcept;

  /// Whether the work has finished, well or badly.
  Result<bool> is_ready() const;
  /// Blocks until the work has finished; returns its error, if any. May be called again.
  Status wait() const;
  /// Calls `callback` once with the outcome, on a thread of the plugin, or on this one before returning if
  /// the work has finished already. The callback must not throw, must not block on other device work, and
  /// must not drop the last handle of the client. The event itself may be destroyed before the callback runs.
  Status on_ready(std::function<void(Status)> callback) const;

 private:
  void reset();
  std::shared_ptr<ClientState> client_;
  PJRT_Event* raw_ = nullptr;
};

}  // namespace adder::pjrt
