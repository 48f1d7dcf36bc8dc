#pragma once

// Choosing between equivalent spellings by measuring them: model::spellings() lists what there is, this times
// each on the real shapes, on this device, once, and remembers the answers in a file beside the executable
// cache.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/log.h"
#include "engine/graphs.h"
#include "pjrt/client.h"

namespace adder::engine {

/// What was measured of one one-row product on one device.
struct TunedProduct {
  std::string
      context;         ///< 16 hexadecimal digits for all that the answer depends on: plugin, machine, threads
  std::string device;  ///< the client's description, for people
  std::string product;  ///< model::product_key: "f32[1536,768]"
  std::string chosen;   ///< the name of a spelling
  std::map<std::string, double>
      microseconds;  ///< of one product, by spelling; those that were tried to the end
};

/// The remembered measurements: `tuning.json` in a folder. Like the executable cache it is never a reason to
/// fail: a file that is missing, damaged or of another version holds nothing, and is replaced.
/// Thread rule: one thread at a time. Processes that write at the same time replace each other's file whole.
class TuningFile {
 public:
  explicit TuningFile(const std::filesystem::path& folder);
  const std::vector<TunedProduct>& entries() const { return entries_; }
  const TunedProduct* find(const std::string& context, const std::string& product) const;
  /// Replaces the entry of the same context and product.
  void put(TunedProduct entry);
  /// Makes the folder if need be. Errors: those of writing a file.
  Status save() const;

 private:
  std::filesystem::path path_;
  std::vector<TunedProduct> entries_;
};

/// Whether this compiler expands `weight` before a loop of steps that multiply by it, as some do to bfloat16:
/// then a model's weights would lie there twice, the second time as float32. tune() leaves such spellings
/// out. Errors: those of compiling; a plugin that does not tell what memory a program takes.
Result<bool> expands_weights(const pjrt::Client& client, const model::Policy& policy,
                             const model::Spelling& spelling, const Shape& weight,
                             const pjrt::CompileOptions& options);

/// How to spell each one-row product of `model`, compiled with `options`, on this device: as remembered in
/// `folder`, else as measured now (about a second for a model) and remembered. Products below 256 KiB of
/// weights are left to the policy, because what surrounds them decides, and so are those above 256 MiB, which
/// would need room beside the model. A spelling must be 3% faster than the policy's own to replace it. Uses
/// some 64 MiB of device memory while measuring. Errors: those of compiling and running; not being able to
/// write the file is only logged.
Result<model::SpellingChoice> tune(const pjrt::Client& client, const pjrt::Device& device,
                                   const ModelSpec& model, const pjrt::CompileOptions& options,
                                   const std::filesystem::path& folder, LogSink& log);

}  // namespace adder::engine
