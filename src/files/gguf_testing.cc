#include "files/gguf_testing.h"

#include "kernels/weights/dequantize_testing.h"

namespace cairn {

GgufHeader small_gguf_header() {
  GgufHeader header;
  header.metadata = {{"general.architecture", std::string("llama")},
                     {"general.name", std::string("small \xE2\x96\x81")},
                     {"a.uint8", uint8_t{200}},
                     {"a.int8", int8_t{-3}},
                     {"a.uint16", uint16_t{60000}},
                     {"a.int16", int16_t{-30000}},
                     {"a.uint32", uint32_t{4000000000}},
                     {"a.int32", int32_t{-5}},
                     {"a.uint64", uint64_t{1} << 63},
                     {"a.int64", int64_t{1} << 40},
                     {"a.float32", 0.5F},
                     {"a.float64", 1e-300},
                     {"a.bool", true},
                     {"a.empty", std::string()},
                     {"some.uint8", std::vector<uint8_t>{1, 2, 255}},
                     {"some.int8", std::vector<int8_t>{-1, 2}},
                     {"some.uint16", std::vector<uint16_t>{65535}},
                     {"some.int16", std::vector<int16_t>{-7, 7}},
                     {"some.uint32", std::vector<uint32_t>{7, 8, 9}},
                     {"some.int32", std::vector<int32_t>{-1, 0, 1, 2, 3, 4, 5, 6, 7, 8}},
                     {"some.uint64", std::vector<uint64_t>{1, 2}},
                     {"some.int64", std::vector<int64_t>{-1, 5}},
                     {"some.float32", std::vector<float>{1.5F, -2.5F}},
                     {"some.float64", std::vector<double>{0.25, 4.0}},
                     {"some.bool", std::vector<bool>{true, false, true}},
                     {"some.strings", std::vector<std::string>{"a", "", "ccc"}},
                     {"some.nothing", std::vector<std::string>{}}};
  for (TensorType type : kAllTensorTypes) {
    const int64_t columns = tensor_type_info(type).elements == 1 ? 3 : tensor_type_info(type).elements;
    header.tensors.push_back({std::string(tensor_type_info(type).name) + ".weight", type, {2, columns}});
  }
  return header;
}

std::vector<std::byte> small_gguf() {
  const GgufHeader header = small_gguf_header();
  GgufLayout layout = std::move(lay_out_gguf(header)).value();
  std::vector<std::byte> bytes = std::move(layout.head);
  for (size_t i = 0; i < header.tensors.size(); ++i) {
    const TensorType type = header.tensors[i].type;
    const auto& slot = layout.slots[i];
    auto data = random_blocks(
        type, static_cast<int>(slot.bytes / static_cast<uint64_t>(tensor_type_info(type).bytes)), i);
    data.resize(slot.padded_bytes);
    bytes.insert(bytes.end(), data.begin(), data.end());
  }
  return bytes;
}

}  // namespace cairn
