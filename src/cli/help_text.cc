#include "cli/help_text.h"

namespace cairn {

std::string overview_text() {
  return R"(cairn runs language models on this machine's processor.

  cairn generate -p "Once upon a time"     continue a text
  cairn chat                               talk, turn by turn
  cairn serve                              serve a model to many, by OpenAI's interface
  cairn explain last                       why a server processed your prompt again
  cairn tokenize -p "Once upon a time"     text to token ids, and back
  cairn model                              what is in a model file
  cairn plan --preset llama3-8b            how much memory a model will need, before it is loaded
  cairn verify                             check that the cache changes no bit of any result
  cairn bench                              measure this machine, and the engine on it
  cairn key new NAME                       make an API key for the server
  cairn cache list --kv-disk DIR           what is kept of the cache, and tend it

Without -m, the small demo model is used:

  cairn generate -m qwen3-0.6b-q8_0.gguf -p "The sea is" -n 100
  cairn chat -m ~/models/SmolLM2-360M-Instruct
  cairn generate -f story.txt --temp 0 --json > result.json

cairn help COMMAND lists a command's options. Text goes to standard output as it is generated, everything
else to standard error. Exit code: 0 done, 1 failed, 2 bad usage, 130 stopped by Ctrl-C or a signal.
)";
}

std::string version_number() { return CAIRN_VERSION; }

std::string version_text() { return "cairn " + version_number() + "\n"; }

const char* const kGenerateExamples = R"(Examples:
  cairn generate -p "Once upon a time"
  echo "Once upon a time" | cairn generate -p - -n 50 --temp 0
  cairn generate --prompt-tokens 1,403,407 --json
  cairn generate -p "The cat" --samples 3 -n 40      three texts; the prompt is computed and kept once
  cairn generate -p "The cat" --beams 3 -n 40        the three likeliest texts, by beam search
  cairn generate -p "The cat" --endless --ignore-eos --kv int8,sinks=4,window=1020       goes on until Ctrl-C
The last line end of standard input or of a file (LF or CRLF) is not part of the prompt. On a terminal the prompt is
shown before the text. Ctrl-C stops the text, or a search with the best so far; statistics follow, and the exit code
is 130. Where a text fails midway, what there is of it is printed, then the error. --samples and --beams take memory for
the prompt and -n tokens each (--kv-memory: another size). With --beams, logit bias, penalties, --stop and --ignore-eos
count; what draws tokens is refused.)";

const char* const kChatExamples = R"(Examples:
  cairn chat
  cairn chat -m ~/models/SmolLM2-360M-Instruct --system "You answer in one sentence."
  cairn chat -m ~/models/Qwen3-0.6B --template-var enable_thinking=false
  cairn chat -m base-model.gguf --chat-template chatml --quiet
  cairn chat < questions.txt > replies.txt             each line is a question
A line that begins with a slash is a command: /? lists them (/reset, /undo, /again, /system, /set, /save FILE, ...);
with two slashes it is sent with one. On a terminal, lines are edited with the usual keys and kept for later runs in
$XDG_STATE_HOME/cairn/chat_history (else ~/.local/state); a paste is one message, and Alt-Enter, or a backslash at the
end of a line, goes on in the next line. Ctrl-C stops a reply; at the prompt, a second Ctrl-C or Ctrl-D leaves.
Where the context is full, the oldest turns are no longer sent (--when-full stop refuses the turn instead). /endless, or
--endless from the start, leaves none out: the text goes on, and what is older than a window is forgotten.)";

const char* const kTokenizeExamples = R"(Examples:
  cairn tokenize -p "Once upon a time"
  cairn tokenize -f story.txt --ids
  cairn tokenize --decode 1,403,407
The text is read as generate reads a prompt: the last line end of a file is not part of it. -m needs no weights: a
folder with a tokenizer.json, or that file, will do.)";

const char* const kModelExamples = R"(Examples:
  cairn model
  cairn model -m tinyllama.gguf --metadata
  cairn model -m old-qwen2.gguf --pre qwen2     how its text is split, where the file does not say
  cairn model synth --help      write a model of a real shape with random weights
"ends a reply" lists each token that does, and what says so: a key of the file, or the token's spelling. "note" is what
Cairn assumes where the file says nothing, and what of the file it ignores; commands that load the model print it too.)";

const char* const kSynthExamples = R"(Example:
  cairn model synth --shape tinyllama-1.1b --type q8_0 --context 32768 tinyllama.gguf
Its weights are random: its text makes no sense, but it computes as a trained model does. A file that exists is kept
unless --force is given; Ctrl-C leaves nothing.)";

const char* const kPlanExamples = R"(Examples:
  cairn plan -m tinyllama.gguf --context 2048 --sequences 8 --kv int8
  cairn plan --config ~/models/Qwen3-8B/config.json --weights q8_0
  cairn plan --preset llama2-7b --context 4096 --kv-heads 8       with fewer KV heads than the model has
  cairn plan --layers 40 --heads 32 --head-dim 128 --context 4000 --sequences 100 --memory 80GiB
  cairn plan --preset llama3-8b --weights q4_k --sequences 32 --shared-prefix 2048 --json
  cairn plan --preset llama3-8b --endless --sequences 100         texts that go on, behind sinks and a window
  cairn plan --preset llama3-8b --kv "layers 0-15: window=1024; rest: int8"
GB are 10^9 bytes, GiB 2^30 bytes.)";

const char* const kVerifyExamples = R"(Examples:
  cairn verify
  cairn verify -m tinyllama.gguf --isa avx2
  cairn verify --families        also synthetic models: each family, every weight type

The laws, by the numbers in the table:
  1  The cache changes nothing: logits with it are, bit for bit, those that are computed from scratch without it. (A
     codec that loses something is applied to finished blocks in both.)
  2  How the work was cut changes nothing: chunks of the prompt, threads, neighbours in a step, a prefix that was found,
     a fork, rows cut and computed again, a preemption.
  3  The memory plan is the truth: the cache takes the bytes that were planned for it.
  4  Every block is in one state, and the counts add up, after every step.
The instruction sets are checked in turn, the fastest first; for each plan a line is printed as soon as it is checked.
Ctrl-C ends it with a summary of what was. The exit code is 1 if any logit differs by a bit.)";

const char* const kBenchExamples = R"(Examples:
  cairn bench cache
  cairn bench speed -m tinyllama.gguf -t 2
  cairn bench depth -m tinyllama.gguf -c 17000 --kv int8     (without --kv: the common codecs)
  cairn bench depth -m tinyllama.gguf --every-codec --csv > depth.csv
  cairn bench shared -m tinyllama.gguf
  cairn bench codecs -f book.txt          bytes of each KV plan, and how it changes predictions
  cairn bench stream -f book.txt          a text without end: speed, memory and perplexity stay
  cairn bench pace -m tinyllama.gguf -c 4200 --extend-context     streams beside a long prompt
  cairn bench scheduler                   cost of a step beside the forward pass, with many requests
  cairn bench constrained                 cost of JSON by a schema, and of tool calls, by token
  cairn bench serve --users 16            a server under load
  cairn bench speculate -m tinyllama.gguf what guessing tokens ahead gains and costs
  cairn bench growth --plot growth.svg    a token's cost by depth, sequences, index size and threads
  cairn bench tiers --kv-disk kept        a long prefix from memory and from disk
  cairn bench --csv > bench.csv)";

const char* const kServeExamples = R"(Examples:
  cairn serve                                          the demo model, to this machine alone
  cairn serve -m qwen3-0.6b-q8_0.gguf -c 8192 --parallel 8 --kv int8
  cairn key new alice --file keys.txt && cairn serve --api-keys keys.txt --host 0.0.0.0
  cairn serve --config /etc/cairn/serve.toml --check-config
A client gets http://127.0.0.1:8080/v1 as its base URL (Ollama's clients: without /v1), a browser a chat at /. Ctrl-C or
SIGTERM lets texts end for --grace seconds, a second one ends them at once; SIGHUP reads the keys and the certificate
again. docs/serving.md shows the first five minutes, docs/operations.md all the rest.)";

const char* const kExplainExamples = R"(Examples:
  cairn explain last
  cairn explain chatcmpl-5f0c1b --url https://llm.example.org --api-key "$KEY"
The id is that of the reply (its X-Request-Id header has it too). A server remembers each key's last 256 requests.)";
const char* const kKeyExamples = R"(Examples:
  cairn key new alice --file keys.txt
  cairn key new build-bot --weight 2 --kv 2GiB --requests 60/min --tokens 100000/min --concurrent 8 --file keys.txt
  KEY=$(cairn key new bob --file keys.txt)
  cairn key list keys.txt
A key is shown once, on standard output; the file has its SHA-256 only. Without --file nothing is written: the line for the
file is shown on standard error. A server that runs reads its file again on SIGHUP. To take a key back, remove its line.)";

const char* const kCacheExamples = R"(Examples:
  cairn cache list --kv-disk ~/.cache/cairn -m model.gguf
  cairn cache stats --kv-disk ~/.cache/cairn --api-keys keys.txt
  cairn cache stats --kv-remote redis://kv.example.org
  cairn cache verify --kv-disk ~/.cache/cairn
  cairn cache export --kv-disk ~/.cache/cairn -m model.gguf -f system.txt -o system.cairnkv
  cairn cache import --kv-disk ~/.cache/cairn system.cairnkv
  cairn cache pin --kv-disk ~/.cache/cairn --name 8b1f0c22d9e4
  cairn cache clear --kv-disk ~/.cache/cairn --tenant alice --api-keys keys.txt
  cairn cache clear --kv-remote redis://kv.example.org --all --yes
A folder is used by one process at a time: a server that has it must end first. What is kept can be read by who can read the
folder, and an exported file too. docs/cache-command.md explains.)";

}  // namespace cairn
