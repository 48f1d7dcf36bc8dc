#include "pjrt/buffer.h"

#include <fmt/format.h>

#include <numeric>
#include <utility>

#include "pjrt/buffer_type.h"
#include "pjrt/client_state.h"

namespace adder::pjrt {

Buffer::Buffer(std::shared_ptr<ClientState> client, PJRT_Buffer* raw, Shape shape)
    : client_(std::move(client)), raw_(raw), shape_(std::move(shape)) {}
Buffer::~Buffer() { reset(); }
Buffer::Buffer(Buffer&& other) noexcept
    : client_(std::move(other.client_)),
      raw_(std::exchange(other.raw_, nullptr)),
      shape_(std::move(other.shape_)) {}
Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this != &other) {
    reset();
    client_ = std::move(other.client_);
    raw_ = std::exchange(other.raw_, nullptr);
    shape_ = std::move(other.shape_);
  }
  return *this;
}

void Buffer::reset() {
  if (raw_ != nullptr)
    call_quietly(client_->api, ADDER_PJRT(PJRT_Buffer_Destroy), [&](auto& args) { args.buffer = raw_; });
  raw_ = nullptr;
  client_.reset();
}

Status Buffer::read_shape() {
  ADDER_CHECK(check_filled("Buffer::read_shape"));
  const auto fill = [&](auto& a) { a.buffer = raw_; };
  ADDER_TRY(const auto type, call(client_->api, ADDER_PJRT(PJRT_Buffer_ElementType), fill));
  const auto dtype = from_buffer_type(as_number(type.type));
  if (!dtype)
    return fail(
        ErrorCode::unsupported,
        fmt::format("PJRT_Buffer_ElementType: element type {} has no Adder dtype", as_number(type.type)));
  ADDER_TRY(const auto dims, call(client_->api, ADDER_PJRT(PJRT_Buffer_Dimensions), fill));
  shape_ = {*dtype, Dims(dims.dims, dims.dims + dims.num_dims)};
  return {};
}

Status Buffer::check_filled(const char* what) const {
  if (raw_ != nullptr) return {};
  return fail(ErrorCode::failed_precondition, fmt::format("{}: the buffer is empty", what),
              "it was default-made or moved from");
}

Error Buffer::wrong_type(DType wanted) const {
  return {.code = ErrorCode::invalid_argument,
          .message = fmt::format("Buffer::to_host: the buffer is {}, but was asked for as {}",
                                 to_string(shape_), name(wanted)),
          .hint = "i1 reads as u8, bf16 and f16 as u16"};
}

Result<bool> Buffer::is_deleted() const {
  ADDER_CHECK(check_filled("Buffer::is_deleted"));
  ADDER_TRY(const auto args,
            call(client_->api, ADDER_PJRT(PJRT_Buffer_IsDeleted), [&](auto& a) { a.buffer = raw_; }));
  return args.is_deleted;
}

Result<std::int64_t> Buffer::on_device_bytes() const {
  ADDER_CHECK(check_filled("Buffer::on_device_bytes"));
  ADDER_TRY(const auto args, call(client_->api, ADDER_PJRT(PJRT_Buffer_OnDeviceSizeInBytes),
                                  [&](auto& a) { a.buffer = raw_; }));
  return static_cast<std::int64_t>(args.on_device_size_in_bytes);
}

Result<Event> Buffer::ready() const {
  ADDER_CHECK(check_filled("Buffer::ready"));
  ADDER_TRY(const auto args,
            call(client_->api, ADDER_PJRT(PJRT_Buffer_ReadyEvent), [&](auto& a) { a.buffer = raw_; }));
  return Event(client_, args.event);
}

Status Buffer::release() {
  ADDER_CHECK(check_filled("Buffer::release"));
  ADDER_CHECK(call(client_->api, ADDER_PJRT(PJRT_Buffer_Delete), [&](auto& a) { a.buffer = raw_; }));
  return {};
}

Result<Event> Buffer::to_host_async(std::span<std::byte> host) const {
  ADDER_CHECK(check_filled("Buffer::to_host"));
  const auto bytes = static_cast<std::size_t>(shape_.bytes());
  if (host.size() < bytes)
    return fail(ErrorCode::invalid_argument, fmt::format("Buffer::to_host: {} needs {} bytes, {} given",
                                                         to_string(shape_), bytes, host.size()));
  // The plugin checks for deletion too, but only some name the cause.
  ADDER_TRY(const bool deleted, is_deleted());
  if (deleted)
    return fail(ErrorCode::failed_precondition,
                fmt::format("Buffer::to_host: this {} buffer was donated or deleted", to_string(shape_)),
                "use the program's output in its place");

  std::vector<std::int64_t> minor_to_major(shape_.dims.size());
  std::iota(minor_to_major.rbegin(), minor_to_major.rend(), 0);
  PJRT_Buffer_MemoryLayout row_major{};  // a null layout means the device's, which need not be row-major
  row_major.struct_size = PJRT_Buffer_MemoryLayout_STRUCT_SIZE;
  row_major.type = PJRT_Buffer_MemoryLayout_Type_Tiled;
  row_major.tiled.struct_size = PJRT_Buffer_MemoryLayout_Tiled_STRUCT_SIZE;
  row_major.tiled.minor_to_major = minor_to_major.data();
  row_major.tiled.minor_to_major_size = minor_to_major.size();

  std::byte nothing{};  // a null dst would only ask for the size
  ADDER_TRY(const auto args, call(client_->api, ADDER_PJRT(PJRT_Buffer_ToHostBuffer), [&](auto& a) {
              a.src = raw_;
              a.host_layout = shape_.rank() > 1 ? &row_major : nullptr;
              a.dst = bytes == 0 ? &nothing : host.data();
              a.dst_size = bytes;
            }));
  client_->stats.count_download(shape_.bytes());
  Event event(client_, args.event);
  if (bytes == 0) ADDER_CHECK(event.wait());  // `nothing` dies here
  return event;
}

Status Buffer::to_host(std::span<std::byte> host) const {
  ADDER_TRY(const Event event, to_host_async(host));
  return event.wait();
}

Result<Buffer> Buffer::copy_to_device(const Device& device) const {
  ADDER_CHECK(check_filled("Buffer::copy_to_device"));
  if (device.client() != client_)
    return fail(ErrorCode::invalid_argument,
                fmt::format("Buffer::copy_to_device: {} belongs to another client", device.description()),
                "go through host memory");
  ADDER_TRY(const auto args, call(client_->api, ADDER_PJRT(PJRT_Buffer_CopyToDevice), [&](auto& a) {
              a.buffer = raw_;
              a.dst_device = device.raw();
            }));
  client_->stats.count_device_copy();
  return Buffer(client_, args.dst_buffer, shape_);
}

}  // namespace adder::pjrt
