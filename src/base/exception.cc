#include "base/exception.h"

#include <fmt/format.h>

#include <new>
#include <system_error>

namespace adder {

Error error_of(const std::exception_ptr& exception) {
  constexpr const char* kReport = "this is a bug in Adder: please report it";
  try {
    std::rethrow_exception(exception);
  } catch (const std::bad_alloc&) {
    return {ErrorCode::resource_exhausted, "out of memory",
            "see what `ulimit -v` and the machine leave; bf16 and int8 weights take less (--dtype)"};
  } catch (const std::system_error& e) {
    if (e.code() == std::errc::resource_unavailable_try_again)
      return {ErrorCode::resource_exhausted,
              fmt::format("the system gives no more threads or processes: {}", e.code().message()),
              "see `ulimit -u`"};
    return {ErrorCode::internal, e.what(), ""};
  } catch (const std::exception& e) {
    return {ErrorCode::internal, e.what(), kReport};
  } catch (...) {
    return {ErrorCode::internal, "unknown failure", kReport};
  }
}

}  // namespace adder
