#include "base/memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

namespace cairn {
namespace {

TEST(PageMemory, IsAlignedZeroedAndHasSlack) {
  for (const uint64_t bytes : {uint64_t{0}, uint64_t{1}, uint64_t{4096}, PageMemory::kHugePageBytes - 1,
                               PageMemory::kHugePageBytes, 3 * PageMemory::kHugePageBytes + 5}) {
    auto memory = PageMemory::allocate(bytes);
    ASSERT_TRUE(memory.ok()) << memory.status().message();
    const auto address = reinterpret_cast<uintptr_t>(memory->data());
    EXPECT_EQ(address % 64, 0u);
    if (bytes >= PageMemory::kHugePageBytes) EXPECT_EQ(address % PageMemory::kHugePageBytes, 0u);
    EXPECT_EQ(memory->bytes(), bytes);
    std::byte* data = memory->data();
    const auto is_zero = [](std::byte b) { return b == std::byte{0}; };
    EXPECT_TRUE(std::all_of(data, data + bytes + PageMemory::kSlackBytes, is_zero));
    std::memset(data, 0x5a, bytes + PageMemory::kSlackBytes);
  }
}

TEST(PageMemory, MovesItsMapping) {
  PageMemory a = *PageMemory::allocate(1000);
  std::byte* data = a.data();
  data[999] = std::byte{7};
  PageMemory b = std::move(a);
  EXPECT_EQ(b.data(), data);
  EXPECT_EQ(a.data(), nullptr);  // NOLINT(bugprone-use-after-move): a moved-from memory is nothing
  a = std::move(b);
  EXPECT_EQ(a.data()[999], std::byte{7});
  a = PageMemory();
  EXPECT_EQ(a.bytes(), 0u);
}

TEST(PageMemory, RefusesWhatNoMachineHas) {
  EXPECT_EQ(PageMemory::allocate(UINT64_MAX).status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(PageMemory::allocate((uint64_t{1} << 47)).status().code(), StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace cairn
