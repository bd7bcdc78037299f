// SPDX-License-Identifier: Apache-2.0
#include "fake_hardware.h"

#include "vtd/spec/address.h"

#include <cstdio>
#include <cstring>
#include <utility>

namespace vtd::test {

namespace {

constexpr std::uint64_t register_access_ns = 50;
constexpr std::uint64_t relax_ns = 40;
constexpr std::uint64_t message_address = spec::interrupt_range_first;

std::string hex(std::uint64_t value) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

std::string register_name(const event& e) {
  if (e.reg == nullptr) return "nothing at " + hex(e.address);
  const std::string_view name = e.reg->name;
  std::string text = "dmar" + std::to_string(e.unit) + ' ' + std::string(name.substr(0, name.find("_REG")));
  if (e.reg->base == spec::register_base::fault)
    text += std::string(name.substr(name.find("_REG") + 4)) + ' ' + std::to_string(e.index);
  return text;
}

} // namespace

std::string describe(const event& e) {
  switch (e.what) {
  case action::read:
    return "read " + register_name(e) + " = " + hex(e.value);
  case action::write:
    return "write " + register_name(e) + " = " + hex(e.value);
  case action::load:
    return "load " + hex(e.address) + " = " + hex(e.value);
  case action::store:
    return "store " + hex(e.address) + " = " + hex(e.value);
  case action::flush:
    return "flush " + hex(e.address) + " + " + hex(e.size);
  case action::delay:
    return "delay " + std::to_string(e.value) + " ns";
  case action::allocate:
    return "allocate " + hex(e.address) + ", " + std::to_string(e.value) + " pages";
  case action::free:
    return "free " + hex(e.address) + ", " + std::to_string(e.value) + " pages";
  case action::register_interrupt:
    return "register interrupt " + hex(e.value);
  case action::unregister_interrupt:
    return "unregister interrupt " + hex(e.value);
  case action::log:
    return "log " + e.text;
  }
  return "?";
}

fake_unit& fake_hardware::add_unit(std::uint64_t base, spec::cap capability, spec::ecap extended) {
  units_.push_back(
      std::make_unique<fake_unit>(static_cast<unsigned>(units_.size()), base, capability, extended));
  fake_unit& added = *units_.back();
  added.load = [this](std::uint64_t address) { return seen_by_cpu(address); };
  added.store = [this](std::uint64_t address, std::uint32_t data) {
    const std::uint64_t word = address / sizeof(std::uint64_t) * sizeof(std::uint64_t);
    const auto shift = static_cast<unsigned>(address - word) * 8;
    const std::uint64_t kept = seen_by_cpu(word) & ~(std::uint64_t{0xffffffff} << shift);
    memory_[word] = kept | std::uint64_t{data} << shift;
    cpu_.erase(word);
  };
  return added;
}

void fake_hardware::record(event what) {
  what.time_ns = now_ns;
  if (on_event) on_event(what);
  events.push_back(std::move(what));
}

std::uint64_t fake_hardware::read(std::uint64_t address, unsigned bits) {
  now_ns += register_access_ns;
  event e{.what = action::read, .address = address, .value = spec::low_bits(bits), .text = {}};
  for (std::size_t i = 0; i < units_.size(); ++i) {
    const auto place = units_[i]->find(address);
    if (!place) continue;
    if (place->reg->size_bits != bits)
      violations.push_back("read of " + std::string(place->reg->name) + " with " + std::to_string(bits) +
                           " bits");
    e.unit = static_cast<unsigned>(i);
    e.reg = place->reg;
    e.index = place->index;
    e.value = units_[i]->read(*place, now_ns);
  }
  if (e.reg == nullptr) violations.push_back("read of " + hex(address) + ", where no register is");
  const std::uint64_t value = e.value;
  record(std::move(e));
  return value;
}

void fake_hardware::write(std::uint64_t address, std::uint64_t value, unsigned bits) {
  now_ns += register_access_ns;
  event e{.what = action::write, .address = address, .value = value, .text = {}};
  for (std::size_t i = 0; i < units_.size(); ++i) {
    const auto place = units_[i]->find(address);
    if (!place) continue;
    if (place->reg->size_bits != bits)
      violations.push_back("write of " + std::string(place->reg->name) + " with " + std::to_string(bits) +
                           " bits");
    e.unit = static_cast<unsigned>(i);
    e.reg = place->reg;
    e.index = place->index;
    record(e);
    return units_[i]->write(*place, value, now_ns);
  }
  violations.push_back("write of " + hex(address) + ", where no register is");
  record(std::move(e));
}

std::uint64_t fake_hardware::seen_by_cpu(std::uint64_t address) const {
  const auto found = cpu_.find(address);
  return found == cpu_.end() ? seen_by_hardware(address) : found->second;
}

std::uint64_t fake_hardware::seen_by_hardware(std::uint64_t address) const {
  const auto found = memory_.find(address);
  return found == memory_.end() ? 0 : found->second;
}

void fake_hardware::put(std::uint64_t address, std::uint64_t value) {
  cpu_[address] = value;
  dirty_.insert(address / line_size);
}

void fake_hardware::flush(std::uint64_t address, std::uint64_t size) {
  for (std::uint64_t line = address / line_size; line <= (address + size - 1) / line_size; ++line) {
    if (dirty_.erase(line) == 0) continue;
    for (std::uint64_t word = line * line_size; word < (line + 1) * line_size;
         word += sizeof(std::uint64_t)) {
      if (const auto found = cpu_.find(word); found != cpu_.end()) {
        memory_[word] = found->second;
        cpu_.erase(found);
      }
    }
  }
}

std::uint64_t fake_hardware::allocate(std::size_t count) {
  std::uint64_t page = 0;
  if (count <= pages_left) {
    if (count == 1 && !given_back_.empty()) {
      page = *given_back_.begin();
      given_back_.erase(given_back_.begin());
    } else {
      page = next_page_;
      next_page_ += count * spec::page_size;
    }
    pages_left -= count;
    constexpr std::uint64_t left_over = ~std::uint64_t{0}; // in memory, behind the zeroes in the cache
    for (std::uint64_t word = page; word < page + count * spec::page_size; word += sizeof(std::uint64_t)) {
      memory_[word] = left_over;
      put(word, 0);
    }
    for (std::size_t i = 0; i < count; ++i)
      pages_.insert(page + i * spec::page_size);
  }
  record({.what = action::allocate, .address = page, .value = count, .text = {}});
  return page;
}

void fake_hardware::free(std::uint64_t address, std::size_t count) {
  record({.what = action::free, .address = address, .value = count, .text = {}});
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t page = address + i * spec::page_size;
    if (pages_.erase(page) == 0)
      violations.push_back("page " + hex(page) + " is given back and was not taken");
    given_back_.insert(page);
    ++pages_left;
  }
}

void fake_hardware::pass_time(std::uint64_t ns) {
  now_ns += ns;
  for (const auto& each : units_)
    each->advance(now_ns);
  deliver_interrupts();
}

void fake_hardware::deliver_interrupts() {
  for (const auto& each : units_) {
    const auto messages = std::exchange(each->messages, {});
    for (const auto& [address, data] : messages) {
      const auto found = vectors_.find(data);
      if (address != message_address || found == vectors_.end()) {
        violations.push_back(each->name() + " writes its fault event to " + hex(address) + ", data " +
                             hex(data));
        continue;
      }
      found->second.handler(found->second.argument);
    }
  }
}

std::vector<std::string> fake_hardware::all_violations() const {
  std::vector<std::string> all = violations;
  for (const auto& each : units_)
    all.insert(all.end(), each->violations.begin(), each->violations.end());
  return all;
}

vtd_hardware_access fake_hardware::access() {
  vtd_hardware_access a{};
  a.context = this;
  a.read32 = [](void* c, std::uint64_t address) {
    return static_cast<std::uint32_t>(self(c).read(address, 32));
  };
  a.read64 = [](void* c, std::uint64_t address) { return self(c).read(address, 64); };
  a.write32 = [](void* c, std::uint64_t address, std::uint32_t value) { self(c).write(address, value, 32); };
  a.write64 = [](void* c, std::uint64_t address, std::uint64_t value) { self(c).write(address, value, 64); };
  a.load64 = [](void* c, std::uint64_t address) {
    const std::uint64_t value = self(c).seen_by_cpu(address);
    self(c).record({.what = action::load, .address = address, .value = value, .text = {}});
    return value;
  };
  a.store64 = [](void* c, std::uint64_t address, std::uint64_t value) {
    auto& hw = self(c);
    if (!hw.is_table_page(spec::page_base(address)))
      hw.violations.push_back("store to " + hex(address) + ", no page of the driver's");
    hw.record({.what = action::store, .address = address, .value = value, .text = {}});
    hw.put(address, value);
  };
  a.load_bytes = [](void* c, std::uint64_t address, void* to, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) {
      const std::uint64_t at = address + i;
      const std::uint64_t word = self(c).seen_by_cpu(at / sizeof(word) * sizeof(word));
      const auto byte = static_cast<unsigned char>(word >> at % sizeof(word) * 8);
      std::memcpy(static_cast<char*>(to) + i, &byte, 1);
    }
    return 0;
  };
  a.store_bytes = [](void*, std::uint64_t, const void*, std::size_t) { return -1; };
  a.flush_lines = [](void* c, std::uint64_t address, std::uint64_t size) {
    self(c).record({.what = action::flush, .address = address, .size = size, .text = {}});
    self(c).flush(address, size);
  };
  a.now_ns = [](void* c) { return self(c).now_ns; };
  a.delay_ns = [](void* c, std::uint64_t ns) {
    self(c).record({.what = action::delay, .value = ns, .text = {}});
    self(c).pass_time(ns);
  };
  a.relax = [](void* c) {
    ++self(c).relax_turns;
    self(c).pass_time(self(c).time_stands_still ? 0 : relax_ns);
  };
  a.allocate_pages = [](void* c, std::size_t count) { return self(c).allocate(count); };
  a.free_pages = [](void* c, std::uint64_t address, std::size_t count) { self(c).free(address, count); };
  a.register_interrupt = [](void* c, vtd_interrupt_handler handler, void* argument,
                            vtd_interrupt_message* message) {
    auto& hw = self(c);
    if (hw.vectors_left == 0) return -1;
    --hw.vectors_left;
    *message = {message_address, hw.next_vector_++};
    hw.vectors_[message->data] = {handler, argument};
    hw.record({.what = action::register_interrupt,
               .address = message->address,
               .value = message->data,
               .text = {}});
    return 0;
  };
  a.unregister_interrupt = [](void* c, const vtd_interrupt_message* message) {
    auto& hw = self(c);
    hw.record({.what = action::unregister_interrupt, .value = message->data, .text = {}});
    hw.vectors_.erase(message->data);
    ++hw.vectors_left;
  };
  a.log = [](void* c, const char* line) { self(c).record({.what = action::log, .text = line}); };
  return a;
}

} // namespace vtd::test
