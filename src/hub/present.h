#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "adder/error.h"
#include "hub/cache.h"
#include "hub/model_id.h"
#include "hub/select.h"

namespace adder::hub {

/// What the cache has of a repository's revision, judged without any network.
struct Present {
  std::string commit;                 ///< the revision's, as of the last download; empty: unknown here
  std::filesystem::path path;         ///< what is needed, as Ensured::path; empty if something is missing
  std::string missing;                ///< for people; empty if nothing is
  bool lacks_only_tokenizer = false;  ///< `path` is set all the same: a model without tokenizer.json
};

/// See ensure() for when all is there. Error failed_precondition: several .gguf fit and nothing else does.
Result<Present> look_in_cache(const RepositoryCache& cache, const ModelId& id, Needs needs,
                              const std::vector<std::string>& include);

/// The shards, itself included, that a file named NAME-00002-of-00003.EXT needs beside it; empty for other
/// names.
std::vector<std::string> shards_with(const std::string& path);

}  // namespace adder::hub
