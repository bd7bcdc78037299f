// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtdsim/differential/machine.h"
#include "vtdsim/differential/model_machine.h"
#include "vtdsim/differential/variant.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vtdsim::differential {

enum class step_kind : std::uint8_t {
  /// A 64-bit word into memory, as a processor would.
  store,
  write_register,
  read_register,
  dma,
  /// A 128-bit descriptor into the invalidation queue, so many times; the unit is not told yet.
  append,
  /// The same once, and IQT moved behind all that was appended.
  submit,
  reset
};

/// One step of a program.
struct step {
  step_kind kind = step_kind::store;
  /// Of memory, or offset of a register; of a descriptor the low word.
  std::uint64_t address = 0;
  /// What is written; of a descriptor the high word.
  std::uint64_t value = 0;
  /// Width of a register access.
  unsigned bytes = 8;
  /// How often a descriptor is appended.
  unsigned times = 1;
  transfer what{};
  /// What it is for, in a few words.
  std::string note{};
};

/// A program: it begins on a machine after power-on, with empty tables.
struct program {
  const variant* how = nullptr;
  model_choice choice{};
  std::vector<step> steps;
};

/// One line: "dma 2 read 0x1000 ...", with the note behind '#'.
[[nodiscard]] std::string to_string(const step& what);
/// The whole program, as `parse_program` reads it.
[[nodiscard]] std::string to_string(const program& what);
/// Throws std::invalid_argument: line, what stands there, what is expected.
[[nodiscard]] program parse_program(std::string_view text);

} // namespace vtdsim::differential
