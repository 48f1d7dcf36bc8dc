// report::read_suite, and all that a report is made of but the pictures, which gnuplot draws.

#include "fuzz.h"
#include "report/captions.h"
#include "report/gnuplot.h"
#include "report/html.h"

using namespace adder;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto json = parse_json(std::string_view(reinterpret_cast<const char*>(data), size), "input");
  if (!json) return 0;
  auto models = report::read_suite(*json, "input");
  if (!models) {
    FUZZ_CHECK(fuzz::is_readable(models.error().message));
    return 0;
  }
  report::label_models(*models);
  std::vector<report::Picture> pictures;
  for (report::Figure& figure : report::make_figures(*models)) {
    FUZZ_CHECK(report::gnuplot_script(figure).find('`') == std::string::npos);
    std::string run = report::what_was_run(*models, figure.experiment);
    pictures.push_back({.figure = std::move(figure), .wide = "", .narrow = "", .run = std::move(run)});
  }
  FUZZ_CHECK(report::make_page(*models, pictures).find("<script") == std::string::npos);
  return 0;
}
