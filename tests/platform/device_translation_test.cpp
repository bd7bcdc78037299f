// SPDX-License-Identifier: Apache-2.0
// A device's translation requests as they stand on the link, against an agent that heeds "no write".
#include "vtd/platform/device_translation.h"

#include "support/tlm_probe.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <vector>

namespace vtd::test {
namespace {

constexpr std::uint64_t page = 0x4000'0000;
constexpr std::uint64_t frame = 0x70'0000;

/// Grants every page at `frame`, W only where the question does not say NW; keeps the addresses that came.
class agent final : public sc_core::sc_module {
public:
  tlm_utils::simple_target_socket<agent> socket{"socket"};
  explicit agent(const sc_core::sc_module_name& name) : sc_module(name) {
    socket.register_nb_transport_fw(this, &agent::forward);
  }
  std::vector<std::uint64_t> questions;
  std::vector<std::uint64_t> translated_reads;
  std::vector<std::uint64_t> translated_writes;

private:
  tlm::tlm_sync_enum forward(tlm::tlm_generic_payload& trans, tlm::tlm_phase& /*phase*/,
                             sc_core::sc_time& /*delay*/) {
    const auto* const said = trans.get_extension<platform::dma_extension>();
    trans.set_response_status(tlm::TLM_OK_RESPONSE);
    if (said->type == remap::address_type::translation_request) {
      questions.push_back(trans.get_address());
      const spec::ats::question asked{trans.get_address()};
      const auto word =
          spec::ats::translation{}.set_read(true).set_write(!asked.no_write()).set_pages(frame, 0);
      std::memcpy(trans.get_data_ptr(), &word.value, sizeof(word.value));
    } else {
      (trans.is_write() ? translated_writes : translated_reads).push_back(trans.get_address());
    }
    return tlm::TLM_COMPLETED;
  }
};

struct scene : sc_core::sc_module {
  explicit scene(bool no_write, const sc_core::sc_module_name& name = "scene")
      : sc_module(name), port("port", spec::source_id::from_bdf(1, 0, 0), {1000, 1000, 0, 24}), far("far"),
        device(port, {{8, 0, remap::replacement::lru, 1}, 0, 0, no_write},
               [this](const platform::dma_master::result& r) { ended.push_back(r.ok); }) {
    port.socket.bind(far.socket);
    port.set_done([this](const platform::dma_master::result& r) { device.ended(r); });
    device.enable(true, 0);
  }
  platform::dma_master port;
  agent far;
  platform::device_translation device;
  std::vector<bool> ended;
};

constexpr std::array<std::byte, 4> data{};
using addresses = std::vector<std::uint64_t>;

TEST(device_translation, a_write_does_not_wait_for_the_answer_to_a_question_that_says_no_write) {
  scene s(true);
  in_thread([&] {
    s.device.read(1, page + 8, 4);
    s.device.write(2, page + 16, data);
    s.device.read(3, page + 24, 4);
    wait_ps(100'000);
    EXPECT_EQ(s.ended, (std::vector<bool>{true, true, true}));
    EXPECT_EQ(s.far.questions, (addresses{page | 1, page}));
    EXPECT_EQ(s.far.translated_reads, (addresses{frame + 8, frame + 24}));
    EXPECT_EQ(s.far.translated_writes, (addresses{frame + 16}));
    EXPECT_EQ(s.device.statistics().denied, 0U);
  });
}

TEST(device_translation, a_read_waits_for_the_answer_that_a_write_has_asked_for) {
  scene s(true);
  in_thread([&] {
    s.device.write(1, page, data);
    s.device.read(2, page, 4);
    wait_ps(100'000);
    EXPECT_EQ(s.ended, (std::vector<bool>{true, true}));
    EXPECT_EQ(s.far.questions, (addresses{page})) << "it brings the right to read, too";
  });
}

TEST(device_translation, a_device_that_does_not_say_no_write_asks_once_for_both) {
  scene s(false);
  in_thread([&] {
    s.device.read(1, page, 4);
    s.device.write(2, page, data);
    wait_ps(100'000);
    EXPECT_EQ(s.ended, (std::vector<bool>{true, true}));
    EXPECT_EQ(s.far.questions, (addresses{page}));
  });
}

} // namespace
} // namespace vtd::test
