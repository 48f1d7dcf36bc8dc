#include "base/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "base/mapped_file.h"
#include "base/text.h"

namespace adder {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Place {
  std::size_t line = 1, column = 1;
};

Place place_of(std::string_view text, std::size_t offset) {
  Place place;
  for (const char c : text.substr(0, offset)) {
    ++place.column;
    if (c == '\n') place = {place.line + 1, 1};
  }
  return place;
}

// The non-finite words, replaced by ordinary numbers of the same length so that positions stay right. Which
// number tokens they were is remembered by counting: the parser meets the numbers in the same order.
struct Numbers {
  std::string text;                           // empty if there was nothing to replace
  std::map<std::size_t, double> replacement;  // ordinal of the number token -> its value
};

bool is_number_char(char c) {
  return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}
bool is_word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

std::size_t skip_string(std::string_view text, std::size_t i) {
  for (++i; i < text.size() && text[i] != '"'; ++i)
    if (text[i] == '\\') ++i;
  return i + 1;
}

Numbers replace_words(std::string_view text) {
  struct Word {
    std::string_view name;
    double value;
  };
  constexpr Word kWords[] = {{"Infinity", kInfinity}, {"-Infinity", -kInfinity}, {"NaN", kNan}};
  Numbers found;
  std::size_t count = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == '"') {
      i = skip_string(text, i);
      continue;
    }
    const Word* match = nullptr;
    for (const Word& word : kWords) {
      const std::size_t end = i + word.name.size();
      const bool whole =
          text.substr(i).starts_with(word.name) && (end >= text.size() || !is_word_char(text[end]));
      const bool joined = i > 0 && (is_word_char(text[i - 1]) || is_number_char(text[i - 1]));
      if (whole && !joined) match = &word;
    }
    if (match != nullptr) {
      if (found.text.empty()) found.text = text;
      found.text.replace(i, match->name.size(), "0." + std::string(match->name.size() - 2, '0'));
      found.replacement.emplace(count++, match->value);
      i += match->name.size();
    } else if (text[i] == '-' || (text[i] >= '0' && text[i] <= '9')) {
      ++count;
      while (i < text.size() && is_number_char(text[i])) ++i;
    } else {
      ++i;
    }
  }
  return found;
}

// Feeds the parser and lets the handler know how far it has read. Carries the nested types of an input
// iterator.
class Cursor {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  Cursor(const char* at, const char** reached) : at_(at), reached_(reached) {}
  reference operator*() const { return *at_; }
  Cursor& operator++() {
    *reached_ = ++at_;
    return *this;
  }
  Cursor operator++(int) {
    const Cursor before = *this;
    ++*this;
    return before;
  }
  bool operator==(const Cursor& other) const { return at_ == other.at_; }
  bool operator!=(const Cursor& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  const char** reached_;
};

// Builds the document and refuses what JsonOptions forbids. nlohmann's own builder recurses nowhere either,
// but accepts any depth and any duplicate.
class Builder final : public nlohmann::json_sax<Json> {
 public:
  Builder(const JsonOptions& options, const Numbers& numbers) : options_(options), numbers_(numbers) {}

  bool null() override { return put(nullptr) != nullptr; }
  bool boolean(bool value) override { return put(value) != nullptr; }
  bool number_integer(number_integer_t value) override { return number(value); }
  bool number_unsigned(number_unsigned_t value) override { return number(value); }
  bool number_float(number_float_t value, const string_t&) override { return number(value); }
  bool string(string_t& value) override { return put(std::move(value)) != nullptr; }
  bool binary(binary_t&) override { return stop("binary data"); }
  bool start_object(std::size_t) override { return enter(Json::object()); }
  bool start_array(std::size_t) override { return enter(Json::array()); }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }

  bool key(string_t& value) override {
    if (options_.reject_duplicate_keys && open_.back()->contains(value))
      return stop(fmt::format("the key {} appears twice in one object", in_quotes(value)));
    key_ = std::move(value);
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& e) override {
    // "[json.exception...] parse error at line L, column C: reason"; the place is ours to give.
    const std::string_view what = e.what();
    const std::size_t column = what.find("column ");
    const std::size_t colon = what.find(": ", column == std::string_view::npos ? 0 : column);
    std::string_view reason = colon == std::string_view::npos ? what : what.substr(colon + 2);
    return stop(reason.size() > 300 ? std::string(reason.substr(0, 300)) + "..." : std::string(reason));
  }

  Json take() { return std::move(root_); }
  const std::string& reason() const { return reason_; }

 private:
  template <class T>
  bool number(T value) {
    const auto word = numbers_.replacement.find(count_++);
    return (word == numbers_.replacement.end() ? put(value) : put(word->second)) != nullptr;
  }

  Json* put(Json value) {
    if (open_.empty()) return &(root_ = std::move(value));
    Json& parent = *open_.back();
    if (parent.is_object()) return &(parent[key_] = std::move(value));
    parent.push_back(std::move(value));
    return &parent.back();
  }

  bool enter(Json container) {
    if (static_cast<int>(open_.size()) >= options_.max_depth)
      return stop(fmt::format("nested deeper than {} levels", options_.max_depth));
    open_.push_back(put(std::move(container)));
    return true;
  }

  bool leave() {
    open_.pop_back();
    return true;
  }

  bool stop(std::string reason) {
    reason_ = std::move(reason);
    return false;
  }

  const JsonOptions& options_;
  const Numbers& numbers_;
  Json root_;
  std::vector<Json*>
      open_;  // the containers around the current value; a parent does not grow while a child is open
  std::string key_, reason_;
  std::size_t count_ = 0;
};

}  // namespace

Result<Json> parse_json(std::string_view text, std::string_view origin, const JsonOptions& options) {
  const Numbers numbers = replace_words(text);
  const std::string_view plain = numbers.text.empty() ? text : std::string_view(numbers.text);
  const char* reached = plain.data();
  Builder builder(options, numbers);
  const bool ok =
      Json::sax_parse(Cursor(plain.data(), &reached), Cursor(plain.data() + plain.size(), &reached), &builder,
                      Json::input_format_t::json);
  if (ok) return builder.take();
  // The parser has just read the character that it stumbled over.
  const auto read = static_cast<std::size_t>(reached - plain.data());
  const Place place = place_of(plain, read == 0 ? 0 : read - 1);
  return fail(ErrorCode::corrupt, fmt::format("{}:{}:{}: not valid JSON: {}", origin, place.line,
                                              place.column, builder.reason()));
}

Result<Json> read_json_file(const std::filesystem::path& path, const JsonOptions& options,
                            std::size_t max_bytes) {
  ADDER_TRY(const MappedFile file, MappedFile::open(path));
  const std::span<const std::byte> bytes = file.bytes();
  if (bytes.size() > max_bytes)
    return fail(ErrorCode::unsupported, fmt::format("{}: {} bytes of JSON; expected at most {}",
                                                    path.string(), bytes.size(), max_bytes));
  return parse_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string(), options);
}

std::string in_quotes(std::string_view text, std::size_t limit) {
  std::string plain;
  std::size_t end = std::min(limit, text.size());
  while (end < text.size() && end > 0 && (text[end] & 0xc0) == 0x80) --end;  // no half of a character
  for (const char c : text.substr(0, end)) {
    if (c == '"' || c == '\\') plain += '\\';
    plain += c;
  }
  return "\"" + printable(plain) + (end < text.size() ? "...\"" : "\"");
}

std::string describe(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return "null";
    case Json::value_t::boolean:
      return value.get<bool>() ? "the boolean true" : "the boolean false";
    case Json::value_t::string:
      return "the string " + in_quotes(value.get_ref<const std::string&>(), 60);
    case Json::value_t::array:
      return fmt::format("an array of {}", value.size());
    case Json::value_t::object:
      return "an object";
    case Json::value_t::number_integer:
      return fmt::format("the number {}", value.get<std::int64_t>());
    case Json::value_t::number_unsigned:
      return fmt::format("the number {}", value.get<std::uint64_t>());
    case Json::value_t::number_float:
      return fmt::format("the number {}", value.get<double>());
    default:
      return "something else";
  }
}

}  // namespace adder
