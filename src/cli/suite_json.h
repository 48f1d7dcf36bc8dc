#pragma once

#include <vector>

#include "cli/common_options.h"
#include "cli/console.h"
#include "measure/suite.h"

namespace adder::cli {

/// One model's entry of a suite file; its schema is in docs/SUITE.md. The engine is the one that was
/// measured.
OrderedJson suite_model(const ModelOptions& model, const measure::SuiteOptions& options,
                        const engine::Engine& engine, const measure::SuiteReport& report);

/// A whole suite file, with this machine and moment.
OrderedJson suite_document(std::vector<OrderedJson> models);

}  // namespace adder::cli
