#include "store/record_testing.h"

#include <utility>

#include "base/random.h"
#include "base/sha256.h"
#include "store/record_fields.h"

namespace cairn {

RecordName name_of(uint64_t number) {
  const Sha256Digest digest = sha256(std::as_bytes(std::span(&number, 1)));
  return get_field<RecordName>(std::as_bytes(std::span(digest)), 0);
}

OwnerTag owner_of(uint64_t number) {
  OwnerTag owner{};
  put_field(std::span(owner), 0, number);
  put_field(std::span(owner), 8, ~number);
  return owner;
}

std::vector<std::byte> some_bytes(uint64_t number, uint64_t part, size_t count) {
  std::vector<std::byte> bytes(count);
  uint64_t word = 0;
  for (size_t i = 0; i < count; ++i) {
    if (i % 8 == 0) word = random_bits(number, part, i / 8);
    bytes[i] = static_cast<std::byte>(word >> (i % 8 * 8));
  }
  return bytes;
}

SampleRecord::SampleRecord(uint64_t number, std::vector<size_t> slice_bytes, uint64_t owner,
                           uint64_t created_ms)
    : name_(name_of(number)),
      owner_(owner_of(owner)),
      created_ms_(created_ms),
      head_(some_bytes(number, 0, 40 + number % 50)) {
  for (size_t i = 0; i < slice_bytes.size(); ++i)
    slices_.push_back(some_bytes(number, i + 1, slice_bytes[i]));
  for (const auto& slice : slices_) spans_.emplace_back(slice);
}

RecordView SampleRecord::view() const {
  return {.name = name_, .owner = owner_, .created_ms = created_ms_, .head = head_, .slices = spans_};
}

std::vector<std::byte> SampleRecord::encoded() const {
  std::vector<uint32_t> sizes;
  for (const auto& slice : slices_) sizes.push_back(static_cast<uint32_t>(slice.size()));
  const RecordLayout layout = lay_out_record(static_cast<uint32_t>(head_.size()), sizes);
  std::vector<std::byte> bytes(layout.record_bytes);
  encode_record(view(), layout, bytes);
  return bytes;
}

}  // namespace cairn
