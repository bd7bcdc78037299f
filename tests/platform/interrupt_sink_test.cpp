// SPDX-License-Identifier: Apache-2.0
// Where messages arrive: what is one, when it came, who is called.

#include "vtd/platform/interrupt_sink.h"

#include "support/tlm_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vtd::test {
namespace {

using testing::HasSubstr;

constexpr auto read = tlm::TLM_READ_COMMAND;
constexpr auto write = tlm::TLM_WRITE_COMMAND;

struct scene {
  platform::interrupt_sink sink{"sink", 2};
  probe_initiator first{"first"};
  probe_initiator second{"second"};
  probe_payload trans;

  scene() {
    first.socket.bind(sink.ports[0]);
    second.socket.bind(sink.ports[1]);
  }
  probe_payload& message(std::uint8_t cpu, std::uint8_t vector) {
    return trans.set(write, spec::msi_message::to_cpu(cpu, vector).address, {vector, 0, 0, 0});
  }
};

TEST(interrupt_sink, keeps_every_message_with_its_time_whatever_the_port_and_the_way) {
  scene s;
  in_thread([&] {
    wait_ps(1000);
    s.first.loosely(s.message(1, 0x41), 250);
    EXPECT_EQ(s.trans.get_response_status(), tlm::TLM_OK_RESPONSE);
    const auto answer = s.second.send(s.message(2, 0x42), tlm::BEGIN_REQ, 500);
    EXPECT_EQ(answer.status, tlm::TLM_COMPLETED);
    EXPECT_EQ(s.trans.get_response_status(), tlm::TLM_OK_RESPONSE);
    ASSERT_EQ(s.sink.messages().size(), 2U);
    EXPECT_EQ(s.sink.messages()[0].message, spec::msi_message::to_cpu(1, 0x41));
    EXPECT_EQ(s.sink.messages()[0].when, 1250U);
    EXPECT_EQ(s.sink.messages()[1].message, spec::msi_message::to_cpu(2, 0x42));
    EXPECT_EQ(s.sink.messages()[1].when, 1500U);
  });
}

TEST(interrupt_sink, calls_who_registered_for_the_vector_and_nobody_else) {
  scene s;
  unsigned called = 0;
  s.sink.on_vector(0x41, [&](const spec::msi_message& what) {
    ++called;
    EXPECT_EQ(what.destination(), 3);
  });
  s.sink.on_vector(0x42, [](const spec::msi_message&) { FAIL() << "not that vector"; });
  s.first.loosely(s.message(3, 0x41));
  EXPECT_EQ(called, 1U);
  s.first.loosely(s.message(3, 0x43));
  EXPECT_EQ(called, 1U);
  EXPECT_EQ(s.sink.messages().size(), 2U) << "recorded all the same";
}

TEST(interrupt_sink, what_is_no_message_is_refused_and_counted) {
  scene s;
  const auto refused = [&](probe_payload& trans) {
    s.first.loosely(trans);
    return trans.get_response_status() == tlm::TLM_ADDRESS_ERROR_RESPONSE;
  };
  EXPECT_TRUE(refused(s.trans.set(read, 0xfee00000, bytes(4))));
  EXPECT_TRUE(refused(s.trans.set(write, 0xfee00000, bytes(8))));
  EXPECT_TRUE(refused(s.trans.set(write, 0xfee00000, bytes(2))));
  EXPECT_TRUE(refused(s.trans.set(write, 0xfedffffc, bytes(4)))) << "just below the range";
  EXPECT_TRUE(refused(s.trans.set(write, 0xfef00000, bytes(4)))) << "just above it";
  EXPECT_FALSE(refused(s.trans.set(write, 0xfeeffffc, bytes(4)))) << "its last dword";
  EXPECT_EQ(s.sink.rejected(), 5U);
  EXPECT_EQ(s.sink.messages().size(), 1U);
}

TEST(interrupt_sink, names_the_ports_that_nobody_bound) {
  platform::interrupt_sink sink("my_sink", 2);
  probe_initiator only("only");
  only.socket.bind(sink.ports[0]);
  const std::string said = elaboration_error();
  EXPECT_THAT(said, HasSubstr("my_sink.ports[1] is not bound, expected an initiator of messages"));
  EXPECT_EQ(said.find("ports[0]"), std::string::npos) << said;
}

} // namespace
} // namespace vtd::test
