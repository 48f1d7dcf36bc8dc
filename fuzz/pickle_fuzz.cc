// formats::parse_pickle with every import allowed, and formats::parse_torch_state, which allows few.

#include <set>

#include "formats/pickle.h"
#include "formats/torch_state.h"
#include "fuzz.h"

namespace {

using namespace adder;
using formats::Pickle;
using Kind = Pickle::Kind;

void check_node(std::span<const std::byte> bytes, const Pickle& pickle, const Pickle::Node& node) {
  FUZZ_CHECK(fuzz::inside(bytes, node.text));
  FUZZ_CHECK(fuzz::inside(bytes, node.module));
  FUZZ_CHECK(node.kind != Kind::dict || node.items.size() % 2 == 0);
  FUZZ_CHECK(node.kind != Kind::persistent || node.items.size() == 1);
  if (node.kind == Kind::call) {
    FUZZ_CHECK(node.items.size() == 2);
    FUZZ_CHECK(pickle[node.items[0]].kind == Kind::global);
    FUZZ_CHECK(pickle[node.items[1]].kind == Kind::tuple);
  }
  FUZZ_CHECK(fuzz::is_readable(describe(pickle, node)));
}

// Everything reachable from the root; a node may contain itself.
void check_nodes(std::span<const std::byte> bytes, const Pickle& pickle) {
  std::vector<const Pickle::Node*> todo = {&pickle.root()};
  std::set<const Pickle::Node*> seen(todo.begin(), todo.end());
  std::size_t items = 0;
  while (!todo.empty()) {
    const Pickle::Node& node = *todo.back();
    todo.pop_back();
    check_node(bytes, pickle, node);
    items += node.items.size();
    for (const Pickle::Id id : node.items)
      if (seen.insert(&pickle[id]).second) todo.push_back(&pickle[id]);
  }
  FUZZ_CHECK(seen.size() <= bytes.size());  // a node takes an opcode, an item at least one more
  FUZZ_CHECK(items <= 3 * bytes.size());
}

void check_tensor(const formats::TorchTensor& tensor) {
  const std::size_t rank = tensor.shape.dims.size();
  FUZZ_CHECK(tensor.strides.size() == rank);
  FUZZ_CHECK(tensor.offset >= 0 && tensor.storage_bytes >= 0);
  FUZZ_CHECK(!tensor.storage.empty());
  std::int64_t last = tensor.offset;
  for (std::size_t i = 0; i < rank; ++i) {
    FUZZ_CHECK(tensor.shape.dims[i] >= 0 && tensor.strides[i] >= 0);
    if (tensor.shape.dims[i] == 0) return;
    last += (tensor.shape.dims[i] - 1) * tensor.strides[i];
  }
  FUZZ_CHECK(last < tensor.storage_bytes / byte_size(tensor.shape.dtype));
  if (tensor.is_dense()) FUZZ_CHECK(tensor.shape.bytes() <= tensor.storage_bytes);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = fuzz::as_bytes(data, size);
  const auto pickle =
      formats::parse_pickle(bytes, "input", [](std::string_view, std::string_view) { return true; });
  if (pickle)
    check_nodes(bytes, *pickle);
  else
    FUZZ_CHECK(fuzz::is_readable(pickle.error().message));
  const auto state = formats::parse_torch_state(bytes, "input");
  FUZZ_CHECK(!state || pickle.has_value());  // it runs the same program under stricter rules
  if (!state) {
    FUZZ_CHECK(fuzz::is_readable(state.error().message));
    return 0;
  }
  std::set<std::string_view> names;
  for (const formats::TorchTensor& tensor : *state) {
    FUZZ_CHECK(names.insert(tensor.name).second);
    check_tensor(tensor);
  }
  return 0;
}
