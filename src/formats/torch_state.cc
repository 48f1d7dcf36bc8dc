#include "formats/torch_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

#include "base/json.h"

namespace adder::formats {
namespace {

using Kind = Pickle::Kind;
using Node = Pickle::Node;

struct NamedType {
  std::string_view name;
  DType dtype;
};
// Typed storages (module torch) and dtypes (the same module).
constexpr std::array<NamedType, 20> kTypes = {{
    {"FloatStorage", DType::f32}, {"DoubleStorage", DType::f64},
    {"HalfStorage", DType::f16},  {"BFloat16Storage", DType::bf16},
    {"LongStorage", DType::s64},  {"IntStorage", DType::s32},
    {"ShortStorage", DType::s16}, {"CharStorage", DType::s8},
    {"ByteStorage", DType::u8},   {"BoolStorage", DType::i1},
    {"float32", DType::f32},      {"float64", DType::f64},
    {"float16", DType::f16},      {"bfloat16", DType::bf16},
    {"int64", DType::s64},        {"int32", DType::s32},
    {"int16", DType::s16},        {"int8", DType::s8},
    {"uint8", DType::u8},         {"bool", DType::i1},
}};

std::optional<DType> find_type(const Node& node) {
  if (node.kind != Kind::global || node.module != "torch") return std::nullopt;
  for (const NamedType& type : kTypes)
    if (type.name == node.text) return type.dtype;
  return std::nullopt;
}

bool is_untyped_storage(const Node& node) {
  return node.kind == Kind::global && node.module == "torch.storage" &&
         (node.text == "UntypedStorage" || node.text == "_UntypedStorage");
}

// Everything that a state dict of tensors may name.
bool is_allowed(std::string_view module, std::string_view name) {
  if (module == "collections") return name == "OrderedDict";
  if (module == "torch._utils")
    return name == "_rebuild_tensor_v2" || name == "_rebuild_tensor_v3" || name == "_rebuild_parameter" ||
           name == "_rebuild_parameter_with_state";
  const Node node{.kind = Kind::global, .text = name, .module = module};
  return (module == "torch" && name == "Size") || find_type(node).has_value() || is_untyped_storage(node);
}

struct Storage {
  std::string key;
  std::optional<DType> dtype;
  bool is_untyped = false;  // then the size is in bytes, and the tensor says which dtype it reads
  std::int64_t size = 0;
  std::int64_t width = 1;  // of what size counts
};

// Reads nodes of one pickle. Walks only as deep as the shapes it expects, so cycles do not matter.
class Reader {
 public:
  Reader(const Pickle& pickle, std::string_view origin) : pickle_(pickle), origin_(origin) {}

  Result<std::vector<TorchTensor>> state_dict() {
    const Node& root = pickle_.root();
    if (root.kind != Kind::dict)
      return fail(ErrorCode::unsupported,
                  fmt::format("{}: expected a state dict (names to tensors), found {}", origin_,
                              describe(pickle_, root)),
                  "save model.state_dict(), not the model");
    std::vector<TorchTensor> tensors;
    std::set<std::string_view> names;
    for (std::size_t i = 0; i < root.items.size(); i += 2) {
      const Node& key = pickle_[root.items[i]];
      if (key.kind != Kind::text && key.kind != Kind::bytes)
        return fail(ErrorCode::corrupt,
                    fmt::format("{}: expected a tensor's name, found {}", origin_, describe(pickle_, key)));
      tensor_ = in_quotes(key.text);
      if (!names.insert(key.text).second) return corrupt("the name is given twice");
      ADDER_TRY(TorchTensor tensor, read_value(pickle_[root.items[i + 1]]));
      tensor.name = key.text;
      tensors.push_back(std::move(tensor));
    }
    return tensors;
  }

 private:
  tl::unexpected<Error> error(ErrorCode code, std::string_view what) const {
    return fail(code, fmt::format("{}: {}: {}", origin_, tensor_, what));
  }
  tl::unexpected<Error> corrupt(std::string_view what) const { return error(ErrorCode::corrupt, what); }
  tl::unexpected<Error> expected(std::string_view what, const Node& found) const {
    return corrupt(fmt::format("expected {}, found {}", what, describe(pickle_, found)));
  }

  // The arguments of a call of torch._utils.`name`; nullptr if it is not one.
  const Node* call_of(const Node& node, std::string_view name) const {
    if (node.kind != Kind::call) return nullptr;
    const Node& callee = pickle_[node.items[0]];
    return callee.module == "torch._utils" && callee.text == name ? &pickle_[node.items[1]] : nullptr;
  }

  Result<TorchTensor> read_value(const Node& value) {
    const Node* node = &value;
    const Node* parameter = call_of(value, "_rebuild_parameter");
    if (parameter == nullptr) parameter = call_of(value, "_rebuild_parameter_with_state");
    if (parameter != nullptr) {
      if (parameter->items.empty()) return corrupt("a parameter without data");
      ADDER_CHECK(check_parameter(*parameter, call_of(value, "_rebuild_parameter") == nullptr));
      node = &pickle_[parameter->items[0]];
    }
    const Node* arguments = call_of(*node, "_rebuild_tensor_v2");
    const Node* newer = call_of(*node, "_rebuild_tensor_v3");
    if (arguments == nullptr && newer == nullptr)
      return fail(
          ErrorCode::unsupported,
          fmt::format("{}: {}: expected a tensor, found {}", origin_, tensor_, describe(pickle_, *node)),
          "save model.state_dict() alone, not a training checkpoint");
    return read_tensor(newer != nullptr ? newer->items : arguments->items, newer != nullptr);
  }

  // What leaves the values as they are stored: requires_grad, and no hooks.
  Status check_gradient(const Node& requires_grad, const Node& hooks) const {
    if (requires_grad.kind != Kind::boolean) return expected("requires_grad, True or False", requires_grad);
    if (hooks.kind == Kind::none || (hooks.kind == Kind::dict && hooks.items.empty())) return {};
    return refused("backward hooks", hooks, "save tensor.detach() instead");
  }

  // (data, requires_grad, hooks, [state: attributes, as a dict or with slots as a tuple of two])
  Status check_parameter(const Node& arguments, bool has_state) const {
    const std::vector<Pickle::Id>& items = arguments.items;
    if (items.size() != (has_state ? 4u : 3u))
      return corrupt(fmt::format("a parameter rebuilt from {} arguments", items.size()));
    ADDER_CHECK(check_gradient(pickle_[items[1]], pickle_[items[2]]));
    if (!has_state) return {};
    const Node& state = pickle_[items[3]];
    if (state.kind != Kind::tuple) return check_attributes(state);
    for (const Pickle::Id id : state.items) ADDER_CHECK(check_attributes(pickle_[id]));
    return {};
  }

  // Attributes like _no_weight_decay say something about a parameter; `data` would be another tensor.
  Status check_attributes(const Node& state) const {
    if (state.kind == Kind::none) return {};
    if (state.kind != Kind::dict) return expected("the attributes of a parameter", state);
    for (std::size_t i = 0; i < state.items.size(); i += 2) {
      const Node& key = pickle_[state.items[i]];
      if (key.kind != Kind::text && key.kind != Kind::bytes) return expected("an attribute's name", key);
      if (key.text == "data") return refused("the attribute \"data\"", pickle_[state.items[i + 1]], "");
    }
    return {};
  }

  // torch's own marks on a tensor: "neg" and "conj" mean that the values are not those stored.
  Status check_metadata(const Node& metadata) const {
    if (metadata.kind == Kind::none || (metadata.kind == Kind::dict && metadata.items.empty())) return {};
    std::string marks;
    if (metadata.kind == Kind::dict)
      for (std::size_t i = 0; i < metadata.items.size() && i < 8; i += 2)
        marks += (i == 0 ? " " : ", ") + describe(pickle_, pickle_[metadata.items[i]]);
    return refused("metadata" + marks, metadata, "save tensor.resolve_neg().resolve_conj().clone() instead");
  }

  tl::unexpected<Error> refused(std::string_view what, const Node& found, std::string_view hint) const {
    return fail(
        ErrorCode::unsupported,
        fmt::format("{}: {}: the tensor comes with {} ({}), so its values may not be those stored: refused",
                    origin_, tensor_, what, describe(pickle_, found)),
        std::string(hint));
  }

  // (storage, offset, sizes, strides, requires_grad, hooks, [v3: dtype], [metadata])
  Result<TorchTensor> read_tensor(const std::vector<Pickle::Id>& arguments, bool has_dtype) {
    const std::size_t known = has_dtype ? 7 : 6;
    if (arguments.size() < known || arguments.size() > known + 1)
      return corrupt(fmt::format("a tensor rebuilt from {} arguments", arguments.size()));
    ADDER_CHECK(check_gradient(pickle_[arguments[4]], pickle_[arguments[5]]));
    if (arguments.size() > known) ADDER_CHECK(check_metadata(pickle_[arguments[known]]));
    ADDER_TRY(Storage storage, read_storage(pickle_[arguments[0]]));
    if (has_dtype) storage.dtype = find_type(pickle_[arguments[6]]);
    if (!storage.dtype) return expected("an element type", pickle_[arguments[has_dtype ? 6 : 0]]);
    TorchTensor tensor;
    tensor.shape.dtype = *storage.dtype;
    ADDER_TRY(tensor.offset, read_size(pickle_[arguments[1]]));
    ADDER_TRY(tensor.shape.dims, read_sizes(pickle_[arguments[2]]));
    ADDER_TRY(tensor.strides, read_sizes(pickle_[arguments[3]]));
    tensor.storage = std::move(storage.key);
    if (__builtin_mul_overflow(storage.size, storage.width, &tensor.storage_bytes))
      return corrupt(fmt::format("a storage of {} elements", storage.size));
    ADDER_CHECK(check_window(tensor));
    return tensor;
  }

  // The persistent id ("storage", type, key, location, numel).
  Result<Storage> read_storage(const Node& node) {
    if (node.kind != Kind::persistent) return expected("a storage", node);
    const Node& id = pickle_[node.items[0]];
    if (id.kind != Kind::tuple || id.items.size() != 5 || pickle_[id.items[0]].text != "storage")
      return corrupt("a storage whose id is not (\"storage\", type, key, location, size)");
    const Node &type = pickle_[id.items[1]], &key = pickle_[id.items[2]];
    Storage storage;
    storage.dtype = find_type(type);
    storage.is_untyped = is_untyped_storage(type);
    if (!storage.dtype && !storage.is_untyped) return expected("a storage type", type);
    if (key.kind != Kind::text || key.text.empty()) return expected("the key of a storage", key);
    if (storage.dtype) storage.width = byte_size(*storage.dtype);
    storage.key = key.text;
    ADDER_TRY(storage.size, read_size(pickle_[id.items[4]]));
    return storage;
  }

  Result<std::int64_t> read_size(const Node& node) {
    if (node.kind != Kind::integer || node.integer < 0) return expected("a size of 0 or more", node);
    return node.integer;
  }

  // A tuple of sizes, or torch.Size(tuple).
  Result<Dims> read_sizes(const Node& node) {
    const Node* list = &node;
    if (node.kind == Kind::call && pickle_[node.items[0]].text == "Size") {
      const Node& arguments = pickle_[node.items[1]];
      if (arguments.items.size() == 1) list = &pickle_[arguments.items[0]];
    }
    if (list->kind != Kind::tuple && list->kind != Kind::list) return expected("a tuple of sizes", *list);
    if (list->items.size() > 16) return corrupt(fmt::format("a tensor of {} dimensions", list->items.size()));
    Dims dims;
    for (const Pickle::Id id : list->items) {
      ADDER_TRY(const std::int64_t d, read_size(pickle_[id]));
      dims.push_back(d);
    }
    return dims;
  }

  // Strides are never negative in PyTorch, so the last element has the largest index.
  Status check_window(TorchTensor& t) {
    if (t.strides.size() != t.shape.dims.size())
      return corrupt(fmt::format("{} sizes but {} strides", t.shape.dims.size(), t.strides.size()));
    std::int64_t elements = byte_size(t.shape.dtype), last = t.offset;
    bool overflow = false;
    for (std::size_t i = 0; i < t.strides.size(); ++i) {
      std::int64_t span = 0;
      overflow |= __builtin_mul_overflow(elements, t.shape.dims[i], &elements);
      if (t.shape.dims[i] == 1) t.strides[i] = 0;  // PyTorch writes anything there
      if (t.shape.dims[i] == 0) continue;
      overflow |= __builtin_mul_overflow(t.shape.dims[i] - 1, t.strides[i], &span);
      overflow |= __builtin_add_overflow(last, span, &last);
    }
    const std::int64_t room = t.storage_bytes / byte_size(t.shape.dtype);
    const bool is_empty = std::find(t.shape.dims.begin(), t.shape.dims.end(), 0) != t.shape.dims.end();
    if (overflow || (!is_empty && last >= room))
      return corrupt(fmt::format("sizes {} with strides {} from element {} reach past its storage of {}",
                                 to_string(t.shape.dims), to_string(t.strides), t.offset, room));
    return {};
  }

  const Pickle& pickle_;
  std::string_view origin_;
  std::string tensor_;
};

}  // namespace

bool TorchTensor::is_dense() const {
  std::int64_t step = 1;
  for (std::size_t i = strides.size(); i-- > 0;) {
    if (shape.dims[i] != 1 && strides[i] != step) return false;
    step *= shape.dims[i];
  }
  return true;
}

Result<std::vector<TorchTensor>> parse_torch_state(std::span<const std::byte> pickle,
                                                   std::string_view origin) {
  ADDER_TRY(const Pickle parsed, parse_pickle(pickle, origin, is_allowed));
  return Reader(parsed, origin).state_dict();
}

}  // namespace adder::formats
