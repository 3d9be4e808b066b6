// Where the demo model is: the model that commands run when -m names none.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "cairn/status.h"

namespace cairn {

struct DemoModelPlaces {
  std::optional<std::string> named;  // what the environment says (CAIRN_DEMO_MODEL); trusted alone
  std::optional<std::filesystem::path> program;  // the running program's file
  std::filesystem::path source;                  // where the tree that it was built from has it
};

// What this process knows of them.
[[nodiscard]] DemoModelPlaces demo_model_places();

// The first place that has the file: `named`; ../models/ and ../share/cairn/ seen from the program's folder;
// `source`. kNotFound names the places that were looked at.
Result<std::string> find_demo_model(const DemoModelPlaces& places);

}  // namespace cairn
