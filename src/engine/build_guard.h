#pragma once

#include <fmt/format.h>

#include <string_view>
#include <type_traits>
#include <utility>

#include "adder/error.h"
#include "hlo/value.h"

namespace adder::engine {

/// What `body`, which builds a graph, returns. The one place where hlo's exception ends: a BuildError, which
/// is a wrong graph and so our bug, becomes an Error that says what was being built.
template <class Body>
auto guard_build(std::string_view what, Body&& body) -> Result<std::invoke_result_t<Body>> {
  try {
    return std::forward<Body>(body)();
  } catch (const hlo::BuildError& e) {
    return fail(ErrorCode::internal, fmt::format("building {}: {}", what, e.what()));
  }
}

}  // namespace adder::engine
