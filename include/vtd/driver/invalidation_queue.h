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
  /// `tells_causes`: the unit has IQERCD (VT-d 10.4.29).
  invalidation_queue(hardware& machine, const register_block& registers, bool tells_causes);
  ~invalidation_queue();
  invalidation_queue(const invalidation_queue&) = delete;
  invalidation_queue& operator=(const invalidation_queue&) = delete;

  /// Clears old errors of the queue and tells the unit where it lies: IQT = 0, then IQA.
  void program();

  /// Puts the descriptors and a wait for them into the queue and polls the wait's status word. Errors that
  /// FSTS tells meanwhile are dealt with as other drivers do: for IQE the descriptor that the unit stopped at
  /// is replaced by the wait and the queue goes on; after ITE the batch is submitted again; ICE is cleared.
  /// Where IQERCD says that the descriptor could not be read, or the unit stopped at a wait of this batch
  /// without a cause (its status could not be written), nothing is wrong with it: the unit is let try again,
  /// `most_tries` times in all. Nothing: done. Else what went wrong, as one line.
  [[nodiscard]] std::optional<std::string> submit_sync(std::span<const spec::invalidation_descriptor> batch,
                                                       std::uint64_t timeout_ns);

  static constexpr unsigned most_tries = 3;

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
  /// The queue stopped (FSTS.IQE). False: it is of no use to let it go on.
  bool mend();

  hardware& machine_;
  register_block registers_;
  bool tells_causes_;
  std::uint64_t descriptors_;
  std::uint64_t status_;
  std::size_t tail_ = 0;
  // Places that the unit may not have fetched yet.
  std::size_t open_ = 0;
  std::uint32_t sequence_ = 0;
  spec::wait_descriptor wait_;
  // How often the unit tried what it could not read or write.
  unsigned tries_ = 0;
  bool given_up_ = false;
  std::optional<std::string> error_;
};

} // namespace vtd::driver
