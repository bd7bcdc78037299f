// SPDX-License-Identifier: Apache-2.0
// What is not built behaves as absent over random parts (VT-d 10.4.2, 10.4.3), and is taken away from what a
// part advertises; what is reported only changes nothing.

#include "conformance/random_part.h"
#include "vtd/models/compliance.h"
#include "vtd/spec/outline.h"

namespace vtd::test {
namespace {

namespace reg = spec::reg;
using remap::access_kind;
using spec::fault_condition;

bool is_absent(const std::vector<models::compliance_row>& rows, std::string_view name) {
  for (const models::compliance_row& row : rows) {
    if (row.name == name) return row.status == models::compliance_status::absent;
  }
  ADD_FAILURE() << "no row " << name;
  return false;
}

TEST(capability_bits, what_is_not_built_is_masked_and_behaves_as_absent) {
  const auto rows = models::compliance_rows();
  // Every field of a register that says "absent", at every place where this part could have it.
  const auto expect_absent_fields_zero = [&](random_world& w) {
    w.unit.registers().for_each(
        [&](const spec::register_layout& layout, unsigned, std::uint32_t offset, std::uint64_t value) {
          if (layout.name == reg::gcmd::layout.name) return;
          const bool is_cap = layout.name == reg::cap_reg::layout.name;
          const bool is_ecap = layout.name == reg::ecap_reg::layout.name;
          for (const spec::field_row& field : layout.fields) {
            const std::string name = is_cap    ? "CAP." + std::string(field.name)
                                     : is_ecap ? "ECAP." + std::string(field.name)
                                               : std::string(layout.name.substr(0, layout.name.find(' '))) +
                                                     '.' + std::string(field.name);
            if (is_absent(rows, name)) {
              EXPECT_EQ(value & field.mask(), 0U) << name << " at offset " << offset;
            }
          }
        });
    for (const spec::earlier_field& gone : spec::earlier_fields) {
      const std::string name = std::string(gone.register_name) + '.' + std::string(gone.name);
      if (is_absent(rows, name)) {
        EXPECT_EQ(w.read_at(gone.offset, 4) & gone.mask(), 0U) << name;
      }
    }
    for (const spec::register_outline& gone : spec::undeclared_registers) {
      for (std::uint32_t offset = gone.offset; offset < gone.offset + gone.bytes; offset += 4)
        EXPECT_EQ(w.read_at(offset, 4), 0U) << gone.name;
    }
  };
  over_random_parts([&](random_world& w) -> std::uint64_t {
    expect_absent_fields_zero(w);
    // Ones everywhere, but for what starts something.
    for (std::uint32_t offset = 0; offset < w.unit.register_space(); offset += 4) {
      if (offset != reg::gcmd::offset) w.write_at(offset, 4, ~std::uint32_t{0});
    }
    expect_absent_fields_zero(w);
    w.unit.reset(true);
    w.settle();
    // Commands whose feature is not there leave no trace.
    for (const spec::field_row& command : reg::gcmd::layout.fields) {
      if (!is_absent(rows, "GCMD." + std::string(command.name))) continue;
      w.order<reg::gcmd>(static_cast<std::uint32_t>(command.mask()));
      EXPECT_EQ(w.read_register<reg::gsts>(), 0U) << command.name;
    }
    // A device's fault leaves none of the later fields in its record.
    const std::uint64_t iova = w.some_page();
    map_and_enable(w, iova);
    EXPECT_EQ(w.ask_write(disk, iova), w.fault(fault_condition::lrt_2));
    expect_absent_fields_zero(w);
    const std::uint64_t later = iova + spec::page_size;
    // Without DT: no context and no leaf of a device-TLB, and no translated request.
    const bool dt = w.ecap().dt();
    const auto device = spec::source_id::from_bdf(1, 1, 0);
    w.tables.attach(device, random_world::domain, w.levels(), spec::translation_type::with_device_tlb);
    if (!dt) {
      EXPECT_EQ(w.ask_read(device, iova), w.fault(fault_condition::lct_4_2));
    }
    EXPECT_EQ(w.ask(nic, access_kind::read, iova, remap::address_type::translated),
              w.fault(fault_condition::lct_5));
    const std::uint64_t leaf = w.tables.entry_of(nic, later + spec::page_size, 1, true);
    spec::second_level_entry transient;
    transient.set_read(true).set_address(random_world::frame).set_transient_mapping(true);
    w.memory.store(leaf, transient.value);
    // TM is reserved again since version 3.
    EXPECT_EQ(w.ask_read(nic, later + spec::page_size), dt && w.caps().major_version() < 3
                                                            ? w.to(random_world::frame)
                                                            : w.fault(fault_condition::lsl_2));
    // SMTS, ECS: the mode of translation cannot be written, the upper half of a root entry is reserved.
    EXPECT_EQ(reg::rtaddr::ttm::get(w.read_register<reg::rtaddr>()), 0U);
    return w.cap().value;
  });
}

TEST(capability_bits, what_is_not_built_is_taken_away_from_every_real_part_and_listed) {
  const auto rows = models::compliance_rows();
  const auto expect = [&](std::string_view prefix, const spec::register_layout& layout, std::uint64_t left,
                          const std::vector<std::string>& masked) {
    for (const spec::field_row& field : layout.fields) {
      const bool absent = is_absent(rows, std::string(prefix) + std::string(field.name));
      EXPECT_EQ(left & field.mask(), absent ? 0U : field.mask()) << prefix << field.name;
      EXPECT_EQ(std::count(masked.begin(), masked.end(), field.name), absent ? 1 : 0) << prefix << field.name;
    }
    EXPECT_EQ(left & layout.reserved(), 0U) << prefix << " bits of no field";
    EXPECT_EQ(std::count(masked.begin(), masked.end(), "reserved bits"), 1);
  };
  std::vector<std::string> masked;
  expect("CAP.", reg::cap_reg::layout, models::advertised(spec::cap{~std::uint64_t{0}}, &masked).value,
         masked);
  masked.clear();
  expect("ECAP.", reg::ecap_reg::layout, models::advertised(spec::ecap{~std::uint64_t{0}}, &masked).value,
         masked);
  masked.clear();
  EXPECT_EQ(models::advertised(spec::cap{}, &masked).value, 0U);
  EXPECT_TRUE(masked.empty());
}

TEST(capability_bits, niu_is_read_as_the_part_has_it_and_changes_nothing) {
  over_random_parts(
      [](random_world& w) -> std::uint64_t {
        dmar::unit_config config = w.unit.config();
        const unsigned niu = w.ecap().niu();
        config.caps.ecap.set_niu(0);
        random_world other(config, w.how, 1);
        EXPECT_EQ(w.read_register<reg::ecap_reg>(), other.read_register<reg::ecap_reg>() | niu << 24);
        const std::uint64_t iova = w.some_page();
        for (random_world* each : {&w, &other}) {
          map_and_enable(*each, iova);
          EXPECT_EQ(each->ask_read(nic, iova), each->to(random_world::frame));
          each->invalidate_iotlb_domain(random_world::domain);
          each->settle();
          // One set of registers, whatever the number says.
          const std::uint32_t second_set = each->ecap().iro() * 16 + 16;
          each->write_at(second_set + 8, 8, ~std::uint64_t{0});
          EXPECT_EQ(each->read_at(second_set + 8, 8), 0U);
        }
        EXPECT_EQ(w.wheel.now(), other.wheel.now());
        return niu;
      },
      [](remap::capabilities& caps) {
        caps.version = spec::rev_1_0;
        caps.ecap.set_niu((caps.ecap.iro() * 37 + caps.cap.mamv()) & 0xff);
        caps.ecap = models::advertised(caps.ecap, nullptr, spec::rev_1_1);
      });
}

} // namespace
} // namespace vtd::test
