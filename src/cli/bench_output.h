#pragma once

#include <string>
#include <vector>

#include "cli/console.h"
#include "cli/provenance.h"
#include "measure/benchmark.h"

// How `adder bench` writes what it measured.
namespace adder::cli {

/// One model's rows, and what they were measured on.
struct BenchedModel {
  std::string name, dtype;
  std::string description;  ///< of the client
  OrderedJson device;       ///< device_json
  bool on_host = false;     ///< the device is this machine's processor
  std::int64_t weight_bytes = 0;
  measure::BenchmarkReport report;
};

/// What to know of a row whose share exceeds 1; empty otherwise. `cache_bytes`: Host's where the device is
/// the host, else 0.
std::string share_note(const measure::BenchmarkRow& row, std::int64_t weight_bytes, std::int64_t cache_bytes);

/// {adder, commit, host, device, machine, rows}: the JSON of docs/COMMANDS.md. `device` and
/// `machine` (medians over all samples) are those of all models together: one run has one device.
OrderedJson bench_json(const std::vector<BenchedModel>& models, const Host& host);
/// A row a line, each whole by itself: its fields, then those of device, machine, host and build.
std::string bench_jsonl(const std::vector<BenchedModel>& models, const Host& host);
/// The same as comma-separated values with a header line; samples are separated by spaces.
std::string bench_csv(const std::vector<BenchedModel>& models, const Host& host);
std::string bench_markdown(const std::vector<BenchedModel>& models, const Host& host);

}  // namespace adder::cli
