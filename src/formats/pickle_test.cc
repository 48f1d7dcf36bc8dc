#include "formats/pickle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "formats/torch_testing.h"

namespace adder::formats {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::little;
using Kind = Pickle::Kind;
namespace code = testing::code;

bool allow_some(std::string_view module, std::string_view name) {
  return module == "collections" || (module == "good" && name == "thing");
}

Result<Pickle> parse(const std::string& bytes, const PickleLimits& limits = {}) {
  return parse_pickle(std::as_bytes(std::span(bytes)), "p", allow_some, limits);
}

Error error_of(const std::string& bytes, const PickleLimits& limits = {}) {
  const auto parsed = parse(bytes, limits);
  EXPECT_FALSE(parsed) << "accepted " << ::testing::PrintToString(bytes);
  return parsed ? Error{} : parsed.error();
}

TEST(PickleTest, ScalarsOfEverySpelling) {
  const std::string bytes = code::program(
      "(NK\x07M\x01\x02J\xfe\xff\xff\xff\x8a\x01\xff\x8a" + std::string(1, '\0') + std::string("\x8b") +
      little(2, 4) + little(0x8000, 2) + "G@\x09\x21\xfb\x54\x44\x2d\x18\x88\x89\x8c\x02hiC\x01zt");
  const auto parsed = parse(bytes);
  ASSERT_TRUE(parsed) << parsed.error().message;
  std::vector<std::string> shown;
  for (const Pickle::Id id : parsed->root().items) shown.push_back(describe(*parsed, (*parsed)[id]));
  EXPECT_THAT(shown, ::testing::ElementsAre("None", "the number 7", "the number 513", "the number -2",
                                            "the number -1", "the number 0", "the number -32768",
                                            "the number 3.141592653589793", "True", "False",
                                            "the string \"hi\"", "1 bytes"));
}

TEST(PickleTest, ContainersShareWhatTheMemoHolds) {
  const std::string bytes =
      code::program("}q\x05(" + code::text("a") + "]r" + little(70000, 4) + "(K\x01K\x02" + "e" +
                    code::text("b") + "j" + little(70000, 4) + "u" + code::text("c") + "h\x05s");
  const auto parsed = parse(bytes);
  ASSERT_TRUE(parsed) << parsed.error().message;
  const auto& items = parsed->root().items;
  ASSERT_EQ(items.size(), 6u);
  EXPECT_EQ(items[1], items[3]);
  EXPECT_EQ((*parsed)[items[1]].items.size(), 2u);
  EXPECT_EQ(&(*parsed)[items[5]], &parsed->root()) << "a dict may hold itself";
}

TEST(PickleTest, ProtocolFourSpellsTheSame) {
  const std::string bytes = "\x80\x04\x95" + little(30, 8) +
                            "\x8c\x04good\x94\x8c\x05thing\x93\x94K\x01\x85R." + std::string(20, ' ');
  const auto parsed = parse(bytes);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(describe(*parsed, parsed->root()), "a good.thing");
  EXPECT_EQ((*parsed)[(*parsed)[parsed->root().items[1]].items[0]].integer, 1);
}

TEST(PickleTest, OrderedDictsAreDictsAndLoseTheirAttributes) {
  const auto parsed =
      parse(code::program(code::kHooks + "(" + code::text("w") + "Nu}" + code::text("_metadata") + "Nsb"));
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->root().kind, Kind::dict);
  EXPECT_EQ(parsed->root().items.size(), 2u);
}

TEST(HostilePickleTest, NothingIsImportedThatIsNotAllowed) {
  const std::string command = code::tuple({code::text("touch /tmp/owned")});
  const Error by_global = error_of(code::program(code::global("os", "system") + command + "R"));
  EXPECT_EQ(by_global.code, ErrorCode::unsupported);
  EXPECT_THAT(by_global.message, HasSubstr("the pickle wants to import os.system: refused"));
  const std::string stacked =
      "\x80\x04" + code::text("posix") + code::text("system") + "\x93" + command + "R.";
  EXPECT_THAT(error_of(stacked).message, HasSubstr("wants to import posix.system: refused"));
  EXPECT_THAT(error_of(code::program(code::global("builtins", "eval"))).message, HasSubstr("builtins.eval"));
  EXPECT_THAT(error_of(code::program(code::global("good", "other"))).message, HasSubstr("good.other"));
  EXPECT_THAT(error_of(code::program(code::global("a\x1b[2J", "b"))).message,
              ::testing::Not(HasSubstr("\x1b")));
}

TEST(HostilePickleTest, OnlyGlobalsAreCalled) {
  EXPECT_THAT(error_of(code::program("K\x01)R")).message, HasSubstr("wants to call the number 1: refused"));
  EXPECT_THAT(error_of(code::program("](Ne)R")).message, HasSubstr("wants to call a list of 1"));
  EXPECT_THAT(error_of(code::program(code::global("good", "thing") + "K\x01R")).message,
              HasSubstr("refused"));
  const std::string result = code::call(code::global("good", "thing"), {});
  EXPECT_THAT(error_of(code::program(result + ")R")).message, HasSubstr("wants to call a good.thing"));
}

TEST(HostilePickleTest, OtherOpcodesAreRefusedByName) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"(ios\nsystem\n", "INST"}, {"\x81", "NEWOBJ"},    {"\x92", "NEWOBJ_EX"}, {"(o", "OBJ"},
      {"\x82\x01", "EXT1"},       {"I1\n", "INT"},       {"L1L\n", "LONG"},     {"g0\n", "GET"},
      {"P1\n", "PERSID"},         {"\x8f", "EMPTY_SET"}, {"S'x'\n", "STRING"},  {"\x97", "NEXT_BUFFER"}};
  for (const auto& [body, name] : cases) {
    const Error error = error_of(code::program("NN" + body));
    EXPECT_EQ(error.code, ErrorCode::unsupported);
    EXPECT_THAT(error.message, HasSubstr("the opcode " + name + ", which")) << name;
  }
  EXPECT_THAT(error_of(code::program("\x01")).message, HasSubstr("byte 2: 0x01 is not an opcode"));
  EXPECT_THAT(error_of("\x80\x06N.").message, HasSubstr("pickle protocol 6"));
  EXPECT_THAT(error_of(std::string("\x80\x00N.", 4)).message, HasSubstr("pickle protocol 0"));
}

TEST(HostilePickleTest, StackAndMemoAreChecked) {
  for (const std::string body :
       {"", "0", "1", "2", "R", "b", "Q", "a", "s", "u", "e", "t", "\x85", "\x93", "q\x01", "\x94"})
    EXPECT_EQ(error_of(code::program(body)).code, ErrorCode::corrupt) << body;
  EXPECT_THAT(error_of(code::program("NN")).message, HasSubstr("expected one value at the end, found 2"));
  EXPECT_THAT(error_of(code::program("(N")).message, HasSubstr("at the end"));
  EXPECT_THAT(error_of(code::program("h\x03")).message, HasSubstr("memo entry 3 was never stored"));
  EXPECT_THAT(error_of(code::program("N(a")).message, HasSubstr("the stack holds 0 values; 1 needed"));
  EXPECT_THAT(error_of(code::program("NNa")).message, HasSubstr("cannot add 1 values to None"));
  EXPECT_THAT(error_of(code::program("}(Nu")).message, HasSubstr("cannot add 1 values to a dict"));
  EXPECT_THAT(error_of(code::program("N}b")).message, HasSubstr("cannot set attributes of None"));
}

TEST(HostilePickleTest, SizesAreCheckedBeforeAnythingIsMade) {
  EXPECT_THAT(error_of(code::program(std::string("X") + little(0xffffffff, 4))).message,
              HasSubstr("a string of 4294967295"));
  EXPECT_THAT(error_of(code::program(std::string("\x8d") + little(~0ull, 8))).message,
              HasSubstr("expected at most 4096"));
  EXPECT_THAT(error_of(code::program(std::string("\x8b") + little(0xffffffff, 4))).message,
              HasSubstr("an integer of 4294967295 bytes"));
  EXPECT_THAT(error_of(code::program("\x8a\xff")).message, HasSubstr("an integer of 255 bytes"));
  EXPECT_THAT(error_of("\x80\x04\x95" + little(~0ull, 8) + "N.").message, HasSubstr("a frame of"));
  EXPECT_THAT(error_of(code::program(std::string("c") + std::string(10000, 'a'))).message,
              HasSubstr("a line without an end"));
  EXPECT_TRUE(parse(code::program(std::string("Nr") + little(0xffffffff, 4))))
      << "a high memo entry costs what a low one does";
}

TEST(HostilePickleTest, DeepAndLongProgramsEnd) {
  EXPECT_THAT(error_of(code::program(std::string(100000, '('))).message, HasSubstr("nested deeper than 64"));
  const auto deep = parse(code::program(std::string(")") + std::string(100000, '\x85')));
  EXPECT_TRUE(deep) << "nesting in itself costs nothing";
  EXPECT_THAT(error_of(code::program(std::string(600000, '2'))).message, HasSubstr("the stack is empty"));
  EXPECT_THAT(error_of(code::program(std::string("N") + std::string(600000, '2'))).message,
              HasSubstr("more than 500000 opcodes"));
  // Each list holds the one before ten times: 10^500 elements, were they copied.
  std::string bomb = "]";
  for (int i = 0; i < 500; ++i) {
    bomb += "q\x01](";
    for (int k = 0; k < 10; ++k) bomb += "h\x01";
    bomb += "e";
  }
  EXPECT_TRUE(parse(code::program("(" + bomb + "t")));
}

TEST(HostilePickleTest, EveryTruncationIsAnError) {
  const std::string whole =
      code::program(code::dict({{"w", code::tensor(code::storage("FloatStorage", "0", 6), 0, {2, 3}, {3, 1})},
                                {"n", "G@\x09\x21\xfb\x54\x44\x2d\x18"}}));
  const AllowGlobal all = [](std::string_view, std::string_view) { return true; };
  ASSERT_TRUE(parse_pickle(std::as_bytes(std::span(whole)), "p", all));
  for (std::size_t n = 0; n < whole.size(); ++n) {
    const auto cut = parse_pickle(std::as_bytes(std::span(whole.data(), n)), "p", all);
    ASSERT_FALSE(cut) << n;
    EXPECT_EQ(cut.error().code, ErrorCode::corrupt) << n << ": " << cut.error().message;
  }
}

RC_GTEST_PROP(HostilePickleProperty, AnyBytesEndInAValueOrAnError, (const std::string& bytes)) {
  const auto parsed = parse("\x80\x02" + bytes + ".");
  if (!parsed) RC_ASSERT(!parsed.error().message.empty());
}

}  // namespace
}  // namespace adder::formats
