// SPDX-License-Identifier: Apache-2.0
// What stops the invalidation queue, where it stands then, what is not done while the error stands, and what
// software's clearing does: once more, from VT-d 6.5.2, 10.4.9 and 10.4.21 to 10.4.29, over random queues,
// mistakes and repairs, on parts that tell the cause and parts that do not.
//
// The specification leaves open, and the naive queue chooses as docs/dmar.md says:
// - which of two mistakes is told: that of the root table's mode, then of the width, then IQT beyond the end,
//   then IQT in the middle of a descriptor; of a descriptor its type goes before its reserved fields;
// - the cause of a status that could not be written (none), and that the wait is done again;
// - a status address beyond the host's memory counts as a reserved field of the wait;
// - reserved bits of IQA and IQT, and IQA.DW and RTADDR.TTM of parts without those modes, read 0 and are no
// error;
// - a write of IQA while the queue is on is dropped; while it is off it sets IQT to 0, or does not;
// - scalable mode and the mode that aborts all DMA are not built: with wide descriptors they are a wrong
//   mode.

#include "support/queue_scene.h"

#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <random>
#include <set>
#include <string>

namespace vtd::test {
namespace {

namespace reg = spec::reg;

constexpr std::uint64_t bits(unsigned high, unsigned low) {
  return (~std::uint64_t{0} >> (63 - high)) & (~std::uint64_t{0} << low);
}
constexpr unsigned field_of(std::uint64_t word, unsigned high, unsigned low) {
  return static_cast<unsigned>((word & bits(high, low)) >> low);
}

/// IQEI.
enum class cause : std::uint8_t { not_told, tail, fetch, type, reserved, width, alignment, mode };

struct naive_words {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  // Bits 255:128 of a wide one.
  std::uint64_t upper = 0;
};

/// What is cached of the one page that is looked at.
enum class held : std::uint8_t { no, yes, who_knows };

/// The registers of the queue, what it has done, and how it goes on.
struct naive_machine {
  const remap::capabilities& caps;
  const fake_memory& memory;
  // IQERCD is there.
  bool of_revision_3 = false;
  bool address_clears = false;

  bool on = false;
  std::uint64_t address = 0; // IQA
  std::uint64_t head = 0;
  std::uint64_t tail = 0;
  unsigned mode = 0; // TTM as SRTP took it over
  bool iqe = false;
  bool iwc = false;
  cause why = cause::not_told;
  // Every try, in order.
  std::vector<std::pair<std::uint64_t, std::uint32_t>> status{};
  held page = held::no;
  std::uint64_t device_requests = 0;
  std::array<unsigned, 8> errors{};
  unsigned again = 0;

  [[nodiscard]] std::uint64_t base() const { return address & bits(63, 12); }
  [[nodiscard]] std::uint64_t size() const { return std::uint64_t{4096} << field_of(address, 2, 0); }
  [[nodiscard]] bool wide() const { return field_of(address, 11, 11) != 0; }
  [[nodiscard]] std::uint64_t step() const { return wide() ? 32 : 16; }
  // IQA.DW and RTADDR.TTM are there.
  [[nodiscard]] bool may_be_wide() const { return caps.ecap.smts() || caps.ecap.adms(); }

  // --- Software

  void write_address(std::uint64_t value) {
    if (on) return;
    address = value & (bits(63, 12) | bits(2, 0) | (may_be_wide() ? bits(11, 11) : 0));
    if (address_clears) tail = 0;
  }
  void write_tail(std::uint64_t value) {
    tail = value & bits(18, 4);
    go();
  }
  void switch_to(bool value) {
    if (on != value) head = 0;
    on = value;
    go();
  }
  void set_mode(unsigned value) {
    mode = may_be_wide() ? value : 0;
    go();
  }
  void clear_error() {
    iqe = false;
    go();
  }
  void reset(bool power_on) {
    on = false;
    address = head = tail = 0;
    mode = 0;
    page = held::no;
    if (!power_on) return;
    iqe = iwc = false;
    why = cause::not_told;
  }

  // --- Hardware

  void go() {
    while (on && !iqe && head != tail) {
      if (const auto wrong = wrong_pointers()) return fail(*wrong);
      const std::uint64_t place = base() + head;
      if (memory.fails(place)) return fail(cause::fetch);
      naive_words words{memory.load(place), memory.load(place + 8), 0};
      if (wide()) words.upper = memory.load(place + 16) | memory.load(place + 24);
      if (const auto wrong = wrong_words(words)) return fail(*wrong);
      if (!execute(words)) return fail(cause::not_told);
      head = (head + step()) % size();
    }
  }

private:
  void fail(cause what) {
    iqe = true;
    why = what;
    ++errors[static_cast<std::size_t>(what)];
  }
  // Seen when there is something to fetch.
  [[nodiscard]] std::optional<cause> wrong_pointers() const {
    const bool known = mode == 0 || (mode == 1 && caps.ecap.smts()) || (mode == 3 && caps.ecap.adms());
    if (!known) return cause::mode;
    if (mode != 0) return wide() ? cause::mode : cause::width;
    if (tail >= size()) return cause::tail;
    if (tail % step() != 0) return cause::alignment;
    return {};
  }
  [[nodiscard]] std::optional<cause> wrong_words(const naive_words& d) const {
    const spec::ecap ecap = caps.ecap;
    const unsigned type = field_of(d.low, 3, 0);
    const bool known = (type >= 1 && type <= 5) && (type != 3 || ecap.dt()) && (type != 4 || ecap.ir());
    if (!known || field_of(d.low, 11, 9) != 0) return cause::type;
    const auto any = [&](std::uint64_t low, std::uint64_t high) {
      return (d.low & low) != 0 || (d.high & high) != 0;
    };
    bool wrong = d.upper != 0;
    const unsigned granularity = field_of(d.low, 5, 4);
    switch (type) {
    case 1: // 6.5.2.1
      wrong = wrong || any(bits(8, 6) | bits(15, 12) | bits(63, 50), bits(63, 0)) || granularity == 0;
      break;
    case 2: // 6.5.2.3
      wrong = wrong || any(bits(8, 8) | bits(15, 12) | bits(63, 32), bits(11, 7)) || granularity == 0;
      if (granularity == 3) wrong = wrong || !caps.cap.psi() || field_of(d.high, 5, 0) > caps.cap.mamv();
      break;
    case 3: { // 6.5.2.5
      const std::uint64_t physical_function = bits(15, 12) | bits(63, 52);
      wrong = wrong || any(bits(8, 4) | bits(31, 21) | bits(51, 48) | (ecap.dit() ? 0 : physical_function),
                           bits(11, 1));
      break;
    }
    case 4: // 6.5.2.7
      wrong = wrong || any(bits(8, 5) | bits(26, 12) | bits(63, 48), bits(63, 0));
      if (field_of(d.low, 4, 4) != 0) wrong = wrong || field_of(d.low, 31, 27) > ecap.mhmv();
      break;
    default: // 6.5.2.8
      wrong = wrong || any(bits(8, 8) | bits(31, 12) | (ecap.pds() ? 0 : bits(7, 7)), bits(1, 0));
      if (field_of(d.low, 5, 5) != 0) wrong = wrong || d.high >> caps.host_address_width != 0;
    }
    if (wrong) return cause::reserved;
    return {};
  }
  // False: the wait's status could not be written.
  bool execute(const naive_words& d) {
    const unsigned granularity = field_of(d.low, 5, 4);
    const bool mine = field_of(d.low, 31, 16) == queue_tests::domain;
    switch (field_of(d.low, 3, 0)) {
    case 1:
      if (granularity == 1 || mine) page = held::no;
      return true;
    case 2:
      // The program invalidates no page of this domain by itself.
      if (granularity == 1 || (granularity == 2 && mine)) page = held::no;
      return true;
    case 3:
      ++device_requests;
      return true;
    case 4:
      return true;
    default:
      break;
    }
    if (field_of(d.low, 5, 5) != 0) {
      const std::uint64_t to = d.high & bits(63, 2);
      status.emplace_back(to, static_cast<std::uint32_t>(d.low >> 32));
      if (memory.fails(to)) {
        ++again;
        // Unless it is a fence, what stands behind it may have been done already.
        if (field_of(d.low, 6, 6) == 0 && page == held::yes) page = held::who_knows;
        return false;
      }
    }
    if (field_of(d.low, 4, 4) != 0) iwc = true;
    return true;
  }
};

struct life {
  explicit life(std::uint64_t seed)
      : random(seed), config(random_config()), world(config), machine{config.caps, world.memory} {
    const auto& caps = config.caps;
    machine.of_revision_3 = caps.version >= 0x30 || caps.ecap.smts() || caps.ecap.adms();
    machine.address_clears = config.queue_address_clears_pointers;
    world.tables.attach(nic, queue_tests::domain);
    world.tables.map(nic, page, page);
    world.set_delays(below(2) == 0);
    world.enable();
    new_queue();
    switch_queue();
  }
  std::uint64_t below(std::uint64_t n) { return random() % n; }
  bool once_in(std::uint64_t n) { return below(n) == 0; }

  dmar::unit_config random_config() {
    constexpr std::array<unsigned, 5> versions = {0x10, 0x10, 0x20, 0x30, 0x40};
    remap::capabilities caps = wide_part();
    caps.version = versions[below(versions.size())];
    caps.cap.set_psi(!once_in(4)).set_mamv(static_cast<unsigned>(below(19)));
    caps.ecap.set_qi(true).set_smts(once_in(3)).set_adms(once_in(4)).set_pds(once_in(3));
    caps.ecap.set_ir(once_in(2)).set_mhmv(static_cast<unsigned>(below(16)));
    // A request behind a wait that is done again would leave twice, or not.
    status_can_fail = once_in(2);
    caps.ecap.set_dt(!status_can_fail && !once_in(3));
    caps.ecap.set_dit(caps.ecap.dt() && once_in(2));
    dmar::unit_config out = config_of(caps);
    out.queue_address_clears_pointers = once_in(2);
    out.timing.queue_prefetch = static_cast<unsigned>(below(5));
    out.timing.descriptor_fetch = below(4);
    out.timing.descriptor_decode = below(4);
    out.timing.status_write = below(4);
    out.timing.iotlb_invalidation_page = below(20);
    return out;
  }

  // --- Descriptors, good and bad

  naive_words context() {
    naive_words d;
    d.low = 1 | (1 + below(3)) << 4 | some_domain() << 16 | below(4) << 48;
    // Of another domain another device: what hardware does with one that does not fit nobody says.
    const bool mine = field_of(d.low, 31, 16) == queue_tests::domain;
    d.low |= std::uint64_t{mine ? nic.value() : disk.value()} << 32;
    return d;
  }
  naive_words pages() {
    naive_words d;
    d.low = 2 | (1 + below(3)) << 4 | below(4) << 6 | some_domain() << 16;
    if (field_of(d.low, 5, 4) == 3) {
      d.low = (d.low & ~bits(31, 16)) | other_domain << 16;
      d.high = below(8) << 12 | below(2) << 6 | below(once_in(4) ? 20 : config.caps.cap.mamv() + 1);
    }
    return d;
  }
  naive_words device() {
    naive_words d;
    d.low = 3 | below(32) << 16 | below(4) << 32;
    if (config.caps.ecap.dit()) d.low |= below(16) << 12 | below(4096) << 52;
    d.high = below(8) << 12 | below(2);
    return d;
  }
  naive_words interrupt_entries() {
    naive_words d;
    d.low = 4 | below(2) << 4 | below(20) << 27 | below(64) << 32;
    return d;
  }
  naive_words wait() {
    naive_words d;
    d.low = 5 | below(8) << 4 | below(1000) << 32;
    if (config.caps.ecap.pds()) d.low |= below(2) << 7;
    d.high = queue_tests::status_word + 4 * below(8);
    return d;
  }
  [[nodiscard]] std::uint64_t some_domain() { return once_in(4) ? queue_tests::domain : other_domain; }

  naive_words random_words() {
    naive_words d;
    switch (below(8)) {
    case 0:
      d = context();
      break;
    case 1:
      d = pages();
      break;
    case 2:
      d = config.caps.ecap.dt() || once_in(8) ? device() : wait();
      break;
    case 3:
      d = config.caps.ecap.ir() || once_in(8) ? interrupt_entries() : wait();
      break;
    default:
      d = wait();
    }
    if (once_in(8)) spoil(d);
    return d;
  }
  // Mostly. Some of it only means something else.
  void spoil(naive_words& d) {
    switch (below(7)) {
    case 0:
      d.low = (d.low & ~bits(3, 0)) | below(16);
      break;
    case 1:
      d.low |= std::uint64_t{1} << (9 + below(3));
      break;
    case 2:
      d.low &= ~bits(5, 4);
      break;
    case 3:
      d.low ^= std::uint64_t{1} << (4 + below(60));
      break;
    case 4:
      d.high ^= std::uint64_t{1} << below(12);
      break;
    case 5:
      d.high ^= std::uint64_t{1} << (40 + below(24));
      break;
    default:
      d.upper = std::uint64_t{1} << below(64);
    }
    // A page of the domain that is looked at, by a flipped bit: of the whole domain instead.
    const bool page_of_mine = field_of(d.low, 3, 0) == 2 && field_of(d.low, 5, 4) == 3;
    if (page_of_mine && field_of(d.low, 31, 16) % 256 == queue_tests::domain) d.low &= ~bits(4, 4);
    // Nor does a flipped bit name a domain by bits that the part has not.
    if (field_of(d.low, 3, 0) <= 2) d.low &= ~bits(31, 24);
    // And a context of mine is that of my device.
    if (field_of(d.low, 3, 0) == 1 && field_of(d.low, 31, 16) == queue_tests::domain)
      d.low = (d.low & ~bits(47, 32)) | std::uint64_t{nic.value()} << 32;
  }
  void put(std::uint64_t place, const naive_words& d) {
    world.memory.store(place, d.low);
    world.memory.store(place + 8, d.high);
    if (!machine.wide()) return;
    world.memory.store(place + 16, once_in(2) ? d.upper : 0);
    world.memory.store(place + 24, world.memory.load(place + 16) == 0 ? d.upper : 0);
  }

  // --- What software does

  void submit() {
    const std::uint64_t places = machine.size() / machine.step();
    std::uint64_t free = ((machine.head + machine.size() - tail) / machine.step() + places - 1) % places;
    for (auto count = 1 + below(6); count != 0 && free != 0; --count, --free) {
      const std::uint64_t place = machine.base() + tail;
      put(place, random_words());
      if (once_in(40)) world.memory.fail(place);
      tail = (tail + machine.step()) % machine.size();
    }
    if (status_can_fail && once_in(6)) world.memory.fail(queue_tests::status_word + 4 * below(8));
    ring();
  }
  void ring() { write_tail(tail); }
  void write_tail(std::uint64_t value) {
    world.write_register<reg::iqt>(value);
    world.settle();
    machine.write_tail(value);
  }
  void wrong_tail() {
    // Beyond the end, between two descriptors, or with bits that IQT has not.
    if (once_in(3)) return write_tail(machine.size() + 16 * below(300));
    write_tail((tail + 16 * below(4)) | below(16) | (once_in(4) ? bits(63, 20) : 0));
  }
  void clear() {
    world.write_register<reg::fsts>(static_cast<std::uint32_t>(below(256)) | reg::fsts::iqe::mask);
    world.settle();
    machine.clear_error();
  }
  void mend() {
    if (!machine.iqe || !machine.on) return;
    switch (machine.why) {
    case cause::tail:
    case cause::alignment:
      ring();
      break;
    case cause::mode:
    case cause::width:
      new_root(0);
      break;
    case cause::fetch:
    case cause::not_told:
      world.memory.heal();
      break;
    case cause::type:
    case cause::reserved:
      put(machine.base() + machine.head, once_in(8) ? random_words() : wait());
      break;
    }
    if (!once_in(6)) clear();
  }
  void new_root(unsigned ttm) {
    world.write_register<reg::rtaddr>(world.tables.root() | std::uint64_t{ttm} << 10);
    if (once_in(8)) return; // not taken over
    world.write_register<reg::gcmd>(gcmd | reg::gcmd::srtp::mask);
    world.settle();
    if (config.caps.cap.esrtps()) machine.page = held::no;
    machine.set_mode(ttm);
  }
  void new_queue() {
    const std::uint64_t value =
        (0x900 + 0x10 * below(3)) << 12 | below(2) << 11 | (once_in(8) ? bits(10, 3) : 0) | below(2);
    world.write_register<reg::iqa>(value);
    machine.write_address(value);
    if (machine.on) return;
    tail = machine.tail % machine.step() == 0 && machine.tail < machine.size() ? machine.tail : 0;
  }
  void switch_queue() {
    gcmd ^= reg::gcmd::qie::mask;
    world.write_register<reg::gcmd>(gcmd);
    world.settle();
    machine.switch_to((gcmd & reg::gcmd::qie::mask) != 0);
  }
  void reset() {
    const bool power_on = once_in(2);
    world.unit.reset(power_on);
    machine.reset(power_on);
    world.enable();
    gcmd = reg::gcmd::te::mask;
    new_queue();
    switch_queue();
  }
  void clear_wait() {
    world.write_register<reg::ics>(1);
    machine.iwc = false;
  }
  void look() {
    if (machine.mode != 0) return;
    world.memory.reads.clear();
    ASSERT_EQ(world.read(nic, page).how, dmar::completion::done);
    if (machine.page != held::who_knows) {
      ASSERT_EQ(world.memory.reads.empty(), machine.page == held::yes) << "the page was cached, or not";
    }
    if (machine.page == held::yes && machine.iqe) ++kept;
    machine.page = held::yes;
  }
  void act() {
    const auto what = below(40);
    if (what < 14) return submit();
    if (what < 15) return wrong_tail();
    if (what < 17) return clear();
    if (what < 25) return mend();
    if (what < 34) return look();
    if (what < 35) return clear_wait();
    if (what < 36) return new_queue();
    if (what < 38) {
      if (machine.on && !once_in(4)) return;
      return switch_queue();
    }
    if (what < 39) return once_in(2) ? new_root(static_cast<unsigned>(below(4))) : new_root(0);
    if (once_in(3)) reset();
  }

  void compare() {
    ASSERT_EQ(world.read_register<reg::fsts>(), machine.iqe ? 1U << 4 : 0U) << "FSTS";
    ASSERT_EQ(world.read_register<reg::iqh>(), machine.head) << "IQH";
    ASSERT_EQ(world.read_register<reg::iqt>(), machine.tail) << "IQT";
    ASSERT_EQ(world.read_register<reg::iqa>(), machine.address) << "IQA";
    ASSERT_EQ(world.read_register<reg::ics>(), machine.iwc ? 1U : 0U) << "ICS";
    const std::uint64_t record = world.read_register<reg::iqercd>();
    // IQEI means something while IQE is set.
    if (!machine.of_revision_3) {
      ASSERT_EQ(record, 0U) << "a part of before revision 3 has no IQERCD";
    } else if (machine.iqe) {
      ASSERT_EQ(field_of(record, 3, 0), static_cast<unsigned>(machine.why)) << "IQEI";
    }
    ASSERT_EQ(world.status_writes.size(), machine.status.size());
    for (; compared < machine.status.size(); ++compared) {
      ASSERT_EQ(world.status_writes[compared].address, machine.status[compared].first);
      ASSERT_EQ(world.status_writes[compared].id, machine.status[compared].second);
    }
    ASSERT_EQ(world.invalidations.size(), machine.device_requests);
  }
  void run(unsigned steps) {
    for (unsigned step = 0; step < steps && !testing::Test::HasFatalFailure(); ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      act();
      if (!testing::Test::HasFatalFailure()) compare();
      if (machine.iqe && machine.on && machine.head != machine.tail) ++stopped;
    }
  }

  /// Memory that is slow now and then, so that much is fetched behind a status on its way.
  struct some_world final : unit_world {
    using unit_world::unit_world;
    void set_delays(bool slow_status) {
      data_delay = (slow_status ? 300 : 5) * period;
      memory.set_delay(10 * period);
    }
  };
  static constexpr std::uint64_t page = queue_tests::first_page;
  static constexpr std::uint64_t other_domain = 9;

  std::mt19937_64 random;
  bool status_can_fail = false;
  dmar::unit_config config;
  some_world world;
  naive_machine machine;
  std::uint32_t gcmd = reg::gcmd::te::mask;
  // Where software puts its next descriptor.
  std::uint64_t tail = 0;
  std::size_t compared = 0;
  // The page was still cached while the error stood; steps with the error and something behind it.
  unsigned kept = 0;
  unsigned stopped = 0;
};

TEST(naive_queue_errors, agree_with_the_unit_over_random_mistakes_and_repairs) {
  std::array<unsigned, 8> errors{};
  std::array<unsigned, 4> seen{};
  for (std::uint64_t seed = 1; seed <= 4000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    life one(seed);
    one.run(100);
    if (testing::Test::HasFatalFailure()) return;
    for (std::size_t i = 0; i < errors.size(); ++i)
      errors[i] += one.machine.errors[i];
    seen[0] += one.kept;
    seen[1] += one.stopped;
    seen[2] += static_cast<unsigned>(one.machine.device_requests);
    seen[3] += one.machine.of_revision_3 ? 1 : 0;
  }
  for (const unsigned each : errors)
    EXPECT_GT(each, 100U) << "every mistake is made";
  for (const unsigned each : seen)
    EXPECT_GT(each, 100U) << "all of it happens";
}

} // namespace
} // namespace vtd::test
