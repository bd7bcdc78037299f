// SPDX-License-Identifier: Apache-2.0
// A second clock, written from docs/microarchitecture.md, the way of requests without a look at src/: it must
// agree with the unit to the cycle over random traffic, tables, caches and times; mistakes of software, of
// memory and of devices in the invalidation queue among it.

#include "conformance/naive_clock.h"
#include "conformance/slow_world.h"
#include "support/queue_driver.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>

namespace vtd::test {
namespace {

std::string text(const naive_clock::moment& what) {
  std::ostringstream out;
  out << "cycle " << what.at << ", number " << what.number << ", address " << std::hex << what.address
      << (what.how == dmar::completion::blocked  ? ", blocked"
          : what.how == dmar::completion::failed ? ", failed"
                                                 : "");
  return out.str();
}

/// Where two diaries differ first, from `begin` on, or nothing; then `begin` is their end.
std::string difference(const char* what, const std::vector<unit_world::event>& real,
                       const std::vector<naive_clock::moment>& naive, std::size_t& begin) {
  for (; begin < std::max(real.size(), naive.size()); ++begin) {
    std::optional<naive_clock::moment> got;
    if (begin < real.size()) got = {real[begin].at, real[begin].id, real[begin].address, real[begin].how};
    const auto expected = begin < naive.size() ? std::optional(naive[begin]) : std::nullopt;
    if (got == expected) continue;
    return std::string(what) + " " + std::to_string(begin) + ": the unit " + (got ? text(*got) : "none") +
           "; expected " + (expected ? text(*expected) : "none");
  }
  return {};
}

using order = naive_clock::order;
using target = naive_clock::order::what;

/// One unit and its second opinion, side by side, cycle by cycle.
struct life {
  explicit life(std::uint64_t seed)
      : random(seed),
        config(random_timing_config(random)), how{seed, 1000 + random() % 30000, 1000 + random() % 60000,
                                                  random() % 2 * 8000, random() % 2 != 0},
        real(config, how, seed % 2 == 0), queue(real) {
    build();
    if (below(8) != 0) {
      real.enable();
    } else {
      real.write_register<spec::reg::rtaddr>(real.tables.root());
      real.write_register<spec::reg::gcmd>(spec::reg::gcmd::srtp::mask);
      real.settle();
    }
    if (config.caps.ecap.qi()) queue.enable();
    real.write_register<spec::reg::iectl>(0);
    real.write_register<spec::reg::fectl>(0);
    real.write_register<spec::reg::fedata>(fault_message);
    if (config.timing.device_timeout < 1000) {
      how.silence = true;
      how.devices = 1000 + below(200000);
    }
    mistakes = below(2) != 0;
    start = real.wheel.now();
    naive = std::make_unique<naive_clock>(config, real.memory, real.tables.root(), how.around());
    naive->translates = naive->tes = real.unit.translation_enabled();
    // A second root table, in which a bus is missing.
    real.memory.store(second_root, real.memory.load(real.tables.root()));
    naive->queue.base = queue_driver::default_base;
    coming.resize(config.ports);
    stands.resize(config.ports);
  }
  std::uint64_t below(std::uint64_t n) { return random() % n; }

  void build() {
    for (std::uint8_t n = 0; n < 5; ++n)
      devices.push_back(spec::source_id::from_bdf(n / 3, n, 0));
    // Two devices of one domain, one of another with tables of any depth, one that passes through, one that
    // is not there.
    real.tables.attach(devices[0], 5, 3);
    real.tables.attach(devices[1], 5, 3, spec::translation_type::untranslated_only,
                       real.tables.context(devices[0]).second_level_table());
    real.tables.attach(devices[2], 6, 2 + static_cast<unsigned>(below(4)));
    real.tables.attach(devices[3], 7, 4, spec::translation_type::pass_through);
    // Three pages in a table, tables in several directories; larger pages.
    for (std::uint64_t page = 0; page < 12; ++page)
      pages.push_back(page % 3 * 0x1000 + page / 3 % 2 * 0x200000 + page / 6 * 0x20000000);
    for (const unsigned n : {0U, 2U}) {
      for (const std::uint64_t iova : pages)
        change(devices[n], iova);
      real.tables.map(devices[n], 0x10000000, 0x40000000, read_write, 2);
      if (n == 0) real.tables.map(devices[n], 0x40000000, 0x80000000, read_only, 3);
    }
    for (std::uint64_t page = 0; page < 3; ++page) {
      pages.push_back(0x10000000 + page * 0x1000);
      pages.push_back(0x40000000 + page * 0x1000);
    }
    pages.push_back(std::uint64_t{1} << 40);
    pages.push_back(spec::interrupt_range_first);
    if (how.errors && below(2) != 0) real.memory.fail(real.tables.entry_of(devices[0], pages[4], 1, false));
    if (how.errors && below(2) != 0) real.memory.fail(real.tables.entry_of(devices[2], pages[4], 2, false));
    if (how.errors && below(8) == 0) real.memory.fail(real.tables.context_entry_of(devices[2]));
    if (how.errors && below(8) == 0) real.memory.fail(real.tables.root_entry_of(devices[3]));
  }
  /// The page goes elsewhere, or nowhere.
  void change(spec::source_id device, std::uint64_t iova) {
    if (below(6) == 0) return real.tables.unmap(device, iova);
    constexpr std::array allowed = {read_write, read_only, write_only, read_write};
    real.tables.map(device, iova, 0x7000000 + below(256) * 0x1000, allowed[below(4)]);
  }

  void traffic(unsigned count) {
    std::uint64_t time = start * unit_world::period;
    const std::uint64_t gap = 1 + below(20000);
    for (unsigned i = 0; i < count; ++i) {
      naive_clock::request out;
      out.id = 1 + i;
      out.source = devices[below(devices.size())].value();
      out.write = below(2) != 0;
      out.address = pages[below(pages.size())] + below(64) * 64;
      out.length = below(8) != 0 ? 64 : static_cast<std::uint32_t>(1 + below(9000));
      time += below(gap);
      out.time = time;
      const auto port = static_cast<unsigned>(below(config.ports));
      naive->comes(port, out);
      coming[port].push_back(out);
    }
    orders_left = below(2) != 0 ? 0 : count / 4;
    commands_left = below(2) != 0 ? 0 : count / 10;
    command_time = start * unit_world::period;
    order_gap = 1 + below(40000);
    order_time = start * unit_world::period + below(order_gap);
  }

  /// Requests that come before the next edge.
  void offer_all() {
    for (; seen_admissions < real.admissions.size(); ++seen_admissions) {
      for (auto& each : stands) {
        if (each == real.admissions[seen_admissions].id) each = 0;
      }
    }
    const std::uint64_t now = real.now_ps();
    for (unsigned port = 0; port < config.ports; ++port) {
      if (stands[port] != 0 || coming[port].empty()) continue;
      const naive_clock::request& next = coming[port].front();
      if (next.time >= now + unit_world::period) continue;
      dmar::request out;
      out.access = {spec::source_id{next.source},
                    next.write ? remap::access_kind::write : remap::access_kind::read,
                    remap::address_type::untranslated, next.address};
      out.length = next.length;
      out.cookie = reinterpret_cast<void*>(next.id); // NOLINT(performance-no-int-to-ptr)
      stands[port] = next.id;
      ASSERT_TRUE(real.unit.offer(port, out, std::max(next.time, now)));
      coming[port].pop_front();
    }
  }

  /// Is no invalidation under way? Software looks at ICC and IVT.
  [[nodiscard]] bool real_order_ended() const {
    namespace reg = spec::reg;
    const auto& registers = real.unit.registers();
    return reg::ccmd::icc::get(registers.read<reg::ccmd>()) == 0 &&
           reg::iotlb::ivt::get(registers.read<reg::iotlb>()) == 0;
  }
  /// Changes a table and orders an invalidation, which need not fit.
  void order_next() {
    const std::uint64_t now = real.now_ps();
    if (orders_left == 0 || !naive->order_ended() || order_time >= now + unit_world::period) return;
    --orders_left;
    if (below(2) != 0) change(devices[below(2) * 2], pages[below(12)]);
    if (below(4) == 0) move_device();
    const std::uint64_t time = std::max(order_time, now);
    order_time = time + below(order_gap);
    if (config.caps.ecap.qi()) return submit(time);
    order it = random_order();
    it.time = time;
    naive->orders(it);
    write(it);
  }
  order random_order() {
    const spec::source_id device = devices[below(devices.size())];
    order it;
    it.removes = static_cast<target>(below(6));
    const bool mine = below(4) != 0;
    it.domain = static_cast<std::uint16_t>(mine ? real.tables.context(device).domain_id() : 5 + below(3));
    it.source = device.value();
    it.function_mask = static_cast<unsigned>(below(4));
    it.any_function = std::array<std::uint16_t, 4>{0, 4, 6, 7}[it.function_mask];
    it.address_mask = static_cast<unsigned>(below(3) == 0 ? below(19) : 0);
    const std::uint64_t count = std::uint64_t{1} << it.address_mask;
    it.first_page = (pages[below(pages.size())] >> 12) & ~(count - 1);
    it.last_page = it.first_page + count - 1;
    it.leaf_only = below(2) != 0;
    it.drains_reads = below(2) != 0;
    it.drains_writes = below(2) != 0;
    return it;
  }
  /// Some descriptors at once.
  void submit(std::uint64_t time) {
    std::vector<naive_clock::descriptor> all(1 + below(4));
    for (naive_clock::descriptor& each : all) {
      each.kind = static_cast<naive_clock::descriptor::what>(below(config.caps.ecap.dt() ? 3 : 2));
      each.removes = random_order();
      each.writes_status = below(4) != 0;
      each.interrupt = below(3) == 0;
      each.fence = below(2) != 0;
      each.data = static_cast<std::uint32_t>(below(1000));
      each.device = devices[below(devices.size())].value();
      each.max_pending = 1 + static_cast<unsigned>(below(3));
      each.address = 0xb00000 + 0x1000 * below(32);
      each.address_mask = static_cast<unsigned>(below(4));
      each.wrong = mistakes && below(20) == 0;
      if (mistakes && below(40) == 0) how.broken.insert(queue.base() + queue.tail());
      if (mistakes && below(30) == 0) how.broken.insert(each.address);
      queue.push(described(each));
    }
    submitted = true;
    naive->queue.submits(all, time);
    real.unit.write_register(real.unit.registers().offset_of<spec::reg::iqt>(), 8, queue.tail(), time);
  }
  static spec::invalidation_descriptor described(const naive_clock::descriptor& what) {
    if (what.wrong) return {};
    if (what.kind == naive_clock::descriptor::what::device) {
      return spec::device_tlb_descriptor{}
          .set_source(spec::source_id{what.device})
          .set_max_pending(what.max_pending)
          .set_range(what.address, what.address_mask);
    }
    if (what.kind == naive_clock::descriptor::what::wait) {
      return spec::wait_descriptor{}
          .set_status_write(what.writes_status)
          .set_interrupt(what.interrupt)
          .set_fence(what.fence)
          .set_status_address(what.address)
          .set_status_data(what.data);
    }
    const order& it = what.removes;
    const auto granularity = static_cast<std::uint64_t>(it.removes) % 3 + 1;
    if (it.removes <= target::context) {
      return spec::context_cache_descriptor{}
          .set_granularity(static_cast<spec::context_granularity>(granularity))
          .set_domain_id(it.domain)
          .set_source(spec::source_id{it.source})
          .set_function_mask(it.function_mask);
    }
    return spec::iotlb_descriptor{}
        .set_granularity(static_cast<spec::iotlb_granularity>(granularity))
        .set_domain_id(it.domain)
        .set_address(it.first_page << 12)
        .set_address_mask(it.address_mask)
        .set_hint(it.leaf_only)
        .set_drain_reads(it.drains_reads)
        .set_drain_writes(it.drains_writes);
  }
  /// The second device goes over to the domain of the third, or back.
  void move_device() {
    const std::uint16_t domain = real.tables.context(devices[1]).domain_id() == 5 ? 6 : 5;
    real.tables.set_context(devices[1], real.tables.context(devices[domain == 5 ? 0 : 2]));
  }
  void write(const order& it) {
    namespace reg = spec::reg;
    const auto to = [&](auto offset, std::uint64_t value) {
      real.unit.write_register(offset, 8, value, it.time);
    };
    const auto& registers = real.unit.registers();
    const auto granularity = static_cast<std::uint64_t>(it.removes) % 3 + 1;
    if (it.removes <= target::context) {
      to(registers.offset_of<reg::ccmd>(), reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(granularity) |
                                               reg::ccmd::did::of(it.domain) | reg::ccmd::sid::of(it.source) |
                                               reg::ccmd::fm::of(it.function_mask));
      return;
    }
    to(registers.offset_of<reg::iva>(), reg::iva::addr::of(it.first_page) |
                                            reg::iva::am::of(it.address_mask) |
                                            reg::iva::ih::of(it.leaf_only ? 1 : 0));
    to(registers.offset_of<reg::iotlb>(),
       reg::iotlb::ivt::of(1) | reg::iotlb::iirg::of(granularity) | reg::iotlb::did::of(it.domain) |
           reg::iotlb::dr::of(it.drains_reads ? 1 : 0) | reg::iotlb::dw::of(it.drains_writes ? 1 : 0));
  }

  void command_next() {
    namespace reg = spec::reg;
    using what = naive_clock::command::what;
    const std::uint64_t now = real.now_ps();
    if (commands_left == 0 || !naive->command_ended() || command_time >= now + unit_world::period) return;
    --commands_left;
    naive_clock::command it;
    it.changes = static_cast<what>(below(3));
    it.on = !naive->tes;
    it.root = below(2) != 0 ? real.tables.root() : second_root;
    it.time = std::max(command_time, now);
    command_time = it.time + below(100000);
    const auto& registers = real.unit.registers();
    const auto to = [&](auto offset, unsigned bytes, std::uint64_t value) {
      real.unit.write_register(offset, bytes, value, it.time);
    };
    bool te = naive->tes;
    std::uint32_t bits = config.caps.ecap.qi() ? reg::gcmd::qie::mask : 0;
    if (it.changes == what::translation) te = it.on;
    if (it.changes == what::root_table) {
      to(registers.offset_of<reg::rtaddr>(), 8, it.root);
      bits |= reg::gcmd::srtp::mask;
    }
    if (it.changes == what::write_buffer) bits |= reg::gcmd::wbf::mask;
    if (te) bits |= reg::gcmd::te::mask;
    naive->commands(it);
    to(registers.offset_of<reg::gcmd>(), 4, bits);
  }

  /// Software sees that a wait is over.
  void clear_wait() {
    if (!config.caps.ecap.qi() || !naive->queue.iwc || below(8) != 0) return;
    real.write_register<spec::reg::ics>(spec::reg::ics::iwc::mask);
    naive->queue.iwc = false;
  }

  /// Software writes a wrong tail, or looks at FSTS, mends what it finds (or not), and clears some of it.
  void meet_errors() {
    namespace reg = spec::reg;
    naive_queue& it = naive->queue;
    if (!config.caps.ecap.qi() || submitted) return;
    if (mistakes && below(500) == 0) {
      real.write_register<reg::iqt>(spec::queue_bytes(0) + 16 * below(100));
      return it.gets_wrong_tail(real.now_ps());
    }
    const bool any = it.errors.iqe || it.errors.ite || it.errors.ice || it.has_wrong_tail();
    if (!any || below(16) != 0) return;
    if (below(8) != 0) {
      if (it.errors.iqe && !it.is_empty()) mend(it.head());
      queue.ring();
      it.gets_good_tail(real.now_ps());
    }
    const auto bits = static_cast<std::uint32_t>(below(8)) << reg::fsts::iqe::lsb;
    real.write_register<reg::fsts>(bits);
    it.errors.iqe = it.errors.iqe && (bits & reg::fsts::iqe::mask) == 0;
    it.errors.ice = it.errors.ice && (bits & reg::fsts::ice::mask) == 0;
    it.errors.ite = it.errors.ite && (bits & reg::fsts::ite::mask) == 0;
  }
  void mend(std::size_t index) {
    naive_clock::descriptor what = naive->queue.at(index);
    const std::uint64_t offset = 16 * (index % 256);
    how.broken.erase(queue.base() + offset);
    how.broken.erase(what.address);
    what.wrong = false;
    naive->queue.mend(index, what);
    queue.put(offset, described(what));
  }
  /// FSTS as far as the queue goes, and the messages of both events.
  [[nodiscard]] std::string errors_differ(std::uint64_t now) {
    namespace reg = spec::reg;
    const naive_status& errors = naive->queue.errors;
    constexpr std::uint32_t of_queue = reg::fsts::iqe::mask | reg::fsts::ice::mask | reg::fsts::ite::mask;
    const std::uint32_t status = real.unit.registers().read<reg::fsts>() & of_queue;
    const std::uint32_t expected = reg::fsts::iqe::of(errors.iqe ? 1 : 0) |
                                   reg::fsts::ice::of(errors.ice ? 1 : 0) |
                                   reg::fsts::ite::of(errors.ite ? 1 : 0);
    if (status != expected)
      return "FSTS is " + std::to_string(status) + ", expected " + std::to_string(expected);
    for (; seen_messages < real.messages.size(); ++seen_messages)
      ++(real.messages[seen_messages].second.data == fault_message ? of_faults : of_waits);
    const auto sent = [&](const std::vector<std::uint64_t>& all) {
      return std::count_if(all.begin(), all.end(), [&](std::uint64_t at) { return at <= now; });
    };
    if (of_faults == sent(errors.messages) && of_waits == sent(naive->queue.messages)) return {};
    return std::to_string(of_faults) + " and " + std::to_string(of_waits) + " messages, expected " +
           std::to_string(sent(errors.messages)) + " and " + std::to_string(sent(naive->queue.messages));
  }

  [[nodiscard]] std::string differs(std::uint64_t now) {
    for (; faults.size() < real.faults.size();) {
      const dmar::fault_report& next = real.faults[faults.size()];
      faults.push_back(
          {next.when, next.access.source.value(), next.access.address, dmar::completion::blocked});
    }
    while (due_faults.size() < naive->faults.size() && naive->faults[due_faults.size()].at <= now)
      due_faults.push_back(naive->faults[due_faults.size()]);
    std::string out = difference("admission", real.admissions, naive->admissions, compared[0]);
    if (out.empty()) out = difference("table read", real.table_reads, naive->table_reads, compared[1]);
    if (out.empty()) out = difference("forward", real.forwards, naive->forwards, compared[2]);
    if (out.empty()) out = difference("response", real.responses, naive->responses, compared[3]);
    if (out.empty()) out = difference("fault", faults, due_faults, compared[4]);
    if (out.empty())
      out = difference("descriptor read", real.descriptor_reads, naive->queue.descriptor_reads, compared[5]);
    if (out.empty())
      out = difference("status write", real.status_writes, naive->queue.status_writes, compared[6]);
    if (out.empty())
      out = difference("device request", real.device_requests, naive->queue.device_requests, compared[7]);
    if (out.empty() && queue.head() != naive->queue.head() % 256 * 16)
      out =
          "IQH is " + std::to_string(queue.head()) + ", expected " + std::to_string(naive->queue.head() * 16);
    if (out.empty() && config.caps.ecap.qi() &&
        (real.unit.registers().read<spec::reg::ics>() != 0) != naive->queue.iwc)
      out = naive->queue.iwc ? "IWC is not set" : "IWC is set";
    const std::uint32_t status = real.unit.registers().read<spec::reg::gsts>();
    const std::uint32_t expected = spec::reg::gsts::tes::of(naive->tes ? 1 : 0) |
                                   spec::reg::gsts::rtps::of(naive->rtps ? 1 : 0) |
                                   spec::reg::gsts::wbfs::of(naive->wbfs ? 1 : 0) |
                                   spec::reg::gsts::qies::of(config.caps.ecap.qi() ? 1 : 0);
    if (out.empty() && status != expected)
      out = "GSTS is " + std::to_string(status) + ", expected " + std::to_string(expected);
    if (out.empty()) out = errors_differ(now);
    if (out.empty() && real_order_ended() != naive->order_ended())
      out = naive->order_ended() ? "the invalidation has not ended" : "the invalidation has ended";
    return out;
  }

  void run() {
    for (std::uint64_t now = start + 1;; ++now) {
      real.deliver();
      offer_all();
      order_next();
      command_next();
      clear_wait();
      meet_errors();
      submitted = false;
      real.run_to(now);
      naive->step(now);
      ASSERT_EQ(differs(now), "") << "in cycle " << now;
      if (naive->idle() && orders_left == 0 && naive->order_ended() && naive->queue.at_rest() &&
          naive->command_ended() && commands_left == 0)
        break;
      ASSERT_LT(now, start + 1000000);
    }
  }

  std::mt19937_64 random;
  dmar::unit_config config;
  slowness how;
  slow_world real;
  queue_driver queue;
  std::unique_ptr<naive_clock> naive;
  std::uint64_t start = 0;
  std::vector<spec::source_id> devices;
  std::vector<std::uint64_t> pages;
  std::vector<std::deque<naive_clock::request>> coming;
  std::vector<std::uint64_t> stands;
  std::size_t seen_admissions = 0;
  std::array<std::size_t, 8> compared{};
  std::vector<unit_world::event> faults;
  std::vector<naive_clock::moment> due_faults;
  std::uint64_t orders_left = 0;
  std::uint64_t commands_left = 0;
  std::uint64_t command_time = 0;
  static constexpr std::uint64_t second_root = 0xc00000;
  std::uint64_t order_time = 0;
  std::uint64_t order_gap = 1;
  static constexpr std::uint32_t fault_message = 0x41;
  // Descriptors, memory of the queue and tails are wrong now and then.
  bool mistakes = false;
  bool submitted = false;
  std::size_t seen_messages = 0;
  std::ptrdiff_t of_faults = 0;
  std::ptrdiff_t of_waits = 0;
};

TEST(naive_time, agrees_with_the_unit_to_the_cycle_over_random_traffic) {
  decltype(naive_clock::counts) sum;
  std::size_t faults = 0;
  std::size_t failed = 0;
  std::size_t descriptors = 0;
  std::size_t status_writes = 0;
  std::size_t messages = 0;
  std::size_t devices = 0;
  std::size_t throttled = 0;
  std::array<std::size_t, 6> errors{};
  for (std::uint64_t seed = 1; seed <= 1500; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    life one(seed);
    one.traffic(100);
    one.run();
    if (testing::Test::HasFatalFailure()) return;
    const auto& counts = one.naive->counts;
    sum.joined += counts.joined;
    sum.waited_for_walker += counts.waited_for_walker;
    sum.poisoned += counts.poisoned;
    sum.waited_for_slot += counts.waited_for_slot;
    sum.drained += counts.drained;
    sum.further_pieces += counts.further_pieces;
    sum.found_by_walk += counts.found_by_walk;
    sum.forbidden += counts.forbidden;
    faults += one.naive->faults.size();
    descriptors += one.naive->queue.descriptor_reads.size();
    status_writes += one.naive->queue.status_writes.size();
    messages += one.naive->queue.messages.size();
    devices += one.naive->queue.device_requests.size();
    throttled += one.naive->queue.throttled;
    sum.commands += counts.commands;
    const naive_queue& queue = one.naive->queue;
    const std::array<std::size_t, 6> now = {queue.wrong,   queue.lost_status,
                                            queue.late,    queue.unexpected,
                                            queue.dropped, queue.errors.messages.size()};
    for (std::size_t i = 0; i < now.size(); ++i)
      errors[i] += now[i];
    for (const naive_clock::moment& each : one.naive->responses)
      failed += each.how == dmar::completion::failed ? 1 : 0;
  }
  for (const std::size_t each :
       {std::size_t{sum.joined}, std::size_t{sum.waited_for_walker}, std::size_t{sum.poisoned},
        std::size_t{sum.waited_for_slot}, std::size_t{sum.drained}, std::size_t{sum.further_pieces},
        std::size_t{sum.found_by_walk}, std::size_t{sum.forbidden}, faults, failed, descriptors,
        status_writes, messages, devices, throttled, std::size_t{sum.commands}})
    EXPECT_GT(each, 500U) << "all of it happens";
  for (const std::size_t each : errors)
    EXPECT_GT(each, 200U) << "all of it goes wrong";
}

/// Tables at the speed that the naive clock thinks they have.
struct slow_tables final : remap::memory_port {
  slow_tables(fake_memory& what, const slowness& how) : memory(what), how_slow(how) {}
  bool read_table(std::uint64_t address, unsigned bytes, remap::table_words& out,
                  engine::picoseconds& delay) override {
    memory.set_delay(how_slow.table(address));
    return memory.read_table(address, bytes, out, delay);
  }
  fake_memory& memory;
  const slowness& how_slow;
};

TEST(naive_time, agrees_with_what_the_loosely_timed_path_annotates) {
  std::size_t walked = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    life one(seed);
    // A turn at the memory port is not annotated.
    one.config.timing.memory_interval = 1;
    one.how.busy = 0;
    slow_tables tables(one.real.memory, one.how);
    std::uint64_t now = one.start;
    for (std::uint64_t id = 1; id <= 100; ++id) {
      if (one.below(8) == 0) one.change(one.devices[one.below(2) * 2], one.pages[one.below(12)]);
      dmar::request piece;
      piece.access = {one.devices[one.below(one.devices.size())],
                      one.below(2) != 0 ? remap::access_kind::write : remap::access_kind::read,
                      remap::address_type::untranslated, one.pages[one.below(one.pages.size())]};
      piece.length = 64;
      const std::uint64_t time = now * unit_world::period + one.below(unit_world::period);
      one.real.run_to(now);
      const auto passed = one.real.unit.pass(piece, tables, time);
      one.naive->comes(0, {id, piece.access.source.value(), piece.access.kind == remap::access_kind::write,
                           piece.access.address, piece.length, time});
      while (!one.naive->idle())
        one.naive->step(++now);
      const naive_clock::moment& ended = one.naive->responses.back();
      const bool blocked = ended.how == dmar::completion::blocked;
      ASSERT_EQ(passed.leads == dmar::pipeline::passage::way::blocked, blocked) << "request " << id;
      ASSERT_EQ(passed.leaves, (blocked ? ended.at : one.naive->forwards.back().at) * unit_world::period)
          << "request " << id;
      if (!blocked) {
        ASSERT_EQ(passed.address, one.naive->forwards.back().address) << "request " << id;
      }
      if (passed.read_tables) ++walked;
    }
    ASSERT_EQ(one.real.memory.reads.size(), one.naive->table_reads.size());
  }
  EXPECT_GT(walked, 3000U);
}

} // namespace
} // namespace vtd::test
