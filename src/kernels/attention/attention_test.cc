#include "kernels/attention/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "kernels/amx_emulated_testing.h"
#include "kernels/attention/attention_testing.h"

namespace cairn {
namespace {

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Tables that name the reference's arithmetic have its bits; AMX reads all codecs but f32 as bf16.
bool has_reference_bits(const Kernels& kernels, const TestHead::Shape& shape) {
  return kernels.arithmetic == kReferenceArithmetic || shape.keys.format == KvFormat::kF32 ||
         shape.values.format == KvFormat::kF32;
}

// q and p err by up to 2^-9 of themselves, k and v about as much; scores here are normal with deviation 1.5, values with
// 1, and the largest of some thousand differences is near 6 * 2^-9.
constexpr float kBf16Tolerance = 0.03F;

float largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  float most = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const float difference = std::abs(a[i] - b[i]);
    if (!(difference <= most)) most = difference;  // NaN too
  }
  return most;
}

std::vector<TestQuery> all_positions(int32_t length) {
  std::vector<TestQuery> queries;
  queries.reserve(static_cast<size_t>(length));
  for (int32_t t = 0; t < length; ++t) queries.push_back({t, 0});
  return queries;
}

// Queries of one block, as several heads of a group have them, with and without windows.
std::vector<TestQuery> random_queries(std::mt19937_64& random, int32_t length) {
  const int32_t block =
      static_cast<int32_t>(random() % static_cast<uint64_t>((length + 31) / 32)) * kBlockSize;
  const auto positions = static_cast<uint64_t>(std::min(kBlockSize, length - block));
  const uint64_t most = random() % 4 == 0 ? 130 : 20;
  std::vector<TestQuery> queries(1 + random() % most);
  const uint64_t windows = random() % 3;  // none, one for all, one each
  const auto window = static_cast<int32_t>(1 + random() % 400);
  for (TestQuery& q : queries) {
    q.position = block + static_cast<int32_t>(random() % positions);
    q.window = windows == 0 ? 0 : windows == 1 ? window : static_cast<int32_t>(random() % 400);
  }
  return queries;
}

constexpr int32_t kHeadDims[] = {8, 20, 64, 80, 96, 128, 256};

class Attention : public testing::TestWithParam<TestKernels> {};

TEST_P(Attention, AgreesWithTheReferenceInEveryPairOfCodecs) {
  const Kernels& kernels = *GetParam().kernels;
  std::mt19937_64 random(1);
  uint64_t turn = 0;
  for (const KvCodec& keys : all_kv_codecs()) {
    for (const KvCodec& values : all_kv_codecs()) {
      const TestHead::Shape shape{keys, values, kHeadDims[turn++ % std::size(kHeadDims)],
                                  static_cast<int32_t>(1 + random() % 600), turn};
      const std::vector<TestQuery> queries = random_queries(random, shape.length);
      const float soft_cap = turn % 5 == 0 ? 3.0F : 0.0F;
      const TestHead head(shape);
      const std::vector<float> truth = head.attend(kernels_for(Isa::kScalar), queries, soft_cap);
      const std::vector<float> out = head.attend(kernels, queries, soft_cap);
      SCOPED_TRACE(testing::Message() << "shape " << turn << ", head_dim " << shape.head_dim);
      if (has_reference_bits(kernels, shape)) {
        ASSERT_TRUE(same_bits(out, truth));
      } else {
        ASSERT_LT(largest_difference(out, truth), kBf16Tolerance);
        ASSERT_TRUE(same_bits(out, head.attend(kernels, queries, soft_cap, {.tile_rows = 1})));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Attention, testing::ValuesIn(all_test_kernels()),
                         [](const auto& test) { return test.param.name; });

TEST(AttentionAmx, HasTheBitsOfItsEmulation) {
  if (available_isas().back() != Isa::kAmx) GTEST_SKIP() << "this processor has no AMX";
  std::mt19937_64 random(2);
  for (const KvCodec& codec : all_kv_codecs()) {
    for (const int32_t head_dim : kHeadDims) {
      const auto length = static_cast<int32_t>(1 + random() % 600);
      const TestHead head({codec, codec, head_dim, length, random()});
      const std::vector<TestQuery> queries = random_queries(random, length);
      ASSERT_TRUE(same_bits(head.attend(kernels_for(Isa::kAmx), queries, 0),
                            head.attend(*emulated_amx_kernels(), queries, 0)));
    }
  }
}

// The cuts of one computation, for every format of both sides.
class AttentionCuts : public testing::TestWithParam<std::tuple<TestKernels, KvCodec>> {};

TEST_P(AttentionCuts, ChangeNoBit) {
  const Kernels& kernels = *std::get<0>(GetParam()).kernels;
  const KvCodec codec = std::get<1>(GetParam());
  const TestHead head({codec, codec, 24, 2 * kSpanSize + 18, 11});
  std::vector<TestQuery> queries = all_positions(2 * kSpanSize + 18);
  for (TestQuery& q : queries) q.window = q.position % 3 == 0 ? 0 : q.position % 3 == 1 ? 8 : 300;
  for (const float soft_cap : {0.0F, 3.0F}) {
    const std::vector<float> truth = head.attend(kernels, queries, soft_cap, {.tile_rows = 1});
    for (const int32_t rows : {2, 7, 16, 33, 130}) {
      ASSERT_TRUE(same_bits(head.attend(kernels, queries, soft_cap, {.tile_rows = rows}), truth)) << rows;
    }
    for (const int32_t spans : {1, 2}) {
      ASSERT_TRUE(same_bits(head.attend(kernels, queries, soft_cap, {.span_count = spans}), truth)) << spans;
    }
    ASSERT_TRUE(
        same_bits(head.attend(kernels, queries, soft_cap, {.spans = AttentionCut::Spans::kMerged}), truth));
  }
}

TEST_P(AttentionCuts, FarFromTheBeginningIsTheSame) {
  const Kernels& kernels = *std::get<0>(GetParam()).kernels;
  const KvCodec codec = std::get<1>(GetParam());
  constexpr int32_t kLength = 2 * kSpanSize + 18;
  const TestHead head({codec, codec, 24, kLength, 13});
  std::vector<TestQuery> queries = all_positions(kLength);
  for (TestQuery& q : queries) q.window = q.position % 2 == 0 ? 0 : 40;
  const std::vector<float> truth = head.attend(kernels, queries, 0);
  for (const int64_t shift : {int64_t{kSpanSize}, (int64_t{1} << 31) - kSpanSize, int64_t{1} << 33}) {
    for (const auto spans : {AttentionCut::Spans::kInPlace, AttentionCut::Spans::kMerged}) {
      ASSERT_TRUE(same_bits(head.attend(kernels, queries, 0, {.spans = spans, .shift = shift}), truth))
          << shift;
    }
  }
}

TEST_P(AttentionCuts, ARowDoesNotDependOnWhatComesBehindIt) {
  const Kernels& kernels = *std::get<0>(GetParam()).kernels;
  const KvCodec codec = std::get<1>(GetParam());
  for (const int32_t length : {1, 31, 32, 33, kSpanSize - 1, kSpanSize, kSpanSize + 1, kSpanSize + 40}) {
    if (kv_seals_whole_block(codec) && length % kBlockSize != 0)
      continue;  // is read open in one, sealed in the other
    const std::vector<TestQuery> queries{{length - 1, 0}, {length - 1, 5}, {length / 2, 0}};
    const TestHead::Shape shape{codec, codec, 20, length, 12};
    const TestHead head(shape);
    const std::vector<float> out = head.attend(kernels, queries, 0);
    for (const float x : out) ASSERT_TRUE(std::isfinite(x)) << length;
    if (has_reference_bits(kernels, shape)) {
      ASSERT_TRUE(same_bits(out, head.attend(kernels_for(Isa::kScalar), queries, 0)));
    }
  }
}

TEST_P(AttentionCuts, AreNearSoftmaxInDouble) {
  const Kernels& kernels = *std::get<0>(GetParam()).kernels;
  const KvCodec codec = std::get<1>(GetParam());
  const TestHead::Shape shape{codec, codec, 20, 300, 21};
  const TestHead head(shape);
  const std::vector<TestQuery> queries{{0, 0}, {31, 0}, {32, 7}, {200, 0}, {255, 0}, {256, 100}, {299, 0}};
  const double tolerance = has_reference_bits(kernels, shape) ? 4e-6 : kBf16Tolerance;
  for (const float soft_cap : {0.0F, 3.0F}) {
    const std::vector<float> out = head.attend(kernels, queries, soft_cap);
    const std::vector<double> exact = head.attend_in_double(queries, soft_cap);
    for (size_t i = 0; i < out.size(); ++i) EXPECT_NEAR(out[i], exact[i], tolerance) << i;
  }
}

// Every head that models have, in every codec: the bits of a row are its own, wherever it is computed and beside whom.
class AttentionAmxRows : public testing::TestWithParam<std::tuple<KvCodec, int32_t>> {};

TEST_P(AttentionAmxRows, HaveTheSameBitsInEveryCompany) {
  if (emulated_amx_kernels() == nullptr) GTEST_SKIP() << "this processor lacks AVX2";
  const Kernels& kernels = *emulated_amx_kernels();
  const auto& [codec, head_dim] = GetParam();
  constexpr int32_t kLength = 2 * kSpanSize + 5 * kBlockSize + 9;
  const TestHead head({codec, codec, head_dim, kLength, 31});
  std::vector<TestQuery> queries;
  for (int32_t t = kLength - 40; t < kLength; ++t) {  // two blocks: a full one and an open one
    queries.push_back({t, t % 4 == 0 ? 0 : t % 4 == 1 ? 3 : t % 4 == 2 ? 100 : 2 * kSpanSize});
  }
  const std::vector<float> alone = head.attend(kernels, queries, 0, {.tile_rows = 1});
  for (const int32_t rows : {2, 16, 17, 40}) {
    ASSERT_TRUE(same_bits(head.attend(kernels, queries, 0, {.tile_rows = rows}), alone)) << rows;
  }
  ASSERT_TRUE(same_bits(head.attend(kernels, queries, 0, {.span_count = 1}), alone));
  for (const auto spans : {AttentionCut::Spans::kInPlace, AttentionCut::Spans::kMerged}) {
    ASSERT_TRUE(same_bits(head.attend(kernels, queries, 0, {.spans = spans, .shift = kSpanSize}), alone));
  }
  const std::vector<double> exact = head.attend_in_double(queries, 0);
  for (size_t i = 0; i < alone.size(); ++i) ASSERT_NEAR(alone[i], exact[i], kBf16Tolerance) << i;
}

// f32 is not multiplied by AMX.
std::vector<KvCodec> amx_codecs() {
  std::vector<KvCodec> codecs = all_kv_codecs();
  std::erase(codecs, KvCodec{KvFormat::kF32});
  return codecs;
}

std::string codec_name(const KvCodec& codec) {
  return "format" + std::to_string(static_cast<int>(codec.format)) +
         (codec.axis == KvAxis::kToken ? "" : "_channel");
}

INSTANTIATE_TEST_SUITE_P(All, AttentionAmxRows,
                         testing::Combine(testing::ValuesIn(amx_codecs()),
                                          testing::Values(64, 80, 96, 128, 256)),
                         [](const auto& test) {
                           return codec_name(std::get<0>(test.param)) + "_" +
                                  std::to_string(std::get<1>(test.param));
                         });

INSTANTIATE_TEST_SUITE_P(All, AttentionCuts,
                         testing::Combine(testing::ValuesIn(all_test_kernels()),
                                          testing::ValuesIn(all_kv_codecs())),
                         [](const auto& test) {
                           return std::get<0>(test.param).name + "_" + codec_name(std::get<1>(test.param));
                         });

}  // namespace
}  // namespace cairn
