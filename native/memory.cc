// Page-aligned memory from mmap.
#include "memory.h"

#include <sys/mman.h>
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <cerrno>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace octavo {

namespace {
constexpr size_t kPage = 4096;
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

int prefer_node(void* data, size_t bytes, int node) {
#if defined(__linux__) && defined(SYS_mbind)
  // Of linux/mempolicy.h, which not every machine has.
  constexpr int kPreferred = 1;
  constexpr unsigned kMove = 2;
  constexpr int kNodes = 1024;
  constexpr int kWordBits = 8 * sizeof(unsigned long);
  if (node < 0 || node >= kNodes) return EINVAL;
  const uintptr_t first = (reinterpret_cast<uintptr_t>(data) + kPage - 1) / kPage * kPage;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(data) + bytes) / kPage * kPage;
  if (end <= first) return 0;
  unsigned long mask[kNodes / kWordBits] = {};
  mask[node / kWordBits] = 1ul << (node % kWordBits);
  // The kernel reads one bit fewer than it is told.
  const long result = syscall(SYS_mbind, first, end - first, kPreferred, mask, static_cast<unsigned long>(kNodes + 1), kMove);
  return result == 0 ? 0 : errno;
#else
  (void)data, (void)bytes, (void)node;
  return ENOSYS;
#endif
}

void populate(void* data, size_t bytes) {
#ifdef __linux__
  const uintptr_t first = (reinterpret_cast<uintptr_t>(data) + kPage - 1) / kPage * kPage;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(data) + bytes) / kPage * kPage;
  if (end <= first) return;
  // Of linux/mman.h from 5.14 on, which not every machine has.
  constexpr int kPopulateWrite = 23;
  madvise(reinterpret_cast<void*>(first), end - first, MADV_HUGEPAGE);
  madvise(reinterpret_cast<void*>(first), end - first, kPopulateWrite);
#else
  (void)data, (void)bytes;
#endif
}

int64_t cached_bytes(int descriptor, size_t file_bytes) {
#ifdef __linux__
  if (file_bytes == 0) return 0;
  // A mapping takes no pages until it is read, and mincore then tells which of them are there already.
  void* mapping = mmap(nullptr, file_bytes, PROT_READ, MAP_SHARED, descriptor, 0);
  if (mapping == MAP_FAILED) return -1;
  std::vector<unsigned char> present((file_bytes + kPage - 1) / kPage);
  const bool told = mincore(mapping, file_bytes, present.data()) == 0;
  munmap(mapping, file_bytes);
  if (!told) return -1;
  int64_t pages = 0;
  for (const unsigned char page : present) pages += page & 1;
  return pages * static_cast<int64_t>(kPage);
#else
  (void)descriptor, (void)file_bytes;
  return -1;
#endif
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
