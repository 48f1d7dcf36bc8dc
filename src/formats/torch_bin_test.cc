#include "formats/torch_bin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "formats/store.h"
#include "formats/testing.h"
#include "formats/torch_testing.h"

namespace adder::formats {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::golden;
using ::testing::HasSubstr;
using testing::raw;
using testing::TempDirectory;
using testing::write_torch;
namespace code = testing::code;
namespace fs = std::filesystem;

std::vector<float> floats(const TensorView& view) {
  std::vector<float> out(static_cast<std::size_t>(view.shape.elements()));
  EXPECT_TRUE(read_as_f32(view, out));
  return out;
}

class TorchFileTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<TorchFile>> open(const std::string& body,
                                          const std::vector<std::pair<std::string, std::string>>& storages) {
    write_torch(dir / "m.bin", code::program(body), storages);
    return TorchFile::open(dir / "m.bin");
  }
  std::string error_of(const std::string& body,
                       const std::vector<std::pair<std::string, std::string>>& storages = {}) {
    const auto file = open(body, storages);
    EXPECT_FALSE(file);
    return file ? "" : file.error().to_string();
  }
  // One float32 tensor of the storage 0, 1, ..., n-1.
  std::string window_error(std::int64_t n, std::int64_t offset, const Dims& dims, const Dims& strides) {
    const std::string tensor = code::tensor(code::storage("FloatStorage", "0", n), offset, dims, strides);
    return error_of(code::dict({{"w", tensor}}), {{"0", counting(n)}});
  }
  static std::string counting(std::int64_t n) {
    std::vector<float> values;
    for (std::int64_t i = 0; i < n; ++i) values.push_back(static_cast<float>(i));
    return raw(values);
  }
  TempDirectory dir;
};

TEST(TorchGolden, MambaSsmTinyOpensAndSharesItsHead) {
  const auto file = TorchFile::open(golden("mamba-ssm-tiny") / "pytorch_model.bin");
  ASSERT_TRUE(file) << file.error().to_string();
  const TensorView* embedding = (*file)->find("backbone.embedding.weight");
  const TensorView* head = (*file)->find("lm_head.weight");
  ASSERT_TRUE(embedding != nullptr && head != nullptr);
  EXPECT_EQ(to_string(embedding->shape), "f32[512,64]");
  EXPECT_EQ(embedding->bytes.data(), head->bytes.data());
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(embedding->bytes.data()) % 64, 0u)
      << "torch.save aligns storages";
  EXPECT_EQ((*file)->find("nothing"), nullptr);
  (*file)->release(*head);
  EXPECT_NE(floats(*embedding)[0], 0.0F);
}

TEST_F(TorchFileTest, EveryElementTypeIsRead) {
  const std::vector<std::tuple<std::string, DType, std::string>> types{
      {"FloatStorage", DType::f32, raw<float>({1.5F, -2.0F})},
      {"DoubleStorage", DType::f64, raw<double>({1.5, -2.0})},
      {"HalfStorage", DType::f16, raw<std::uint16_t>({0x3e00, 0xc000})},
      {"BFloat16Storage", DType::bf16, raw<std::uint16_t>({0x3fc0, 0xc000})}};
  for (const auto& [type, dtype, bytes] : types) {
    const auto file =
        open(code::dict({{"w", code::tensor(code::storage(type, "k", 2), 0, {2}, {1})}}), {{"k", bytes}});
    ASSERT_TRUE(file) << file.error().to_string();
    EXPECT_EQ((*file)->tensors()[0].shape.dtype, dtype);
    EXPECT_THAT(floats((*file)->tensors()[0]), ElementsAre(1.5F, -2.0F)) << type;
  }
  const auto longs = open(code::dict({{"n", code::tensor(code::storage("LongStorage", "0", 1), 0, {}, {})}}),
                          {{"0", raw<std::int64_t>({7})}});
  ASSERT_TRUE(longs) << longs.error().to_string();
  EXPECT_EQ(to_string((*longs)->tensors()[0].shape), "s64[]");
}

TEST_F(TorchFileTest, OffsetsStridesAndSharedStorages) {
  const std::string s = code::storage("FloatStorage", "0", 12);
  const auto file = open(code::dict({{"rows", code::tensor(s, 4, {2, 4}, {4, 1})},
                                     {"transposed", code::tensor(s, 0, {4, 3}, {1, 4})},
                                     {"column", code::tensor(s, 1, {3}, {4})},
                                     {"one", code::tensor(s, 5, {1, 2, 1}, {99, 1, 1L << 62})},
                                     {"empty", code::tensor(s, 12, {0, 7}, {7, 1})}}),
                         {{"0", counting(12)}});
  ASSERT_TRUE(file) << file.error().to_string();
  EXPECT_THAT(floats(*(*file)->find("rows")), ElementsAre(4, 5, 6, 7, 8, 9, 10, 11));
  EXPECT_THAT(floats(*(*file)->find("transposed")), ElementsAre(0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11));
  EXPECT_THAT(floats(*(*file)->find("column")), ElementsAre(1, 5, 9));
  EXPECT_THAT(floats(*(*file)->find("one")), ElementsAre(5, 6));
  EXPECT_TRUE((*file)->find("empty")->bytes.empty());
  (*file)->release(*(*file)->find("transposed"));
  EXPECT_EQ(floats(*(*file)->find("transposed"))[1], 4) << "a copy must survive release()";
}

TEST_F(TorchFileTest, ParametersUntypedStoragesAndSizes) {
  const std::string untyped =
      code::tuple({code::text("storage"), code::global("torch.storage", "UntypedStorage"), code::text("0"),
                   code::text("cuda:0"), code::number(8)}) +
      "Q";
  const std::string newer = code::call(code::global("torch._utils", "_rebuild_tensor_v3"),
                                       {untyped, code::number(2), code::numbers({2}), code::numbers({1}),
                                        code::kFalse, code::kHooks, code::global("torch", "bfloat16"), "}"});
  const std::string size = code::call(code::global("torch", "Size"), {code::numbers({4})});
  const std::string sized = code::call(code::global("torch._utils", "_rebuild_tensor_v2"),
                                       {code::storage("BFloat16Storage", "0", 4), code::number(0), size,
                                        code::numbers({1}), code::kFalse, code::kHooks});
  const std::string parameter =
      code::call(code::global("torch._utils", "_rebuild_parameter"), {sized, code::kFalse, code::kHooks});
  const std::string attributes = code::dict({{"_no_weight_decay", "\x88"}});
  const std::string marked = code::call(code::global("torch._utils", "_rebuild_parameter_with_state"),
                                        {sized, code::kFalse, code::kHooks, attributes});
  const auto file = open(code::dict({{"newer", newer}, {"parameter", parameter}, {"marked", marked}}),
                         {{"0", raw<std::uint16_t>({0x3f80, 0x4000, 0x4040, 0x4080})}});
  ASSERT_TRUE(file) << file.error().to_string();
  EXPECT_THAT(floats(*(*file)->find("newer")), ElementsAre(3, 4));
  EXPECT_THAT(floats(*(*file)->find("parameter")), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(floats(*(*file)->find("marked")), ElementsAre(1, 2, 3, 4));
}

// torch.save of a tensor whose neg bit is set: the storage holds the values with the other sign.
TEST_F(TorchFileTest, ATensorWithItsNegBitSetIsRefused) {
  const std::string floats = code::storage("FloatStorage", "0", 2), yes = "\x88";
  const auto v2 = [&](const std::string& metadata, const std::string& hooks = code::kHooks) {
    return code::call(
        code::global("torch._utils", "_rebuild_tensor_v2"),
        {floats, code::number(0), code::numbers({2}), code::numbers({1}), code::kFalse, hooks, metadata});
  };
  const auto v3 = [&](const std::string& metadata) {
    return code::call(code::global("torch._utils", "_rebuild_tensor_v3"),
                      {floats, code::number(0), code::numbers({2}), code::numbers({1}), code::kFalse,
                       code::kHooks, code::global("torch", "float32"), metadata});
  };
  const auto parameter = [&](const std::string& tensor) {
    return code::call(code::global("torch._utils", "_rebuild_parameter"), {tensor, yes, code::kHooks});
  };
  const auto error = [&](const std::string& value) {
    return error_of(code::dict({{"w", value}}), {{"0", counting(2)}});
  };
  for (const std::string mark : {"neg", "conj"})
    for (const std::string& value : {v2(code::dict({{mark, yes}})), v3(code::dict({{mark, yes}})),
                                     parameter(v2(code::dict({{mark, yes}})))})
      EXPECT_THAT(error(value), AllOf(HasSubstr("m.bin (data.pkl): \"w\": the tensor comes with metadata"),
                                      HasSubstr(mark), HasSubstr("refused"), HasSubstr("resolve_neg()")));
  for (const std::string& nothing : {std::string("N"), std::string("}"), code::kHooks}) {
    const auto file = open(code::dict({{"w", v2(nothing)}}), {{"0", counting(2)}});
    ASSERT_TRUE(file) << file.error().to_string();
  }
  EXPECT_THAT(error(v2("K\x01")), HasSubstr("metadata (the number 1)"));
  EXPECT_THAT(error(v2("N", code::dict({{"1", "N"}}))), HasSubstr("backward hooks"));
}

// What else could make a tensor another than the one stored.
TEST_F(TorchFileTest, ArgumentsThatNobodyKnowsAreRefused) {
  const std::string floats = code::storage("FloatStorage", "0", 2);
  const std::string tensor = code::tensor(floats, 0, {2}, {1});
  const auto error = [&](const std::string& value) {
    return error_of(code::dict({{"w", value}}), {{"0", counting(2)}});
  };
  const auto rebuilt = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments{floats, code::number(0), code::numbers({2}), code::numbers({1})};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return code::call(code::global("torch._utils", "_rebuild_tensor_v2"), arguments);
  };
  EXPECT_THAT(error(rebuilt({})), HasSubstr("rebuilt from 4 arguments"));
  EXPECT_THAT(error(rebuilt({code::kFalse, code::kHooks, "N", "N"})), HasSubstr("rebuilt from 8 arguments"));
  EXPECT_THAT(error(rebuilt({"N", code::kHooks})), HasSubstr("expected requires_grad"));
  // An attribute is set on the finished parameter: this one replaces its values.
  const std::string with_state =
      code::call(code::global("torch._utils", "_rebuild_parameter_with_state"),
                 {tensor, code::kFalse, code::kHooks, code::dict({{"data", tensor}})});
  EXPECT_THAT(error(with_state), HasSubstr("the attribute \"data\""));
  EXPECT_THAT(error(code::call(code::global("torch._utils", "_rebuild_parameter"), {tensor, code::kFalse})),
              HasSubstr("rebuilt from 2 arguments"));
  EXPECT_THAT(error(tensor + code::tuple({tensor}) + "b"),
              HasSubstr("sets the state of a torch._utils._rebuild_tensor_v2: refused"));
  // A view of a storage, from before PyTorch 1.6.
  const std::string view = code::tuple({code::text("storage"), code::global("torch", "FloatStorage"),
                                        code::text("0"), code::text("cpu"), code::number(2), "N"}) +
                           "Q";
  EXPECT_THAT(error(code::tensor(view, 0, {2}, {1})), HasSubstr("a storage whose id is not"));
  for (const auto* global : {"_rebuild_from_type_v2", "_rebuild_sparse_tensor", "_rebuild_qtensor",
                             "_rebuild_meta_tensor_no_storage", "_rebuild_wrapper_subclass"})
    EXPECT_THAT(error(code::call(code::global("torch._utils", global), {tensor})),
                HasSubstr(std::string("torch._utils.") + global + ": refused"));
}

// The element type that counts is the one given to the tensor; the storage's own says how long it is.
TEST_F(TorchFileTest, AStorageOfAnotherTypeKeepsItsLength) {
  const std::string tensor =
      code::call(code::global("torch._utils", "_rebuild_tensor_v3"),
                 {code::storage("FloatStorage", "0", 2), code::number(0), code::numbers({4}),
                  code::numbers({1}), code::kFalse, code::kHooks, code::global("torch", "bfloat16")});
  const auto file =
      open(code::dict({{"w", tensor}}), {{"0", raw<std::uint16_t>({0x3f80, 0x4000, 0x4040, 0x4080})}});
  ASSERT_TRUE(file) << file.error().to_string();
  EXPECT_THAT(floats((*file)->tensors()[0]), ElementsAre(1, 2, 3, 4));
}

TEST_F(TorchFileTest, WindowsStayInsideTheirStorage) {
  const std::int64_t huge = std::int64_t{1} << 62;
  for (const std::string& message :
       {window_error(4, 1, {4}, {1}), window_error(4, 0, {2, 3}, {3, 1}), window_error(4, 0, {3}, {2}),
        window_error(4, 5, {}, {}), window_error(4, huge, {2}, {huge}),
        window_error(4, 0, {huge, huge}, {1, 1}), window_error(4, 0, {huge}, {0}),
        window_error(4, 0, {2}, {huge})})
    EXPECT_THAT(message, AllOf(HasSubstr("\"w\": sizes"), HasSubstr("reach past its storage of 4")));
  EXPECT_THAT(window_error(4, -1, {1}, {1}), HasSubstr("expected a size of 0 or more, found the number -1"));
  EXPECT_THAT(window_error(4, 0, {-1}, {1}), HasSubstr("found the number -1"));
  EXPECT_THAT(window_error(4, 0, {2}, {-1}), HasSubstr("found the number -1"));
  EXPECT_THAT(window_error(4, 0, {2}, {1, 1}), HasSubstr("1 sizes but 2 strides"));
  EXPECT_THAT(window_error(4, 0, Dims(17, 1), Dims(17, 1)), HasSubstr("17 dimensions"));
}

TEST_F(TorchFileTest, RepeatedElementsCannotFillTheMemory) {
  EXPECT_THAT(window_error(4, 0, {1L << 40}, {0}), HasSubstr("repeats its storage"));
}

TEST_F(TorchFileTest, StoragesMustMatchTheirEntries) {
  const auto with = [&](std::int64_t claimed, const std::string& bytes) {
    return error_of(
        code::dict({{"w", code::tensor(code::storage("FloatStorage", "0", claimed), 0, {1}, {1})}}),
        {{"0", bytes}});
  };
  EXPECT_THAT(with(3, counting(2)), HasSubstr("expected 12 bytes in its storage \"0\", found 8"));
  EXPECT_THAT(with(2, "abcde"), HasSubstr("found 5"));
  EXPECT_THAT(with(1L << 62, counting(2)), HasSubstr("a storage of 4611686018427387904 elements"));
  EXPECT_THAT(
      error_of(code::dict({{"w", code::tensor(code::storage("FloatStorage", "../x", 1), 0, {1}, {1})}})),
      HasSubstr("archive/data/../x\" is missing"));
}

TEST_F(TorchFileTest, OnlyStateDictsAreRead) {
  EXPECT_THAT(error_of(code::global("os", "system") + code::tuple({code::text("id")}) + "R"),
              AllOf(HasSubstr("m.bin (data.pkl)"), HasSubstr("wants to import os.system: refused")));
  EXPECT_THAT(error_of("K\x01"), HasSubstr("expected a state dict (names to tensors), found the number 1"));
  EXPECT_THAT(error_of(code::dict({{"step", "K\x01"}})),
              HasSubstr("\"step\": expected a tensor, found the number 1"));
  EXPECT_THAT(error_of(code::dict({{"model", "}"}})),
              HasSubstr("\"model\": expected a tensor, found a dict of 0"));
  EXPECT_THAT(error_of("}NNs"), HasSubstr("expected a tensor's name, found None"));
  EXPECT_THAT(error_of(code::dict({{"w", code::global("torch", "ComplexFloatStorage")}})),
              HasSubstr("torch.ComplexFloatStorage: refused"));
  EXPECT_THAT(error_of(code::dict({{"w", code::global("torch.nn.modules", "Linear")}})),
              HasSubstr("refused"));
  const std::string tensor = code::tensor(code::storage("FloatStorage", "0", 1), 0, {1}, {1});
  EXPECT_THAT(error_of(code::dict({{"w", tensor}, {"w", tensor}}), {{"0", counting(1)}}),
              HasSubstr("given twice"));
  EXPECT_THAT(error_of(code::dict({{"w", code::tensor("K\x01", 0, {1}, {1})}})),
              HasSubstr("expected a storage"));
  EXPECT_THAT(error_of(code::dict({{"w", code::tensor("K\x01Q", 0, {1}, {1})}})),
              HasSubstr("a storage whose id"));
  EXPECT_THAT(
      error_of(code::dict({{"w", code::call(code::global("torch._utils", "_rebuild_parameter"), {})}})),
      HasSubstr("a parameter without data"));
}

TEST_F(TorchFileTest, OtherContainersAreNamed) {
  testing::write_file(dir / "old.bin",
                      std::string("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15));
  EXPECT_THAT(TorchFile::open(dir / "old.bin").error().message, HasSubstr("from before version 1.6"));
  testing::write_file(dir / "junk.bin", std::string(1000, 'x'));
  EXPECT_THAT(TorchFile::open(dir / "junk.bin").error().message, HasSubstr("not a readable zip archive"));
  testing::write_file(dir / "empty.bin", "");
  EXPECT_EQ(TorchFile::open(dir / "empty.bin").error().code, ErrorCode::corrupt);
  testing::write_zip(dir / "other.bin", {{"a/b", "c"}});
  EXPECT_THAT(TorchFile::open(dir / "other.bin").error().message, HasSubstr("without data.pkl"));
  write_torch(dir / "packed.bin", code::program("}" + std::string(2000, 'N') + std::string(2000, '0')), {},
              true);
  EXPECT_THAT(TorchFile::open(dir / "packed.bin").error().message,
              HasSubstr("is compressed; expected it stored"));
  testing::write_zip(dir / "big.bin", {{"a/data.pkl", code::program("}")}, {"a/byteorder", "big"}});
  EXPECT_THAT(TorchFile::open(dir / "big.bin").error().message, HasSubstr("byte order \"big\""));
}

TEST_F(TorchFileTest, TruncatedFilesAreErrors) {
  const std::string whole = testing::read_file(golden("mamba-ssm-tiny") / "pytorch_model.bin");
  for (const std::size_t cut : {1ul, 64ul, 3000ul, 100000ul, 300000ul, whole.size() / 2, whole.size() - 1}) {
    testing::write_file(dir / "cut.bin", whole.substr(0, whole.size() - cut));
    const auto file = TorchFile::open(dir / "cut.bin");
    ASSERT_FALSE(file) << cut;
    EXPECT_EQ(file.error().code, ErrorCode::corrupt) << file.error().message;
  }
}

TEST_F(TorchFileTest, AnyOneChangedByteIsHarmless) {
  const std::string tensor = code::tensor(code::storage("FloatStorage", "0", 4), 0, {4}, {1});
  ASSERT_TRUE(open(code::dict({{"w", tensor}}), {{"0", counting(4)}}));
  const std::string whole = testing::read_file(dir / "m.bin");
  constexpr std::array kFlips = {0x01, 0x80, 0xff};
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ kFlips[i % kFlips.size()]);
    testing::write_file(dir / "m.bin", changed);
    const auto file = TorchFile::open(dir / "m.bin");
    if (!file) {
      EXPECT_FALSE(file.error().message.empty());
      continue;
    }
    for (const TensorView& view : (*file)->tensors())
      EXPECT_EQ(view.bytes.size(), static_cast<std::size_t>(view.shape.bytes())) << "byte " << i;
  }
}

TEST_F(TorchFileTest, ShardsBehindAnIndex) {
  const auto shard = [&](const std::string& file, const std::string& name, float value) {
    write_torch(
        dir / file,
        code::program(code::dict({{name, code::tensor(code::storage("FloatStorage", "0", 1), 0, {1}, {1})}})),
        {{"0", raw<float>({value})}});
  };
  shard("pytorch_model-00001-of-00002.bin", "a", 1);
  shard("pytorch_model-00002-of-00002.bin", "b", 2);
  testing::write_file(
      dir / "pytorch_model.bin.index.json",
      R"({"weight_map":{"a":"pytorch_model-00001-of-00002.bin","b":"pytorch_model-00002-of-00002.bin"}})");
  const auto store = TensorStore::open(dir.path());
  ASSERT_TRUE(store) << store.error().to_string();
  EXPECT_EQ(store->format(), "PyTorch, 2 shards");
  EXPECT_THAT(floats(*store->find("b")), ElementsAre(2));
  testing::write_file(dir / "pytorch_model.bin.index.json",
                      R"({"weight_map":{"a":"pytorch_model.bin.index.json"}})");
  EXPECT_FALSE(TensorStore::open(dir.path())) << "an index is not a shard";
}

}  // namespace
}  // namespace adder::formats
