// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "conformance/naive_inside.h"
#include "conformance/naive_queue.h"
#include "conformance/naive_recorder.h"
#include "support/fake_memory.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <tuple>
#include <vector>

namespace vtd::test {

/// The way of requests through a unit, once more: written from docs/microarchitecture.md, sections 1 to 5,
/// and docs/remap.md ("what is kept"), without a look at src/. It steps through every cycle, keeps plain
/// lists, and is slow. Legacy tables without reserved bits: what is not there, cannot be read, lacks a right
/// or lies outside the width is blocked.
class naive_clock {
public:
  using request = naive_request;
  using order = naive_order;
  using descriptor = naive_descriptor;
  using command = naive_command;
  using removal = naive_removal;
  using moment = naive_moment;
  using surroundings = naive_surroundings;

  naive_clock(const dmar::unit_config& config, const fake_memory& memory, std::uint64_t root,
              const surroundings& around)
      : queue(
            config, around, [this](const order& what) { return cost_of(what, true); },
            [this](removal& what) { return ends(what); }),
        recorder(config, around, memory, queue.errors), config_(config), memory_(memory), root_(root),
        around_(around), slots_(config.timing.requests), walkers_(config.timing.walkers),
        ports_(config.ports), caches_(config) {
    for (std::size_t slot = slots_.size(); slot-- != 0;)
      free_.push_back(slot);
  }

  /// TE, as requests that are admitted see it.
  bool translates = true;
  /// GSTS.
  bool tes = true;
  bool rtps = true;
  bool wbfs = false;
  bool fls = false;
  bool afls = false;
  /// PMEN, and which host addresses are protected while it is on.
  bool prs = false;
  std::uint64_t protected_first = 0;
  std::uint64_t protected_last = 0;

  void comes(unsigned port, const request& what) { ports_[port].coming.push_back(what); }

  std::vector<moment> admissions;
  std::vector<moment> table_reads;
  std::vector<moment> forwards;
  std::vector<moment> responses;

  naive_counts counts;

  /// The order before must have ended.
  void orders(order what) {
    // Without PSI a page means its domain.
    if (what.removes == order::what::page && !config_.caps.cap.psi())
      what.removes = order::what::pages_of_domain;
    order_ = removal{what, first_edge_after(what.time) + cost_of(what, false), {}};
  }
  /// The command before must have ended.
  void commands(const command& what) { command_ = under_way{what, first_edge_after(what.time), never, {}}; }
  [[nodiscard]] bool command_ended() const { return !command_; }
  naive_queue queue;
  naive_recorder recorder;

  /// Software sees ICC or IVT.
  [[nodiscard]] bool order_ended() const { return !order_; }

  void step(std::uint64_t now) {
    now_ = now;
    finish_look_ups();  // A
    advance_walks();    // B
    commit_walks();     // C1
    recorder.step(now); // C2
    command_step();     // C3
    obey();
    queue.step(now); // C4
    admit();         // D
    grant_walkers(); // E
    grant_memory();
    respond(); // F
  }
  [[nodiscard]] bool idle() const {
    return std::none_of(slots_.begin(), slots_.end(), [](const auto& each) { return each.has_value(); }) &&
           std::all_of(ports_.begin(), ports_.end(),
                       [](const one_port& each) { return each.coming.empty(); });
  }

private:
  static constexpr std::uint64_t never = ~std::uint64_t{0};

  using context = naive_context;
  using page_key = naive_page_key;
  using mapping = naive_mapping;
  using inside = naive_inside;
  using walk = naive_walk;
  using one_port = naive_port;
  using under_way = naive_command_under_way;

  [[nodiscard]] std::uint64_t first_edge_after(std::uint64_t time) const { return time / around_.period + 1; }
  [[nodiscard]] std::uint64_t time() const { return now_ * around_.period; }

  // A.
  void finish_look_ups() {
    for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
      if (!slots_[slot] || slots_[slot]->look_up_ends != now_) continue;
      slots_[slot]->look_up_ends = never;
      look_up(slot);
    }
  }
  void look_up(std::size_t slot) {
    inside& it = *slots_[slot];
    const context* from = caches_.contexts.look_up({it.what.source});
    if (from == nullptr) return misses(slot);
    if (from->absent) {
      ++counts.absent;
      return decide(slot, false, 0, false);
    }
    if (from->pass_through) return decide(slot, true, it.what.address, false);
    if (it.what.address >> from->width != 0) return decide(slot, false, 0, true);
    const auto page = caches_.find_page(*from, it.what.address);
    if (!page) return misses(slot);
    if (!page->read && !page->write) ++counts.absent;
    decide(slot, it.what.write ? page->write : page->read, page->address, true);
  }
  void decide(std::size_t slot, bool allowed, std::uint64_t host, bool by_tables) {
    slots_[slot]->host = host;
    if (!allowed) {
      // What is decided in D has missed the C2 of this cycle.
      const std::uint64_t recorded = now_ + config_.timing.fault_recording;
      recorder.blocked(in_admission_ ? std::max(recorded, now_ + 1) : recorded, slots_[slot]->what.source,
                       slots_[slot]->what.address);
      return end(slot, dmar::completion::blocked);
    }
    const bool checked = !by_tables || config_.protect_translated || config_.caps.major_version() >= 2;
    if (protects_ && checked && protected_first <= host && host <= protected_last) {
      ++counts.protected_memory;
      return end(slot, dmar::completion::blocked);
    }
    outgoing_.push_back(slot);
  }
  void end(std::size_t slot, dmar::completion how) {
    slots_[slot]->how = how;
    ports_[slots_[slot]->port].responses.push_back(slot);
  }
  void misses(std::size_t slot) {
    const auto same = [&](const walk& other) {
      const request& a = slots_[slot]->what;
      const request& b = slots_[other.slot]->what;
      return a.source == b.source && a.address >> 12 == b.address >> 12;
    };
    for (auto& each : walkers_) {
      if (each && same(*each)) return join(*each, slot);
    }
    for (walk& each : waiting_) {
      if (same(each)) return join(each, slot);
    }
    walk fresh;
    fresh.slot = slot;
    fresh.missed = now_;
    waiting_.push_back(fresh);
  }

  void join(walk& other, std::size_t slot) {
    ++counts.joined;
    other.joined.push_back(slot);
  }

  // B.
  void advance_walks() {
    for (auto& each : walkers_) {
      if (!each) continue;
      if (each->structures_end == now_) {
        each->structures_end = never;
        begin_at_structures(*each);
      } else if (each->seen == now_) {
        each->seen = never;
        take_data(*each);
      }
    }
  }
  void begin_pages(walk& it) {
    const std::uint64_t address = slots_[it.slot]->what.address;
    if (it.from->absent) return end(it, false);
    if (it.from->pass_through) {
      it.so_far.address = address;
      return end(it, true);
    }
    if (address >> it.from->width != 0) return end(it, false);
    it.structures_end = now_ + config_.timing.lookup.structure_lookup;
    if (it.structures_end != now_) return;
    it.structures_end = never;
    begin_at_structures(it);
  }
  void begin_at_structures(walk& it) {
    const std::uint64_t address = slots_[it.slot]->what.address;
    // Only now the domain is known.
    if (it.context_is_new) {
      if (const auto page = caches_.find_page(*it.from, address)) {
        ++counts.found_by_walk;
        it.so_far.address = page->address;
        return end(it, slots_[it.slot]->what.write ? page->write : page->read);
      }
    }
    std::tie(it.level, it.so_far) = caches_.find_table(*it.from, address);
    ask(it, it.so_far.address + 8 * (address >> (12 + 9 * (it.level - 1)) & 0x1ff));
  }
  [[nodiscard]] bool keeps_absent() const { return config_.caps.cap.cm() && config_.caps.caches_absent; }
  void is_absent(walk& it) {
    if (keeps_absent()) {
      it.from = context{};
      it.from->absent = true;
      it.context_is_new = true;
    }
    end(it, false);
  }
  static void ask(walk& it, std::uint64_t address) {
    it.read_at = address;
    it.wants_read = true;
  }
  static void end(walk& it, bool allowed) {
    it.ended = true;
    it.allowed = allowed;
  }
  void take_data(walk& it) {
    const request& what = slots_[it.slot]->what;
    if (!it.ok) return end(it, false);
    const std::uint64_t word = it.words[0];
    const auto frame = [&] { return word & 0x000ffffffffff000; };
    if (it.level >= 7 && config_.caps.entry_beats == 2) {
      it.upper_half = !it.upper_half;
      if (it.upper_half) return ask(it, it.read_at + 8);
    }
    if (it.level == 8) {
      if ((word & 1) == 0) return is_absent(it);
      it.level = 7;
      return ask(it, frame() + 16 * (what.source & 0xffU));
    }
    if (it.level == 7) {
      if ((word & 1) == 0) return is_absent(it);
      context found;
      found.domain = static_cast<std::uint16_t>(it.words[1] >> 8 & 0xffff);
      found.pass_through = (word >> 2 & 3) == 2;
      found.levels = static_cast<unsigned>(it.words[1] & 7) + 2;
      found.width = std::min(12 + 9 * found.levels, config_.caps.cap.mgaw());
      found.table = frame();
      it.from = found;
      it.context_is_new = true;
      return begin_pages(it);
    }
    if ((word & 3) == 0) {
      // It stands for all that it would map.
      if (keeps_absent())
        it.leaf.emplace(naive_key(*it.from, what.address, it.level), mapping{0, false, false});
      return end(it, false);
    }
    it.so_far.read = it.so_far.read && (word & 1) != 0;
    it.so_far.write = it.so_far.write && (word & 2) != 0;
    it.so_far.address = frame();
    if (it.level > 1 && (word >> 7 & 1) == 0) {
      it.through.emplace_back(naive_key(*it.from, what.address, it.level), it.so_far);
      --it.level;
      return ask(it, frame() + 8 * (what.address >> (12 + 9 * (it.level - 1)) & 0x1ff));
    }
    const bool allowed = what.write ? it.so_far.write : it.so_far.read;
    if (config_.caches.large_pages_in_pieces) {
      it.so_far.address += naive_offset(what.address, it.level) & ~std::uint64_t{0xfff};
      it.level = 1;
    }
    if (allowed || keeps_absent()) it.leaf.emplace(naive_key(*it.from, what.address, it.level), it.so_far);
    it.so_far.address += naive_offset(what.address, it.level);
    end(it, allowed);
  }

  // C1.
  void commit_walks() {
    for (auto& each : walkers_) {
      if (!each || !each->ended) continue;
      const walk it = *each;
      each.reset();
      if (it.poisoned) {
        ++counts.poisoned;
        again_.push_back(it.slot);
        again_.insert(again_.end(), it.joined.begin(), it.joined.end());
        continue;
      }
      if (it.context_is_new) caches_.contexts.fill({slots_[it.slot]->what.source}, *it.from);
      for (const auto& [where, what] : it.through)
        caches_.tables[where.level - 2].fill(where, what);
      if (it.leaf) caches_.pages(it.leaf->first.level).fill(it.leaf->first, it.leaf->second);
      decide(it.slot, it.allowed, it.so_far.address, !it.from || !it.from->pass_through);
      again_.insert(again_.end(), it.joined.begin(), it.joined.end());
    }
  }

  // C3.
  // The write buffer first, where it needs that; for an order of the queue where the part is one that does
  // so.
  [[nodiscard]] std::uint64_t cost_of(const order& what, bool of_queue) const {
    std::uint64_t out = config_.timing.context_invalidation;
    if (what.removes == order::what::pages) out = config_.timing.iotlb_invalidation_global;
    if (what.removes == order::what::pages_of_domain) out = config_.timing.iotlb_invalidation_domain;
    if (what.removes == order::what::page) out = config_.timing.iotlb_invalidation_page;
    return of_queue && !config_.queue_flushes_write_buffer ? out : out + write_buffer_cycles();
  }
  void command_step() {
    using what = command::what;
    if (!command_ || command_->seen > now_) return;
    under_way& it = *command_;
    if (it.seen == now_) {
      ++counts.commands;
      it.ends = now_ + config_.timing.command;
      if (it.what.changes == what::translation || it.what.changes == what::protection) {
        for (const auto& each : slots_) {
          if (each) it.before.push_back(each->what.id);
        }
      }
      if (it.what.changes == what::translation) {
        translates = it.what.on;
      } else if (it.what.changes == what::protection) {
        protects_ = it.what.on;
        it.ends = now_;
      } else if (it.what.changes == what::fault_log_pointer) {
        fls = false;
      } else if (it.what.changes == what::fault_log) {
        // Nothing is seen of it yet.
      } else if (it.what.changes == what::root_table) {
        rtps = false;
      } else if (write_buffer_cycles() == 0) {
        return command_.reset();
      } else {
        wbfs = true;
        it.ends = now_ + write_buffer_cycles();
      }
    }
    if (it.ends > now_ || is_inside(it.before)) return;
    if (it.what.changes == what::translation) {
      tes = it.what.on;
      if (!tes) recorder.translation_is_off();
    }
    if (it.what.changes == what::protection) prs = it.what.on;
    if (it.what.changes == what::fault_log_pointer) {
      fls = true;
      recorder.log_begins();
    }
    if (it.what.changes == what::fault_log) recorder.log_switched(afls = it.what.on);
    if (it.what.changes == what::write_buffer) wbfs = false;
    if (it.what.changes == what::root_table) {
      rtps = true;
      root_ = it.what.root;
      if (config_.caps.cap.esrtps()) {
        for (const auto kind : {order::what::contexts, order::what::pages}) {
          order all;
          all.removes = kind;
          caches_.remove(all);
          poison(all);
        }
      }
    }
    command_.reset();
  }
  [[nodiscard]] bool is_inside(const std::vector<std::uint64_t>& ids) const {
    return std::any_of(slots_.begin(), slots_.end(), [&](const auto& each) {
      return each && std::find(ids.begin(), ids.end(), each->what.id) != ids.end();
    });
  }
  [[nodiscard]] std::uint64_t write_buffer_cycles() const {
    const bool needed = config_.caps.cap.rwbf() || config_.hidden_write_buffer;
    return needed ? (around_.write_buffer_drain + around_.period - 1) / around_.period : 0;
  }
  void obey() {
    if (order_ && ends(*order_)) order_.reset();
  }
  bool ends(removal& it) {
    if (it.at == now_) {
      // Of the address no bit at or above MGAW counts.
      const std::uint64_t above = it.what.first_page >> (config_.caps.cap.mgaw() - 12)
                                                            << (config_.caps.cap.mgaw() - 12);
      it.what.first_page -= above;
      it.what.last_page -= above;
      caches_.remove(it.what);
      poison(it.what);
      for (const auto& each : slots_) {
        if (each && waits_for(it.what, each->what)) it.drained.push_back(each->what.id);
      }
    }
    if (it.at > now_) return false;
    if (is_inside(it.drained)) {
      ++counts.drained;
      return false;
    }
    if (!it.gone) it.gone = now_;
    return now_ >= *it.gone + (waits_for_any(it.what) ? config_.timing.drain : 0);
  }
  [[nodiscard]] bool waits_for_any(const order& it) const {
    request read;
    request write;
    write.write = true;
    return waits_for(it, read) || waits_for(it, write);
  }
  [[nodiscard]] bool waits_for(const order& it, const request& what) const {
    if (it.is_of_contexts()) return false;
    if (config_.caps.major_version() >= 2) return true;
    return what.write ? it.drains_writes && config_.caps.cap.dwd()
                      : it.drains_reads && config_.caps.cap.drd();
  }
  void poison(const order& it) {
    using what = order::what;
    for (auto& each : walkers_) {
      if (!each) continue;
      const bool all = it.removes == what::contexts || it.removes == what::pages;
      const bool hit = it.removes == what::context ? it.names(slots_[each->slot]->what.source)
                                                   : !each->from || each->from->domain == it.domain;
      if (all || hit) each->poisoned = true;
    }
  }

  // D.
  void admit() {
    if (!again_.empty()) {
      const std::size_t slot = again_.front();
      again_.pop_front();
      return route(slot);
    }
    if (free_.empty()) {
      ++counts.waited_for_slot;
      return;
    }
    const std::size_t slot = free_.back();
    for (unsigned i = 0; i < ports_.size(); ++i) {
      const auto number = static_cast<unsigned>((next_port_ + i) % ports_.size());
      one_port& from = ports_[number];
      if (from.coming.empty()) continue;
      const request what = from.coming.front();
      if (first_edge_after(std::max(what.time, from.free_since)) > now_) continue;
      from.coming.pop_front();
      free_.pop_back();
      from.free_since = time();
      next_port_ = number + 1;
      admissions.push_back({now_, what.id, 0, {}});
      slots_[slot].emplace();
      slots_[slot]->what = what;
      slots_[slot]->port = number;
      slots_[slot]->left = what.length;
      slots_[slot]->translated = translates;
      next_piece(*slots_[slot]);
      return route(slot);
    }
  }
  // As many bytes as the page has.
  static void next_piece(inside& it) {
    it.what.length =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(it.left, 0x1000 - (it.what.address & 0xfff)));
    it.left -= it.what.length;
  }
  void route(std::size_t slot) {
    // Nothing but messages may go there.
    if (slots_[slot]->what.address >> 20 == 0xfee) {
      if (slots_[slot]->what.is_dword) {
        ++counts.messages;
        slots_[slot]->host = slots_[slot]->what.address;
        return outgoing_.push_back(slot);
      }
      ++counts.forbidden;
      return end(slot, dmar::completion::blocked);
    }
    if (!slots_[slot]->translated) return decide(slot, true, slots_[slot]->what.address, false);
    slots_[slot]->look_up_ends =
        now_ + config_.timing.lookup.context_lookup + config_.timing.lookup.iotlb_lookup;
    in_admission_ = true;
    if (slots_[slot]->look_up_ends == now_) finish_look_ups();
    in_admission_ = false;
  }

  // E.
  void grant_walkers() {
    for (auto& each : walkers_) {
      if (each || waiting_.empty()) continue;
      if (waiting_.front().missed != now_) ++counts.waited_for_walker;
      each = waiting_.front();
      waiting_.pop_front();
      // The context may have come meanwhile, or gone.
      if (const context* from = caches_.contexts.peek({slots_[each->slot]->what.source})) {
        each->from = *from;
        begin_pages(*each);
      } else {
        ask(*each, root_ + 16 * (slots_[each->slot]->what.source >> 8));
      }
    }
  }
  void grant_memory() {
    if (now_ < memory_free_) return;
    for (unsigned i = 0; i < walkers_.size(); ++i) {
      const auto number = static_cast<unsigned>((next_walker_ + i) % walkers_.size());
      auto& it = walkers_[number];
      if (!it || !it->wants_read) continue;
      it->wants_read = false;
      it->ok = !memory_.fails(it->read_at);
      it->words[it->upper_half ? 1 : 0] = memory_.load(it->read_at);
      if (config_.caps.entry_beats == 1) it->words[1] = memory_.load(it->read_at + 8);
      it->seen = first_edge_after(time() + around_.table_delay(it->read_at));
      table_reads.push_back({now_, number, it->read_at, {}});
      next_walker_ = number + 1;
      take_memory(it->read_at);
      return;
    }
    // In the order of asking.
    const auto queue_asks = queue.asks(now_);
    const auto log_asks = recorder.asks();
    if (log_asks && (!queue_asks || *log_asks <= *queue_asks)) return take_memory(recorder.take_port(now_));
    if (const auto address = queue.take_port(now_)) return take_memory(*address);
    if (outgoing_.empty()) return;
    inside& it = *slots_[outgoing_.front()];
    outgoing_.pop_front();
    it.answer_seen = first_edge_after(time() + around_.data_delay(it.host));
    forwards.push_back({now_, it.what.id, it.host, {}});
    take_memory(it.host);
  }
  void take_memory(std::uint64_t address) {
    const std::uint64_t hold = around_.hold(address);
    memory_free_ = now_ + config_.timing.memory_interval;
    if (hold != 0) memory_free_ = std::max(memory_free_, first_edge_after(time() + hold));
  }

  // F.
  void respond() {
    for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
      if (!slots_[slot] || slots_[slot]->answer_seen != now_) continue;
      inside& it = *slots_[slot];
      if (around_.data_fails(it.host)) {
        end(slot, dmar::completion::failed);
      } else if (it.left != 0) {
        it.what.address += it.what.length;
        next_piece(it);
        ++counts.further_pieces;
        again_.push_back(slot);
      } else {
        end(slot, dmar::completion::done);
      }
    }
    for (one_port& each : ports_) {
      if (each.responses.empty() || now_ < each.response_free) continue;
      const std::size_t slot = each.responses.front();
      each.responses.pop_front();
      const inside it = *slots_[slot];
      slots_[slot].reset();
      free_.push_back(slot);
      responses.push_back({now_, it.what.id, 0, it.how});
      const std::uint64_t hold = around_.port_hold(it.what.id);
      if (hold != 0) each.response_free = first_edge_after(time() + hold);
    }
  }

  const dmar::unit_config& config_;
  const fake_memory& memory_;
  std::uint64_t root_;
  surroundings around_;
  std::uint64_t now_ = 0;
  std::vector<std::optional<inside>> slots_;
  // The one that was freed last is taken first.
  std::vector<std::size_t> free_;
  std::vector<std::optional<walk>> walkers_;
  std::vector<one_port> ports_;
  naive_unit_caches caches_;
  std::deque<walk> waiting_;
  std::deque<std::size_t> outgoing_;
  std::deque<std::size_t> again_;
  unsigned next_port_ = 0;
  unsigned next_walker_ = 0;
  std::uint64_t memory_free_ = 0;
  bool in_admission_ = false;
  bool protects_ = false;
  std::optional<under_way> command_;
  std::optional<removal> order_;
};

} // namespace vtd::test
