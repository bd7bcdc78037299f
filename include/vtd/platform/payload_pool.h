// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <tlm>

#include <cstddef>
#include <memory>
#include <vector>

namespace vtd::platform {

/// Transactions that are used again: after the first few no allocation takes place. `Payload` derives from
/// tlm_generic_payload; it is handed out with one reference, and comes back when the last one is released.
/// Its extensions stay.
template <class Payload>
class payload_pool final : private tlm::tlm_mm_interface {
public:
  payload_pool() = default;
  payload_pool(const payload_pool&) = delete;
  payload_pool& operator=(const payload_pool&) = delete;

  [[nodiscard]] Payload& take() {
    if (free_.empty()) {
      all_.push_back(std::make_unique<Payload>());
      all_.back()->set_mm(this);
      free_.push_back(all_.back().get());
    }
    Payload* const payload = free_.back();
    free_.pop_back();
    payload->acquire();
    return *payload;
  }
  /// Payloads made so far, and how many of them are out.
  [[nodiscard]] std::size_t made() const { return all_.size(); }
  [[nodiscard]] std::size_t out() const { return all_.size() - free_.size(); }

private:
  void free(tlm::tlm_generic_payload* payload) override { free_.push_back(static_cast<Payload*>(payload)); }

  std::vector<std::unique_ptr<Payload>> all_;
  std::vector<Payload*> free_;
};

} // namespace vtd::platform
