// Turns a TensorType known at run time into a template argument: visit_code_type(type, f) calls
// f(std::integral_constant<TensorType, T>) for the quantised type T.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include "base/check.h"
#include "kernels/weights/tensor_type.h"

namespace cairn {

template <TensorType kType>
using CodeType = std::integral_constant<TensorType, kType>;

// Not asked of the format: under sanitizers GCC 12 takes the address of a book for no constant.
template <TensorType kType>
inline constexpr bool kHasBook = code_format(kType).bits == 4 && kType != TensorType::kQ4_0 &&
                                 kType != TensorType::kQ4_1 && kType != TensorType::kQ4_K;

template <typename Function>
void visit_code_type(TensorType type, const Function& f) {
  CHECK(is_quantised(type));
  const auto visit_if_it_is = [&]<size_t kIndex>() {
    constexpr TensorType kType = kTensorTypes[kIndex].type;
    if constexpr (is_quantised(kType)) {
      if (kType == type) f(CodeType<kType>());
      return kType == type;
    }
    return false;
  };
  [&]<size_t... kIndex>(std::index_sequence<kIndex...>) {
    (void)(visit_if_it_is.template operator()<kIndex>() || ...);
  }(std::make_index_sequence<kTensorTypes.size()>());
}

}  // namespace cairn
