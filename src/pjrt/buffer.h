#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

#include "adder/error.h"
#include "base/shape.h"
#include "pjrt/device.h"
#include "pjrt/event.h"

struct PJRT_Buffer;

namespace adder::pjrt {

/// Whether a host array of T holds elements of `dtype` bit for bit: the dtype's own C++ type, or uint8_t for
/// i1 and uint16_t for bf16 and f16, which have none.
template <class T>
bool holds(DType dtype) {
  if (std::is_same_v<T, std::uint8_t> && dtype == DType::i1) return true;
  if (std::is_same_v<T, std::uint16_t> && (dtype == DType::bf16 || dtype == DType::f16)) return true;
  return dtype == dtype_of<T>();
}

/// A dense array on a device. Move-only; frees the device memory when destroyed, once the work that is
/// already enqueued on it is done, and keeps its client alive. Its contents may still be being computed:
/// every operation here and every program that takes it waits for that on its own. A donated buffer (see
/// Executable::execute) stays an object but has no contents: is_deleted() is true, shape() still answers, and
/// reading it is an error. An empty buffer (default-made or moved from) answers every call with
/// failed_precondition. Thread rule: const members may be called from any thread; moving and destroying may
/// not overlap with them.
class Buffer {
 public:
  Buffer() = default;
  /// Takes ownership of `raw`, whose shape is `shape`; if that is not known, read_shape() is to follow.
  Buffer(std::shared_ptr<ClientState> client, PJRT_Buffer* raw, Shape shape);
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;

  explicit operator bool() const { return raw_ != nullptr; }
  const Shape& shape() const { return shape_; }
  Result<bool> is_deleted() const;
  /// Bytes of device memory, with whatever padding the device's layout needs.
  Result<std::int64_t> on_device_bytes() const;
  /// Completes when the contents are there; fails if computing them did. Error if deleted already.
  Result<Event> ready() const;
  /// Frees the device memory now; the object stays, deleted.
  Status release();

  /// Copies the contents, row-major, into `host`, which must hold at least shape().bytes() and stay put until
  /// the event completes. The buffer itself may be destroyed before that.
  /// An old CPU plugin (API 0.81) ignores the wish for row-major and copies the device's order; that differs
  /// only for a program that asks for another layout of its results, which none of Adder's does.
  Result<Event> to_host_async(std::span<std::byte> host) const;
  /// The same, waiting for it.
  Status to_host(std::span<std::byte> host) const;
  /// The contents as a vector, waiting for them. T must hold the dtype (see holds()); for i1 use uint8_t.
  template <class T>
  Result<std::vector<T>> to_host() const {
    static_assert(!std::is_same_v<T, bool>, "std::vector<bool> has no array; read i1 as std::uint8_t");
    if (!holds<T>(shape_.dtype)) return fail(wrong_type(dtype_of<T>()));
    std::vector<T> host(static_cast<std::size_t>(shape_.elements()));
    ADDER_CHECK(to_host(std::as_writable_bytes(std::span(host))));
    return host;
  }

  /// Asks the plugin for the shape and keeps it. Error unsupported for an element type without an Adder
  /// dtype.
  Status read_shape();

  /// A copy on `device` of the same client; a new buffer even where source and destination are the same
  /// device.
  Result<Buffer> copy_to_device(const Device& device) const;

  PJRT_Buffer* raw() const { return raw_; }
  const std::shared_ptr<ClientState>& client() const { return client_; }

 private:
  void reset();
  Status check_filled(const char* what) const;
  Error wrong_type(DType wanted) const;

  std::shared_ptr<ClientState> client_;
  PJRT_Buffer* raw_ = nullptr;
  Shape shape_;
};

}  // namespace adder::pjrt
