// no_throw: where exceptions of the standard library become a Status. For public functions and for what calls
// back into the engine; inside, "no room" is a value.
#pragma once

#include <new>
#include <stdexcept>
#include <system_error>
#include <type_traits>
#include <utility>

#include "cairn/status.h"

namespace cairn {

// Runs a function that returns a Status or a Result. No memory, a length that no container can have, or no
// thread: kResourceExhausted. The function must leave everything as it was where it throws.
template <typename Function>
std::invoke_result_t<Function> no_throw(Function&& function) noexcept {
  // So short that it needs no memory of its own.
  const auto out_of_memory = [] { return Status(StatusCode::kResourceExhausted, "out of memory"); };
  try {
    return std::forward<Function>(function)();
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  } catch (const std::length_error&) {
    return out_of_memory();
  } catch (const std::system_error&) {  // std::thread
    return out_of_memory();
  }
}

}  // namespace cairn
