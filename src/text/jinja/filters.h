// The filters, `value | name(arguments)`, and the tests, `value is name(arguments)`.
#pragma once

#include <string_view>

#include "text/jinja/arguments.h"
#include "text/jinja/budget.h"

namespace cairn::jinja {

bool is_filter(std::string_view name);
Result<Value> apply_filter(Budget& budget, std::string_view name, const Value& subject,
                           const Arguments& arguments);

bool is_test(std::string_view name);
Result<bool> apply_test(Budget& budget, std::string_view name, const Value& subject,
                        const Arguments& arguments);

using Filter = Result<Value> (*)(Budget& budget, const Value& subject, const Arguments& arguments);
struct NamedFilter {
  std::string_view name;
  Filter apply;
};
// The filters by file: on text, on numbers, on iterables, and on their order. Null if there is no such filter.
Filter find_text_filter(std::string_view name);
Filter find_number_filter(std::string_view name);
Filter find_sequence_filter(std::string_view name);
Filter find_order_filter(std::string_view name);  // sort, min, max, sum

}  // namespace cairn::jinja
