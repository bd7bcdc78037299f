// SPDX-License-Identifier: Apache-2.0
// What is a DMAR table, what is none, and what a careful driver says about the odd ones (VT-d chapter 8).

#include "vtd/driver/dmar_parser.h"

#include "vtd/driver/error.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace vtd::driver {
namespace {

namespace acpi = spec::acpi;
using kind = dmar_warning_kind;

/// Builds tables structure by structure.
class table_writer {
public:
  table_writer() : bytes_(acpi::dmar_header::size) {
    acpi::dmar_header::signature::set(bytes_, "DMAR");
    acpi::dmar_header::revision::set(bytes_, 1);
    acpi::dmar_header::oem_id::set(bytes_, "TEST", ' ');
    acpi::dmar_header::host_address_width::set(bytes_, 35);
  }
  /// Starts a structure; what follows belongs to it until the next one.
  table_writer& structure(unsigned type, std::size_t size) {
    close();
    begin_ = bytes_.size();
    bytes_.resize(begin_ + size);
    acpi::structure_header::type::set(rest(), static_cast<std::uint16_t>(type));
    return *this;
  }
  table_writer& unit(std::uint64_t base, bool include_all = false) {
    structure(0, acpi::drhd::size);
    acpi::drhd::base::set(rest(), base);
    acpi::drhd::flags::set(rest(), include_all ? 1 : 0);
    return *this;
  }
  table_writer& region(std::uint64_t base, std::uint64_t limit) {
    structure(1, acpi::rmrr::size);
    acpi::rmrr::base::set(rest(), base);
    acpi::rmrr::limit::set(rest(), limit);
    return *this;
  }
  table_writer& scope(std::uint8_t type = 1, std::uint8_t device = 2, std::uint8_t length = 8) {
    for (const unsigned b : {unsigned{type}, unsigned{length}, 0U, 0U, 0U, 0U, unsigned{device}, 0U}) {
      bytes_.push_back(static_cast<std::byte>(b));
    }
    return *this;
  }
  table_writer& edit(const std::function<void(std::span<std::byte>)>& change) {
    change(rest());
    return *this;
  }
  std::vector<std::byte> finish() {
    close();
    acpi::dmar_header::length::set(bytes_, static_cast<std::uint32_t>(bytes_.size()));
    acpi::set_checksum(bytes_);
    return bytes_;
  }

private:
  [[nodiscard]] std::span<std::byte> rest() { return std::span(bytes_).subspan(begin_); }
  void close() {
    if (begin_ != 0) {
      acpi::structure_header::length::set(rest(), static_cast<std::uint16_t>(bytes_.size() - begin_));
    }
  }
  std::vector<std::byte> bytes_;
  std::size_t begin_ = 0;
};

table_writer good() {
  table_writer w;
  w.unit(0xfed90000).scope().unit(0xfed91000, true).region(0xe0000, 0xeffff).scope();
  return w;
}

void expect_refused(std::span<const std::byte> table, const std::string& named) {
  try {
    (void)parse_dmar(table);
    FAIL() << "accepted, expected an error that names " << named;
  } catch (const dmar_error& error) {
    EXPECT_NE(std::string(error.what()).find(named), std::string::npos) << error.what();
  }
}

void expect_warning(table_writer table, kind expected) {
  const dmar_info info = parse_dmar(table.finish());
  EXPECT_TRUE(info.has(expected)) << warning_name(expected);
  EXPECT_EQ(info.warnings.size(), 1U) << info.warnings.back().text;
}

TEST(dmar_parser, a_good_table_gives_its_units_scopes_and_regions_and_no_warning) {
  const dmar_info info = parse_dmar(good().finish());
  EXPECT_TRUE(info.warnings.empty());
  EXPECT_EQ(info.host_address_width, 36U);
  EXPECT_EQ(info.oem_id, "TEST");
  ASSERT_EQ(info.units.size(), 2U);
  EXPECT_EQ(info.units[0].base, 0xfed90000U);
  ASSERT_EQ(info.units[0].scopes.size(), 1U);
  EXPECT_EQ(info.units[0].scopes[0].path, (std::vector<path_step>{{2, 0}}));
  EXPECT_TRUE(info.units[1].include_all);
  ASSERT_EQ(info.reserved_regions.size(), 1U);
  EXPECT_EQ(info.reserved_regions[0].limit, 0xeffffU);
}

TEST(dmar_parser, what_is_no_table_is_refused_by_name) {
  std::vector<std::byte> table = good().finish();
  expect_refused({}, "0 bytes");
  expect_refused(std::span(table).first(47), "47 bytes");
  expect_refused(std::span(table).first(table.size() - 1), "length");
  std::vector<std::byte> renamed = table;
  renamed[0] = std::byte{'_'};
  expect_refused(renamed, "signature");
  std::vector<std::byte> sum = table;
  sum[20] ^= std::byte{1};
  expect_refused(sum, "checksum");
}

TEST(dmar_parser, structures_of_a_wrong_length_are_refused) {
  std::vector<std::byte> table = good().finish();
  for (const unsigned length : {0U, 3U, 0xffffU}) {
    std::vector<std::byte> bad = table;
    acpi::structure_header::length::set(std::span(bad).subspan(acpi::dmar_header::size),
                                        static_cast<std::uint16_t>(length));
    acpi::set_checksum(bad);
    expect_refused(bad, "offset 0x30");
  }
}

TEST(dmar_parser, no_truncation_and_no_flipped_byte_passes_for_the_table_or_crashes) {
  const std::vector<std::byte> table = good().finish();
  for (std::size_t size = 0; size < table.size(); ++size) {
    EXPECT_THROW((void)parse_dmar(std::span(table).first(size)), dmar_error) << size;
  }
  for (std::size_t at = 0; at < table.size(); ++at) {
    std::vector<std::byte> bad = table;
    bad[at] ^= std::byte{0x40};
    EXPECT_THROW((void)parse_dmar(bad), dmar_error) << at;
    // With the sum put right anything may come out, but nothing may break.
    acpi::set_checksum(bad);
    try {
      (void)parse_dmar(bad);
    } catch (const dmar_error&) { // NOLINT(bugprone-empty-catch): an error is as good an answer
    }
  }
}

TEST(dmar_parser, units_that_cannot_be_used_are_left_out_with_a_warning) {
  table_writer zero;
  zero.unit(0xfed90000).scope().unit(0);
  expect_warning(zero, kind::zero_unit_base);
  const dmar_info info = parse_dmar(good().unit(0xfed90000).scope().finish());
  EXPECT_TRUE(info.has(kind::duplicate_unit_base));
  EXPECT_EQ(info.units.size(), 2U);
  EXPECT_EQ(info.ignored_units.size(), 1U);
  EXPECT_TRUE(parse_dmar(good().unit(0xfed92010).scope().finish()).has(kind::unaligned_unit_base));
  EXPECT_TRUE(parse_dmar(table_writer().finish()).has(kind::no_units));
}

TEST(dmar_parser, the_include_all_unit_must_be_the_last_and_only_one) {
  table_writer after;
  after.unit(0xfed90000, true).unit(0xfed91000).scope();
  expect_warning(after, kind::include_all_not_last);
  table_writer two;
  two.unit(0xfed90000, true).unit(0xfed91000, true);
  expect_warning(two, kind::several_include_all);
  table_writer named;
  named.unit(0xfed90000, true).scope();
  expect_warning(named, kind::include_all_with_pci);
  table_writer nothing;
  nothing.unit(0xfed90000).unit(0xfed91000, true);
  expect_warning(nothing, kind::empty_scope);
}

TEST(dmar_parser, odd_regions_are_named_and_the_impossible_ones_left_out) {
  const auto with = [](std::uint64_t base, std::uint64_t limit) {
    return good().region(base, limit).scope();
  };
  expect_warning(with(0x2000, 0x0fff), kind::region_reversed);
  expect_warning(with(0x2000, 0x1fff), kind::region_empty);
  expect_warning(with(0x2000, 0x2800), kind::region_unaligned);
  expect_warning(with(0xe8000, 0xf7fff), kind::region_overlap);
  expect_warning(with(std::uint64_t{1} << 36, (std::uint64_t{1} << 36) + 0xfff), kind::address_beyond_width);
  expect_warning(good().region(0x2000, 0x2fff), kind::region_without_scope);
  EXPECT_FALSE(parse_dmar(with(0x2000, 0x0fff).finish()).reserved_regions[1].usable);
  EXPECT_FALSE(parse_dmar(with(0x2000, 0x1fff).finish()).reserved_regions[1].usable);
}

TEST(dmar_parser, a_region_that_no_table_can_map_is_left_out_and_told_by_its_right_name) {
  const auto with = [](std::uint64_t base, std::uint64_t limit) {
    return good().region(base, limit).scope();
  };
  constexpr std::uint64_t last = ~std::uint64_t{0};
  const auto refused = [&](std::uint64_t base, std::uint64_t limit, kind expected) {
    const dmar_info info = parse_dmar(with(base, limit).finish());
    EXPECT_TRUE(info.has(expected)) << warning_name(expected);
    EXPECT_FALSE(info.reserved_regions[1].usable) << warning_name(expected);
    return info;
  };
  refused(0x100000, last, kind::address_beyond_width);
  EXPECT_FALSE(refused(0, last, kind::address_beyond_width).has(kind::region_empty)) << "it is all there is";
  // 36 bits: the last byte that fits, and the first that does not.
  refused(0x100000, 0x10'0000'0fff, kind::address_beyond_width);
  EXPECT_TRUE(parse_dmar(with(0xf'0000'0000, 0xf'ffff'ffff).finish()).reserved_regions[1].usable);
  // Interrupt messages live from fee00000 to feefffff.
  refused(0xfedff000, 0xfee00fff, kind::region_over_interrupts);
  refused(0xfeeff000, 0xfeffffff, kind::region_over_interrupts);
  EXPECT_TRUE(parse_dmar(with(0xfedff000, 0xfedfffff).finish()).reserved_regions[1].usable);
  EXPECT_TRUE(parse_dmar(with(0xfef00000, 0xfef00fff).finish()).reserved_regions[1].usable);
}

TEST(dmar_parser, unknown_and_broken_parts_are_skipped_with_a_warning) {
  expect_warning(good().structure(9, 12), kind::unknown_structure);
  expect_warning(good().structure(1, 16), kind::short_structure);
  table_writer disordered;
  disordered.unit(0xfed90000).scope().region(0xe0000, 0xeffff).scope().unit(0xfed98000).scope();
  expect_warning(disordered, kind::structures_out_of_order);
  EXPECT_TRUE(parse_dmar(good().region(0x2000, 0x2fff).scope(7).finish()).has(kind::unknown_scope_type));
  for (const unsigned length : {0U, 6U, 7U, 9U, 200U}) {
    EXPECT_TRUE(
        parse_dmar(good().region(0x2000, 0x2fff).scope(1, 2, static_cast<std::uint8_t>(length)).finish())
            .has(kind::bad_scope_length))
        << length;
  }
  EXPECT_TRUE(parse_dmar(good().structure(4, 10).edit([](auto s) { s[8] = s[9] = std::byte{'x'}; }).finish())
                  .has(kind::name_not_terminated));
  EXPECT_TRUE(parse_dmar(good().structure(3, acpi::rhsa::size).finish()).has(kind::affinity_without_unit));
}

TEST(dmar_parser, bytes_behind_the_table_and_odd_headers_are_named) {
  std::vector<std::byte> longer = good().finish();
  longer.resize(longer.size() + 5);
  EXPECT_TRUE(parse_dmar(longer).has(kind::trailing_bytes));
  std::vector<std::byte> table = good().finish();
  acpi::dmar_header::revision::set(table, 0);
  acpi::set_checksum(table);
  EXPECT_TRUE(parse_dmar(table).has(kind::unexpected_revision));
  table = good().finish();
  table[acpi::dmar_header::reserved_offset] = std::byte{1};
  acpi::set_checksum(table);
  EXPECT_TRUE(parse_dmar(table).has(kind::reserved_not_zero));
}

TEST(dmar_parser, every_warning_has_a_name_of_its_own) {
  std::vector<std::string_view> names;
  for (unsigned k = 0; k <= static_cast<unsigned>(kind::address_beyond_width); ++k) {
    const auto name = warning_name(static_cast<kind>(k));
    EXPECT_NE(name, "unknown");
    EXPECT_EQ(std::count(names.begin(), names.end(), name), 0) << name;
    names.push_back(name);
  }
}

} // namespace
} // namespace vtd::driver
