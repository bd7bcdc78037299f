// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/differential/guest_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>

namespace vtdsim::differential {

namespace {

// The pages that hold data at the start of every program.
std::vector<std::uint64_t> pages_of_data() {
  std::vector<std::uint64_t> pages;
  for (std::uint64_t page = 0; page < layout::data_pages; ++page)
    pages.push_back(layout::data + page * layout::page);
  for (std::uint64_t page = 0; page < layout::large_pages; ++page) {
    const std::uint64_t first = layout::large + page * layout::large_size;
    pages.push_back(first);
    pages.push_back(first + layout::large_size - layout::page);
  }
  return pages;
}

const std::vector<std::uint64_t>& data_pages() {
  static const std::vector<std::uint64_t> pages = pages_of_data();
  return pages;
}

using page_words = std::array<std::uint64_t, layout::page / 8>;

// Every word says where it is.
page_words pattern_of(std::uint64_t page) {
  page_words words{};
  for (std::size_t i = 0; i < words.size(); ++i)
    words[i] = (page + 8 * i + 1) * 0x9e3779b97f4a7c15U;
  return words;
}

} // namespace

guest_memory::guest_memory() : descriptor_(::memfd_create("vtdsim-memory", MFD_CLOEXEC)) {
  if (descriptor_ < 0 || ::ftruncate(descriptor_, layout::memory) != 0)
    throw std::runtime_error("no memory for a machine can be had (memfd)");
  void* mapped =
      ::mmap(nullptr, layout::memory, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, descriptor_, 0);
  if (mapped == MAP_FAILED) throw std::runtime_error("no memory for a machine can be had (mmap)");
  bytes_ = static_cast<std::byte*>(mapped);
}

guest_memory::~guest_memory() {
  ::munmap(bytes_, layout::memory);
  ::close(descriptor_);
}

std::uint64_t guest_memory::load(std::uint64_t address) const {
  std::uint64_t value = 0;
  std::memcpy(&value, at(address), sizeof value);
  return value;
}

void guest_memory::store(std::uint64_t address, std::uint64_t value) {
  std::memcpy(at(address), &value, sizeof value);
}

std::vector<guest_memory::extent> guest_memory::touched() const {
  std::vector<extent> out;
  // Below the tables there is what the firmware may have touched.
  auto from = static_cast<off_t>(layout::tables);
  for (;;) {
    const off_t first = ::lseek(descriptor_, from, SEEK_DATA);
    if (first < 0) return out;
    const off_t end = ::lseek(descriptor_, first, SEEK_HOLE);
    out.push_back({static_cast<std::uint64_t>(first), static_cast<std::uint64_t>(end - first)});
    from = end;
  }
}

void guest_memory::reset() {
  const std::uint64_t usual_end = layout::data + layout::data_pages * layout::page;
  for (const extent& each : touched()) {
    if (each.first + each.bytes <= usual_end || each.bytes <= 2 * layout::page) {
      std::memset(at(each.first), 0, each.bytes);
    } else {
      ::fallocate(descriptor_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(each.first),
                  static_cast<off_t>(each.bytes));
    }
  }
  for (const std::uint64_t page : data_pages()) {
    const page_words words = pattern_of(page);
    std::memcpy(at(page), words.data(), sizeof words);
  }
}

std::optional<std::uint64_t> guest_memory::first_difference(const guest_memory& other,
                                                            bool everywhere) const {
  const auto compare = [&](std::uint64_t first, std::uint64_t bytes) -> std::optional<std::uint64_t> {
    if (std::memcmp(at(first), other.at(first), bytes) == 0) return {};
    const auto [mine, theirs] = std::mismatch(at(first), at(first) + bytes, other.at(first));
    return first + static_cast<std::uint64_t>(mine - at(first));
  };
  for (const std::uint64_t page : data_pages()) {
    if (const auto found = compare(page, layout::page)) return found;
  }
  if (!everywhere) return {};
  for (const guest_memory* each : {this, &other}) {
    for (const extent& part : each->touched()) {
      // What lies between programs is no one's business.
      for (std::uint64_t page = part.first; page < part.first + part.bytes; page += layout::page) {
        if (page >= layout::exchange && page < layout::large) continue;
        if (const auto found = compare(page, layout::page)) return found;
      }
    }
  }
  return {};
}

} // namespace vtdsim::differential
