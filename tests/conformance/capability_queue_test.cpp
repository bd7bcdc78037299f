// SPDX-License-Identifier: Apache-2.0
// Capabilities of the invalidation queue and of device-TLBs over random parts (VT-d 10.4.3).

#include "conformance/random_part.h"
#include "support/queue_driver.h"

namespace vtd::test {
namespace {

namespace reg = spec::reg;
using remap::access_kind;
using spec::fault_condition;

TEST(capability_bits, qi_says_whether_there_is_a_queue) {
  over_random_parts([](random_world& w) -> std::uint64_t {
    constexpr std::uint64_t done_at = 0xa00000;
    const std::uint64_t iova = w.some_page();
    cache_two_pages(w, iova, iova + spec::page_size);
    queue_driver queue(w);
    queue.enable();
    EXPECT_EQ(queue.on(), w.ecap().qi());
    queue.run(all_pages(), status_wait(done_at, 7));
    EXPECT_EQ(w.memory.load(done_at), w.ecap().qi() ? 7U : 0U);
    EXPECT_EQ(w.read_register<reg::iqt>(), w.ecap().qi() ? queue.tail() : 0U);
    EXPECT_EQ(w.read_register<reg::iqh>(), w.ecap().qi() ? queue.tail() : 0U);
    EXPECT_EQ(w.ask_read(nic, iova), w.to(w.ecap().qi() ? random_world::other_frame : random_world::frame));
    return w.ecap().qi();
  });
}

TEST(capability_bits, dt_says_whether_devices_may_ask_for_translations) {
  over_random_parts([](random_world& w) -> std::uint64_t {
    const bool dt = w.ecap().dt();
    const std::uint64_t iova = w.some_page();
    w.tables.attach(nic, random_world::domain, w.levels(), spec::translation_type::with_device_tlb);
    w.tables.map(nic, iova, random_world::frame);
    w.enable();
    EXPECT_EQ(w.ask_read(nic, iova), dt ? w.to(random_world::frame) : w.fault(fault_condition::lct_4_2));
    // What a device says is translated goes where it says, or nowhere.
    const auto translated =
        w.ask(nic, access_kind::read, random_world::frame, remap::address_type::translated);
    EXPECT_EQ(translated.allowed, dt);
    // And the queue knows, or does not, how to tell it of a change.
    queue_driver queue(w);
    queue.enable();
    spec::device_tlb_descriptor change;
    queue.run(change.set_source(nic).set_range(iova, 0));
    EXPECT_EQ(w.invalidations.size(), dt ? 1U : 0U);
    EXPECT_EQ(reg::fsts::iqe::get(w.read_register<reg::fsts>()), w.ecap().qi() && !dt ? 1U : 0U);
    return dt;
  });
}

TEST(capability_bits, nwfs_says_whether_a_device_may_ask_to_read_only) {
  over_random_parts(
      [](random_world& w) -> std::uint64_t {
        const bool nwfs = w.ecap().nwfs();
        const std::uint64_t iova = w.some_page();
        w.tables.attach(nic, random_world::domain, w.levels(), spec::translation_type::with_device_tlb);
        w.tables.map(nic, iova, random_world::frame);
        w.enable();
        for (const bool no_write : {true, false}) {
          dmar::request what;
          what.access = {nic, access_kind::read, remap::address_type::translation_request,
                         spec::ats::question{iova}.set_no_write(no_write).value};
          what.length = spec::ats::translation_bytes;
          spec::ats::translation told;
          if (w.how == way::at_once) {
            told.value = w.unit.pass(what, w.memory, w.now_ps()).address;
            w.settle();
          } else {
            w.unit.offer(0, what, w.now_ps());
            w.settle();
            told.value = w.answers.back().address;
          }
          EXPECT_EQ(told.address(), random_world::frame);
          EXPECT_TRUE(told.read());
          EXPECT_EQ(told.write(), !(nwfs && no_write)) << "no write: " << no_write;
        }
        return nwfs;
      },
      [](remap::capabilities& caps) {
        const bool nwfs = caps.ecap.sc();
        caps.ecap.set_qi(true).set_dt(true).set_nwfs(nwfs);
      });
}

TEST(capability_bits, dit_says_whose_invalidations_are_counted_together) {
  over_random_parts(
      [](random_world& w) -> std::uint64_t {
        const bool dit = w.ecap().dit();
        w.devices_answer = false;
        w.enable();
        queue_driver queue(w);
        queue.enable();
        // Two functions of one device, of which at most one may be told at a time.
        spec::device_tlb_descriptor one;
        spec::device_tlb_descriptor other;
        one.set_source(nic).set_max_pending(1).set_range(0, 0);
        other.set_source(disk).set_max_pending(1).set_range(0, 0);
        if (dit) {
          one.set_physical_source(nic);
          other.set_physical_source(nic);
        }
        queue.submit(one, other);
        w.run_to(w.wheel.now() + 2000);
        EXPECT_EQ(w.invalidations.size(), dit ? 1U : 2U);
        return dit;
      },
      [](remap::capabilities& caps) {
        const bool dit = caps.ecap.sc();
        caps.ecap.set_qi(true).set_dt(true).set_dit(dit);
      });
}

} // namespace
} // namespace vtd::test
