// The official `ollama` client.
import assert from "node:assert/strict";
import { Ollama } from "ollama";
import { serverTests } from "../support/client_test";
import { TOOLS_TEMPLATE, type RealServer } from "../support/real_server";

const serverTest = serverTests();
const toolsTest = serverTests("--chat-template", TOOLS_TEMPLATE);

const MESSAGES = [{ role: "user", content: "Tell me a story about a cat." }];
// Ollama's own repeat_penalty is 1.1, OpenAI's interface has none: it is set where the two are compared.
const OPTIONS = { num_predict: 16, seed: 3, temperature: 0.8 };

function client(server: RealServer): Ollama {
  return new Ollama({ host: server.url });
}

serverTest("list, show, ps and version", async (server) => {
  const { models } = await client(server).list();
  assert.equal(models.length, 1);
  assert.match(models[0]?.name ?? "", /^demo(:latest)?$/);
  assert.ok((models[0]?.size ?? 0) > 1e6);
  assert.ok(!Number.isNaN(Date.parse(String(models[0]?.modified_at))));
  const shown = await client(server).show({ model: "demo" });
  assert.equal(shown.details.format, "gguf");
  assert.equal(shown.details.family, "llama");
  assert.ok(shown.capabilities.includes("completion"));
  const { models: loaded } = await client(server).ps();
  assert.equal(loaded.length, 1);
  assert.match((await client(server).version()).version, /^\d+\.\d+/);
});

serverTest("chat, whole and streamed", async (server) => {
  const whole = await client(server).chat({ model: "demo", messages: MESSAGES, options: OPTIONS });
  assert.equal(whole.message.role, "assistant");
  assert.ok(whole.message.content.length > 5);
  assert.equal(whole.done, true);
  assert.equal(whole.done_reason, "length");
  assert.equal(whole.eval_count, 16);
  assert.ok(whole.prompt_eval_count > 0 && whole.eval_duration > 0 && whole.total_duration > 0);

  let text = "";
  let last;
  for await (const part of await client(server).chat({
    model: "demo",
    messages: MESSAGES,
    options: OPTIONS,
    stream: true,
  })) {
    text += part.message.content;
    last = part;
  }
  assert.equal(text, whole.message.content);
  assert.equal(last?.done, true);
  assert.equal(last?.eval_count, 16);
});

serverTest("chat is the same answer as OpenAI's face gives", async (server) => {
  const ollama = await client(server).chat({
    model: "demo",
    messages: MESSAGES,
    options: { num_predict: 16, temperature: 0, repeat_penalty: 1 },
  });
  const openai = await server.openai().chat.completions.create({
    model: "demo",
    messages: [{ role: "user", content: MESSAGES[0]?.content ?? "" }],
    max_tokens: 16,
    temperature: 0,
  });
  assert.equal(ollama.message.content, openai.choices[0]?.message.content);
});

serverTest("generate: with the template, raw, streamed, stopped", async (server) => {
  const body = {
    model: "demo",
    prompt: "Once upon a time there was",
    raw: true,
    options: { ...OPTIONS, temperature: 0, repeat_penalty: 1 },
  };
  const whole = await client(server).generate(body);
  const said = whole.response ?? assert.fail("no response");
  assert.ok(said.length > 5);
  let text = "";
  for await (const part of await client(server).generate({ ...body, stream: true })) text += part.response;
  assert.equal(text, said);
  const completed = await server.openai().completions.create({
    model: "demo",
    prompt: body.prompt,
    max_tokens: 16,
    temperature: 0,
  });
  assert.equal(said, completed.choices[0]?.text);

  const word = said.trim().split(" ")[2] ?? assert.fail("too short");
  const stopped = await client(server).generate({ ...body, options: { ...body.options, stop: [word] } });
  assert.equal(stopped.response, said.slice(0, said.indexOf(word)));
  assert.equal(stopped.done_reason, "stop");

  const chat = await client(server).chat({ model: "demo", messages: MESSAGES, options: OPTIONS });
  const templated = await client(server).generate({
    model: "demo",
    prompt: MESSAGES[0]?.content ?? "",
    options: OPTIONS,
  });
  assert.equal(templated.response, chat.message.content);
});

serverTest("an empty prompt only asks for the model to be loaded", async (server) => {
  const loaded = await client(server).generate({ model: "demo", prompt: "" });
  assert.equal(loaded.done, true);
  assert.equal(loaded.response, "");
});

serverTest("format: json, and a schema", async (server) => {
  const options = { num_predict: 120, seed: 1 };
  const json = await client(server).chat({ model: "demo", messages: MESSAGES, format: "json", options });
  assert.equal(typeof JSON.parse(json.message.content), "object");
  const schema = {
    type: "object",
    properties: { mood: { enum: ["glad", "sad"] } },
    required: ["mood"],
    additionalProperties: false,
  };
  const formed = await client(server).chat({ model: "demo", messages: MESSAGES, format: schema, options });
  const { mood } = JSON.parse(formed.message.content) as { mood: string };
  assert.ok(["glad", "sad"].includes(mood), mood);
});

const TOOL = {
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather at a place",
    parameters: { type: "object", properties: { place: { type: "string" } }, required: ["place"] },
  },
};

toolsTest("tools are shown, and their answers are read", async (server) => {
  const shown = await client(server).show({ model: "demo" });
  assert.ok(shown.capabilities.includes("tools"), String(shown.capabilities));
  const answer = await client(server).chat({
    model: "demo",
    messages: [
      ...MESSAGES,
      {
        role: "assistant",
        content: "",
        tool_calls: [{ function: { name: "get_weather", arguments: { place: "Bern" } } }],
      },
      { role: "tool", content: "Sunny.", tool_name: "get_weather" },
    ],
    tools: [TOOL],
    options: OPTIONS,
  });
  assert.ok(answer.message.content !== "" || (answer.message.tool_calls ?? []).length > 0);
});

serverTest("tools for a model whose template has none are refused in words", async (server) => {
  await assert.rejects(client(server).chat({ model: "demo", messages: MESSAGES, tools: [TOOL] }), /tool/i);
});

serverTest("a model that is not there, and fields that are wrong", async (server) => {
  await assert.rejects(
    client(server).chat({ model: "other", messages: MESSAGES }),
    (error: Error & { status_code?: number }) => {
      assert.equal(error.status_code, 404);
      assert.match(error.message, /other/);
      return true;
    },
  );
  const wrong = client(server).chat({ model: "demo", messages: MESSAGES, options: { temperature: -4 } });
  await assert.rejects(wrong, /temperature/);
});

serverTest("a client that leaves amid a stream frees what it had", async (server) => {
  const ollama = client(server);
  await server.givesUp(1, 3000, async () => {
    const stream = await ollama.generate({
      model: "demo",
      prompt: "Once upon a time",
      stream: true,
      format: { type: "string", minLength: 16_000 }, // no end before 3000 tokens
      options: { num_predict: 3000 },
    });
    let pieces = 0;
    await assert.rejects(async () => {
      for await (const _ of stream) {
        pieces += 1;
        if (pieces === 2) ollama.abort();
      }
    }, /abort/i);
  });
});
