#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "adder/error.h"
#include "base/log.h"
#include "hub/environment.h"
#include "hub/http.h"
#include "hub/select.h"
#include "hub/supervision.h"

namespace adder::hub {

struct PullOptions {
  std::string id;                    ///< ORG/NAME or ORG/NAME@REV
  std::vector<std::string> include;  ///< which weights, as patterns; empty: the best there are (select.h)
  RetryPolicy retry;
  Timeouts timeouts;
  Needs needs = Needs::model;
};

struct PulledFile {
  std::string path;                 ///< inside the repository
  std::uint64_t size = 0;           ///< in bytes
  std::uint64_t bytes_fetched = 0;  ///< over the network, this time; 0: it was in the cache
};

struct PullResult {
  std::filesystem::path snapshot;  ///< the folder that holds the files
  std::filesystem::path model;     ///< what to give to -m: the snapshot, or the one .gguf in it
  std::string commit;
  std::vector<PulledFile> files;  ///< empty if offline
  std::uint64_t bytes_total = 0, bytes_fetched = 0;
};

/// Downloads what Adder needs of a model into the cache that all Hugging Face libraries share (cache.h). Only
/// missing files are fetched, and only missing parts of them. Every file is verified (size; sha256 or git's
/// hash) before it gets its name; a snapshot's links and the ref appear only when all files are there. Two
/// pulls of one model may run at once, in one process or in several. With HF_HUB_OFFLINE nothing is asked of
/// the network: what is in the cache counts. `watch.stop` interrupts at any time; what has arrived is kept.
///
/// Errors: invalid_argument (name, endpoint), not_found (model, revision, weights; offline and not in the
/// cache), failed_precondition (a token is missing or refused), resource_exhausted (the disk is full, or
/// would be), corrupt (content or listing is not what was promised), cancelled, internal (network or hub fail
/// for good).
/// Thread rule: any thread; `progress` and `watch.log` are called from the calling one only.
Result<PullResult> pull(const PullOptions& options, const Environment& environment, Supervision watch,
                        Progress& progress = null_progress());

}  // namespace adder::hub
