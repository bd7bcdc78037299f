/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a driver needs from the machine it runs on, as plain C: registers, physical memory, the CPU's cache,
 * time, interrupts, a log. A driver written against this struct runs on the models here, and on anything else
 * that fills in the pointers. Compiles as C11 and as C++20.
 *
 * Rules for who fills it in (the "machine") and who calls it (the "driver"):
 *  - No pointer may be null: vtd_hardware_access_complete() says whether all are set.
 *  - Every function gets `context` as its first argument, untouched.
 *  - All addresses are host physical addresses in bytes. Registers and memory are little-endian.
 *  - Calls come from one thread at a time. Interrupt handlers run inside some call that lets time pass
 *    (delay_ns, relax) or between two calls, never in the middle of a store.
 *  - A call may take simulated time. It returns when the CPU would go on to its next instruction.
 */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Called when the registered interrupt arrives; `argument` is what was registered. */
typedef void (*vtd_interrupt_handler)(void* argument);

/* The message a device has to write to raise an interrupt: 32-bit `data` to `address`. */
struct vtd_interrupt_message {
  uint64_t address; /* in [fee00000h, feefffffh] for x86; what goes to FEADDR (low) and FEUADDR (high) */
  uint32_t data;    /* what goes to FEDATA */
};

struct vtd_hardware_access {
  /* Handed to every function below. */
  void* context;

  /* --- Memory-mapped registers: uncached, in program order, the address naturally aligned. --- */

  /* Reads 32 bits. An address where nothing answers gives all ones. */
  uint32_t (*read32)(void* context, uint64_t address);
  /* Reads 64 bits. An address where nothing answers gives all ones. */
  uint64_t (*read64)(void* context, uint64_t address);
  /* Writes 32 bits. An address where nothing answers drops the write. */
  void (*write32)(void* context, uint64_t address, uint32_t value);
  /* Writes 64 bits as one access. */
  void (*write64)(void* context, uint64_t address, uint64_t value);

  /* --- Physical memory, through the CPU's write-back cache: other masters of a machine that is not coherent
         see a store only after flush_lines, and behind a write buffer only after the chipset was told. --- */

  /* Loads the 64-bit word at `address` (a multiple of 8), as the CPU sees it. */
  uint64_t (*load64)(void* context, uint64_t address);
  /* Stores one 64-bit word at `address` (a multiple of 8); the store is atomic. */
  void (*store64)(void* context, uint64_t address, uint64_t value);
  /* Copies `size` bytes from memory to `to`. Returns 0, or -1 where there is no memory (`to` is then
   * undefined). */
  int (*load_bytes)(void* context, uint64_t address, void* to, size_t size);
  /* Copies `size` bytes from `from` to memory. Returns 0, or -1 where there is no memory. */
  int (*store_bytes)(void* context, uint64_t address, const void* from, size_t size);

  /* --- The CPU's cache. --- */

  /* Writes back and drops every cache line that touches [address, address + size), then fences: clflush of
     each line and mfence. The lines have left the cache when it returns; a chipset write buffer may still
     hold them. */
  void (*flush_lines)(void* context, uint64_t address, uint64_t size);

  /* --- Time. --- */

  /* Nanoseconds since some fixed point; never goes back. */
  uint64_t (*now_ns)(void* context);
  /* Waits at least `ns` nanoseconds. */
  void (*delay_ns)(void* context, uint64_t ns);
  /* One turn of a polling loop: lets some time pass, as the PAUSE instruction does. Repeated calls must
     advance now_ns, else polling loops would never time out. */
  void (*relax)(void* context);

  /* --- Memory for the driver's tables. --- */

  /* Gives `count` consecutive 4 KB pages of zeroes, 4 KB aligned; returns their address, or 0 when there are
     none left. The zeroes may be in the CPU's cache only: they need flush_lines like any store. */
  uint64_t (*allocate_pages)(void* context, size_t count);
  /* Takes back what allocate_pages gave, the same address and count. */
  void (*free_pages)(void* context, uint64_t address, size_t count);

  /* --- Interrupts. --- */

  /* Reserves an interrupt vector: `handler(argument)` is called for every message that arrives. Fills
     `*message` with what the device has to write. Returns 0, or -1 when no vector is left. */
  int (*register_interrupt)(void* context, vtd_interrupt_handler handler, void* argument,
                            struct vtd_interrupt_message* message);
  /* Gives back the vector behind `*message`; its handler is not called any more after the return. */
  void (*unregister_interrupt)(void* context, const struct vtd_interrupt_message* message);

  /* --- Log. --- */

  /* One line of the driver's log, without line end, zero-terminated; the text is valid during the call only.
   */
  void (*log)(void* context, const char* line);
};

/* 1 when every function pointer is set, else 0. */
static inline int vtd_hardware_access_complete(const struct vtd_hardware_access* access) {
  return access && access->read32 && access->read64 && access->write32 && access->write64 && access->load64 &&
         access->store64 && access->load_bytes && access->store_bytes && access->flush_lines &&
         access->now_ns && access->delay_ns && access->relax && access->allocate_pages &&
         access->free_pages && access->register_interrupt && access->unregister_interrupt && access->log;
}

#ifdef __cplusplus
} /* extern "C" */
#endif
