#pragma once

#include <cstddef>
#include <memory>

namespace adder::engine {

/// Memory for arrays that a device uses where they lie: one block on large pages where the system has them,
/// which decode reads faster, cut into pieces aligned to 64 bytes. Pages that nothing is written to take no
/// memory. The block lives as long as its last piece.
/// Thread rule: one thread at a time; pieces may be freed on any.
class HostArena {
 public:
  /// `pieces` arrays of `bytes` in all. An arena that the system refuses has no room: see allocate.
  HostArena(std::size_t bytes, std::size_t pieces);
  /// `size` bytes, not initialised; from the heap where the arena is full. nullptr: no memory.
  std::shared_ptr<std::byte> allocate(std::size_t size);

 private:
  std::shared_ptr<std::byte> block_;
  std::size_t size_ = 0, used_ = 0;
};

/// `size` bytes aligned to 64, from the heap; nullptr: no memory.
std::shared_ptr<std::byte> aligned_bytes(std::size_t size);

}  // namespace adder::engine
