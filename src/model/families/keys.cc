#include "model/families/keys.h"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <cmath>
#include <sstream>

namespace cairn {
namespace {

template <typename T>
std::string print(T value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

template <typename T>
Status out_of_range(const std::string& name, T value, T low, T high) {
  return invalid_data(name + " is " + print(value) + ", but must lie between " + print(low) + " and " +
                      print(high));
}

// Never true for a NaN, whatever the bounds.
template <typename T>
bool inside(T value, T low, T high) {
  return value >= low && value <= high;
}

}  // namespace

void GgufKeys::fail(Status status) {
  if (status_.ok()) status_ = std::move(status);
}

int64_t GgufKeys::count(std::string_view key, int64_t low, int64_t high) {
  if (!has(key)) fail(invalid_data("the file has no key " + full_name(key)));
  return count_or(key, low, low, high);
}

int64_t GgufKeys::count_or(std::string_view key, int64_t fallback, int64_t low, int64_t high) {
  auto found = file_.find_uint(full_name(key));
  if (!found.ok()) {
    fail(found.status());
    return low;
  }
  const uint64_t value = found->value_or(static_cast<uint64_t>(fallback));
  if (!inside(value, static_cast<uint64_t>(low), static_cast<uint64_t>(high))) {
    fail(out_of_range(full_name(key), value, static_cast<uint64_t>(low), static_cast<uint64_t>(high)));
    return low;
  }
  return static_cast<int64_t>(value);
}

std::optional<std::vector<int64_t>> GgufKeys::find_list(std::string_view key) const {
  auto array = file_.find_ints(full_name(key));
  return array.ok() ? std::move(*array) : std::nullopt;
}

std::optional<int64_t> GgufKeys::find_count_of_layers(std::string_view key, int64_t low, int64_t high) {
  if (!has(key)) return std::nullopt;
  const auto array = find_list(key);
  if (!array) return count(key, low, high);
  const auto& values = *array;
  if (values.empty()) {
    fail(invalid_data(full_name(key) + " is an empty array"));
    return low;
  }
  for (const int64_t value : values) {
    if (!inside(value, low, high)) {
      fail(out_of_range(full_name(key), value, low, high));
      return low;
    }
    if (value != values[0]) {
      fail(unsupported(full_name(key) + " differs between layers, which Cairn does not run"));
      return low;
    }
  }
  return values[0];
}

double GgufKeys::real(std::string_view key, double low, double high) {
  if (!has(key)) fail(invalid_data("the file has no key " + full_name(key)));
  return real_or(key, low, low, high);
}

double GgufKeys::real_or(std::string_view key, double fallback, double low, double high) {
  auto found = file_.find_float(full_name(key));
  if (!found.ok()) {
    fail(found.status());
    return low;
  }
  const double value = found->value_or(fallback);
  if (!inside(value, low, high)) {
    fail(out_of_range(full_name(key), value, low, high));
    return low;
  }
  return value;
}

std::string GgufKeys::text_or(std::string_view key, std::string_view fallback) {
  auto found = file_.find_string(full_name(key));
  if (!found.ok()) {
    fail(found.status());
    return std::string(fallback);
  }
  return found->value_or(std::string(fallback));
}

std::optional<bool> GgufKeys::find_flag(std::string_view key) {
  auto found = file_.find_bool(full_name(key));
  if (!found.ok()) {
    fail(found.status());
    return std::nullopt;
  }
  return *found;
}

void HfKeys::fail(Status status) {
  if (status_.ok()) status_ = std::move(status);
}

void HfKeys::miss(std::string_view key) {
  if (!status_.ok() && missing_.empty()) return;
  missing_.emplace_back(key);
  if (missing_.size() == 1) {
    status_ = invalid_data(full_name(key) + " is missing");
    return;
  }
  std::string names = missing_.front();
  for (size_t i = 1; i < missing_.size(); ++i)
    names += (i + 1 == missing_.size() ? " and " : ", ") + missing_[i];
  status_ = invalid_data(full_name(names) + " are missing");
}

void HfKeys::miss_too(std::string_view key) {
  if (!missing_.empty() && find(key) == nullptr) miss(key);
}

const boost::json::value* HfKeys::find(std::string_view key) const {
  const boost::json::value* value = object_.if_contains(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

int64_t HfKeys::count(std::string_view key, int64_t low, int64_t high) {
  if (find(key) == nullptr) miss(key);
  return find_count(key, low, high).value_or(low);
}

int64_t HfKeys::count_or(std::string_view key, int64_t fallback, int64_t low, int64_t high) {
  if (find(key) != nullptr) return find_count(key, low, high).value_or(low);
  if (inside(fallback, low, high)) return fallback;
  fail(out_of_range(full_name(key) + " (absent, so computed)", fallback, low, high));
  return low;
}

std::optional<int64_t> HfKeys::find_count(std::string_view key, int64_t low, int64_t high) {
  const boost::json::value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_int64()) {
    fail(invalid_data(full_name(key) + " is not an integer that Cairn can use"));
    return low;
  }
  if (!inside(value->get_int64(), low, high)) {
    fail(out_of_range(full_name(key), value->get_int64(), low, high));
    return low;
  }
  return value->get_int64();
}

double HfKeys::real(std::string_view key, double low, double high) {
  if (find(key) == nullptr) miss(key);
  return find_real(key, low, high).value_or(low);
}

double HfKeys::real_or(std::string_view key, double fallback, double low, double high) {
  return find_real(key, low, high).value_or(fallback);
}

std::optional<double> HfKeys::find_real(std::string_view key, double low, double high) {
  const boost::json::value* value = find(key);
  if (value == nullptr) return std::nullopt;
  double number = 0;
  if (value->is_double()) {
    number = value->get_double();
  } else if (value->is_int64()) {
    number = static_cast<double>(value->get_int64());
  } else {
    fail(invalid_data(full_name(key) + " is not a number"));
    return low;
  }
  if (!inside(number, low, high)) {
    fail(out_of_range(full_name(key), number, low, high));
    return low;
  }
  return number;
}

std::string HfKeys::text_or(std::string_view key, std::string_view fallback) {
  const boost::json::value* value = find(key);
  if (value == nullptr) return std::string(fallback);
  if (!value->is_string()) {
    fail(invalid_data(full_name(key) + " is not a string"));
    return std::string(fallback);
  }
  return {value->get_string().data(), value->get_string().size()};
}

std::optional<bool> HfKeys::find_flag(std::string_view key) {
  const boost::json::value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_bool()) {
    fail(invalid_data(full_name(key) + " is neither true nor false"));
    return std::nullopt;
  }
  return value->get_bool();
}

const boost::json::object* HfKeys::find_object(std::string_view key) {
  const boost::json::value* value = find(key);
  if (value == nullptr) return nullptr;
  if (!value->is_object()) {
    fail(invalid_data(full_name(key) + " is not an object"));
    return nullptr;
  }
  return &value->get_object();
}

}  // namespace cairn
