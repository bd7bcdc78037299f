// SPDX-License-Identifier: Apache-2.0
// Faults from outside: what a unit makes of memory that errs, is slow, or never answers, and of registers
// that read as ones; and that the injector itself keeps to the base protocol.

#include "vtd/platform/fault_injector.h"

#include "support/platform_world.h"
#include "support/tlm_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace vtd::test {
namespace {

using host::access_class;
using host::fault_effect;
using testing::ElementsAre;

constexpr std::uint64_t iova = 0x40000000;
constexpr std::uint64_t frame = 0x7000000;
constexpr auto read = tlm::TLM_READ_COMMAND;
constexpr auto write = tlm::TLM_WRITE_COMMAND;
constexpr engine::picoseconds ns = 1000;

dmar::unit_config config() { return config_of(plain_part()); }

/// A unit whose memory and registers can be made to err.
struct faulty_world : platform_world {
  faulty_world() : platform_world(config(), "world", true) {
    tables.attach(nic, 3);
    tables.map(nic, iova, frame);
    tables.map(nic, iova + spec::page_size, frame + spec::page_size);
  }
  /// Table reads of the 8 or 16 bytes there fail.
  void fail_table(std::uint64_t entry) {
    memory_faults->add({.of = access_class::table_read, .first = entry, .last = entry + 7});
  }
  outcome request(bool accurate, tlm::tlm_command command, std::uint64_t address,
                  std::vector<unsigned char> data = std::vector<unsigned char>(8)) {
    return accurate ? accurately(command, address, std::move(data))
                    : loosely(command, address, std::move(data));
  }
};

// --- Memory errors during a walk, and the condition each of them is

struct walk_error {
  const char* name;
  std::function<std::uint64_t(faulty_world&)> entry;
  spec::fault_condition condition;
  spec::fault_reason reason;
};

class memory_error : public testing::TestWithParam<std::tuple<walk_error, bool, bool>> {};

TEST_P(memory_error, of_a_table_read_blocks_the_request_with_its_condition_and_reason) {
  const auto& [what, accurate, is_write] = GetParam();
  faulty_world s;
  s.run([&, &error = what, by_phases = accurate, writes = is_write] {
    namespace reg = spec::reg;
    s.enable();
    s.fail_table(error.entry(s));
    const std::vector<unsigned char> data(8, 0x5a);
    const auto out = s.request(by_phases, writes ? write : read, iova + 0x238, data);
    EXPECT_EQ(out.status, tlm::TLM_ADDRESS_ERROR_RESPONSE);
    if (!writes) {
      EXPECT_EQ(out.data, std::vector<unsigned char>(8, 0xff));
    }
    wait_ps(100 * ns);
    ASSERT_EQ(s.faults.size(), 1U);
    EXPECT_EQ(s.faults[0].condition, error.condition);
    const auto high = s.read_register<reg::frcd_hi>();
    EXPECT_EQ(reg::frcd_hi::f::get(high), 1U);
    EXPECT_EQ(reg::frcd_hi::fr::get(high), static_cast<std::uint64_t>(error.reason));
    EXPECT_EQ(reg::frcd_hi::sid::get(high), nic.value());
    EXPECT_EQ(reg::frcd_hi::t1::get(high), writes ? 0U : 1U);
    EXPECT_EQ(s.read_register<reg::frcd_lo>(), iova) << "the page of the request";
    // Nothing leaked: no data access reached memory.
    EXPECT_EQ(s.ram.reads() + s.ram.writes(), 0U);
    EXPECT_EQ(s.store.load<std::uint64_t>(frame + 0x238).value_or(0), 0U);
    // And nothing of it is kept: with memory healed the next request passes.
    s.memory_faults->clear();
    EXPECT_EQ(s.request(by_phases, writes ? write : read, iova + 0x238, data).status, tlm::TLM_OK_RESPONSE);
  });
}

std::uint64_t paging_entry(faulty_world& s, unsigned level) {
  return s.tables.entry_of(nic, iova, level, false);
}

INSTANTIATE_TEST_SUITE_P(
    fault_injector, memory_error,
    testing::Combine(
        testing::Values(walk_error{"root", [](faulty_world& s) { return s.tables.root_entry_of(nic); },
                                   spec::fault_condition::lrt_1, spec::fault_reason::root_table_access},
                        walk_error{"context", [](faulty_world& s) { return s.tables.context_entry_of(nic); },
                                   spec::fault_condition::lct_1, spec::fault_reason::context_table_access},
                        walk_error{"top_table", [](faulty_world& s) { return paging_entry(s, 3); },
                                   spec::fault_condition::lct_4_3, spec::fault_reason::context_entry_invalid},
                        walk_error{"middle_table", [](faulty_world& s) { return paging_entry(s, 2); },
                                   spec::fault_condition::lsl_1, spec::fault_reason::paging_entry_access},
                        walk_error{"leaf", [](faulty_world& s) { return paging_entry(s, 1); },
                                   spec::fault_condition::lsl_1, spec::fault_reason::paging_entry_access}),
        testing::Bool(), testing::Bool()),
    [](const auto& one) {
      return std::string(std::get<0>(one.param).name) + (std::get<1>(one.param) ? "_by_phases" : "_at_once") +
             (std::get<2>(one.param) ? "_write" : "_read");
    });

TEST(fault_injector, a_memory_error_of_data_is_no_fault_and_reveals_and_changes_nothing) {
  faulty_world s;
  s.run([&] {
    s.enable();
    s.store.store<std::uint64_t>(frame, 0x1122334455667788);
    s.memory_faults->add({.of = access_class::read | access_class::write});
    for (const bool accurate : {false, true}) {
      const auto got = s.request(accurate, read, iova);
      EXPECT_EQ(got.status, tlm::TLM_GENERIC_ERROR_RESPONSE);
      EXPECT_EQ(got.data, std::vector<unsigned char>(8, 0xff)) << "not what memory holds";
      EXPECT_EQ(s.request(accurate, write, iova, std::vector<unsigned char>(8, 1)).status,
                tlm::TLM_GENERIC_ERROR_RESPONSE);
      EXPECT_EQ(s.store.load<std::uint64_t>(frame), 0x1122334455667788U);
    }
    wait_ps(100 * ns);
    EXPECT_TRUE(s.faults.empty()) << "VT-d knows no such fault";
    EXPECT_EQ(s.ram.writes(), 0U);
  });
}

TEST(fault_injector, an_error_once_in_a_walk_hits_one_request_of_many) {
  faulty_world s;
  s.run([&] {
    s.enable();
    s.memory_faults->add({.of = access_class::table_read, .skip = 5, .count = 1});
    EXPECT_EQ(s.request(true, read, iova).status, tlm::TLM_OK_RESPONSE) << "five table reads";
    EXPECT_EQ(s.request(true, read, iova + spec::page_size).status, tlm::TLM_ADDRESS_ERROR_RESPONSE);
    EXPECT_EQ(s.request(true, read, iova + spec::page_size).status, tlm::TLM_OK_RESPONSE);
  });
}

// --- Time

/// Latencies of the first request, which reads five tables, and of a hit after it.
std::pair<engine::picoseconds, engine::picoseconds> latencies(faulty_world& s, bool accurate) {
  s.invalidate_contexts();
  s.invalidate_iotlb_global();
  const auto miss = s.request(accurate, read, iova);
  const auto hit = s.request(accurate, read, iova);
  EXPECT_EQ(miss.status, tlm::TLM_OK_RESPONSE);
  EXPECT_EQ(hit.status, tlm::TLM_OK_RESPONSE);
  return {miss.latency, hit.latency};
}

TEST(fault_injector, extra_latency_shifts_the_completion_by_exactly_that) {
  faulty_world s;
  s.run([&] {
    s.enable();
    // Whole cycles, so that edges add nothing.
    constexpr engine::picoseconds extra = 70 * platform_world::period;
    for (const bool accurate : {false, true}) {
      s.memory_faults->clear();
      const auto [miss, hit] = latencies(s, accurate);
      s.memory_faults->add({.effect = fault_effect::latency, .of = access_class::read, .span = extra});
      EXPECT_EQ(latencies(s, accurate), std::pair(miss + extra, hit + extra)) << accurate;
      s.memory_faults->clear();
      s.memory_faults->add({.effect = fault_effect::latency, .of = access_class::table_read, .span = extra});
      EXPECT_EQ(latencies(s, accurate), std::pair(miss + 5 * extra, hit)) << accurate;
      s.memory_faults->add({.effect = fault_effect::latency,
                            .of = access_class::table_read,
                            .span = platform_world::period - 1});
      // An answer at an edge is seen at the next; so is one that comes just before that.
      EXPECT_EQ(latencies(s, accurate), std::pair(miss + 5 * extra, hit)) << accurate;
      s.memory_faults->add({.effect = fault_effect::latency, .of = access_class::table_read, .span = 1});
      EXPECT_EQ(latencies(s, accurate), std::pair(miss + 5 * (extra + platform_world::period), hit))
          << accurate;
    }
  });
}

TEST(fault_injector, a_late_answer_is_not_there_a_cycle_earlier) {
  faulty_world s;
  s.run([&] {
    s.enable();
    const auto [miss, hit] = latencies(s, true);
    (void)miss;
    constexpr engine::picoseconds extra = 100 * ns;
    s.memory_faults->add({.effect = fault_effect::latency, .of = access_class::read, .span = extra});
    platform::payload_pool<tlm::tlm_generic_payload> pool;
    tlm::tlm_generic_payload& trans = pool.take();
    std::vector<unsigned char> data(8);
    trans.set_command(read);
    trans.set_address(iova);
    trans.set_data_ptr(data.data());
    trans.set_data_length(8);
    trans.set_streaming_width(8);
    s.phases.clear();
    tlm::tlm_phase phase = tlm::BEGIN_REQ;
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    s.device->nb_transport_fw(trans, phase, delay);
    const auto answered = [&] {
      return std::any_of(s.phases.begin(), s.phases.end(),
                         [](const auto& p) { return p.phase == "BEGIN_RESP"; });
    };
    wait_ps(hit + extra - platform_world::period);
    EXPECT_FALSE(answered()) << "a cycle before";
    wait_ps(platform_world::period);
    sc_core::wait(sc_core::SC_ZERO_TIME);
    EXPECT_TRUE(answered());
    phase = tlm::END_RESP;
    s.device->nb_transport_fw(trans, phase, delay);
    wait_ps(10 * ns);
    trans.release();
  });
}

TEST(fault_injector, an_answer_withheld_for_a_time_comes_at_its_end) {
  faulty_world s;
  s.run([&] {
    s.enable();
    const auto [miss, hit] = latencies(s, true);
    (void)miss;
    s.memory_faults->add({.effect = fault_effect::withhold, .of = access_class::read, .span = 2000 * ns});
    // Memory's own 50 ns lie inside that time.
    EXPECT_EQ(s.request(true, read, iova).latency, hit - 50 * ns + 2000 * ns);
    EXPECT_EQ(s.request(false, read, iova).latency, hit - 50 * ns + 2000 * ns);
  });
}

TEST(fault_injector, an_invalidation_with_drain_waits_for_an_answer_that_is_withheld) {
  faulty_world s;
  // It outlives the thread, whose stack is never unwound.
  std::vector<unsigned char> data(8);
  tlm::tlm_generic_payload trans;
  trans.set_command(read);
  trans.set_address(iova);
  trans.set_data_ptr(data.data());
  trans.set_data_length(8);
  trans.set_streaming_width(8);
  s.run([&] {
    namespace reg = spec::reg;
    s.enable();
    s.memory_faults->add(
        {.effect = fault_effect::withhold, .of = access_class::read, .count = 1, .span = engine::never});
    sc_core::sc_spawn([&s, &trans] {
      sc_core::sc_time delay;
      s.device->b_transport(trans, delay);
    });
    wait_ps(1000 * ns);
    EXPECT_EQ(s.memory_faults->withheld(), 1U);
    const auto order = reg::iotlb::ivt::of(1) | reg::iotlb::iirg::of(1);
    s.write_register<reg::iotlb>(order);
    wait_ps(1000 * ns);
    EXPECT_EQ(reg::iotlb::ivt::get(s.read_register<reg::iotlb>()), 0U) << "without drain it does not wait";
    s.write_register<reg::iotlb>(order | reg::iotlb::dr::of(1));
    wait_ps(1000000 * ns);
    EXPECT_EQ(reg::iotlb::ivt::get(s.read_register<reg::iotlb>()), 1U);
  });
}

TEST(fault_injector, a_walk_whose_table_read_is_never_answered_stays_in_flight) {
  faulty_world s;
  s.run([&] {
    s.enable();
    s.memory_faults->add({.effect = fault_effect::withhold,
                          .of = access_class::table_read,
                          .count = 1,
                          .span = engine::never});
    sc_core::sc_spawn([&s] { s.request(true, read, iova); });
    wait_ps(1000000 * ns);
    EXPECT_EQ(s.memory_faults->withheld(), 1U);
    EXPECT_TRUE(s.unit.hardware().has_work_in_flight());
    EXPECT_EQ(s.ram.reads(), 0U);
    EXPECT_EQ(s.request(true, read, iova + spec::page_size).status, tlm::TLM_OK_RESPONSE)
        << "the other walker goes on";
    // Only a reset ends it.
    s.unit.hardware().reset(false);
    wait_ps(100 * ns);
    EXPECT_FALSE(s.unit.hardware().has_work_in_flight());
  });
}

// --- Registers

TEST(fault_injector, a_unit_that_is_gone_reads_as_ones_and_takes_no_orders) {
  faulty_world s;
  s.run([&] {
    namespace reg = spec::reg;
    s.enable();
    const engine::picoseconds gone = platform::now_ps() + 500 * ns;
    s.register_faults->add({.effect = fault_effect::all_ones, .from = gone});
    EXPECT_EQ(s.read_register<reg::version>(), 0x10U);
    wait_ps(gone - platform::now_ps() - 1);
    EXPECT_EQ(s.read_register<reg::version>(), 0x10U) << "a picosecond before";
    wait_ps(1000 * ns);
    EXPECT_EQ(s.read_register<reg::version>(), ~0U);
    EXPECT_EQ(s.read_register<reg::cap_reg>(), ~std::uint64_t{0});
    s.write_register<reg::gcmd>(0);
    wait_ps(1000 * ns);
    EXPECT_TRUE(s.unit.hardware().translation_enabled()) << "the order never got there";
  });
}

// --- Reproducible

TEST(fault_injector, equal_seeds_give_equal_runs) {
  // Two worlds side by side: one kernel.
  struct pair_of_worlds {
    platform::kernel_wheel wheel{"wheel", engine::clock{1000}};
    host::sparse_memory store{std::uint64_t{1} << 36};
    host::store_path path{store, {}};
    platform::memory ram{"ram", path, {}, 3};
    platform::fault_injector a{"a", host::fault_plan{5}};
    platform::fault_injector b{"b", host::fault_plan{5}};
    platform::fault_injector c{"c", host::fault_plan{6}};
    probe_initiator to_a{"to_a"};
    probe_initiator to_b{"to_b"};
    probe_initiator to_c{"to_c"};
  } s;
  s.to_a.socket.bind(s.a.port);
  s.to_b.socket.bind(s.b.port);
  s.to_c.socket.bind(s.c.port);
  unsigned n = 0;
  for (auto* each : {&s.a, &s.b, &s.c}) {
    each->next.bind(s.ram.ports[n++]);
    each->add({.effect = fault_effect::error, .of = access_class::read, .per_million = 200'000});
    each->add({.effect = fault_effect::latency, .per_million = 300'000, .span = 7});
  }
  const auto run = [](probe_initiator& who) {
    std::vector<std::pair<int, engine::picoseconds>> out;
    probe_payload trans;
    for (std::uint64_t i = 0; i < 500; ++i) {
      const auto took = who.loosely(trans.set(read, i * 64, bytes(8)));
      out.emplace_back(trans.get_response_status(), took);
    }
    return out;
  };
  in_thread([&] {
    const auto first = run(s.to_a);
    EXPECT_EQ(first, run(s.to_b));
    EXPECT_NE(first, run(s.to_c));
  });
}

// --- Base protocol

/// An injector between two probes.
struct line {
  probe_initiator from{"from"};
  platform::fault_injector faults{"faults"};
  probe_target to{"to"};
  platform::payload_pool<probe_payload> pool;

  line() {
    from.socket.bind(faults.port);
    faults.next.bind(to.socket);
  }
  probe_payload& request(std::uint64_t address, tlm::tlm_command command = read) {
    probe_payload& trans = pool.take();
    trans.set(command, address, bytes(8));
    return trans;
  }
  [[nodiscard]] std::vector<std::string> seen_by_initiator() const {
    std::vector<std::string> out;
    for (const auto& p : from.phases)
      out.push_back(p.phase);
    return out;
  }
  [[nodiscard]] std::vector<std::string> seen_by_target() const {
    std::vector<std::string> out;
    for (const auto& p : to.phases)
      out.push_back(p.phase);
    return out;
  }
};

TEST(fault_injector, phases_of_an_access_that_is_not_hit_pass_as_they_are) {
  line s;
  in_thread([&] {
    probe_payload& trans = s.request(0x1000);
    EXPECT_EQ(s.from.send(trans, tlm::BEGIN_REQ, 3).status, tlm::TLM_ACCEPTED);
    EXPECT_EQ(s.to.phases[0].when, 3U);
    wait_ps(10);
    s.to.respond(trans, tlm::END_REQ);
    s.to.respond(trans);
    EXPECT_THAT(s.seen_by_initiator(), ElementsAre("END_REQ", "BEGIN_RESP"));
    EXPECT_EQ(s.from.send(trans, tlm::END_RESP).status, tlm::TLM_COMPLETED);
    EXPECT_THAT(s.seen_by_target(), ElementsAre("BEGIN_REQ", "END_RESP"));
    trans.release();
  });
}

TEST(fault_injector, a_target_that_does_not_accept_holds_the_initiator_back) {
  line s;
  s.faults.add({.effect = fault_effect::latency, .span = 40});
  in_thread([&] {
    probe_payload& trans = s.request(0x1000);
    EXPECT_EQ(s.from.send(trans).status, tlm::TLM_ACCEPTED);
    wait_ps(1000);
    EXPECT_TRUE(s.from.phases.empty()) << "no END_REQ before the target gives one";
    s.to.respond(trans, tlm::END_REQ);
    EXPECT_THAT(s.seen_by_initiator(), ElementsAre("END_REQ"));
    trans.release();
  });
}

TEST(fault_injector, a_late_answer_lets_others_pass_and_ends_its_target_at_once) {
  line s;
  s.faults.add({.effect = fault_effect::latency, .count = 1, .span = 40});
  in_thread([&] {
    probe_payload& late = s.request(0x1000);
    probe_payload& other = s.request(0x2000);
    s.from.send(late);
    s.to.respond(late, tlm::END_REQ);
    s.from.send(other);
    s.to.respond(other, tlm::END_REQ);
    EXPECT_EQ(s.to.respond(late), tlm::TLM_COMPLETED) << "the target is done with it";
    EXPECT_EQ(s.to.respond(other), tlm::TLM_ACCEPTED);
    ASSERT_EQ(s.from.phases.size(), 3U);
    EXPECT_EQ(s.from.phases[2].trans, &other);
    // The initiator takes its time with it: one answer at a time, so the late one waits until then.
    wait_ps(100);
    EXPECT_EQ(s.from.phases.size(), 3U);
    s.from.send(other, tlm::END_RESP);
    EXPECT_EQ(s.seen_by_target().back(), "END_RESP");
    wait_ps(1);
    ASSERT_EQ(s.from.phases.size(), 4U);
    EXPECT_EQ(s.from.phases[3].trans, &late);
    EXPECT_EQ(s.from.phases[3].when, 100U);
    EXPECT_EQ(s.from.send(late, tlm::END_RESP).status, tlm::TLM_COMPLETED);
    EXPECT_EQ(s.to.phases.size(), 3U) << "no second END_RESP for the target";
    late.release();
    other.release();
    EXPECT_EQ(s.pool.out(), 0U) << "nothing is held any more";
  });
}

TEST(fault_injector, an_answer_that_comes_while_a_late_one_is_taken_waits_its_turn) {
  line s;
  s.faults.add({.effect = fault_effect::latency, .count = 1, .span = 40});
  in_thread([&] {
    probe_payload& late = s.request(0x1000);
    probe_payload& other = s.request(0x2000);
    s.from.send(late);
    s.to.respond(late, tlm::END_REQ);
    s.from.send(other);
    s.to.respond(other, tlm::END_REQ);
    s.to.respond(late);
    wait_ps(41);
    ASSERT_EQ(s.from.phases.size(), 3U) << "the late one is being taken";
    EXPECT_EQ(s.from.phases[2].when, 40U);
    EXPECT_EQ(s.to.respond(other), tlm::TLM_ACCEPTED);
    wait_ps(20);
    EXPECT_EQ(s.from.phases.size(), 3U);
    s.from.send(late, tlm::END_RESP);
    wait_ps(1);
    ASSERT_EQ(s.from.phases.size(), 4U);
    EXPECT_EQ(s.from.phases[3].trans, &other);
    s.from.send(other, tlm::END_RESP);
    EXPECT_EQ(s.seen_by_target().back(), "END_RESP");
    late.release();
    other.release();
    EXPECT_EQ(s.pool.out(), 0U);
  });
}

TEST(fault_injector, a_withheld_access_is_accepted_and_never_answered) {
  line s;
  s.to.completes = true;
  s.to.takes = 5;
  s.faults.add({.effect = fault_effect::withhold, .count = 1, .span = engine::never});
  in_thread([&] {
    probe_payload& trans = s.request(0x1000);
    const auto answer = s.from.send(trans);
    EXPECT_EQ(answer.status, tlm::TLM_UPDATED);
    EXPECT_EQ(answer.phase, "END_REQ");
    wait_ps(1000000);
    EXPECT_TRUE(s.from.phases.empty());
    EXPECT_EQ(s.to.phases.size(), 1U) << "memory did it";
    EXPECT_EQ(s.faults.withheld(), 1U);
    probe_payload& next = s.request(0x1000);
    EXPECT_EQ(s.from.send(next).status, tlm::TLM_COMPLETED);
  });
}

TEST(fault_injector, debug_accesses_are_never_hit) {
  line s;
  s.faults.add({.effect = fault_effect::error});
  probe_payload& trans = s.request(0x1000);
  sc_core::sc_start(sc_core::SC_ZERO_TIME);
  EXPECT_EQ(s.from.socket->transport_dbg(trans), 8U);
  EXPECT_THAT(s.to.debugged, ElementsAre(0x1000U));
  EXPECT_EQ(s.faults.plan().hits(0), 0U);
}

TEST(fault_injector, direct_pointers_are_given_only_where_no_rule_may_hit_data) {
  faulty_world s;
  s.ram.allow_dmi(true);
  s.run([&] {
    s.enable();
    s.request(false, read, iova);
    s.request(false, read, iova + spec::page_size);
    s.memory_faults->add({.of = access_class::table_read});
    EXPECT_TRUE(s.gives_direct_access(iova)) << "a rule for table reads does not matter";
    EXPECT_TRUE(s.withdrawn.empty());
    s.memory_faults->add({.of = access_class::write, .first = frame, .last = frame + 7});
    EXPECT_FALSE(s.withdrawn.empty()) << "what was given is void";
    EXPECT_FALSE(s.gives_direct_access(iova));
    EXPECT_TRUE(s.gives_direct_access(iova + spec::page_size)) << "its neighbour is not concerned";
    s.memory_faults->clear();
    EXPECT_TRUE(s.gives_direct_access(iova));
  });
}

TEST(fault_injector, a_socket_that_is_not_bound_ends_elaboration_with_its_name) {
  platform::fault_injector faults{"faults"};
  const std::string said = elaboration_error();
  EXPECT_THAT(said, testing::HasSubstr("faults.port is not bound"));
  EXPECT_THAT(said, testing::HasSubstr("faults.next is not bound"));
}

} // namespace
} // namespace vtd::test
