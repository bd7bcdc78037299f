// SPDX-License-Identifier: Apache-2.0
// The units of a board file, and where their registers may stand.

#include "board_parts.h"

#include "vtd/dmar/register_file.h"
#include "vtd/dmar/register_places.h"
#include "vtd/models/board_loader.h"
#include "vtd/spec/registers.h"

#include <bit>
#include <optional>
#include <sstream>
#include <string>
#include <utility>

namespace vtd::models {

namespace reg = spec::reg;

namespace {

scope_description scope_of(const json_node& node) {
  const auto scope = parse_scope(node.text());
  if (!scope) node.reject("a scope such as \"00:1b.0\", \"bridge 00:1c.0\" or \"ioapic 2 at 00:1f.7\"");
  return *scope;
}

known<bool> flag_or(json_object& object, std::string_view key, bool otherwise, std::string why) {
  const auto node = object.find(key);
  return node ? node->known_boolean() : known<bool>(otherwise, confidence::assumed, std::move(why));
}

// Of parts whose VER does not tell: it reads 1.0 in those of revision 2, too.
known<unsigned> revision_of(json_object& object, const unit_description& unit) {
  const unsigned newest = reg::newest_revision(unit.version, spec::ecap{unit.ecap.value});
  const auto node = object.find("revision");
  return node ? node->known_count(spec::rev_1_0, newest)
              : known<unsigned>(newest, confidence::assumed, "the newest that VER_REG allows");
}

// `object`: none where the file says nothing of them.
unit_choices choices_of(json_object* object) {
  unit_choices out;
  for (const unit_choice& each : all_unit_choices()) {
    const auto node = object == nullptr ? std::optional<json_node>() : object->find(each.name);
    out.*each.value =
        node ? node->known_boolean() : known<bool>(each.usual, confidence::assumed, std::string(each.why));
  }
  return out;
}

std::string hex(std::uint64_t value) {
  std::ostringstream out;
  out << "0x" << std::hex << value;
  return out.str();
}

// Of a page that no host address can fill nobody could say where its end is.
void check_page_sizes(const board& b, const unit_description& unit, const json_node& node) {
  const unsigned largest = spec::cap{unit.cap.value}.largest_page_level();
  if (spec::level_shift(largest) <= b.host_address_width.value) return;
  json_object(node).at("cap").plain().reject(
      "SPS without the pages of level " + std::to_string(largest) + ", which do not fit the " +
      std::to_string(b.host_address_width.value) + " bits of \"host_address_width\"");
}

// FRO and IRO say where registers stand: not where others do (VT-d 10.4.2, 10.4.3).
void check_register_places(const unit_description& unit, const json_node& node) {
  const auto conflict = dmar::find_register_conflict(spec::cap{unit.cap.value}, spec::ecap{unit.ecap.value},
                                                     static_cast<spec::spec_revision>(unit.revision.value));
  if (!conflict) return;
  json_object o(node);
  o.at(conflict->by_ecap ? "ecap" : "cap").plain().reject(to_string(*conflict));
}

} // namespace

std::vector<scope_description> scopes_of(json_object& object) {
  std::vector<scope_description> out;
  if (const auto list = object.find("scopes")) {
    for (const json_node& each : list->items())
      out.push_back(scope_of(each));
  }
  return out;
}

unit_description unit_of(const json_node& node) {
  json_object o(node);
  unit_description out;
  out.name = o.at("name").text();
  out.segment = optional_whole<std::uint16_t>(o, "segment", 0xffff, 0);
  const json_node base = o.at("base");
  out.base = base.known_whole();
  if (out.base.value % spec::page_size != 0) base.plain().reject("a multiple of 4 KB");
  out.cap = o.at("cap").known_whole();
  out.ecap = o.at("ecap").known_whole();
  const auto version = o.find("version");
  out.version = version
                    ? version->known_count(0x10, 0xff)
                    : known<unsigned>(0x10, confidence::derived, "VER_REG of every unit of these chipsets");
  out.revision = revision_of(o, out);
  out.include_all = optional_flag(o, "include_all");
  out.scopes = scopes_of(o);
  out.hidden_write_buffer = flag_or(o, "hidden_write_buffer", false, "nothing is known of such a need");
  out.hidden_incoherent = flag_or(o, "hidden_incoherent", false, "nothing is known of such a part");
  out.protect_translated =
      flag_or(o, "protect_translated", false, "parts of VER 1.0 may or may not check translated requests");
  if (const auto size = o.find("protected_region_size")) {
    out.protected_region_size = size->known_whole();
    const std::uint64_t bytes = out.protected_region_size;
    if (!std::has_single_bit(bytes) || bytes < spec::page_size || bytes > std::uint64_t{1} << 31)
      size->plain().reject("a power of two, 4 KB to 2 GB");
  } else {
    out.protected_region_size = {std::uint64_t{1} << dmar::usual_protected_region_shift, confidence::assumed,
                                 "the size of a large page; no source tells the granularity"};
  }
  if (const auto choices = o.find("choices")) {
    json_object c(*choices);
    out.choices = choices_of(&c);
    c.finish();
  } else {
    out.choices = choices_of(nullptr);
  }
  o.finish();
  return out;
}

void check_unit_place(const board& b, std::size_t index, const json_node& node) {
  const unit_description& unit = b.units[index];
  const std::uint64_t first = unit.base.value;
  const std::uint64_t bytes =
      spec::register_block_bytes(spec::cap{unit.cap.value}, spec::ecap{unit.ecap.value});
  const json_node base = json_object(node).at("base").plain();
  const std::string block =
      "the " + std::to_string(bytes) + " bytes of registers of unit \"" + unit.name + "\"";
  check_register_places(unit, node);
  check_page_sizes(b, unit, node);
  const std::uint64_t addresses = std::uint64_t{1} << b.host_address_width.value;
  if (first >= addresses || bytes > addresses - first) {
    base.reject("a place for " + block + " within the " + std::to_string(b.host_address_width.value) +
                " bits of \"host_address_width\"");
  }
  const bool in_low = first < b.low_memory_end.value;
  const bool in_high = first + bytes > four_gb && first < four_gb + b.high_memory.value;
  if (in_low || in_high) {
    base.reject("a place for " + block + " outside memory, which is below " + hex(b.low_memory_end.value) +
                (b.high_memory.value == 0
                     ? std::string()
                     : " and from 0x100000000 to " + hex(four_gb + b.high_memory.value - 1)));
  }
  for (std::size_t i = 0; i < index; ++i) {
    const unit_description& other = b.units[i];
    const std::uint64_t other_bytes =
        spec::register_block_bytes(spec::cap{other.cap.value}, spec::ecap{other.ecap.value});
    if (first >= other.base.value + other_bytes || other.base.value >= first + bytes) continue;
    base.reject("a place where " + block + " do not overlap the " + std::to_string(other_bytes) +
                " bytes of unit \"" + other.name + "\" at " + hex(other.base.value) +
                " (CAP.FRO, CAP.NFR and ECAP.IRO give the size)");
  }
}

} // namespace vtd::models
