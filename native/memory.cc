// Page-aligned memory from mmap.
#include "memory.h"

#include <sys/mman.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace octavo {

namespace {
constexpr size_t kPage = 4096;
constexpr size_t kHugePage = size_t{2} << 20;
}  // namespace

MappedMemory::MappedMemory(size_t bytes) {
  if (bytes == 0) return;
  const bool huge = bytes >= 2 * kHugePage;
  const size_t alignment = huge ? kHugePage : kPage;
  const size_t mapping_bytes = bytes + (huge ? alignment : 0);
  void* mapping = mmap(nullptr, mapping_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) throw std::runtime_error("the system refused " + std::to_string(bytes) + " bytes of memory");
  mapping_ = mapping;
  mapping_bytes_ = mapping_bytes;
  const uintptr_t address = reinterpret_cast<uintptr_t>(mapping);
  data_ = reinterpret_cast<uint8_t*>((address + alignment - 1) / alignment * alignment);
  size_ = bytes;
#ifdef MADV_HUGEPAGE
  if (huge) madvise(data_, bytes, MADV_HUGEPAGE);
#endif
}

void MappedMemory::release() {
  if (mapping_ != nullptr) munmap(mapping_, mapping_bytes_);
  mapping_ = nullptr;
  data_ = nullptr;
  size_ = 0;
}

MappedMemory::~MappedMemory() { release(); }

MappedMemory::MappedMemory(MappedMemory&& other) noexcept { *this = std::move(other); }

MappedMemory& MappedMemory::operator=(MappedMemory&& other) noexcept {
  if (this == &other) return *this;
  release();
  mapping_ = std::exchange(other.mapping_, nullptr);
  mapping_bytes_ = other.mapping_bytes_;
  data_ = std::exchange(other.data_, nullptr);
  size_ = std::exchange(other.size_, size_t{0});
  return *this;
}

}  // namespace octavo
