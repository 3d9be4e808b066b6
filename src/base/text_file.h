// A small text file, read as a whole: settings, keys. The text is a copy, so nothing happens to it when the file changes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "cairn/status.h"

namespace cairn {

struct TextFile {
  std::string text;
  uint32_t mode = 0;  // its permission bits, as 0600
};

// Reads a regular file of at most `most_bytes`; never waits for a pipe or a device. Errors: kNotFound, kInvalidArgument (no
// regular file, not allowed), kInvalidData (too large), kInternal.
Result<TextFile> read_text_file(const std::string& path, size_t most_bytes);

}  // namespace cairn
