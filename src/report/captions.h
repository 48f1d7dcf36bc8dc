#pragma once

#include <string>
#include <vector>

#include "report/suite.h"

namespace adder::report {

/// What a figure shows, what exactly was measured, and what to look for; plain text.
std::string caption_of(const std::string& figure_id);

/// What was found for one model, as one sentence, of the experiments that have rows.
std::string result_of(const Model& model);

/// "Run on HOST through PLUGIN; f32; median of 3 repetitions; limits measured in the same run: ..." for the
/// models that have rows in `experiment`.
std::string what_was_run(const std::vector<Model>& models, const std::string& experiment);

}  // namespace adder::report
