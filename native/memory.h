// Page-aligned, zeroed memory straight from the system, with huge pages asked for where it is large.
#pragma once

#include <cstddef>
#include <cstdint>

namespace octavo {

constexpr size_t kHugePage = size_t{2} << 20;

class MappedMemory {
 public:
  MappedMemory() = default;
  /** Throws std::runtime_error when the system refuses. Aligned to 2 MiB from 4 MiB on, else to a page. */
  explicit MappedMemory(size_t bytes);
  ~MappedMemory();
  MappedMemory(MappedMemory&& other) noexcept;
  MappedMemory& operator=(MappedMemory&& other) noexcept;
  MappedMemory(const MappedMemory&) = delete;
  MappedMemory& operator=(const MappedMemory&) = delete;

  uint8_t* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  void release();

  void* mapping_ = nullptr;
  size_t mapping_bytes_ = 0;
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

/**
 * Asks that the whole pages in [data, data + bytes) lie in the memory of a NUMA node, moving those that lie elsewhere; another node's memory is
 * taken where that one is full. 0, or the error's number: ENOSYS where the system has no such call.
 */
int prefer_node(void* data, size_t bytes, int node);

/**
 * Has the system give memory to the whole pages in [data, data + bytes) now, huge ones where it can, so that whoever writes there first does not wait for it.
 * What they hold stays as it is, and others may use them meanwhile. Where the system cannot, nothing happens.
 */
void populate(void* data, size_t bytes);

/** How many of an open file's bytes lie in the system's page cache, by whole pages; -1 where that cannot be told. */
int64_t cached_bytes(int descriptor, size_t file_bytes);

}  // namespace octavo
