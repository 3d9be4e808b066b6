#include "server/page.h"

#include <algorithm>
#include <string>

#include "server/http/http_parse.h"
#include "server/page_files.h"

namespace cairn {
namespace {

// web/test/support/mock_server.ts serves the page with the same policy, and the tests there see that it suffices.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PageFile* find_file(std::string_view path) {
  const auto files = page_files();
  const auto found =
      std::ranges::find(files, path == "/index.html" ? std::string_view("/") : path, &PageFile::path);
  return found == files.end() ? nullptr : &*found;
}

// A client that says nothing takes any coding (RFC 9110, 12.5.3).
bool takes_gzip(const HttpHead& head) {
  const auto said = head.header("accept-encoding");
  return !said.has_value() || accepts_gzip(*said);
}

bool has_already(const HttpHead& head, std::string_view etag) {
  const auto names = head.header("if-none-match");
  return names.has_value() && etag_matches(*names, etag);
}

HttpReply with_safety(HttpReply reply) {
  reply.headers.push_back({"Content-Security-Policy", std::string(kPolicy)});
  reply.headers.push_back({"X-Content-Type-Options", "nosniff"});
  reply.headers.push_back({"Referrer-Policy", "no-referrer"});
  reply.headers.push_back({"Cross-Origin-Opener-Policy", "same-origin"});
  return reply;
}

HttpReply words(int status, std::string_view text) {
  return with_safety(
      {.status = status, .content_type = "text/plain; charset=utf-8", .body = std::string(text) + "\n"});
}

}  // namespace

bool is_page_path(std::string_view path) { return find_file(path) != nullptr; }

HttpReply page_reply(const HttpHead& head) {
  const PageFile* const file = find_file(head.path);
  if (file == nullptr) return words(404, "There is no such file.");
  if (head.method != "GET" && head.method != "HEAD") {
    HttpReply reply = words(405, "This takes GET and HEAD.");
    reply.headers.push_back({"Allow", "GET, HEAD"});
    return reply;
  }
  HttpReply reply = with_safety({.content_type = std::string(file->content_type)});
  // Names are fixed, so a browser asks each time; nearly always it learns that nothing has changed.
  const bool is_packed = takes_gzip(head);
  const std::string& etag = is_packed ? file->etag : file->plain_etag;
  reply.headers.push_back({"Cache-Control", "no-cache"});
  reply.headers.push_back({"Vary", "Accept-Encoding"});
  reply.headers.push_back({"ETag", etag});
  if (has_already(head, etag)) {
    reply.status = 304;
    reply.content_type.clear();
    return reply;
  }
  if (is_packed) reply.headers.push_back({"Content-Encoding", "gzip"});
  reply.body =
      is_packed ? std::string(file->gz) : file->plain;  // small: a copy costs less than sharing in words
  return reply;
}

}  // namespace cairn
