#include "base/exception.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <new>
#include <stdexcept>
#include <system_error>

namespace adder {
namespace {

template <class E>
Error of(const E& exception) {
  return error_of(std::make_exception_ptr(exception));
}

TEST(ExceptionTest, NoMemoryAndNoThreadsAreNoBugsOfOurs) {
  const Error memory = of(std::bad_alloc());
  EXPECT_EQ(memory.code, ErrorCode::resource_exhausted);
  EXPECT_EQ(memory.message, "out of memory");
  const Error threads = of(std::system_error(EAGAIN, std::generic_category()));
  EXPECT_EQ(threads.code, ErrorCode::resource_exhausted);
  EXPECT_THAT(threads.message, ::testing::HasSubstr("no more threads"));
  const Error file =
      of(std::filesystem::filesystem_error("status", "a", std::make_error_code(std::errc::io_error)));
  EXPECT_THAT(file.message, ::testing::HasSubstr("[a]"));
  for (const Error& e : {memory, threads, file}) EXPECT_EQ(e.hint.find("bug"), std::string::npos);
}

TEST(ExceptionTest, WhatNobodyForesawIs) {
  EXPECT_THAT(of(std::logic_error("x")).hint, ::testing::HasSubstr("bug in Adder"));
  EXPECT_EQ(of(std::logic_error("x")).message, "x");
  EXPECT_THAT(of(1).hint, ::testing::HasSubstr("bug in Adder"));
}

}  // namespace
}  // namespace adder
