#include "checkpoint/binding.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "base/json.h"
#include "formats/encoding.h"
#include "formats/int8_rows.h"

namespace adder::checkpoint {
namespace {

using arch::TensorField;
using formats::Encoding;
using formats::TensorView;

std::string stored_as(const TensorField& field, const TensorView& view) {
  return view.name == field.name ? view.name : fmt::format("{} (stored as {})", field.name, view.name);
}

/// Pairs an int8 weight with its scale, the other tensor of the two that store it.
void attach_scale(const TensorField& field, TensorView& view, const formats::TensorStore& store,
                  Binding& out) {
  if (view.shape.dtype != DType::s8 || !field.matrix || view.shape.dims.size() != 2) return;
  if (const auto problem = formats::attach_scales(view, store.find(formats::scale_name(view)))) {
    out.conflicts.push_back(*problem);
    view.shape.dtype = DType::f32;  // said once is enough
  }
}

void check_one(const TensorField& field, const TensorView& view, Binding& out) {
  const Shape& shape = view.shape;
  if (shape.dims != field.dims)
    out.conflicts.push_back(fmt::format("{}: wrong shape: expected {}, found {}", stored_as(field, view),
                                        to_string(field.dims), to_string(shape.dims)));
  if (!is_float(shape.dtype))
    out.conflicts.push_back(fmt::format("{}: wrong dtype: expected f32, f16, bf16 or f64, found {}",
                                        stored_as(field, view), name(shape.dtype)));
}

/// The stored tensors that go by any of the names of `field`.
std::vector<const TensorView*> candidates(const TensorField& field, const formats::TensorStore& store) {
  std::vector<const TensorView*> found;
  if (const TensorView* view = store.find(field.name)) found.push_back(view);
  for (const std::string& alias : field.aliases)
    if (const TensorView* view = store.find(alias)) found.push_back(view);
  if (const TensorView* view = field.gguf.empty() ? nullptr : store.find(field.gguf)) found.push_back(view);
  return found;
}

Dims without_ones(Dims dims) {
  std::erase(dims, 1);
  return dims;
}

/// `dims` with an axis of one wherever `wanted` has one, if it has as many others.
Dims with_ones_of(const Dims& wanted, const Dims& dims) {
  Dims out;
  std::size_t at = 0;
  for (const std::int64_t d : wanted) {
    if (d != 1 && at == dims.size()) return dims;
    out.push_back(d == 1 ? 1 : dims[at++]);
  }
  return at == dims.size() ? out : dims;
}

Status check_decay(const TensorView& view) {
  if (view.encoding != Encoding::dense || view.shape.dtype != DType::f32)
    return fail(ErrorCode::unsupported, fmt::format("{}: tensor {}: type: expected F32, found {}", view.file,
                                                    in_quotes(view.name), formats::stored_type(view)));
  for (std::size_t i = 0; i + 4 <= view.bytes.size(); i += 4) {
    float a;
    std::memcpy(&a, view.bytes.data() + i, sizeof a);
    if (!(a <= 0) || std::isinf(a))
      return fail(
          ErrorCode::corrupt,
          fmt::format("{}: tensor {}: element {}: expected a decay, a finite number of 0 or less, found {}",
                      view.file, in_quotes(view.name), i / 4, a));
  }
  return {};
}

/// llama.cpp's ways to store the same numbers. Row-major order is the same in both shapes.
Status adapt_gguf(const TensorField& field, TensorView& view) {
  Dims& dims = view.shape.dims;
  const bool same_size = view.shape.elements() == Shape{DType::f32, field.dims}.elements();
  if (same_size && (field.dims.size() == 1 || without_ones(dims) == without_ones(field.dims)))
    dims = field.dims;
  else
    dims = with_ones_of(field.dims, dims);
  if (field.read != arch::Read::decay) return {};
  ADDER_CHECK(check_decay(view));
  view.encoding = Encoding::negative_exp;
  return {};
}

}  // namespace

Result<Binding> bind_tensors(const arch::Config& config, const formats::TensorStore& store) {
  Binding out;
  std::set<std::string_view> known;
  const bool gguf = store.source().gguf() != nullptr;
  for (TensorField& field : config.tensors()) {
    const std::vector<const TensorView*> found = candidates(field, store);
    for (const TensorView* view : found) {
      known.insert(view->name);
      const TensorView* scale =
          view->shape.dtype == DType::s8 && field.matrix ? store.find(formats::scale_name(*view)) : nullptr;
      if (scale != nullptr) known.insert(scale->name);
    }
    if (!field.used) {
      if (!found.empty()) out.notes.push_back(field.name + " is stored but not used: the head is tied");
      continue;
    }
    if (found.empty()) {
      out.conflicts.push_back(
          fmt::format("{}: missing: expected {}, found nothing", field.name, to_string(field.dims)));
      continue;
    }
    if (found.size() > 1)
      out.conflicts.push_back(
          fmt::format("{}: stored twice, as {} and as {}", field.name, found[0]->name, found[1]->name));
    TensorView view = *found[0];
    attach_scale(field, view, store, out);
    if (gguf) ADDER_CHECK(adapt_gguf(field, view));
    check_one(field, view, out);
    out.entries.push_back({std::move(field), std::move(view)});
  }
  for (const TensorView& view : store.tensors())
    if (!known.contains(view.name))
      out.conflicts.push_back(fmt::format("{}: surplus: expected nothing, found {}", in_quotes(view.name),
                                          to_string(view.shape)));
  return out;
}

arch::Stored stored_shapes(const formats::TensorStore& store) {
  return arch::Stored([&store](std::string_view name) -> const Dims* {
    const TensorView* view = store.find(name);
    return view ? &view->shape.dims : nullptr;
  });
}

}  // namespace adder::checkpoint
