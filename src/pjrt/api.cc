#include "pjrt/api.h"

#include <fmt/format.h>

#include <array>

namespace adder::pjrt {
namespace {

struct CodeRow {
  const char* name;
  ErrorCode code;
};
// Indexed by PJRT_Error_Code, which follows absl::StatusCode.
constexpr std::array<CodeRow, 17> kCodes{{
    {"OK", ErrorCode::internal},
    {"CANCELLED", ErrorCode::cancelled},
    {"UNKNOWN", ErrorCode::internal},
    {"INVALID_ARGUMENT", ErrorCode::invalid_argument},
    {"DEADLINE_EXCEEDED", ErrorCode::cancelled},
    {"NOT_FOUND", ErrorCode::not_found},
    {"ALREADY_EXISTS", ErrorCode::failed_precondition},
    {"PERMISSION_DENIED", ErrorCode::failed_precondition},
    {"RESOURCE_EXHAUSTED", ErrorCode::resource_exhausted},
    {"FAILED_PRECONDITION", ErrorCode::failed_precondition},
    {"ABORTED", ErrorCode::failed_precondition},
    {"OUT_OF_RANGE", ErrorCode::invalid_argument},
    {"UNIMPLEMENTED", ErrorCode::unsupported},
    {"INTERNAL", ErrorCode::internal},
    {"UNAVAILABLE", ErrorCode::internal},
    {"DATA_LOSS", ErrorCode::corrupt},
    {"UNAUTHENTICATED", ErrorCode::failed_precondition},
}};

bool known(int code) { return code >= 0 && static_cast<std::size_t>(code) < kCodes.size(); }

}  // namespace

std::string pjrt_code_name(int code) {
  return known(code) ? kCodes[static_cast<std::size_t>(code)].name : fmt::format("code {}", code);
}

Error take_error(const PJRT_Api* api, const char* function, PJRT_Error* error) {
  int code = PJRT_Error_Code_UNKNOWN;
  std::string text;
  if (const auto get_code = ADDER_PJRT(PJRT_Error_GetCode); has(api, get_code)) {
    auto args = make_args(get_code);
    args.error = error;
    PJRT_Error* nested = api->PJRT_Error_GetCode(&args);
    if (nested == nullptr) code = as_number(args.code);
    if (nested != nullptr && nested != error) {
      auto destroy = make_args(ADDER_PJRT(PJRT_Error_Destroy));
      destroy.error = nested;
      api->PJRT_Error_Destroy(&destroy);
    }
  }
  if (const auto message = ADDER_PJRT(PJRT_Error_Message); has(api, message)) {
    auto args = make_args(message);
    args.error = error;
    api->PJRT_Error_Message(&args);
    if (args.message != nullptr) text.assign(args.message, args.message_size);
  }
  if (const auto destroy = ADDER_PJRT(PJRT_Error_Destroy); has(api, destroy)) {
    auto args = make_args(destroy);
    args.error = error;
    api->PJRT_Error_Destroy(&args);
  }
  return {.code = known(code) ? kCodes[static_cast<std::size_t>(code)].code : ErrorCode::internal,
          .message = fmt::format("{}: {}: {}", function, pjrt_code_name(code), text),
          .hint = {}};
}

Error missing_function(const PJRT_Api* api, const char* function) {
  return {.code = ErrorCode::unsupported,
          .message = fmt::format("{}: the plugin (PJRT API {}.{}) does not have this function", function,
                                 api->pjrt_api_version.major_version, api->pjrt_api_version.minor_version),
          .hint = "use a newer plugin"};
}

}  // namespace adder::pjrt
