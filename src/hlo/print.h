#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hlo/module.h"

namespace adder::hlo {

/// StableHLO text in MLIR's generic form, which plugins of every age read alike. Equal graphs give equal
/// text. Open or unfinished functions print as far as they are, with a comment instead of a return.
std::string print_module(std::string_view name, const std::vector<const Function*>& functions);

}  // namespace adder::hlo
