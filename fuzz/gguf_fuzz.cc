// formats::parse_gguf and what gguf_model.h makes of its result: config, canonical views, vocabulary, and
// the tokenizer out of that.

#include <cmath>
#include <set>

#include "arch/config.h"
#include "formats/gguf_file.h"
#include "formats/store.h"
#include "fuzz.h"
#include "tokenizer/vocabulary_json.h"

namespace {

using namespace adder;
using formats::GgufContent;
using formats::TensorView;

void check_metadata(std::span<const std::byte> file, const GgufContent& content) {
  for (const auto& [key, value] : content.metadata()) {
    FUZZ_CHECK(content.find(key) == &value);
    FUZZ_CHECK(fuzz::inside(file, value.bytes));
    FUZZ_CHECK(value.is_array || value.count == 1);
    FUZZ_CHECK(to_json(value).is_array() == value.is_array);
    if (value.is_array && value.type == formats::GgufType::string)
      FUZZ_CHECK(string_list(value).size() == value.count);
    if (const auto list = integer_list(value)) FUZZ_CHECK(list->size() == value.count);
  }
}

void check_tensors(std::span<const std::byte> file, const GgufContent& content) {
  std::set<std::string_view> names;
  std::uint64_t total = 0;
  for (const formats::GgufTensor& tensor : content.tensors) {
    FUZZ_CHECK(names.insert(tensor.name).second);
    FUZZ_CHECK(fuzz::inside(file, tensor.bytes));
    const Shape shape{element_dtype(tensor.type), tensor.dims};
    const std::int64_t blocks = shape.elements() / block_elements(tensor.type);
    FUZZ_CHECK(tensor.bytes.size() == static_cast<std::uint64_t>(blocks * block_bytes(tensor.type)));
    total += tensor.bytes.size();
  }
  FUZZ_CHECK(total <= file.size());  // no byte belongs to two
}

void check_views(const GgufContent& content) {
  const auto views = formats::gguf_views(content, "input");
  FUZZ_CHECK(views.size() == content.tensors.size());
  for (std::size_t i = 0; i < views.size(); ++i) {
    const Shape stored{views[i].shape.dtype, content.tensors[i].dims};
    FUZZ_CHECK(views[i].shape.elements() == stored.elements());
    std::vector<float> values(static_cast<std::size_t>(stored.elements()));
    FUZZ_CHECK(formats::read_as_f32(views[i], values).has_value());
  }
}

void check_vocabulary(const GgufContent& content) {
  const auto vocabulary = formats::gguf_vocabulary(content, "input");
  if (!vocabulary || !*vocabulary) return;
  const Vocabulary& v = **vocabulary;
  FUZZ_CHECK(v.types.empty() || v.types.size() == v.tokens.size());
  const auto tokenizer = tokenizer::tokenizer_from_vocabulary(v, "input");
  if (!tokenizer) {
    FUZZ_CHECK(fuzz::is_readable(tokenizer.error().message));
    return;
  }
  if (v.hugging_face_json.empty())
    FUZZ_CHECK(static_cast<std::size_t>(tokenizer->id_limit()) <= v.tokens.size());
  const auto ids = tokenizer->encode("a b");
  FUZZ_CHECK(ids.has_value());
  for (const std::int32_t id : *ids) FUZZ_CHECK(id >= 0 && id < tokenizer->id_limit());
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto file = fuzz::as_bytes(data, size);
  const auto content = formats::parse_gguf(file, "input");
  if (!content) {
    FUZZ_CHECK(fuzz::is_readable(content.error().message));
    return 0;
  }
  check_metadata(file, *content);
  check_tensors(file, *content);
  check_views(*content);
  const auto config =
      arch::parse_gguf_keys(formats::gguf_keys(*content), "input", {}, formats::gguf_listed_tokens(*content));
  if (config)
    FUZZ_CHECK((*config)->vocab_size <= (*config)->padded_vocab_size);
  else
    FUZZ_CHECK(fuzz::is_readable(config.error().message));
  check_vocabulary(*content);
  return 0;
}
