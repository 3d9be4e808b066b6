// The official `openai` client: answers of a form (JSON, schemas) and function tools. The demo model knows nothing of
// either; a constrained answer has the form all the same.
import assert from "node:assert/strict";
import OpenAI, { BadRequestError } from "openai";
import { serverTests } from "../support/client_test";
import { TOOLS_TEMPLATE, type RealServer } from "../support/real_server";

const plainTest = serverTests();
const toolsTest = serverTests("--chat-template", TOOLS_TEMPLATE);

const STORY: OpenAI.ChatCompletionMessageParam[] = [
  { role: "user", content: "Tell me a story about a cat." },
];

const ANIMAL = {
  type: "object",
  properties: {
    name: { type: "string", maxLength: 20 },
    legs: { type: "integer", minimum: 0, maximum: 8 },
    kind: { enum: ["cat", "dog", "fox"] },
    friends: { type: "array", items: { type: "string", maxLength: 8 }, maxItems: 2 },
  },
  required: ["name", "legs", "kind", "friends"],
  additionalProperties: false,
};

function assertAnimal(text: string): void {
  const animal = JSON.parse(text) as Record<string, unknown>;
  assert.deepEqual(Object.keys(animal).sort(), ["friends", "kind", "legs", "name"]);
  assert.ok(typeof animal["name"] === "string" && animal["name"].length <= 20, text);
  assert.ok(
    Number.isInteger(animal["legs"]) && (animal["legs"] as number) >= 0 && (animal["legs"] as number) <= 8,
    text,
  );
  assert.ok(["cat", "dog", "fox"].includes(animal["kind"] as string), text);
  const friends = animal["friends"] as unknown[];
  assert.ok(
    Array.isArray(friends) && friends.length <= 2 && friends.every((friend) => typeof friend === "string"),
    text,
  );
}

const json_schema = { name: "animal", strict: true, schema: ANIMAL };

plainTest("json_schema: what ends as stop has the schema, whatever the seed", async (server) => {
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, seed) =>
      server.openai().chat.completions.create({
        model: "demo",
        messages: STORY,
        max_tokens: 200,
        seed,
        temperature: 1.2,
        response_format: { type: "json_schema", json_schema },
      }),
    ),
  );
  for (const { choices } of answers) {
    assert.equal(choices[0]?.finish_reason, "stop", choices[0]?.message.content ?? "");
    assertAnimal(choices[0]?.message.content ?? "");
  }
});

plainTest("json_schema streamed, and near its limit of tokens", async (server) => {
  const stream = server.openai().chat.completions.stream({
    model: "demo",
    messages: STORY,
    max_tokens: 60,
    seed: 1,
    response_format: { type: "json_schema", json_schema },
  });
  const [choice] = (await stream.finalChatCompletion()).choices;
  assert.equal(choice?.finish_reason, "stop");
  assertAnimal(choice?.message.content ?? "");
});

plainTest("json_object: what ends as stop parses", async (server) => {
  for (let seed = 0; seed < 5; seed += 1) {
    const { choices } = await server.openai().chat.completions.create({
      model: "demo",
      messages: STORY,
      max_tokens: 120,
      seed,
      response_format: { type: "json_object" },
    });
    const text = choices[0]?.message.content ?? "";
    assert.equal(choices[0]?.finish_reason, "stop", text);
    const value: unknown = JSON.parse(text);
    assert.ok(typeof value === "object" && value !== null && !Array.isArray(value), text);
  }
});

plainTest("a schema that cannot be used is refused with the field named", async (server) => {
  const schema = { type: "object", properties: { a: { type: "no such type" } } };
  const asked = server.openai().chat.completions.create({
    model: "demo",
    messages: STORY,
    response_format: { type: "json_schema", json_schema: { name: "x", strict: true, schema } },
  });
  await assert.rejects(
    asked,
    (error) => error instanceof BadRequestError && /response_format/.test(String(error.param)),
  );
});

const WEATHER: OpenAI.ChatCompletionFunctionTool = {
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather at a place",
    strict: true,
    parameters: {
      type: "object",
      properties: { place: { type: "string", maxLength: 12 }, unit: { enum: ["C", "F"] } },
      required: ["place", "unit"],
      additionalProperties: false,
    },
  },
};
const CLOCK: OpenAI.ChatCompletionFunctionTool = {
  type: "function",
  function: { name: "get_time", parameters: { type: "object", properties: {}, additionalProperties: false } },
};

function assertWeather(text: string): void {
  const place = JSON.parse(text) as { place: string; unit: string };
  assert.ok(place.place.length <= 12 && ["C", "F"].includes(place.unit), text);
}

plainTest("tools for a model whose template has none are refused in words", async (server) => {
  const asked = server.openai().chat.completions.create({ model: "demo", messages: STORY, tools: [WEATHER] });
  await assert.rejects(asked, (error) => {
    assert.ok(error instanceof BadRequestError);
    assert.match(error.message, /tool/i);
    return true;
  });
});

async function call(server: RealServer, rest: Partial<OpenAI.ChatCompletionCreateParamsNonStreaming>) {
  const answer = await server.openai().chat.completions.create({
    model: "demo",
    messages: STORY,
    tools: [WEATHER, CLOCK],
    max_tokens: 150,
    ...rest,
  });
  return answer.choices[0] ?? assert.fail("no choice");
}

function functionCalls(
  message: OpenAI.ChatCompletionMessage,
): OpenAI.ChatCompletionMessageFunctionToolCall[] {
  return (message.tool_calls ?? []).filter((one) => one.type === "function");
}

toolsTest("tool_choice required: one call at least, of a tool that there is", async (server) => {
  for (let seed = 0; seed < 4; seed += 1) {
    const choice = await call(server, { tool_choice: "required", parallel_tool_calls: false, seed });
    assert.equal(choice.finish_reason, "tool_calls", JSON.stringify(choice));
    const calls = functionCalls(choice.message);
    assert.equal(calls.length, 1);
    assert.ok(calls[0]?.id);
    const { name, arguments: text } = calls[0]?.function ?? assert.fail("no function");
    if (name === "get_weather") assertWeather(text);
    else assert.deepEqual([name, JSON.parse(text)], ["get_time", {}]);
  }
});

toolsTest("tool_choice by name, and its answer in the next turn", async (server) => {
  const tool_choice = { type: "function", function: { name: "get_weather" } } as const;
  const { message } = await call(server, { tool_choice, parallel_tool_calls: false, seed: 1 });
  const [made] = functionCalls(message);
  assert.ok(made);
  assert.equal(made.function.name, "get_weather");
  assertWeather(made.function.arguments);
  const next = await server.openai().chat.completions.create({
    model: "demo",
    messages: [...STORY, message, { role: "tool", tool_call_id: made.id, content: "Sunny." }],
    tools: [WEATHER],
    tool_choice: "none",
    max_tokens: 12,
  });
  assert.equal(next.choices[0]?.message.tool_calls, undefined);
  assert.ok(next.choices[0]?.message.content);
});

toolsTest("a streamed call is the same call in pieces", async (server) => {
  const whole = await call(server, { tool_choice: "required", parallel_tool_calls: false, seed: 2 });
  const stream = server.openai().chat.completions.stream({
    model: "demo",
    messages: STORY,
    tools: [WEATHER, CLOCK],
    tool_choice: "required",
    parallel_tool_calls: false,
    max_tokens: 150,
    seed: 2,
  });
  const [choice] = (await stream.finalChatCompletion()).choices;
  assert.equal(choice?.finish_reason, "tool_calls");
  const [a] = functionCalls(whole.message);
  const [b] = functionCalls(choice.message);
  assert.deepEqual(b?.function.name, a?.function.name);
  assert.equal(b?.function.arguments, a?.function.arguments);
});

toolsTest("tool_choice none and auto talk as they like", async (server) => {
  const none = await call(server, { tool_choice: "none", max_tokens: 16 });
  assert.equal(none.message.tool_calls, undefined);
  assert.ok(none.message.content);
  const auto = await call(server, { tool_choice: "auto", max_tokens: 16 });
  assert.ok(auto.message.content ?? auto.message.tool_calls);
});

toolsTest("responses: a function is called, and its output goes on", async (server) => {
  const tools: OpenAI.Responses.FunctionTool[] = [
    { type: "function", name: "get_weather", strict: true, parameters: WEATHER.function.parameters ?? {} },
  ];
  const first = await server.openai().responses.create({
    model: "demo",
    input: "Tell me a story about a cat.",
    tools,
    tool_choice: "required",
    parallel_tool_calls: false,
    max_output_tokens: 150,
  });
  const made = first.output.find((item) => item.type === "function_call");
  assert.ok(made?.type === "function_call");
  assert.equal(made.name, "get_weather");
  assertWeather(made.arguments);
  const next = await server.openai().responses.create({
    model: "demo",
    input: [
      { role: "user", content: "Tell me a story about a cat." },
      { type: "function_call", call_id: made.call_id, name: made.name, arguments: made.arguments },
      { type: "function_call_output", call_id: made.call_id, output: "Sunny." },
    ],
    tools,
    tool_choice: "none",
    max_output_tokens: 12,
  });
  assert.ok(next.output_text.length > 0);
});

toolsTest("responses: a streamed call", async (server) => {
  const stream = await server.openai().responses.create({
    model: "demo",
    input: "Tell me a story about a cat.",
    tools: [
      { type: "function", name: "get_weather", strict: true, parameters: WEATHER.function.parameters ?? {} },
    ],
    tool_choice: "required",
    parallel_tool_calls: false,
    max_output_tokens: 150,
    stream: true,
  });
  let pieces = "";
  let done = "";
  for await (const event of stream) {
    if (event.type === "response.function_call_arguments.delta") pieces += event.delta;
    if (event.type === "response.function_call_arguments.done") done = event.arguments;
  }
  assert.equal(pieces, done);
  assertWeather(done);
});

plainTest("responses: text of a schema", async (server) => {
  const answer = await server.openai().responses.create({
    model: "demo",
    input: "Tell me a story about a cat.",
    max_output_tokens: 200,
    text: { format: { type: "json_schema", ...json_schema } },
  });
  assert.equal(answer.status, "completed");
  assertAnimal(answer.output_text);
});
