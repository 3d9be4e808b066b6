// The limits of compiling and walking guides: what a hostile schema can cost. Each error names the one it met.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cairn::grammar {

inline constexpr size_t kStatesMax =
    131'072;  // of a compiled automaton; some 16 bytes each, and as much for its edges
inline constexpr size_t kEdgesMax = 524'288;
inline constexpr size_t kSchemasMax =
    20'000;                                 // schemas read, those that $ref, allOf and anyOf lead to included
inline constexpr int kNestingMax = 32;      // of schemas written in each other
inline constexpr size_t kEnumMax = 10'000;  // values of one enum
inline constexpr size_t kBranchesMax = 256;    // of one anyOf, oneOf or type
inline constexpr size_t kPropertiesMax = 256;  // of one object
inline constexpr int64_t kItemsMax = 1'024;    // counted items of an array
inline constexpr int64_t kLengthMax = 16'384;  // counted characters of a string
inline constexpr int64_t kRepeatMax = 1'024;   // {m,n} of a pattern
inline constexpr size_t kPatternBytesMax = 4'096;
inline constexpr size_t kMarkerBytesMax = 64;
inline constexpr int kPatternNestingMax = 32;

// A value may be nested in itself (by $ref, or as "any value") this often.
inline constexpr int kStackMax = 24;
// Ways that a text may be read in at once; further ones are given up (only ambiguous recursion gets there).
inline constexpr size_t kWaysMax = 512;
// Steps of one closure, of ways that lead to nothing included.
inline constexpr size_t kClosureStepsMax = 16'384;
// What one mask may take, counted as if nothing were remembered: some 50 ms. Where it is not enough, the mask has what was
// found by then, and single bytes. Schemas that were not made for it need some hundreds of ways, and a few walks over
// all nodes of the vocabulary's trie.
inline constexpr size_t kWayWork = 64;   // of looking at one way
inline constexpr size_t kNodeWork = 3;   // of one node of the trie, its step known
inline constexpr size_t kPlaceWork = 4;  // ways: of counting the closing of one place
inline constexpr size_t kWorkMax = 300'000 * kWayWork;
inline constexpr size_t kLocalWorkMax = kWorkMax / 2;    // of what is shared by all places in a state
inline constexpr size_t kSinglesWorkMax = kWorkMax / 8;  // of the single bytes of a mask that was cut
// Closing: ends farther than this are counted as a token for each byte, and so are those from a place with more ways and
// edges.
inline constexpr uint32_t kBytesCountedExactly = 1'024;
inline constexpr size_t kLinkWaysMax = 512;

inline constexpr int kDigitsMax = 15;         // before the point, and behind it: a double holds them
inline constexpr int kExponentDigitsMax = 2;  // no number overflows
inline constexpr int kIndentMax = 32;         // blanks behind a line break between values

}  // namespace cairn::grammar
