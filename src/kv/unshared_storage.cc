#include "kv/unshared_storage.h"

#include <fmt/format.h>

namespace cairn {

Status UnsharedStorage::check_table(SequenceId sequence, int32_t first_id) const {
  const KvBlockTable& of = table(sequence);
  for (int32_t b = 0; b < std::ssize(of.blocks); ++b) {
    if (of.first_block != 0 || of.blocks[static_cast<size_t>(b)].value != first_id + b) {
      return internal_error(fmt::format("block {} of sequence {} is not at its place", b, sequence.value));
    }
  }
  return {};
}

}  // namespace cairn
