#include "walls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing.h"

namespace adder::walls {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(WallsTest, WhatARoomIncludesIsWhatItLinks) {
  EXPECT_THAT(faults_of(std::filesystem::path(ADDER_SOURCE_DIR) / "src"), IsEmpty());
}

// What a model consists of is written in arch, and what it computes in model.
TEST(WallsTest, NoOtherRoomNamesAnArchitectureOrItsFields) {
  EXPECT_THAT(lines_that_name(std::filesystem::path(ADDER_SOURCE_DIR) / "src",
                              {"Mamba1", "Mamba2", "conv_state", "ssm_state", "A_log", "in_proj", "mixer"},
                              {"arch", "model"}),
              IsEmpty());
}

// A house of two good rooms, for each test to spoil.
class SmallHouse : public ::testing::Test {
 protected:
  SmallHouse() {
    write("ground/CMakeLists.txt", "adder_room(ground\n  SOURCES a.cc\n  LINK fmt::fmt)\n");
    write("ground/a.h", "#include <string>\n#include \"adder/error.h\"\n");
    write("upper/CMakeLists.txt",
          "adder_room(upper\n  SOURCES b.cc\n  LINK adder::ground fmt::fmt\n  TESTS b_test.cc)\n");
    write("upper/b.cc", "#include \"upper/b.h\"\n#include \"ground/a.h\"\n");
  }
  void write(const std::string& file, const std::string& text) { house.write(file, text); }
  std::vector<std::string> faults() const { return faults_of(house.path()); }

  adder::testing::TempDirectory house;
};

TEST_F(SmallHouse, IsGood) { EXPECT_THAT(faults(), IsEmpty()); }

TEST_F(SmallHouse, AnIncludeWithoutALinkIsNamed) {
  write("ground/a.cc", "#include \"ground/a.h\"\n\n#include \"upper/b.h\"\n");
  EXPECT_THAT(faults(), ElementsAre(AllOf(HasSubstr("ground/a.cc:3: includes \"upper/b.h\""),
                                          EndsWith("adder_room(ground) does not link adder::upper"))));
}

TEST_F(SmallHouse, ALinkOfALinkIsNotEnough) {
  write("roof/CMakeLists.txt", "adder_room(roof SOURCES c.cc LINK adder::upper)\n");
  write("roof/c.cc", "#include \"ground/a.h\"\n#include \"upper/b.h\"\n");
  EXPECT_THAT(faults(), ElementsAre(HasSubstr("roof/c.cc:1: includes \"ground/a.h\"")));
}

TEST_F(SmallHouse, ALinkThatNothingUsesIsNamed) {
  write("upper/b.cc", "#include \"upper/b.h\"\n");
  write("upper/b_test.cc", "#include \"ground/a.h\"\n");
  EXPECT_THAT(faults(), ElementsAre(AllOf(HasSubstr("upper/CMakeLists.txt:3: links adder::ground"),
                                          HasSubstr("no file of the room includes"))));
}

TEST_F(SmallHouse, TestsMayUseWhatIsLinkedForThemAndNothingElseMay) {
  write(
      "ground/CMakeLists.txt",
      "adder_room(ground  # all stands on it\n  SOURCES a.cc\n  TESTS a_test.cc\n  TEST_LINK adder::yard)\n");
  write("yard/CMakeLists.txt", "adder_room(yard SOURCES y.cc)\n");
  write("ground/a_test.cc", "#include \"yard/y.h\"\n");
  EXPECT_THAT(faults(), IsEmpty());
  write("ground/a.cc", "#include \"yard/y.h\"\n");
  EXPECT_THAT(faults(), ElementsAre(HasSubstr("ground/a.cc:1")));
}

TEST_F(SmallHouse, ACircleIsNamed) {
  write("ground/CMakeLists.txt",
        "adder_room(ground SOURCES a.cc)\ntarget_link_libraries(adder_ground PUBLIC adder::upper)\n");
  write("ground/a.cc", "#include \"upper/b.h\"\n");
  EXPECT_THAT(faults(), ElementsAre("rooms link in a circle: ground -> upper -> ground"));
}

TEST_F(SmallHouse, ALinkOfNoRoomAndAWayAroundAreNamed) {
  write("ground/CMakeLists.txt", "adder_room(ground SOURCES a.cc LINK adder::cellar)\n");
  write("ground/a.cc", "#include \"../upper/b.h\"\n");
  EXPECT_THAT(faults(), ElementsAre(HasSubstr("ground/a.cc:1: includes \"../upper/b.h\""),
                                    HasSubstr("links adder::cellar, which is no room")));
}

TEST_F(SmallHouse, AWordOutsideOfItsRoomIsFound) {
  write("upper/b.cc",
        "#include \"upper/b.h\"\n#include \"ground/a.h\"\nint lamp;  // of the cellar\nint cellar;\n");
  write("upper/b_test.cc", "int cellar;\n");
  write("ground/a.cc", "int cellar;\n");
  EXPECT_THAT(lines_that_name(house.path(), {"cellar"}, {"ground"}), ElementsAre("upper/b.cc:4"));
}

TEST_F(SmallHouse, AFolderThatIsNoRoomIsAnError) {
  write("ground/CMakeLists.txt", "add_library(ground a.cc)\n");
  EXPECT_THROW(faults(), std::runtime_error);
}

}  // namespace
}  // namespace adder::walls
