#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "adder/error.h"
#include "base/json.h"

// What `adder bench --suite paper` wrote, read back: docs/SUITE.md has the schema.
namespace adder::report {

inline constexpr const char* kSchema = "adder-suite/1";

/// One model on one machine. `experiments` has been checked: every experiment is an array of rows, and every
/// field that the figures use is a number (or null where it may be).
struct Model {
  std::string name;     ///< of the checkpoint's folder
  std::string label;    ///< the name, with what tells it from the others: set by label_models
  std::string dtype;    ///< f32, bf16, ...
  std::string plugin;   ///< "NAME (cpu, API 0.115)"
  std::string host;     ///< "CPU, 2 threads, 24 GiB"
  std::string created;  ///< when, as the file says
  double read_gb_s = 0, gemm_gflop_s = 0;
  double parameters = 0, weight_bytes = 0, state_bytes = 0, seconds = 0, budget_s = 0, sample_tokens = 0;
  std::vector<std::string> dropped;  ///< "positions at 100000 (estimated 147 s)"
  Json experiments;
};

/// The models of one file. Errors (corrupt): "origin: models[0].experiments.loops[2].block: expected a
/// number, found null".
Result<std::vector<Model>> read_suite(const Json& document, std::string_view origin);

/// Gives every model a label of its own: the name; with the dtype, the plugin and a count as far as needed.
void label_models(std::vector<Model>& models);

}  // namespace adder::report
