#pragma once

#include <string>
#include <utility>
#include <vector>

#include "report/suite.h"

namespace adder::report {

/// One curve (or one bar of each group).
struct Line {
  std::string label;
  std::vector<std::pair<double, double>> points;
  std::size_t colour = 0;  ///< the model's index
  int dash = 0;            ///< 0 solid, then dashed, dotted: which quantity
};

struct Table {
  std::vector<std::string> head;
  std::vector<std::vector<std::string>> rows;
};

/// A picture, what it shows, and its numbers.
struct Figure {
  std::string id;  ///< unique, of letters and hyphens
  std::string title;
  std::string caption;  ///< what it shows, what exactly was measured
  std::string experiment;
  std::string x_label, y_label;
  bool log_x = true, log_y = false;
  bool tick_values = true;              ///< ticks where points are, and nowhere else
  std::vector<std::string> categories;  ///< not empty: grouped bars, x is an index of these
  std::vector<Line> lines;
  Table table;
};

/// All figures of the suite, in the order of the report. The models have labels.
std::vector<Figure> make_figures(const std::vector<Model>& models);

}  // namespace adder::report
