// The local date and time, for what people read.
#pragma once

#include "cairn/chat_message.h"

namespace cairn {

[[nodiscard]] CivilTime local_time_now();

}  // namespace cairn
