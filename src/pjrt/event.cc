#include "pjrt/event.h"

#include <utility>

#include "pjrt/client_state.h"

namespace adder::pjrt {
namespace {

/// Lives from on_ready until the callback. It holds no client, so a plugin thread never frees one through it.
struct Pending {
  const PJRT_Api* api;
  std::function<void(Status)> callback;
};

void run_pending(PJRT_Error* error, void* user_arg) {
  std::unique_ptr<Pending> pending(static_cast<Pending*>(user_arg));
  if (error == nullptr)
    pending->callback({});
  else
    pending->callback(fail(take_error(pending->api, "PJRT_Event_OnReady", error)));
}

}  // namespace

Event::Event(std::shared_ptr<ClientState> client, PJRT_Event* raw) : client_(std::move(client)), raw_(raw) {}
Event::~Event() { reset(); }
Event::Event(Event&& other) noexcept
    : client_(std::move(other.client_)), raw_(std::exchange(other.raw_, nullptr)) {}
Event& Event::operator=(Event&& other) noexcept {
  if (this != &other) {
    reset();
    client_ = std::move(other.client_);
    raw_ = std::exchange(other.raw_, nullptr);
  }
  return *this;
}

void Event::reset() {
  if (raw_ != nullptr)
    call_quietly(client_->api, ADDER_PJRT(PJRT_Event_Destroy), [&](auto& args) { args.event = raw_; });
  raw_ = nullptr;
  client_.reset();
}

Result<bool> Event::is_ready() const {
  if (raw_ == nullptr) return true;
  ADDER_TRY(const auto args,
            call(client_->api, ADDER_PJRT(PJRT_Event_IsReady), [&](auto& a) { a.event = raw_; }));
  return args.is_ready;
}

Status Event::wait() const {
  if (raw_ == nullptr) return {};
  ADDER_CHECK(call(client_->api, ADDER_PJRT(PJRT_Event_Await), [&](auto& a) { a.event = raw_; }));
  return {};
}

Status Event::on_ready(std::function<void(Status)> callback) const {
  if (raw_ == nullptr) {
    callback({});
    return {};
  }
  auto pending = std::make_unique<Pending>(Pending{client_->api, std::move(callback)});
  ADDER_CHECK(call(client_->api, ADDER_PJRT(PJRT_Event_OnReady), [&](auto& a) {
    a.event = raw_;
    a.callback = run_pending;
    a.user_arg = pending.get();
  }));
  (void)pending.release();  // run_pending's from here on
  return {};
}

}  // namespace adder::pjrt
