// Any bytes as a GGUF file: refused with a message, or opened and then everything in it can be read.
#include <cstdint>
#include <cstdlib>
#include <span>

#include "model/gguf.h"
#include "model/touch_testing.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = cairn::GgufFile::parse(std::as_bytes(std::span(data, size)));
  if (!file.ok() && file.status().message().empty()) std::abort();
  if (file.ok()) cairn::touch_everything(*file);
  return 0;
}
