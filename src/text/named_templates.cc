#include "text/named_templates.h"

#include <algorithm>
#include <array>

namespace cairn {
namespace {

constexpr std::string_view kChatMl =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

constexpr std::string_view kLlama3 =
    "{{ bos_token }}{% for m in messages %}"
    "{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\\n\\n' + m.content | trim + '<|eot_id|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}";

constexpr std::string_view kGemma =
    "{{ bos_token }}{% set ns = namespace(system='') %}{% for m in messages %}"
    "{% if m.role == 'system' %}{% set ns.system = m.content | trim + '\\n\\n' %}{% else %}"
    "{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\\n' }}"
    "{{ (ns.system if m.role == 'user' else '') + m.content | trim + '<end_of_turn>\\n' }}"
    "{% if m.role == 'user' %}{% set ns.system = '' %}{% endif %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}";

constexpr std::string_view kCommandR =
    "{{ bos_token }}{% set names = {'system': 'SYSTEM', 'user': 'USER', 'assistant': 'CHATBOT'} %}"
    "{% for m in messages %}{{ '<|START_OF_TURN_TOKEN|><|' + names[m.role] + '_TOKEN|>' + m.content | trim }}"
    "{{ '<|END_OF_TURN_TOKEN|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>' }}{% endif %}";

constexpr std::string_view kGranite =
    "{% for m in messages %}"
    "{{ '<|start_of_role|>' + m.role + '<|end_of_role|>' + m.content + '<|end_of_text|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_of_role|>assistant<|end_of_role|>' }}{% endif %}";

constexpr std::string_view kDeepSeek =
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}"
    "{% elif m.role == 'user' %}{{ '<｜User｜>' + m.content }}"
    "{% else %}{{ '<｜Assistant｜>' + m.content + '<｜end▁of▁sentence｜>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<｜Assistant｜>' }}{% endif %}";

constexpr std::string_view kPhi3 =
    "{% for m in messages %}{{ '<|' + m.role + '|>\\n' + m.content + '<|end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}";

constexpr std::string_view kZephyr =
    "{% for m in messages %}{{ '<|' + m.role + '|>\\n' + m.content + '</s>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}";

// A pair of question and answer begins and ends with bos and eos.
constexpr std::string_view kLlama2 =
    "{% set ns = namespace(system='') %}{% for m in messages %}"
    "{% if m.role == 'system' %}{% set ns.system = '<<SYS>>\\n' + m.content + '\\n<</SYS>>\\n\\n' %}"
    "{% elif m.role == 'user' %}{{ bos_token ~ '[INST] ' + ns.system + m.content | trim + ' [/INST]' }}"
    "{% set ns.system = '' %}{% else %}{{ ' ' + m.content | trim + ' ' ~ eos_token }}{% endif %}{% endfor %}";

constexpr std::string_view kMistral =
    "{{ bos_token }}{% set ns = namespace(system='') %}{% for m in messages %}"
    "{% if m.role == 'system' %}{% set ns.system = m.content + '\\n\\n' %}"
    "{% elif m.role == 'user' %}{{ '[INST] ' + ns.system + m.content + ' [/INST]' }}{% set ns.system = '' %}"
    "{% else %}{{ ' ' + m.content | trim ~ eos_token }}{% endif %}{% endfor %}";

constexpr std::string_view kVicuna =
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ m.content + ' ' }}"
    "{% elif m.role == 'user' %}{{ 'USER: ' + m.content + ' ' }}"
    "{% else %}{{ 'ASSISTANT: ' + m.content ~ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}";

constexpr std::string_view kAlpaca =
    "{% for m in messages %}{% if m.role == 'system' %}{{ m.content + '\\n\\n' }}"
    "{% elif m.role == 'user' %}{{ '### Instruction:\\n' + m.content + '\\n\\n' }}"
    "{% else %}{{ '### Response:\\n' + m.content + '\\n\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '### Response:\\n' }}{% endif %}";

constexpr std::array<NamedTemplate, 12> kNamed{{
    {"chatml", kChatMl, "<|im_end|>", "<|im_start|>"},
    {"llama3", kLlama3, "<|eot_id|>", "<|start_header_id|>"},
    {"gemma", kGemma, "<end_of_turn>", "<start_of_turn>"},
    {"command-r", kCommandR, "<|END_OF_TURN_TOKEN|>", "<|START_OF_TURN_TOKEN|>"},
    {"granite", kGranite, "<|end_of_text|>", "<|start_of_role|>"},
    {"deepseek", kDeepSeek, "<｜end▁of▁sentence｜>", "<｜Assistant｜>"},
    {"phi3", kPhi3, "<|end|>", "<|end|>"},
    {"zephyr", kZephyr, "</s>", "<|assistant|>"},
    {"llama2", kLlama2, "[INST]", "<<SYS>>"},
    {"mistral", kMistral, "[INST]", "[INST]"},
    {"vicuna", kVicuna, "USER:", "ASSISTANT:"},
    {"alpaca", kAlpaca, "### Instruction:", "### Response:"},
}};

}  // namespace

std::span<const NamedTemplate> named_templates() { return kNamed; }

std::optional<NamedTemplate> find_named_template(std::string_view name) {
  const auto* found = std::ranges::find(kNamed, name, &NamedTemplate::name);
  return found == kNamed.end() ? std::nullopt : std::optional(*found);
}

std::optional<NamedTemplate> named_template_like(std::string_view source) {
  const auto* found = std::ranges::find_if(
      kNamed, [&](const NamedTemplate& each) { return source.find(each.mark) != std::string_view::npos; });
  return found == kNamed.end() ? std::nullopt : std::optional(*found);
}

}  // namespace cairn
