#pragma once

// Autotuning: choosing between equivalent kernel variants by measuring them. model::spellings() lists what
// there is ("spellings" in the code), this times each on the real shapes, on this device, once, and remembers
// the answers in a file beside the executable cache.

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/steps.h"
#include "engine/graphs.h"
#include "pjrt/client.h"

namespace adder::engine {

/// Products of more rows than this are bound by arithmetic, where the plainest variant is as good as any.
inline constexpr std::int64_t kMostTunedRows = 32;

/// What was measured of one product of few rows on one device.
struct TunedProduct {
  std::string context;  ///< 16 hexadecimal digits for all that the answer depends on: the plugin's content,
                        ///< the machine, threads, compile options
  std::string device;   ///< the client's description, for people
  std::string product;  ///< model::product_key: "f32[1536,768]", "8 x f32[1536,768]"
  std::string chosen;   ///< the name of a spelling; empty: the times disagreed too much to tell
  std::map<std::string, double>
      microseconds;  ///< of one product, by spelling; those that were tried to the end
  int unsteady = 0;  ///< how often the times disagreed too much since a choice was made
  bool operator==(const TunedProduct&) const = default;
};

/// The remembered measurements: `tuning.json` in a folder. Like the executable cache it is never a reason to
/// fail: a file that is missing, damaged or of another version holds nothing, and is replaced.
/// Thread rule: one thread at a time. Who changes it holds TuningFile::lock, so that nobody's answers are
/// lost.
class TuningFile {
 public:
  explicit TuningFile(const std::filesystem::path& folder);
  const std::vector<TunedProduct>& entries() const { return entries_; }
  const TunedProduct* find(const std::string& context, const std::string& product) const;
  /// Replaces the entry of the same context and product.
  void put(TunedProduct entry);
  void clear() { entries_.clear(); }
  /// Makes the folder if need be. Errors: those of writing a file.
  Status save() const;

 private:
  std::filesystem::path path_;
  std::vector<TunedProduct> entries_;
};

/// The file that whoever tunes in `folder` holds a FileLock of.
std::filesystem::path tuning_lock(const std::filesystem::path& folder);

/// The times of one variant, a number a round.
struct VariantTimes {
  std::string name;
  std::vector<double> seconds;
  /// The lower quartile: what else the machine does only adds time.
  double typical() const;
  /// The upper quartile over the lower one: 1.0 where nothing disturbs.
  double spread() const;
};
struct TuningVerdict {
  std::string chosen;
  bool steady = true;  ///< the spread of the times that decided it is at most `most_spread`
};
/// Which of `times` (at least one) to take: the fastest, if it is 3% faster than `own`, the policy's.
TuningVerdict decide(const std::vector<VariantTimes>& times, std::string_view own, double most_spread);

/// Whether this compiler expands `weight` before a loop of steps that multiply by it, as some do to bfloat16:
/// then a model's weights would lie there twice, the second time as float32. tune() leaves such spellings
/// out. Errors: those of compiling; a plugin that does not tell what memory a program takes.
Result<bool> expands_weights(const pjrt::Client& client, const model::Policy& policy,
                             const model::Spelling& spelling, const Shape& weight,
                             const pjrt::CompileOptions& options);

struct TuningOptions {
  std::filesystem::path folder;  ///< where answers are remembered
  bool again = false;            ///< measure what is remembered too
  /// How many sequences decode together: products of so many rows are measured, up to kMostTunedRows.
  std::vector<std::int64_t> rows{1};
  /// Models whose matrices have fewer bytes than this are left to the policy: they fit in a cache, so that a
  /// step is bound by launching kernels rather than by reading weights, and what a variant could gain (a
  /// tenth of a millisecond a token) pays for the seconds of measuring after tens of thousands of tokens
  /// only.
  std::int64_t least_bytes = std::int64_t{32} << 20;
  /// More than this (see VariantTimes::spread) is a machine with other work: the choice serves this run and
  /// is not remembered. After kMostUnsteady such runs the policy's own is taken without measuring.
  double most_spread = 1.25;
  static constexpr int kMostUnsteady = 3;
  std::chrono::seconds patience{120};  ///< with another process that is autotuning
  /// Asked between one run of one variant and the next, from any thread.
  std::function<bool()> cancelled = [] { return false; };
  LogSink* log = &null_log();
  Steps* steps = &null_steps();
};

struct Tuning {
  model::SpellingChoice choice;
  double ms = 0;  ///< it took: measuring, or waiting for another process that did
};

/// How to spell each product of options.rows rows of `model`, compiled with `compile`, on this device: as
/// remembered, else as measured now (seconds for a model) and remembered. Products below 256 KiB of weights
/// are left to the policy, because what surrounds them decides, and so are those above 256 MiB, which would
/// need room beside the model. Uses some 64 MiB of device memory while measuring. One process tunes at a
/// time: others wait, for two minutes at most, then go on untuned. Nothing here is a reason not to run a
/// model: a variant that does not compile or run is skipped, a product that cannot be measured is left to the
/// policy, and all of it is logged. Error: cancelled.
Result<Tuning> tune(const pjrt::Client& client, const pjrt::Device& device, const ModelSpec& model,
                    const pjrt::CompileOptions& compile, const TuningOptions& options);

}  // namespace adder::engine
