#include "cli/bench_pages.h"

#include <algorithm>
#include <array>

namespace cairn {
namespace {

constexpr std::string_view kCache =
    R"(A prompt of one token, n tokens generated greedily, once with --cache none and once with the cache; side by
side, so that the rows of a length are there as soon as both have come so far.
  n                        tokens that were generated
  time, times faster       of all n tokens
  positions projected      positions run through the layers: n (n + 1) / 2 without a cache, n with it. "=": the
                           engine's count equals the formula; "!=": it does not, which is a bug
  scores a layer and head  products of one query head with one key, of one layer without a window, where keys behind
                           the query (the upper triangle) are skipped: the sum of t (t + 1) / 2 over the steps without
                           a cache, n (n + 1) / 2 with it
  of the whole square      what a program without a cache computes that skips nothing: the sum of t^2
Without a cache the time grows with the cube of n: --lengths 4096 takes minutes.

Example: cairn bench cache --lengths 100,1000)";

constexpr std::string_view kSpeed =
    R"(Medians of the rounds; each round measures the machine's ceilings too, because they vary.
  time, tokens/s  of one token behind an empty context (decode), and of a prompt of 512 tokens (prefill)
  reached         decode: bytes of weights read a second; prefill: operations (a multiply-add is two) a second
  ceiling         decode: the best read bandwidth of this run, of several read patterns; prefill: multiply-adds of
                  registers, in f32 (under amx: bf16). q8_0 and the like compute in int8 (not under amx) and may
                  exceed it
  share           reached, as a share of the ceiling

Example: cairn bench speed -m tinyllama.gguf -t 2 --rounds 9)";

constexpr std::string_view kDepth =
    R"(What a token costs behind many positions, for each KV plan (without --kv: the usual codecs).
  token ms          one token at this depth; measured in turn with tokens at depth 0
  for depth ms      what it costs more than at depth 0
  KV MB read        keys and values that one token reads at this depth
  GB/s              those bytes by that time
  of bandwidth      the same as a share of this run's read bandwidth
  x the bytes       how many times longer than reading the bytes takes: 1 is the least possible
  prefill tokens/s  512 tokens behind this depth
  TFLOP/s, of peak  operations of that prefill, and their share of the instruction set's peak
A slower instruction set computes less in the time that the bytes take: its "x the bytes" is larger.

Examples:
  cairn bench depth -m tinyllama.gguf --depths 0,16384 --kv int8
  cairn bench depth -m tinyllama.gguf --every-codec --csv > depth.csv)";

constexpr std::string_view kShared =
    R"(32 sequences behind one prefix of 2,048 tokens, each with a tail of its own.
  bytes of ...        what the cache holds, beside one prefix and the tails: the ratio must be 1
  tokens/s of ...     all decode together, beside one alone; the ratio is how many times as fast
  first token of ...  of a prompt whose prefix the cache has, beside computing only what it does not have

Example: cairn bench shared -m tinyllama.gguf)";

constexpr std::string_view kCodecs =
    R"(Scores whole texts with each KV plan, side by side with a reference plan, and compares the predictions of the next
token at every position. A text is cut into pieces of --context tokens, each beginning with BOS where the model wants
one; a line <|endoftext|> begins another document, and no piece holds two.
  kv               the plan; in brackets what its short name means for this model
  bits an element  of keys and values, scales and padding included
  bytes a token    of keys and values, all layers
  open rows        bytes of a sequence's rows that wait as f32 until 32 are there to be encoded together
  perplexity       e to the mean of -ln p(next token)
  divergence       mean Kullback-Leibler divergence from the reference's predictions, in nats
  same best token  positions where the likeliest token is the reference's
Products with quantised weights round activations; any tiny change may flip such a rounding. --f32-weights shows what the
codec alone changes.

Examples:
  cairn bench codecs -f book.txt --f32-weights
  cairn bench codecs -f book.txt --kv int4 --reference int8 -n 16384)";

constexpr std::string_view kStream =
    R"(One text, far longer than any context, in ten parts: decoded token by token with the window of --kv (without it:
sinks=4,window=1020). Of a given text (-f), and of the same plan without its sinks, the perplexity too; without one the
model says what it likes.
  kv                    the plan
  tokens                of the stream so far
  tokens/s              of this part
  bytes of blocks       what the cache holds at its end
  bytes of the process  what is resident then
  perplexity            e to the mean of -ln p(next token), of this part

Examples:
  cairn bench stream
  cairn bench stream -f book.txt -n 100000 --kv "f16,sinks=4,window=1020")";

constexpr std::string_view kPace =
    R"(Four streams that decode, and a prompt of 4,000 tokens (less where the context is smaller) that comes meanwhile; once
without a pace, when each step has all rows of the prefill chunk, and once with the one of --pace, when a step takes at most
so many percent of the time of one that only decodes. Medians of three rounds.
  pace                what a step may take
  quiet TPOT ms       from a stream's token to its next, while nothing else runs
  beside the prompt   the same while the prompt runs
  TTFT s alone        to the prompt's first token, while nothing else runs
  beside the streams  the same beside the four streams
  times, bar          how many times as long, and the most that it may be with a pace
A model that was made for less than 4,200 positions needs --extend-context.

Example: cairn bench pace -m tinyllama.gguf -c 4200 --extend-context)";

constexpr std::string_view kScheduler =
    R"(The engine's own work in a step: admit, schedule, collect the batch, a forward pass that does nothing, commit, name
the blocks that filled up, and deliver a given token, as text too, to each request that runs. Nothing is sampled, and
no model is needed.
  requests            how many run and how many wait, and what they are doing
  steps               that were measured
  median us, p99 us   microseconds of a step: of half of them, and of 99 in 100, at most
  bar us              the most that the median may be

Example: cairn bench scheduler)";

constexpr std::string_view kConstrained =
    R"(What it costs to restrict what a model may say to a JSON Schema, and to tool calls.
The first table: replies of 192 tokens with a constraint (a list of records) and without, in pairs.
  a guide's                 a guide is a compiled schema. Its first reply finds nothing remembered, later ones do
  plain ms, constrained ms  medians of the time from one token to the next
  ratio                     the median of the pairs' ratios; the bar is the most that it may be
The second table: masks alone, of a reply drawn at random, on the model's vocabulary and on a synthetic one of 150,000
tokens; times are of one token.
  compile ms                from a schema to a guide
  cold us, mean, max        of a guide's first reply: the median, the mean and the slowest
  warm us                   the median of the same reply once more
  closing us                the median where the text must end within the tokens that are left
  guide                     memory of the automaton and of all that it remembers then

Example: cairn bench constrained)";

constexpr std::string_view kServe =
    R"(Sends requests to a server that speaks OpenAI's API and reads the streams of its answers. Words are made up from --seed;
a word is about a token. Without --rate or --users one user asks 50 times.
  LENGTH              100: all alike; 50-200: equally likely; lognormal:100,0.5: this median, this sigma
  --shared-prefix     the others of the prompts have words of their own in its place
  --trace             lines such as {"at_ms": 120, "prompt": "a text or [1, 2, 3]", "max_tokens": 64}; "prompt_words": 100
                      instead of a prompt makes one up. With --users the order counts, not at_ms
  first token (TTFT)  from when a request was due; with users, from when it was sent
  a token (TPOT)      after the first, of each answer: its time by its tokens
  from a cache        usage.prompt_tokens_details.cached_tokens
  goodput             answers within --slo-ttft and --slo-tpot, of all requests

Examples:
  cairn bench serve --users 16 --requests 64 --shared-prefix 1 --prefix-words 1500 --prompt-words 40
  cairn bench serve --url http://127.0.0.1:8000 --rate 4 --seconds 60 --slo-ttft 500 --slo-tpot 50 --csv)";

constexpr std::string_view kTiers =
    R"(The time to the first token of a prefix of 4,000 tokens (less where the context is smaller) and eight tokens behind it, by
where the prefix's blocks are. Medians of three rounds, each of a text that nothing knows.
  blocks in   cold: nowhere, all is computed; memory; disk: --kv-disk, by an engine whose memory is empty; remote: --kv-remote
  TTFT ms     to the first token
  bar         the least that cold must be times as long
Then what writing behind costs: cold with it and without. And the disk: bytes a second of all records of the folder, read and
checked, or written and flushed, beside a plain file on the same disk.
A model that was made for less than 4,200 positions needs --extend-context.

Example: cairn bench tiers -m tinyllama.gguf -c 4200 --extend-context --kv-disk /tmp/kept --kv-remote redis://localhost)";

constexpr std::string_view kSpeculate =
    R"(Texts of 160 tokens behind a prompt of 256, with --speculate lookup (and --draft-model, where one is named) and without, in
turns: five pairs. Tokens are the same both times; of all texts but the last they are given, as a model would write them that repeats or does not.
  repeats its prompt, edited  the prompt again, with one token in twelve changed
  the same, several at once   eight sequences: a step has more rows, and guesses pay less
  misleads                    24 words at random: much has stood before, and something else follows
  the model's own             what the model says, whatever that is
  tokens/s without, with      medians, of all sequences together, from the first token on
  times, of pairs             median of the pairs' ratios, the least and the most; bar: the least that the median may be
  guessed, right              tokens of the last run

Example: cairn bench speculate -m tinyllama.gguf)";

constexpr std::string_view kGrowth =
    R"(What a token costs as things grow. Points are measured in turn, in rounds, so that what else the machine does meanwhile
falls on all of them alike; the first round does not count.
  what, by                     x is what grows, of which "by" is the name:
    a token                      decoded, behind 0, 1024, 2048 ... positions, as far as the context (-c) goes; by threads
                                 behind one position, on 1, 2, 4 ... of them and all (-t)
    a step, a token of it        1, 2, 4 ... 32 sequences decode together, each behind 32 positions
    a known prompt of 50 blocks  looked up in the prefix index, which has all of them, and let go again; it is the one that
                                 has been idle for longest. The names of its blocks were computed before
    an unknown one               looked up; nothing is there of it, and what is nearest to it is said
    a new block                  gets the memory of the block that has been idle for longest, a name (SHA-256) and a place in
                                 the index, which is full
    a token of a prompt of 256   the prompt's time by its tokens
  median, least, most          of the rounds
An index of a million blocks, and the smaller ones beside it, take up to 1.2 GiB. No model's rows are in it.
--plot draws all points. Its file appears when everything has been measured; Ctrl-C leaves one that was there as it was.

Examples:
  cairn bench growth -m tinyllama.gguf -c 16384 --plot growth.svg
  cairn bench growth --index-blocks 100000 --csv > growth.csv)";

constexpr std::array<BenchPage, 13> kPages{{
    {BenchSubject::kCache, "cache", "Generates with and without the cache, and counts the work of both.",
     kCache},
    {BenchSubject::kSpeed, "speed", "Decode and prefill, beside what the machine can do in the same run.",
     kSpeed},
    {BenchSubject::kDepth, "depth", "What a token costs behind many positions, by KV plan.", kDepth},
    {BenchSubject::kShared, "shared",
     "Many sequences behind one prefix: memory, speed, and what a hit saves.", kShared},
    {BenchSubject::kCodecs, "codecs", "Bytes of each KV plan, and what it changes in predictions of a text.",
     kCodecs},
    {BenchSubject::kStream, "stream", "One text without end: speed, memory and perplexity, part by part.",
     kStream},
    {BenchSubject::kPace, "pace", "Streams that decode beside a long prompt: what each costs the other.",
     kPace},
    {BenchSubject::kServe, "serve", "A server under load: times to tokens, tokens/s, goodput, hit rate.",
     kServe},
    {BenchSubject::kScheduler, "scheduler", "What the engine's own work costs in a step, with many requests.",
     kScheduler},
    {BenchSubject::kConstrained, "constrained",
     "What JSON by a schema costs: masks, and a token with and without.", kConstrained},
    {BenchSubject::kSpeculate, "speculate", "Guessing tokens ahead: what it gains, and what it costs.",
     kSpeculate},
    {BenchSubject::kGrowth, "growth",
     "A token's cost as depth, sequences, the prefix index and threads grow; a plot.", kGrowth},
    {BenchSubject::kTiers, "tiers",
     "A long prefix from memory, disk and a remote store, and the disk's limit.", kTiers},
}};

}  // namespace

std::span<const BenchPage> bench_pages() { return kPages; }

const BenchPage* bench_page(std::string_view name) {
  const auto* found = std::ranges::find(kPages, name, &BenchPage::name);
  return found == kPages.end() ? nullptr : found;
}

}  // namespace cairn
