// SPDX-License-Identifier: Apache-2.0
// The rows, from the declarations in include/vtd/spec, each joined with what is said of it.

#include "statements.h"

#include "vtd/spec/fault.h"
#include "vtd/spec/outline.h"
#include "vtd/spec/registers.h"

#include <algorithm>
#include <stdexcept>

namespace vtd::models {

namespace {

namespace reg = spec::reg;
using kind = compliance_kind;

std::string name_of(const spec::earlier_field& row) {
  return std::string(row.register_name) + '.' + std::string(row.name);
}

class joiner {
public:
  joiner(kind what, std::span<const detail::statement> statements)
      : kind_(what), statements_(statements), used_(statements.size()) {}

  void add(std::vector<compliance_row>& out, std::string name, std::string_view section,
           std::string_view text) {
    const auto found = std::find_if(statements_.begin(), statements_.end(),
                                    [&](const detail::statement& s) { return s.name == name; });
    if (found == statements_.end()) throw std::logic_error("compliance: nothing is said of " + name);
    const auto at = static_cast<std::size_t>(found - statements_.begin());
    if (used_[at]) throw std::logic_error("compliance: " + name + " is there twice");
    used_[at] = true;
    out.push_back(
        {kind_, std::move(name), found->mode, section, found->status, found->test, found->witness, text});
  }
  /// What is said of something that no declaration has, or said twice?
  void finish() const {
    for (std::size_t i = 0; i < used_.size(); ++i) {
      if (!used_[i])
        throw std::logic_error("compliance: " + std::string(statements_[i].name) + " is no row of its own");
    }
  }

private:
  kind kind_;
  std::span<const detail::statement> statements_;
  std::vector<bool> used_;
};

void add_conditions(std::vector<compliance_row>& out) {
  joiner join(kind::condition, detail::condition_statements());
  for (const spec::fault_condition_info& row : spec::fault_conditions) {
    if (row.condition != spec::fault_condition::none)
      join.add(out, std::string(row.name), row.section, row.text);
  }
  for (const spec::reason_outline& row : spec::later_reasons)
    join.add(out, std::string(row.name), row.code < 0x30 ? "5.1.4" : "7.1.3", row.text);
  join.finish();
}

void add_capabilities(std::vector<compliance_row>& out) {
  joiner join(kind::capability, detail::capability_statements());
  const auto add = [&](std::string_view prefix, const spec::register_layout& layout) {
    for (const spec::field_row& field : layout.fields)
      join.add(out, std::string(prefix) + std::string(field.name), layout.section, field.text);
  };
  add("CAP.", reg::cap_reg::layout);
  add("ECAP.", reg::ecap_reg::layout);
  for (const spec::earlier_field& row : spec::earlier_fields) {
    if (row.offset == reg::ecap_reg::offset) join.add(out, name_of(row), row.section, row.text);
  }
  join.finish();
}

// Those of CAP and ECAP are capabilities, those of GCMD are commands.
void add_register_fields(std::vector<compliance_row>& out) {
  joiner join(kind::register_field, detail::register_statements());
  for (const spec::register_layout& layout : reg::all_registers()) {
    if (layout.name == reg::cap_reg::layout.name || layout.name == reg::ecap_reg::layout.name ||
        layout.name == reg::gcmd::layout.name)
      continue;
    // Both halves of a record are one register: "FRCD_REG".
    const std::string_view name = layout.name.substr(0, layout.name.find(' '));
    for (const spec::field_row& field : layout.fields)
      join.add(out, std::string(name) + '.' + std::string(field.name), layout.section, field.text);
  }
  for (const spec::earlier_field& row : spec::earlier_fields) {
    if (row.offset != reg::ecap_reg::offset) join.add(out, name_of(row), row.section, row.text);
  }
  for (const spec::register_outline& row : spec::undeclared_registers)
    join.add(out, std::string(row.name), "10.4", row.text);
  join.finish();
}

void add_commands(std::vector<compliance_row>& out) {
  joiner join(kind::command, detail::command_statements());
  for (const spec::field_row& field : reg::gcmd::layout.fields)
    join.add(out, "GCMD." + std::string(field.name), reg::gcmd::layout.section, field.text);
  for (const spec::granularity_info& row : spec::context_granularities)
    join.add(out, "CCMD " + std::string(row.name), reg::ccmd::layout.section, "context-cache invalidation");
  for (const spec::granularity_info& row : spec::iotlb_granularities)
    join.add(out, "IOTLB " + std::string(row.name), reg::iotlb::layout.section, "IOTLB invalidation");
  for (const spec::descriptor_info& row : spec::all_descriptors) {
    for (const std::string_view form : row.forms)
      join.add(out, std::string(row.name) + " descriptor: " + std::string(form), row.section,
               "queued invalidation");
  }
  join.finish();
}

} // namespace

std::vector<compliance_row> compliance_rows() {
  std::vector<compliance_row> out;
  add_conditions(out);
  add_capabilities(out);
  add_register_fields(out);
  add_commands(out);
  return out;
}

compliance_status capability_status(std::string_view name) {
  for (const detail::statement& s : detail::capability_statements()) {
    if (s.name == name) return s.status;
  }
  return compliance_status::absent;
}

std::string_view to_string(compliance_kind what) {
  switch (what) {
  case kind::condition:
    return "condition";
  case kind::capability:
    return "capability";
  case kind::register_field:
    return "register field";
  case kind::command:
    return "command";
  }
  return "?";
}

std::string_view to_string(compliance_mode mode) {
  switch (mode) {
  case compliance_mode::legacy:
    return "legacy";
  case compliance_mode::interrupt:
    return "interrupt";
  case compliance_mode::scalable:
    return "scalable";
  }
  return "?";
}

std::string_view to_string(compliance_status status) {
  switch (status) {
  case compliance_status::implemented:
    return "implemented";
  case compliance_status::stored_only:
    return "stored only";
  case compliance_status::absent:
    return "absent";
  }
  return "?";
}

std::string_view to_string(compliance_witness witness) {
  switch (witness) {
  case compliance_witness::none:
    return "none";
  case compliance_witness::qemu:
    return "QEMU";
  case compliance_witness::hand_derived:
    return "hand-derived vector";
  case compliance_witness::second_implementation:
    return "second implementation in tests";
  case compliance_witness::driver_sequence:
    return "real driver's sequence";
  case compliance_witness::logged_hardware:
    return "logged hardware";
  }
  return "?";
}

} // namespace vtd::models
