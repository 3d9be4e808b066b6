// A chat template of any bytes: parsing and rendering end in a text or a Status, within their limits.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const auto parsed = cairn::ChatTemplate::parse({reinterpret_cast<const char*>(data), size});
  if (!parsed.ok()) return 0;
  const std::vector<cairn::ChatMessage> messages = {
      {"system", "Be kind."}, {"user", " Grüße \xff\n"}, {"assistant", "<think>a</think>b"}, {"user", "1"}};
  cairn::ChatTemplateOptions options;
  options.bos_token = "<s>";
  options.eos_token = "</s>";
  options.now = cairn::CivilTime{2025, 3, 7};
  static_cast<void>(parsed->render(messages, options));
  return 0;
}
