// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/fake_memory.h"
#include "vtd/dmar/config.h"
#include "vtd/dmar/observer.h"
#include "vtd/spec/entries.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

namespace vtd::test {

/// A second opinion on what a request may reach, with no caches and no pipeline: it remembers every value
/// that every table word ever had, and every invalidation. A piece of a request may go to memory when a
/// present mapping with the right existed at some moment since the last invalidation before its look-up that
/// would have removed it: between the look-up's start and the request's end, or stale and not invalidated
/// yet.
///
/// It is generous where caches may be (values of different moments may meet in one walk) and knows no
/// reserved bits; what it refuses no hardware may do.
class reach_oracle final : public dmar::unit_observer {
public:
  explicit reach_oracle(const dmar::unit_config& config) : config_(config) {}

  /// What memory holds at the beginning.
  void begin(const fake_memory& memory) {
    for (const auto& [address, value] : memory.words())
      words_[address] = {{0, value}};
  }
  void stored(std::uint64_t address, std::uint64_t value, engine::cycle now) {
    auto& all = words_[address];
    if (all.empty()) all.push_back({0, 0});
    all.push_back({now, value});
  }
  /// Translation is off, and nothing is cached.
  void reset(engine::cycle now) {
    enabled_.push_back({now, 0});
    dmar::command_event all;
    all.at = now;
    all.context_done = spec::context_granularity::global;
    all.iotlb_done = spec::iotlb_granularity::global;
    invalidations_.push_back(all);
  }
  /// Every requester there is: one may use what another one's walk has left behind.
  void knows(spec::source_id source) { sources_.insert(source.value()); }

  void on_command(const dmar::command_event& event) override {
    if (event.step != dmar::command_step::effective) return;
    switch (event.what) {
    case dmar::unit_command::set_root_table:
      roots_.push_back({event.at, event.root_table});
      break;
    case dmar::unit_command::translation:
      enabled_.push_back({event.at, event.on ? 1U : 0U});
      break;
    case dmar::unit_command::context_invalidation:
    case dmar::unit_command::iotlb_invalidation:
    case dmar::unit_command::queued_invalidation:
      invalidations_.push_back(event);
      break;
    default:
      break;
    }
  }

  [[nodiscard]] bool enabled_at(engine::cycle when) const {
    bool on = false;
    for (const version& each : enabled_) {
      if (each.from <= when) on = each.value != 0;
    }
    return on;
  }
  /// May `access`, admitted at `admission`, whose look-up began at `start`, and now on its way to `host`, be
  /// there? TE counts as it was at the admission, everything else as it was at the look-up.
  [[nodiscard]] bool allows(const remap::dma_access& access, engine::cycle admission, engine::cycle start,
                            std::uint64_t host) const {
    const bool untranslated = access.type == remap::address_type::untranslated;
    // VT-d 4.2.3: without translation there is nothing a device may have translated.
    if (!enabled_at(admission)) return untranslated && host == access.address;
    if (host >> config_.caps.host_address_width != 0 || spec::in_interrupt_range(host)) return false;
    const auto mine = contexts(access.source, last_context_invalidation(start));
    return std::any_of(mine.begin(), mine.end(), [&](const context& one) {
      if (one.alive_until < last_selective(access.source, domain_of(one), start)) return false;
      // Only a device with a device-TLB (TT = 01b) may ask, or say that it knows (VT-d 9.3).
      const bool has_tlb = one.entry.translation_type() == spec::translation_type::with_device_tlb;
      if (!untranslated && !(config_.caps.ecap.dt() && has_tlb)) return false;
      if (access.type == remap::address_type::translated) return host == access.address;
      if (one.entry.translation_type() == spec::translation_type::pass_through)
        return config_.caps.ecap.pt() && host == access.address;
      return fits(one, access.address) && reaches(domain_of(one), access, start, host);
    });
  }

private:
  struct version {
    engine::cycle from;
    std::uint64_t value;
  };
  using history = std::vector<version>;
  struct context {
    spec::context_entry entry;
    engine::cycle alive_until;
  };

  // Calls `each(value, alive_until)` for every value that was there at `since` or later.
  template <class Each>
  static void each_value(const history& all, engine::cycle since, Each&& each) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      const engine::cycle until = i + 1 < all.size() ? all[i + 1].from : engine::never;
      if (until >= since) each(all[i].value, until);
    }
  }
  template <class Each>
  void each_word(std::uint64_t address, engine::cycle since, Each&& each) const {
    const auto found = words_.find(address);
    if (found != words_.end()) each_value(found->second, since, each);
  }

  [[nodiscard]] std::uint16_t domain_of(const context& from) const {
    return static_cast<std::uint16_t>(from.entry.domain_id() & (config_.caps.cap.domain_count() - 1));
  }
  [[nodiscard]] bool fits(const context& from, std::uint64_t address) const {
    const unsigned aw = from.entry.address_width();
    if (!config_.caps.cap.supports_agaw(aw)) return false;
    const unsigned width = std::min(config_.caps.cap.mgaw(), spec::width_of_agaw(aw));
    return width >= 64 || address >> width == 0;
  }

  // The last invalidation up to `until` that is of interest, or the beginning.
  template <class Wanted>
  [[nodiscard]] engine::cycle last(engine::cycle until, Wanted&& wanted) const {
    engine::cycle at = 0;
    for (const dmar::command_event& each : invalidations_) {
      if (each.at <= until && wanted(each)) at = std::max(at, each.at);
    }
    return at;
  }
  [[nodiscard]] engine::cycle last_context_invalidation(engine::cycle until) const {
    return last(until, [](const dmar::command_event& e) {
      return e.context_done == spec::context_granularity::global;
    });
  }
  // The last that removed the context of this requester, if it was of this domain.
  [[nodiscard]] engine::cycle last_selective(spec::source_id source, std::uint16_t domain,
                                             engine::cycle until) const {
    return last(until, [&](const dmar::command_event& e) {
      if (e.context_done == spec::context_granularity::domain) return masked(e.domain) == domain;
      if (e.context_done != spec::context_granularity::device) return false;
      const auto compared = static_cast<std::uint16_t>(~spec::function_mask_bits(e.function_mask));
      return masked(e.domain) == domain && ((e.source.value() ^ source.value()) & compared) == 0;
    });
  }
  [[nodiscard]] std::uint16_t masked(std::uint16_t domain) const {
    return static_cast<std::uint16_t>(domain & (config_.caps.cap.domain_count() - 1));
  }
  // The last that removed pages (or with `tables` also non-leaf entries) of this domain at this address.
  [[nodiscard]] engine::cycle last_page_invalidation(std::uint16_t domain, std::uint64_t address, bool tables,
                                                     engine::cycle until) const {
    return last(until, [&](const dmar::command_event& e) {
      if (e.iotlb_done == spec::iotlb_granularity::global) return true;
      if (masked(e.domain) != domain) return false;
      if (e.iotlb_done == spec::iotlb_granularity::domain) return true;
      if (e.iotlb_done != spec::iotlb_granularity::page || (tables && e.leaf_only)) return false;
      // VT-d 10.4.8: bits above MGAW are ignored.
      const std::uint64_t known = e.address & spec::low_bits(config_.caps.cap.mgaw());
      const auto range = spec::covers(known, e.address_mask);
      return range.first <= address && address <= range.last;
    });
  }

  // By what they say, the words low and high: until when they were there.
  using found_contexts = std::map<std::pair<std::uint64_t, std::uint64_t>, engine::cycle>;
  // All contexts that a walk for `source` may have found since then.
  [[nodiscard]] std::vector<context> contexts(spec::source_id source, engine::cycle since) const {
    found_contexts found;
    each_value(roots_, since, [&](std::uint64_t table, engine::cycle root_until) {
      each_word(table + std::uint64_t{source.bus()} * sizeof(spec::root_entry), since,
                [&](std::uint64_t lo, engine::cycle entry_until) {
                  const spec::root_entry root{lo, 0};
                  if (root.present())
                    read_contexts(root, source, since, std::min(root_until, entry_until), found);
                });
    });
    std::vector<context> out;
    for (const auto& [words, until] : found)
      out.push_back({{words.first, words.second}, until});
    return out;
  }
  void read_contexts(const spec::root_entry& root, spec::source_id source, engine::cycle since,
                     engine::cycle until, found_contexts& found) const {
    const std::uint64_t at =
        root.context_table() + std::uint64_t{source.devfn()} * sizeof(spec::context_entry);
    const auto high = words_.find(at + 8);
    each_word(at, since, [&](std::uint64_t lo, engine::cycle lo_until) {
      if (!spec::context_entry{lo, 0}.present()) return;
      const auto was_there = [&](std::uint64_t hi, engine::cycle hi_until) {
        engine::cycle& last = found[{lo, hi}];
        last = std::max(last, std::min({until, lo_until, hi_until}));
      };
      if (high == words_.end()) return was_there(0, engine::never);
      each_value(high->second, since, was_there);
    });
  }

  [[nodiscard]] bool reaches(std::uint16_t domain, const remap::dma_access& access, engine::cycle start,
                             std::uint64_t host) const {
    const engine::cycle tables = last_page_invalidation(domain, access.address, true, start);
    const engine::cycle leaves = last_page_invalidation(domain, access.address, false, start);
    // Entries are tagged by domain-id (VT-d 6.2): whoever has the same may have filled them.
    const engine::cycle since = last_context_invalidation(tables);
    descent down{access, tables, leaves, host, {}};
    for (const std::uint16_t who : sources_) {
      for (const context& from : contexts(spec::source_id{who}, since)) {
        if (domain_of(from) != domain || !fits(from, access.address)) continue;
        if (from.entry.translation_type() == spec::translation_type::pass_through) continue;
        if (descends(down, from.entry.second_level_table(), spec::levels_of_agaw(from.entry.address_width()),
                     true, true))
          return true;
      }
    }
    return false;
  }
  // One question, and what it was asked of already in vain: table, level, rights so far.
  struct descent {
    const remap::dma_access& access;
    engine::cycle tables;
    engine::cycle leaves;
    std::uint64_t host;
    std::set<std::tuple<std::uint64_t, unsigned, bool, bool>> tried;
  };
  // NOLINTNEXTLINE(misc-no-recursion): as deep as the tables
  [[nodiscard]] bool descends(descent& down, std::uint64_t table, unsigned level, bool read,
                              bool write) const {
    if (!down.tried.emplace(table, level, read, write).second) return false;
    bool found = false;
    const std::uint64_t at = table + std::uint64_t{spec::level_index(down.access.address, level)} *
                                         sizeof(spec::second_level_entry);
    // NOLINTNEXTLINE(misc-no-recursion)
    each_word(at, std::min(down.tables, down.leaves), [&](std::uint64_t value, engine::cycle until) {
      const spec::second_level_entry entry{value};
      const bool r = read && entry.read();
      const bool w = write && entry.write();
      if (found || !entry.present()) return;
      if (level > 1 && !entry.page_size()) {
        found = until >= down.tables && descends(down, entry.address(), level - 1, r, w);
        return;
      }
      if (!config_.caps.cap.supports_page_level(level)) return;
      const std::uint64_t inside = spec::level_size(level) - 1;
      found = until >= down.leaves && may(down.access.kind, r, w) &&
              down.host == ((entry.address() & ~inside) | (down.access.address & inside));
    });
    return found;
  }
  [[nodiscard]] bool may(remap::access_kind kind, bool read, bool write) const {
    if (kind == remap::access_kind::write) return write;
    return read || (kind == remap::access_kind::zero_length_read && write && config_.caps.cap.zlr());
  }

  const dmar::unit_config& config_;
  std::map<std::uint64_t, history> words_;
  std::set<std::uint16_t> sources_;
  history roots_;
  history enabled_;
  std::vector<dmar::command_event> invalidations_;
};

} // namespace vtd::test
