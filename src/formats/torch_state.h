#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "adder/error.h"
#include "base/shape.h"
#include "formats/pickle.h"

namespace adder::formats {

/// A tensor as a state dict's pickle describes it: a window on a storage. Counts are in elements.
struct TorchTensor {
  std::string name;
  Shape shape;
  Dims strides;                    ///< as many as shape.dims, 0 or more; 0 where the size is 1
  std::int64_t offset = 0;         ///< of the first element
  std::string storage;             ///< the key of its storage
  std::int64_t storage_bytes = 0;  ///< what the pickle says; every element of the tensor lies inside

  bool is_dense() const;  ///< row-major without gaps
};

/// Reads the bytes of a data.pkl (see TorchFile) as a dict from names to tensors. Everything in the result
/// has been checked against everything else in the pickle. Errors: those of parse_pickle(); corrupt (naming
/// the tensor); unsupported (entries that are not tensors, element types without a DType).
Result<std::vector<TorchTensor>> parse_torch_state(std::span<const std::byte> pickle,
                                                   std::string_view origin);

}  // namespace adder::formats
