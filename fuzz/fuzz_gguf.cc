// Any bytes as a GGUF file: refused with a message, or opened and then everything in it can be read.
#include <cstdint>
#include <cstdlib>
#include <span>

#include "files/gguf.h"
#include "files/touch_testing.h"
#include "model/model_plan.h"
#include "text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = cairn::GgufFile::parse(std::as_bytes(std::span(data, size)));
  if (!file.ok() && file.status().message().empty()) std::abort();
  if (!file.ok()) return 0;
  cairn::touch_everything(*file);
  const auto plan = cairn::plan_model(*file);  // as a family reads it
  if (!plan.ok() && plan.status().message().empty()) std::abort();
  const auto tokenizer = cairn::load_tokenizer(*file);
  if (!tokenizer.ok() && tokenizer.status().message().empty()) std::abort();
  return 0;
}
