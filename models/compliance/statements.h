// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtd/models/compliance.h"

#include <span>

namespace vtd::models::detail {

/// What is said of one row, by its name.
struct statement {
  std::string_view name;
  compliance_mode mode;
  compliance_status status;
  compliance_witness witness;
  std::string_view test;
};

[[nodiscard]] std::span<const statement> condition_statements();
[[nodiscard]] std::span<const statement> capability_statements();
[[nodiscard]] std::span<const statement> register_statements();
[[nodiscard]] std::span<const statement> command_statements();

// Short names for the tables.
inline constexpr auto legacy = compliance_mode::legacy;
inline constexpr auto interrupt = compliance_mode::interrupt;
inline constexpr auto scalable = compliance_mode::scalable;
inline constexpr auto implemented = compliance_status::implemented;
inline constexpr auto stored = compliance_status::stored_only;
inline constexpr auto absent = compliance_status::absent;
inline constexpr auto qemu = compliance_witness::qemu;
inline constexpr auto by_hand = compliance_witness::hand_derived;
inline constexpr auto second = compliance_witness::second_implementation;
inline constexpr auto driver = compliance_witness::driver_sequence;
inline constexpr auto logged = compliance_witness::logged_hardware;
inline constexpr auto nobody = compliance_witness::none;

} // namespace vtd::models::detail
