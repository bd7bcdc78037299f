// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/reach_oracle.h"
#include "support/unit_world.h"
#include "vtd/host/fault_plan.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace vtd::test {

/// A unit whose every step towards memory is judged by `reach_oracle`, and whose memory may err. `violation`
/// names the first rule that did not hold.
class watched_world final : public unit_world, private dmar::unit_observer {
public:
  explicit watched_world(const dmar::unit_config& config)
      : unit_world(config), oracle(unit.config()), plan(1) {
    unit.set_observer(this);
  }

  /// The tables are made; what is stored from now on happens at its time.
  void begin() {
    oracle.begin(memory);
    memory.watch(
        [this](std::uint64_t address, std::uint64_t value) { oracle.stored(address, value, wheel.now()); });
  }
  void request(spec::source_id who, remap::access_kind kind, std::uint64_t address, std::uint32_t length,
               unsigned port) {
    oracle.knows(who);
    const std::uint64_t id = next_id_++;
    ++requests;
    if (offer(id, who, kind, address, length, port))
      requests_[id] = {{who, kind, remap::address_type::untranslated, address}, length};
  }
  /// A page's worth of a request that passes at once.
  void pass(spec::source_id who, remap::access_kind kind, std::uint64_t address, std::uint32_t length) {
    oracle.knows(who);
    ++requests;
    dmar::request piece;
    piece.access = {who, kind, remap::address_type::untranslated, address};
    piece.length = spec::page_piece(address, length);
    const auto foreseen = unit.probe(piece, memory);
    const std::uint64_t sequence = unit.enter(kind == remap::access_kind::write);
    const auto way = unit.pass(piece, memory, now_ps());
    unit.leave(sequence, now_ps());
    using leads = dmar::pipeline::passage::way;
    if (way.leads == leads::memory) {
      judge(piece.access, wheel.now() + 1, wheel.now() + 1, way.address, piece.length, false);
      if (foreseen != way.address) fail("a debug access would have gone elsewhere");
    } else if (way.leads == leads::blocked && foreseen) {
      fail("a debug access would have gone where a real one is blocked");
    }
  }
  /// Asks for a direct pointer; from then on the grant has to stay right until it is withdrawn.
  void ask_direct(spec::source_id who, remap::access_kind kind, std::uint64_t address) {
    oracle.knows(who);
    const remap::dma_access access{who, kind, remap::address_type::untranslated, address};
    const auto page = unit.direct(access);
    if (!page || !(kind == remap::access_kind::write ? page->write : page->read)) return;
    if (address < page->first || address > page->last) fail("a direct pointer for another address");
    grants_.push_back({access, page->first, page->last, page->host});
    judge_grants();
  }
  void judge_grants() {
    for (const grant& each : grants_) {
      remap::dma_access first = each.access;
      first.address = each.first;
      if (!oracle.allows(first, wheel.now() + 1, wheel.now() + 1, each.host))
        fail("a direct pointer outlived its mapping");
    }
  }
  /// All that was begun has to end.
  void finish() {
    settle();
    for (const auto& [id, r] : requests_) {
      if (!r.ended) fail("request " + std::to_string(id) + " never ended");
    }
  }

  // What the unit does.

  void accepted(unsigned port, void* cookie) override {
    unit_world::accepted(port, cookie);
    record& r = find(cookie);
    if (r.admitted) fail("a request was admitted twice");
    r.admitted = true;
    r.admission = wheel.now();
    r.lookup = first_lookup_;
    cookies_[last_number_] = reinterpret_cast<std::uint64_t>(cookie);
  }
  bool forward(const dmar::forwarded& piece) override {
    const record& r = find(piece.cookie);
    if (!r.admitted || r.ended) fail("a piece of a request that is not inside");
    if (piece.offset != r.done) fail("a piece out of order");
    if (piece.source != r.access.source) fail("a piece under another source-id");
    remap::dma_access access = r.access;
    access.address += piece.offset;
    if (piece.length == 0 || piece.length > spec::page_piece(access.address, r.length - piece.offset))
      fail("a piece that leaves its page");
    judge(access, r.admission, r.lookup, piece.address, piece.length, piece.interrupt);
    find(piece.cookie).done += piece.length;
    return unit_world::forward(piece);
  }
  bool read_table(unsigned walker, std::uint64_t address, unsigned bytes) override {
    const host::fault_decision what = plan.decide({host::access_class::table_read, address, bytes, now_ps()});
    table_reads.push_back({wheel.now(), walker, address, {}});
    remap::table_words words;
    engine::picoseconds delay = 0;
    const bool ok = memory.read_table(address, bytes, words, delay) && !what.error;
    unit.table_answered(walker, ok, words, now_ps() + delay + what.later);
    return true;
  }
  bool read_descriptor(unsigned tag, std::uint64_t address, unsigned bytes) override {
    const host::fault_decision what =
        plan.decide({host::access_class::queue_fetch, address, bytes, now_ps()});
    dmar::descriptor_words words{};
    for (unsigned word = 0; word < bytes / sizeof(std::uint64_t); ++word)
      words[word] = memory.load(address + sizeof(std::uint64_t) * word);
    if (bytes == 0 || bytes > sizeof(words)) fail("a descriptor of no known width");
    if (!what.withheld_for_good)
      unit.descriptor_answered(tag, !what.error, words, now_ps() + memory.delay() + what.later);
    return true;
  }
  bool write_status(unsigned tag, std::uint64_t address, std::uint32_t data) override {
    const host::fault_decision what =
        plan.decide({host::access_class::status_write, address, sizeof(data), now_ps()});
    if (address % sizeof(data) != 0) fail("status data at an address that is none");
    if (!status_expected(address, data)) fail("a status write that no wait asked for");
    if (!what.error) store_status(address, data);
    if (!what.withheld_for_good) unit.status_answered(tag, !what.error, now_ps() + data_delay + what.later);
    return true;
  }
  bool complete(unsigned port, void* cookie, dmar::completion how) override {
    record& r = find(cookie);
    if (!r.admitted || r.ended) fail("an answer to nobody");
    r.ended = true;
    const std::uint64_t next = r.access.address + r.done;
    if (how == dmar::completion::done && r.done != r.length) fail("done, but not all of it went to memory");
    if (how == dmar::completion::blocked) {
      if (r.done >= r.length) fail("blocked, but all of it went to memory");
      if (r.done != 0 && next % spec::page_size != 0) fail("blocked within a page");
    }
    return unit_world::complete(port, cookie, how);
  }
  void withdraw(std::uint64_t first, std::uint64_t last) override {
    unit_world::withdraw(first, last);
    std::erase_if(grants_, [&](const grant& g) { return g.first <= last && first <= g.last; });
  }

  reach_oracle oracle;
  host::fault_plan plan;
  std::string violation;
  std::uint64_t requests = 0;
  std::uint64_t judged = 0;

private:
  struct record {
    remap::dma_access access{};
    std::uint32_t length = 0;
    std::uint32_t done = 0;
    engine::cycle admission = 0;
    /// Of the piece that is under way: when its last look-up began.
    engine::cycle lookup = 0;
    bool admitted = false;
    bool ended = false;
  };
  struct grant {
    remap::dma_access access;
    std::uint64_t first;
    std::uint64_t last;
    std::uint64_t host;
  };
  /// A drain that was promised, and from when on requests need not be waited for.
  struct drain {
    engine::cycle effective = 0;
    bool reads = false;
    bool writes = false;
  };

  // dmar::unit_observer

  void on_request(const dmar::request_event& told) override {
    if (told.step == dmar::request_step::admitted) {
      last_number_ = told.number;
      first_lookup_ = told.at;
    }
    if (told.step != dmar::request_step::looking_up) return;
    first_lookup_ = told.at;
    const auto found = cookies_.find(told.number);
    if (found != cookies_.end()) requests_[found->second].lookup = told.at;
  }
  void on_command(const dmar::command_event& told) override {
    oracle.on_command(told);
    if (told.what == dmar::unit_command::queued_wait && told.step == dmar::command_step::begun)
      waits_.emplace_back(told.descriptor);
    if (told.step == dmar::command_step::effective) drains_[told.what] = drain_of(told);
    if (told.step != dmar::command_step::ended) return;
    const drain promised = std::exchange(drains_[told.what], {});
    for (const auto& [id, r] : requests_) {
      if (!r.admitted || r.ended || r.admission >= promised.effective) continue;
      if (r.access.kind == remap::access_kind::write ? promised.writes : promised.reads)
        fail("request " + std::to_string(id) + " outlived the drain of a command that ended");
    }
  }
  // What a command waits for before it ends (VT-d 6.5.1.2, 10.4.4, 10.4.16).
  [[nodiscard]] drain drain_of(const dmar::command_event& told) const {
    namespace reg = spec::reg;
    bool reads = false;
    bool writes = false;
    switch (told.what) {
    case dmar::unit_command::translation:
    case dmar::unit_command::protected_memory:
      return {told.at, true, true};
    case dmar::unit_command::iotlb_invalidation: {
      const auto order = unit.registers().read<reg::iotlb>();
      reads = reg::iotlb::dr::get(order) != 0;
      writes = reg::iotlb::dw::get(order) != 0;
      break;
    }
    case dmar::unit_command::queued_invalidation: {
      if (!told.descriptor.is(spec::descriptor_type::iotlb)) return {};
      const spec::iotlb_descriptor descriptor(told.descriptor);
      reads = descriptor.drain_reads();
      writes = descriptor.drain_writes();
      break;
    }
    default:
      return {};
    }
    const auto& caps = unit.config().caps;
    const bool always = caps.major_version() >= 2;
    return {told.at, always || (reads && caps.cap.drd()), always || (writes && caps.cap.dwd())};
  }

  [[nodiscard]] bool status_expected(std::uint64_t address, std::uint32_t data) const {
    return std::any_of(waits_.begin(), waits_.end(), [&](const spec::wait_descriptor& each) {
      return each.status_write() && each.status_address() == address && each.status_data() == data;
    });
  }
  void store_status(std::uint64_t address, std::uint32_t data) {
    const std::uint64_t at = address & ~std::uint64_t{sizeof(std::uint64_t) - 1};
    const unsigned shift = 8 * static_cast<unsigned>(address - at);
    const std::uint64_t others = memory.load(at) & ~(std::uint64_t{0xffffffff} << shift);
    memory.store(at, others | std::uint64_t{data} << shift);
  }
  record& find(void* cookie) { return requests_[reinterpret_cast<std::uint64_t>(cookie)]; }
  void fail(const std::string& what) {
    if (violation.empty()) violation = "cycle " + std::to_string(wheel.now()) + ": " + what;
  }
  void judge(const remap::dma_access& access, engine::cycle admission, engine::cycle start,
             std::uint64_t host, std::uint32_t length, bool interrupt) {
    ++judged;
    if (interrupt) {
      const bool message = access.kind == remap::access_kind::write && length == sizeof(std::uint32_t) &&
                           spec::in_interrupt_range(access.address) && host == access.address;
      if (!message) fail("an interrupt message that is none");
      return;
    }
    if (spec::in_interrupt_range(host) || spec::in_interrupt_range(host + length - 1))
      fail("data into the interrupt range");
    if (!oracle.allows(access, admission, start, host)) {
      fail(to_string(access.source) + " reached " + std::to_string(host) + " from " +
           std::to_string(access.address) + " without a mapping that allows it");
    }
  }

  std::map<std::uint64_t, record> requests_;
  // The number that the unit gave to a request.
  std::map<std::uint64_t, std::uint64_t> cookies_;
  std::uint64_t last_number_ = 0;
  engine::cycle first_lookup_ = 0;
  std::map<dmar::unit_command, drain> drains_;
  std::vector<spec::wait_descriptor> waits_;
  std::vector<grant> grants_;
  std::uint64_t next_id_ = 1;
};

} // namespace vtd::test
