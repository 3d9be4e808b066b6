// The fingerprint of a model's content: a SHA-256 that names what the forward pass computes, so that blocks of keys and
// values that outlive the process are only ever used with the model that made them. Two files with the same fingerprint
// compute the same; the file's name, its metadata and its tokenizer do not count.
//
// It covers the Config, which tensor plays which part, and the name, type, shape and bytes of each of those tensors, as
// the file stores them. Packed weights are not hashed: how they are packed depends on the kernels.
//
// Reading every weight takes a while, so this is not called on the way to a first token.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>

#include "base/sha256.h"
#include "model/config.h"
#include "model/model_plan.h"

namespace cairn {

class ThreadPool;

// Every field of `config`, one `name=value` a line; numbers are exact. Two configs have the same text where all their
// fields are equal.
[[nodiscard]] std::string config_text(const Config& config);

// Copies bytes of a tensor: WeightsOptions::copy.
using CopyBytes = std::function<void(std::span<const std::byte> from, std::byte* to)>;

// `plan` must have weights, and its file must still be open. The result does not depend on the number of threads.
[[nodiscard]] Sha256Digest model_fingerprint(const ModelPlan& plan, ThreadPool& threads,
                                             const CopyBytes& copy);

}  // namespace cairn
