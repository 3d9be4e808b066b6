#include "model/families/drafts_testing.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <fstream>

#include "base/check.h"
#include "files/gguf.h"
#include "files/hf_folder.h"
#include "model/model_plan.h"

namespace cairn {

GgufDraft::GgufDraft() {
  header_.metadata = {
      {"general.architecture", std::string("llama")}, {"llama.block_count", uint32_t{2}},
      {"llama.context_length", uint32_t{64}},         {"llama.embedding_length", uint32_t{8}},
      {"llama.feed_forward_length", uint32_t{6}},     {"llama.attention.head_count", uint32_t{2}},
      {"llama.attention.head_count_kv", uint32_t{1}}, {"llama.attention.layer_norm_rms_epsilon", 1e-5F}};
  add_tensor("token_embd.weight", {10, 8});
  add_tensor("output_norm.weight", {8});
  for (const std::string prefix : {"blk.0.", "blk.1."}) {
    add_tensor(prefix + "attn_norm.weight", {8});
    add_tensor(prefix + "attn_q.weight", {8, 8});
    add_tensor(prefix + "attn_k.weight", {4, 8});
    add_tensor(prefix + "attn_v.weight", {4, 8});
    add_tensor(prefix + "attn_output.weight", {8, 8});
    add_tensor(prefix + "ffn_norm.weight", {8});
    add_tensor(prefix + "ffn_gate.weight", {6, 8});
    add_tensor(prefix + "ffn_up.weight", {6, 8});
    add_tensor(prefix + "ffn_down.weight", {8, 6});
  }
}

void GgufDraft::set(const std::string& key, GgufSetting value) {
  erase(key);
  header_.metadata.emplace_back(key, std::move(value));
}

void GgufDraft::erase(const std::string& key) {
  std::erase_if(header_.metadata, [&](const auto& setting) { return setting.first == key; });
}

void GgufDraft::add_tensor(const std::string& name, std::vector<int64_t> shape, TensorType type) {
  header_.tensors.push_back({name, type, std::move(shape)});
}

void GgufDraft::reshape(const std::string& name, std::vector<int64_t> shape) {
  erase_tensor(name);
  add_tensor(name, std::move(shape));
}

void GgufDraft::erase_tensor(const std::string& name) {
  CHECK(std::erase_if(header_.tensors, [&](const auto& tensor) { return tensor.name == name; }) == 1);
}

void GgufDraft::rename_architecture(const std::string& architecture) {
  for (auto& [key, value] : header_.metadata) {
    if (key.starts_with("llama.")) key = architecture + key.substr(5);
  }
  set("general.architecture", architecture);
}

Result<ModelPlan> GgufDraft::whole_plan() const {
  CAIRN_ASSIGN_OR_RETURN(const GgufLayout layout, lay_out_gguf(header_));
  std::vector<std::byte> bytes = layout.head;
  for (const auto& slot : layout.slots) bytes.resize(bytes.size() + slot.padded_bytes);
  CAIRN_ASSIGN_OR_RETURN(const GgufFile file, GgufFile::parse(bytes));
  return plan_model(file);
}

namespace {

Result<Config> config_of(const Result<ModelPlan>& plan) {
  if (!plan.ok()) return plan.status();
  return plan->config;
}

std::vector<std::string> notes_of(const Result<ModelPlan>& plan) {
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  return plan.ok() ? plan->notes : std::vector<std::string>();
}

}  // namespace

Result<Config> GgufDraft::plan() const { return config_of(whole_plan()); }
std::vector<std::string> GgufDraft::notes() const { return notes_of(whole_plan()); }
Result<Config> HfDraft::plan() const { return config_of(whole_plan()); }
std::vector<std::string> HfDraft::notes() const { return notes_of(whole_plan()); }

boost::json::array architectures(const char* name) {
  boost::json::array array;
  array.emplace_back(name);
  return array;
}

HfDraft::HfDraft()
    : config{{"model_type", "llama"},    {"architectures", architectures("LlamaForCausalLM")},
             {"num_hidden_layers", 2},   {"hidden_size", 8},
             {"num_attention_heads", 2}, {"num_key_value_heads", 1},
             {"intermediate_size", 6},   {"max_position_embeddings", 64},
             {"rms_norm_eps", 1e-5},     {"vocab_size", 10}},
      tensors{{"model.embed_tokens.weight", {10, 8}}, {"model.norm.weight", {8}}} {
  for (const std::string prefix : {"model.layers.0.", "model.layers.1."}) {
    tensors[prefix + "input_layernorm.weight"] = {8};
    tensors[prefix + "self_attn.q_proj.weight"] = {8, 8};
    tensors[prefix + "self_attn.k_proj.weight"] = {4, 8};
    tensors[prefix + "self_attn.v_proj.weight"] = {4, 8};
    tensors[prefix + "self_attn.o_proj.weight"] = {8, 8};
    tensors[prefix + "post_attention_layernorm.weight"] = {8};
    tensors[prefix + "mlp.gate_proj.weight"] = {6, 8};
    tensors[prefix + "mlp.up_proj.weight"] = {6, 8};
    tensors[prefix + "mlp.down_proj.weight"] = {8, 6};
  }
}

Result<ModelPlan> HfDraft::whole_plan() const {
  namespace fs = std::filesystem;
  const fs::path folder = fs::path(testing::TempDir()) / ("cairn-hf-draft-" + std::to_string(getpid()));
  fs::remove_all(folder);
  fs::create_directories(folder);
  std::ofstream(folder / "config.json") << boost::json::serialize(config);
  boost::json::object list;
  uint64_t end = 0;
  for (const auto& [name, shape] : tensors) {
    uint64_t bytes = sizeof(float);
    for (const int64_t extent : shape) bytes *= static_cast<uint64_t>(extent);
    list[name] = {{"dtype", "F32"},
                  {"shape", boost::json::array(shape.begin(), shape.end())},
                  {"data_offsets", boost::json::array({end, end + bytes})}};
    end += bytes;
  }
  const std::string text = boost::json::serialize(list);
  const uint64_t length = text.size();
  std::ofstream out(folder / "model.safetensors", std::ios::binary);
  out.write(reinterpret_cast<const char*>(&length), sizeof(length));
  out << text << std::string(end, '\0');
  out.close();
  Result<ModelPlan> result = [&]() -> Result<ModelPlan> {
    CAIRN_ASSIGN_OR_RETURN(const HfFolder opened, HfFolder::open(folder.string()));
    return plan_model(opened);
  }();
  fs::remove_all(folder);
  return result;
}

}  // namespace cairn
