#include "base/memory.h"

#include <fmt/format.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <sys/mman.h>

#include <cerrno>
#include <cstring>

namespace cairn {

Result<PageMemory> PageMemory::allocate(uint64_t bytes) {
  // 2^47: the address space that a process has on x86-64 and most others.
  if (bytes > uint64_t{1} << 47) {
    return resource_exhausted(fmt::format("{} bytes of memory are more than any process may have", bytes));
  }
  const bool huge = bytes >= kHugePageBytes;
  const uint64_t mapping_bytes = bytes + kSlackBytes + (huge ? kHugePageBytes : 0);
  void* mapping = ::mmap(nullptr, mapping_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) {
    return resource_exhausted(
        fmt::format("the system refuses {} bytes of memory: {}", bytes, std::strerror(errno)));
  }
  auto address = reinterpret_cast<uintptr_t>(mapping);
  if (huge) {
    address = (address + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes;
    // A hint: fewer TLB misses are worth about 10 % of read bandwidth; a refusal costs nothing more.
    ::madvise(reinterpret_cast<void*>(address), bytes, MADV_HUGEPAGE);
  }
  PageMemory memory;
  memory.data_ = reinterpret_cast<std::byte*>(address);
  memory.bytes_ = bytes;
  memory.mapping_ = mapping;
  memory.mapping_bytes_ = mapping_bytes;
  return memory;
}

void trim_heap() {
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
}

PageMemory::~PageMemory() {
  if (mapping_ != nullptr) ::munmap(mapping_, mapping_bytes_);
}

}  // namespace cairn
