#include "report/report.h"

#include "report/captions.h"
#include "report/gnuplot.h"
#include "report/html.h"
#include "report/svg.h"

namespace adder::report {

Result<std::string> render(std::vector<Model> models) {
  label_models(models);
  std::vector<Picture> pictures;
  for (Figure& figure : make_figures(models)) {
    ADDER_TRY(const std::string drawn, run_gnuplot(gnuplot_script(figure)));
    ADDER_TRY(std::string svg, inline_svg(drawn, "f-" + figure.id, figure.title));
    std::string run = what_was_run(models, figure.experiment);
    pictures.push_back({std::move(figure), std::move(svg), std::move(run)});
  }
  return make_page(models, pictures);
}

}  // namespace adder::report
