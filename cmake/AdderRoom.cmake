# A room is one static library, src/<name>, plus its unit tests. LINK is the only way into another room: a room's
# headers are found through a folder of its own, <build>/walls/<name>/<name> -> src/<name>, which comes with the link.
# That a room links itself whatever it includes, and no more, is tests/walls/.
add_library(adder_options INTERFACE)
target_include_directories(adder_options INTERFACE ${PROJECT_SOURCE_DIR}/include)
target_compile_options(adder_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor)
if(ADDER_SANITIZE)
  target_compile_options(adder_options INTERFACE -fsanitize=${ADDER_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(adder_options INTERFACE -fsanitize=${ADDER_SANITIZE})
endif()

# adder_room(<name> SOURCES a.cc ... [LINK adder::base ...] [TESTS a_test.cc ...] [TEST_LINK ...])
function(adder_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;LINK;TESTS;TEST_LINK" ${ARGN})
  add_library(adder_${name} STATIC ${ROOM_SOURCES})
  add_library(adder::${name} ALIAS adder_${name})
  set(wall ${CMAKE_BINARY_DIR}/walls/${name})
  file(MAKE_DIRECTORY ${wall})
  file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR} ${wall}/${name} SYMBOLIC)
  target_include_directories(adder_${name} PUBLIC ${wall})
  target_link_libraries(adder_${name} PUBLIC adder_options ${ROOM_LINK})
  if(ADDER_BUILD_TESTS AND ROOM_TESTS)
    adder_test(${name}_test SOURCES ${ROOM_TESTS} LINK adder::${name} ${ROOM_TEST_LINK})
  endif()
endfunction()

# adder_test(<name> SOURCES x_test.cc ... LINK ... [LABELS ...]): one GoogleTest binary, each test known to ctest.
function(adder_test name)
  cmake_parse_arguments(TEST "" "" "SOURCES;LINK;LABELS" ${ARGN})
  add_executable(${name} ${TEST_SOURCES})
  target_link_libraries(${name} PRIVATE adder_options ${TEST_LINK} GTest::gtest GTest::gmock GTest::gtest_main)
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES LABELS "${TEST_LABELS}")
endfunction()
