#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "adder/error.h"
#include "base/shape.h"
#include "pjrt/buffer.h"
#include "pjrt/compile_options.h"
#include "pjrt/device.h"
#include "pjrt/executable.h"
#include "pjrt/named_value.h"
#include "pjrt/plugin.h"
#include "pjrt/stats.h"

namespace adder::pjrt {

/// A buffer whose host memory is still being read.
struct Upload {
  Buffer buffer;    ///< usable at once
  Event host_done;  ///< completes when the host memory may be changed or freed
};

/// A plugin's runtime: its devices, and what they hold. A cheap handle; copies share one runtime, and so does
/// everything made from it. The runtime ends with the last handle, buffer, executable, event or device.
/// Thread rule: everything may be called from any thread at any time.
class Client {
 public:
  /// Starts the runtime. `options` are the platform's own, such as {"cpu_device_count", std::int64_t{2}} or,
  /// for CUDA, {"preallocate", false}; a plugin refuses those it does not know. Error not_found if it has no
  /// device.
  static Result<Client> create(const Plugin& plugin, std::span<const NamedValue> options = {});

  const Plugin& plugin() const;
  const std::string& platform_name() const;     ///< "cpu", "cuda", "tpu"
  const std::string& platform_version() const;  ///< free text: a commit, or a driver's version
  /// One line for people: platform, devices, API version and file.
  std::string description() const;

  /// Those this process can use, in the plugin's order; at least one.
  std::vector<Device> devices() const;
  Device default_device() const;  ///< the first

  /// Copies a dense row-major host array; `data` is read before this returns.
  /// `data` must hold shape.bytes(); it may be null if that is zero.
  Result<Buffer> to_device(const void* data, const Shape& shape, const Device& device) const;
  /// The same to the default device, with the element type and the number of elements checked.
  template <class T>
  Result<Buffer> to_device(std::span<const T> data, const Shape& shape) const {
    ADDER_CHECK(check_host_array(shape, holds<T>(shape.dtype), data.size()));
    return to_device(data.data(), shape, default_device());
  }
  /// Starts a copy and returns; `data` must stay as it is until the event completes.
  Result<Upload> to_device_async(const void* data, const Shape& shape, const Device& device) const;
  /// Lets the buffer live in host memory where the platform can (CPU plugins, for 64-byte aligned `data`),
  /// and copies elsewhere. `data` points at the array and owns it: the runtime holds it until it is done with
  /// it, which is when the buffer is freed or, where it copied, when the copy is made. It must not change
  /// until then. Programs never write to it: donating such a buffer makes a copy. The owner's deleter may run
  /// on a thread of the plugin and must not drop the last handle of the client.
  Result<Buffer> to_device_zero_copy(std::shared_ptr<const void> data, const Shape& shape,
                                     const Device& device) const;

  /// Compiles StableHLO text (or MLIR bytecode). The error carries the compiler's message.
  Result<Executable> compile(std::string_view program, const CompileOptions& options = {}) const;
  /// Loads what Executable::serialize gave, from the same plugin version and kind of machine. `program` is
  /// the text it was compiled from, if at hand, for Executable::execute's checks. The bytes are trusted:
  /// check them first if they come from a file.
  Result<Executable> load(std::string_view serialized, std::string_view program = {}) const;

  StatsSnapshot stats() const;
  const std::shared_ptr<ClientState>& state() const { return state_; }

 private:
  explicit Client(std::shared_ptr<ClientState> state) : state_(std::move(state)) {}
  static Status check_host_array(const Shape& shape, bool type_matches, std::size_t elements);
  Result<Upload> upload(const void* data, const Shape& shape, const Device& device, int semantics) const;

  std::shared_ptr<ClientState> state_;
};

}  // namespace adder::pjrt
