// SPDX-License-Identifier: Apache-2.0
#include "vtd/check/device_tlb_checker.h"

#include "vtd/check/entry_text.h"
#include "vtd/remap/page_walk.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

namespace vtd::check {

using engine::cycle;
using remap::access_kind;
using remap::address_type;
using spec::address_range;

namespace {

// Of a large translation so many pages are looked at, at most, when the IOTLB is invalidated for it.
constexpr unsigned most_pieces = 4096;

bool overlap(const address_range& a, const address_range& b) {
  return a.first <= b.last && b.first <= a.last;
}

std::string rights_text(bool read, bool write) {
  return read ? (write ? "read-write" : "read-only") : (write ? "write-only" : "no access");
}

std::string page_text(const remap::translation& page) {
  if (!page.allowed())
    return "a wrong entry (" + std::string(spec::condition_info(page.condition).name) + ")";
  if (!page.read && !page.write) return "not mapped";
  return rights_text(page.read, page.write) + ", host page " + hex(spec::page_base(page.address));
}

std::string_view kind_text(access_kind kind) {
  switch (kind) {
  case access_kind::read:
    return "read";
  case access_kind::write:
    return "write";
  case access_kind::zero_length_read:
    return "zero-length read";
  }
  return "?";
}

} // namespace

device_tlb_checker::device_tlb_checker(const dmar::unit_config& unit, const host::store_path& path,
                                       finding_sink& sink, cycle patience)
    : unit_(unit.name), rules_(unit.caps), path_(path), sink_(sink), patience_(patience) {}

// --- What the unit tells

void device_tlb_checker::on_request(const dmar::request_event& event) {
  settle(event.at);
  if (event.step == dmar::request_step::translated) {
    told(event.access.source, event.access.address, {event.host_address}, event.at);
  } else if (event.step == dmar::request_step::forwarded && event.access.type == address_type::translated) {
    used({event.access, event.length, event.at});
  }
}

void device_tlb_checker::on_passage(const dmar::passage_event& event) {
  settle(event.at);
  if (event.answered) {
    told(event.access.source, event.access.address, {event.host_address}, event.at);
  } else if (!event.blocked && event.access.type == address_type::translated) {
    used({event.access, event.length, event.at});
  }
}

void device_tlb_checker::on_command(const dmar::command_event& event) {
  settle(event.at);
  if (event.step != dmar::command_step::effective) return;
  if (event.what == dmar::unit_command::set_root_table) root_table_ = event.root_table;
  if (event.iotlb_done == spec::iotlb_granularity::none) return;
  invalidated(event.iotlb_done, event.domain, spec::covers(event.address, event.address_mask), event.at);
}

void device_tlb_checker::on_device_invalidation(const dmar::device_invalidation_event& event) {
  settle(event.at);
  if (event.step != dmar::device_step::requested) return;
  const spec::source_id device = event.what.device;
  const address_range range{event.what.what.first(), event.what.what.last()};
  // A device forgets all of a translation that the range meets (PCIe ATS).
  std::erase_if(grants_, [&](const auto& item) {
    const grant& each = item.second;
    const bool gone = each.device == device && overlap(each.range, range);
    if (gone && !each.stale.empty()) --stale_grants_;
    return gone;
  });
  std::erase_if(suspects_,
                [&](const suspect& each) { return each.device == device && overlap(each.range, range); });
}

void device_tlb_checker::on_reset(cycle at) {
  settle(at);
  grants_.clear();
  suspects_.clear();
  stale_grants_ = 0;
  root_table_ = 0;
}

// --- What devices know

void device_tlb_checker::told(spec::source_id device, std::uint64_t address, spec::ats::translation word,
                              cycle at) {
  if (!word.granted() || word.untranslated_only()) return;
  const std::uint64_t below = spec::low_bits(word.page_mask() + spec::page_shift);
  grant fresh;
  fresh.device = device;
  fresh.range = {address & ~below, address | below};
  fresh.host = word.address();
  fresh.read = word.read();
  fresh.write = word.write();
  fresh.domain = ask_tables(device, fresh.range.first).domain;
  fresh.told = at;
  // It asked because it did not have it any more, or not enough of it.
  const place key{device.value(), fresh.range.first};
  const auto begin = grants_.lower_bound(key);
  auto end = begin;
  while (end != grants_.end() && end->second.device == device &&
         (end->first == key || end->second.range.last <= fresh.range.last)) {
    stale_grants_ -= end->second.stale.empty() ? 0 : 1;
    ++end;
  }
  grants_.erase(begin, end);
  grants_.emplace(key, std::move(fresh));
}

void device_tlb_checker::invalidated(spec::iotlb_granularity done, std::uint16_t domain,
                                     const address_range& range, cycle at) {
  constexpr address_range all{0, ~std::uint64_t{0}};
  for (auto& [key, each] : grants_) {
    if (done != spec::iotlb_granularity::global && each.domain != domain) continue;
    const address_range& meant = done == spec::iotlb_granularity::page ? range : all;
    if (!overlap(each.range, meant)) continue;
    stale_grants_ -= each.stale.empty() ? 0 : 1;
    mark_stale(each, {std::max(each.range.first, meant.first), std::min(each.range.last, meant.last)}, at);
    stale_grants_ += each.stale.empty() ? 0 : 1;
  }
}

// What of the range the tables do not say any more as the device was told.
void device_tlb_checker::mark_stale(grant& what, const address_range& range, cycle at) const {
  std::erase_if(what.stale, [&](const stale_range& each) {
    return each.range.first >= range.first && each.range.last <= range.last;
  });
  std::uint64_t address = range.first;
  for (unsigned pieces = 0; pieces < most_pieces; ++pieces) {
    const remap::translation now = ask_tables(what.device, address).page;
    const std::uint64_t bytes = now.read || now.write ? spec::level_size(now.level) : spec::page_size;
    const std::uint64_t last = std::min(address | (bytes - 1), range.last);
    if (differs(what, address, now)) {
      if (!what.stale.empty() && what.stale.back().since == at &&
          what.stale.back().range.last + 1 == address) {
        what.stale.back().range.last = last;
      } else {
        what.stale.push_back({{address, last}, at});
      }
    }
    if (last == range.last) return;
    address = last + 1;
  }
}

bool device_tlb_checker::differs(const grant& what, std::uint64_t address, const remap::translation& now) {
  return !now.allowed() || (what.read && !now.read) || (what.write && !now.write) ||
         spec::page_base(now.address) != spec::page_base(what.host + (address - what.range.first));
}

// A walk by the unit's own rules over what the CPU sees: what the driver wrote, wherever it waits.
device_tlb_checker::verdict device_tlb_checker::ask_tables(spec::source_id device,
                                                           std::uint64_t address) const {
  using demand = remap::page_walk::demand;
  remap::page_walk walk(rules_, {device, access_kind::read, address_type::translation_request, address},
                        root_table_);
  while (walk.wants() != demand::done) {
    if (walk.wants() == demand::cache_lookup) {
      walk.descend(0, {});
      continue;
    }
    remap::table_words words;
    const auto into = std::as_writable_bytes(std::span(words.words)).first(walk.bytes());
    const bool ok = path_.debug_read(walk.address(), into);
    walk.feed(rules_, ok, words);
  }
  return {walk.result(), walk.knows_context() ? walk.context().domain_id : std::uint16_t{0}};
}

// --- What they do with it

void device_tlb_checker::used(const use& what) {
  if (stale_grants_ == 0) return;
  const std::uint64_t host = what.access.address;
  const grant* found = nullptr;
  const stale_range* since = nullptr;
  std::uint64_t address = 0;
  const auto begin = grants_.lower_bound({what.access.source.value(), 0});
  for (auto at = begin; at != grants_.end() && at->second.device == what.access.source; ++at) {
    const grant& each = at->second;
    const std::uint64_t bytes_less_one = each.range.last - each.range.first;
    if (host < each.host || host - each.host > bytes_less_one) continue;
    if (what.access.kind == access_kind::write ? !each.write : !each.read) continue;
    const std::uint64_t here = each.range.first + (host - each.host);
    const auto stale = std::find_if(each.stale.begin(), each.stale.end(),
                                    [&](const stale_range& range) { return range.range.contains(here); });
    // It may have come by this one.
    if (stale == each.stale.end()) return;
    found = &each;
    since = &*stale;
    address = here;
  }
  if (found == nullptr) return;
  // The tables of now would let it go there just so: mapped again, or only another right was taken away.
  const verdict now = ask_tables(what.access.source, address);
  const bool write = what.access.kind == access_kind::write;
  const bool allowed = now.page.allowed() && (write ? now.page.write : now.page.read);
  if (allowed && spec::page_base(now.page.address) == spec::page_base(host)) return;
  ++stale_uses_;
  report(*found, address, *since, now, what);
}

void device_tlb_checker::report(const grant& what, std::uint64_t address, const stale_range& since,
                                const verdict& now, const use& by) {
  const rule& broken = *find_rule("device-tlb.stale");
  const std::uint64_t page = spec::page_base(address);
  const std::string device = to_string(what.device);
  finding f;
  f.key = {std::string(broken.id), unit_, page, (what.host << 16) ^ what.device.value()};
  f.level = broken.level;
  f.first = by.at;
  f.last = by.at;
  f.text = device + " goes on with a translation of " + hex(page) +
           " that was taken back: " + std::string(kind_text(by.access.kind)) + " at host address " +
           hex(by.access.address) + "; the tables say " + page_text(now.page) +
           "; forgotten: device-TLB invalidation";
  const auto add = [&f](std::string_view key, std::string value) {
    f.details.push_back({std::string(key), std::move(value)});
  };
  const std::uint64_t bytes = what.range.last - what.range.first + 1;
  add("device", device);
  add("request", "translated " + std::string(kind_text(by.access.kind)) + " of " + std::to_string(by.length) +
                     " bytes at " + hex(by.access.address));
  add("input page", hex(page));
  add("domain", std::to_string(what.domain));
  add("device knows", rights_text(what.read, what.write) + ", " + size_text(bytes) + " at host address " +
                          hex(what.host) + " for " + hex(what.range.first) + ", told at cycle " +
                          std::to_string(what.told));
  add("tables say", page_text(now.page));
  add("IOTLB", "invalidated at cycle " + std::to_string(since.since));
  add("forgotten", "device-TLB invalidation of " + device + " for " + hex(page));
  add("remedy", std::string(broken.advice) + ", VT-d " + std::string(broken.section));
  const cycle due = since.since + patience_;
  if (due <= by.at) {
    if (!sink_.repeat(f.key, by.at)) sink_.report(std::move(f));
    return;
  }
  const auto behind = std::upper_bound(suspects_.begin(), suspects_.end(), due,
                                       [](cycle wanted, const suspect& each) { return wanted < each.due; });
  finding_key key = f.key;
  suspects_.insert(behind, {std::move(key), std::move(f), what.device, what.range, due});
}

void device_tlb_checker::settle(cycle now) {
  if (suspects_.empty() || suspects_.front().due > now) return;
  auto each = suspects_.begin();
  for (; each != suspects_.end() && each->due <= now; ++each) {
    if (!sink_.repeat(each->key, each->what.first)) sink_.report(std::move(each->what));
  }
  suspects_.erase(suspects_.begin(), each);
}

} // namespace vtd::check
