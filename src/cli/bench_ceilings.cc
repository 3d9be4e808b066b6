#include "cli/bench_ceilings.h"

#include <algorithm>
#include <cstring>

#include "base/clock.h"
#include "base/thread_pool.h"
#include "kernels/probe.h"

namespace cairn {
namespace {

constexpr uint64_t kBufferBytes = uint64_t{768} << 20;  // several times a large last-level cache

double seconds_since(uint64_t start_ns) {
  return static_cast<double>(SteadyClock().now_ns() - start_ns) * 1e-9;
}

}  // namespace

Result<Ceilings> Ceilings::create(ThreadPool& threads, Isa isa) {
  CAIRN_ASSIGN_OR_RETURN(PageMemory buffer, PageMemory::allocate(kBufferBytes));
  std::memset(buffer.data(), 1, buffer.bytes());  // untouched pages would all be the same page of zeros
  return Ceilings(threads, isa, std::move(buffer));
}

double Ceilings::read_bandwidth() const {
  double best = 0;
  uint64_t seen = 0;
  for (const ReadPattern pattern : kReadPatterns) {
    const uint64_t start = SteadyClock().now_ns();
    seen ^= read_once(*threads_, isa_, {buffer_.data(), buffer_.bytes()}, pattern);
    best = std::max(best, static_cast<double>(buffer_.bytes()) / seconds_since(start));
  }
  return seen == 1 ? 0 : best;  // never 1 in practice: what was read must be used
}

double Ceilings::matrix_peak() const {
  constexpr int kTries = 5;
  const int64_t rounds = isa_ == Isa::kAmx ? 100'000 : 2'000'000;  // a few milliseconds
  double best = 0;
  for (int i = 0; i < kTries; ++i) {
    const uint64_t start = SteadyClock().now_ns();
    const double operations = multiply_once(*threads_, isa_, rounds);
    best = std::max(best, operations / seconds_since(start));
  }
  return best;
}

double median(std::vector<double> values) {
  const size_t middle = (values.size() - 1) / 2;
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(middle));
  return values[middle];
}

}  // namespace cairn
