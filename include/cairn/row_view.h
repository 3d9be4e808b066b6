// RowView: a caller's rows of numbers, without gaps, as f32, f16 or bf16. A pointer and a count; it owns nothing.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>

namespace cairn {

// 16 bits as they lie in memory: IEEE half precision, and the upper half of an f32.
struct Float16 {
  uint16_t bits = 0;
};
struct BFloat16 {
  uint16_t bits = 0;
};

class RowView {
 public:
  using Numbers = std::variant<std::span<const float>, std::span<const Float16>, std::span<const BFloat16>>;

  RowView() = default;
  // Of a vector, an array or a span of float, Float16 or BFloat16.
  template <typename Rows>
    requires std::convertible_to<const Rows&, std::span<const float>>
  RowView(const Rows& rows) : numbers_(std::span<const float>(rows)) {}  // NOLINT: implicit
  template <typename Rows>
    requires std::convertible_to<const Rows&, std::span<const Float16>>
  RowView(const Rows& rows) : numbers_(std::span<const Float16>(rows)) {}  // NOLINT: implicit
  template <typename Rows>
    requires std::convertible_to<const Rows&, std::span<const BFloat16>>
  RowView(const Rows& rows) : numbers_(std::span<const BFloat16>(rows)) {}  // NOLINT: implicit

  // Numbers of all rows together.
  [[nodiscard]] size_t size() const {
    return std::visit([](const auto& numbers) { return numbers.size(); }, numbers_);
  }
  [[nodiscard]] const Numbers& numbers() const { return numbers_; }

 private:
  Numbers numbers_;
};

}  // namespace cairn
