#include "report/report.h"

#include "report/captions.h"
#include "report/gnuplot.h"
#include "report/html.h"
#include "report/svg.h"

namespace adder::report {

namespace {

Result<std::string> draw(const Figure& figure, Page page, const std::string& id) {
  ADDER_TRY(const std::string drawn, run_gnuplot(gnuplot_script(figure, page)));
  return inline_svg(drawn, id, figure.title);
}

}  // namespace

Result<std::string> render(std::vector<Model> models) {
  label_models(models);
  std::vector<Picture> pictures;
  for (Figure& figure : make_figures(models)) {
    ADDER_TRY(std::string wide, draw(figure, Page::wide, "f-" + figure.id));
    ADDER_TRY(std::string narrow, draw(figure, Page::narrow, "n-" + figure.id));
    std::string run = what_was_run(models, figure.experiment);
    pictures.push_back({std::move(figure), std::move(wide), std::move(narrow), std::move(run)});
  }
  return make_page(models, pictures);
}

}  // namespace adder::report
