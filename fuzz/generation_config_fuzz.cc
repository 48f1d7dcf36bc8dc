// checkpoint::read_generation_defaults on a whole file.

#include <cmath>

#include "checkpoint/generation_defaults.h"
#include "file.h"

using namespace adder;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::MemoryFile file(fuzz::as_bytes(data, size));
  const auto defaults = checkpoint::read_generation_defaults(file.path());
  if (!defaults) {
    FUZZ_CHECK(fuzz::is_readable(defaults.error().message));
    FUZZ_CHECK(defaults.error().message.find(file.path()) != std::string::npos);
    return 0;
  }
  const auto within = [](const std::optional<double>& value, double low, double high) {
    return !value || (std::isfinite(*value) && *value >= low && *value <= high);
  };
  FUZZ_CHECK(within(defaults->temperature, 0, HUGE_VAL));
  FUZZ_CHECK(within(defaults->top_p, 0, 1));
  FUZZ_CHECK(within(defaults->min_p, 0, 1));
  FUZZ_CHECK(!defaults->repetition_penalty || *defaults->repetition_penalty > 0);
  FUZZ_CHECK(!defaults->top_k || *defaults->top_k >= 0);
  for (const std::int64_t id : defaults->eos_token_ids) FUZZ_CHECK(id >= 0);
  return 0;
}
