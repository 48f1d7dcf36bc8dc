#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adder/error.h"
#include "arch/tensors.h"
#include "base/json.h"

namespace adder::arch {

/// Who wrote the config: Hugging Face transformers (`hidden_size`), state-spaces/mamba (`d_model`,
/// `ssm_cfg`), Mistral (params.json with `dim`, `n_layers`); or the keys of a GGUF file stand in for it.
enum class Dialect { hugging_face, mamba_ssm, mistral, gguf };
std::string_view name(Dialect dialect);  ///< "Hugging Face", "mamba_ssm", "Mistral", "GGUF"

/// The shapes that a checkpoint's files hold, looked up by any of the names a tensor goes by. For configs
/// that leave things to the tensors. A default-constructed one holds nothing.
class Stored {
 public:
  using Find = std::function<const Dims*(std::string_view)>;
  Stored() = default;
  explicit Stored(Find find) : find_(std::move(find)) {}
  bool known() const { return static_cast<bool>(find_); }
  /// nullptr if no such tensor is there.
  const Dims* dims(std::string_view name) const { return find_ ? find_(name) : nullptr; }
  bool has(std::string_view name) const { return dims(name) != nullptr; }
  /// Size of axis `axis` of a tensor of rank `rank`; nullopt if there is none such.
  std::optional<std::int64_t> dim(std::string_view name, std::size_t rank, std::size_t axis) const;

 private:
  Find find_;
};

/// A config to be read.
struct Source {
  const Json& json;         ///< config.json, params.json, or all keys of a GGUF file (long arrays cut)
  std::string_view origin;  ///< the file, for messages
  Dialect dialect = Dialect::hugging_face;
  const Stored* stored = nullptr;
  std::optional<std::int64_t> listed_tokens{};  ///< GGUF: how many tokens its vocabulary lists
};

/// One model as data: its sizes and constants, and from those its tensors and its state. Immutable once read;
/// safe from any thread. Each architecture derives its own (mamba2.h, mamba1.h).
/// Legend used in every architecture: D model, L layers, V rows of the embedding.
class Config {
 public:
  virtual ~Config() = default;

  /// Name in the table of architectures: "mamba2". What model/ has a graph for.
  virtual std::string_view architecture() const = 0;
  /// For people: "Mamba-2".
  virtual std::string_view title() const = 0;
  /// Every tensor, in argument order: embedding, layer 0, ..., final norm, head.
  virtual std::vector<TensorField> tensors() const = 0;
  /// Every state field but the position, in argument order. `capacity` is that of kv fields, in tokens.
  virtual std::vector<StateField> layer_state(std::int64_t capacity) const = 0;
  /// Sizes and constants by their names in `inspect`; they identify the model beside its tensors.
  virtual OrderedJson facts() const = 0;
  /// The same in one line for people.
  virtual std::string describe() const = 0;
  /// The sizes that tensors alone tell, for the hint beside a list of conflicts; empty if too little is
  /// there.
  virtual std::string describe_stored(const Stored&) const { return {}; }
  /// config.json in the Hugging Face dialect that reads back as this, without torch_dtype and quantisation.
  virtual OrderedJson hugging_face() const = 0;

  /// layer_state() and the position, which is last.
  std::vector<StateField> state(std::int64_t capacity = 0) const;

  Dialect dialect = Dialect::hugging_face;
  std::int64_t d_model = 0;
  std::int64_t n_layer = 0;
  std::int64_t vocab_size = 0;         ///< ids that exist
  std::int64_t padded_vocab_size = 0;  ///< V; ids from vocab_size up are never chosen
  double norm_eps = 1e-5;
  bool tie_embeddings = true;
  bool residual_in_fp32 = true;             ///< noted only: the residual stream is always float32
  std::vector<std::int64_t> eos_token_ids;  ///< number, list or null; empty if the file names none
  std::optional<std::int64_t> bos_token_id, pad_token_id;
};
using ConfigRef = std::shared_ptr<const Config>;

/// One family of models: how its configs are recognised and read.
struct Architecture {
  std::string_view name;   ///< "mamba2"
  std::string_view title;  ///< "Mamba-2"
  /// Whether this config describes one of the family. Asked in the table's order.
  bool (*claims)(const Source&);
  /// Errors: corrupt (missing or mistyped field, size out of range, fields that contradict each other: all of
  /// them in one message), unsupported (a variant that Adder does not do, named).
  Result<ConfigRef> (*read)(const Source&);
};
/// All there are: one line each in families.h.
std::span<const Architecture> architectures();

/// Recognises the dialect and the architecture, reads, completes from `stored` what the file leaves open, and
/// checks that sizes agree with each other. Errors: those of Architecture::read; unsupported, saying what the
/// model is instead; corrupt if it is no model's config at all.
Result<ConfigRef> parse_config(const Json& json, std::string_view origin, const Stored& stored = {});
/// The same for a file.
Result<ConfigRef> read_config(const std::filesystem::path& path, const Stored& stored = {});
/// The same for the keys of a GGUF file.
Result<ConfigRef> parse_gguf_keys(const Json& keys, std::string_view origin, const Stored& stored,
                                  std::optional<std::int64_t> listed_tokens);

}  // namespace adder::arch
