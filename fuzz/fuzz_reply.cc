// A model's reply of any bytes, cut anywhere: the parts do not depend on the cuts, none is made up, and calls are JSON.
// The first byte chooses the format and the options, the second how the rest is cut.
#include <algorithm>
#include <boost/json.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "text/reply/reply_reader.h"

namespace {

using cairn::ReplyPart;

void require(bool holds) {
  if (!holds) std::abort();
}

cairn::ReplyFormat format_of(uint8_t choice) {
  cairn::ReplyFormat format;
  switch (choice % 4) {
    case 0:
      format.reasoning = cairn::ReplyMarks{"<think>", "</think>"};
      format.call_form = cairn::CallForm::kMarked;
      format.call_marks = {"<tool_call>", "</tool_call>"};
      break;
    case 1:
      format.call_form = cairn::CallForm::kMarked;
      format.call_marks = {"[TOOL_CALLS]", ""};
      break;
    case 2:
      format.call_form = cairn::CallForm::kBare;
      format.call_marks = {"<|python_tag|>", ""};
      break;
    default: format.has_harmony_channels = true; format.call_form = cairn::CallForm::kHarmony;
  }
  return format;
}

// One line for each run of parts of a kind.
std::string read(const cairn::ReplyFormat& format, const cairn::ReplyReaderOptions& options,
                 std::string_view reply, size_t piece) {
  cairn::ReplyReader reader(format, options);
  std::string all;
  int last = -1;
  std::string arguments;
  const auto take = [&](const std::vector<ReplyPart>& parts) {
    for (const ReplyPart& part : parts) {
      const int kind = static_cast<int>(part.kind);
      require(part.begin <= part.end && part.end <= reply.size());
      const bool is_text =
          part.kind != cairn::ReplyPartKind::kCallBegin && part.kind != cairn::ReplyPartKind::kCallEnd;
      require(!is_text || !part.text.empty());
      if (part.kind == cairn::ReplyPartKind::kCallBegin) arguments.clear();
      if (part.kind == cairn::ReplyPartKind::kCallArguments) arguments += part.text;
      if (part.kind == cairn::ReplyPartKind::kCallEnd) {
        boost::system::error_code error;
        require(boost::json::parse(arguments, error, {}, {.max_depth = 64}).is_object() && !error);
      }
      if (!is_text || kind != last) all += "\n" + std::to_string(kind) + ":";
      all += part.text;
      last = kind;
    }
  };
  for (size_t at = 0; at < reply.size(); at += piece) take(reader.push(reply.substr(at, piece)));
  take(reader.flush());
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const cairn::ReplyFormat format = format_of(data[0]);
  const cairn::ReplyReaderOptions options{.begins = static_cast<cairn::ReplyBeginning>((data[0] >> 2) % 3),
                                          .tools = {"f", "get_weather"},
                                          .delivery = static_cast<cairn::CallDelivery>((data[0] >> 5) % 2)};
  const std::string_view reply(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::string whole = read(format, options, reply, std::max<size_t>(reply.size(), 1));
  require(read(format, options, reply, 1) == whole);
  require(read(format, options, reply, 1 + data[1] % 16) == whole);
  return 0;
}
