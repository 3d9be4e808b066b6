#include "cli/open_model.h"

#include <gtest/gtest.h>

#include "base/temporary_folder_testing.h"

namespace cairn {
namespace {

class DemoModel : public testing::Test {
 protected:
  // A tree as it stands where the program was built or installed.
  DemoModel() {
    for (const char* folder : {"build", "models", "share/cairn", "source"}) {
      std::filesystem::create_directories(folder_.at(folder));
    }
    places_ = {.program = folder_.at("build/cairn"), .source = folder_.at("source/cairn-demo.gguf")};
  }

  TemporaryFolder folder_;
  DemoModelPlaces places_;
};

TEST_F(DemoModel, IsLookedForInOrder) {
  const auto none = find_demo_model(places_);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.status().code(), StatusCode::kNotFound);
  EXPECT_NE(none.status().message().find("source/cairn-demo.gguf"), std::string::npos);

  for (const char* place :
       {"source/cairn-demo.gguf", "share/cairn/cairn-demo.gguf", "models/cairn-demo.gguf"}) {
    const std::string path = folder_.write(place, "x");  // each is preferred to those written before it
    ASSERT_TRUE(find_demo_model(places_).ok());
    EXPECT_EQ(*find_demo_model(places_), path);
  }
}

TEST_F(DemoModel, ThatTheEnvironmentNamesIsTheOnlyOne) {
  folder_.write("models/cairn-demo.gguf", "x");
  places_.named = folder_.at("mine.gguf");
  const auto missing = find_demo_model(places_);
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(missing.status().message().find("CAIRN_DEMO_MODEL"), std::string::npos);
  const std::string mine = folder_.write("mine.gguf", "x");
  EXPECT_EQ(find_demo_model(places_).value(), mine);
}

TEST_F(DemoModel, IsFoundWithoutAKnownProgram) {
  places_.program.reset();
  const std::string path = folder_.write("source/cairn-demo.gguf", "x");
  EXPECT_EQ(find_demo_model(places_).value(), path);
}

}  // namespace
}  // namespace cairn
