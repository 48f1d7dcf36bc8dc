#include "pjrt/compile_options.h"

#include <gtest/gtest.h>

#include "pjrt/buffer_type.h"

namespace adder::pjrt {
namespace {

using namespace std::string_literals;

TEST(CompileOptionsTest, EncodesOneDevice) {
  // 3: { 1: -1, 4: 1, 5: 1 }
  EXPECT_EQ(CompileOptions().encode(),
            "\x1a\x0f\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x20\x01\x28\x01"s);
}

TEST(CompileOptionsTest, EncodesADeviceAssignment) {
  // 3: { 1: -1, 4: 1, 5: 1, 9: { 1: 1, 2: 1, 3: { 1: [300] } } }
  EXPECT_EQ(CompileOptions::for_device(300).encode(),
            "\x1a\x1b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x20\x01\x28\x01"
            "\x4a\x0a\x08\x01\x10\x01\x1a\x04\x0a\x02\xac\x02"s);
}

TEST(CompileOptionsTest, EncodesPartitionsReplicaMajor) {
  CompileOptions options;
  options.device_ordinal = 0;
  options.num_replicas = 2;
  options.num_partitions = 2;
  options.use_spmd_partitioning = true;
  options.device_ids = {0, 1, 2, 3};  // partition 0 has replicas on 0 and 2
  EXPECT_EQ(options.encode(),
            "\x1a\x1a\x08\x00\x20\x02\x28\x02\x30\x01"
            "\x4a\x10\x08\x02\x10\x02\x1a\x04\x0a\x02\x00\x02\x1a\x04\x0a\x02\x01\x03"s);
  options.device_ids = {0, 1};
  EXPECT_EQ(options.encode(), "\x1a\x08\x08\x00\x20\x02\x28\x02\x30\x01"s);
}

TEST(CompileOptionsTest, EncodesFlagsOfEveryType) {
  CompileOptions options;
  options.flags = {{"b", true}, {"d", 1.0}, {"i", std::int64_t{5}}, {"s", std::string("x")}};
  const std::string encoded = options.encode();
  EXPECT_EQ(encoded.substr(17),
            "\x3a\x07\x0a\x01\x62\x12\x02\x10\x01"
            "\x3a\x0e\x0a\x01\x64\x12\x09\x21\x00\x00\x00\x00\x00\x00\xf0\x3f"
            "\x3a\x07\x0a\x01\x69\x12\x02\x18\x05"
            "\x3a\x08\x0a\x01\x73\x12\x03\x0a\x01\x78"s);
}

TEST(CompileOptionsTest, SideFlagsAreToldButNoPartOfTheKey) {
  CompileOptions plain;
  plain.flags["xla_a"] = true;
  CompileOptions with_side = plain;
  with_side.side_flags["xla_cache_dir"] = "/tmp"s;
  EXPECT_NE(with_side.encode(), plain.encode());
  EXPECT_EQ(with_side.encode_key(), plain.encode_key());
  EXPECT_EQ(plain.encode_key(), plain.encode());
}

TEST(BufferTypeTest, MapsEveryDTypeThereAndBack) {
  for (int i = 0; i <= static_cast<int>(DType::f64); ++i) {
    const auto dtype = static_cast<DType>(i);
    EXPECT_EQ(from_buffer_type(to_buffer_type(dtype)), dtype) << name(dtype);
  }
  // The ABI's numbers: PRED 1, S8 2 ... U64 9, F16 10, F32 11, F64 12, BF16 13.
  EXPECT_EQ(to_buffer_type(DType::i1), 1);
  EXPECT_EQ(to_buffer_type(DType::s32), 4);
  EXPECT_EQ(to_buffer_type(DType::f32), 11);
  EXPECT_EQ(to_buffer_type(DType::bf16), 13);
}

TEST(BufferTypeTest, KnowsNoOtherType) {
  EXPECT_EQ(from_buffer_type(0), std::nullopt);   // invalid
  EXPECT_EQ(from_buffer_type(14), std::nullopt);  // complex64
  EXPECT_EQ(from_buffer_type(999), std::nullopt);
}

}  // namespace
}  // namespace adder::pjrt
