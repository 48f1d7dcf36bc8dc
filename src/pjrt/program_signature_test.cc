#include "pjrt/program_signature.h"

#include <gmock/gmock.h>

namespace adder::pjrt {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ProgramSignatureTest, ReadsShapesAndDonation) {
  const auto signature = parse_signature(R"(module @m attributes {a = "@main("} {
    func.func private @layer(%arg0: tensor<9xf32>) -> tensor<9xf32> { }
    func.func public @main(%arg0: tensor<2x3xbf16> {tf.aliasing_output = 0 : i32, s = "a, (b"},
                           %arg1: tensor<i1>, %arg2: tensor<4xui8> loc("x":1:2)) -> (tensor<2x3xbf16>) {
      func.call @layer(%arg0) : (tensor<9xf32>) -> tensor<9xf32>
    })");
  ASSERT_TRUE(signature);
  EXPECT_THAT(signature->arguments,
              ElementsAre(Shape{DType::bf16, {2, 3}}, Shape{DType::i1, {}}, Shape{DType::u8, {4}}));
  EXPECT_THAT(signature->donated, ElementsAre(true, false, false));
}

TEST(ProgramSignatureTest, ReadsAnEmptyList) {
  const auto signature = parse_signature("func.func @main() -> tensor<f32> {");
  ASSERT_TRUE(signature);
  EXPECT_THAT(signature->arguments, IsEmpty());
}

TEST(ProgramSignatureTest, GivesUpOnWhatItCannotCheck) {
  EXPECT_FALSE(parse_signature(""));
  EXPECT_FALSE(parse_signature("ML\xefR bytecode"));
  EXPECT_FALSE(parse_signature("func.func @other(%arg0: tensor<f32>)"));
  EXPECT_FALSE(parse_signature("func.func @main(%arg0: tensor<?xf32>)"));
  EXPECT_FALSE(parse_signature("func.func @main(%arg0: tensor<4xcomplex<f32>>)"));
  EXPECT_FALSE(parse_signature("func.func @main(%arg0: !stablehlo.token)"));
  EXPECT_FALSE(parse_signature("func.func @main(%arg0: tensor<99999999999999999999xf32>)"));
  EXPECT_FALSE(parse_signature("func.func @main(%arg0: tensor<4xf32>"));
}

}  // namespace
}  // namespace adder::pjrt
