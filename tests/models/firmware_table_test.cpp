// SPDX-License-Identifier: Apache-2.0
// The DMAR tables that boards generate: the bytes of the real machine, and what iasl makes of the others.

#include "source_dir.h"
#include "vtd/models/board_error.h"
#include "vtd/models/board_loader.h"
#include "vtd/models/data_files.h"
#include "vtd/models/dmar_generator.h"
#include "vtd/spec/dmar_table.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

namespace vtd::models {
namespace {

const std::vector<std::filesystem::path> data{VTD_SOURCE_DIR "/models"};

// A directory of this process's own, gone at its end: parallel runs do not meet.
class scratch_directory {
public:
  scratch_directory()
      : path_(std::filesystem::temp_directory_path() / ("vtd_firmware_table_" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(path_);
  }
  ~scratch_directory() { std::filesystem::remove_all(path_); }
  scratch_directory(const scratch_directory&) = delete;
  scratch_directory& operator=(const scratch_directory&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
  std::filesystem::path path_;
};

std::filesystem::path write(const scratch_directory& scratch, const std::string& board,
                            const std::vector<std::byte>& table) {
  const auto file = scratch.path() / (board + ".dmar");
  std::ofstream out(file, std::ios::binary);
  out.write(reinterpret_cast<const char*>(table.data()), static_cast<std::streamsize>(table.size()));
  return file;
}

std::string output_of(const std::string& command) {
  std::string text;
  FILE* const pipe = popen((command + " 2>&1").c_str(), "r"); // NOLINT(cert-env33-c)
  std::array<char, 256> part{};
  while (pipe != nullptr && fgets(part.data(), part.size(), pipe) != nullptr)
    text += part.data();
  if (pipe != nullptr) pclose(pipe);
  return text;
}

TEST(firmware_table, of_the_dc7800_is_byte_for_byte_that_of_the_machine) {
  const auto table = generate_dmar(load_board("dc7800", data));
  EXPECT_EQ(table.size(), 0x198U);
  const scratch_directory scratch;
  const std::string sum = output_of("sha256sum " + write(scratch, "dc7800", table).string());
  EXPECT_EQ(sum.substr(0, 64), "e223bfc3088ec863d0a0c6076b968e21089525f2ba737f345de6a4d3d7dd5928");
}

TEST(firmware_table, of_the_dq35jo_has_the_length_that_its_kernel_log_tells) {
  EXPECT_EQ(generate_dmar(load_board("dq35jo", data)).size(), 0x120U);
}

TEST(firmware_table, of_every_board_decodes_without_complaint) {
  if (output_of("iasl -v").find("ASL+ Optimizing Compiler") == std::string::npos)
    GTEST_SKIP() << "iasl is not installed";
  const scratch_directory scratch;
  for (const data_file& file : list_data_files("boards", data)) {
    const auto table = write(scratch, file.name, generate_dmar(load_board(file.name, data)));
    const std::string said =
        output_of("cd " + table.parent_path().string() + " && iasl -d " + table.string());
    EXPECT_NE(said.find("Formatted output"), std::string::npos) << file.name << '\n' << said;
    for (const char* complaint : {"Error", "Warning", "Invalid", "checksum"}) {
      EXPECT_EQ(said.find(complaint), std::string::npos) << file.name << '\n' << said;
    }
  }
}

TEST(firmware_table, with_vtd_off_looks_as_it_really_did) {
  board dq35jo = load_board("dq35jo", data);
  dq35jo.vtd_enabled = false;
  EXPECT_TRUE(generate_dmar(dq35jo).empty()) << "no table at all";
  board dc7800 = load_board("dc7800", data);
  const auto on = generate_dmar(dc7800);
  dc7800.vtd_enabled = false;
  EXPECT_EQ(generate_dmar(dc7800), on) << "the table stays, only the registers are dead";
  dc7800.off_looks.value = vtd_off::renamed_table;
  const auto renamed = generate_dmar(dc7800);
  EXPECT_EQ(renamed.size(), spec::acpi::dmar_header::size);
  EXPECT_TRUE(spec::acpi::dmar_header::signature::equals(renamed, "____"));
}

TEST(board, of_every_name_loads_and_says_how_well_it_is_known) {
  const auto files = list_data_files("boards", data);
  EXPECT_GE(files.size(), 4U);
  for (const data_file& file : files) {
    const board b = load_board(file.name, data);
    EXPECT_EQ(b.name, file.name);
    EXPECT_FALSE(b.why.empty()) << file.name;
    for (const unit_description& unit : b.units)
      EXPECT_FALSE(unit.cap.why.empty()) << file.name << ' ' << unit.name;
  }
}

// The text of a good board, changed in one place.
std::string changed(const std::string& from, const std::string& to) {
  std::ifstream in(data[0] / "boards" / "generic.json");
  std::string text((std::istreambuf_iterator<char>(in)), {});
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

void expect_refused(const std::string& text, const std::string& place, const std::string& expectation) {
  try {
    (void)parse_board(text, "my.json");
    FAIL() << "accepted, expected: " << place << ' ' << expectation;
  } catch (const board_error& error) {
    const std::string said = error.what();
    EXPECT_NE(said.find("my.json"), std::string::npos) << said;
    EXPECT_NE(said.find(place), std::string::npos) << said;
    EXPECT_NE(said.find(expectation), std::string::npos) << said;
    EXPECT_EQ(said.find('\n'), std::string::npos) << said;
  }
}

TEST(board, that_cannot_be_read_is_refused_with_place_and_expectation) {
  expect_refused("{", "my.json", "");
  expect_refused(changed("\"units\": [", "\"units\": 7, \"unused\": ["), "units", "expected");
  expect_refused(changed("\"preset\"", "\"presett\""), "preset", "");
  expect_refused(changed("\"0xfed90000\"", "\"0xfed90001\""), "units[0].base", "multiple of 4 KB");
  expect_refused(changed("\"0xfed90000\"", "true"), "units[0].base", "expected");
  expect_refused(changed("\"vtd_off\": \"no_table\"", "\"vtd_off\": \"gone\""), "vtd_off", "dead_registers");
  expect_refused(changed("\"at\": \"00:01.0\"", "\"at\": \"00:00.0\""), "functions[1].at",
                 "one function in each place");
  expect_refused(changed("\"at\": \"01:00.0\"", "\"at\": \"09:00.0\""), "functions",
                 "no bridge leads to bus 9");
  expect_refused(changed("\"include_all\": true", "\"include_al\": true"), "include_al", "include_all");
}

// Unit "all" of the generic board has its registers at fed90000; memory ends at c0000000 and goes on from 4
// GB.
TEST(board, whose_values_do_not_fit_each_other_is_refused_with_the_key) {
  expect_refused(changed("\"q35\"", "\"q99\""), "chipset: got \"q99\"", "q35, q45, x38, x48, x58");
  expect_refused(changed("\"q35\"", "\"q354\""), "chipset: got \"q354\"", "did you mean q35");
  const std::string high = "\"high_memory\": \"0x40000000\"";
  expect_refused(changed(high, "\"high_memory\": \"0xffffffffffffffff\""), "high_memory: got", "from 0 to");
  // 39 bits: 508 GB fit above 4 GB, and not a page more.
  expect_refused(changed(high, "\"high_memory\": \"0x7f00001000\""), "high_memory: got",
                 "host_address_width");
  EXPECT_NO_THROW((void)parse_board(changed(high, "\"high_memory\": \"0x7f00000000\""), "my.json"));
  const std::string base = "\"0xfed90000\"";
  expect_refused(changed(base, "\"0x10000000\""), "units[0].base: got \"0x10000000\"", "outside memory");
  expect_refused(changed(base, "\"0x100000000\""), "units[0].base: got", "outside memory");
  expect_refused(changed(base, "\"0x8000000000\""), "units[0].base: got", "host_address_width");
  EXPECT_NO_THROW((void)parse_board(changed(base, "\"0xc0000000\""), "my.json"));
  expect_refused(changed(base, R"({"value": "0xfed90010", "confidence": "measured", "why": "a log"})"),
                 "units[0].base: got \"0xfed90010\"", "multiple of 4 KB");
}

TEST(board, whose_units_overlap_is_refused_and_both_are_named) {
  const auto second = [](const std::string& where) {
    return changed("\"include_all\": true\n    }",
                   "\"include_all\": true\n    }, {\"name\": \"second\", \"base\": \"" + where +
                       "\", \"cap\": \"0xd20780206f0662\", \"ecap\": \"0x3ff00\"}");
  };
  // ECAP.IRO = 3ffh puts the second unit's last register at 3fffh: four pages.
  expect_refused(second("0xfed8d000"), "units[1].base: got \"0xfed8d000\"",
                 "16384 bytes of registers of unit \"second\"");
  expect_refused(second("0xfed8d000"), "units[1].base", "unit \"all\" at 0xfed90000");
  expect_refused(second("0xfed90000"), "units[1].base", "unit \"all\"");
  EXPECT_NO_THROW((void)parse_board(second("0xfed8c000"), "my.json"));
  EXPECT_NO_THROW((void)parse_board(second("0xfed91000"), "my.json"));
}

TEST(board, has_a_bios_switch_and_no_other_setting) {
  board b = load_board("dq35jo", data);
  set_in_bios(b, "bios.vtd", "off");
  EXPECT_FALSE(b.vtd_enabled);
  set_in_bios(b, "bios.vtd", "on");
  EXPECT_TRUE(b.vtd_enabled);
  EXPECT_THROW(set_in_bios(b, "bios.vtd", "maybe"), board_error);
  EXPECT_THROW(set_in_bios(b, "bios.vtx", "on"), board_error);
}

TEST(board, masks_the_capabilities_that_are_not_built_and_lists_them) {
  std::vector<std::string> masked;
  spec::ecap real;
  real.set_qi(true).set_ir(true).set_pt(true).set_iro(0x10);
  const spec::ecap got = advertised(real, &masked);
  EXPECT_TRUE(got.qi());
  EXPECT_FALSE(got.ir());
  EXPECT_TRUE(got.pt());
  EXPECT_EQ(got.iro(), 0x10U);
  EXPECT_EQ(masked, (std::vector<std::string>{"IR"}));
}

TEST(board, advertises_device_tlbs_only_with_the_queue_that_invalidates_them) {
  spec::ecap real;
  real.set_dt(true);
  EXPECT_FALSE(advertised(real).dt());
  real.set_qi(true);
  EXPECT_TRUE(advertised(real).dt());
}

TEST(board, advertises_the_no_write_flag_only_with_device_tlbs) {
  spec::ecap real;
  real.set_nwfs(true);
  std::vector<std::string> masked;
  EXPECT_FALSE(advertised(real, &masked).nwfs());
  EXPECT_EQ(masked, std::vector<std::string>{"NWFS"});
  real.set_qi(true).set_dt(true);
  EXPECT_TRUE(advertised(real).nwfs());
}

} // namespace
} // namespace vtd::models
