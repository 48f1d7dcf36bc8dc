#pragma once

#include <string>
#include <vector>

#include "report/figures.h"

namespace adder::report {

struct Picture {
  Figure figure;
  std::string wide, narrow;  ///< as inline_svg gave them
  std::string run;           ///< what_was_run
};

/// One HTML page that needs nothing else: no scripts, no addresses; it follows the reader's light or dark.
std::string make_page(const std::vector<Model>& models, const std::vector<Picture>& pictures);

}  // namespace adder::report
