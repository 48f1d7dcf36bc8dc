#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "adder/error.h"
#include "arch/config.h"
#include "base/log.h"
#include "checkpoint/generation_defaults.h"
#include "formats/store.h"

namespace adder::checkpoint {

/// A model on disk whose config and tensors have been found to agree: every tensor that the config implies is
/// there, in its shape and in a float type (matrices may be int8 with a scale, see formats/int8_rows.h), and
/// nothing else is. Move-only; const members are safe from any thread. Views given out stay valid while the
/// Checkpoint lives.
class Checkpoint {
 public:
  /// A tensor of the model: what it is, and where it lies.
  struct Entry {
    arch::TensorField field;
    formats::TensorView view;
  };

  /// `path` is a directory holding config.json (or Mistral's params.json) and weights (see TensorStore), or a
  /// weights file with it beside. A GGUF file needs no config.json and overrules one. generation_config.json
  /// is read if present. Errors: those of arch::parse_config, TensorStore::open and read_generation_defaults;
  /// corrupt with ALL disagreements between config and tensors in one message, a line each: tensor, expected,
  /// actual. Warns through `log` of what is odd but harmless.
  static Result<Checkpoint> open(const std::filesystem::path& path, LogSink& log = null_log());

  /// As the file states it, completed from the tensors where it is silent.
  const arch::Config& config() const { return *config_; }
  const arch::ConfigRef& config_ref() const { return config_; }
  const GenerationDefaults& generation_defaults() const { return generation_; }

  /// By canonical name ("backbone.layers.3.mixer.in_proj.weight"), whatever the file calls it. The tied head
  /// is not a tensor of its own. Errors: not_found.
  Result<formats::TensorView> tensor(std::string_view canonical) const;
  /// The tensors the model uses, in canonical order (that of arch::Config::tensors). The scale of an int8
  /// weight is part of that weight's view.
  const std::vector<Entry>& entries() const { return entries_; }
  /// See TensorSource::release.
  void release(const formats::TensorView& view) const { store_.release(view); }
  /// See TensorSource::share.
  std::shared_ptr<const std::byte> share(const formats::TensorView& view) const { return store_.share(view); }

  /// Whether the weights' files are still as they were when they were opened: what was read from them in
  /// between is one model. Error: corrupt, naming the file.
  Status check_unchanged() const;
  /// Whether a file written to `path` would take the place of weights, or of a .json of this model.
  bool holds(const std::filesystem::path& path) const;

  std::int64_t parameter_count() const { return parameters_; }  ///< elements of entries()
  std::int64_t stored_bytes() const { return bytes_; }  ///< bytes of entries(), as stored, scales included
  std::string format() const { return store_.format(); }
  /// The vocabulary that the weights file carries; nullopt unless it is GGUF. Errors: corrupt.
  Result<std::optional<Vocabulary>> vocabulary() const { return store_.source().vocabulary(); }
  /// The directory that holds the config, and with it the tokenizer.
  const std::filesystem::path& directory() const { return directory_; }
  const formats::TensorStore& store() const { return store_; }

 private:
  Checkpoint(std::filesystem::path directory, arch::ConfigRef config, GenerationDefaults generation,
             formats::TensorStore store, std::vector<Entry> entries);

  std::filesystem::path directory_;
  arch::ConfigRef config_;
  GenerationDefaults generation_;
  formats::TensorStore store_;
  std::vector<Entry> entries_;
  std::map<std::string, std::size_t, std::less<>> by_name_;
  std::int64_t parameters_ = 0, bytes_ = 0;
};

}  // namespace adder::checkpoint
