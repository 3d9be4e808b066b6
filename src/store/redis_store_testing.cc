#include "store/redis_store_testing.h"

#include <gtest/gtest.h>

#include <utility>

#include "store/redis_key.h"
#include "store/redis_server_testing.h"

namespace cairn {

std::unique_ptr<RedisStore> make_store(std::vector<std::string> urls,
                                       const std::function<void(RedisStoreOptions&)>& change) {
  RedisStoreOptions options{.urls = std::move(urls)};
  options.deadline = std::chrono::milliseconds(20'000);
  options.connect_deadline = std::chrono::milliseconds(10'000);
  if (change) change(options);
  Result<std::unique_ptr<RedisStore>> store = RedisStore::create(std::move(options));
  EXPECT_TRUE(store.ok()) << store.status().message();
  return std::move(store).value();
}

TestItems::TestItems(int count, size_t byte_count) {
  for (int number = 0; number < count; ++number) {
    names_.push_back(redis_test_name(number));
    values_.push_back(redis_test_bytes(number, byte_count));
  }
}

std::vector<RedisItem> TestItems::items() const {
  std::vector<RedisItem> items;
  for (size_t i = 0; i < names_.size(); ++i) items.push_back({.name = names_[i], .bytes = values_[i]});
  return items;
}

Got get_names(RedisStore& store, const std::vector<std::string>& names) {
  Got got;
  got.values.resize(names.size());
  std::vector<int> told(names.size());
  const std::vector<std::string_view> views(names.begin(), names.end());
  got.tally = store.get(views, [&](size_t index, std::optional<std::vector<std::byte>> bytes) {
    ++told[index];
    got.values[index] = std::move(bytes);
  });
  EXPECT_EQ(told, std::vector<int>(names.size(), 1));
  EXPECT_EQ(got.tally.done + got.tally.absent + got.tally.failed, names.size());
  return got;
}

Got get_numbers(RedisStore& store, const std::vector<int>& numbers) {
  std::vector<std::string> names;
  for (const int number : numbers) names.push_back(redis_test_name(number));
  return get_names(store, names);
}

std::string hex_of(std::string_view name) { return redis_key("", name); }

}  // namespace cairn
