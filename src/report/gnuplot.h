#pragma once

#include <string>

#include "report/figures.h"

namespace adder::report {

/// For which page a figure is drawn: text keeps its size, so a narrow page needs a drawing of its own.
enum class Page { wide, narrow };

/// A gnuplot script that writes the figure as SVG to its standard output. Colours are marks that inline_svg
/// (svg.h) turns into the page's. Labels are quoted so that none can be a command.
std::string gnuplot_script(const Figure& figure, Page page = Page::wide);

/// Runs `gnuplot` of the PATH, a child process, on a script, without the user's own start-up files. Errors:
/// not_found (no gnuplot; the hint says how to get it), internal (what it said). Any thread.
Result<std::string> run_gnuplot(const std::string& script);

}  // namespace adder::report
