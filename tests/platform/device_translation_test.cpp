// SPDX-License-Identifier: Apache-2.0
// A device's translation requests as they stand on the link, against an agent that heeds "no write".
#include "vtd/platform/device_translation.h"

#include "support/ats_devices.h"
#include "support/tlm_probe.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <utility>
#include <vector>

namespace vtd::test {
namespace {

constexpr std::uint64_t page = 0x4000'0000;
constexpr std::uint64_t frame = 0x80'0000;

/// Grants every page at `frame`, W only where the question does not say NW, in pieces of 2^mask pages; keeps
/// the addresses that came. An answer may be held back.
class agent final : public sc_core::sc_module {
public:
  tlm_utils::simple_target_socket<agent> socket{"socket"};
  explicit agent(const sc_core::sc_module_name& name) : sc_module(name) {
    socket.register_nb_transport_fw(this, &agent::forward);
  }
  std::vector<std::uint64_t> questions;
  std::vector<std::uint64_t> translated_reads;
  std::vector<std::uint64_t> translated_writes;
  unsigned mask = 0;
  bool holds = false;

  void answer_held() {
    tlm::tlm_phase phase = tlm::BEGIN_RESP;
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    socket->nb_transport_bw(*std::exchange(held_, nullptr), phase, delay);
  }

private:
  tlm::tlm_generic_payload* held_ = nullptr;
  tlm::tlm_sync_enum forward(tlm::tlm_generic_payload& trans, tlm::tlm_phase& phase,
                             sc_core::sc_time& /*delay*/) {
    if (phase != tlm::BEGIN_REQ || trans.get_command() == tlm::TLM_IGNORE_COMMAND) return tlm::TLM_COMPLETED;
    const auto* const said = trans.get_extension<platform::dma_extension>();
    trans.set_response_status(tlm::TLM_OK_RESPONSE);
    if (said->type == remap::address_type::translation_request) {
      questions.push_back(trans.get_address());
      const spec::ats::question asked{trans.get_address()};
      const auto word =
          spec::ats::translation{}.set_read(true).set_write(!asked.no_write()).set_pages(frame, mask);
      std::memcpy(trans.get_data_ptr(), &word.value, sizeof(word.value));
      if (holds) {
        held_ = &trans;
        phase = tlm::END_REQ;
        return tlm::TLM_UPDATED;
      }
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

// PCIe ATS: the invalidation may have been sent after the answer was looked up, and come before it.
struct held_answer : scene {
  held_answer() : scene(false) {
    far.mask = 9;
    far.holds = true;
  }
  /// An invalidation of a page comes while a large page round `page` is asked for.
  void overtake(std::uint64_t invalidated) {
    device.read(1, page + 8, 4);
    wait_ps(100'000);
    EXPECT_EQ(far.questions.size(), 1U);
    device.invalidate({port.source(), 0, spec::ats::invalidation::of(invalidated, 0)});
    far.holds = false;
    far.answer_held();
    wait_ps(100'000);
    EXPECT_EQ(ended, std::vector<bool>{true});
    EXPECT_EQ(far.translated_reads, addresses{frame + 8});
  }
};

TEST(device_translation, an_answer_is_not_kept_if_an_invalidation_met_any_of_it_while_it_was_under_way) {
  held_answer s;
  in_thread([&] {
    s.overtake(page + 5 * spec::page_size);
    EXPECT_EQ(s.far.questions, (addresses{page, page})) << "it is asked for again";
    EXPECT_EQ(s.device.statistics().overtaken, 1U);
  });
}

TEST(device_translation, an_answer_is_kept_if_an_invalidation_met_nothing_of_it) {
  held_answer s;
  in_thread([&] {
    s.overtake(page + spec::level_size(2));
    EXPECT_EQ(s.far.questions, addresses{page});
    EXPECT_EQ(s.device.statistics().overtaken, 0U);
  });
}

TEST(device_translation, the_devices_of_random_programs_do_not_keep_such_an_answer_either) {
  const spec::source_id who = spec::source_id::from_bdf(1, 0, 0);
  for (const std::uint64_t invalidated : {page + 5 * spec::page_size, page + spec::level_size(2)}) {
    ats_devices devices;
    devices.asked(1, who, page + 8);
    devices.invalidate({who, 0, spec::ats::invalidation::of(invalidated, 0)});
    devices.answered(1, spec::ats::translation{}.set_read(true).set_pages(frame, 9));
    EXPECT_EQ(devices.find(who, page, false).has_value(), invalidated != page + 5 * spec::page_size);
  }
}

} // namespace
} // namespace vtd::test
