#include "engine/host_arena.h"

#include <sys/mman.h>

#include <cstdlib>

namespace adder::engine {

namespace {

/// Plugins take host memory over without a copy when it is aligned so.
constexpr std::size_t kAlignment = 64;
constexpr std::size_t kLargePage = std::size_t{2} << 20;

std::size_t round_up(std::size_t size, std::size_t multiple) {
  return (size + multiple - 1) / multiple * multiple;
}

}  // namespace

std::shared_ptr<std::byte> aligned_bytes(std::size_t size) {
  return {static_cast<std::byte*>(std::aligned_alloc(kAlignment, round_up(size, kAlignment))), std::free};
}

HostArena::HostArena(std::size_t bytes, std::size_t pieces)
    : size_(round_up(bytes + pieces * kAlignment, kLargePage)) {
  auto* block = static_cast<std::byte*>(std::aligned_alloc(kLargePage, size_));
  if (!block) {
    size_ = 0;
    return;
  }
  ::madvise(block, size_, MADV_HUGEPAGE);  // advice: where it is refused small pages do
  block_ = {block, std::free};
}

std::shared_ptr<std::byte> HostArena::allocate(std::size_t size) {
  const std::size_t rounded = round_up(size, kAlignment);
  if (used_ + rounded > size_) return aligned_bytes(size);
  std::shared_ptr<std::byte> piece(block_, block_.get() + used_);
  used_ += rounded;
  return piece;
}

}  // namespace adder::engine
