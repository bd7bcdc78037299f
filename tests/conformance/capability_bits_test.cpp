// SPDX-License-Identifier: Apache-2.0
// Every field of CAP and ECAP over random parts: what is advertised works (VT-d 10.4.2, 10.4.3). Queue and
// devices, versions, and what is not there have files of their own: capability_queue_test.cpp,
// capability_versions_test.cpp, capability_absent_test.cpp. models/compliance/capabilities.cpp says which
// test watches which field.

#include "conformance/random_part.h"

namespace vtd::test {
namespace {

namespace reg = spec::reg;
using remap::access_kind;
using spec::fault_condition;

TEST(capability_bits, nd_says_how_many_domain_ids_there_are) {
  over_random_parts([](random_world& w) -> std::uint64_t {
    const std::uint64_t iova = w.some_page();
    const unsigned count = 1U << (4 + 2 * w.cap().nd());
    w.tables.attach(nic, static_cast<std::uint16_t>(count - 1), w.levels());
    w.tables.map(nic, iova, random_world::frame);
    if (count < 0x10000) {
      w.tables.attach(disk, static_cast<std::uint16_t>(count), w.levels());
      w.tables.map(disk, iova, random_world::frame);
    }
    w.enable();
    EXPECT_EQ(w.ask_read(nic, iova), w.to(random_world::frame));
    if (count < 0x10000) {
      EXPECT_EQ(w.ask_read(disk, iova), w.fault(fault_condition::lct_3));
    }
    w.order<reg::ccmd>(reg::ccmd::did::of(0xffff));
    EXPECT_EQ(reg::ccmd::did::get(w.read_register<reg::ccmd>()), count - 1);
    return count;
  });
}

TEST(capability_bits, rwbf_says_whether_the_write_buffer_is_drained) {
  over_random_parts([](random_world& w) -> std::uint64_t {
    w.order<reg::gcmd>(reg::gcmd::wbf::of(1));
    EXPECT_EQ(w.drains.size(), w.cap().rwbf() ? 1U : 0U);
    EXPECT_EQ(w.read_register<reg::gsts>(), 0U);
    w.invalidate_iotlb_global();
    w.settle();
    EXPECT_EQ(w.drains.size(), w.cap().rwbf() ? 2U : 0U);
    w.invalidate_contexts_global();
    w.settle();
    EXPECT_EQ(w.drains.size(), w.cap().rwbf() ? 3U : 0U);
    return w.cap().rwbf();
  });
}

TEST(capability_bits, plmr_and_phmr_say_which_regions_can_be_protected) {
  over_random_parts([](random_world& w) -> std::uint64_t {
    const bool plmr = w.cap().plmr();
    const bool phmr = w.cap().phmr();
    // The size of a block, as software finds it.
    const std::uint64_t region = std::uint64_t{1} << w.unit.config().protected_region_shift;
    w.order<reg::plmlimit>(~std::uint32_t{0});
    EXPECT_EQ(w.read_register<reg::plmlimit>(), plmr ? 0x100000000 - region : 0);
    w.order<reg::phmlimit>(~std::uint64_t{0});
    EXPECT_EQ(w.read_register<reg::phmlimit>(),
              phmr ? (std::uint64_t{1} << w.caps().host_address_width) - region : 0);
    const std::uint64_t low = 5 * region;
    const std::uint64_t high = (std::uint64_t{1} << 32) + 6 * region;
    w.order<reg::plmbase>(static_cast<std::uint32_t>(low));
    w.order<reg::plmlimit>(static_cast<std::uint32_t>(low + region));
    w.order<reg::phmbase>(high);
    w.order<reg::phmlimit>(high + region);
    EXPECT_EQ(w.read_register<reg::plmbase>(), plmr ? low : 0U);
    EXPECT_EQ(w.read_register<reg::plmlimit>(), plmr ? low + region : 0U);
    EXPECT_EQ(w.read_register<reg::phmbase>(), phmr ? high : 0U);
    EXPECT_EQ(w.read_register<reg::phmlimit>(), phmr ? high + region : 0U);
    EXPECT_TRUE(w.ask_read(nic, low).allowed && w.ask_read(nic, high).allowed) << "not enabled yet";
    w.order<reg::pmen>(reg::pmen::epm::of(1));
    EXPECT_EQ(reg::pmen::prs::get(w.read_register<reg::pmen>()), plmr || phmr ? 1U : 0U);
    for (const std::uint64_t inside : {low, low + 2 * region - 4})
      EXPECT_EQ(w.ask_read(nic, inside).allowed, !plmr) << std::hex << inside;
    for (const std::uint64_t inside : {high, high + 2 * region - 4})
      EXPECT_EQ(w.ask_write(nic, inside).allowed, !phmr) << std::hex << inside;
    for (const std::uint64_t outside : {low - 4, low + 2 * region, high - 4, high + 2 * region})
      EXPECT_TRUE(w.ask_read(nic, outside).allowed) << std::hex << outside;
    EXPECT_TRUE(w.faults.empty());
    return (plmr ? 1U : 0U) + (phmr ? 2U : 0U);
  });
}

TEST(capability_bits, sagaw_says_which_depths_of_tables_work) {
  over_random_parts([](random_world& w) -> std::uint64_t {
    const std::uint64_t iova = w.some_page() % (std::uint64_t{1} << 30);
    w.enable();
    for (unsigned aw = 0; aw < 8; ++aw) {
      const auto device = spec::source_id::from_bdf(2, static_cast<std::uint8_t>(aw), 0);
      const auto id = static_cast<std::uint16_t>(1 + aw);
      if (aw < 5) {
        w.tables.attach(device, id, spec::levels_of_agaw(aw));
        w.tables.map(device, iova, random_world::frame);
      } else {
        spec::context_entry entry;
        entry.set_present(true).set_domain_id(id).set_address_width(aw);
        w.tables.set_context(device, entry);
      }
      const bool has = aw < 5 && (w.cap().sagaw() >> aw & 1) != 0;
      EXPECT_EQ(w.ask_read(device, iova), has ? w.to(random_world::frame) : w.fault(fault_condition::lct_4_1))
          << "AW " << aw;
    }
    return w.cap().sagaw();
  });
}

TEST(capability_bits, mgaw_says_how_wide_addresses_are) {
  over_random_parts([](random_world& w) -> std::uint64_t {
    const std::uint64_t end = std::uint64_t{1} << w.width();
    map_and_enable(w, end - spec::page_size);
    EXPECT_EQ(w.ask_read(nic, end - 4), w.to(random_world::frame + spec::page_size - 4));
    // Twice, as the second time the context comes from the cache.
    for (int i = 0; i < 2; ++i) {
      const auto beyond = w.ask_read(nic, end);
      const unsigned tables = spec::width_of_agaw(static_cast<unsigned>(w.cap().largest_agaw()));
      EXPECT_EQ(beyond,
                w.fault(tables <= w.cap().mgaw() ? fault_condition::lgn_1_1 : fault_condition::lgn_1_2));
    }
    return w.cap().mgaw();
  });
}

TEST(capability_bits, zlr_says_whether_a_zero_length_read_needs_only_the_right_to_write) {
  over_random_parts([](random_world& w) -> std::uint64_t {
    const std::uint64_t iova = w.some_page();
    map_and_enable(w, iova, write_only);
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(w.ask(nic, access_kind::zero_length_read, iova),
                w.cap().zlr() ? w.to(random_world::frame) : w.fault(fault_condition::lgn_3_zlr));
      EXPECT_EQ(w.ask_read(nic, iova), w.fault(fault_condition::lgn_3));
      EXPECT_EQ(w.ask_write(nic, iova), w.to(random_world::frame)) << "now it is in the IOTLB";
    }
    return w.cap().zlr();
  });
}

TEST(capability_bits, isoch_is_read_as_the_part_has_it_and_changes_nothing) {
  over_random_parts([](random_world& w) -> std::uint64_t {
    dmar::unit_config config = w.unit.config();
    config.caps.cap.set_isoch(!w.cap().isoch());
    random_world other(config, w.how, 1);
    EXPECT_EQ(w.read_register<reg::cap_reg>() ^ other.read_register<reg::cap_reg>(),
              reg::cap_reg::isoch::mask);
    const std::uint64_t iova = w.some_page();
    for (random_world* each : {&w, &other}) {
      map_and_enable(*each, iova);
      EXPECT_EQ(each->ask_read(nic, iova), each->to(random_world::frame));
      EXPECT_FALSE(each->ask_read(disk, iova).allowed);
    }
    EXPECT_EQ(w.wheel.now(), other.wheel.now());
    return w.cap().isoch();
  });
}

TEST(capability_bits, fro_and_nfr_say_where_fault_records_stand_and_how_many) {
  over_random_parts([](random_world& w) -> std::uint64_t {
    w.enable();
    const unsigned records = w.cap().nfr() + 1;
    const std::uint32_t first = w.cap().fro() * 16;
    for (unsigned index = 0; index < records; ++index) {
      EXPECT_EQ(w.read_at(first + 16 * index + 8, 8), 0U) << index;
      EXPECT_EQ(w.ask_read(spec::source_id{static_cast<std::uint16_t>(0x100 + index)}, 0x5000),
                w.fault(fault_condition::lrt_2));
      const std::uint64_t high = w.read_at(first + 16 * index + 8, 8);
      EXPECT_EQ(reg::frcd_hi::sid::get(high), 0x100U + index);
      EXPECT_EQ(reg::frcd_hi::f::get(high), 1U);
      EXPECT_EQ(w.read_at(first + 16 * index, 8), 0x5000U);
      EXPECT_EQ(reg::fsts::pfo::get(w.read_register<reg::fsts>()), 0U);
    }
    w.ask_read(nic, 0x5000);
    EXPECT_EQ(reg::fsts::pfo::get(w.read_register<reg::fsts>()), 1U) << "all records are taken";
    EXPECT_EQ(w.read_at(first + 16 * records + 8, 8), 0U) << "behind the last";
    return first + w.cap().nfr();
  });
}

TEST(capability_bits, sps_says_which_sizes_of_pages_work) {
  over_random_parts([](random_world& w) -> std::uint64_t {
    w.enable();
    for (unsigned level = 2; level <= std::min(w.levels(), 6U); ++level) {
      const auto device = spec::source_id::from_bdf(2, static_cast<std::uint8_t>(level), 0);
      w.tables.attach(device, static_cast<std::uint16_t>(level), w.levels());
      w.tables.map(device, 0, 0, read_write, level);
      const bool has = level <= 5 && (w.cap().sps() >> (level - 2) & 1) != 0;
      const std::uint64_t inside = 0x1f0000 + 4 * level;
      EXPECT_EQ(w.ask_read(device, inside), has ? w.to(inside) : w.fault(fault_condition::lsl_2))
          << "level " << level;
      if (!has) continue;
      const std::uint64_t last = std::min(spec::level_size(level), std::uint64_t{1} << w.width()) - 4;
      EXPECT_EQ(w.ask_read(device, last), w.to(last)) << "level " << level;
    }
    return w.cap().sps();
  });
}

TEST(capability_bits, psi_says_whether_a_page_can_be_invalidated) {
  over_random_parts([](random_world& w) -> std::uint64_t {
    const std::uint64_t iova = w.some_page();
    const std::uint64_t other = iova + spec::page_size;
    cache_two_pages(w, iova, other);
    w.invalidate_iotlb_page(random_world::domain, iova);
    w.settle();
    const auto done =
        static_cast<spec::iotlb_granularity>(reg::iotlb::iaig::get(w.read_register<reg::iotlb>()));
    EXPECT_EQ(done, w.cap().psi() ? spec::iotlb_granularity::page : spec::iotlb_granularity::domain);
    EXPECT_EQ(w.ask_read(nic, iova), w.to(random_world::other_frame));
    EXPECT_EQ(w.ask_read(nic, other), w.to(w.cap().psi() ? random_world::frame : random_world::other_frame));
    return w.cap().psi();
  });
}

TEST(capability_bits, mamv_says_how_many_pages_an_invalidation_can_name) {
  over_random_parts(
      [](random_world& w) -> std::uint64_t {
        const unsigned mamv = w.cap().mamv();
        const std::uint64_t block = spec::page_size << mamv;
        // The last page of a block of the largest size, and the first of the next.
        const std::uint64_t iova = 2 * block - spec::page_size;
        const std::uint64_t other = 2 * block;
        if (other >= std::uint64_t{1} << w.width()) return mamv;
        cache_two_pages(w, iova, other);
        w.invalidate_iotlb_page(random_world::domain, iova, mamv + 1);
        w.settle();
        EXPECT_EQ(reg::iotlb::iaig::get(w.read_register<reg::iotlb>()), 0U) << "one more than there is";
        EXPECT_EQ(w.ask_read(nic, iova), w.to(random_world::frame));
        w.invalidate_iotlb_page(random_world::domain, block, mamv);
        w.settle();
        EXPECT_EQ(reg::iotlb::iaig::get(w.read_register<reg::iotlb>()), 3U);
        EXPECT_EQ(w.ask_read(nic, iova), w.to(random_world::other_frame));
        EXPECT_EQ(w.ask_read(nic, other), w.to(random_world::frame)) << "outside the block";
        return mamv;
      },
      [](remap::capabilities& caps) { caps.cap.set_psi(true); });
}

TEST(capability_bits, dwd_and_drd_say_which_requests_an_invalidation_can_wait_for) {
  over_random_parts([](random_world& w) -> std::uint64_t {
    const std::uint64_t iova = w.some_page();
    map_and_enable(w, iova);
    for (const bool write : {false, true}) {
      dmar::pipeline::admission entered;
      if (w.how == way::at_once) {
        entered = w.unit.enter(write);
      } else {
        w.hold_answers = true;
        w.held.clear();
        w.offer(write ? 2 : 1, nic, write ? access_kind::write : access_kind::read, iova);
        w.settle();
        EXPECT_EQ(w.held.size(), 1U) << "it is in memory";
      }
      w.order<reg::iotlb>(reg::iotlb::ivt::of(1) | reg::iotlb::iirg::of(1) | reg::iotlb::dr::of(1) |
                          reg::iotlb::dw::of(1));
      // Parts of version 2 and later wait always.
      const bool waits = w.caps().major_version() >= 2 || (write ? w.cap().dwd() : w.cap().drd());
      EXPECT_EQ(reg::iotlb::ivt::get(w.read_register<reg::iotlb>()), waits ? 1U : 0U) << "write: " << write;
      if (w.how == way::at_once) {
        w.unit.leave(entered, w.now_ps());
      } else {
        for (const unsigned slot : w.held)
          w.unit.answered(slot, true, w.now_ps());
        w.hold_answers = false;
      }
      w.settle();
      EXPECT_EQ(reg::iotlb::ivt::get(w.read_register<reg::iotlb>()), 0U);
    }
    return (w.cap().dwd() ? 1U : 0U) + (w.cap().drd() ? 2U : 0U);
  });
}

TEST(capability_bits, esrtps_says_whether_srtp_empties_the_caches) {
  over_random_parts([](random_world& w) -> std::uint64_t {
    const std::uint64_t iova = w.some_page();
    cache_two_pages(w, iova, iova + spec::page_size);
    w.order<reg::gcmd>(reg::gcmd::srtp::of(1) | reg::gcmd::te::of(1));
    EXPECT_EQ(w.ask_read(nic, iova),
              w.to(w.cap().esrtps() ? random_world::other_frame : random_world::frame));
    return w.cap().esrtps();
  });
}

TEST(capability_bits, ch_says_whether_contexts_may_have_hints) {
  over_random_parts([](random_world& w) -> std::uint64_t {
    const std::uint64_t iova = w.some_page();
    for (const bool eviction : {false, true}) {
      const spec::source_id device = eviction ? nic : disk;
      w.tables.attach(device, random_world::domain, w.levels());
      w.tables.map(device, iova, random_world::frame);
      spec::context_entry entry = w.tables.context(device);
      entry.set_eviction_hint(eviction).set_address_locality_hint(!eviction);
      w.tables.set_context(device, entry);
    }
    w.enable();
    for (const spec::source_id device : {nic, disk})
      EXPECT_EQ(w.ask_read(device, iova),
                w.ecap().ch() ? w.to(random_world::frame) : w.fault(fault_condition::lct_3));
    return w.ecap().ch();
  });
}

TEST(capability_bits, pt_says_whether_contexts_may_pass_through) {
  over_random_parts([](random_world& w) -> std::uint64_t {
    w.tables.attach(nic, random_world::domain, w.levels(), spec::translation_type::pass_through);
    w.enable();
    const std::uint64_t last = (std::uint64_t{1} << w.caps().host_address_width) - 4;
    for (const std::uint64_t address : {w.some_page(), last})
      EXPECT_EQ(w.ask_read(nic, address), w.ecap().pt() ? w.to(address) : w.fault(fault_condition::lct_4_2));
    EXPECT_EQ(w.ask_read(nic, last + 4),
              w.fault(w.ecap().pt() ? fault_condition::lgn_1_3 : fault_condition::lct_4_2));
    return w.ecap().pt();
  });
}

TEST(capability_bits, sc_says_whether_leaves_may_ask_for_snooping) {
  over_random_parts([](random_world& w) -> std::uint64_t {
    const std::uint64_t iova = w.some_page();
    map_and_enable(w, iova);
    const std::uint64_t at = w.tables.entry_of(nic, iova, 1, false);
    w.memory.store(at, w.memory.load(at) | spec::second_level_entry::snoop_field::mask);
    EXPECT_EQ(w.ask_read(nic, iova),
              w.ecap().sc() ? w.to(random_world::frame) : w.fault(fault_condition::lsl_2));
    return w.ecap().sc();
  });
}

TEST(capability_bits, iro_says_where_iva_and_iotlb_stand) {
  over_random_parts([](random_world& w) -> std::uint64_t {
    const std::uint32_t iva = w.ecap().iro() * 16;
    const std::uint64_t iova = w.some_page();
    cache_two_pages(w, iova, iova + spec::page_size);
    w.write_at(iva, 8, iova);
    w.write_at(iva + 8, 8,
               reg::iotlb::ivt::of(1) | reg::iotlb::iirg::of(3) | reg::iotlb::did::of(random_world::domain));
    EXPECT_EQ(reg::iotlb::iaig::get(w.read_at(iva + 8, 8)), w.cap().psi() ? 3U : 2U);
    EXPECT_EQ(w.ask_read(nic, iova), w.to(random_world::other_frame));
    EXPECT_EQ(w.read_at(iva, 8), 0U) << "IVA is written only";
    return iva;
  });
}

TEST(capability_bits, cm_says_whether_what_is_not_present_is_cached) {
  over_random_parts(
      [](random_world& w) -> std::uint64_t {
        const bool cm = w.cap().cm();
        const std::uint64_t iova = w.some_page();
        map_and_enable(w, iova);
        EXPECT_EQ(w.ask_read(nic, iova), w.to(random_world::frame));
        const std::uint64_t later = iova + spec::page_size;
        EXPECT_EQ(w.ask_read(nic, later), w.fault(fault_condition::lgn_3_np));
        w.tables.map(nic, later, random_world::frame);
        EXPECT_EQ(w.ask_read(nic, later),
                  cm ? w.fault(fault_condition::lgn_3_np) : w.to(random_world::frame));
        w.invalidate_iotlb_domain(random_world::domain);
        w.settle();
        EXPECT_EQ(w.ask_read(nic, later), w.to(random_world::frame));
        // A context, which is of domain 0 while it is not present.
        EXPECT_FALSE(w.ask_read(disk, iova).allowed);
        w.tables.attach(disk, random_world::domain, w.levels(), spec::translation_type::untranslated_only,
                        w.tables.context(nic).second_level_table());
        EXPECT_EQ(w.ask_read(disk, iova).allowed, !cm);
        w.order<reg::ccmd>(reg::ccmd::icc::of(1) | reg::ccmd::cirg::of(3) | reg::ccmd::sid::of(disk.value()));
        EXPECT_EQ(w.ask_read(disk, iova), w.to(random_world::frame));
        return cm;
      },
      [](remap::capabilities& caps) { caps.cap.set_cm(caps.cap.zlr()); });
}

TEST(capability_bits, afl_says_whether_faults_can_go_to_a_log) {
  over_random_parts([](random_world& w) -> std::uint64_t {
    constexpr std::uint64_t log_base = 0xb00000;
    const bool afl = w.cap().afl();
    const std::uint64_t iova = w.some_page();
    map_and_enable(w, iova, read_only);
    w.order<reg::aflog>(log_base);
    w.order<reg::gcmd>(reg::gcmd::te::mask | reg::gcmd::sfl::mask);
    w.order<reg::gcmd>(reg::gcmd::te::mask | reg::gcmd::eafl::mask);
    EXPECT_EQ(reg::gsts::fls::get(w.read_register<reg::gsts>()), afl ? 1U : 0U);
    EXPECT_EQ(reg::gsts::afls::get(w.read_register<reg::gsts>()), afl ? 1U : 0U);
    EXPECT_EQ(w.ask_write(nic, iova), w.fault(fault_condition::lgn_2));
    const spec::fault_log_record first{w.memory.load(log_base), w.memory.load(log_base + 8)};
    EXPECT_EQ(first.pending(), afl);
    EXPECT_EQ(reg::fsts::apf::get(w.read_register<reg::fsts>()), afl ? 1U : 0U);
    EXPECT_EQ(reg::fsts::ppf::get(w.read_register<reg::fsts>()), afl ? 0U : 1U);
    return afl;
  });
}

} // namespace
} // namespace vtd::test
