// What tests of the laws are made of.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "engine/verify/laws.h"
#include "kernels/weights/tensor_type.h"

namespace cairn {

// A synthetic model, as `cairn synth` makes them.
std::shared_ptr<const Model> made_model(const std::string& shape, TensorType type, const Kernels& kernels);
std::vector<KvPlan> plans(std::initializer_list<const char*> texts);
// check_laws on texts of random ids; fails the test where it does not run.
std::vector<LawRow> rows_of(const std::shared_ptr<const Model>& model, LawOptions options);

// Fails the test where a row is not equal; of the second, one may also not apply because the text is too short for it.
void expect_all_equal(const std::vector<LawRow>& rows);
void expect_all_sound(const std::vector<LawRow>& rows);

}  // namespace cairn
