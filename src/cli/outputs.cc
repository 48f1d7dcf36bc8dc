#include "cli/outputs.h"

#include <fmt/format.h>

#include "base/atomic_file.h"
#include "base/files.h"

namespace adder::cli {

namespace {

tl::unexpected<Error> refuse(const NamedFile& output, std::string_view why) {
  return fail(ErrorCode::invalid_argument, fmt::format("{}: {}: {}", output.flag, output.path.string(), why),
              "name another file");
}

}  // namespace

Status check_distinct(std::span<const NamedFile> outputs, std::span<const NamedFile> inputs) {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const NamedFile& output = outputs[i];
    if (output.path.empty()) continue;
    for (const NamedFile& other : outputs.first(i))
      if (!other.path.empty() && would_replace(output.path, other.path))
        return refuse(output, fmt::format("is what {} names too", other.flag));
    for (const NamedFile& input : inputs)
      if (!input.path.empty() && input.path != "-" && would_replace(output.path, input.path))
        return refuse(output, fmt::format("is what {} reads", input.flag));
  }
  return {};
}

Status check_writable(std::span<const NamedFile> outputs) {
  for (const NamedFile& output : outputs) {
    if (output.path.empty()) continue;
    if (Status writable = AtomicFile::check(output.path); !writable) {
      Error error = std::move(writable).error();
      error.message = fmt::format("{}: {}", output.flag, error.message);
      return fail(std::move(error));
    }
  }
  return {};
}

Status check_not_model(std::span<const NamedFile> outputs, const checkpoint::Checkpoint& model) {
  for (const NamedFile& output : outputs)
    if (!output.path.empty() && model.holds(output.path)) return refuse(output, "is a file of the model");
  return {};
}

}  // namespace adder::cli
