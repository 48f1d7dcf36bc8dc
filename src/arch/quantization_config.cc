#include "arch/quantization_config.h"

#include <fmt/format.h>

#include <optional>
#include <string_view>
#include <utility>

namespace adder::arch {
namespace {

constexpr std::string_view kMethod = "compressed-tensors", kFormat = "int-quantized";

class Checker {
 public:
  Checker(std::vector<std::string>& problems, std::vector<std::string>& unsupported)
      : problems_(problems), unsupported_(unsupported) {}

  void check(const std::string& name, const Json& json) {
    Fields top(json, name + ".", problems_);
    const std::optional<std::string> method = required(top, name, "quant_method");
    if (!method) return;
    if (*method != kMethod)
      return refuse(
          fmt::format("{}.quant_method: the weights are quantised by {}; expected {} with format {}", name,
                      in_quotes(*method), in_quotes(kMethod), in_quotes(kFormat)));
    if (const auto format = required(top, name, "format")) expect(name + ".format", *format, kFormat);
    if (const Json* groups = object(top, "config_groups"))
      for (const auto& [group, scheme] : groups->items())
        check_group(fmt::format("{}.config_groups.{}", name, in_quotes(group)), scheme);
    check_transforms(top, name);
  }

 private:
  void refuse(std::string what) { unsupported_.push_back(std::move(what)); }
  void expect(const std::string& field, const std::string& found, std::string_view wanted) {
    if (found != wanted)
      refuse(fmt::format("{}: expected {}, found {}", field, in_quotes(wanted), in_quotes(found)));
  }
  std::optional<std::string> required(Fields& fields, const std::string& owner, std::string_view name) {
    if (!fields.has(name))
      problems_.push_back(fmt::format("{}.{}: expected a string, found nothing", owner, name));
    return fields.text(name);
  }
  const Json* object(Fields& fields, std::string_view name) {
    const Json* value = fields.raw(name);
    if (value == nullptr || value->is_object()) return value;
    fields.expected(name, "an object", *value);
    return nullptr;
  }

  void check_group(const std::string& name, const Json& scheme) {
    if (!scheme.is_object())
      return problems_.push_back(fmt::format("{}: expected an object, found {}", name, describe(scheme)));
    Fields fields(scheme, name + ".", problems_);
    if (const auto format = fields.text("format")) expect(name + ".format", *format, kFormat);
    if (const Json* weights = object(fields, "weights")) {
      check_integers(name + ".weights", *weights);
      Fields args(*weights, name + ".weights.", problems_);
      expect(name + ".weights.strategy", args.text("strategy").value_or("tensor"), "channel");
    }
    if (const Json* inputs = object(fields, "input_activations")) {
      check_integers(name + ".input_activations", *inputs);
      Fields args(*inputs, name + ".input_activations.", problems_);
      if (!args.boolean("dynamic").value_or(false))
        refuse(name + ".input_activations.dynamic: expected true, found scales fixed beforehand");
    }
    if (fields.has("output_activations")) refuse(name + ".output_activations: expected none");
  }

  void check_integers(const std::string& name, const Json& json) {
    Fields args(json, name + ".", problems_);
    expect(name + ".type", args.text("type").value_or("int"), "int");
    if (const auto bits = args.integer("num_bits", 1, 64).value_or(8); bits != 8)
      refuse(fmt::format("{}.num_bits: expected 8, found {}", name, bits));
    if (!args.boolean("symmetric").value_or(true))
      refuse(name + ".symmetric: expected true, found zero points");
  }

  // Both change the weights before they are quantised.
  void check_transforms(Fields& top, const std::string& name) {
    if (const Json* transform = object(top, "transform_config"); transform != nullptr && !transform->empty())
      refuse(name + ".transform_config: expected none, found rotated weights");
    const Json* sparsity = object(top, "sparsity_config");
    if (sparsity == nullptr || sparsity->empty()) return;
    Fields fields(*sparsity, name + ".sparsity_config.", problems_);
    expect(name + ".sparsity_config.format", fields.text("format").value_or("dense"), "dense");
  }

  std::vector<std::string>& problems_;
  std::vector<std::string>& unsupported_;
};

}  // namespace

void check_quantization(const Fields& config, std::vector<std::string>& problems,
                        std::vector<std::string>& unsupported) {
  for (const char* name : {"quantization_config", "compression_config"}) {
    const Json* json = config.raw(name);
    if (json == nullptr) continue;
    if (json->is_object())
      Checker(problems, unsupported).check(name, *json);
    else
      problems.push_back(fmt::format("{}: expected an object, found {}", name, describe(*json)));
  }
}

}  // namespace adder::arch
