// What is put around a text, and which ids end a reply: tokenizer.json's post_processor,
// tokenizer_config.json, generation_config.json.
#pragma once

#include <boost/json/object.hpp>

#include "cairn/status.h"
#include "text/tokenizer/impl.h"

namespace cairn {

// Fills prefix, suffix, bos, eos and end_tokens; the vocabulary must be complete. `config` and `generation`
// may be null.
Status read_affixes(const boost::json::object& tokenizer_json, const boost::json::object* config,
                    const boost::json::object* generation, Tokenizer::Impl& impl);

}  // namespace cairn
