#include "formats/pickle_opcodes.h"

#include <array>
#include <utility>

namespace adder::formats {

std::string_view opcode_name(Op op) {
  constexpr std::array<std::pair<std::uint8_t, std::string_view>, 24> kNames = {{
      {'F', "FLOAT"},      {'I', "INT"},         {'L', "LONG"},         {'P', "PERSID"},
      {'S', "STRING"},     {'V', "UNICODE"},     {'d', "DICT"},         {'g', "GET"},
      {'i', "INST"},       {'l', "LIST"},        {'o', "OBJ"},          {'p', "PUT"},
      {0x81, "NEWOBJ"},    {0x82, "EXT1"},       {0x83, "EXT2"},        {0x84, "EXT4"},
      {0x8e, "BINBYTES8"}, {0x8f, "EMPTY_SET"},  {0x90, "ADDITEMS"},    {0x91, "FROZENSET"},
      {0x92, "NEWOBJ_EX"}, {0x96, "BYTEARRAY8"}, {0x97, "NEXT_BUFFER"}, {0x98, "READONLY_BUFFER"},
  }};
  for (const auto& [code, name] : kNames)
    if (code == static_cast<std::uint8_t>(op)) return name;
  return {};
}

}  // namespace adder::formats
