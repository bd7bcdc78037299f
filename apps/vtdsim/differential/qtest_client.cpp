// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/differential/qtest_client.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <charconv>
#include <iterator>

namespace vtdsim::differential {

namespace {
char width_letter(unsigned bytes) {
  switch (bytes) {
  case 1:
    return 'b';
  case 2:
    return 'w';
  case 4:
    return 'l';
  default:
    return 'q';
  }
}
} // namespace

void qtest_client::queue(std::uint64_t* out) {
  pending_.push_back(out);
  ++commands_;
  if (pending_.size() >= most_pending) sync();
}

void qtest_client::write(std::uint64_t address, unsigned bytes, std::uint64_t value) {
  fmt::format_to(std::back_inserter(text_), "write{} {:#x} {:#x}\n", width_letter(bytes), address, value);
  queue(nullptr);
}

void qtest_client::read(std::uint64_t address, unsigned bytes, std::uint64_t* out) {
  fmt::format_to(std::back_inserter(text_), "read{} {:#x}\n", width_letter(bytes), address);
  queue(out);
}

void qtest_client::out(std::uint16_t port, std::uint32_t value) {
  fmt::format_to(std::back_inserter(text_), "outl {:#x} {:#x}\n", port, value);
  queue(nullptr);
}

void qtest_client::sync() {
  if (pending_.empty()) return;
  channel_.send(text_);
  text_.clear();
  for (std::uint64_t* out : pending_) {
    std::string_view line = channel_.receive();
    if (!line.starts_with("OK")) throw qemu_error(fmt::format("qtest: '{}', expected OK", line));
    if (out == nullptr) continue;
    constexpr std::string_view before = "OK 0x";
    if (!line.starts_with(before)) throw qemu_error(fmt::format("qtest: '{}', expected a number", line));
    line.remove_prefix(before.size());
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), *out, 16);
    if (error != std::errc{}) throw qemu_error(fmt::format("qtest: '{}', expected a number", line));
  }
  pending_.clear();
}

qmp_client::qmp_client(int socket) : channel_(socket, "qmp") {
  const auto greeting = nlohmann::json::parse(channel_.receive(), nullptr, false);
  if (!greeting.contains("QMP")) throw qemu_error("qmp: no greeting");
  const auto& number = greeting["QMP"]["version"]["qemu"];
  version_ = fmt::format("{}.{}.{}", number["major"].get<int>(), number["minor"].get<int>(),
                         number["micro"].get<int>());
  execute("qmp_capabilities");
}

void qmp_client::execute(std::string_view command) {
  channel_.send(fmt::format("{{\"execute\":\"{}\"}}\n", command));
  for (;;) {
    const std::string_view line = channel_.receive();
    if (line.find("\"RESET\"") != std::string_view::npos) was_reset_ = true;
    if (line.starts_with("{\"return\"")) return;
    if (line.starts_with("{\"error\"")) throw qemu_error(fmt::format("qmp: {}: {}", command, line));
  }
}

void qmp_client::reset() {
  was_reset_ = false;
  execute("system_reset");
  while (!was_reset_)
    was_reset_ = channel_.receive().find("\"RESET\"") != std::string_view::npos;
}

} // namespace vtdsim::differential
