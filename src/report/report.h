#pragma once

#include <string>
#include <vector>

#include "report/suite.h"

namespace adder::report {

/// The report of all `models` together (at least one; from read_suite) as one self-contained HTML page, with
/// figures that gnuplot draws. Errors: not_found (no gnuplot on the PATH), internal (gnuplot's own words).
Result<std::string> render(std::vector<Model> models);

}  // namespace adder::report
