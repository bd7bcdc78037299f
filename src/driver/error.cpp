// SPDX-License-Identifier: Apache-2.0
#include "vtd/driver/error.h"

namespace vtd::driver {

std::string_view step_name(unit_step step) {
  switch (step) {
  case unit_step::probe:
    return "probe";
  case unit_step::translation_off:
    return "translation off";
  case unit_step::interrupt_remapping_off:
    return "interrupt remapping off";
  case unit_step::queue_off:
    return "invalidation queue off";
  case unit_step::write_buffer_flush:
    return "write-buffer flush";
  case unit_step::root_table_pointer:
    return "root table pointer";
  case unit_step::queue_on:
    return "invalidation queue on";
  case unit_step::queued_invalidation:
    return "queued invalidation";
  case unit_step::context_invalidation:
    return "context-cache invalidation";
  case unit_step::iotlb_invalidation:
    return "IOTLB invalidation";
  case unit_step::fault_interrupt:
    return "fault interrupt";
  case unit_step::fault_log:
    return "advanced fault log";
  case unit_step::translation_on:
    return "translation on";
  case unit_step::protected_memory_off:
    return "protected memory off";
  }
  return "unknown step";
}

} // namespace vtd::driver
