// The only file that knows text. Everything but constants is in MLIR's generic form.

#include "hlo/print.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "hlo/literal.h"
#include "hlo/node.h"

namespace adder::hlo {
namespace {

std::string type(const Shape& shape) {
  std::string text = "tensor<";
  for (std::int64_t d : shape.dims) text += fmt::format("{}x", d);
  return text + std::string(mlir_name(shape.dtype)) + ">";
}
std::string list(const Dims& dims) { return fmt::format("[{}]", fmt::join(dims, ", ")); }
std::string array(const Dims& dims) {
  return dims.empty() ? "array<i64>" : fmt::format("array<i64: {}>", fmt::join(dims, ", "));
}

// --- literals ---------------------------------------------------------------------------------------------

/// Shortest scientific form that reads back as `value`; MLIR wants a point in the fraction.
template <class T>
std::string scientific(T value) {
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  std::string text(buffer, end);
  if (text.find('.') == std::string::npos) text.insert(text.find('e'), ".0");
  return text;
}

/// Parsers read decimals as f64 and round to the dtype; f32's shortest form survives that but for rare ties.
std::string float_text(DType dtype, std::string_view bytes) {
  const double value = decode_float(dtype, bytes);
  if (!std::isfinite(value)) return fmt::format("0x{:0{}X}", decode_bits(bytes), 2 * bytes.size());
  if (dtype == DType::f64) return scientific(value);
  const std::string text = scientific(static_cast<float>(value));
  return encode(dtype, std::strtod(text.c_str(), nullptr)) == bytes ? text : scientific(value);
}

std::string element_text(DType dtype, std::string_view bytes) {
  if (is_float(dtype)) return float_text(dtype, bytes);
  const std::uint64_t bits = decode_bits(bytes);
  if (dtype == DType::i1) return bits ? "true" : "false";
  if (is_unsigned_integer(dtype)) return fmt::format("{}", bits);
  const int unused = static_cast<int>(64 - 8 * bytes.size());
  return fmt::format("{}", static_cast<std::int64_t>(bits << unused) >> unused);
}

constexpr std::int64_t kLongestList = 32;  // elements; longer constants print as one hexadecimal string

std::string nested_list(const ConstantAttributes& c, std::size_t axis, std::size_t& offset) {
  const std::size_t size = static_cast<std::size_t>(byte_size(c.shape.dtype));
  if (axis == c.shape.dims.size()) {
    offset += size;
    return element_text(c.shape.dtype, std::string_view(c.bytes).substr(offset - size, size));
  }
  std::vector<std::string> parts;
  for (std::int64_t i = 0; i < c.shape.dims[axis]; ++i) parts.push_back(nested_list(c, axis + 1, offset));
  return fmt::format("[{}]", fmt::join(parts, ", "));
}

std::string dense(const ConstantAttributes& c) {
  std::string body;
  std::size_t offset = 0;
  if (c.shape.elements() == 0) {
    body = "";
  } else if (c.splat) {
    body = element_text(c.shape.dtype, c.bytes);
  } else if (c.shape.elements() <= kLongestList) {
    body = nested_list(c, 0, offset);
  } else {
    body.reserve(2 * c.bytes.size() + 4);
    body = "\"0x";
    for (char byte : c.bytes) body += fmt::format("{:02X}", static_cast<unsigned char>(byte));
    body += '"';
  }
  return fmt::format("dense<{}> : {}", body, type(c.shape));
}

// --- attributes: the inside of the braces, empty for none
// ---------------------------------------------------

constexpr std::string_view kComparisons[] = {"EQ", "NE", "GE", "GT", "LE", "LT"};
constexpr std::string_view kPrecisions[] = {"DEFAULT", "HIGH", "HIGHEST"};
constexpr std::string_view kAlgorithms[] = {"DEFAULT", "THREE_FRY", "PHILOX"};

struct AttributeText {
  std::string operator()(const NoAttributes&) const { return ""; }
  std::string operator()(const ConstantAttributes&) const { return ""; }  // prints in its own form
  std::string operator()(const IotaAttributes& a) const {
    return fmt::format("iota_dimension = {} : i64", a.iota_dimension);
  }
  std::string operator()(const CompareAttributes& a) const {
    const char* type = is_float(a.operand_dtype)            ? "FLOAT"
                       : is_signed_integer(a.operand_dtype) ? "SIGNED"
                                                            : "UNSIGNED";
    return fmt::format(
        "compare_type = #stablehlo<comparison_type {}>, comparison_direction = "
        "#stablehlo<comparison_direction {}>",
        type, kComparisons[static_cast<int>(a.direction)]);
  }
  std::string operator()(const ConvertAttributes&) const { return ""; }
  std::string operator()(const BitcastAttributes&) const { return ""; }
  std::string operator()(const BroadcastAttributes& a) const {
    return "broadcast_dimensions = " + array(a.broadcast_dimensions);
  }
  std::string operator()(const ReshapeAttributes&) const { return ""; }
  std::string operator()(const TransposeAttributes& a) const {
    return "permutation = " + array(a.permutation);
  }
  std::string operator()(const ReverseAttributes& a) const { return "dimensions = " + array(a.dimensions); }
  std::string operator()(const SliceAttributes& a) const {
    return fmt::format("start_indices = {}, limit_indices = {}, strides = {}", array(a.start_indices),
                       array(a.limit_indices), array(a.strides));
  }
  std::string operator()(const DynamicSliceAttributes& a) const {
    return "slice_sizes = " + array(a.slice_sizes);
  }
  std::string operator()(const DynamicUpdateSliceAttributes&) const { return ""; }
  std::string operator()(const ConcatenateAttributes& a) const {
    return fmt::format("dimension = {} : i64", a.dimension);
  }
  std::string operator()(const PadAttributes& a) const {
    return fmt::format("edge_padding_low = {}, edge_padding_high = {}, interior_padding = {}",
                       array(a.edge_low), array(a.edge_high), array(a.interior));
  }
  std::string operator()(const GatherAttributes& a) const {
    const GatherDims& d = a.dims;
    return fmt::format(
        "dimension_numbers = #stablehlo.gather<offset_dims = {}, collapsed_slice_dims = {}, "
        "operand_batching_dims = {}, "
        "start_indices_batching_dims = {}, start_index_map = {}, index_vector_dim = {}>, slice_sizes = {}, "
        "indices_are_sorted = {}",
        list(d.offset_dims), list(d.collapsed_slice_dims), list(d.operand_batching_dims),
        list(d.start_indices_batching_dims), list(d.start_index_map), d.index_vector_dim,
        array(a.slice_sizes), a.indices_are_sorted);
  }
  std::string operator()(const ScatterAttributes& a) const {
    const ScatterDims& d = a.dims;
    return fmt::format(
        "scatter_dimension_numbers = #stablehlo.scatter<update_window_dims = {}, inserted_window_dims = {}, "
        "input_batching_dims = {}, scatter_indices_batching_dims = {}, scatter_dims_to_operand_dims = {}, "
        "index_vector_dim = {}>, indices_are_sorted = false, unique_indices = {}",
        list(d.update_window_dims), list(d.inserted_window_dims), list(d.input_batching_dims),
        list(d.scatter_indices_batching_dims), list(d.scatter_dims_to_operand_dims), d.index_vector_dim,
        a.unique_indices);
  }
  std::string operator()(const DotAttributes& a) const {
    const DotDims& d = a.dims;
    const std::string_view precision = kPrecisions[static_cast<int>(a.options.precision)];
    return fmt::format(
        "dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = {}, rhs_batching_dimensions = {}, "
        "lhs_contracting_dimensions = {}, rhs_contracting_dimensions = {}>, "
        "precision_config = [#stablehlo<precision {}>, #stablehlo<precision {}>]",
        list(d.lhs_batching), list(d.rhs_batching), list(d.lhs_contracting), list(d.rhs_contracting),
        precision, precision);
  }
  std::string operator()(const ReduceAttributes& a) const { return "dimensions = " + array(a.dimensions); }
  std::string operator()(const ReduceWindowAttributes& a) const {
    const WindowDims& w = a.window;
    std::vector<std::string> padding;
    for (std::size_t i = 0; i < w.padding_low.size(); ++i)
      padding.push_back(list({w.padding_low[i], w.padding_high[i]}));
    return fmt::format(
        "window_dimensions = {}, window_strides = {}, padding = dense<[{}]> : tensor<{}x2xi64>",
        array(w.window_dimensions), array(w.window_strides), fmt::join(padding, ", "), padding.size());
  }
  std::string operator()(const SortAttributes& a) const {
    return fmt::format("dimension = {} : i64, is_stable = {}", a.dimension, a.is_stable);
  }
  std::string operator()(const TopKAttributes& a) const { return fmt::format("k = {} : i64", a.k); }
  std::string operator()(const RngAttributes& a) const {
    return fmt::format("rng_algorithm = #stablehlo<rng_algorithm {}>",
                       kAlgorithms[static_cast<int>(a.algorithm)]);
  }
  std::string operator()(const WhileAttributes&) const { return ""; }
  std::string operator()(const CallAttributes& a) const { return "callee = @" + a.callee->name(); }
};

std::string op_name(OpKind kind) {
  const std::string name(info(kind).name);
  return kind == OpKind::call ? "func.call" : kind == OpKind::top_k ? "chlo.top_k" : "stablehlo." + name;
}

// --- functions --------------------------------------------------------------------------------------------

/// An MLIR string literal.
std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (char c : text) {
    const bool plain = c >= ' ' && c <= '~' && c != '"' && c != '\\';
    result += plain ? std::string(1, c) : fmt::format("\\{:02X}", static_cast<unsigned char>(c));
  }
  return result + "\"";
}

class FunctionPrinter {
 public:
  explicit FunctionPrinter(const Function& function) : body_(function.body()), names_(body_.values.size()) {}

  std::string print() {
    header();
    region(body_.root, 2);
    if (body_.finished)
      terminator("func.return", body_.root, 2);
    else
      text_ += "    // unfinished\n";
    return text_ + "  }\n";
  }

 private:
  void header();
  void region(const Region& region, int depth);
  void node(const Node& node, int depth);
  void terminator(const char* op, const Region& region, int depth);

  std::string operands(const std::vector<ValueId>& ids) const {
    std::vector<std::string> parts;
    for (ValueId id : ids) parts.push_back(names_[id]);
    return fmt::format("{}", fmt::join(parts, ", "));
  }
  std::string types(const std::vector<ValueId>& ids) const {
    std::vector<std::string> parts;
    for (ValueId id : ids) parts.push_back(type(body_.values[id].shape));
    return fmt::format("{}", fmt::join(parts, ", "));
  }
  /// The scope as an MLIR location, which XLA keeps as the op_name of what it compiles; nothing without one.
  std::string location(const Node& node) const {
    return node.scope == 0 ? "" : " loc(" + quoted(body_.scope_names[node.scope]) + ")";
  }
  void indent(int depth) { text_.append(static_cast<std::size_t>(2 * depth), ' '); }

  const FunctionBody& body_;
  std::vector<std::string> names_;  // by ValueId
  int next_ = 0;
  std::string text_;
};

void FunctionPrinter::header() {
  text_ += fmt::format("  func.func {} @{}(", body_.is_public ? "public" : "private", body_.name);
  const auto& arguments = body_.signature.arguments;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const auto& [name, shape, donated_to] = arguments[i];
    names_[body_.root.arguments[i]] = fmt::format("%arg{}", i);
    text_ += fmt::format("{}\n      %arg{}: {}", i ? "," : "", i, type(shape));
    const int alias = donated_to.empty() ? -1 : body_.signature.result_index(donated_to);
    if (alias >= 0) text_ += fmt::format(" {{tf.aliasing_output = {} : i32}}", alias);
    if (!name.empty()) text_ += " loc(" + quoted(name) + ")";
  }
  text_ += ") -> (";
  const auto& results = body_.signature.results;
  for (std::size_t i = 0; i < results.size(); ++i) {
    text_ += fmt::format("{}\n      {}", i ? "," : "", type(results[i].shape));
    if (!results[i].name.empty()) text_ += " {jax.result_info = " + quoted(results[i].name) + "}";
  }
  text_ += ") {\n";
}

void FunctionPrinter::region(const Region& region, int depth) {
  for (const Node& n : region.nodes) node(n, depth);
}

void FunctionPrinter::terminator(const char* op, const Region& region, int depth) {
  indent(depth);
  text_ += fmt::format("\"{}\"({}) : ({}) -> ()\n", op, operands(region.yields), types(region.yields));
}

void FunctionPrinter::node(const Node& node, int depth) {
  indent(depth);
  const std::size_t results = node.results.size();
  if (results > 0) {
    const int number = next_++;
    text_ += results == 1 ? fmt::format("%{} = ", number) : fmt::format("%{}:{} = ", number, results);
    for (std::size_t i = 0; i < results; ++i)
      names_[node.results[i]] = results == 1 ? fmt::format("%{}", number) : fmt::format("%{}#{}", number, i);
  }
  if (const auto* constant = std::get_if<ConstantAttributes>(&node.attributes)) {
    text_ += "stablehlo.constant " + dense(*constant) + location(node) + "\n";
    return;
  }
  text_ += fmt::format("\"{}\"({})", op_name(node.kind), operands(node.operands));
  for (std::size_t r = 0; r < node.regions.size(); ++r) {
    const Region& inner = *node.regions[r];
    text_ += r == 0 ? " ({\n" : ", {\n";
    std::vector<std::string> arguments;
    for (ValueId id : inner.arguments) {
      names_[id] = fmt::format("%{}", next_++);
      arguments.push_back(names_[id] + ": " + type(body_.values[id].shape));
    }
    if (!arguments.empty()) {
      indent(depth);
      text_ += fmt::format("^bb0({}):\n", fmt::join(arguments, ", "));
    }
    region(inner, depth + 1);
    terminator("stablehlo.return", inner, depth + 1);
    indent(depth);
    text_ += r + 1 == node.regions.size() ? "})" : "}";
  }
  const std::string attributes = std::visit(AttributeText{}, node.attributes);
  if (!attributes.empty()) text_ += " {" + attributes + "}";
  text_ += fmt::format(" : ({}) -> {}{}\n", types(node.operands),
                       results == 1 ? types(node.results) : "(" + types(node.results) + ")", location(node));
}

}  // namespace

std::string print_module(std::string_view name, const std::vector<const Function*>& functions) {
  std::string text = fmt::format("module @{} {{\n", name);
  for (const Function* f : functions) text += FunctionPrinter(*f).print();
  return text + "}\n";
}

}  // namespace adder::hlo
