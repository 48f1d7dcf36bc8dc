#include "profile/attribution.h"

#include <algorithm>
#include <limits>

namespace adder::profile {
namespace {

bool starts_with(const std::string& text, std::string_view prefix) {
  return text.compare(0, prefix.size(), prefix) == 0;
}

/// A device's raw rows are its streams; "XLA Ops" and the like repeat them, grouped.
bool is_stream(const XPlane& plane, const XLine& line) {
  return starts_with(plane.name, "/device:") && starts_with(line.name, "Stream");
}

double to_ms(std::int64_t ps) { return static_cast<double>(ps) / 1e9; }

struct Span {
  const XEvent* event;
  std::int64_t start, end, self;
  bool leaf = true;
};

/// The line's kernels, each with the time that no kernel inside of it takes.
std::vector<Span> kernels_of_line(const XPlane& plane, const XLine& line) {
  const bool stream = is_stream(plane, line);
  const bool derived = starts_with(plane.name, "/device:") && !stream;
  std::vector<Span> spans;
  for (const XEvent& e : line.events) {
    if (derived || (!stream && e.hlo_op.empty())) continue;
    spans.push_back({&e, e.start_ps, e.start_ps + e.duration_ps, e.duration_ps, true});
  }
  std::stable_sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) {
    return a.start != b.start ? a.start < b.start : a.end > b.end;
  });
  std::vector<Span*> open;
  for (Span& span : spans) {
    while (!open.empty() && open.back()->end <= span.start) open.pop_back();
    if (!open.empty() && span.end <= open.back()->end) {
      open.back()->self -= span.end - span.start;
      open.back()->leaf = false;
    }
    open.push_back(&span);
  }
  return spans;
}

/// Length of the union of intervals, which come sorted by their start.
std::int64_t covered(const std::vector<std::pair<std::int64_t, std::int64_t>>& intervals) {
  std::int64_t total = 0, end = std::numeric_limits<std::int64_t>::min();
  for (const auto& [from, to] : intervals) {
    if (to <= end) continue;
    total += to - std::max(from, end);
    end = to;
  }
  return total;
}

bool is_boundary(const std::string& text, std::size_t at) { return at >= text.size() || text[at] == '/'; }

}  // namespace

std::string scope_in(const std::string& op_name, const std::vector<std::string>& scopes) {
  std::string best;
  for (const std::string& scope : scopes) {
    if (scope.size() <= best.size()) continue;
    for (auto at = op_name.find(scope); at != std::string::npos; at = op_name.find(scope, at + 1))
      if ((at == 0 || op_name[at - 1] == '/') && is_boundary(op_name, at + scope.size())) {
        best = scope;
        break;
      }
  }
  return best;
}

Attribution attribute(const XSpace& space, const std::vector<Kernel>& compiled,
                      const std::function<std::string(const std::string& op_name)>& part_of) {
  std::map<std::string, std::string> op_names;
  for (const Kernel& kernel : compiled) op_names[kernel.name] = kernel.op_name;
  Attribution out;
  std::vector<std::pair<std::int64_t, std::int64_t>> intervals;
  for (const XPlane& plane : space.planes) {
    for (const XLine& line : plane.lines) {
      for (const Span& span : kernels_of_line(plane, line)) {
        std::string op_name = span.event->op_name;
        const std::string& name = span.event->hlo_op.empty() ? span.event->name : span.event->hlo_op;
        if (const auto found = op_names.find(name); op_name.empty() && found != op_names.end())
          op_name = found->second;
        for (Busy* busy : {&out.parts[part_of(op_name)], &out.names[name]}) {
          busy->ms += to_ms(span.self);
          ++busy->launches;
        }
        if (span.leaf) intervals.emplace_back(span.start, span.end);
      }
    }
  }
  std::sort(intervals.begin(), intervals.end());
  out.busy_ms = to_ms(covered(intervals));
  std::int64_t last = std::numeric_limits<std::int64_t>::min();
  for (const auto& interval : intervals) last = std::max(last, interval.second);
  if (!intervals.empty()) out.span_ms = to_ms(last - intervals.front().first);
  return out;
}

Trace to_trace(const XSpace& space, const std::function<std::string(const std::string& op_name)>& part_of) {
  std::int64_t first = std::numeric_limits<std::int64_t>::max();
  for (const XPlane& plane : space.planes)
    for (const XLine& line : plane.lines)
      for (const XEvent& e : line.events) first = std::min(first, e.start_ps);
  Trace trace;
  for (std::size_t p = 0; p < space.planes.size(); ++p) {
    const int process = static_cast<int>(p) + 1;
    trace.name_process(process, space.planes[p].name);
    for (std::size_t l = 0; l < space.planes[p].lines.size(); ++l) {
      const XLine& line = space.planes[p].lines[l];
      const int thread = static_cast<int>(l) + 1;
      trace.name_thread(process, thread, line.name);
      for (const XEvent& e : line.events) {
        TraceSpan span{.name = e.name,
                       .category = part_of(e.op_name),
                       .start_us = (static_cast<double>(e.start_ps) - static_cast<double>(first)) / 1e6,
                       .duration_us = static_cast<double>(e.duration_ps) / 1e6,
                       .process = process,
                       .thread = thread,
                       .details = {}};
        if (!e.hlo_op.empty()) span.details.emplace_back("hlo_op", e.hlo_op);
        if (!e.op_name.empty()) span.details.emplace_back("op_name", e.op_name);
        trace.add(std::move(span));
      }
    }
  }
  return trace;
}

}  // namespace adder::profile
