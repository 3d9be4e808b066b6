#include "text/grammar/object_schemas.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <map>

#include "text/grammar/limits.h"

namespace cairn {
namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;

class ObjectSearch {
 public:
  explicit ObjectSearch(const value& root) : root_(root) {}

  bool finds(const value& schema, int nesting) {
    if (schema == value(false)) return false;
    const object* fields = schema.if_object();
    if (fields == nullptr || nesting > grammar::kNestingMax) return true;
    // What leads back to itself with no text in between has no value at all.
    const auto [known, is_new] = known_.emplace(fields, false);
    if (!is_new) return known->second;
    return known->second = allows(*fields, nesting + 1);
  }

 private:
  bool allows(const object& schema, int nesting) {
    return type_allows(schema) && values_allow(schema) && reference_allows(schema, nesting) &&
           parts_allow(schema, nesting);
  }

  static bool type_allows(const object& schema) {
    const value* type = schema.if_contains("type");
    if (type == nullptr || !(type->is_string() || type->is_array())) return true;
    const array* types = type->if_array();
    return types == nullptr ? *type == value("object")
                            : std::ranges::find(*types, value("object")) != types->end();
  }

  static bool values_allow(const object& schema) {
    const value* one = schema.if_contains("const");
    if (one != nullptr && !one->is_object()) return false;
    const value* list = schema.if_contains("enum");
    return list == nullptr || !list->is_array() ||
           std::ranges::any_of(list->get_array(), [](const value& each) { return each.is_object(); });
  }

  bool reference_allows(const object& schema, int nesting) {
    const value* reference = schema.if_contains("$ref");
    if (reference == nullptr || !reference->is_string()) return true;
    const auto& text = reference->get_string();
    if (text.empty() || text.front() != '#') return true;
    boost::system::error_code error;
    const value* target = root_.find_pointer({text.data() + 1, text.size() - 1}, error);
    return target == nullptr || finds(*target, nesting);
  }

  // Every schema of "allOf", and one of the others.
  bool parts_allow(const object& schema, int nesting) {
    const auto each_finds = [&](const value& part) { return finds(part, nesting); };
    for (const char* keyword : {"allOf", "anyOf", "oneOf"}) {
      const value* parts = schema.if_contains(keyword);
      if (parts == nullptr || !parts->is_array() || parts->get_array().empty()) continue;
      const bool fits = keyword == std::string_view("allOf")
                            ? std::ranges::all_of(parts->get_array(), each_finds)
                            : std::ranges::any_of(parts->get_array(), each_finds);
      if (!fits) return false;
    }
    return true;
  }

  const value& root_;
  std::map<const object*, bool> known_;  // false while it is being looked at
};

}  // namespace

bool may_be_object(const value& schema, const value& root) { return ObjectSearch(root).finds(schema, 0); }

}  // namespace cairn
