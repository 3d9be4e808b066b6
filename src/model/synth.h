// Synthetic models: random weights in a real or a tiny shape, as a GGUF file that this engine and others
// load. For benches and tests: they say nothing, but they compute like a trained model does. Attention is
// peaked (its scores have a standard deviation of about 2.5), every layer matters, and logits differ by a few
// units. Always true: the same options give the same bytes, on every machine. Called by `cairn model synth`
// and by tests.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "kernels/weights/tensor_type.h"

namespace cairn {

struct SynthOptions {
  std::string shape;                    // one of synth_shape_names()
  TensorType type = TensorType::kQ8_0;  // of the matrices; vectors and position tables are f32
  uint64_t seed = 1;
  std::optional<int64_t> context_length;                        // instead of the shape's own
  std::function<void(uint64_t done, uint64_t total)> progress;  // elements written so far; may be empty
  // Asked for each row; true: nothing is left of the file, and kInternal is returned. May be empty.
  std::function<bool()> must_stop;
};

struct SynthReport {
  uint64_t parameter_count = 0;
  uint64_t file_bytes = 0;
  // Plain sentences: which matrices could not have the type that was asked for, and what they have instead.
  std::vector<std::string> notes;
};

// "tinyllama-1.1b", "qwen3-0.6b", ...; "tiny-llama" and its like, one for each family; "tiny-256", whose row
// lengths are multiples of 256, so that every type fits.
std::span<const std::string_view> synth_shape_names();

// Writes the file; an existing one is replaced. Errors: kInvalidArgument (unknown shape, a context out of
// range), and those of writing.
Result<SynthReport> write_synthetic_model(const SynthOptions& options, const std::string& path);

}  // namespace cairn
