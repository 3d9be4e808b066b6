#include "cli/generate_json.h"

#include <boost/json/array.hpp>

#include "cli/json_text.h"

namespace cairn {
namespace {

boost::json::array ids(const std::vector<TokenId>& tokens) {
  boost::json::array array;
  array.reserve(tokens.size());
  for (const TokenId token : tokens) array.emplace_back(token);
  return array;
}

template <typename Report>
boost::json::object settings(const Report& report) {
  return {{"model", json_text(report.opened.path)},
          {"family", report.opened.model->config().family},
          {"isa", isa_name(report.opened.kernels->isa)},
          {"threads", report.opened.threads->thread_count()},
          {"context", report.engine.context},
          {"cache", kv_storage_kind_name(report.engine.storage)},
          {"kv", report.engine.kv_plan.text()},
          {"prefill_chunk", report.engine.prefill_chunk},
          {"seed", report.seed},
          {"temperature", report.options.sampling.temperature}};
}

}  // namespace

std::string generate_json(const GenerateReport& report) {
  const Reply& reply = report.reply;
  const RequestStats& stats = reply.result.stats;
  boost::json::object object{
      {"prompt_tokens", stats.prompt_tokens},
      {"prompt_token_ids", ids(report.prompt.tokens)},
      {"tokens", ids(reply.tokens)},
      {"text", reply.text},
      {"finish_reason", finish_reason_name(reply.result.reason)},
      {"logits_sha256", reply.logits_sha256},
      {"sampled_steps", reply.sampled_steps},
      {"ttft_ms", static_cast<double>(stats.ttft_ns) / 1e6},
      {"tpot_ms", stats.tpot_ns / 1e6},
      {"kv_bytes", stats.kv_bytes},
      {"kv_pool_bytes", reply.kv_pool_bytes},
      {"peak_rss_bytes", report.peak_rss_bytes},
      {"load_ms", static_cast<double>(report.opened.load_ns) / 1e6},
      {"settings", settings(report)},
  };
  return json_line(object);
}

std::string continuations_json(const ContinuationsReport& report) {
  boost::json::array list;
  for (const Continuation& one : report.continuations.list) {
    boost::json::object object{
        {"tokens", ids(one.tokens)}, {"text", one.text}, {"finish_reason", finish_reason_name(one.reason)}};
    if (one.log_probability.has_value()) object["log_probability"] = *one.log_probability;
    list.push_back(std::move(object));
  }
  return json_line({{"prompt_tokens", report.prompt.tokens.size()},
                    {"prompt_token_ids", ids(report.prompt.tokens)},
                    {"continuations", std::move(list)},
                    {"kv_bytes", report.continuations.kv_bytes},
                    {"kv_bytes_without_sharing", report.continuations.kv_bytes_apart},
                    {"peak_rss_bytes", report.peak_rss_bytes},
                    {"load_ms", static_cast<double>(report.opened.load_ns) / 1e6},
                    {"settings", settings(report)}});
}

}  // namespace cairn
