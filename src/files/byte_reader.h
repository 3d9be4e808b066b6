// ByteReader: walks little-endian bytes from front to back and never past their end: a read that does not fit
// returns nullopt and does not move. For the file readers of this room.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

namespace cairn {

static_assert(std::endian::native == std::endian::little, "model files are read in place");

// The placeholder of a large file that 'git lfs' has not fetched yet.
[[nodiscard]] inline bool is_git_lfs_pointer(std::span<const std::byte> bytes) {
  constexpr std::string_view kStart = "version https://git-lfs";
  return bytes.size() >= kStart.size() && std::memcmp(bytes.data(), kStart.data(), kStart.size()) == 0;
}

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  [[nodiscard]] size_t position() const { return position_; }
  [[nodiscard]] size_t remaining() const { return bytes_.size() - position_; }

  template <typename T>
  [[nodiscard]] std::optional<T> read() {
    if (remaining() < sizeof(T)) return std::nullopt;
    T value;
    std::memcpy(&value, bytes_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return value;
  }

  [[nodiscard]] std::optional<std::span<const std::byte>> take(uint64_t count) {
    if (count > remaining()) return std::nullopt;
    const auto taken = bytes_.subspan(position_, static_cast<size_t>(count));
    position_ += taken.size();
    return taken;
  }

  // A GGUF string: a 64-bit length, then the bytes.
  [[nodiscard]] std::optional<std::string_view> read_string() {
    const size_t start = position_;
    if (const auto length = read<uint64_t>()) {
      if (const auto taken = take(*length)) {
        return std::string_view(reinterpret_cast<const char*>(taken->data()), taken->size());
      }
    }
    position_ = start;
    return std::nullopt;
  }

 private:
  std::span<const std::byte> bytes_;
  size_t position_ = 0;
};

}  // namespace cairn
