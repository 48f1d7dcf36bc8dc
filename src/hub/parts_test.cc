// The parts that need no server: names, settings, choice of files, checksums, lookup in the cache.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/testing.h"
#include "hub/cache.h"
#include "hub/digest.h"
#include "hub/environment.h"
#include "hub/http.h"
#include "hub/model_id.h"
#include "hub/remote.h"
#include "hub/select.h"

namespace adder::hub {
namespace {

using adder::testing::TempDirectory;
using adder::testing::write_file;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;

constexpr const char* kCommit = "0123456789abcdef0123456789abcdef01234567";

Environment environment_of(std::map<std::string, std::string> variables, fs::path home = "/home/ada") {
  return {[variables = std::move(variables)](const std::string& name) -> std::optional<std::string> {
            const auto found = variables.find(name);
            return found == variables.end() ? std::nullopt : std::optional(found->second);
          },
          std::move(home)};
}

TEST(ModelId, ReadsNameAndRevision) {
  const auto plain = parse_model_id("state-spaces/mamba2-130m");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->organisation, "state-spaces");
  EXPECT_EQ(plain->name, "mamba2-130m");
  EXPECT_EQ(plain->revision, "main");
  EXPECT_EQ(to_string(*plain), "state-spaces/mamba2-130m");
  const auto revision = parse_model_id("a/b.c@refs/pr/1");
  ASSERT_TRUE(revision);
  EXPECT_EQ(revision->revision, "refs/pr/1");
  EXPECT_EQ(to_string(*revision), "a/b.c@refs/pr/1");
}

TEST(ModelId, RefusesWhatIsNone) {
  for (const char* text : {"",         "model",   "/",           "a/",         "/b",    "a/b/c",  "../b",
                           "a/..",     ".a/b",    "a/b.",        "a--b/c",     "a/b c", "a/b@",   "a/b@../x",
                           "a/b@/etc", "a/b@x\n", "./dir/model", "/abs/model", "dir/",  "a\\b/c", "a/b?x"})
    EXPECT_FALSE(looks_like_model_id(text)) << text;
}

TEST(Paths, SafeOrNot) {
  for (const char* path : {"config.json", "a/b.json", "a..b", "...", "name with blanks"})
    EXPECT_TRUE(is_safe_path(path)) << path;
  for (const char* path : {"", "/", "/a", "a/", "a//b", ".", "..", "a/..", "./a", "a\\b", "a\tb", "a\x7f"})
    EXPECT_FALSE(is_safe_path(path)) << path;
  EXPECT_FALSE(is_safe_path(std::string("a\0b", 3)));
  EXPECT_FALSE(is_safe_path(std::string(256, 'a')));
}

TEST(Settings, CacheFollowsHuggingFaceRules) {
  using Variables = std::map<std::string, std::string>;
  const std::vector<std::pair<Variables, std::string>> cases = {
      {{}, "/home/ada/.cache/huggingface/hub"},
      {{{"XDG_CACHE_HOME", "/x"}}, "/x/huggingface/hub"},
      {{{"XDG_CACHE_HOME", "/x"}, {"HF_HOME", "~/hf"}}, "/home/ada/hf/hub"},
      {{{"HF_HOME", "/hf"}, {"HF_HUB_CACHE", "/c"}}, "/c"},
      {{{"HF_HUB_CACHE", ""}, {"HF_HOME", "/hf"}}, "/hf/hub"}};
  for (const auto& [variables, expected] : cases)
    EXPECT_EQ(cache_directory(environment_of(variables)).value(), fs::path(expected));
  EXPECT_FALSE(cache_directory(environment_of({}, "")));
}

TEST(Settings, EndpointAndOffline) {
  EXPECT_EQ(read_settings(environment_of({}))->endpoint, "https://huggingface.co");
  EXPECT_EQ(read_settings(environment_of({{"HF_ENDPOINT", "http://mirror/x//"}}))->endpoint,
            "http://mirror/x");
  EXPECT_FALSE(read_settings(environment_of({{"HF_ENDPOINT", "file:///etc"}})));
  for (const char* yes : {"1", "true", "YES", "On"})
    EXPECT_TRUE(read_settings(environment_of({{"HF_HUB_OFFLINE", yes}}))->offline) << yes;
  for (const char* no : {"", "0", "false"})
    EXPECT_FALSE(read_settings(environment_of({{"HF_HUB_OFFLINE", no}}))->offline) << no;
}

TEST(Settings, TokenFromVariableThenFile) {
  const TempDirectory folder;
  write_file(folder / "token", "hf_file\n");
  const auto file = read_settings(environment_of({{"HF_HOME", folder.path().string()}}));
  ASSERT_TRUE(file);
  EXPECT_EQ(file->token, "hf_file");
  EXPECT_EQ(file->token_source, (folder / "token").string());
  const auto variable =
      read_settings(environment_of({{"HF_HOME", folder.path().string()}, {"HF_TOKEN", "hf_variable"}}));
  ASSERT_TRUE(variable);
  EXPECT_EQ(variable->token, "hf_variable");
  const auto hostile = read_settings(environment_of({{"HF_TOKEN", "hf_x\r\nX-Evil: 1"}}));
  ASSERT_FALSE(hostile);
  EXPECT_THAT(hostile.error().to_string(), Not(HasSubstr("hf_x")));
}

TEST(Digests, KnownValues) {
  const auto of = [](ChecksumKind kind, std::string_view text) {
    Digest digest = Digest::start(kind, text.size()).value();
    for (const char& c : text) digest.update(std::as_bytes(std::span(&c, 1)));
    return digest.finish();
  };
  EXPECT_EQ(of(ChecksumKind::sha256, "abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");          // FIPS 180-2, B.1
  EXPECT_EQ(of(ChecksumKind::git_sha1, ""), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");  // git's empty blob
  EXPECT_EQ(of(ChecksumKind::git_sha1, "hello\n"), "ce013625030ba8dba906f756967f9e9ca394464a");
  EXPECT_EQ(of(ChecksumKind::none, "abc"), "");
}

TEST(Digests, EtagsAreNormalised) {
  EXPECT_EQ(normalised_etag("\"abc\""), "abc");
  EXPECT_EQ(normalised_etag("W/\"abc\""), "abc");
  EXPECT_EQ(normalised_etag("abc"), "abc");
  for (const char* bad : {"", "\"\"", "\"..\"", "\"a/b\"", "\".hidden\"", "\"a\\b\""})
    EXPECT_EQ(normalised_etag(bad), "") << bad;
}

TEST(Urls, OriginAndEncoding) {
  EXPECT_TRUE(same_origin("https://Hub.co/a", "https://hub.co:443/b?c"));
  EXPECT_FALSE(same_origin("https://hub.co/", "http://hub.co/"));
  EXPECT_FALSE(same_origin("https://hub.co/", "https://hub.co:8443/"));
  EXPECT_FALSE(same_origin("https://hub.co/", "https://hub.co.evil.org/"));
  EXPECT_FALSE(same_origin("https://hub.co/", "https://hub.co@evil.org/"));
  EXPECT_FALSE(same_origin("https://hub.co/", "no url"));
  EXPECT_EQ(percent_encoded("a b/c#?%\xc3\xa9", true), "a%20b/c%23%3F%25%C3%A9");
  EXPECT_EQ(percent_encoded("refs/pr/1", false), "refs%2Fpr%2F1");
}

std::vector<std::string> selected(const std::vector<std::string>& names,
                                  const std::vector<std::string>& include = {}) {
  std::vector<RemoteFile> files;
  for (const std::string& name : names) files.push_back({name, std::nullopt, "", ""});
  const auto chosen = select_files(files, include, {"org", "model"});
  if (!chosen) return {"error: " + chosen.error().message};
  std::vector<std::string> out;
  for (const RemoteFile& file : *chosen) out.push_back(file.path);
  return out;
}

TEST(Select, OneSetOfWeightsAndTheDescriptions) {
  EXPECT_THAT(
      selected({".gitattributes", "README.md", "config.json", "generation_config.json", "model.safetensors",
                "model.fp16.safetensors", "onnx/config.json", "pytorch_model.bin", "special_tokens_map.json",
                "tokenizer.json", "tokenizer_config.json", "vocab.txt"}),
      ElementsAre("config.json", "generation_config.json", "model.safetensors", "special_tokens_map.json",
                  "tokenizer.json", "tokenizer_config.json"));
  EXPECT_THAT(selected({"config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                        "model.fp16-00001-of-00001.safetensors", "model.safetensors.index.json",
                        "consolidated.safetensors"}),
              ElementsAre("config.json", "model-00001-of-00002.safetensors",
                          "model-00002-of-00002.safetensors", "model.safetensors.index.json"));
  EXPECT_THAT(
      selected({"params.json", "consolidated.safetensors", "tokenizer.model.v3", "pytorch_model.bin"}),
      ElementsAre("params.json", "consolidated.safetensors"));
  EXPECT_THAT(selected({"config.json", "pytorch_model.bin"}),
              ElementsAre("config.json", "pytorch_model.bin"));
  EXPECT_THAT(selected({"pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin",
                        "pytorch_model.bin.index.json", "training_args.bin"}),
              ElementsAre("pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin",
                          "pytorch_model.bin.index.json"));
}

TEST(Select, IncludeReplacesTheChoiceOfWeights) {
  const std::vector<std::string> names = {"config.json", "m-Q4_0.gguf", "m-Q8_0.gguf", "model.safetensors",
                                          "sub/m-Q8_0.gguf"};
  EXPECT_THAT(selected(names, {"m-Q8_0.gguf"}), ElementsAre("config.json", "m-Q8_0.gguf"));
  EXPECT_THAT(selected(names, {"*Q8_0.gguf"}), ElementsAre("config.json", "m-Q8_0.gguf", "sub/m-Q8_0.gguf"));
  EXPECT_THAT(selected(names, {"*.bin"}), ElementsAre(HasSubstr("no file matches --include *.bin")));
}

TEST(Select, SaysWhatThereIsInstead) {
  EXPECT_THAT(selected({"README.md", "a.gguf", "b.gguf"}),
              ElementsAre("error: org/model: expected safetensors or pytorch_model.bin, found \"a.gguf\", "
                          "\"b.gguf\""));
  EXPECT_THAT(selected({"README.md"}), ElementsAre(HasSubstr("no weights at all")));
}

/// A cache such as a pull leaves, made by hand.
struct CacheFixture {
  explicit CacheFixture(const std::vector<std::string>& names) {
    const RepositoryCache cache(folder.path(), {"org", "model"});
    for (const std::string& name : names) {
      fs::create_directories(cache.blob("x").parent_path());
      write_file(cache.blob(name), "content");
      EXPECT_TRUE(cache.link(kCommit, name, name));
    }
    EXPECT_TRUE(cache.write_ref("main", kCommit));
    snapshot = cache.snapshot(kCommit);
  }
  Result<fs::path> find(const std::string& id) const {
    return locate(id, environment_of({{"HF_HUB_CACHE", folder.path().string()}}));
  }
  TempDirectory folder;
  fs::path snapshot;
};

TEST(Locate, ByRefAndByCommit) {
  const CacheFixture cache({"config.json", "model.safetensors"});
  EXPECT_EQ(cache.find("org/model").value(), cache.snapshot);
  EXPECT_EQ(cache.find(std::string("org/model@") + kCommit).value(), cache.snapshot);
  for (const std::string id :
       {"org/model@v1", "org/other", "org/model@ffffffffffffffffffffffffffffffffffffffff"}) {
    const auto missing = cache.find(id);
    ASSERT_FALSE(missing) << id;
    EXPECT_EQ(missing.error().code, ErrorCode::not_found);
    EXPECT_THAT(missing.error().hint, HasSubstr("adder pull " + id));
  }
  EXPECT_EQ(cache.find("no model").error().code, ErrorCode::invalid_argument);
}

TEST(Locate, ASnapshotWithoutWeightsIsNone) {
  const CacheFixture cache({"config.json", "tokenizer.json"});  // as a Python tokenizer leaves it
  const auto found = cache.find("org/model");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::not_found);
  EXPECT_THAT(found.error().hint, HasSubstr("adder pull org/model"));
}

TEST(Locate, ALinkWithoutItsBlobIsNoWeights) {
  const CacheFixture cache({"model.safetensors"});
  fs::remove(fs::canonical(cache.snapshot / "model.safetensors"));
  EXPECT_FALSE(cache.find("org/model"));
}

TEST(Locate, TheOneGguf) {
  const CacheFixture one({"config.json", "m.gguf"});
  EXPECT_EQ(one.find("org/model").value(), one.snapshot / "m.gguf");
  const CacheFixture two({"a.gguf", "b.gguf"});
  const auto found = two.find("org/model");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::failed_precondition);
}

TEST(Locate, ARefThatIsNoCommitLeadsNowhere) {
  const CacheFixture cache({"model.safetensors"});
  write_file(cache.folder / "models--org--model/refs/main", "../../../../etc");
  EXPECT_EQ(cache.find("org/model").error().code, ErrorCode::not_found);
}

TEST(Cache, LinkReplacesWhatIsThere) {
  const CacheFixture cache({"model.safetensors"});
  const RepositoryCache repository(cache.folder.path(), {"org", "model"});
  write_file(repository.blob("newer"), "newer content");
  ASSERT_TRUE(repository.link(kCommit, "model.safetensors", "newer"));
  EXPECT_EQ(adder::testing::read_file(cache.snapshot / "model.safetensors"), "newer content");
}

}  // namespace
}  // namespace adder::hub
