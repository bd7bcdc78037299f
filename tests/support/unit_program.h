// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/byte_source.h"
#include "support/queue_driver.h"
#include "support/watched_world.h"
#include "vtd/host/fault_plan.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace vtd::test {

/// The parts of a program by its first byte: the small or the wide part of the tests, or one with tables of
/// two to six levels and pages of all sizes.
[[nodiscard]] inline remap::capabilities program_part(std::uint64_t choice) {
  if (choice % 8 == 0) return small_part();
  if (choice % 8 == 1) return wide_part();
  remap::capabilities caps = wide_part();
  // One width, or all of them.
  const auto width = static_cast<unsigned>(choice % 8 - 2);
  caps.cap.set_sagaw(width < 5 ? 1U << width : 0x1f).set_sps(0xf).set_plmr(true).set_phmr(true);
  // A page of level 5 has to fit.
  caps.host_address_width = 50;
  caps.cap.set_mgaw(width == 0 ? 30 : remap::page_tag::max_input_width);
  caps.ecap.set_dt(choice / 8 % 2 != 0 || choice / 128 % 2 != 0).set_dit(choice / 64 % 2 != 0);
  caps.cap.set_cm(choice / 32 % 2 != 0).set_afl(choice / 64 % 2 == 0);
  caps.version = choice / 16 % 2 != 0 ? 0x20 : 0x10;
  return caps;
}

/// Levels that the part has, by choice.
[[nodiscard]] inline unsigned program_levels(const remap::capabilities& caps, std::uint64_t choice) {
  for (unsigned n = 0; n < 5; ++n) {
    const auto width = static_cast<unsigned>((choice + n) % 5);
    if (caps.cap.supports_agaw(width)) return spec::levels_of_agaw(width);
  }
  return 3;
}

/// The domains of a program begin here.
inline constexpr std::uint16_t first_domain = 3;

/// Whether the part has an invalidation queue, and of which kind, by choice.
inline void set_queue(dmar::unit_config& config, std::uint64_t choice) {
  config.caps.ecap.set_qi(choice % 4 != 0);
  config.timing.queue_prefetch = static_cast<unsigned>(choice >> 2 & 3);
  config.timing.status_write = choice >> 4 & 3;
  config.queue_address_clears_pointers = (choice >> 5 & 1) != 0;
  if (choice % 4 != 3) return;
  // Of revision 3: descriptors of 256 bits, and IQERCD.
  config.caps.version = 0x30;
  config.caps.ecap.set_smts(true);
}

/// An order for the queue: of contexts, pages or a device, of every granularity.
[[nodiscard]] inline spec::invalidation_descriptor program_order(std::uint64_t choice, bool device_tlb) {
  const auto domain = static_cast<std::uint16_t>(first_domain + (choice >> 4 & 1));
  if (device_tlb && (choice >> 22 & 3) == 0) {
    return spec::device_tlb_descriptor{}
        .set_source((choice >> 5 & 1) != 0 ? disk : nic)
        .set_max_pending(1 + static_cast<unsigned>(choice >> 6 & 3))
        .set_range((choice >> 8 & 7) << spec::page_shift, static_cast<unsigned>(choice >> 11 & 7));
  }
  switch (choice & 7) {
  case 0:
    return all_contexts();
  case 1:
    return contexts_of(domain);
  case 2:
    return context_of((choice >> 5 & 1) != 0 ? disk : nic, domain)
        .set_function_mask(static_cast<unsigned>(choice >> 6 & 3));
  case 3:
    return all_pages().set_drain_reads((choice >> 5 & 1) != 0).set_drain_writes((choice >> 6 & 1) != 0);
  case 4:
    return pages_of(domain).set_drain_reads((choice >> 5 & 1) != 0).set_drain_writes((choice >> 6 & 1) != 0);
  default:
    return page_of(domain, (choice >> 8 & 7) << spec::page_shift, static_cast<unsigned>(choice >> 11 & 3),
                   (choice >> 3 & 1) != 0)
        .set_drain_reads((choice >> 5 & 1) != 0)
        .set_drain_writes((choice >> 6 & 1) != 0);
  }
}

/// What a run of a program showed.
struct program_result {
  /// Empty: all rules held.
  std::string violation;
  /// Requests made, by phases or at once; pieces of them that went to memory and were judged.
  std::uint64_t requests = 0;
  std::uint64_t judged = 0;
  /// Translation requests that were answered.
  std::uint64_t answers = 0;
  /// Of `judged` those while protected regions were in force; records in the advanced fault log.
  std::uint64_t judged_with_regions = 0;
  std::uint64_t log_writes = 0;
  std::uint64_t status_writes = 0;
  /// Invalidations that found a request in memory that they have to wait for.
  std::uint64_t drains_under_load = 0;
  dmar::unit_statistics statistics{};
};

/// A program for one unit, made of bytes: register writes, table words, requests of every address type by
/// phases and at once, invalidations by register, by queue and of devices, direct pointers, memory errors,
/// time. Any bytes are a program.
class unit_program {
public:
  explicit unit_program(std::span<const std::uint8_t> bytes)
      : input_(bytes), config_(configure(input_, choice_)), world_(config_),
        queue_(world_, choice_.queue >> 6 & 1, config_.caps.ecap.smts() && (choice_.queue >> 7 & 1) != 0) {
    world_.memory.set_delay((1 + input_.take(1) % 64) * unit_world::period);
    build_tables();
    world_.begin();
    world_.enable();
    if (config_.caps.ecap.qi()) queue_.enable();
  }

  [[nodiscard]] program_result run() {
    while (!input_.empty() && world_.violation.empty()) {
      step();
      world_.judge_grants();
    }
    world_.finish();
    return {world_.violation,
            world_.requests,
            world_.judged,
            world_.answers_judged,
            world_.judged_with_regions,
            world_.log_writes_judged,
            world_.status_writes_judged,
            world_.drains_under_load,
            world_.unit.statistics()};
  }

private:
  struct choices {
    std::uint64_t part = 0;
    std::uint64_t tables = 0;
    std::uint64_t pace = 0;
    std::uint64_t queue = 0;
  };
  static constexpr std::uint64_t frames_of_nic = 0x7000000;
  static constexpr std::uint64_t frames_of_disk = 0x9000000;
  static constexpr std::uint64_t other_frames = 0xa000000;
  static constexpr std::uint64_t status_word = 0x800000;
  static constexpr std::uint64_t log_pages = 0x880000;
  static constexpr std::uint64_t interrupt_range = 0xfee00000;
  static constexpr std::uint64_t pages = 8;
  static constexpr std::size_t word_bytes = sizeof(std::uint64_t);
  /// Where the tables of the first pages lie.
  static constexpr std::uint64_t first_table = 0x100000;
  static constexpr std::uint64_t table_bytes = 0x10000;

  [[nodiscard]] static dmar::unit_config configure(byte_source& input, choices& chosen) {
    chosen.part = input.take(1);
    chosen.tables = input.take(1);
    chosen.pace = input.take(1);
    chosen.queue = input.take(1);
    auto config = config_of(program_part(chosen.part));
    config.ports = 2;
    config.caches.pml5 = config.caches.pml4;
    config.hidden_write_buffer = !config.caps.cap.rwbf();
    config.whole_domain_tables = chosen.tables / 32 % 2 != 0;
    // From invalidations that overtake every walk to such that none outlives.
    config.timing.context_invalidation = 1 + chosen.pace % 16;
    config.timing.iotlb_invalidation_global = config.timing.iotlb_invalidation_domain =
        1 + chosen.pace / 16 % 16;
    config.timing.iotlb_invalidation_page = 1 + chosen.pace / 4 % 16;
    config.timing.device_timeout = 500;
    config.caps.entry_beats = 1 + static_cast<unsigned>(chosen.tables / 128 % 2);
    set_queue(config, chosen.queue);
    return config;
  }

  void build_tables() {
    const unsigned levels = program_levels(config_.caps, choice_.tables);
    const auto type = config_.caps.ecap.dt() ? spec::translation_type::with_device_tlb
                                             : spec::translation_type::untranslated_only;
    table_builder& tables = world_.tables;
    tables.attach(nic, first_domain, levels, type);
    // The other device has a domain of its own, or shares the number but not the tables.
    tables.attach(disk, choice_.tables / 64 % 2 != 0 ? first_domain : first_domain + 1, levels, type);
    // A large page, where the part has one.
    const unsigned level = 2 + static_cast<unsigned>(choice_.tables / 5 % 4);
    if (level <= levels && level < 6 && (config_.caps.cap.sps() >> (level - 2) & 1) != 0) {
      large_page_ = spec::level_size(level);
      tables.map(nic, large_page_, 0, read_write, level);
    }
    for (std::uint64_t page = 0; page < pages; ++page) {
      tables.map(nic, page << spec::page_shift, frames_of_nic + (page << spec::page_shift),
                 page % 4 == 3 ? read_only : read_write);
      tables.map(disk, page << spec::page_shift, frames_of_disk + (page << spec::page_shift),
                 page % 4 == 2 ? write_only : read_write);
    }
    for (const spec::source_id who : {nic, disk}) {
      contexts_.push_back(tables.context(who));
      for (unsigned at = 1; at <= levels; ++at)
        entries_.push_back(tables.entry_of(who, 0, at, false));
    }
    levels_ = levels;
  }

  // What is taken from the bytes.

  [[nodiscard]] spec::source_id requester() { return input_.take(1) % 4 == 0 ? disk : nic; }
  [[nodiscard]] remap::access_kind kind() { return static_cast<remap::access_kind>(input_.take(1) % 3); }
  // Mostly where something is mapped.
  [[nodiscard]] std::uint64_t address() {
    switch (input_.take(1) % 8) {
    case 0:
      return input_.take(8);
    case 1:
      return interrupt_range + input_.take(2);
    case 2:
      return large_page_ + input_.take(4);
    default:
      return input_.take(2) % ((pages + 2) << spec::page_shift);
    }
  }
  [[nodiscard]] std::uint16_t domain_of(spec::source_id who) const {
    return static_cast<std::uint16_t>(world_.tables.context(who).domain_id());
  }
  /// The entry of `level` for a page of a device.
  [[nodiscard]] std::uint64_t entry(spec::source_id who, unsigned level, std::uint64_t page) const {
    const std::uint64_t first = entries_[(who == disk ? levels_ : 0) + level - 1];
    return level == 1 ? first + page * sizeof(spec::second_level_entry) : first;
  }

  void step() {
    switch (input_.take(1) % 20) {
    case 0:
      return access_register();
    case 1:
      // A word of the first table pages.
      return world_.memory.store(first_table + input_.take(2) * word_bytes % table_bytes, input_.take(8));
    case 2:
      return change_leaf();
    case 3:
    case 4:
      return request();
    case 5: {
      const spec::source_id who = requester();
      const auto what = kind();
      return world_.pass({who, what, remap::address_type::untranslated, address()}, 64);
    }
    case 6:
      return invalidate_by_register();
    case 7: {
      const spec::source_id who = requester();
      const auto what = input_.take(1) % 2 == 0 ? remap::access_kind::read : remap::access_kind::write;
      return world_.ask_direct(who, what, address());
    }
    case 8:
      return change_context();
    case 9:
      return break_memory();
    case 10:
      return invalidate_by_queue();
    case 11:
      return disturb_queue();
    case 12:
    case 13:
      return race();
    case 14:
    case 15:
      return act_as_device();
    case 16:
      return pass_in_pieces();
    case 17:
      return protect_or_log();
    case 18:
      return reset();
    default:
      return world_.run_to(world_.wheel.now() + 1 + input_.take(1) % 128);
    }
  }

  void access_register() {
    const auto offset = static_cast<std::uint32_t>(input_.take(2) % world_.unit.register_space());
    const unsigned size = input_.take(1) % 2 == 0 ? 4 : 8;
    const std::uint64_t ahead = input_.take(1) * unit_world::period;
    world_.unit.write_register(offset, size, input_.take(size), world_.now_ps(), ahead);
    (void)world_.unit.read_register(offset, size, world_.now_ps(), ahead);
  }

  // A request that passes at once goes on or a new one comes, or TE changes while some are inside.
  void pass_in_pieces() {
    const std::uint64_t what = input_.take(1);
    constexpr std::size_t most_at_once = 3;
    if (world_.passing() != 0 && ((what & 3) != 0 || world_.passing() == most_at_once)) {
      if ((what & 0xc) == 0) world_.set_translation((what >> 4 & 3) != 0);
      return world_.pass_next(what >> 5);
    }
    // Mostly on.
    if ((what >> 4 & 3) == 0) world_.set_translation(true);
    const spec::source_id who = requester();
    const auto by = kind();
    const std::uint64_t where = address();
    const auto length = static_cast<std::uint32_t>(spec::page_size + input_.take(2) % (2 * spec::page_size));
    world_.begin_pass({who, by, remap::address_type::untranslated, where}, length);
    world_.pass_next(world_.passing() - 1);
  }

  // Protected regions over frames of the devices or elsewhere, on or off; and the fault log.
  void protect_or_log() {
    namespace reg = spec::reg;
    const std::uint64_t what = input_.take(2);
    const auto frames = [&](std::uint64_t which) { return frames_of_nic + (which << spec::level_shift(2)); };
    switch (what & 3) {
    case 0:
      world_.write_register<reg::pmen>(0);
      world_.write_register<reg::plmbase>(static_cast<std::uint32_t>(frames(what >> 2 & 7)));
      world_.write_register<reg::plmlimit>(static_cast<std::uint32_t>(frames(what >> 5 & 7)));
      world_.write_register<reg::phmbase>(frames(what >> 8 & 7));
      return world_.write_register<reg::phmlimit>(frames(what >> 11 & 7));
    case 1:
      return world_.write_register<reg::pmen>((what & 4) != 0 ? reg::pmen::epm::mask : 0U);
    default:
      break;
    }
    if (!config_.caps.cap.afl()) return;
    world_.set_log(log_pages, what >> 2 & 1, (what & 8) != 0);
  }

  // Of the platform; then, mostly, a driver starts again.
  void reset() {
    const std::uint64_t what = input_.take(1);
    if ((what & 3) != 0) return;
    world_.unit.reset((what & 4) != 0);
    if ((what & 8) != 0) world_.run_to(world_.wheel.now() + (what >> 4));
    if (what >= 0xf0) return;
    world_.enable();
    if (config_.caps.ecap.qi()) queue_.enable();
  }

  void request() {
    const spec::source_id who = requester();
    const auto what = kind();
    const std::uint64_t where = address();
    const auto length = static_cast<std::uint32_t>(1 + input_.take(2) % 6000);
    world_.request(who, what, where, length, static_cast<unsigned>(input_.take(1) % 2));
  }

  // What a device with a device-TLB does: it asks, uses what it was told, claims what it was not, or is slow.
  void act_as_device() {
    const std::uint64_t what = input_.take(2);
    const spec::source_id who = (what & 3) == 0 ? disk : nic;
    const std::uint64_t where = address();
    const auto port = static_cast<unsigned>(what >> 2 & 1);
    const bool write = (what >> 3 & 1) != 0;
    const auto by = write ? remap::access_kind::write : remap::access_kind::read;
    switch (what >> 4 & 7) {
    case 0:
      world_.mood = static_cast<device_mood>(what >> 7 & 3);
      return;
    case 1:
      return world_.pass({who, remap::access_kind::read, remap::address_type::translation_request, where},
                         spec::ats::translation_bytes);
    case 2:
      return world_.pass({who, by, remap::address_type::translated, where}, 64);
    case 3:
      return world_.translated(who, by, where, static_cast<std::uint32_t>(1 + (what >> 7) % 200), port);
    case 4:
    case 5:
      // What it was told, if it was.
      if (const auto host = world_.devices.find(who, where, write))
        world_.translated(who, by, *host, 64, port);
      return;
    default:
      return world_.question(who, where & ~std::uint64_t{spec::ats::translation_bytes - 1}, port);
    }
  }

  // A leaf of one of the first pages: mapped elsewhere, or not any more.
  void change_leaf() {
    const std::uint64_t what = input_.take(2);
    const spec::source_id who = what % 4 == 0 ? disk : nic;
    const std::uint64_t page = what >> 2 & 7;
    spec::second_level_entry leaf{};
    if ((what >> 5 & 1) != 0) {
      leaf.set_read((what >> 6 & 1) != 0).set_write((what >> 7 & 1) != 0);
      leaf.set_address(other_frames + (what >> 8 << spec::page_shift));
    }
    world_.memory.store(entry(who, 1, page), leaf.value);
    // Some drivers invalidate at once.
    const std::uint16_t domain = domain_of(who);
    const std::uint64_t then = input_.take(1) % 8;
    if (then == 0) world_.invalidate_iotlb_global();
    if (then == 1) world_.invalidate_iotlb_domain(domain);
    if (then > 4) world_.invalidate_iotlb_page(domain, page << spec::page_shift, 0, then == 5);
  }

  void invalidate_by_register() {
    namespace reg = spec::reg;
    const std::uint64_t what = input_.take(2);
    const auto domain = static_cast<std::uint16_t>(first_domain + what % 2);
    switch (what >> 1 & 3) {
    case 0:
      return world_.invalidate_iotlb_global();
    case 1:
      return world_.invalidate_iotlb_domain(domain);
    case 2:
      return world_.invalidate_iotlb_page(domain, (what >> 4 & 7) << spec::page_shift,
                                          static_cast<unsigned>(what >> 7 & 3), (what >> 3 & 1) != 0);
    default:
      return invalidate_contexts(what >> 4 & 3, domain, (what >> 3 & 1) != 0 ? disk : nic, what >> 6 & 3);
    }
  }
  void invalidate_contexts(std::uint64_t granularity, std::uint16_t domain, spec::source_id who,
                           std::uint64_t function_mask = 0) {
    namespace reg = spec::reg;
    world_.write_register<reg::ccmd>(reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(granularity) |
                                     reg::ccmd::did::of(domain) | reg::ccmd::sid::of(who.value()) |
                                     reg::ccmd::fm::of(function_mask));
  }

  // A device gets another domain, or the tables of the other one, or none; and maybe the order that makes it
  // so.
  void change_context() {
    const std::uint64_t what = input_.take(2);
    const spec::source_id who = what % 4 == 0 ? disk : nic;
    spec::context_entry changed = contexts_[what >> 2 & 1];
    changed.set_present((what >> 3 & 7) != 0);
    const std::uint16_t old = domain_of(who);
    if ((what >> 6 & 1) != 0)
      changed.set_domain_id(static_cast<std::uint16_t>(first_domain + (what >> 7 & 3)));
    if ((what >> 13 & 3) == 0) changed.set_translation_type(spec::translation_type::untranslated_only);
    if ((what >> 13 & 7) == 1 && config_.caps.ecap.pt())
      changed.set_translation_type(spec::translation_type::pass_through);
    store_context(who, changed);
    const std::uint64_t then = what >> 9 & 7;
    if (then == 0) world_.invalidate_contexts_global();
    if (then > 3) invalidate_contexts(then == 4 ? 2 : 3, old, who);
    if ((what >> 12 & 1) != 0) world_.invalidate_iotlb_domain(old);
  }
  void store_context(spec::source_id who, const spec::context_entry& changed) {
    const std::uint64_t at = world_.tables.context_entry_of(who);
    world_.memory.store(at + word_bytes, changed.hi);
    world_.memory.store(at, changed.lo);
  }

  void break_memory() {
    using host::access_class;
    constexpr std::array of{access_class::table_read, access_class::table_read, access_class::queue_fetch,
                            access_class::status_write};
    const std::uint64_t what = input_.take(2);
    world_.plan.add({.effect = what % 2 == 0 ? host::fault_effect::error : host::fault_effect::latency,
                     .of = of[what >> 6 & 3],
                     .skip = what >> 1 & 7,
                     .count = 1 + (what >> 4 & 3),
                     .span = (what >> 8) * unit_world::period});
  }

  // Some orders in the queue, and maybe a wait behind them.
  void invalidate_by_queue() {
    const std::uint64_t what = input_.take(1);
    for (std::uint64_t left = 1 + what % 3; left != 0; --left)
      queue_.push(program_order(input_.take(3), config_.caps.ecap.dt()));
    if ((what & 4) != 0) {
      auto wait = status_wait(status_word, static_cast<std::uint32_t>(++waits_));
      wait.set_fence((what & 8) != 0).set_interrupt((what & 16) != 0);
      queue_.push(wait);
    }
    queue_.ring();
  }

  // Anything as a descriptor, or what a driver does about an error: another in its place, IQE cleared.
  void disturb_queue() {
    const std::uint64_t what = input_.take(1);
    if (what % 4 == 0) {
      const std::uint64_t low = input_.take(8);
      queue_.push({low, input_.take(8)});
      queue_.ring();
    } else {
      if (what % 4 == 1) queue_.put(queue_.head() % spec::page_size, all_pages());
      queue_.clear_error();
    }
    if (what % 32 == 31) queue_.disable();
    if (what % 32 == 30) queue_.enable();
  }

  // What a driver's change has to win against: a walk that has read what is changed, and the next request,
  // which must not find it.
  void race() {
    const std::uint64_t what = input_.take(4);
    const spec::source_id who = (what & 3) == 0 ? disk : nic;
    const std::uint64_t page = what >> 2 & 7;
    const std::uint64_t where = page << spec::page_shift;
    const auto by = (what >> 5 & 1) != 0 ? remap::access_kind::write : remap::access_kind::read;
    const std::uint16_t domain = domain_of(who);
    world_.request(who, by, where, 64, 0);
    world_.run_to(world_.wheel.now() + 1 + (what >> 6 & 0xff));
    // What changes: a leaf, the rights of a table, the context.
    const std::uint64_t change = what >> 14 & 7;
    const bool of_context = change == 7;
    if (of_context) {
      store_context(who, contexts_[who == disk ? 0 : 1]);
    } else if (change > 4 && levels_ > 1) {
      const unsigned level = 2 + static_cast<unsigned>(change) % (levels_ - 1);
      spec::second_level_entry table{world_.memory.load(entry(who, level, page))};
      table.set_read(change == 5).set_write(change != 5);
      world_.memory.store(entry(who, level, page), table.value);
    } else {
      spec::second_level_entry leaf{};
      if (change > 1) leaf.set_read(change != 2).set_write(change != 3).set_address(other_frames + where);
      world_.memory.store(entry(who, 1, page), leaf.value);
    }
    // What makes it so.
    const bool leaf_only = (what >> 17 & 3) == 3;
    const std::uint64_t order = what >> 19 & 3;
    if (config_.caps.ecap.qi() && (what >> 21 & 1) != 0) {
      if (of_context) queue_.push(order == 0 ? contexts_of(domain) : context_of(who, domain));
      queue_.push(order == 0 ? pages_of(domain)
                             : page_of(domain, where, 0, leaf_only).set_drain_reads((what >> 22 & 1) != 0));
      queue_.ring();
    } else {
      if (of_context) invalidate_contexts(order == 0 ? 2 : 3, domain, who);
      if (order == 0) {
        world_.invalidate_iotlb_domain(domain);
      } else {
        world_.invalidate_iotlb_page(domain, where, 0, leaf_only);
      }
    }
    world_.run_to(world_.wheel.now() + 1 + (what >> 23 & 0x7f));
    world_.request(who, (what >> 30 & 1) != 0 ? remap::access_kind::write : by, where, 64, 1);
  }

  byte_source input_;
  choices choice_{};
  dmar::unit_config config_;
  watched_world world_;
  queue_driver queue_;
  unsigned levels_ = 0;
  std::uint64_t large_page_ = 0;
  std::vector<spec::context_entry> contexts_;
  /// Of the first page, by device and level.
  std::vector<std::uint64_t> entries_;
  std::uint64_t waits_ = 0;
};

[[nodiscard]] inline program_result run_unit_program(std::span<const std::uint8_t> bytes) {
  return unit_program(bytes).run();
}

} // namespace vtd::test
