#!/usr/bin/env python3
"""Expected prompts of chat templates with tools, from python3-jinja2, as jinja_vectors.py makes those without.

Writes src/text/reply/testdata/prompts.json: a conversation as OpenAI's interface sends it, the tools, and the text of
each family's template, or null where it refuses. Each template is given what it reads (FORMS), as the programs that
publish it pass it. Needs Debian's python3-jinja2 (3.1); the tests read only the file.
"""
import json
import pathlib

from jinja_vectors import environment

ROOT = pathlib.Path(__file__).resolve().parents[2] / "src/text"
FAMILIES = ["jinja/testdata/" + name for name in (
    "qwen2_5", "qwen3", "llama3_1", "llama3_2", "mistral_v3", "gemma3")] + ["reply/testdata/" + name for name in (
        "hermes", "mistral_nemo", "deepseek_r1", "smollm3", "phi4_mini", "gpt_oss")]
# What differs from arguments as an object, an empty content beside calls, and tools as a variable.
FORMS = {"deepseek_r1": {"arguments_as_text", "content_is_none"}, "phi4_mini": {"tools_in_system", "calls_in_content"}}

TOOLS = [
    {"type": "function", "function": {
        "name": "get_weather", "description": "The weather in a \"city\", now.",
        "parameters": {"type": "object", "properties": {
            "city": {"type": "string", "description": "Its name: Zürich, 東京"},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
            "days": {"type": "array", "items": {"type": "integer"}}}, "required": ["city"]}}},
    {"type": "function", "function": {
        "name": "now", "description": "The time.", "parameters": {"type": "object", "properties": {}}}},
]


def call(number, name, arguments):
    return {"id": f"call0000{number}", "type": "function", "function": {"name": name, "arguments": arguments}}


def answer(number, name, content):
    return {"role": "tool", "tool_call_id": f"call0000{number}", "name": name, "content": content}


WEATHER = call(1, "get_weather", '{"city": "Zürich", "days": [1, 2.5, -3], "deep": {"a": null, "b": true}}')
ASKS = {"role": "user", "content": "How is it in Zürich?"}
CONVERSATIONS = [
    {"tools": True, "messages": [ASKS]},
    {"tools": True, "messages": [{"role": "system", "content": "Be brief."}, ASKS,
                                 {"role": "assistant", "content": "", "tool_calls": [WEATHER]},
                                 answer(1, "get_weather", '{"sky": "clear"}')]},
    {"tools": True, "messages": [ASKS, {"role": "assistant", "content": "", "tool_calls": [
        WEATHER, call(2, "now", "{}")]}, answer(1, "get_weather", "rain\n"), answer(2, "now", "noon"),
        {"role": "assistant", "content": "It rains."}, {"role": "user", "content": "Thanks <3"}]},
    {"tools": False, "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2+2?"},
                                  {"role": "assistant", "content": "4", "reasoning": "Two and two."},
                                  {"role": "user", "content": "And 3+3?"}]},
    {"tools": False, "messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"},
                                  {"role": "user", "content": "And 3+3?"}]},
]


def as_read(message, form):
    made = {key: value for key, value in message.items() if key != "reasoning"}
    if "reasoning" in message:
        made["reasoning_content"] = made["thinking"] = message["reasoning"]
    if "tool_calls" in message:
        made["tool_calls"] = [{**each, "function": {**each["function"]}} for each in message["tool_calls"]]
        for each in made["tool_calls"]:
            if "arguments_as_text" not in form:
                each["function"]["arguments"] = json.loads(each["function"]["arguments"])
        if "content_is_none" in form:
            made["content"] = None
    if "calls_in_content" in form and "tool_calls" in made:
        functions = [each["function"] for each in made.pop("tool_calls")]
        text = json.dumps(functions, ensure_ascii=False, separators=(",", ":"))
        made["content"] += "<|tool_call|>" + text.replace("2.5", "2.5E0") + "<|/tool_call|>"  # as Boost writes it
    return made


def expected(family, conversation):
    form = FORMS.get(family.split("/")[-1], set())
    messages = [as_read(each, form) for each in conversation["messages"]]
    tools = TOOLS if conversation["tools"] else None
    if tools and "tools_in_system" in form:
        text = json.dumps([each["function"] for each in tools], ensure_ascii=False, separators=(",", ":"))
        if messages[0]["role"] != "system":
            messages.insert(0, {"role": "system", "content": ""})
        messages[0] = {**messages[0], "tools": text}
        tools = None
    source = (ROOT / (family + ".jinja")).read_text(encoding="utf-8")
    try:
        return environment(True).from_string(source).render(
            messages=messages, tools=tools, documents=None, add_generation_prompt=True, bos_token="<s>",
            eos_token="</s>")
    except Exception as why:
        print(family, why)
        return None


def main():
    cases = [{"template": family + ".jinja", "conversation": number, "text": expected(family, conversation)}
             for family in FAMILIES for number, conversation in enumerate(CONVERSATIONS)]
    text = json.dumps({"tools": TOOLS, "conversations": CONVERSATIONS, "cases": cases}, ensure_ascii=False, indent=1)
    (ROOT / "reply/testdata/prompts.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
