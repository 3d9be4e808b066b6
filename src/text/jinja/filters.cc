#include "text/jinja/filters.h"

namespace cairn::jinja {

namespace {

Filter find_filter(std::string_view name) {
  if (const Filter filter = find_text_filter(name)) return filter;
  if (const Filter filter = find_number_filter(name)) return filter;
  if (const Filter filter = find_sequence_filter(name)) return filter;
  return find_order_filter(name);
}

}  // namespace

bool is_filter(std::string_view name) { return find_filter(name) != nullptr; }

Result<Value> apply_filter(Budget& budget, std::string_view name, const Value& subject,
                           const Arguments& arguments) {
  const DepthGuard guard(budget);  // map('map', 'map', ...)
  CAIRN_RETURN_IF_ERROR(guard.status());
  CAIRN_RETURN_IF_ERROR(budget.spend(1));
  const Filter filter = find_filter(name);
  if (filter == nullptr) return unsupported("the filter '" + std::string(name) + "' is not supported");
  return filter(budget, subject, arguments);
}

}  // namespace cairn::jinja
