#include "base/descriptor_io.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "base/files.h"

namespace adder {
namespace {

using ::testing::HasSubstr;

TEST(DescriptorIo, AllBytesPassAPipeThatHoldsFew) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const Descriptor out(ends[0]);
  const std::string text(1 << 20, 'x');
  std::thread writer([&] {
    const Descriptor in(ends[1]);
    EXPECT_EQ(write_fully(in.get(), text), 0);
  });
  const auto read = read_to_end(out.get(), "pipe", text.size());
  writer.join();
  ASSERT_TRUE(read) << read.error().to_string();
  EXPECT_EQ(*read, text);
}

TEST(DescriptorIo, TheSystemsReasonComesBack) {
  const Descriptor full(::open("/dev/full", O_WRONLY));
  EXPECT_EQ(write_fully(full.get(), "x"), ENOSPC);
  EXPECT_EQ(write_fully(full.get(), ""), 0);
  EXPECT_EQ(write_fully(-1, "x"), EBADF);
  EXPECT_THAT(read_to_end(-1, "name", 1).error().message, HasSubstr("name: cannot read: "));
}

TEST(DescriptorIo, WhatHasNoEndIsLeft) {
  const Descriptor zero(::open("/dev/zero", O_RDONLY));
  EXPECT_EQ(read_to_end(zero.get(), "zero", 1000).error().code, ErrorCode::unsupported);
}

}  // namespace
}  // namespace adder
