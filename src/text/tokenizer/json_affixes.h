// What is put around a text, and which ids end a reply: tokenizer.json's post_processor,
// tokenizer_config.json, generation_config.json, config.json.
#pragma once

#include <boost/json/object.hpp>

#include "cairn/status.h"
#include "text/tokenizer/impl.h"

namespace cairn {

// Fills prefix, suffix, bos, eos and end_tokens; the vocabulary must be complete. A special token that is not in it
// counts as absent, with a note.
Status read_affixes(const boost::json::object& tokenizer_json, const TokenizerCompanions& companions,
                    Tokenizer::Impl& impl);

}  // namespace cairn
