#include "server/page_files.h"

#include <array>
#include <boost/beast/zlib/inflate_stream.hpp>
#include <cstddef>
#include <cstdint>

#include "base/check.h"
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

std::string etag_of(std::string_view bytes) {
  return '"' + to_hex(sha256(std::as_bytes(std::span(bytes)))).substr(0, 32) + '"';
}

// RFC 1952: ten bytes of header (web/dist has no other fields), what was deflated, a checksum, and the size.
std::string unpacked(std::string_view gz) {
  constexpr size_t kHeader = 10, kTrailer = 8;
  CHECK(gz.size() > kHeader + kTrailer && gz[3] == 0);
  size_t size = 0;
  for (size_t i = 0; i < 4; ++i) size |= size_t{static_cast<uint8_t>(gz[gz.size() - 4 + i])} << (8 * i);
  std::string plain(size, '\0');
  boost::beast::zlib::z_params params;
  params.next_in = gz.data() + kHeader;
  params.avail_in = gz.size() - kHeader - kTrailer;
  params.next_out = plain.data();
  params.avail_out = plain.size();
  boost::beast::zlib::inflate_stream inflate;
  boost::beast::error_code ec;
  inflate.write(params, boost::beast::zlib::Flush::sync, ec);
  CHECK(ec == boost::beast::zlib::error::end_of_stream && params.avail_out == 0);
  return plain;
}

PageFile page_file(std::string_view path, std::string_view content_type, const char* begin, const char* end) {
  const std::string_view gz(begin, static_cast<size_t>(end - begin));
  PageFile file{path, content_type, etag_of(gz), gz, {}, unpacked(gz)};
  file.plain_etag = etag_of(file.plain);
  return file;
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
