#include "engine/platform.h"

#include "hlo/module.h"
#include "hlo/ops.h"

namespace adder::engine {

const PlatformPolicy& platform_policy(std::string_view platform) {
  static const std::vector<PlatformPolicy> kTable{
      // One device: XLA's CPU client makes at least as many threads as devices, four by default, and on fewer
      // cores they take turns (10% of decode on two cores).
      // A batch dimension is what XLA divides among threads; with one row, bfloat16 and int8 products fall to
      // a scalar loop (design section 9).
      {.platform = "cpu",
       .client_options = {{"cpu_device_count", std::int64_t{1}}},
       .spelling = {{DType::f32, "parts4"}, {DType::bf16, "rows2"}, {DType::s8, "first2x8"}},
       // XLA's own loops, norms and int8 or bfloat16 products among them, take 256 bits otherwise. A machine
       // that has fewer uses what it has.
       .compile_flags = {{"xla_cpu_prefer_vector_width", std::int64_t{512}}},
       // Nothing fuses the expansion of int8 weights into a product here: it would be written and read back.
       .int8_activations = true},
  };
  static const PlatformPolicy kNone{};
  for (const PlatformPolicy& row : kTable)
    if (row.platform == platform) return row;
  return kNone;
}

Result<pjrt::Client> create_client(const pjrt::Plugin& plugin, std::string_view platform) {
  const bool guess = platform.empty();
  auto client = pjrt::Client::create(plugin, platform_policy(guess ? "cpu" : platform).client_options);
  if (!client && guess) return pjrt::Client::create(plugin);
  return client;
}

pjrt::CompileOptions with_known_flags(
    pjrt::CompileOptions options, std::string_view platform,
    const std::function<bool(std::string_view, const pjrt::CompileOptions&)>& compiles) {
  hlo::Module module("empty");
  module.main().finish({{"out", hlo::constant(module.main(), DType::s32, 0)}});
  const std::string program = module.text();
  for (const auto& [name, value] : platform_policy(platform).compile_flags) {
    pjrt::CompileOptions with_flag = options;
    with_flag.flags[name] = value;
    if (compiles(program, with_flag)) options = std::move(with_flag);
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
