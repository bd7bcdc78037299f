// SPDX-License-Identifier: Apache-2.0
// Any text as a board: an error in one line that names the file, or a board whose units have places of their
// own and whose table is sound.

#include "vtd/driver/dmar_parser.h"
#include "vtd/models/board_error.h"
#include "vtd/models/board_loader.h"
#include "vtd/models/dmar_generator.h"
#include "vtd/spec/capability.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace {

constexpr const char* file = "fuzz.json";

void check(const vtd::models::board& board) {
  for (std::size_t i = 0; i < board.units.size(); ++i) {
    const auto& unit = board.units[i];
    const auto bytes =
        vtd::spec::register_block_bytes(vtd::spec::cap{unit.cap.value}, vtd::spec::ecap{unit.ecap.value});
    for (std::size_t j = 0; j < i; ++j) {
      const std::uint64_t other = board.units[j].base.value;
      if (other >= unit.base.value && other < unit.base.value + bytes) __builtin_trap();
    }
  }
  const auto table = vtd::models::generate_dmar(board);
  if (table.empty() || !vtd::spec::acpi::dmar_header::signature::equals(table, "DMAR")) return;
  if (vtd::driver::parse_dmar(table).units.size() > board.units.size()) __builtin_trap();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    check(vtd::models::parse_board({reinterpret_cast<const char*>(data), size}, file));
  } catch (const vtd::models::board_error& error) {
    const std::string_view said = error.what();
    if (!said.starts_with(file) || said.find('\n') != std::string_view::npos) __builtin_trap();
  }
  return 0;
}
