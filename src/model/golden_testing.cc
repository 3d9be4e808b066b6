#include "model/golden_testing.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/check.h"

namespace cairn {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  CHECK(in.good());
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// Little-endian floats, as rows of `columns`.
std::vector<std::vector<float>> read_rows(const std::string& path, size_t columns) {
  const std::string bytes = read_file(path);
  CHECK(bytes.size() % (columns * sizeof(float)) == 0);
  std::vector<std::vector<float>> rows(bytes.size() / (columns * sizeof(float)), std::vector<float>(columns));
  for (size_t i = 0; i < rows.size(); ++i) {
    std::memcpy(rows[i].data(), bytes.data() + i * columns * sizeof(float), columns * sizeof(float));
  }
  return rows;
}

template <typename T>
std::vector<T> integers(const boost::json::value& array) {
  std::vector<T> values;
  for (const auto& value : array.as_array()) values.push_back(value.to_number<T>());
  return values;
}

}  // namespace

std::optional<std::string> shared_models_folder() {
  const std::string folder = std::string(CAIRN_SOURCE_DIR) + "/../shared/models";
  return std::filesystem::is_directory(folder) ? std::optional(folder) : std::nullopt;
}

std::vector<GoldenSequence> read_family_golden(const std::string& folder, const std::string& file) {
  const auto json = boost::json::parse(read_file(folder + "/golden.json")).as_object();
  auto rows = read_rows(folder + "/" + file, json.at("vocab_size").to_number<size_t>());
  std::vector<GoldenSequence> golden;
  size_t next = 0;
  for (const auto& sequence : json.at("sequences").as_array()) {
    GoldenSequence g{
        integers<int32_t>(sequence.at("ids")), integers<int64_t>(sequence.at("logit_positions")), {}};
    for (size_t i = 0; i < g.positions.size(); ++i) g.logits.push_back(rows.at(next++));
    golden.push_back(std::move(g));
  }
  CHECK(next == rows.size());
  return golden;
}

GoldenSequence read_stories_golden(const std::string& folder, int number) {
  const std::string stem = folder + "/golden/stories260K.p" + std::to_string(number);
  const auto json = boost::json::parse(read_file(stem + ".json")).as_object();
  GoldenSequence golden{integers<int32_t>(json.at("prompt_ids")), {}, read_rows(stem + ".logits.f32", 512)};
  const auto greedy = integers<int32_t>(json.at("greedy_ids"));
  golden.tokens.insert(golden.tokens.end(), greedy.begin(), greedy.end());
  golden.tokens.resize(golden.logits.size());
  for (size_t i = 0; i < golden.logits.size(); ++i) golden.positions.push_back(static_cast<int64_t>(i));
  return golden;
}

double absolute_error(const GoldenSequence& golden, const std::vector<double>& logits) {
  double error = 0;
  for (size_t i = 0; i < golden.positions.size(); ++i) {
    const size_t columns = golden.logits[i].size();
    for (size_t j = 0; j < columns; ++j) {
      const double ours = logits.at(static_cast<size_t>(golden.positions[i]) * columns + j);
      const double difference = std::abs(ours - static_cast<double>(golden.logits[i][j]));
      // Not std::max: a NaN must not vanish.
      if (!(difference <= error)) error = difference;
    }
  }
  return error;
}

double relative_error(const GoldenSequence& golden, const std::vector<double>& logits) {
  double largest = 0;
  for (const auto& row : golden.logits) {
    for (const float v : row) largest = std::max(largest, std::abs(static_cast<double>(v)));
  }
  return absolute_error(golden, logits) / largest;
}

}  // namespace cairn
