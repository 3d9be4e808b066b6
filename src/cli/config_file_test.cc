#include "cli/config_file.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/temporary_folder_testing.h"
#include "cli/option_groups.h"

namespace cairn {
namespace {

#define EXPECT_SAYS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

using Words = std::vector<std::string>;

// A command with an option of every kind.
struct Made {
  std::optional<std::string> config;
  int port = 0;
  std::string keys;
  Words origins;
  bool quiet = false;
  double grace = 0;
};

void add_options(CLI::App& app, Made& made, CommonOptions& common) {
  add_config_option(app, made.config);
  app.add_option("--port,--tcp-port", made.port, "The port")->check(CLI::Range(1, 65535).description(""));
  app.add_option("--api-keys", made.keys, "The keys");
  app.add_option("--cors-origin", made.origins, "Origins")->allow_extra_args(false);
  app.add_flag("-q,--quiet", made.quiet, "Say less");
  app.add_option("--grace", made.grace, "Seconds");
  add_common_options(app, common);
  add_endless_option(app, common.context);
}

class ConfigFile : public ::testing::Test {
 protected:
  // The text as a file, and the words of a command line besides.
  Result<Command> parse(const std::string& text, const Words& words) {
    made_ = Made();
    GenerateOptions options;
    CLI::App app("Test.", "cairn test");
    add_options(app, made_, options.common);
    Words all{"--config", folder_.write("c.toml", text)};
    all.insert(all.end(), words.begin(), words.end());
    const Command command = options;
    auto parsed = run_parser_with_config(app, all, command);
    common_ = options.common;
    return parsed;
  }
  Made accepted(const std::string& text, const Words& words = {}) {
    const auto parsed = parse(text, words);
    EXPECT_TRUE(parsed.ok()) << parsed.status().message();
    return made_;
  }
  std::string refusal(const std::string& text, const Words& words = {}) {
    const auto parsed = parse(text, words);
    EXPECT_FALSE(parsed.ok()) << "accepted: " << text;
    if (!parsed.ok()) {
      EXPECT_EQ(parsed.status().code(), StatusCode::kInvalidArgument);
    }
    return parsed.status().message();
  }

  TemporaryFolder folder_;
  Made made_;
  CommonOptions common_;
};

TEST_F(ConfigFile, SaysWhatTheCommandLineSays) {
  const Made made = accepted(
      "# ours\nport = 8080\napi-keys = \"/etc/keys\"\ncors-origin = [\"https://a\", \"https://b\"]\nquiet = "
      "true\n"
      "grace = 1.5\nmodel = \"m.gguf\"\nkv = \"int8\"\n");
  EXPECT_EQ(made.port, 8080);
  EXPECT_EQ(made.keys, "/etc/keys");
  EXPECT_EQ(made.origins, (Words{"https://a", "https://b"}));
  EXPECT_TRUE(made.quiet);
  EXPECT_EQ(made.grace, 1.5);
  EXPECT_EQ(common_.model_path, "m.gguf");
  EXPECT_EQ(common_.kv_plan->text(), "int8");
}

TEST_F(ConfigFile, ValuesAreTakenAsTheyAre) {
  for (const std::string value : {"", "-", "--port", "-5", "[a,b]", "a b", "x=y", "\\u00e9"}) {
    const std::string expected = value == "\\u00e9" ? "\xc3\xa9" : value;
    EXPECT_EQ(accepted("api-keys = \"" + value + "\"").keys, expected);
  }
  EXPECT_FALSE(accepted("quiet = false").quiet);
  EXPECT_EQ(accepted("cors-origin = \"one\"").origins, Words{"one"});
  EXPECT_EQ(accepted("cors-origin = []").origins, Words{});
  EXPECT_EQ(accepted("").port, 0);
}

TEST_F(ConfigFile, TheCommandLineComesFirst) {
  EXPECT_EQ(accepted("port = 1", {"--port", "2"}).port, 2);
  EXPECT_EQ(accepted("port = 1", {"--port=2"}).port, 2);
  EXPECT_EQ(accepted("port = 1", {"--tcp-port", "2"}).port, 2);
  EXPECT_EQ(accepted("tcp-port = 1").port, 1);
  EXPECT_EQ(accepted("cors-origin = [\"a\"]", {"--cors-origin", "b"}).origins, Words{"b"});
  accepted("threads = 1", {"-t2"});
  EXPECT_EQ(common_.thread_count, 2);
  accepted("context = 100", {"--endless"});  // which excludes it
  EXPECT_EQ(common_.context, kEndless);
  // What looks like an option, and is another's value.
  EXPECT_EQ(accepted("port = 1", {"--api-keys", "--port"}).port, 1);
}

TEST_F(ConfigFile, SaysTheFileTheLineAndWhatToWrite) {
  EXPECT_SAYS(refusal("\n\nprot = 1"), "c.toml:3: cairn test has no option 'prot'; did you mean port?");
  EXPECT_SAYS(refusal("api_keys = \"x\""), "did you mean api-keys?");
  EXPECT_SAYS(refusal("quiet = 1"), "c.toml:1: quiet is a flag: write quiet = true");
  EXPECT_SAYS(refusal("port = true"), "port takes a value");
  EXPECT_SAYS(refusal("port = [1, 2]"), "port takes one value");
  EXPECT_SAYS(refusal("cors-origin = [[\"a\"]]"), "texts and numbers only");
  EXPECT_SAYS(refusal("port = 2026-01-01"), "port takes a text in quotes or a number");
  EXPECT_SAYS(refusal("[serve]\nport = 1"), "c.toml:1: [serve] is a table");
  EXPECT_SAYS(refusal("config = \"x\""), "config belongs on the command line only");
  EXPECT_SAYS(refusal("help = true"), "help belongs on the command line only");
  EXPECT_SAYS(refusal("q = true"), "has no option 'q'");
  EXPECT_SAYS(refusal("api-keys = \"a\"\nport = 70000"), "c.toml:2: --port");
  EXPECT_SAYS(refusal("\nkv = \"int99\""), "c.toml:2: --kv");
  EXPECT_SAYS(refusal("port = \"x\""), "c.toml:1: --port");
  EXPECT_SAYS(refusal("port = "), "c.toml:1: ");
  EXPECT_SAYS(refusal("port = 1\nport = 2"), "c.toml:2: ");
  // The command line's own errors are not the file's.
  EXPECT_EQ(refusal("port = 1", {"--port", "x"}).find("c.toml"), std::string::npos);
  EXPECT_SAYS(refusal("port = 1", {"--frobnicate"}), "has no option '--frobnicate'");
}

TEST_F(ConfigFile, HostileFilesAreRefused) {
  EXPECT_SAYS(refusal(std::string("port\0 = 1", 9)), "c.toml:1: ");
  EXPECT_SAYS(refusal("api-keys = \"\xff\""), "c.toml:1: ");
  EXPECT_SAYS(refusal("cors-origin = " + std::string(100'000, '[')), "c.toml:1: ");
  EXPECT_SAYS(refusal(std::string(10'000, 'a') + " = 1"), "has no option");
  EXPECT_SAYS(refusal("\"\\u001b[31m\" = 1"), "\\x1b[31m");
  std::ofstream(folder_.at("huge")) << std::string((1 << 20) + 1, '#');
  CLI::App app("Test.", "cairn test");
  Made made;
  CommonOptions common;
  add_options(app, made, common);
  EXPECT_FALSE(read_config_file(folder_.at("huge"), app).ok());
  EXPECT_EQ(read_config_file(folder_.at("none"), app).status().code(), StatusCode::kNotFound);
  EXPECT_FALSE(read_config_file("/dev/zero", app).ok());
}

TEST_F(ConfigFile, HelpNeedsNoFile) {
  const auto parsed = parse("nonsense", {"--help"});
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_SAYS(std::get<ShowText>(*parsed).text, "--config FILE");
}

TEST(ConfigFileParse, WorksAsParseWith) {
  const TemporaryFolder folder;
  const std::string path = folder.write("c.toml", "context = 128\nthreads = 1\n");
  std::optional<std::string> config;
  const Words words{"--config", path, "-t", "2"};
  const auto parsed = parse_with_config<GenerateOptions>("cairn test", "Test.", "", words,
                                                         [&](CLI::App& app, GenerateOptions& options) {
                                                           add_config_option(app, config);
                                                           add_common_options(app, options.common);
                                                         });
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_EQ(std::get<GenerateOptions>(*parsed).common.context, 128);
  EXPECT_EQ(std::get<GenerateOptions>(*parsed).common.thread_count, 2);
}

}  // namespace
}  // namespace cairn
