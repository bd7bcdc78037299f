// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/compliance.h"

#include "vtd/models/compliance.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace vtdsim {

namespace {

namespace models = vtd::models;
using kind = models::compliance_kind;
using mode = models::compliance_mode;
using status = models::compliance_status;

constexpr kind kinds[] = {kind::condition, kind::capability, kind::register_field, kind::command};
constexpr mode modes[] = {mode::legacy, mode::interrupt, mode::scalable};
constexpr status statuses[] = {status::implemented, status::stored_only, status::absent};

std::string_view title_of(kind what) {
  switch (what) {
  case kind::condition:
    return "Fault conditions";
  case kind::capability:
    return "Capabilities";
  case kind::register_field:
    return "Register fields";
  case kind::command:
    return "Commands";
  }
  return "";
}

std::size_t count(const std::vector<models::compliance_row>& rows, mode of, status is) {
  return static_cast<std::size_t>(std::count_if(
      rows.begin(), rows.end(), [&](const auto& row) { return row.mode == of && row.status == is; }));
}

std::string code(std::string_view text) { return text.empty() ? "" : fmt::format("`{}`", text); }

} // namespace

std::string compliance_json() {
  using json = nlohmann::ordered_json;
  json out{{"schema", "vtd.compliance/1"}};
  out["rows"] = json::array();
  for (const models::compliance_row& row : models::compliance_rows()) {
    out["rows"].push_back({{"kind", to_string(row.kind)},
                           {"name", row.name},
                           {"mode", to_string(row.mode)},
                           {"section", row.section},
                           {"status", to_string(row.status)},
                           {"test", row.test},
                           {"witness", to_string(row.witness)},
                           {"text", row.text}});
  }
  out["table_entries"] = json::array();
  for (const models::table_entry_row& row : models::table_entries()) {
    out["table_entries"].push_back({{"entry", row.entry},
                                    {"name", row.name},
                                    {"section", row.section},
                                    {"test", row.test},
                                    {"witness", to_string(row.witness)},
                                    {"text", row.text}});
  }
  out["beyond_qemu"] = json::array();
  for (const models::beyond_qemu_row& row : models::beyond_qemu()) {
    out["beyond_qemu"].push_back(
        {{"what", row.what}, {"witness", to_string(row.witness)}, {"test", row.test}, {"how", row.how}});
  }
  return out.dump(2) + "\n";
}

std::string compliance_text() {
  const auto rows = models::compliance_rows();
  std::string out = fmt::format("{:<12}{:>12}{:>13}{:>9}\n", "mode", "implemented", "stored only", "absent");
  for (const mode each : modes) {
    out += fmt::format("{:<12}{:>12}{:>13}{:>9}\n", to_string(each), count(rows, each, status::implemented),
                       count(rows, each, status::stored_only), count(rows, each, status::absent));
  }
  out += "\nabsent of legacy mode:\n";
  for (const models::compliance_row& row : rows) {
    if (row.mode == mode::legacy && row.status == status::absent)
      out += fmt::format("  {:<16}{:<40}{}\n", to_string(row.kind), row.name, row.text);
  }
  return out;
}

std::string compliance_markdown() {
  const auto rows = models::compliance_rows();
  std::string out =
      "# Compliance\n\n"
      "What of VT-d is there: every fault condition, capability, register field and command that "
      "`include/vtd/spec` "
      "declares\nor names. Written by `vtdsim compliance --markdown >docs/compliance.md`; a test compares. "
      "What is "
      "said of a row stands\nin `models/compliance`, one line a row. An absent capability is taken away from "
      "what "
      "a part advertises\n(`models::advertised`).\n\n"
      "* **mode**: *scalable* is scalable mode, and all that came with PASIDs or later.\n"
      "* **status**: *stored only* is seen as the part has it, and nothing follows from it. CAP.ISOCH is "
      "advice "
      "to\n  software (invalidate page by page while isochronous requests flow); no section says what "
      "hardware "
      "does\n  otherwise for it. ECAP.NIU counts sets of IVA and IOTLB; there is one set, whatever it says.\n"
      "* **test**: `room.suite.name`; it fails when the row breaks. For an absent capability, it shows the "
      "absence.\n"
      "* **witness**: who says that it is right, beside a test that we wrote from the section. *QEMU*: its "
      "model "
      "does the\n  same in random programs. *Hand-derived vector*: values worked out from the section, apart "
      "from the code. *Second\n  implementation*: a naive one in the tests. *Logged hardware*: values that "
      "real "
      "parts showed.\n\n"
      "Requests are reads, writes and zero-length reads. AtomicOps, which need the rights to read and to "
      "write "
      "(3.7.1), are\nnot built, nor is what only requests with PASID meet. Where sources disagree, the rows "
      "follow "
      "[choices](choices.md).\n\n";
  out += "| mode | implemented | stored only | absent |\n|---|---|---|---|\n";
  for (const mode each : modes) {
    out += fmt::format("| {} |", to_string(each));
    for (const status is : statuses)
      out += fmt::format(" {} |", count(rows, each, is));
    out += '\n';
  }
  for (const kind what : kinds) {
    out += fmt::format(
        "\n## {}\n\n| name | | mode | section | status | test | witness |\n|---|---|---|---|---|---|---|\n",
        title_of(what));
    for (const models::compliance_row& row : rows) {
      if (row.kind != what) continue;
      out += fmt::format("| {} | {} | {} | {} | {} | {} | {} |\n", row.name, row.text, to_string(row.mode),
                         row.section, to_string(row.status), code(row.test), to_string(row.witness));
    }
  }
  out += "\n## Table entries\n\n| entry | field | | section | test | witness |\n|---|---|---|---|---|---|\n";
  for (const models::table_entry_row& row : models::table_entries())
    out += fmt::format("| {} | {} | {} | {} | {} | {} |\n", row.entry, row.name, row.text, row.section,
                       code(row.test), to_string(row.witness));
  out += "\n## What QEMU cannot witness\n\n| what | witness | how | test |\n|---|---|---|---|\n";
  for (const models::beyond_qemu_row& row : models::beyond_qemu())
    out += fmt::format("| {} | {} | {} | {} |\n", row.what, to_string(row.witness), row.how, code(row.test));
  return out;
}

} // namespace vtdsim
