// An Llm over a made model, and what its requests report: for tests of the library's face.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/temporary_folder_testing.h"
#include "cairn/llm.h"
#include "model/synth.h"

namespace cairn {

// A made model in a folder of its own.
class MadeModel {
 public:
  explicit MadeModel(const std::string& shape) : path_(folder_.at("model.gguf")) {
    const auto written = write_synthetic_model({.shape = shape}, path_);
    EXPECT_TRUE(written.ok()) << written.status().message();
  }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] Llm open(const LlmOptions& options) const {
    auto llm = Llm::open(path_, options);
    EXPECT_TRUE(llm.ok()) << llm.status().message();
    return std::move(*llm);
  }

 private:
  TemporaryFolder folder_;
  std::string path_;
};

// What the samples of a request reported.
struct TextsHeard {
  std::map<int64_t, std::string> texts;
  std::map<int64_t, std::vector<TokenId>> tokens;
  std::map<int64_t, TextResult> results;
};

inline TextRequest hearing(TextRequest request, TextsHeard& heard) {
  request.on_text = [&heard](int64_t sample, std::string_view text) { heard.texts[sample] += text; };
  request.on_token = [&heard](int64_t sample, TokenId token) { heard.tokens[sample].push_back(token); };
  request.on_finish = [&heard](int64_t sample, const TextResult& result) {
    EXPECT_FALSE(heard.results.contains(sample));
    heard.results[sample] = result;
  };
  return request;
}

}  // namespace cairn
