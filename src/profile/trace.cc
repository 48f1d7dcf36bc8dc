#include "profile/trace.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace adder::profile {

void Trace::name_thread(int process, int thread, std::string name) {
  threads_.push_back({process, thread, std::move(name)});
}

void Trace::append(const Trace& other, const std::string& prefix) {
  int shift = 0;
  for (const auto& [process, name] : processes_) shift = std::max(shift, process);
  for (const auto& [process, name] : other.processes_) name_process(process + shift, prefix + name);
  for (const Thread& t : other.threads_) name_thread(t.process + shift, t.thread, t.name);
  for (TraceSpan span : other.spans_) {
    span.process += shift;
    add(std::move(span));
  }
}

std::string Trace::json() const {
  using Json = nlohmann::ordered_json;
  Json events = Json::array();
  const auto metadata = [&](const char* what, int process, int thread, const std::string& name) {
    events.push_back(
        {{"ph", "M"}, {"name", what}, {"pid", process}, {"tid", thread}, {"args", {{"name", name}}}});
  };
  for (const auto& [process, name] : processes_) metadata("process_name", process, 0, name);
  for (const Thread& t : threads_) metadata("thread_name", t.process, t.thread, t.name);
  for (const TraceSpan& span : spans_) {
    Json event{{"ph", "X"},
               {"name", span.name},
               {"cat", span.category.empty() ? "other" : span.category},
               {"pid", span.process},
               {"tid", span.thread},
               {"ts", span.start_us},
               {"dur", span.duration_us}};
    if (!span.details.empty()) {
      Json args = Json::object();
      for (const auto& [key, value] : span.details) args[key] = value;
      event["args"] = std::move(args);
    }
    events.push_back(std::move(event));
  }
  const Json file{{"displayTimeUnit", "ns"}, {"traceEvents", std::move(events)}};
  return file.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace adder::profile
