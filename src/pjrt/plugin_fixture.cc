#include "pjrt/plugin_fixture.h"

#include <cstdlib>
#include <sstream>

#include "pjrt/plugin_search.h"

namespace adder::pjrt {

std::vector<std::string> test_plugin_paths() {
  std::vector<std::string> paths;
  if (const char* list = std::getenv("ADDER_TEST_PLUGINS")) {
    std::istringstream in(list);
    for (std::string path; std::getline(in, path, ':');)
      if (!path.empty()) paths.push_back(path);
    return paths;
  }
  for (const PluginCandidate& candidate : search_plugins("cpu", SearchEnvironment::system()))
    if (candidate.found()) paths.push_back(candidate.path.string());
  return paths;
}

}  // namespace adder::pjrt
