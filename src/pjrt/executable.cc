#include "pjrt/executable.h"

#include <fmt/format.h>

#include <utility>

#include "pjrt/buffer_type.h"
#include "pjrt/client_state.h"
#include "pjrt/executable_queries.h"

namespace adder::pjrt {

Executable::~Executable() { reset(); }
Executable::Executable(Executable&& other) noexcept { *this = std::move(other); }
Executable& Executable::operator=(Executable&& other) noexcept {
  if (this == &other) return *this;
  reset();
  client_ = std::move(other.client_);
  loaded_ = std::exchange(other.loaded_, nullptr);
  executable_ = std::exchange(other.executable_, nullptr);
  name_ = std::move(other.name_);
  num_outputs_ = std::exchange(other.num_outputs_, 0);
  num_devices_ = other.num_devices_;
  output_shapes_ = std::move(other.output_shapes_);
  signature_ = std::move(other.signature_);
  return *this;
}

void Executable::reset() {
  if (executable_ != nullptr)
    call_quietly(client_->api, ADDER_PJRT(PJRT_Executable_Destroy),
                 [&](auto& a) { a.executable = executable_; });
  if (loaded_ != nullptr)
    call_quietly(client_->api, ADDER_PJRT(PJRT_LoadedExecutable_Destroy),
                 [&](auto& a) { a.executable = loaded_; });
  executable_ = nullptr;
  loaded_ = nullptr;
  client_.reset();
}

Result<Executable> Executable::adopt(std::shared_ptr<ClientState> client, PJRT_LoadedExecutable* raw,
                                     std::string_view program) {
  Executable out;
  out.client_ = std::move(client);
  out.loaded_ = raw;
  const PJRT_Api* api = out.client_->api;
  ADDER_TRY(const auto got, call(api, ADDER_PJRT(PJRT_LoadedExecutable_GetExecutable),
                                 [&](auto& a) { a.loaded_executable = raw; }));
  out.executable_ = got.executable;
  ADDER_TRY(const auto name,
            call(api, ADDER_PJRT(PJRT_Executable_Name), [&](auto& a) { a.executable = out.executable_; }));
  out.name_.assign(name.executable_name, name.executable_name_size);
  ADDER_TRY(const auto outputs, call(api, ADDER_PJRT(PJRT_Executable_NumOutputs),
                                     [&](auto& a) { a.executable = out.executable_; }));
  out.num_outputs_ = static_cast<std::int64_t>(outputs.num_outputs);
  ADDER_TRY(const auto devices, call(api, ADDER_PJRT(PJRT_LoadedExecutable_AddressableDevices),
                                     [&](auto& a) { a.executable = raw; }));
  out.num_devices_ = devices.num_addressable_devices;
  ADDER_CHECK(out.read_outputs());
  out.signature_ = parse_signature(program);
  return out;
}

/// Fills output_shapes_ where the plugin has both functions and every element type is one of ours.
Status Executable::read_outputs() {
  const auto get_types = ADDER_PJRT(PJRT_Executable_OutputElementTypes);
  const auto get_dims = ADDER_PJRT(PJRT_Executable_OutputDimensions);
  const auto types = call(client_->api, get_types, [&](auto& a) { a.executable = executable_; });
  const auto dims = call(client_->api, get_dims, [&](auto& a) { a.executable = executable_; });
  if (!types || !dims) return {};  // not every platform can say; the outputs' buffers will
  const auto count = static_cast<std::size_t>(num_outputs_);
  if (types->num_output_types != count || dims->num_outputs != count)
    return fail(ErrorCode::internal,
                fmt::format("executable {}: {} outputs, but {} element types and {} dimension lists", name_,
                            count, types->num_output_types, dims->num_outputs));
  std::vector<Shape> shapes;
  const std::int64_t* at = dims->dims;
  for (std::size_t i = 0; i < count; ++i) {
    const auto dtype = from_buffer_type(as_number(types->output_types[i]));
    if (!dtype) return {};
    shapes.push_back({*dtype, Dims(at, at + dims->dim_sizes[i])});
    at += dims->dim_sizes[i];
  }
  output_shapes_ = std::move(shapes);
  return {};
}

Status Executable::check_filled(const char* what) const {
  if (loaded_ != nullptr) return {};
  return fail(ErrorCode::failed_precondition, fmt::format("{}: the executable is empty", what),
              "it was default-made or moved from");
}

Result<CompiledMemoryStats> Executable::memory_stats() const {
  ADDER_CHECK(check_filled("Executable::memory_stats"));
  return memory_stats_of(client_->api, executable_);
}

Result<std::string> Executable::fingerprint() const {
  ADDER_CHECK(check_filled("Executable::fingerprint"));
  auto args = call(client_->api, ADDER_PJRT(PJRT_Executable_Fingerprint),
                   [&](auto& a) { a.executable = executable_; });
  if (args) return std::string(args->executable_fingerprint, args->executable_fingerprint_size);
  ADDER_TRY(const auto older, call(client_->api, ADDER_PJRT(PJRT_LoadedExecutable_Fingerprint),
                                   [&](auto& a) { a.executable = loaded_; }));
  return std::string(older.executable_fingerprint, older.executable_fingerprint_size);
}

Result<std::string> Executable::serialize() const {
  ADDER_CHECK(check_filled("Executable::serialize"));
  return pjrt::serialize(client_->api, executable_);
}

Result<OptimizedProgram> Executable::optimized_program() const {
  ADDER_CHECK(check_filled("Executable::optimized_program"));
  return optimized_program_of(client_->api, executable_);
}

Status Executable::check_arguments(std::span<const Buffer* const> arguments,
                                   const ExecuteOptions& options) const {
  if (num_devices_ != 1)
    return fail(ErrorCode::unsupported,
                fmt::format("{}: compiled for {} devices; execute() runs on one", name_, num_devices_));
  if (signature_ && arguments.size() != signature_->arguments.size())
    return fail(ErrorCode::invalid_argument, fmt::format("{}: expected {} arguments, got {}", name_,
                                                         signature_->arguments.size(), arguments.size()));
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const Buffer* argument = arguments[i];
    if (argument == nullptr || !*argument)
      return fail(ErrorCode::invalid_argument, fmt::format("{}: argument {} is an empty buffer", name_, i));
    if (argument->client() != client_)
      return fail(ErrorCode::invalid_argument,
                  fmt::format("{}: argument {} belongs to another client", name_, i),
                  "upload it to this one");
    if (signature_ && argument->shape() != signature_->arguments[i])
      return fail(ErrorCode::invalid_argument,
                  fmt::format("{}: argument {}: expected {}, got {}", name_, i,
                              to_string(signature_->arguments[i]), to_string(argument->shape())));
  }
  for (std::int64_t index : options.not_donated)
    if (index < 0 || index >= static_cast<std::int64_t>(arguments.size()))
      return fail(ErrorCode::invalid_argument,
                  fmt::format("{}: not_donated names argument {} of {}", name_, index, arguments.size()));
  return {};
}

Result<std::vector<Buffer>> Executable::execute(std::span<const Buffer* const> arguments,
                                                const ExecuteOptions& options) const {
  ADDER_CHECK(check_filled("Executable::execute"));
  ADDER_CHECK(check_arguments(arguments, options));

  // Everything below is read by the plugin during the call only, and lives until it returns.
  std::vector<PJRT_Buffer*> inputs;
  inputs.reserve(arguments.size());
  for (const Buffer* argument : arguments) inputs.push_back(argument->raw());
  std::vector<PJRT_Buffer*> outputs(static_cast<std::size_t>(num_outputs_), nullptr);
  PJRT_Buffer* const* input_lists[] = {inputs.data()};
  PJRT_Buffer** const output_lists[] = {outputs.data()};
  PJRT_Event* completions[] = {nullptr};
  PJRT_ExecuteOptions c_options{};
  c_options.struct_size = PJRT_ExecuteOptions_STRUCT_SIZE;
  c_options.non_donatable_input_indices = options.not_donated.data();
  c_options.num_non_donatable_input_indices = options.not_donated.size();

  ADDER_CHECK(call(client_->api, ADDER_PJRT(PJRT_LoadedExecutable_Execute), [&](auto& a) {
    a.executable = loaded_;
    a.options = &c_options;
    a.argument_lists = input_lists;
    a.num_devices = 1;
    a.num_args = inputs.size();
    a.output_lists = output_lists;
    a.device_complete_events = options.completion != nullptr ? completions : nullptr;
  }));
  client_->stats.count_execution();
  if (options.completion != nullptr) *options.completion = Event(client_, completions[0]);

  std::vector<Buffer> results;
  results.reserve(outputs.size());
  for (std::size_t i = 0; i < outputs.size(); ++i)
    results.emplace_back(client_, outputs[i], output_shapes_ ? (*output_shapes_)[i] : Shape{});
  if (!output_shapes_)
    for (Buffer& result : results) ADDER_CHECK(result.read_shape());
  return results;
}

}  // namespace adder::pjrt
