#include "engine/platform.h"

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

}  // namespace adder::engine
