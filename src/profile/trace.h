#pragma once

// Chrome trace files, which chrome://tracing and ui.perfetto.dev open: the JSON object form of Google's
// "Trace Event Format".

#include <string>
#include <utility>
#include <vector>

namespace adder::profile {

/// One span on one row. Times are microseconds.
struct TraceSpan {
  std::string name;
  std::string category;  ///< the part, or empty
  double start_us = 0, duration_us = 0;
  int process = 0, thread = 0;
  std::vector<std::pair<std::string, std::string>> details;  ///< shown when the span is clicked
};

class Trace {
 public:
  void name_process(int process, std::string name) { processes_.emplace_back(process, std::move(name)); }
  void name_thread(int process, int thread, std::string name);
  void add(TraceSpan span) { spans_.push_back(std::move(span)); }
  /// Adds all of `other`, its processes numbered after those here and their names begun with `prefix`.
  void append(const Trace& other, const std::string& prefix);
  bool empty() const { return spans_.empty(); }
  /// The file's contents. Text that is not UTF-8 is made so.
  std::string json() const;

 private:
  struct Thread {
    int process, thread;
    std::string name;
  };
  std::vector<std::pair<int, std::string>> processes_;
  std::vector<Thread> threads_;
  std::vector<TraceSpan> spans_;
};

}  // namespace adder::profile
