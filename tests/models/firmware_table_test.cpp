// SPDX-License-Identifier: Apache-2.0
// The DMAR tables that boards generate: the bytes of the real machine, and what iasl makes of the others.

#include "vtd/models/board_loader.h"
#include "vtd/models/data_files.h"
#include "vtd/models/dmar_generator.h"
#include "vtd/spec/dmar_table.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

namespace vtd::models {
namespace {

const std::vector<std::filesystem::path> data{VTD_SOURCE_DIR "/models"};

std::filesystem::path write(const std::string& board, const std::vector<std::byte>& table) {
  const auto file = std::filesystem::temp_directory_path() / ("vtd_" + board + ".dmar");
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
  const std::string sum = output_of("sha256sum " + write("dc7800", table).string());
  EXPECT_EQ(sum.substr(0, 64), "e223bfc3088ec863d0a0c6076b968e21089525f2ba737f345de6a4d3d7dd5928");
}

TEST(firmware_table, of_the_dq35jo_has_the_length_that_its_kernel_log_tells) {
  EXPECT_EQ(generate_dmar(load_board("dq35jo", data)).size(), 0x120U);
}

TEST(firmware_table, of_every_board_decodes_without_complaint) {
  if (output_of("iasl -v").find("ASL+ Optimizing Compiler") == std::string::npos)
    GTEST_SKIP() << "iasl is not installed";
  for (const data_file& file : list_data_files("boards", data)) {
    const auto table = write(file.name, generate_dmar(load_board(file.name, data)));
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

} // namespace
} // namespace vtd::models
