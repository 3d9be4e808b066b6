#include "kernels/isa.h"

#include <algorithm>
#include <array>
#include <utility>

#if defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace cairn {
namespace {

constexpr std::array<std::pair<Isa, std::string_view>, 5> kNames{{{Isa::kScalar, "scalar"},
                                                                  {Isa::kNeon, "neon"},
                                                                  {Isa::kAvx2, "avx2"},
                                                                  {Isa::kAvx512, "avx512"},
                                                                  {Isa::kAmx, "amx"}}};

#if defined(__x86_64__)
bool amx_permitted() {
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

// __builtin_cpu_supports of gcc 12 does not know AMX; leaf 7 reports it in edx.
bool cpu_has_amx() {
  uint32_t a = 7, b = 0, c = 0, d = 0;
  __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  constexpr uint32_t kBf16 = 1U << 22, kTile = 1U << 24;
  return (d & (kBf16 | kTile)) == (kBf16 | kTile);
}

void add_x86(std::vector<Isa>& isas) {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return;
  isas.push_back(Isa::kAvx2);
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl") ||
      !__builtin_cpu_supports("avx512cd") || !__builtin_cpu_supports("avx512vnni")) {
    return;
  }
  isas.push_back(Isa::kAvx512);
  if (__builtin_cpu_supports("avx512bf16") && cpu_has_amx() && amx_permitted()) isas.push_back(Isa::kAmx);
}
#endif

std::vector<Isa> detect() {
  std::vector<Isa> isas{Isa::kScalar};
#if defined(__x86_64__)
  add_x86(isas);
#elif defined(__aarch64__)
  isas.push_back(Isa::kNeon);
#endif
  return isas;
}

}  // namespace

std::string_view isa_name(Isa isa) {
  return std::ranges::find(kNames, isa, &std::pair<Isa, std::string_view>::first)->second;
}

std::optional<Isa> isa_from_name(std::string_view name) {
  const auto* found = std::ranges::find(kNames, name, &std::pair<Isa, std::string_view>::second);
  if (found == kNames.end()) return std::nullopt;
  return found->first;
}

const std::vector<Isa>& available_isas() {
  static const std::vector<Isa> isas = detect();
  return isas;
}

}  // namespace cairn
