// MemoryPlan: the bytes that a model and its engine take, known before anything is loaded. Plain data.
//
// What is called exact is what the running engine takes, to the byte. The rest are estimates from measurements, so that
// total_bytes() is the process's peak (VmHWM) within 2 % or 16 MiB, once the context has been filled and a prompt was
// as long as a prefill chunk.
#pragma once

#include <algorithm>
#include <cstdint>

namespace cairn {

struct MemoryPlan {
  uint64_t weights_bytes = 0;    // packed matrices, norms, biases. Exact
  uint64_t kv_bytes = 0;         // the cache's blocks, but for resume_bytes. Exact
  uint64_t resume_bytes = 0;     // blocks that layers with a window keep for later sequences. Exact
  uint64_t open_bytes = 0;       // rows of blocks that are not sealed yet. Exact
  uint64_t step_bytes = 0;       // buffers of a forward pass. Exact
  uint64_t sampling_bytes = 0;   // logits of a row for each sequence, and the sampler's tables. Exact
  uint64_t event_bytes = 0;      // the last events of the cache and of the engine. Exact
  uint64_t tier_bytes = 0;       // blocks on their way to and from a disk or a store. Exact
  uint64_t tokenizer_bytes = 0;  // vocabulary, merges, and what the file says about them. An estimate
  uint64_t program_bytes = 0;    // code, libraries, stacks. An estimate
  uint64_t loading_bytes = 0;    // of the file while weights are packed, before any of kv, step and sampling

  // Keys and values, wherever they lie.
  [[nodiscard]] uint64_t row_bytes() const { return kv_bytes + resume_bytes + open_bytes; }
  // What is there to compute with, beside weights and keys and values.
  [[nodiscard]] uint64_t work_bytes() const {
    return open_bytes + step_bytes + sampling_bytes + event_bytes + tier_bytes;
  }
  // What is there whatever the context and the number of sequences.
  [[nodiscard]] uint64_t base_bytes() const { return weights_bytes + tokenizer_bytes + program_bytes; }
  // The peak.
  [[nodiscard]] uint64_t total_bytes() const {
    return base_bytes() + std::max(loading_bytes, kv_bytes + resume_bytes + work_bytes());
  }

  friend bool operator==(const MemoryPlan&, const MemoryPlan&) = default;
};

}  // namespace cairn
