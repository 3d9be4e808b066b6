// Two requests with a common beginning, run side by side: its rows are computed and stored once.
//   shared_prefix MODEL        a GGUF file or a Hugging Face folder
#include <cairn/llm.h>

#include <cstdio>
#include <string>
#include <utility>

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: shared_prefix MODEL\n"), 2;
  auto llm = cairn::Llm::open(argv[1], {.context = 512, .kv_plan = "int8"});
  if (!llm.ok()) return std::fprintf(stderr, "%s\n", llm.status().message().c_str()), 1;

  const std::string common =
      "Once upon a time there was a little girl named Lily. She loved to play outside in the park with her "
      "dog. "
      "One sunny day her mother gave her a red ball and told her to be home before dark.";
  for (const std::string name : {"A", "B"}) {
    cairn::TextRequest request{.prompt = common + (name == "A" ? " Lily" : " The dog"), .max_tokens = 24};
    request.on_text = [name](int64_t, std::string_view text) {
      std::printf("%s|%.*s\n", name.c_str(), static_cast<int>(text.size()), text.data());
    };
    const auto id = llm->submit(std::move(request));
    if (!id.ok()) return std::fprintf(stderr, "%s\n", id.status().message().c_str()), 1;
  }
  llm->run();

  const cairn::CacheStatistics cache = llm->cache_statistics();
  std::printf(
      "%lld positions were found, not computed; blocks of %lld positions: %lld free, %lld idle, %lld "
      "evicted\n",
      static_cast<long long>(cache.matched_positions), static_cast<long long>(cache.block_positions),
      static_cast<long long>(cache.free_blocks), static_cast<long long>(cache.idle_blocks),
      static_cast<long long>(cache.evicted_blocks));
  return cache.matched_positions > 0 ? 0 : 1;
}
