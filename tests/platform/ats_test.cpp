// SPDX-License-Identifier: Apache-2.0
// An endpoint that translates for itself (PCIe ATS), its unit, and the invalidations between them: what is
// stale stays stale until the device is told.

#include "support/pci_machine.h"
#include "support/queue_driver.h"
#include "support/tlm_probe.h"
#include "vtd/host/store_path.h"
#include "vtd/pci_topology/registers.h"
#include "vtd/platform/endpoint.h"
#include "vtd/platform/interrupt_sink.h"
#include "vtd/platform/memory.h"
#include "vtd/platform/message_router.h"
#include "vtd/platform/remapping_unit.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <span>

namespace vtd::test {
namespace {

namespace reg = spec::reg;
namespace config = pci_topology::reg;
using pci_topology::capability_kind;
using pci_topology::dma_engine;
using operation = dma_engine::operation;
using descriptor = dma_engine::descriptor;

constexpr spec::source_id who = bdf(1, 0, 0);
constexpr std::uint16_t domain = 3;
constexpr engine::picoseconds period = 1000;
constexpr engine::picoseconds long_enough = 20'000'000;
// Addresses of the device, and where they lead.
constexpr std::uint64_t ring = 0x4000'0000;
constexpr std::uint64_t data = 0x4010'0000;
constexpr std::uint64_t ring_frame = 0x70'0000;
constexpr std::uint64_t old_frame = 0x71'0000;
constexpr std::uint64_t new_frame = 0x72'0000;
constexpr std::uint64_t queue = 0x90'0000;
constexpr std::uint64_t status_word = 0x80'0000;

pci_topology::topology_description machine_with_ats(bool no_write) {
  pci_topology::topology_description out = machine();
  out.functions[0].children[0].capabilities.push_back({.kind = capability_kind::address_translation_services,
                                                       .offset = 0x100,
                                                       .queue_depth = 4,
                                                       .no_write = no_write});
  return out;
}

dmar::unit_config unit_with_device_tlb(engine::cycle memory_interval) {
  remap::capabilities caps = wide_part();
  caps.ecap.set_dt(true).set_qi(true).set_nwfs(true);
  dmar::unit_config out = config_of(caps);
  out.timing.device_timeout = 100'000;
  out.timing.memory_interval = memory_interval;
  return out;
}

class scene : public sc_core::sc_module, public dmar::fault_observer {
public:
  explicit scene(bool wired = true, const platform::memory_timing& timing = {},
                 engine::cycle memory_interval = 1, bool no_write = false,
                 const sc_core::sc_module_name& name = "scene")
      : sc_module(name), pci(machine_with_ats(no_write)), wheel("wheel", engine::clock{period}),
        store(std::uint64_t{1} << 32), path(store, {}), tables(words),
        unit("unit", wheel, unit_with_device_tlb(memory_interval)), ram("memory", path, timing, 1),
        sink("sink", 1), router("router", 1, 1), cpu("cpu"),
        device("device", set_up(pci), platform::link_timing{100'000, 100'000, 0, 24},
               {{8, 0, remap::replacement::lru, 1}, 2000, 5000}) {
    unit.memory.bind(ram.ports[0]);
    unit.interrupts.bind(sink.ports[0]);
    cpu.bind(unit.registers);
    device.port.socket.bind(unit.upstream[0]);
    if (wired) {
      unit.devices.bind(router.from_units[0]);
      router.to_devices[0].bind(device.messages);
      router.assign(who, 0);
    }
    unit.hardware().set_fault_observer(this);
    tables.attach(who, domain, 3, spec::translation_type::with_device_tlb);
    tables.map(who, ring, ring_frame);
    tables.map(who, data, old_frame);
  }

  // What software does.

  void start(bool ats = true) {
    write_tables();
    write<reg::rtaddr>(tables.root());
    write<reg::gcmd>(reg::gcmd::srtp::of(1));
    pause();
    write<reg::iqt>(0);
    write<reg::iqa>(reg::iqa::address::of(queue >> spec::page_shift));
    write<reg::gcmd>(reg::gcmd::qie::of(1));
    pause();
    write<reg::gcmd>(reg::gcmd::qie::of(1) | reg::gcmd::te::of(1));
    pause();
    set_ats(ats);
    device.write(dma_engine::reg::ring, static_cast<std::uint32_t>(ring));
    device.write(dma_engine::reg::ring_size, 64);
    device.write(dma_engine::reg::control, dma_engine::run | dma_engine::go_on);
  }
  void set_ats(bool on) {
    const unsigned at = device.function().capability(capability_kind::address_translation_services);
    using registers = spec::ats::function_registers;
    device.function().write(at + registers::offset, 4, registers::enable_field::of(on ? 1 : 0));
  }
  void write_tables() {
    for (const auto& [address, value] : words.words())
      store_word(address, value);
  }
  void submit(const spec::invalidation_descriptor& what) {
    store_word(queue + tail_, what.lo);
    store_word(queue + tail_ + 8, what.hi);
    tail_ += sizeof(what);
    write<reg::iqt>(tail_);
  }
  void submit_wait(std::uint32_t value) { submit(status_wait(status_word, value)); }
  [[nodiscard]] std::uint32_t status() { return static_cast<std::uint32_t>(load_word(status_word)); }
  void forget_page_in_unit() {
    submit(page_of(domain, data));
    submit_wait(1);
    pause();
  }
  [[nodiscard]] static spec::device_tlb_descriptor device_page() {
    return spec::device_tlb_descriptor{}.set_source(who).set_max_pending(4).set_range(data, 0);
  }
  void remap_data() {
    tables.map(who, data, new_frame);
    write_tables();
  }
  /// The device fills so many bytes of its data page with a value; the descriptor's result.
  void order_fill(std::uint64_t value, std::uint32_t length, std::uint64_t to = data) {
    const std::uint32_t at = device.read(dma_engine::reg::tail);
    descriptor d;
    d.order = descriptor::operation_field::of(static_cast<std::uint64_t>(operation::fill)) |
              descriptor::length_field::of(length);
    d.source = value;
    d.destination = to;
    path.debug_write(ring_frame + at * sizeof(d), std::as_bytes(std::span(&d, 1)));
    device.write(dma_engine::reg::tail, at + 1);
  }
  bool fill(std::uint64_t value, std::uint32_t length = 64, std::uint64_t to = data) {
    const std::uint32_t errors = device.read(dma_engine::reg::errors);
    order_fill(value, length, to);
    wait_ps(long_enough);
    return device.read(dma_engine::reg::errors) == errors;
  }
  void pause() { wait_ps(2'000'000); }

  template <class Register>
  void write(typename Register::word value) {
    access<Register>(tlm::TLM_WRITE_COMMAND, value);
  }
  template <class Register>
  typename Register::word read() {
    typename Register::word value = 0;
    access<Register>(tlm::TLM_READ_COMMAND, value);
    return value;
  }
  void store_word(std::uint64_t address, std::uint64_t value) {
    path.debug_write(address, std::as_bytes(std::span(&value, 1)));
  }
  [[nodiscard]] std::uint64_t load_word(std::uint64_t address) {
    std::uint64_t value = 0;
    path.debug_read(address, std::as_writable_bytes(std::span(&value, 1)));
    return value;
  }
  [[nodiscard]] const platform::device_translation::counts& counts() const {
    return device.translation().statistics();
  }
  [[nodiscard]] std::size_t kept() const { return device.translation().tlb().pages().occupancy(); }
  void on_fault(const dmar::fault_report& report) override { faults.push_back(report); }

  pci_topology::topology pci;
  platform::kernel_wheel wheel;
  host::sparse_memory store;
  host::store_path path;
  fake_memory words;
  table_builder tables;
  platform::remapping_unit unit;
  platform::memory ram;
  platform::interrupt_sink sink;
  platform::message_router router;
  tlm_utils::simple_initiator_socket<scene> cpu;
  platform::endpoint device;
  std::vector<dmar::fault_report> faults;

private:
  static pci_topology::function& set_up(pci_topology::topology& pci) {
    pci.set_up_as_firmware();
    return *pci.find(who);
  }
  template <class Register>
  void access(tlm::tlm_command command, typename Register::word& value) {
    probe_payload trans;
    trans.set_command(command);
    trans.set_address(unit.hardware().registers().template offset_of<Register>());
    trans.set_data_ptr(reinterpret_cast<unsigned char*>(&value));
    trans.set_data_length(sizeof(value));
    trans.set_streaming_width(sizeof(value));
    sc_core::sc_time delay;
    cpu->b_transport(trans, delay);
    sc_core::wait(delay);
  }
  std::uint64_t tail_ = 0;
};

TEST(ats, a_device_asks_once_for_a_page_and_goes_there_translated) {
  scene s;
  in_thread([&] {
    s.start();
    EXPECT_TRUE(s.fill(0x1111, 512));
    EXPECT_EQ(s.load_word(old_frame + 504), 0x1111U);
    EXPECT_EQ(s.counts().questions, 2U) << "the ring and the data";
    EXPECT_EQ(s.unit.hardware().statistics().translations, 2U);
    EXPECT_EQ(s.kept(), 2U);
    EXPECT_TRUE(s.fill(0x2222, 512));
    EXPECT_EQ(s.counts().questions, 2U);
    EXPECT_GT(s.device.translation().tlb().statistics().hits, 0U);
  });
}

TEST(ats, a_translation_of_the_device_is_stale_until_the_device_is_told) {
  scene s;
  in_thread([&] {
    s.start();
    EXPECT_TRUE(s.fill(0x1111));
    s.remap_data();
    s.forget_page_in_unit();
    EXPECT_EQ(s.status(), 1U);
    EXPECT_TRUE(s.fill(0x2222));
    EXPECT_EQ(s.load_word(old_frame), 0x2222U) << "the unit has forgotten it, the device has not";
    EXPECT_EQ(s.load_word(new_frame), 0U);
    s.submit(scene::device_page());
    s.submit_wait(2);
    s.pause();
    EXPECT_EQ(s.status(), 2U);
    EXPECT_TRUE(s.fill(0x3333));
    EXPECT_EQ(s.load_word(old_frame), 0x2222U);
    EXPECT_EQ(s.load_word(new_frame), 0x3333U);
    EXPECT_EQ(s.counts().invalidations, 1U);
  });
}

TEST(ats, a_device_that_asks_to_read_only_asks_again_when_it_writes) {
  scene s(true, {}, 1, true);
  in_thread([&] {
    s.start();
    EXPECT_TRUE(s.fill(0x1111));
    EXPECT_EQ(s.load_word(old_frame), 0x1111U);
    EXPECT_EQ(s.counts().questions, 3U) << "the ring to read, the data to write, the ring to write";
    EXPECT_EQ(s.kept(), 2U);
    EXPECT_TRUE(s.fill(0x2222));
    EXPECT_EQ(s.counts().questions, 3U) << "now it may write";
    EXPECT_EQ(s.counts().denied, 0U);
  });
}

TEST(ats, after_the_wait_no_request_with_the_old_translation_reaches_memory) {
  // Requests wait in the unit for their turn; the device's message does not.
  scene s(true, {}, 800);
  in_thread([&] {
    s.start();
    EXPECT_TRUE(s.fill(0x1111));
    // A page full of writes, and the invalidation in the midst of them.
    s.order_fill(0x2222, 4096);
    while (s.load_word(old_frame) != 0x2222)
      wait_ps(50'000);
    s.remap_data();
    s.submit(page_of(domain, data));
    s.submit(scene::device_page());
    s.submit_wait(2);
    while (s.status() != 2)
      wait_ps(10'000);
    std::array<std::byte, 4096> then{};
    s.path.debug_read(old_frame, then);
    wait_ps(5 * long_enough);
    std::array<std::byte, 4096> later{};
    s.path.debug_read(old_frame, later);
    EXPECT_EQ(then, later) << "nothing may come after the wait is over";
    EXPECT_TRUE(s.fill(0x3333));
    EXPECT_EQ(s.load_word(new_frame), 0x3333U);
  });
}

TEST(ats, an_answer_that_an_invalidation_overtakes_is_not_kept) {
  platform::memory_timing slow;
  slow.table_read = 2'000'000;
  scene s(true, slow);
  in_thread([&] {
    s.start();
    // The ring is known already; then the question for the data is under way when the invalidation comes.
    EXPECT_TRUE(s.fill(0x1111, 8, ring + 0x800));
    s.order_fill(0x2222, 64);
    while (s.counts().questions < 2)
      wait_ps(50'000);
    s.submit(scene::device_page());
    s.submit_wait(2);
    wait_ps(2 * long_enough);
    EXPECT_EQ(s.status(), 2U);
    EXPECT_EQ(s.counts().overtaken, 1U);
    EXPECT_EQ(s.counts().questions, 3U) << "it asks again";
    EXPECT_EQ(s.load_word(old_frame), 0x2222U);
  });
}

TEST(ats, without_it_requests_go_untranslated_and_switching_it_off_forgets_all) {
  scene s;
  in_thread([&] {
    s.start(false);
    EXPECT_TRUE(s.fill(0x1111));
    EXPECT_EQ(s.counts().questions, 0U);
    s.set_ats(true);
    EXPECT_TRUE(s.fill(0x2222));
    EXPECT_EQ(s.kept(), 2U);
    s.set_ats(false);
    EXPECT_EQ(s.kept(), 0U);
    EXPECT_TRUE(s.fill(0x3333));
    EXPECT_EQ(s.load_word(old_frame), 0x3333U);
    EXPECT_EQ(s.counts().questions, 2U);
  });
}

TEST(ats, a_reset_of_the_function_forgets_all) {
  scene s;
  in_thread([&] {
    s.start();
    EXPECT_TRUE(s.fill(0x1111));
    EXPECT_EQ(s.kept(), 2U);
    auto& function = s.device.function();
    function.write(function.capability(capability_kind::pci_express) + config::express_device_control, 2,
                   config::express_initiate_reset);
    EXPECT_EQ(s.kept(), 0U);
    EXPECT_FALSE(s.device.translation().enabled());
  });
}

TEST(ats, without_the_right_the_device_fails_the_transfer_and_no_fault_is_recorded) {
  scene s;
  s.tables.map(who, data, old_frame, read_only);
  in_thread([&] {
    s.start();
    EXPECT_FALSE(s.fill(0x1111));
    EXPECT_FALSE(s.fill(0x1111, 64, data + 0x1000)) << "not mapped";
    EXPECT_EQ(s.counts().denied, 2U);
    EXPECT_EQ(s.load_word(old_frame), 0U);
    EXPECT_TRUE(s.faults.empty());
  });
}

TEST(ats, a_device_that_may_not_ask_does_without_and_its_question_is_a_fault) {
  scene s;
  auto context = s.tables.context(who);
  s.tables.set_context(who, context.set_translation_type(spec::translation_type::untranslated_only));
  in_thread([&] {
    s.start();
    EXPECT_TRUE(s.fill(0x1111));
    EXPECT_EQ(s.load_word(old_frame), 0x1111U);
    EXPECT_EQ(s.counts().refused, 1U);
    EXPECT_EQ(s.counts().questions, 1U);
    ASSERT_EQ(s.faults.size(), 1U);
    EXPECT_EQ(s.faults[0].condition, spec::fault_condition::lct_5);
    EXPECT_EQ(s.faults[0].access.type, remap::address_type::translation_request);
  });
}

TEST(ats, a_device_that_no_message_reaches_makes_the_unit_time_out) {
  scene s(false);
  in_thread([&] {
    s.start();
    EXPECT_TRUE(s.fill(0x1111));
    s.submit(scene::device_page());
    s.submit_wait(2);
    wait_ps(100'000 * period + long_enough);
    EXPECT_EQ(s.status(), 0U);
    EXPECT_EQ(s.read<reg::fsts>(), reg::fsts::ite::mask);
  });
}

TEST(ats, every_way_in_answers_a_question_with_the_same_word) {
  scene s;
  in_thread([&] {
    s.start();
    std::array<std::uint64_t, 2> words{};
    for (const bool debug : {false, true}) {
      probe_payload ask;
      ask.attributes.source = who;
      ask.attributes.type = remap::address_type::translation_request;
      ask.set_extension(&ask.attributes);
      ask.set_command(tlm::TLM_READ_COMMAND);
      ask.set_address(data);
      ask.set_data_ptr(reinterpret_cast<unsigned char*>(&words[debug ? 1 : 0]));
      ask.set_data_length(8);
      ask.set_streaming_width(8);
      sc_core::sc_time delay;
      if (debug) {
        EXPECT_EQ(s.device.port.socket->transport_dbg(ask), 8U);
      } else {
        s.device.port.socket->b_transport(ask, delay);
        EXPECT_TRUE(ask.is_response_ok());
        EXPECT_GT(delay, sc_core::SC_ZERO_TIME);
      }
      tlm::tlm_dmi dmi;
      EXPECT_FALSE(s.device.port.socket->get_direct_mem_ptr(ask, dmi));
    }
    EXPECT_EQ(words[0], words[1]);
    EXPECT_EQ(spec::ats::translation{words[0]}.address(), old_frame);
  });
}

} // namespace
} // namespace vtd::test
