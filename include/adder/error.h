#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace adder {

/// What kind of failure an Error is; callers branch on this, people read the message.
enum class ErrorCode {
  invalid_argument,     ///< the caller's value is wrong (flag, token id, shape)
  not_found,            ///< a file, plugin, tensor or device does not exist
  corrupt,              ///< a file's bytes contradict its format or each other
  unsupported,          ///< well formed, but something Adder does not do
  failed_precondition,  ///< right call, wrong moment (buffer already donated, state of another model)
  resource_exhausted,   ///< out of memory, disk or slots
  cancelled,            ///< stopped on request
  internal,             ///< a plugin or the operating system failed, or a bug of ours
};

/// A failure as a value. The library never aborts, prints or throws across its public surface.
struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string message;  ///< names the file or function, the field, what was expected and what was found
  std::string hint;     ///< what to do about it; may be empty

  /// "message" or "message\nhint: hint".
  std::string to_string() const { return hint.empty() ? message : message + "\nhint: " + hint; }
};

/// Either a T or an Error. Marked nodiscard so that no failure is lost.
template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};
using Status = Result<void>;

/// Builds the error side of a Result: `return fail(ErrorCode::not_found, "...", "hint");`
inline tl::unexpected<Error> fail(ErrorCode code, std::string message, std::string hint = {}) {
  return tl::unexpected<Error>(Error{code, std::move(message), std::move(hint)});
}
/// Passes an error on: `if (!x) return fail(std::move(x).error());`
inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

}  // namespace adder

/// Evaluates a Result<T> expression; returns its error from the enclosing function, else binds the value.
/// `ADDER_TRY(auto file, MappedFile::open(path));`
#define ADDER_CONCAT_(a, b) a##b
#define ADDER_CONCAT(a, b) ADDER_CONCAT_(a, b)
#define ADDER_TRY_IMPL(result, declaration, ...)                \
  auto result = (__VA_ARGS__);                                  \
  if (!result) return ::adder::fail(std::move(result).error()); \
  declaration = *std::move(result)
#define ADDER_TRY(declaration, ...) \
  ADDER_TRY_IMPL(ADDER_CONCAT(adder_try_, __LINE__), declaration, __VA_ARGS__)
/// The same for Status expressions, which carry no value.
#define ADDER_CHECK(...)                                                      \
  do {                                                                        \
    auto adder_status = (__VA_ARGS__);                                        \
    if (!adder_status) return ::adder::fail(std::move(adder_status).error()); \
  } while (false)
