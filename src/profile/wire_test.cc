#include "profile/wire.h"

#include <gmock/gmock.h>

#include "profile/testing.h"

namespace adder::profile {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(WireTest, ReadsEveryWireType) {
  const std::string bytes = number(1, 300) + text(2, "abc") + "\x19\x01\x02\x03\x04\x05\x06\x07\x08" +
                            std::string("\x25\x01\x00\x00\x80", 5) + number(100, ~std::uint64_t{0});
  WireReader reader(bytes);
  const auto next = [&] {
    auto field = reader.next();
    EXPECT_TRUE(field) << field.error().message;
    return **field;
  };
  WireField f = next();
  EXPECT_EQ(f.number, 1u);
  EXPECT_EQ(f.value, 300u);
  f = next();
  EXPECT_EQ(f.number, 2u);
  EXPECT_TRUE(f.delimited);
  EXPECT_EQ(f.bytes, "abc");
  f = next();
  EXPECT_EQ(f.number, 3u);
  EXPECT_EQ(f.value, 0x0807060504030201u);
  f = next();
  EXPECT_EQ(f.number, 4u);
  EXPECT_EQ(f.value, 0x80000001u);
  f = next();
  EXPECT_EQ(f.number, 100u);
  EXPECT_EQ(f.as_signed(), -1);
  const auto end = reader.next();
  ASSERT_TRUE(end);
  EXPECT_FALSE(*end);
}

TEST(WireTest, NamesWhatIsWrongAndWhere) {
  const auto error_of = [](const std::string& bytes) {
    WireReader reader(bytes);
    while (true) {
      const auto field = reader.next();
      if (!field) return field.error().message;
      if (!*field) return std::string("none");
    }
  };
  EXPECT_THAT(error_of(number(1, 5) + "\x08\x80"), HasSubstr("at byte 4: a number is cut short"));
  EXPECT_THAT(error_of(number(1, 5).substr(0, 1).append(10, '\xff')), HasSubstr("longer than 64 bits"));
  EXPECT_THAT(error_of(std::string("\x12\x05hi")), HasSubstr("field 2 holds 5 bytes, but 2 are left"));
  EXPECT_THAT(error_of(std::string("\x12") + varint(~std::uint64_t{0})), HasSubstr("are left"));
  EXPECT_THAT(error_of(std::string("\x00\x01", 2)), HasSubstr("field number 0"));
  EXPECT_THAT(error_of("\x0b"), HasSubstr("wire type 3"));
  EXPECT_THAT(error_of("\x0d\x01\x02"), HasSubstr("a number is cut short"));
}

TEST(WireTest, UnpacksIntegers) {
  const auto read = [](const std::string& bytes) {
    WireReader reader(bytes);
    return integers(**reader.next());
  };
  EXPECT_THAT(*read(packed(3, {1, 300, 0})), ElementsAre(1, 300, 0));
  EXPECT_THAT(*read(number(3, 7)), ElementsAre(7));
  EXPECT_FALSE(read(text(3, "\x80")));
  EXPECT_FALSE(read(text(3, std::string(11, '\xff'))));
}

}  // namespace
}  // namespace adder::profile
