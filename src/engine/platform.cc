#include "engine/platform.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "engine/build_guard.h"
#include "hlo/module.h"
#include "hlo/ops.h"

namespace adder::engine {

namespace {

model::Policy cpu_policy() {
  const auto spelling = [](DType dtype, std::string_view name) {
    return std::pair{dtype, *model::find_spelling(dtype, name)};
  };
  return {
      // Nothing fuses the expansion of int8 weights into a product here: it would be written and read back.
      .int8_activations = true,
      .spelling = {},
      // A batch dimension is what XLA divides among threads; with one row, bfloat16 and int8 products fall to
      // a scalar loop.
      .otherwise = {spelling(DType::f32, "parts4"), spelling(DType::bf16, "rows2"),
                    spelling(DType::s8, "first2x8")},
      .split_in_proj = true,  // the second core works on z while small kernels run on the first
      .row_multiple = 32,
      .barriers = true,
      .nested_sums = true,
      .scan = {.chunk = 128, .lanes = 32},
  };
}

std::vector<PlatformPolicy> make_table() {
  return {
      // One device: XLA's CPU client makes at least as many threads as devices, four by default, and on fewer
      // cores they take turns (10% of decode on two cores).
      {.platforms = {"cpu"},
       .client_options = {{"cpu_device_count", std::int64_t{1}}},
       // XLA's own loops, norms and int8 or bfloat16 products among them, take 256 bits otherwise. A machine
       // that has fewer uses what it has.
       .compile_flags = {{"xla_cpu_prefer_vector_width", std::int64_t{512}}},
       .open_loops = true,
       .block = 64,
       .host_weights = true,
       .model = cpu_policy()},
      // A small model's step costs its kernels, about 1.6 us each (docs/PERFORMANCE.md): this row has the
      // fewest.
      {.platforms = {"cuda", "gpu"},
       .client_options = {},
       .has_memory_options = true,
       // Else products that share an operand are made one of a concatenation, which is written out first.
       .compile_flags = {{"xla_gpu_dot_merger_threshold_mb", std::int64_t{0}}},
       .model = {.spelling = {},
                 .otherwise = {},
                 .norm_after_product = true,
                 .ring_windows = true,
                 .padded_windows = true,
                 .scan = {.joined = true}}},
      // By counting alone: a tenth fewer operations a step, no copies; the bytes are the least with any row.
      {.platforms = {"tpu"},
       .client_options = {},
       .compile_flags = {},
       .model =
           {.spelling = {}, .otherwise = {}, .norm_after_product = true, .ring_windows = true, .scan = {}}},
  };
}

const std::vector<PlatformPolicy>& table() {
  static const std::vector<PlatformPolicy> kTable = make_table();
  return kTable;
}

const PlatformPolicy* find_row(std::string_view platform) {
  std::string name(platform);
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const PlatformPolicy& row : table())
    if (std::find(row.platforms.begin(), row.platforms.end(), name) != row.platforms.end()) return &row;
  return nullptr;
}

/// The fields that changed_policy sets by name.
struct Field {
  std::string_view name;
  void (*set)(model::Policy&, std::int64_t);
};
constexpr std::array kFields{
    Field{"int8_activations", [](model::Policy& p, std::int64_t v) { p.int8_activations = v != 0; }},
    Field{"split_in_proj", [](model::Policy& p, std::int64_t v) { p.split_in_proj = v != 0; }},
    Field{"norm_after_product", [](model::Policy& p, std::int64_t v) { p.norm_after_product = v != 0; }},
    Field{"barriers", [](model::Policy& p, std::int64_t v) { p.barriers = v != 0; }},
    Field{"nested_sums", [](model::Policy& p, std::int64_t v) { p.nested_sums = v != 0; }},
    Field{"ring_windows", [](model::Policy& p, std::int64_t v) { p.ring_windows = v != 0; }},
    Field{"padded_windows", [](model::Policy& p, std::int64_t v) { p.padded_windows = v != 0; }},
    Field{"joined", [](model::Policy& p, std::int64_t v) { p.scan.joined = v != 0; }},
    Field{"chunk", [](model::Policy& p, std::int64_t v) { p.scan.chunk = std::max<std::int64_t>(v, 1); }},
    Field{"block", [](model::Policy& p, std::int64_t v) { p.scan.block = std::max<std::int64_t>(v, 1); }},
    Field{"looped", [](model::Policy& p, std::int64_t v) { p.scan.looped = std::max<std::int64_t>(v, 1); }},
    Field{"lanes", [](model::Policy& p, std::int64_t v) { p.scan.lanes = v; }},
};

Status change(model::Policy& policy, std::string_view word) {
  const PlatformPolicy plain;
  if (const PlatformPolicy* row = word == "plain" ? &plain : find_row(word)) {
    const hlo::Precision precision = policy.precision;  // what was asked for, no platform's fact
    policy = row->model;
    policy.precision = precision;
    return {};
  }
  const std::size_t equals = std::min(word.find('='), word.size());
  std::string names = "plain";
  for (const PlatformPolicy& row : table()) names += fmt::format(", {}", row.platforms.front());
  for (const Field& field : kFields) {
    names += fmt::format(", {}=N", field.name);
    std::int64_t value = -1;
    const char* end = word.data() + word.size();
    if (field.name != word.substr(0, equals) || equals == word.size()) continue;
    const auto parsed = std::from_chars(word.data() + equals + 1, end, value);
    if (parsed.ec != std::errc{} || parsed.ptr != end || value < 0) break;
    field.set(policy, value);
    return {};
  }
  return fail(ErrorCode::invalid_argument, fmt::format("policy: '{}' is no change of one", word),
              "there are " + names);
}

}  // namespace

const PlatformPolicy& platform_policy(std::string_view platform) {
  static const PlatformPolicy kPlain{};
  const PlatformPolicy* row = find_row(platform);
  return row ? *row : kPlain;
}

Result<model::Policy> changed_policy(model::Policy policy, std::string_view text) {
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    ADDER_CHECK(change(policy, text.substr(0, comma)));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return policy;
}

std::string_view device_hint(std::string_view platform) {
  if (platform == "cuda")
    return "is NVIDIA's driver installed, and may this process use a card? `nvidia-smi` must list one (in a "
           "container: --gpus all), with a driver as new as the plugin's CUDA: 580 or later for CUDA 13, 525 "
           "for CUDA 12";
  if (platform == "rocm")
    return "is AMD's driver (amdgpu) loaded, and may this process use a card? `rocm-smi` must list one, and "
           "the user must be in the groups render and video";
  if (platform == "oneapi")
    return "is Intel's compute runtime (level-zero) installed, and may this process use a card? `clinfo -l` "
           "must list one";
  if (platform == "tpu")
    return "libtpu runs on a machine with a TPU, one process at a time; /dev/accel* or /dev/vfio must be "
           "there";
  return {};
}

Result<pjrt::Client> create_client(const pjrt::Plugin& plugin, std::string_view platform,
                                   const std::vector<pjrt::NamedValue>& more) {
  const bool guess = platform.empty();
  std::vector<pjrt::NamedValue> options = platform_policy(guess ? "cpu" : platform).client_options;
  for (const pjrt::NamedValue& option : more) {
    std::erase_if(options, [&](const pjrt::NamedValue& own) { return own.name == option.name; });
    options.push_back(option);
  }
  auto client = pjrt::Client::create(plugin, options);
  if (!client && guess) client = pjrt::Client::create(plugin);
  if (client) return client;
  Error error = std::move(client).error();
  if (error.hint.empty()) error.hint = device_hint(platform);
  return fail(std::move(error));
}

pjrt::CompileOptions with_known_flags(
    pjrt::CompileOptions options, std::string_view platform,
    const std::function<bool(std::string_view, const pjrt::CompileOptions&)>& compiles) {
  const Result<std::string> program = guard_build("an empty program", [] {
    hlo::Module module("empty");
    module.main().finish({{"out", hlo::constant(module.main(), DType::s32, 0)}});
    return module.text();
  });
  if (!program) return options;  // then no flag is known to be taken
  for (const auto& [name, value] : platform_policy(platform).compile_flags) {
    pjrt::CompileOptions with_flag = options;
    with_flag.flags[name] = value;
    if (compiles(*program, with_flag)) options = std::move(with_flag);
  }
  return options;
}

pjrt::CompileOptions compile_options(const pjrt::Client& client, const pjrt::Device& device) {
  pjrt::CompileOptions out;
  if (device.id() != client.default_device().id()) out = pjrt::CompileOptions::for_device(device.id());
  return with_known_flags(std::move(out), client.platform_name(),
                          [&](std::string_view program, const pjrt::CompileOptions& options) {
                            return client.compile(program, options).has_value();
                          });
}

}  // namespace adder::engine
