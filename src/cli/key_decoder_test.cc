#include "cli/key_decoder.h"

#include <gtest/gtest.h>

#include "base/utf8.h"

namespace cairn {
namespace {

// All that the editor is told of `bytes`.
std::string keys_of(KeyDecoder& decoder, std::string_view bytes) {
  decoder.push(bytes);
  std::string keys;
  while (const auto key = decoder.next()) append_utf8(keys, *key);
  return keys;
}

std::string keys_of(std::string_view bytes) {
  KeyDecoder decoder;
  return keys_of(decoder, bytes);
}

TEST(KeyDecoder, LetsCharactersThrough) {
  EXPECT_EQ(keys_of("aé世🙂\r\x04"), "aé世🙂\r\x04");
  EXPECT_EQ(keys_of("\xE9z"), "\xEF\xBF\xBDz");  // a terminal that sends Latin-1
}

TEST(KeyDecoder, WaitsForTheRestOfACharacter) {
  KeyDecoder decoder;
  EXPECT_EQ(keys_of(decoder, "\xF0\x9F"), "");
  EXPECT_FALSE(decoder.is_in_sequence());
  EXPECT_EQ(keys_of(decoder, "\x99\x82"), "🙂");
}

TEST(KeyDecoder, KnowsTheKeysThatEditALine) {
  EXPECT_EQ(keys_of("\x1b[A\x1b[B\x1b[C\x1b[D"), "\x10\x0e\x06\x02");
  EXPECT_EQ(keys_of("\x1bOA\x1bOD"), "\x10\x02");
  EXPECT_EQ(keys_of("\x1b[H\x1b[1~\x1bOH\x1b[F\x1b[4~\x1b[8~"), "\x01\x01\x01\x05\x05\x05");
  EXPECT_EQ(keys_of("\x1b[3~"), kDeleteKey);
  EXPECT_EQ(keys_of("\x1b[1;5C"),
            "\x1b"
            "f");
  EXPECT_EQ(keys_of("\x1b\r"), kNewLineKey);
  EXPECT_EQ(keys_of("\x1b\n"), kNewLineKey);
}

TEST(KeyDecoder, DropsKeysThatEditNothing) {
  // F1 in three spellings, F5, page up, shift and an arrow, a mouse wheel, focus in.
  EXPECT_EQ(keys_of("a\x1bOP\x1b[11~\x1b[[A\x1b[15~\x1b[5~\x1b[1;2A\x1b[<64;10;5M\x1b[Ib"), "ab");
}

TEST(KeyDecoder, ALoneEscapeMeansNothing) {
  KeyDecoder decoder;
  EXPECT_EQ(keys_of(decoder, "a\x1b"), "a");
  EXPECT_TRUE(decoder.is_in_sequence());
  decoder.end_sequence();
  EXPECT_FALSE(decoder.is_in_sequence());
  EXPECT_EQ(keys_of(decoder, "b"), "b");
}

TEST(KeyDecoder, TakesSequencesInPieces) {
  KeyDecoder decoder;
  std::string keys;
  for (const char byte : std::string_view("\x1b[1;5D\x1b[A")) keys += keys_of(decoder, {&byte, 1});
  EXPECT_EQ(keys,
            "\x1b"
            "b\x10");
}

TEST(KeyDecoder, APasteIsOneKey) {
  KeyDecoder decoder;
  EXPECT_EQ(keys_of(decoder, "x\x1b[200~one\r\ntwo\rthree\n\tfo"), "x");
  EXPECT_FALSE(decoder.is_in_sequence());  // it may take as long as it likes
  EXPECT_EQ(keys_of(decoder, "ur\x1b[2"), "");
  EXPECT_EQ(keys_of(decoder, "01~y"), std::string(kPasteKey) + "y");
  EXPECT_EQ(decoder.take_paste(), "one\ntwo\nthree\n\tfour");
  EXPECT_EQ(decoder.take_paste(), "");
}

TEST(KeyDecoder, APasteHoldsNothingThatATerminalObeys) {
  KeyDecoder decoder;
  keys_of(decoder, "\x1b[200~a\x1b[31mb\x03\x04\xC2\x9B\xFFz\x1b[201~");
  EXPECT_EQ(decoder.take_paste(), "a[31mb\xEF\xBF\xBDz");
}

TEST(KeyDecoder, ForgetsWhatWasBegun) {
  KeyDecoder decoder;
  keys_of(decoder, "\x1b[200~half a paste");
  decoder.clear();
  EXPECT_EQ(keys_of(decoder, "b"), "b");
  EXPECT_EQ(decoder.take_paste(), "");
}

}  // namespace
}  // namespace cairn
