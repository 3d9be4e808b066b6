// What a program can see and change of a model's choices: facts before it is loaded, a conversation, probabilities, and
// a mask that allows digits only.
//   choices MODEL        a GGUF file or a Hugging Face folder
#include <cairn/chat_session.h>
#include <cairn/llm.h>

#include <cmath>
#include <cstdio>
#include <set>
#include <string>

namespace {

int fail(const cairn::Status& status) {
  std::fprintf(stderr, "%s\n", status.message().c_str());
  return 1;
}

// Tokens that are digits and nothing else.
std::set<cairn::TokenId> digits_of(const cairn::Llm& llm) {
  std::set<cairn::TokenId> digits;
  for (cairn::TokenId token = 0; token < llm.vocab_size(); ++token) {
    cairn::Detokenizer alone = llm.detokenizer(cairn::TextPosition::kContinuation);
    const std::string text = alone.push(token);
    if (!text.empty() && text.find_first_not_of("0123456789") == std::string::npos) digits.insert(token);
  }
  return digits;
}

void print_choice(int64_t, const cairn::TokenChoice& choice) {
  std::printf("token %d, probability %.3f; likeliest:", choice.token, std::exp(choice.log_probability));
  for (const cairn::TokenProbability& each : choice.likeliest) {
    std::printf(" %d (%.3f)", each.token, std::exp(each.log_probability));
  }
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: choices MODEL\n"), 2;
  const cairn::LlmOptions options{.context = 512};
  const auto described = cairn::Llm::describe(argv[1], options);
  if (!described.ok()) return fail(described.status());
  std::printf("%s: %lld layers, %lld heads; it would take %.1f MiB\n", described->facts.name.c_str(),
              static_cast<long long>(described->facts.layer_count),
              static_cast<long long>(described->facts.head_count),
              static_cast<double>(described->memory.total_bytes()) / (1 << 20));
  for (const cairn::EndOfReply& end : described->facts.end_tokens) {
    std::printf("a reply ends with token %d: %s\n", end.id, end.reason.c_str());
  }

  auto llm = cairn::Llm::open(argv[1], options);
  if (!llm.ok()) return fail(llm.status());
  const std::set<cairn::TokenId> digits = digits_of(*llm);
  std::string number;
  cairn::TextRequest request{.prompt = "The number is", .max_tokens = 5, .likeliest_count = 3};
  request.on_mask = [&digits](int64_t, cairn::TokenMask& allowed) {
    allowed.forbid_all();
    for (const cairn::TokenId token : digits) allowed.allow(token);
  };
  request.on_choice = print_choice;
  request.on_text = [&number](int64_t, std::string_view text) { number += text; };
  if (const auto id = llm->submit(std::move(request)); !id.ok()) return fail(id.status());
  llm->run();
  std::printf("number: %s\n", number.c_str());

  auto chat = cairn::ChatSession::start(*llm, {.prompt = {.chat_template = "plain"}});
  if (!chat.ok()) return fail(chat.status());
  for (const char* question : {"Who are you?", "And then?"}) {
    cairn::TextRequest reply{.max_tokens = 16};
    reply.on_finish = [](int64_t, const cairn::TextResult& result) {
      std::printf("(%lld of %lld prompt tokens were in the cache; it ended by: %s)\n",
                  static_cast<long long>(result.reused_tokens), static_cast<long long>(result.prompt_tokens),
                  std::string(cairn::finish_reason_name(result.reason)).c_str());
    };
    if (const auto id = chat->ask(question, std::move(reply)); !id.ok()) return fail(id.status());
    llm->run();
  }
  for (const cairn::ChatMessage& message : chat->messages()) {
    std::printf("%s: %s\n", message.role.c_str(), message.content.c_str());
  }
  return !number.empty() && number.find_first_not_of("0123456789") == std::string::npos ? 0 : 1;
}
