#include "server/page.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "server/page_files.h"

namespace cairn {
namespace {

HttpHead get(std::string path, std::vector<HttpHeader> headers = {{"Accept-Encoding", "gzip, deflate, br"}}) {
  return {.method = "GET", .path = std::move(path), .headers = std::move(headers)};
}

std::string header(const HttpReply& reply, std::string_view name) {
  for (const HttpHeader& one : reply.headers) {
    if (equals_ignoring_case(one.name, name)) return one.value;
  }
  return {};
}

// RFC 1952, bit by bit.
uint32_t crc32_of(std::string_view bytes) {
  uint32_t crc = 0xFFFFFFFF;
  for (const char byte : bytes) {
    crc ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320 : 0);
  }
  return ~crc;
}

TEST(PageFiles, AreTheFilesOfWebDist) {
  for (const auto& [path, name] :
       {std::pair("/", "index.html"), std::pair("/app.js", "app.js"), std::pair("/app.css", "app.css"),
        std::pair("/favicon.svg", "favicon.svg"), std::pair("/licenses.txt", "licenses.txt")}) {
    std::ifstream in(std::string(CAIRN_SOURCE_DIR "/web/dist/") + name + ".gz", std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(in), {});
    ASSERT_FALSE(bytes.empty()) << name;
    const auto files = page_files();
    const auto found = std::ranges::find(files, std::string_view(path), &PageFile::path);
    ASSERT_NE(found, files.end()) << path;
    EXPECT_EQ(found->gz, bytes) << name;
    EXPECT_TRUE(found->gz.starts_with("\x1f\x8b")) << name;
  }
}

TEST(PageFiles, HaveNamesOfTheirOwn) {
  std::set<std::string> etags;
  for (const PageFile& file : page_files()) {
    EXPECT_EQ(file.etag.size(), 34u);
    EXPECT_TRUE(file.etag.starts_with('"') && file.etag.ends_with('"')) << file.etag;
    EXPECT_TRUE(etags.insert(file.etag).second) << file.path;
  }
}

TEST(Page, ServesEachFileGzippedAndGuarded) {
  for (const PageFile& file : page_files()) {
    EXPECT_TRUE(is_page_path(file.path));
    const HttpReply reply = page_reply(get(std::string(file.path)));
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, file.gz);
    EXPECT_EQ(reply.content_type, file.content_type);
    EXPECT_EQ(header(reply, "Content-Encoding"), "gzip");
    EXPECT_EQ(header(reply, "Cache-Control"), "no-cache");
    EXPECT_EQ(header(reply, "Vary"), "Accept-Encoding");
    EXPECT_EQ(header(reply, "X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(header(reply, "Referrer-Policy"), "no-referrer");
    const std::string policy = header(reply, "Content-Security-Policy");
    EXPECT_TRUE(policy.starts_with("default-src 'none'; script-src 'self';")) << policy;
    EXPECT_EQ(policy.find("unsafe"), std::string::npos);
    EXPECT_NE(policy.find("frame-ancestors 'none'"), std::string::npos);
  }
  EXPECT_EQ(page_reply(get("/index.html")).body, page_reply(get("/")).body);
}

TEST(Page, KnowsNoOtherPaths) {
  for (const char* path :
       {"", "*", "/app", "/app.js/", "//", "/../app.js", "/v1/models", "/SOURCES.sha256", "/%61pp.js"}) {
    EXPECT_FALSE(is_page_path(path)) << path;
    const HttpReply reply = page_reply(get(path));
    EXPECT_EQ(reply.status, 404) << path;
    EXPECT_FALSE(header(reply, "Content-Security-Policy").empty());
  }
}

TEST(Page, TakesHeadLikeGetAndNothingElse) {
  HttpHead head = get("/");
  head.method = "HEAD";
  EXPECT_EQ(page_reply(head).status, 200);  // the server leaves the body out and keeps its length
  for (const char* method : {"POST", "get", "DELETE", "OPTIONS"}) {
    head.method = method;
    EXPECT_EQ(page_reply(head).status, 405) << method;
    EXPECT_EQ(header(page_reply(head), "Allow"), "GET, HEAD");
  }
}

TEST(Page, SendsNothingThatTheBrowserHasAlready) {
  const std::string etag = header(page_reply(get("/app.js")), "ETag");
  const auto status = [](const std::string& names) {
    return page_reply(get("/app.js", {{"Accept-Encoding", "gzip"}, {"If-None-Match", names}})).status;
  };
  for (const std::string& names :
       {etag, "W/" + etag, "\"other\", " + etag, etag + " ,\"other\"", std::string("*")}) {
    EXPECT_EQ(status(names), 304) << names;
  }
  for (const std::string& names :
       {std::string(), std::string("\"other\""), etag.substr(0, 20), std::string(", ,,")}) {
    EXPECT_EQ(status(names), 200) << names;
  }
  const HttpReply same = page_reply(get("/app.js", {{"If-None-Match", etag}}));
  EXPECT_TRUE(same.body.empty());
  EXPECT_EQ(header(same, "ETag"), etag);
  EXPECT_TRUE(header(same, "Content-Encoding").empty());
  EXPECT_EQ(page_reply(get("/", {{"Accept-Encoding", "gzip"}, {"If-None-Match", etag}})).status, 200)
      << "another file's name";
}

TEST(Page, IsPlainForAClientThatTakesNoGzip) {
  const auto coding = [](const char* encodings) {
    const HttpReply reply = page_reply(get("/", {{"accept-encoding", encodings}}));
    EXPECT_EQ(reply.status, 200) << encodings;
    EXPECT_EQ(header(reply, "Vary"), "Accept-Encoding");
    return header(reply, "Content-Encoding");
  };
  for (const char* taken :
       {"gzip", "GZIP", "br , gzip;q=0.5", "*", "deflate, *;q=0.1", "gzip;q=1.000", "gzip; q=0.001"}) {
    EXPECT_EQ(coding(taken), "gzip") << taken;
  }
  for (const char* refused :
       {"", "identity", "br", "gzip;q=0", "gzip;q=0.000", "*;q=0", "xgzip", "gzip2", ",;,"}) {
    EXPECT_EQ(coding(refused), "") << refused;
  }
  EXPECT_EQ(header(page_reply(get("/", {})), "Content-Encoding"), "gzip")
      << "who says nothing takes any coding";
  for (const PageFile& file : page_files()) {
    const HttpReply packed = page_reply(get(std::string(file.path)));
    HttpHead head = get(std::string(file.path), {{"accept-encoding", "identity"}});
    const HttpReply plain = page_reply(head);
    // The checksum of what was packed, as gzip's end has it.
    uint32_t told = 0;
    for (size_t i = 0; i < 4; ++i) {
      told |= uint32_t{static_cast<uint8_t>(packed.body[packed.body.size() - 8 + i])} << (8 * i);
    }
    EXPECT_EQ(crc32_of(plain.body), told) << file.path;
    EXPECT_EQ(plain.content_type, packed.content_type);
    EXPECT_NE(header(plain, "ETag"), header(packed, "ETag"));
    head.headers.push_back({"If-None-Match", header(packed, "ETag")});
    EXPECT_EQ(page_reply(head).status, 200) << "it has the other form";
    head.headers.back().value = header(plain, "ETag");
    EXPECT_EQ(page_reply(head).status, 304);
  }
}

}  // namespace
}  // namespace cairn
