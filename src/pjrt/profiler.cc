#include "pjrt/profiler.h"

#include <fmt/format.h>

#include "pjrt/profiler_extension.h"

namespace adder::pjrt {
namespace {

/// tensorflow.ProfileOptions (tsl/profiler/protobuf/profiler_options.proto): version 1, the device fully
/// traced, the host's important events, no Python, and the programs' HLO so that kernels can be named.
std::string encode_options() {
  constexpr std::pair<int, int> kFields[] = {
      {5, 1},  // version
      {2, 2},  // host_tracer_level: 2 = important events
      {3, 1},  // device_tracer_level
      {4, 0},  // python_tracer_level
      {7, 1},  // enable_hlo_proto
  };
  std::string bytes;
  for (const auto& [field, value] : kFields) {
    bytes.push_back(static_cast<char>(field << 3));  // varint fields below 16: one byte of tag
    bytes.push_back(static_cast<char>(value));
  }
  return bytes;
}

template <class Args>
Args sized() {
  Args args;
  std::memset(&args, 0, sizeof(args));
  args.struct_size = sizeof(args);
  return args;
}

Error take_profiler_error(const ProfilerTable* table, const char* function, PluginProfilerError* error) {
  std::string text;
  if (table->error_message != nullptr) {
    auto args = sized<ProfilerErrorMessageArgs>();
    args.error = error;
    table->error_message(&args);
    if (args.message != nullptr) text.assign(args.message, args.message_size);
  }
  if (table->error_destroy != nullptr) {
    auto args = sized<ProfilerErrorDestroyArgs>();
    args.error = error;
    table->error_destroy(&args);
  }
  return {.code = ErrorCode::internal,
          .message = fmt::format("the plugin's profiler: {}: {}", function, text),
          .hint = "profiling a GPU may need rights that the driver does not give every user (CUPTI)"};
}

template <class Args>
Status invoke(const ProfilerTable* table, const char* name, PluginProfilerError* (*function)(Args*),
              Args& args) {
  if (PluginProfilerError* error = function(&args)) return fail(take_profiler_error(table, name, error));
  return {};
}

}  // namespace

const ProfilerTable* find_profiler(const PJRT_Api* api) {
  constexpr int kMostExtensions = 256;  // against a chain that bites its tail
  constexpr std::size_t kNode = offsetof(ProfilerExtension, table) + sizeof(ProfilerTable*);
  const auto* node = api->extension_start;
  for (int i = 0; node != nullptr && i < kMostExtensions; ++i, node = node->next) {
    if (as_number(node->type) != PJRT_Extension_Type_Profiler || node->struct_size < kNode) continue;
    const ProfilerTable* table = reinterpret_cast<const ProfilerExtension*>(node)->table;
    if (table == nullptr || table->struct_size < sizeof(ProfilerTable)) continue;
    if (table->create && table->destroy && table->start && table->stop && table->collect_data) return table;
  }
  return nullptr;
}

bool has_profiler(const Plugin& plugin) { return find_profiler(plugin.api()) != nullptr; }

struct Profiler::Session {
  const ProfilerTable* table;
  PluginProfiler* raw = nullptr;
  bool running = false;

  explicit Session(const ProfilerTable* t) : table(t) {}
  ~Session() {
    if (raw == nullptr) return;
    auto args = sized<ProfilerSessionArgs>();
    args.profiler = raw;
    if (running) (void)invoke(table, "stop", table->stop, args);
    (void)invoke(table, "destroy", table->destroy, args);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
};

Profiler::Profiler(std::unique_ptr<Session> session) : session_(std::move(session)) {}
Profiler::~Profiler() = default;
Profiler::Profiler(Profiler&& other) noexcept = default;
Profiler& Profiler::operator=(Profiler&& other) noexcept = default;

Result<Profiler> Profiler::start(const Plugin& plugin) {
  const ProfilerTable* table = find_profiler(plugin.api());
  if (table == nullptr)
    return fail(ErrorCode::unsupported, fmt::format("plugin {}: it has no profiler", plugin.path().string()));
  auto session = std::make_unique<Session>(table);
  const std::string options = encode_options();
  auto create = sized<ProfilerCreateArgs>();
  create.options = options.data();
  create.options_size = options.size();
  ADDER_CHECK(invoke(table, "create", table->create, create));
  session->raw = create.profiler;
  auto start = sized<ProfilerSessionArgs>();
  start.profiler = session->raw;
  ADDER_CHECK(invoke(table, "start", table->start, start));
  session->running = true;
  return Profiler(std::move(session));
}

Result<std::string> Profiler::stop() {
  if (session_ == nullptr || !session_->running)
    return fail(ErrorCode::failed_precondition, "Profiler::stop: it is not recording");
  session_->running = false;
  const ProfilerTable* table = session_->table;
  auto stop = sized<ProfilerSessionArgs>();
  stop.profiler = session_->raw;
  ADDER_CHECK(invoke(table, "stop", table->stop, stop));
  auto collect = sized<ProfilerCollectArgs>();
  collect.profiler = session_->raw;
  ADDER_CHECK(invoke(table, "collect_data", table->collect_data, collect));
  std::string bytes(collect.buffer_size, '\0');
  if (collect.buffer != nullptr) {
    std::memcpy(bytes.data(), collect.buffer, bytes.size());
  } else if (!bytes.empty()) {
    collect.buffer = reinterpret_cast<std::uint8_t*>(bytes.data());
    ADDER_CHECK(invoke(table, "collect_data", table->collect_data, collect));
  }
  return bytes;
}

}  // namespace adder::pjrt
