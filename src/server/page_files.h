// The files of the page at "/", as they lie in the program: gzipped, from web/dist (cmake/web.cmake says how they get in);
// and unpacked, for clients that take no gzip.
//
// Always true: the same for the life of the process; each begins with gzip's magic bytes and is never empty.
// Anyone may call, from any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace cairn {

struct PageFile {
  std::string_view path;          // "/app.js"; the page itself is "/"
  std::string_view content_type;  // of what is unpacked
  std::string etag;               // with its quotes; names the packed bytes
  std::string_view gz;
  std::string plain_etag;  // names the unpacked ones
  std::string plain;
};

[[nodiscard]] std::span<const PageFile> page_files();

}  // namespace cairn
