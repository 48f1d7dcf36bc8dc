#include "hub/os_error.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

namespace adder::hub {

tl::unexpected<Error> os_failure(const std::filesystem::path& path, std::string_view what, int code) {
  std::string message =
      fmt::format("{}: cannot {}: {}", path.string(), what, std::generic_category().message(code));
  if (code == ENOSPC || code == EDQUOT || code == EFBIG)
    return fail(ErrorCode::resource_exhausted, std::move(message),
                "free some room, or put the cache elsewhere with HF_HUB_CACHE; what is there already is kept "
                "and the next download goes on from it");
  return fail(ErrorCode::internal, std::move(message));
}

Status make_directories(const std::filesystem::path& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return os_failure(directory, "create this folder", error.value());
  return {};
}

}  // namespace adder::hub
