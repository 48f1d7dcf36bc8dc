#include "pjrt/program_signature.h"

#include <charconv>
#include <string>

namespace adder::pjrt {
namespace {

std::optional<DType> element_type(std::string_view mlir) {
  for (int i = 0; i <= static_cast<int>(DType::f64); ++i)
    if (const auto dtype = static_cast<DType>(i); mlir_name(dtype) == mlir) return dtype;
  return std::nullopt;
}

/// "2x3xf32" (an encoding after a comma is ignored).
std::optional<Shape> parse_tensor(std::string_view text) {
  text = text.substr(0, text.find(','));
  Shape shape;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    std::int64_t size = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (error != std::errc() || text.empty() || text.front() != 'x') return std::nullopt;
    text.remove_prefix(1);
    shape.dims.push_back(size);
  }
  const auto dtype = element_type(text);
  if (!dtype) return std::nullopt;
  shape.dtype = *dtype;
  return shape;
}

/// Splits at the commas outside all brackets and strings, up to the parenthesis that closes the list.
std::optional<std::vector<std::string_view>> split_arguments(std::string_view text) {
  std::vector<std::string_view> parts;
  int depth = 0;
  bool quoted = false;
  std::size_t start = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        quoted = false;
      continue;
    }
    const bool closes_list = c == ')' && depth == 0;
    if (closes_list || (c == ',' && depth == 0)) {
      const std::string_view part = text.substr(start, i - start);
      if (part.find_first_not_of(" \t\r\n") != std::string_view::npos) parts.push_back(part);
      start = i + 1;
      if (closes_list) return parts;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '(' || c == '{' || c == '[' || c == '<') {
      ++depth;
    } else if (c == ')' || c == '}' || c == ']' || (c == '>' && i > 0 && text[i - 1] != '-')) {
      --depth;
    }
  }
  return std::nullopt;
}

/// What follows "func.func [public] @main(".
std::optional<std::string_view> after_main(std::string_view program) {
  constexpr std::string_view kFunction = "func.func", kPublic = "public", kMain = "@main(";
  const auto skip_space = [](std::string_view s) {
    const auto at = s.find_first_not_of(" \t\r\n");
    return at == std::string_view::npos ? std::string_view() : s.substr(at);
  };
  for (auto at = program.find(kFunction); at != std::string_view::npos;
       at = program.find(kFunction, at + 1)) {
    std::string_view rest = skip_space(program.substr(at + kFunction.size()));
    if (rest.substr(0, kPublic.size()) == kPublic) rest = skip_space(rest.substr(kPublic.size()));
    if (rest.substr(0, kMain.size()) == kMain) return rest.substr(kMain.size());
  }
  return std::nullopt;
}

}  // namespace

std::optional<ProgramSignature> parse_signature(std::string_view program) {
  const auto list = after_main(program);
  if (!list) return std::nullopt;
  const auto parts = split_arguments(*list);
  if (!parts) return std::nullopt;
  ProgramSignature signature;
  for (std::string_view part : *parts) {
    constexpr std::string_view kTensor = "tensor<";
    const auto open = part.find(kTensor);
    if (open == std::string_view::npos) return std::nullopt;
    const auto close = part.find('>', open);
    if (close == std::string_view::npos) return std::nullopt;
    const auto begin = open + kTensor.size();
    auto shape = parse_tensor(part.substr(begin, close - begin));
    if (!shape) return std::nullopt;
    signature.arguments.push_back(std::move(*shape));
    const std::string_view attributes = part.substr(close);
    signature.donated.push_back(attributes.find("tf.aliasing_output") != std::string_view::npos ||
                                attributes.find("jax.buffer_donor = true") != std::string_view::npos);
  }
  return signature;
}

}  // namespace adder::pjrt
