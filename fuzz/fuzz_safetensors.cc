// Any bytes as a safetensors file: refused with a message, or read and then every tensor can be touched.
#include <cstdint>
#include <cstdlib>
#include <span>

#include "files/safetensors.h"
#include "files/tensor_table.h"
#include "files/touch_testing.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto file = cairn::SafetensorsFile::read(std::as_bytes(std::span(data, size)));
  if (!file.ok() && file.status().message().empty()) std::abort();
  if (!file.ok()) return 0;
  const auto table = cairn::TensorTable::make(std::move(file->tensors));
  if (table.ok()) cairn::touch_tensors(table->all());
  return 0;
}
