// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/ats_devices.h"
#include "support/reach_oracle.h"
#include "support/region_oracle.h"
#include "support/unit_world.h"
#include "vtd/host/fault_plan.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace vtd::test {

/// How the devices of a watched world complete invalidations.
enum class device_mood : std::uint8_t { prompt, late, silent, wrong };

/// A unit whose every step towards memory, and every answer to a device, is judged by `reach_oracle`, and
/// whose memory and devices may err. `violation` names the first rule that did not hold.
class watched_world final : public unit_world, private dmar::unit_observer {
public:
  explicit watched_world(const dmar::unit_config& config)
      : unit_world(config), oracle(unit.config()), regions(unit.config(), unit.registers()), plan(1) {
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
    enter({who, kind, remap::address_type::untranslated, address}, length, port);
  }
  /// A device asks for a translation; what it is told it keeps.
  void question(spec::source_id who, std::uint64_t address, unsigned port) {
    const remap::dma_access access{who, remap::access_kind::read, remap::address_type::translation_request,
                                   address};
    if (const auto id = enter(access, spec::ats::translation_bytes, port)) devices.asked(*id, who, address);
  }
  /// As if the unit had answered so, now; the judge has to see what is wrong with it.
  void tell_for_test(spec::source_id who, std::uint64_t address, spec::ats::translation with) {
    const engine::cycle next = wheel.now() + 1;
    judge_answer({who, remap::access_kind::read, remap::address_type::translation_request, address}, next,
                 next, with);
  }
  /// As if the unit had told of this command; the judge has to see what is wrong with it.
  void tell_for_test(const dmar::command_event& told) { on_command(told); }
  /// A request of 64 bytes from arrival to response, alone; `address` of the answer: where it went.
  event alone(spec::source_id who, remap::access_kind kind, std::uint64_t address) {
    request(who, kind, address, 64, 0);
    settle();
    event last = responses.empty() ? event{} : responses.back();
    last.address = last.how == dmar::completion::done && !forwards.empty() ? forwards.back().address : 0;
    return last;
  }
  /// A request that the device says to be translated; `host`: what it was told, or anything.
  void translated(spec::source_id who, remap::access_kind kind, std::uint64_t host, std::uint32_t length,
                  unsigned port) {
    if (const auto id = enter({who, kind, remap::address_type::translated, host}, length, port))
      devices.used(*id, who);
  }
  /// A page's worth of a request that passes at once.
  void pass(const remap::dma_access& access, std::uint32_t length) {
    oracle.knows(access.source);
    ++requests;
    dmar::request piece;
    piece.access = access;
    piece.length = spec::page_piece(access.address, length);
    const auto foreseen = unit.probe(piece, memory);
    const auto told = unit.probe_translation(piece, memory);
    const auto inside = unit.enter(access.kind == remap::access_kind::write);
    const auto way = unit.pass(piece, inside, memory, now_ps());
    unit.leave(inside, now_ps());
    using leads = dmar::pipeline::passage::way;
    const engine::cycle next = wheel.now() + 1;
    if (way.leads == leads::memory) {
      judge(access, next, next, way.address, piece.length, false);
      if (foreseen != way.address) fail("a debug access would have gone elsewhere");
    } else if (way.leads == leads::blocked && foreseen) {
      fail("a debug access would have gone where a real one is blocked");
    }
    if (way.leads == leads::answered) {
      judge_answer(access, next, next, {way.address});
      if (!told || told->value != way.address) fail("a debug access would have been told something else");
    }
  }
  /// A request that passes at once in pieces, with anything between them: it comes now, and keeps the setting
  /// of TE.
  void begin_pass(const remap::dma_access& access, std::uint32_t length) {
    oracle.knows(access.source);
    ++requests;
    passing_.push_back(
        {access, length, 0, wheel.now(), unit.enter(access.kind == remap::access_kind::write)});
  }
  [[nodiscard]] std::size_t passing() const { return passing_.size(); }
  /// The next piece of one of them; it leaves with the last, or one that ends in the unit.
  void pass_next(std::size_t which) {
    using leads = dmar::pipeline::passage::way;
    const auto one = passing_.begin() + static_cast<std::ptrdiff_t>(which % passing_.size());
    dmar::request piece;
    piece.access = one->access;
    piece.access.address += one->done;
    piece.length = spec::page_piece(piece.access.address, one->length - one->done);
    if (one->ended_by_reset) {
      if (unit.inside(one->inside) || unit.leave(one->inside, now_ps()))
        fail("a request at once outlived a reset");
      passing_.erase(one);
      return;
    }
    if (!unit.inside(one->inside)) fail("a request at once was forgotten");
    const auto way = unit.pass(piece, one->inside, memory, now_ps());
    if (way.leads == leads::memory)
      judge(piece.access, one->admission, wheel.now() + 1, way.address, piece.length, false);
    one->done += piece.length;
    if (way.leads == leads::memory && one->done < one->length) return;
    if (!unit.leave(one->inside, now_ps())) fail("a request at once was forgotten");
    passing_.erase(one);
  }
  /// TE as software sets it, with the queue as it is.
  void set_translation(bool on) {
    namespace reg = spec::reg;
    const auto status = read_register<reg::gsts>();
    write_register<reg::gcmd>((on ? reg::gcmd::te::mask : 0U) |
                              (reg::gsts::qies::get(status) != 0 ? reg::gcmd::qie::mask : 0U));
  }
  /// The advanced fault log as software sets it up, with TE and the queue as they are.
  void set_log(std::uint64_t address, unsigned size, bool on) {
    namespace reg = spec::reg;
    write_register<reg::aflog>(address | reg::aflog::fls::of(size));
    const auto kept = read_register<reg::gsts>() & (reg::gsts::tes::mask | reg::gsts::qies::mask);
    write_register<reg::gcmd>(kept | reg::gcmd::sfl::mask | (on ? reg::gcmd::eafl::mask : 0U));
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
    while (!passing_.empty())
      pass_next(0);
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
    find(piece.cookie).in_memory_until = wheel.now() + data_delay / period;
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
    const spec::invalidation_descriptor fetched{words[0], words[1]};
    if (!what.error && fetched.is(spec::descriptor_type::wait)) waits_.emplace_back(fetched);
    if (!what.withheld_for_good)
      unit.descriptor_answered(tag, !what.error, words, now_ps() + memory.delay() + what.later);
    return true;
  }
  bool write_status(unsigned tag, std::uint64_t address, std::uint32_t data) override {
    const host::fault_decision what =
        plan.decide({host::access_class::status_write, address, sizeof(data), now_ps()});
    if (address % sizeof(data) != 0) fail("status data at an address that is none");
    if (!take_wait(address, data)) fail("a status write that no wait asked for");
    ++status_writes_judged;
    if (!what.error) store_status(address, data);
    if (!what.withheld_for_good) unit.status_answered(tag, !what.error, now_ps() + data_delay + what.later);
    return true;
  }
  void answer(void* cookie, spec::ats::translation with) override {
    record& r = find(cookie);
    if (!r.admitted || r.ended || r.answered) fail("an answer to nobody");
    r.answered = true;
    judge_answer(r.access, r.admission, r.lookup, with);
    devices.answered(reinterpret_cast<std::uint64_t>(cookie), with);
    unit_world::answer(cookie, with);
  }
  bool read_log(unsigned tag, std::uint64_t address) override {
    if (!regions.in_log(address, sizeof(spec::fault_log_record))) fail("a fault record outside the log");
    const spec::fault_log_record there{memory.load(address), memory.load(address + sizeof(std::uint64_t))};
    log_place_ = there.pending() ? std::nullopt : std::optional(address);
    return unit_world::read_log(tag, address);
  }
  bool write_log(unsigned tag, std::uint64_t address, const spec::fault_log_record& what) override {
    ++log_writes_judged;
    // The log may have moved since; a place is free for one record.
    if (std::exchange(log_place_, std::nullopt) != address) fail("a fault record where none was found free");
    return unit_world::write_log(tag, address, what);
  }
  void invalidate_device(const spec::ats::invalidation_request& what) override {
    invalidations.emplace_back(wheel.now(), what);
    devices.invalidate(what);
    complete_invalidations();
  }
  bool complete(unsigned port, void* cookie, dmar::completion how) override {
    record& r = find(cookie);
    if (!r.admitted || r.ended) fail("an answer to nobody");
    r.ended = true;
    if (how == dmar::completion::done && wheel.now() < r.in_memory_until)
      fail("done, but memory has not answered");
    const std::uint64_t next = r.access.address + r.done;
    if (r.access.type == remap::address_type::translation_request) {
      if (r.done != 0) fail("a translation request in memory");
      if ((how == dmar::completion::done) != r.answered) fail("a translation request without its answer");
    } else if (how == dmar::completion::done && r.done != r.length) {
      fail("done, but not all of it went to memory");
    }
    devices.ended(reinterpret_cast<std::uint64_t>(cookie));
    complete_invalidations();
    if (how == dmar::completion::blocked && r.access.type != remap::address_type::translation_request) {
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
  region_oracle regions;
  host::fault_plan plan;
  ats_devices devices;
  device_mood mood = device_mood::prompt;
  std::string violation;
  std::uint64_t requests = 0;
  std::uint64_t judged = 0;
  std::uint64_t answers_judged = 0;
  std::uint64_t judged_with_regions = 0;
  std::uint64_t log_writes_judged = 0;
  std::uint64_t status_writes_judged = 0;
  /// Invalidations that had to wait for a request: one of a kind that they drain was in memory.
  std::uint64_t drains_under_load = 0;

private:
  struct record {
    remap::dma_access access{};
    std::uint32_t length = 0;
    std::uint32_t done = 0;
    engine::cycle admission = 0;
    /// Of the piece that is under way: when its last look-up began.
    engine::cycle lookup = 0;
    /// Memory answers the last piece that left for it then.
    engine::cycle in_memory_until = 0;
    bool admitted = false;
    bool answered = false;
    bool ended = false;
  };
  struct passing_request {
    remap::dma_access access{};
    std::uint32_t length = 0;
    std::uint32_t done = 0;
    engine::cycle admission = 0;
    dmar::pipeline::admission inside{};
    bool ended_by_reset = false;
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
    [[nodiscard]] bool covers(remap::access_kind kind, engine::cycle admission) const {
      return admission < effective && (kind == remap::access_kind::write ? writes : reads);
    }
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
  void on_device_invalidation(const dmar::device_invalidation_event& told) override {
    const std::uint32_t tag = std::uint32_t{1} << told.what.tag;
    switch (told.step) {
    case dmar::device_step::requested:
      if ((open_tags_ & tag) != 0) fail("a tag that is not free");
      open_tags_ |= tag;
      break;
    case dmar::device_step::completed:
      // One that came too late may count for the next request of its tag: nobody could tell.
      if (completions_[told.what.tag]-- == 0) fail("a device did not complete what it is said to have");
      open_tags_ &= ~tag;
      break;
    case dmar::device_step::timed_out:
      open_tags_ &= ~tag;
      break;
    case dmar::device_step::unexpected:
      break;
    }
  }
  void on_reset(engine::cycle at) override {
    open_tags_ = 0;
    drains_.clear();
    waits_.clear();
    log_place_.reset();
    devices.reset();
    oracle.reset(at);
    regions.reset();
    for (passing_request& each : passing_)
      each.ended_by_reset = true;
  }
  void on_command(const dmar::command_event& told) override {
    oracle.on_command(told);
    regions.on_command(told);
    if (told.what == dmar::unit_command::queued_wait && told.step == dmar::command_step::begun) {
      // VT-d 6.5.2.8: it stands for all that is ahead of it; what is behind may begin, if it is no fence.
      if (open_tags_ != 0) fail("a wait did not wait for a device");
    }
    if (told.step == dmar::command_step::effective) {
      drains_[told.what] = drain_of(told);
      count_load(told.what);
    }
    if (told.step != dmar::command_step::ended) return;
    // The queue comes to rest before it is off: what was fetched is over or forgotten.
    if (told.what == dmar::unit_command::invalidation_queue) waits_.clear();
    const drain promised = std::exchange(drains_[told.what], {});
    for (const auto& [id, r] : requests_) {
      if (!r.admitted || (r.ended && r.in_memory_until <= told.at)) continue;
      if (promised.covers(r.access.kind, r.admission))
        fail("request " + std::to_string(id) + " outlived the drain of a command that ended");
    }
    for (const passing_request& each : passing_) {
      if (!each.ended_by_reset && promised.covers(each.access.kind, each.admission))
        fail("a request at once outlived the drain of a command that ended");
    }
  }
  void count_load(dmar::unit_command what) {
    using enum dmar::unit_command;
    if (what != iotlb_invalidation && what != queued_invalidation) return;
    const drain& promised = drains_[what];
    const bool loaded = std::any_of(requests_.begin(), requests_.end(), [&](const auto& each) {
      const record& r = each.second;
      return r.admitted && !r.ended && r.in_memory_until > promised.effective &&
             promised.covers(r.access.kind, r.admission);
    });
    drains_under_load += loaded ? 1U : 0U;
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

  // A request stands at a port; no number where the port is taken.
  std::optional<std::uint64_t> enter(const remap::dma_access& access, std::uint32_t length, unsigned port) {
    oracle.knows(access.source);
    const std::uint64_t id = next_id_++;
    ++requests;
    dmar::request what;
    what.access = access;
    what.length = length;
    what.cookie = reinterpret_cast<void*>(id); // NOLINT(performance-no-int-to-ptr): the cookie is opaque
    if (!unit.offer(port, what, now_ps())) return {};
    requests_[id] = {access, length};
    return id;
  }
  void complete_invalidations() {
    for (spec::ats::invalidation_completion each : devices.take_completed()) {
      if (mood == device_mood::silent) continue;
      if (mood == device_mood::wrong) each.tags = std::rotl(each.tags, 1);
      ++completions_[static_cast<unsigned>(std::countr_zero(each.tags))];
      unit.device_completed(each, now_ps() + (mood == device_mood::late ? 40 : 1) * data_delay);
    }
  }

  // The queue takes waits in their order: those ahead of the one that is over will not be over any more, and
  // each writes once.
  bool take_wait(std::uint64_t address, std::uint32_t data) {
    const auto found = std::find_if(waits_.begin(), waits_.end(), [&](const spec::wait_descriptor& each) {
      return each.status_write() && each.status_address() == address && each.status_data() == data;
    });
    if (found == waits_.end()) return false;
    waits_.erase(waits_.begin(), found + 1);
    return true;
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
    if (!regions.allows(access, oracle.enabled_at(admission), admission, host, length))
      fail(to_string(access.source) + " reached protected memory at " + std::to_string(host));
    judged_with_regions += regions.in_force() ? 1U : 0U;
    if (!oracle.allows(access, admission, start, host)) {
      fail(to_string(access.source) + " reached " + std::to_string(host) + " from " +
           std::to_string(access.address) + " without a mapping that allows it");
    }
  }

  // A translation for a device: each right that it grants, at both ends of the range that it covers.
  void judge_answer(const remap::dma_access& access, engine::cycle admission, engine::cycle start,
                    spec::ats::translation with) {
    ++answers_judged;
    if (access.type != remap::address_type::translation_request) fail("a translation nobody asked for");
    if (!with.granted()) return;
    if (with.untranslated_only()) {
      if (!spec::in_interrupt_range(access.address)) fail("a page of memory that is not to be translated");
      return;
    }
    const std::uint64_t inside = spec::low_bits(with.page_mask() + spec::page_shift);
    for (const bool write : {false, true}) {
      if (!(write ? with.write() : with.read())) continue;
      for (const std::uint64_t at : {std::uint64_t{0}, inside}) {
        remap::dma_access one = access;
        one.kind = write ? remap::access_kind::write : remap::access_kind::read;
        one.address = (access.address & ~inside) | at;
        if (!oracle.allows(one, admission, start, (with.address() & ~inside) | at))
          fail(to_string(access.source) + " was told a translation of " + std::to_string(one.address) +
               " that no mapping allows");
      }
    }
  }

  std::map<std::uint64_t, record> requests_;
  // Of requests to devices: open as the unit says; how often devices completed one of this tag.
  std::uint32_t open_tags_ = 0;
  std::array<std::uint64_t, spec::ats::tags> completions_{};
  // Of the advanced fault log: the place that was read last, if it is free.
  std::optional<std::uint64_t> log_place_;
  // The number that the unit gave to a request.
  std::map<std::uint64_t, std::uint64_t> cookies_;
  std::uint64_t last_number_ = 0;
  engine::cycle first_lookup_ = 0;
  std::map<dmar::unit_command, drain> drains_;
  // As the unit fetched them from the queue.
  std::vector<spec::wait_descriptor> waits_;
  std::vector<grant> grants_;
  std::vector<passing_request> passing_;
  std::uint64_t next_id_ = 1;
};

} // namespace vtd::test
