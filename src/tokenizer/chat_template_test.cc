#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tokenizer/tokenizer.h"

namespace adder::tokenizer {
namespace {

constexpr std::string_view kContext =
    R"({"messages":[{"role":"user","content":" Hi <b> "},{"role":"assistant","content":"Yes."}],)"
    R"("add_generation_prompt":true,"eos_token":"</s>","tools":[{"name":"f","args":{"x":1,"y":"é"}}]})";

TEST(ChatTemplate, LoopsBlocksAndPythonStringMethods) {
  const auto text = apply_chat_template(
      "{% for message in messages %}\n"
      "    {% if message['role'] == 'user' and loop.first %}\n"
      "[INST] {{ message['content'].strip() }} [/INST]\n"
      "    {% else %}\n"
      "{{ message.content.upper() + eos_token }}\n"
      "    {% endif %}\n"
      "{% endfor %}\n"
      "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}",
      kContext);
  ASSERT_TRUE(text) << text.error().to_string();
  EXPECT_EQ(*text, "[INST] Hi <b> [/INST]\nYES.</s>\n<|assistant|>\n");
}

TEST(ChatTemplate, ToJsonIsSpelledAsPythonSpellsIt) {
  EXPECT_EQ(
      apply_chat_template("{{ tools | tojson }}|{{ missing }}|{{ messages[0].content | tojson }}", kContext)
          .value(),
      R"([{"name": "f", "args": {"x": 1, "y": "é"}}]||" Hi <b> ")");
  EXPECT_EQ(apply_chat_template("{{ tools[0] | tojson(indent=2) }}", kContext).value(),
            "{\n  \"name\": \"f\",\n  \"args\": {\n    \"x\": 1,\n    \"y\": \"é\"\n  }\n}");
}

TEST(ChatTemplate, ErrorsAreValues) {
  const auto raised = apply_chat_template("\n{{ raise_exception('roles must alternate') }}", kContext);
  ASSERT_FALSE(raised);
  EXPECT_EQ(raised.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(raised.error().message, ::testing::HasSubstr("roles must alternate"));
  EXPECT_THAT(raised.error().message, ::testing::HasSubstr("line 2"));
  const auto broken = apply_chat_template("{% for %}", kContext);
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code, ErrorCode::corrupt);
  for (const char* context : {"", "[1]", "{", "nonsense"}) {
    const auto bad = apply_chat_template("x", context);
    ASSERT_FALSE(bad) << context;
    EXPECT_EQ(bad.error().code, ErrorCode::invalid_argument);
  }
}

TEST(ChatTemplate, EndlessTemplatesAreStopped) {
  EXPECT_FALSE(apply_chat_template(
      "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}", "{}"));
  EXPECT_FALSE(apply_chat_template("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "{}"));
}

}  // namespace
}  // namespace adder::tokenizer
