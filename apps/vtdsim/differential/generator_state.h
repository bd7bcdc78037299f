// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "vtdsim/differential/table_writer.h"

#include "vtd/spec/invalidation.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace vtdsim::differential {

/// A program in the making: what a driver would know, and the steps so far.
class generator_state {
public:
  generator_state(const variant& how, std::uint64_t seed);
  program make();

private:
  struct invalidation {
    bool contexts = false;
    vtd::spec::source_id source{};
    std::uint16_t domain = 0;
    std::uint64_t iova = 0;
    /// Address mask that covers what has changed.
    unsigned mask = 0;
    bool leaf_only = true;
    bool whole_domain = false;
  };

  // What software does. generator_driver.cpp
  void draw_choices();
  void write(std::uint32_t offset, unsigned bytes, std::uint64_t value, std::string note);
  void write_any_way(std::uint32_t offset, std::uint64_t value, const std::string& note);
  void order(std::uint32_t one_shot, const std::string& note);
  void bring_up();
  void make_domain();
  void attach(unsigned device);
  void set_root();
  void context_invalidation(vtd::spec::context_granularity what, std::uint16_t domain,
                            vtd::spec::source_id source, unsigned mask);
  void iotlb_invalidation(vtd::spec::iotlb_granularity what, std::uint16_t domain, std::uint64_t iova,
                          unsigned mask, bool leaf_only);
  /// At least as much as was asked for, by whatever granularity.
  void invalidate(const invalidation& what);
  void handle_faults();

  // The same of the invalidation queue. generator_queue.cpp
  void start_queue();
  /// `told`: IQT is moved, too.
  void enqueue(const vtd::spec::invalidation_descriptor& what, std::string note, bool told = true);
  [[nodiscard]] vtd::spec::wait_descriptor status_wait();
  void clear_queue_error();
  [[nodiscard]] vtd::spec::invalidation_descriptor valid_descriptor(std::string& note);
  [[nodiscard]] vtd::spec::invalidation_descriptor odd_descriptor(std::string& note);
  [[nodiscard]] std::uint64_t one_bit_of(std::uint64_t mask);
  void queue_event();
  void batch();
  void long_batch();
  void wrong_batch();
  void wrong_tail();
  void restart_queue();
  void misuse_queue();
  void poke_queue_register();

  // What may happen. generator_events.cpp
  void event();
  void dma();
  void map_something();
  void change_mapping();
  void spoil_entry();
  void spoil_context();
  void change_context();
  void random_invalidation();
  void poke_register();
  void peek_register();
  void toggle_translation();
  void new_root_table();
  void reset();

  [[nodiscard]] std::uint64_t dma_address(unsigned device);
  [[nodiscard]] domain::mapping random_mapping(const domain& in);
  [[nodiscard]] std::uint64_t random_host(unsigned level);
  [[nodiscard]] std::uint64_t spoilt(vtd::spec::second_level_entry entry, unsigned level, std::string& how);

  const variant& how_;
  vtd::remap::capabilities caps_;
  random_source random_;
  program out_;
  table_writer tables_;
  std::vector<domain> domains_;
  // Index of each device's domain, or -1.
  std::array<int, device_count> domain_of_{};
  std::uint64_t root_ = 0;
  // The bits of GCMD that stay.
  std::uint32_t command_ = 0;
  bool queued_ = false;
  // Of the queue: IQA.QS, and where the next descriptor goes, in descriptors.
  unsigned queue_size_ = 0;
  std::uint64_t queue_tail_ = 0;
};

} // namespace vtdsim::differential
