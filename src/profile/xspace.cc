#include "profile/xspace.h"

#include <algorithm>
#include <limits>
#include <map>

#include "profile/wire.h"

namespace adder::profile {
namespace {

constexpr std::int64_t kLongest = std::int64_t{1} << 60;  // picoseconds: 13 days
std::int64_t sane(std::int64_t ps) { return std::clamp<std::int64_t>(ps, 0, kLongest); }

using Names = std::map<std::int64_t, std::string_view>;

struct Stat {
  std::int64_t metadata = 0;
  std::string_view text;
  std::int64_t reference = 0;  ///< id of a stat metadata whose name is the value
};

Result<Stat> read_stat(std::string_view message) {
  Stat out;
  ADDER_CHECK(read_fields(message, [&](const WireField& f) -> Status {
    if (f.number == 1) out.metadata = f.as_signed();
    if (f.number == 5 || f.number == 6) out.text = f.bytes;
    if (f.number == 7) out.reference = f.as_signed();
    return {};
  }));
  return out;
}

/// One entry of map<int64, XEventMetadata or XStatMetadata>.
struct Metadata {
  std::int64_t id = 0;
  std::string_view name;
  std::vector<Stat> stats;  ///< of an event's metadata
};
Result<Metadata> read_metadata(std::string_view entry) {
  Metadata out;
  ADDER_CHECK(read_fields(entry, [&](const WireField& f) -> Status {
    if (f.number == 1) out.id = f.as_signed();
    if (f.number != 2) return {};
    return read_fields(f.bytes, [&](const WireField& m) -> Status {
      if (m.number == 2) out.name = m.bytes;
      if (m.number == 5 && m.delimited) {
        ADDER_TRY(const Stat stat, read_stat(m.bytes));
        out.stats.push_back(stat);
      }
      return {};
    });
  }));
  return out;
}

/// Reads one plane. Metadata may follow the lines in the file, so it is read first.
class PlaneReader {
 public:
  explicit PlaneReader(std::string_view message) : message_(message) {}

  Result<XPlane> run() {
    ADDER_CHECK(read_fields(message_, [&](const WireField& f) -> Status {
      if (f.number == 2) plane_.name = std::string(f.bytes);
      if (f.number != 4 && f.number != 5) return {};
      ADDER_TRY(Metadata metadata, read_metadata(f.bytes));
      if (f.number == 5) stat_names_[metadata.id] = metadata.name;
      if (f.number == 4) events_[metadata.id] = std::move(metadata);
      return {};
    }));
    ADDER_CHECK(read_fields(
        message_, [&](const WireField& f) -> Status { return f.number == 3 ? line(f.bytes) : Status(); }));
    return std::move(plane_);
  }

 private:
  Status line(std::string_view message) {
    XLine out;
    ADDER_CHECK(read_fields(message, [&](const WireField& f) -> Status {
      if (f.number == 1) out.id = f.as_signed();
      if (f.number == 2 || (f.number == 11 && !f.bytes.empty())) out.name = std::string(f.bytes);
      if (f.number == 3) out.timestamp_ns = f.as_signed();
      return {};
    }));
    ADDER_CHECK(read_fields(message, [&](const WireField& f) -> Status {
      return f.number == 4 ? event(f.bytes, out) : Status();
    }));
    plane_.lines.push_back(std::move(out));
    return {};
  }

  Status event(std::string_view message, XLine& out) {
    XEvent event;
    std::vector<Stat> stats;
    ADDER_CHECK(read_fields(message, [&](const WireField& f) -> Status {
      if (f.number == 1) {
        const auto found = events_.find(f.as_signed());
        if (found == events_.end()) return {};
        event.name = std::string(found->second.name);
        stats.insert(stats.end(), found->second.stats.begin(), found->second.stats.end());
      }
      if (f.number == 2) event.start_ps = sane(f.as_signed());
      if (f.number == 3) event.duration_ps = sane(f.as_signed());
      if (f.number == 4) {
        ADDER_TRY(const Stat stat, read_stat(f.bytes));
        stats.push_back(stat);
      }
      return {};
    }));
    for (const Stat& stat : stats) apply(stat, event);
    out.events.push_back(std::move(event));
    return {};
  }

  void apply(const Stat& stat, XEvent& event) const {
    const std::string_view name = stat_name(stat.metadata);
    const std::string_view text = stat.text.empty() ? stat_name(stat.reference) : stat.text;
    if (name == "hlo_op") event.hlo_op = std::string(text);
    if (name == "tf_op" || name == "name") event.op_name = std::string(text);
  }
  std::string_view stat_name(std::int64_t id) const {
    const auto found = stat_names_.find(id);
    return found == stat_names_.end() ? std::string_view() : found->second;
  }

  std::string_view message_;
  std::map<std::int64_t, Metadata> events_;
  Names stat_names_;
  XPlane plane_;
};

/// From each line's own start to the earliest line's.
void align(XSpace& space) {
  std::int64_t first = std::numeric_limits<std::int64_t>::max();
  for (const XPlane& plane : space.planes)
    for (const XLine& line : plane.lines)
      if (!line.events.empty()) first = std::min(first, line.timestamp_ns);
  for (XPlane& plane : space.planes)
    for (XLine& line : plane.lines) {
      // The difference of two signed numbers always fits the unsigned type.
      const std::uint64_t later =
          static_cast<std::uint64_t>(line.timestamp_ns) - static_cast<std::uint64_t>(first);
      const auto shift = static_cast<std::int64_t>(std::min<std::uint64_t>(later, kLongest / 1000)) * 1000;
      for (XEvent& e : line.events) e.start_ps += shift;
    }
}

}  // namespace

Result<XSpace> read_xspace(std::string_view bytes) {
  // XLA's plugins count the zero that they put behind the message.
  const bool whole = read_fields(bytes, [](const WireField&) { return Status(); }).has_value();
  if (!whole && !bytes.empty() && bytes.back() == '\0') bytes.remove_suffix(1);
  XSpace out;
  ADDER_CHECK(read_fields(bytes, [&](const WireField& f) -> Status {
    if (f.number != 1 || !f.delimited) return {};
    ADDER_TRY(XPlane plane, PlaneReader(f.bytes).run());
    out.planes.push_back(std::move(plane));
    return {};
  }));
  align(out);
  return out;
}

}  // namespace adder::profile
