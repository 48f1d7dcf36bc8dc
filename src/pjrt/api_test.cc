#include "pjrt/api.h"

#include <gmock/gmock.h>

#include <array>

#include "pjrt/stats.h"

// The call path against a hand-made function table, for what real plugins cannot be made to do.
struct PJRT_Error {
  int code;
  std::string message;
  int* destroyed;
};

namespace adder::pjrt {
namespace {

using ::testing::HasSubstr;

PJRT_Error* next_error = nullptr;

PJRT_Api make_table() {
  PJRT_Api api;
  std::memset(&api, 0, sizeof(api));
  api.struct_size = PJRT_Api_STRUCT_SIZE;
  api.pjrt_api_version.minor_version = 7;
  api.PJRT_Error_GetCode = [](PJRT_Error_GetCode_Args* args) -> PJRT_Error* {
    std::memcpy(&args->code, &args->error->code, sizeof(args->code));
    return nullptr;
  };
  api.PJRT_Error_Message = [](PJRT_Error_Message_Args* args) {
    args->message = args->error->message.data();
    args->message_size = args->error->message.size();
  };
  api.PJRT_Error_Destroy = [](PJRT_Error_Destroy_Args* args) { ++*args->error->destroyed; };
  api.PJRT_Executable_NumOutputs = [](PJRT_Executable_NumOutputs_Args* args) -> PJRT_Error* {
    EXPECT_EQ(args->struct_size, std::size_t{PJRT_Executable_NumOutputs_Args_STRUCT_SIZE});
    EXPECT_EQ(args->extension_start, nullptr);
    EXPECT_EQ(args->num_outputs, 0u);
    args->num_outputs = 42;
    return std::exchange(next_error, nullptr);
  };
  return api;
}

TEST(ApiTest, FillsTheStructAndReturnsIt) {
  const PJRT_Api api = make_table();
  const auto args = call(&api, ADDER_PJRT(PJRT_Executable_NumOutputs), [](auto&) {});
  ASSERT_TRUE(args);
  EXPECT_EQ(args->num_outputs, 42u);
}

TEST(ApiTest, NamesFunctionAndCodeAndFreesTheError) {
  const PJRT_Api api = make_table();
  int destroyed = 0;
  PJRT_Error error{PJRT_Error_Code_RESOURCE_EXHAUSTED, "no room", &destroyed};
  next_error = &error;
  const auto args = call(&api, ADDER_PJRT(PJRT_Executable_NumOutputs), [](auto&) {});
  ASSERT_FALSE(args);
  EXPECT_EQ(args.error().code, ErrorCode::resource_exhausted);
  EXPECT_EQ(args.error().message, "PJRT_Executable_NumOutputs: RESOURCE_EXHAUSTED: no room");
  EXPECT_EQ(destroyed, 1);
}

TEST(ApiTest, TakesCodesFromNewerPlugins) {
  const PJRT_Api api = make_table();
  int destroyed = 0;
  PJRT_Error error{99, "new", &destroyed};
  const Error ours = take_error(&api, "f", &error);
  EXPECT_EQ(ours.code, ErrorCode::internal);
  EXPECT_EQ(ours.message, "f: code 99: new");
}

TEST(ApiTest, StopsAtTheEndOfAShorterTable) {
  PJRT_Api api = make_table();
  const auto function = ADDER_PJRT(PJRT_Executable_NumOutputs);
  api.struct_size = function.offset + sizeof(void*);  // ends exactly behind it
  EXPECT_TRUE(has(&api, function));
  api.struct_size = function.offset + sizeof(void*) - 1;
  EXPECT_FALSE(has(&api, function));
  const auto args = call(&api, function, [](auto&) { FAIL() << "called past the table"; });
  ASSERT_FALSE(args);
  EXPECT_EQ(args.error().code, ErrorCode::unsupported);
  EXPECT_THAT(args.error().message, HasSubstr("0.7"));
}

TEST(ApiTest, TreatsANullEntryAsMissing) {
  const PJRT_Api api = make_table();
  const auto args = call(&api, ADDER_PJRT(PJRT_Client_DmaMap), [](auto&) {});
  ASSERT_FALSE(args);
  EXPECT_EQ(args.error().code, ErrorCode::unsupported);
}

TEST(NamedValueTest, SurvivesTheTripThroughC) {
  const std::vector<NamedValue> values{{"text", std::string("with\0zero", 9)},
                                       {"int", std::int64_t{-3}},
                                       {"list", std::vector<std::int64_t>{1, 2}},
                                       {"float", 0.5f},
                                       {"bool", true}};
  const auto c = named_values_to_c(values);
  EXPECT_EQ(named_values_from_c(c.data(), c.size()), values);
  EXPECT_EQ(to_string(values[2]), "list=[1, 2]");
  EXPECT_EQ(to_string(values[4]), "bool=true");
}

TEST(StatsTest, SubtractsSnapshots) {
  Stats stats;
  stats.count_upload(10);
  stats.count_execution();
  const StatsSnapshot before = stats.snapshot();
  stats.count_upload(5);
  stats.count_download(7);
  stats.count_device_copy();
  stats.count_compilation();
  stats.count_cache_hit();
  EXPECT_EQ(stats.snapshot() - before, (StatsSnapshot{.host_to_device = 1,
                                                      .host_to_device_bytes = 5,
                                                      .device_to_host = 1,
                                                      .device_to_host_bytes = 7,
                                                      .device_to_device = 1,
                                                      .executions = 0,
                                                      .compilations = 1,
                                                      .cache_hits = 1}));
}

}  // namespace
}  // namespace adder::pjrt
