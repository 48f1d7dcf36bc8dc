#include "engine/platform.h"

namespace adder::engine {

const PlatformPolicy& platform_policy(std::string_view platform) {
  static const std::vector<PlatformPolicy> kTable{
      // One device: XLA's CPU client makes at least as many threads as devices, four by default, and on fewer
      // cores they take turns (10% of decode on two cores).
      // Four parts: a batch dimension is what XLA divides among threads (matrix-vector products 10-20%
      // faster).
      // Two rows: with one, bfloat16 products fall to a scalar loop (design section 9).
      {.platform = "cpu",
       .client_options = {{"cpu_device_count", std::int64_t{1}}},
       .row_splits = 4,
       .narrow_rows = 2},
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
