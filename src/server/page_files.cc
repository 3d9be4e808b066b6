#include "server/page_files.h"

#include <array>
#include <cstddef>

#include "base/sha256.h"

// Defined in page_data.S.
extern "C" {
extern const char cairn_page_index_begin[], cairn_page_index_end[];
extern const char cairn_page_script_begin[], cairn_page_script_end[];
extern const char cairn_page_style_begin[], cairn_page_style_end[];
extern const char cairn_page_icon_begin[], cairn_page_icon_end[];
extern const char cairn_page_licenses_begin[], cairn_page_licenses_end[];
}

namespace cairn {
namespace {

PageFile page_file(std::string_view path, std::string_view content_type, const char* begin, const char* end) {
  const std::string_view gz(begin, static_cast<size_t>(end - begin));
  const std::string hash = to_hex(sha256(std::as_bytes(std::span(gz))));
  return {path, content_type, '"' + hash.substr(0, 32) + '"', gz};
}

}  // namespace

std::span<const PageFile> page_files() {
  static const std::array kFiles = {
      page_file("/", "text/html; charset=utf-8", cairn_page_index_begin, cairn_page_index_end),
      page_file("/app.js", "text/javascript; charset=utf-8", cairn_page_script_begin, cairn_page_script_end),
      page_file("/app.css", "text/css; charset=utf-8", cairn_page_style_begin, cairn_page_style_end),
      page_file("/favicon.svg", "image/svg+xml", cairn_page_icon_begin, cairn_page_icon_end),
      page_file("/licenses.txt", "text/plain; charset=utf-8", cairn_page_licenses_begin,
                cairn_page_licenses_end)};
  return kFiles;
}

}  // namespace cairn
