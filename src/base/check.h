// CHECK and DCHECK: for our own bugs only, one condition each. Whatever a user or a file can cause is a
// Status.
#pragma once

namespace cairn {

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace cairn

#define CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::cairn::check_failed(#condition, __FILE__, __LINE__))

#ifdef NDEBUG
#define DCHECK(condition) static_cast<void>(sizeof(!(condition)))
#else
#define DCHECK(condition) CHECK(condition)
#endif
