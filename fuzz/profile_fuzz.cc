// profile::read_xspace and profile::kernels_of. The first byte says which: x, h (hlo) or c (hlo_with_config).

#include "fuzz.h"
#include "profile/attribution.h"

namespace {

using namespace adder;

void check_space(std::string_view bytes) {
  const auto space = profile::read_xspace(bytes);
  if (!space) {
    FUZZ_CHECK(fuzz::is_readable(space.error().message));
    return;
  }
  const auto part_of = [](const std::string& name) { return profile::scope_in(name, {"mixer", "head"}); };
  const profile::Attribution found = profile::attribute(*space, {}, part_of);
  std::int64_t by_part = 0, by_name = 0;
  for (const auto& [name, busy] : found.parts) by_part += busy.launches;
  for (const auto& [name, busy] : found.names) by_name += busy.launches;
  FUZZ_CHECK(by_part == by_name);
  FUZZ_CHECK(!profile::to_trace(*space, part_of).json().empty());
}

void check_kernels(std::string_view format, std::string_view bytes) {
  const auto kernels = profile::kernels_of(format, bytes);
  if (!kernels) {
    FUZZ_CHECK(fuzz::is_readable(kernels.error().message));
    return;
  }
  FUZZ_CHECK(kernels->size() <= bytes.size());
  for (const profile::Kernel& k : *kernels) {
    FUZZ_CHECK(k.bytes >= 0 && k.times >= 1);
    FUZZ_CHECK(k.hlo.size() <= 2000);
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = fuzz::as_text(data, size);
  if (input.empty()) return 0;
  const std::string_view bytes = input.substr(1);
  if (input[0] == 'x') check_space(bytes);
  if (input[0] == 'h') check_kernels("hlo", bytes);
  if (input[0] == 'c') check_kernels("hlo_with_config", bytes);
  return 0;
}
