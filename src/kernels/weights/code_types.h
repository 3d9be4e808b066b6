// Turns a TensorType known at run time into a template argument: visit_code_type(type, f) calls
// f(std::integral_constant<TensorType, T>) for the quantised type T.
#pragma once

#include <type_traits>

#include "base/check.h"
#include "kernels/weights/tensor_type.h"

namespace cairn {

template <TensorType kType>
using CodeType = std::integral_constant<TensorType, kType>;

template <typename Function>
void visit_code_type(TensorType type, const Function& f) {
  switch (type) {
    case TensorType::kQ8_0: return f(CodeType<TensorType::kQ8_0>());
    case TensorType::kQ4_0: return f(CodeType<TensorType::kQ4_0>());
    case TensorType::kQ4_1: return f(CodeType<TensorType::kQ4_1>());
    case TensorType::kQ5_0: return f(CodeType<TensorType::kQ5_0>());
    case TensorType::kQ5_1: return f(CodeType<TensorType::kQ5_1>());
    case TensorType::kQ2_K: return f(CodeType<TensorType::kQ2_K>());
    case TensorType::kQ3_K: return f(CodeType<TensorType::kQ3_K>());
    case TensorType::kQ4_K: return f(CodeType<TensorType::kQ4_K>());
    case TensorType::kQ5_K: return f(CodeType<TensorType::kQ5_K>());
    case TensorType::kQ6_K: return f(CodeType<TensorType::kQ6_K>());
    default: CHECK(false && "not a quantised type");
  }
}

}  // namespace cairn
