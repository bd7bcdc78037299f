// SPDX-License-Identifier: Apache-2.0
#include "vtd/check/entry_text.h"

#include "vtd/spec/address.h"
#include "vtd/spec/entries.h"

#include <array>
#include <cinttypes>
#include <cstdio>
#include <string_view>

namespace vtd::check {
namespace {

using remap::table_kind;
using remap::table_words;

std::string context_text(const spec::context_entry& entry) {
  std::string text = "present, domain " + std::to_string(entry.domain_id());
  switch (entry.translation_type()) {
  case spec::translation_type::untranslated_only:
    break;
  case spec::translation_type::with_device_tlb:
    text += ", device-TLB allowed";
    break;
  case spec::translation_type::pass_through:
    text += ", pass-through";
    break;
  case spec::translation_type::reserved:
    text += ", reserved translation type";
    break;
  }
  if (entry.translation_type() != spec::translation_type::pass_through) {
    text += ", table " + hex(entry.second_level_table());
  }
  // VT-d 9.3: AW above 3 is reserved.
  const unsigned width = entry.address_width();
  text += width <= 3 ? ", " + std::to_string(spec::levels_of_agaw(width)) + " levels"
                     : ", reserved address width " + std::to_string(width);
  if (entry.fault_processing_disable()) text += ", faults not reported";
  return text;
}

std::string paging_text(const spec::second_level_entry& entry, unsigned level) {
  std::string text = "present, ";
  text += entry.read() ? (entry.write() ? "read-write" : "read-only") : "write-only";
  if (level <= 1 || entry.page_size()) {
    text += ", " + size_text(spec::level_size(level)) + " page " + hex(entry.address());
    if (entry.snoop()) text += ", snooped";
  } else {
    text += ", level-" + std::to_string(level - 1) + " table " + hex(entry.address());
  }
  return text;
}

} // namespace

std::string hex(std::uint64_t number) {
  std::array<char, 20> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "0x%" PRIx64, number);
  return buffer.data();
}

std::string size_text(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 5> units{" bytes", " KB", " MB", " GB", " TB"};
  std::size_t unit = 0;
  for (; bytes >= 1024 && unit + 1 < units.size(); ++unit) {
    bytes /= 1024;
  }
  return std::to_string(bytes) + std::string(units[unit]);
}

std::string entry_name(const remap::table_read& read) {
  switch (read.kind) {
  case table_kind::root: {
    std::array<char, 8> bus{};
    std::snprintf(bus.data(), bus.size(), "%02x", static_cast<unsigned>(read.source.bus()));
    return std::string("root entry of bus ") + bus.data();
  }
  case table_kind::context:
    return "context entry " + to_string(read.source);
  case table_kind::paging:
    return "level-" + std::to_string(read.level) + " paging entry of " + to_string(read.source) + " for " +
           hex(read.input_address);
  }
  return "entry";
}

bool entry_present(table_kind kind, const table_words& words) {
  switch (kind) {
  case table_kind::root:
    return spec::root_entry{words.lo(), words.hi()}.present();
  case table_kind::context:
    return spec::context_entry{words.lo(), words.hi()}.present();
  case table_kind::paging:
    return spec::second_level_entry{words.lo()}.present();
  }
  return false;
}

std::string entry_text(table_kind kind, unsigned level, const table_words& words) {
  if (!entry_present(kind, words)) return "not present";
  switch (kind) {
  case table_kind::root:
    return "present, context table " + hex(spec::root_entry{words.lo(), words.hi()}.context_table());
  case table_kind::context:
    return context_text(spec::context_entry{words.lo(), words.hi()});
  case table_kind::paging:
    return paging_text(spec::second_level_entry{words.lo()}, level);
  }
  return {};
}

} // namespace vtd::check
