// parse_json against nlohmann's own parser, then arch::parse_config and parse_generation_defaults.

#include <cmath>

#include "arch/config.h"
#include "arch/mamba2.h"
#include "base/json.h"
#include "checkpoint/generation_defaults.h"
#include "fuzz.h"

namespace {

using namespace adder;

constexpr int kDepth = 200;

bool all_finite(const Json& json) {
  if (json.is_number_float()) return std::isfinite(json.get<double>());
  for (const auto& item : json.items())
    if (json.is_structured() && !all_finite(item.value())) return false;
  return true;
}

// Ours accepts what RFC 8259 allows, to a depth, and then agrees with nlohmann's. Beyond that it accepts
// non-finite numbers, and nothing else.
void check_parser(std::string_view text) {
  const Result<Json> ours = parse_json(text, "input", {.max_depth = kDepth});
  if (Json::accept(text)) {
    if (ours) {
      FUZZ_CHECK(*ours == Json::parse(text));
    } else {
      FUZZ_CHECK(ours.error().message.find("nested deeper") != std::string::npos);
    }
  } else if (ours) {
    FUZZ_CHECK(text.find("Infinity") != text.npos || text.find("NaN") != text.npos);
  }
  if (ours && all_finite(*ours)) {
    const Result<Json> again = parse_json(ours->dump(), "dump", {.max_depth = kDepth});
    FUZZ_CHECK(again && *again == *ours);
  }
}

void check_config(const Json& json) {
  const auto parsed = arch::parse_config(json, "input");
  if (!parsed) {
    FUZZ_CHECK(fuzz::is_readable(parsed.error().message));
    return;
  }
  const arch::Config& config = **parsed;
  if (const auto* mamba2 = dynamic_cast<const arch::Mamba2*>(&config)) {
    FUZZ_CHECK(mamba2->d_inner == mamba2->n_heads * mamba2->head_dim);
    if (!mamba2->is_default(arch::Mamba2::Field::n_groups))  // else the tensors decide
      FUZZ_CHECK(mamba2->n_heads % mamba2->n_groups == 0);
    FUZZ_CHECK(mamba2->dt_min >= 0 && mamba2->dt_min <= mamba2->dt_max);
  }
  FUZZ_CHECK(config.vocab_size <= config.padded_vocab_size);
  FUZZ_CHECK(config.norm_eps > 0 && std::isfinite(config.norm_eps));
  if (config.n_layer > 8) return;
  for (const arch::TensorField& field : config.tensors())
    FUZZ_CHECK((Shape{DType::f64, field.dims}.bytes() > 0));
}

void check_generation_defaults(const Json& json) {
  const auto defaults = checkpoint::parse_generation_defaults(json, "input");
  if (!defaults) {
    FUZZ_CHECK(fuzz::is_readable(defaults.error().message));
    return;
  }
  if (defaults->temperature) FUZZ_CHECK(*defaults->temperature >= 0);
  if (defaults->top_p) FUZZ_CHECK(*defaults->top_p >= 0 && *defaults->top_p <= 1);
  for (const std::int64_t id : defaults->eos_token_ids) FUZZ_CHECK(id >= 0);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::as_text(data, size);
  check_parser(text);
  const Result<Json> json = parse_json(text, "input");
  if (!json) {
    FUZZ_CHECK(fuzz::is_readable(json.error().message));
    return 0;
  }
  check_config(*json);
  check_generation_defaults(*json);
  return 0;
}
