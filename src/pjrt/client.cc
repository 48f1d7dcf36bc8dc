#include "pjrt/client.h"

#include <fmt/format.h>

#include "pjrt/buffer_type.h"
#include "pjrt/client_state.h"
#include "pjrt/executable_queries.h"
#include "pjrt/quiet_stderr.h"

namespace adder::pjrt {
namespace {

Result<DeviceRecord> read_device(const PJRT_Api* api, PJRT_Device* raw) {
  DeviceRecord out;
  out.raw = raw;
  ADDER_TRY(const auto got,
            call(api, ADDER_PJRT(PJRT_Device_GetDescription), [&](auto& a) { a.device = raw; }));
  const auto fill = [&](auto& a) { a.device_description = got.device_description; };
  ADDER_TRY(const auto id, call(api, ADDER_PJRT(PJRT_DeviceDescription_Id), fill));
  out.id = id.id;
  ADDER_TRY(const auto kind, call(api, ADDER_PJRT(PJRT_DeviceDescription_Kind), fill));
  out.kind.assign(kind.device_kind, kind.device_kind_size);
  ADDER_TRY(const auto text, call(api, ADDER_PJRT(PJRT_DeviceDescription_DebugString), fill));
  out.description.assign(text.debug_string, text.debug_string_size);
  // The rest is only information, and some platforms leave it out.
  if (auto hardware = call(api, ADDER_PJRT(PJRT_Device_LocalHardwareId), [&](auto& a) { a.device = raw; }))
    out.local_hardware_id = hardware->local_hardware_id;
  if (auto attributes = call(api, ADDER_PJRT(PJRT_DeviceDescription_Attributes), fill))
    out.attributes = named_values_from_c(attributes->attributes, attributes->num_attributes);
  return out;
}

Status fill_state(ClientState& state) {
  const auto fill = [&](auto& a) { a.client = state.raw; };
  ADDER_TRY(const auto name, call(state.api, ADDER_PJRT(PJRT_Client_PlatformName), fill));
  state.platform_name.assign(name.platform_name, name.platform_name_size);
  ADDER_TRY(const auto version, call(state.api, ADDER_PJRT(PJRT_Client_PlatformVersion), fill));
  state.platform_version.assign(version.platform_version, version.platform_version_size);
  ADDER_TRY(const auto devices, call(state.api, ADDER_PJRT(PJRT_Client_AddressableDevices), fill));
  for (std::size_t i = 0; i < devices.num_addressable_devices; ++i) {
    ADDER_TRY(auto record, read_device(state.api, devices.addressable_devices[i]));
    state.devices.push_back(std::move(record));
  }
  if (state.devices.empty())
    return fail(ErrorCode::not_found,
                fmt::format("plugin {}: platform {} has no device that this process can use",
                            state.plugin.path().string(), state.platform_name));
  return {};
}

Status check_shape(const Shape& shape) {
  std::int64_t bytes = byte_size(shape.dtype);
  bool fits = true, empty = false;
  for (std::int64_t d : shape.dims) {
    fits = fits && d >= 0;
    empty = empty || d == 0;
  }
  for (std::int64_t d : shape.dims)
    if (fits && !empty) fits = !__builtin_mul_overflow(bytes, d, &bytes);
  if (fits) return {};
  return fail(ErrorCode::invalid_argument,
              fmt::format("Client::to_device: {} has a negative or too large size", to_string(shape)));
}

}  // namespace

Result<Client> Client::create(const Plugin& plugin, std::span<const NamedValue> options) {
  const std::vector<PJRT_NamedValue> c_options = named_values_to_c(options);
  const QuietStderr quiet(plugins_are_quiet());
  ADDER_TRY(const auto args, call(plugin.api(), ADDER_PJRT(PJRT_Client_Create), [&](auto& a) {
              a.create_options = c_options.data();
              a.num_options = c_options.size();
            }));
  auto state = std::make_shared<ClientState>(plugin, args.client);
  for (const NamedValue& option : options) state->options += to_string(option) + ";";
  ADDER_CHECK(fill_state(*state));
  return Client(std::move(state));
}

const Plugin& Client::plugin() const { return state_->plugin; }
const std::string& Client::platform_name() const { return state_->platform_name; }
const std::string& Client::platform_version() const { return state_->platform_version; }
StatsSnapshot Client::stats() const { return state_->stats.snapshot(); }
Device Client::default_device() const { return Device(state_, 0); }

std::string Client::description() const {
  return fmt::format("{}, {} x {}, PJRT API {}, {}", state_->platform_name, state_->devices.size(),
                     state_->devices.front().kind, to_string(plugin().api_version()),
                     plugin().path().string());
}

std::vector<Device> Client::devices() const {
  std::vector<Device> out;
  for (std::size_t i = 0; i < state_->devices.size(); ++i) out.emplace_back(state_, i);
  return out;
}

Status Client::check_host_array(const Shape& shape, bool type_matches, std::size_t elements) {
  ADDER_CHECK(check_shape(shape));
  if (type_matches && static_cast<std::int64_t>(elements) == shape.elements()) return {};
  return fail(ErrorCode::invalid_argument,
              type_matches ? fmt::format("Client::to_device: {} needs {} elements, {} given",
                                         to_string(shape), shape.elements(), elements)
                           : fmt::format("Client::to_device: {} from an array of another element type",
                                         to_string(shape)));
}

Result<Upload> Client::upload(const void* data, const Shape& shape, const Device& device,
                              int semantics) const {
  ADDER_CHECK(check_shape(shape));
  static constexpr std::byte kNothing{};
  if (data == nullptr && shape.bytes() != 0)
    return fail(ErrorCode::invalid_argument,
                fmt::format("Client::to_device: {} from null", to_string(shape)));
  if (device.client() != state_)
    return fail(ErrorCode::invalid_argument,
                fmt::format("Client::to_device: {} belongs to another client", device.description()));
  ADDER_TRY(const auto args, call(state_->api, ADDER_PJRT(PJRT_Client_BufferFromHostBuffer), [&](auto& a) {
              a.client = state_->raw;
              a.data = data != nullptr ? data : &kNothing;
              a.type = static_cast<PJRT_Buffer_Type>(to_buffer_type(shape.dtype));
              a.dims = shape.dims.data();
              a.num_dims = shape.dims.size();
              a.host_buffer_semantics = static_cast<PJRT_HostBufferSemantics>(semantics);
              a.device = device.raw();
            }));
  state_->stats.count_upload(shape.bytes());
  return Upload{Buffer(state_, args.buffer, shape), Event(state_, args.done_with_host_buffer)};
}

Result<Buffer> Client::to_device(const void* data, const Shape& shape, const Device& device) const {
  ADDER_TRY(auto uploaded, upload(data, shape, device, PJRT_HostBufferSemantics_kImmutableOnlyDuringCall));
  return std::move(uploaded.buffer);
}

Result<Upload> Client::to_device_async(const void* data, const Shape& shape, const Device& device) const {
  return upload(data, shape, device, PJRT_HostBufferSemantics_kImmutableUntilTransferCompletes);
}

Result<Buffer> Client::to_device_zero_copy(std::shared_ptr<const void> data, const Shape& shape,
                                           const Device& device) const {
  ADDER_TRY(auto uploaded, upload(data.get(), shape, device, PJRT_HostBufferSemantics_kImmutableZeroCopy));
  // The callback does nothing but exist: it holds the owner until the runtime drops it.
  auto kept = uploaded.host_done.on_ready([owner = data](const Status&) {});
  if (!kept) {  // cannot be told when to let go, so go by a copy
    uploaded.buffer = Buffer();
    return to_device(data.get(), shape, device);
  }
  return std::move(uploaded.buffer);
}

Result<Executable> Client::compile(std::string_view program, const CompileOptions& options) const {
  const std::int64_t wanted = options.num_replicas * options.num_partitions;
  if (!options.device_ids.empty() && static_cast<std::int64_t>(options.device_ids.size()) != wanted)
    return fail(ErrorCode::invalid_argument,
                fmt::format("Client::compile: {} device_ids for {} replicas x {} partitions",
                            options.device_ids.size(), options.num_replicas, options.num_partitions));
  const std::string encoded = options.encode();
  const ProgramArgument argument(program);
  ADDER_TRY(const auto args, call(state_->api, ADDER_PJRT(PJRT_Client_Compile), [&](auto& a) {
              a.client = state_->raw;
              a.program = argument.get();
              a.compile_options = encoded.data();
              a.compile_options_size = encoded.size();
            }));
  state_->stats.count_compilation();
  return Executable::adopt(state_, args.executable, program);
}

Result<Executable> Client::load(std::string_view serialized, std::string_view program) const {
  ADDER_TRY(const auto args, call(state_->api, ADDER_PJRT(PJRT_Executable_DeserializeAndLoad), [&](auto& a) {
              a.client = state_->raw;
              a.serialized_executable = serialized.data();
              a.serialized_executable_size = serialized.size();
            }));
  return Executable::adopt(state_, args.loaded_executable, program);
}

}  // namespace adder::pjrt
