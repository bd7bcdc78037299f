// SPDX-License-Identifier: Apache-2.0
#pragma once

// Software's side of queued invalidation: one page of descriptors, one status word, and a wait behind every
// batch. VT-d 6.5.2

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "vtd/driver/hardware.h"
#include "vtd/spec/invalidation.h"

namespace vtd::driver {

/// The invalidation queue of one unit. It does not switch the queue on or off: `unit` does.
class invalidation_queue {
public:
  /// Takes two pages. `machine` must outlive this. Throws driver_error when there are none left.
  invalidation_queue(hardware& machine, const register_block& registers);
  ~invalidation_queue();
  invalidation_queue(const invalidation_queue&) = delete;
  invalidation_queue& operator=(const invalidation_queue&) = delete;

  /// Clears old errors of the queue and tells the unit where it lies: IQT = 0, then IQA.
  void program();

  /// Puts the descriptors and a wait for them into the queue and polls the wait's status word. Errors that
  /// FSTS tells meanwhile are dealt with as other drivers do: for IQE the descriptor that the unit stopped at
  /// is replaced by the wait and the queue goes on; after ITE the batch is submitted again; ICE is cleared.
  /// Nothing: done. Else what went wrong, as one line.
  [[nodiscard]] std::optional<std::string> submit_sync(std::span<const spec::invalidation_descriptor> batch,
                                                       std::uint64_t timeout_ns);

  /// Has the unit fetched all there is (IQH = IQT)?
  [[nodiscard]] bool empty() const;
  /// Host physical address of the descriptors.
  [[nodiscard]] std::uint64_t address() const { return descriptors_; }
  /// and of the status word.
  [[nodiscard]] std::uint64_t status_address() const { return status_; }

private:
  static constexpr std::size_t places = spec::queue_descriptors(0);

  void put(std::size_t place, const spec::invalidation_descriptor& what);
  [[nodiscard]] spec::invalidation_descriptor get(std::size_t place);
  void submit(std::span<const spec::invalidation_descriptor> batch);
  /// False: nothing answers any more.
  bool look_for_errors(std::span<const spec::invalidation_descriptor> batch);
  void replace_wrong_descriptor();

  hardware& machine_;
  register_block registers_;
  std::uint64_t descriptors_;
  std::uint64_t status_;
  std::size_t tail_ = 0;
  // Places that the unit may not have fetched yet.
  std::size_t open_ = 0;
  std::uint32_t sequence_ = 0;
  spec::wait_descriptor wait_;
  std::optional<std::string> error_;
};

} // namespace vtd::driver
