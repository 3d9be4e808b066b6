// ReplyingCall: a function that another thread calls once, and what it returned or threw, for the thread that waits.
// Where it is destroyed before the call, the reply is empty. Nothing after the constructor needs memory, so no thread
// waits in vain, and no destructor throws.
#pragma once

#include <exception>
#include <future>
#include <optional>
#include <type_traits>
#include <utility>

namespace cairn {

template <typename Function, typename Argument>
class ReplyingCall {
 public:
  using Value = std::invoke_result_t<Function&, Argument&>;

  explicit ReplyingCall(Function function) : function_(std::move(function)) {}
  ReplyingCall(const ReplyingCall&) = delete;
  ReplyingCall& operator=(const ReplyingCall&) = delete;
  ~ReplyingCall() {
    if (!called_) reply_.set_value(std::nullopt);
  }

  // Once. Its get() throws what the function threw.
  [[nodiscard]] std::future<std::optional<Value>> reply() { return reply_.get_future(); }

  // Once.
  void run(Argument& argument) {
    called_ = true;
    try {
      reply_.set_value(function_(argument));
    } catch (...) {
      reply_.set_exception(std::current_exception());
    }
  }

 private:
  Function function_;
  std::promise<std::optional<Value>> reply_;
  bool called_ = false;
};

}  // namespace cairn
