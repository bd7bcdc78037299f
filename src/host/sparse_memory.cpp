// SPDX-License-Identifier: Apache-2.0
#include "vtd/host/sparse_memory.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

namespace vtd::host {

sparse_memory::sparse_memory(std::uint64_t size) : size_(size) {
  if (size == 0 || size > max_size || size % page_bytes != 0) {
    throw std::invalid_argument("sparse_memory: size is " + std::to_string(size) +
                                " bytes, expected a multiple of 4096 from 4096 to 2^52");
  }
}

bool sparse_memory::contains(std::uint64_t address, std::uint64_t bytes) const {
  if (address > size_ || bytes > size_ - address) return false;
  if (holes_.empty() || bytes == 0) return true;
  const auto next = std::lower_bound(holes_.begin(), holes_.end(), address,
                                     [](const hole& h, std::uint64_t a) { return h.last < a; });
  return next == holes_.end() || next->first > address + (bytes - 1);
}

bool sparse_memory::add_hole(std::uint64_t first, std::uint64_t last) {
  if (first % page_bytes != 0 || last % page_bytes != page_bytes - 1 || first > last || last >= size_)
    return false;
  const auto inside = [&](const touched_page& p) {
    return p.number >= first / page_bytes && p.number <= last / page_bytes;
  };
  if (std::any_of(pages_.begin(), pages_.end(), inside)) return false;
  hole added{first, last};
  std::vector<hole> merged;
  for (const hole& h : holes_) {
    if (h.last < added.first || h.first > added.last) {
      merged.push_back(h);
    } else {
      added = {std::min(h.first, added.first), std::max(h.last, added.last)};
    }
  }
  merged.push_back(added);
  std::sort(merged.begin(), merged.end(), [](const hole& a, const hole& b) { return a.first < b.first; });
  holes_ = std::move(merged);
  return true;
}

bool sparse_memory::read_any(std::uint64_t address, std::span<std::byte> out) const {
  if (out.empty()) return contains(address, 0);
  const std::uint64_t offset = address % page_bytes;
  if (out.size() <= page_bytes - offset) {
    if (const std::byte* const data = find(address / page_bytes); data != nullptr) {
      std::memcpy(out.data(), data + offset, out.size());
      return true;
    }
  }
  if (!contains(address, out.size())) return false;
  while (!out.empty()) {
    const std::uint64_t start = address % page_bytes;
    const std::size_t part = std::min<std::size_t>(out.size(), page_bytes - start);
    if (const std::byte* const data = find(address / page_bytes); data != nullptr) {
      std::memcpy(out.data(), data + start, part);
    } else {
      std::memset(out.data(), 0, part);
    }
    out = out.subspan(part);
    address += part;
  }
  return true;
}

bool sparse_memory::write(std::uint64_t address, std::span<const std::byte> data) {
  if (data.empty()) return contains(address, 0);
  const std::uint64_t offset = address % page_bytes;
  if (data.size() <= page_bytes - offset) {
    if (std::byte* const target = find(address / page_bytes); target != nullptr) {
      std::memcpy(target + offset, data.data(), data.size());
      return true;
    }
  }
  if (!contains(address, data.size())) return false;
  while (!data.empty()) {
    const std::uint64_t start = address % page_bytes;
    const std::size_t part = std::min<std::size_t>(data.size(), page_bytes - start);
    std::memcpy(page(address, true) + start, data.data(), part);
    data = data.subspan(part);
    address += part;
  }
  return true;
}

std::byte* sparse_memory::page(std::uint64_t address, bool create) {
  const std::uint64_t number = address / page_bytes;
  if (std::byte* const found = find(number); found != nullptr) return found;
  if (!create || !contains(address, 1)) return nullptr;
  pages_.push_back({number, std::make_unique<page_data>()});
  std::byte* const fresh = pages_.back().data->bytes.data();
  index_.insert(number, fresh);
  last_number_ = number;
  last_page_ = fresh;
  return fresh;
}

} // namespace vtd::host
