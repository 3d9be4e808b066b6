#include "kv/geometry.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace cairn {
namespace {

// No model comes near it, and products of all of them still fit in 64 bits.
constexpr int64_t kMaxDimension = 1 << 16;
// 64 GiB: times the blocks of kMaxPositions positions it stays below 2^62.
constexpr uint64_t kMaxBlockBytes = uint64_t{1} << 36;
constexpr uint64_t kMaxBytes = uint64_t{1} << 62;

Status check_dimension(const char* name, int64_t value) {
  if (value >= 1 && value <= kMaxDimension) return {};
  return invalid_argument(fmt::format("the cache cannot hold a model whose {} is {}: 1 to {} is possible",
                                      name, value, kMaxDimension));
}

Result<std::vector<Visibility>> visibility_of_layers(const KvShape& shape) {
  if (shape.visibility.empty()) return std::vector<Visibility>(static_cast<size_t>(shape.layer_count));
  if (std::ssize(shape.visibility) != shape.layer_count) {
    return invalid_argument(fmt::format("what is seen is said of {} layers, of {} layers",
                                        shape.visibility.size(), shape.layer_count));
  }
  for (const Visibility& layer : shape.visibility) {
    const bool has_window = layer.window >= 1 && layer.window <= KvGeometry::kMaxPositions;
    if ((has_window && layer.sinks >= 0 && layer.sinks <= Visibility::kMaxSinks) || layer == Visibility{})
      continue;
    return invalid_argument(
        fmt::format("a window of {} positions and {} sinks is not possible", layer.window, layer.sinks));
  }
  return shape.visibility;
}

// Numbers the different ones in the order of their first layers.
std::vector<int32_t> groups_by_visibility(const std::vector<Visibility>& layers) {
  std::vector<Visibility> known;
  std::vector<int32_t> groups;
  for (const Visibility& layer : layers) {
    const auto found = std::ranges::find(known, layer);
    groups.push_back(static_cast<int32_t>(found - known.begin()));
    if (found == known.end()) known.push_back(layer);
  }
  return groups;
}

Result<std::vector<int32_t>> groups_of_layers(const KvShape& shape,
                                              const std::vector<Visibility>& visibility) {
  const std::vector<int32_t> groups =
      shape.layer_groups.empty() ? groups_by_visibility(visibility) : shape.layer_groups;
  if (std::ssize(groups) != shape.layer_count) {
    return invalid_argument(
        fmt::format("{} layers have groups, of {} layers", groups.size(), shape.layer_count));
  }
  std::vector<bool> is_used(KvGeometry::kMaxGroups);
  for (const int32_t group : groups) {
    if (group < 0 || group >= KvGeometry::kMaxGroups) {
      return invalid_argument(
          fmt::format("there is no layer group {}: 0 to {} are possible", group, KvGeometry::kMaxGroups - 1));
    }
    is_used[static_cast<size_t>(group)] = true;
  }
  for (int32_t group = 0; group < std::ranges::max(groups); ++group) {
    if (!is_used[static_cast<size_t>(group)]) {
      return invalid_argument(fmt::format("layer group {} has no layer", group));
    }
  }
  return groups;
}

Result<std::vector<Visibility>> visibility_of_groups(const std::vector<int32_t>& groups,
                                                     const std::vector<Visibility>& layers) {
  std::vector<std::optional<Visibility>> known(static_cast<size_t>(std::ranges::max(groups)) + 1);
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    std::optional<Visibility>& of_group = known[static_cast<size_t>(groups[layer])];
    if (!of_group.has_value()) of_group = layers[layer];
    if (*of_group == layers[layer]) continue;
    return invalid_argument(
        fmt::format("the layers of group {} must all see the same positions", groups[layer]));
  }
  std::vector<Visibility> visibility;
  visibility.reserve(known.size());
  for (const std::optional<Visibility>& of_group : known) visibility.push_back(*of_group);
  return visibility;
}

}  // namespace

Status KvGeometry::check_extent(int64_t context, int64_t max_sequences) {
  if (context < 1 || context > kMaxStream) {
    return invalid_argument(fmt::format(
        "a context of {} positions is not possible: `context` must be 1 to {}", context, kMaxStream));
  }
  if (max_sequences < 1 || max_sequences > kMaxSequences) {
    return invalid_argument(
        fmt::format("{} sequences at once are not possible: 1 to {} are", max_sequences, kMaxSequences));
  }
  return {};
}

Result<KvGeometry> KvGeometry::make(const KvShape& shape) {
  CAIRN_RETURN_IF_ERROR(check_dimension("layer count", shape.layer_count));
  CAIRN_RETURN_IF_ERROR(check_dimension("KV head count", shape.kv_head_count));
  CAIRN_RETURN_IF_ERROR(check_dimension("head dimension", shape.head_dim));
  CAIRN_ASSIGN_OR_RETURN(const std::vector<KvLayerPlan> plans,
                         shape.plan.resolve(shape.layer_count, shape.head_dim));
  KvGeometry geometry;
  CAIRN_ASSIGN_OR_RETURN(const std::vector<Visibility> visibility, visibility_of_layers(shape));
  CAIRN_ASSIGN_OR_RETURN(geometry.layer_groups_, groups_of_layers(shape, visibility));
  CAIRN_ASSIGN_OR_RETURN(geometry.group_visibility_,
                         visibility_of_groups(geometry.layer_groups_, visibility));
  geometry.group_bytes_.resize(geometry.group_visibility_.size());
  geometry.plan_ = shape.plan;
  geometry.kv_head_count_ = static_cast<int32_t>(shape.kv_head_count);
  geometry.head_dim_ = static_cast<int32_t>(shape.head_dim);
  for (const KvLayerPlan& of_layer : plans) {
    KvLayerLayout layer = kv_layer_layout(of_layer.keys, of_layer.values, geometry.head_dim_);
    const int32_t group = geometry.group_of(geometry.layer_count());
    uint64_t& group_bytes = geometry.group_bytes_[static_cast<size_t>(group)];
    const auto layer_bytes = static_cast<uint64_t>(layer.head_bytes() * shape.kv_head_count);
    layer.offset = static_cast<int64_t>(group_bytes);
    layer.open_offset = static_cast<int64_t>(geometry.open_bytes_);
    const auto open_bytes = static_cast<uint64_t>(layer.open_head_bytes * shape.kv_head_count);
    group_bytes += layer_bytes;
    geometry.block_bytes_ += layer_bytes;
    geometry.open_bytes_ += open_bytes;
    geometry.step_slot_bytes_ = std::max(geometry.step_slot_bytes_, open_bytes);
    geometry.layers_.push_back(layer);
  }
  if (geometry.block_bytes_ > kMaxBlockBytes) {
    return invalid_argument(fmt::format(
        "a cache block of {} layers, {} KV heads and head dimension {} would take {} bytes; at most "
        "{} are possible",
        shape.layer_count, shape.kv_head_count, shape.head_dim, geometry.block_bytes_, kMaxBlockBytes));
  }
  return geometry;
}

KvLayout KvGeometry::layout() const {
  return {layers_, kv_head_count_, head_dim_, static_cast<int64_t>(step_slot_bytes_)};
}

Result<uint64_t> KvGeometry::bytes_of_blocks(int64_t block_count) const {
  uint64_t bytes = 0;
  if (block_count < 0 || __builtin_mul_overflow(block_bytes_, static_cast<uint64_t>(block_count), &bytes) ||
      bytes > kMaxBytes) {
    return invalid_argument(fmt::format("{} cache blocks of {} bytes each are more than can be counted",
                                        block_count, block_bytes_));
  }
  return bytes;
}

}  // namespace cairn
