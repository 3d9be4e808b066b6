// The official `openai` client: completions, responses, and every kind of refusal.
import assert from "node:assert/strict";
import OpenAI, { APIError, BadRequestError, NotFoundError } from "openai";
import { serverTests } from "../support/client_test";
import type { RealServer } from "../support/real_server";

const serverTest = serverTests();
const PROMPT = "Once upon a time there was a little";

function complete(server: RealServer, body: Partial<OpenAI.CompletionCreateParamsNonStreaming> = {}) {
  return server
    .openai()
    .completions.create({ model: "demo", prompt: PROMPT, max_tokens: 12, temperature: 0, ...body });
}

async function tokensOf(server: RealServer, text: string): Promise<number[]> {
  const reply = await fetch(`${server.url}/tokenize`, {
    method: "POST",
    body: JSON.stringify({ content: text }),
  });
  return ((await reply.json()) as { tokens: number[] }).tokens;
}

serverTest("completions: a text, whole and streamed", async (server) => {
  const whole = await complete(server);
  assert.equal(whole.object, "text_completion");
  assert.match(whole.id, /^cmpl-/);
  assert.equal(whole.choices[0]?.finish_reason, "length");
  assert.equal(whole.usage?.completion_tokens, 12);
  let text = "";
  const stream = await server.openai().completions.create({
    model: "demo",
    prompt: PROMPT,
    max_tokens: 12,
    temperature: 0,
    stream: true,
  });
  for await (const chunk of stream) text += chunk.choices[0]?.text ?? "";
  assert.equal(text, whole.choices[0]?.text);
});

serverTest("completions: lists of prompts, as texts and as tokens", async (server) => {
  const other = "The dog was";
  const single = [await complete(server), await complete(server, { prompt: other })];
  const texts = single.map(({ choices }) => choices[0]?.text);
  const both = await complete(server, { prompt: [PROMPT, other] });
  assert.deepEqual(
    both.choices.map(({ text }) => text),
    texts,
  );
  const tokens = [await tokensOf(server, PROMPT), await tokensOf(server, other)];
  const one = await complete(server, { prompt: tokens[0] ?? [] });
  assert.equal(one.choices[0]?.text, texts[0]);
  const asTokens = await complete(server, { prompt: tokens });
  assert.deepEqual(
    asTokens.choices.map(({ text }) => text),
    texts,
  );
  const sampled = await complete(server, { prompt: [PROMPT, other], n: 2, temperature: 1, seed: 1 });
  assert.deepEqual(
    sampled.choices.map(({ index }) => index),
    [0, 1, 2, 3],
  );
});

serverTest("completions: echo, and likelihoods of what was echoed", async (server) => {
  const plain = await complete(server);
  const echoed = await complete(server, { echo: true });
  assert.equal(echoed.choices[0]?.text, PROMPT + plain.choices[0]?.text);
  const scored = await complete(server, { echo: true, logprobs: 2, max_tokens: 2 });
  const logprobs = scored.choices[0]?.logprobs ?? assert.fail("no logprobs");
  const count = (scored.usage?.prompt_tokens ?? 0) + 2;
  assert.ok(Math.abs((logprobs.tokens?.length ?? 0) - count) <= 1, `${logprobs.tokens?.length} of ${count}`);
  assert.equal(logprobs.token_logprobs?.length, logprobs.tokens?.length);
  assert.equal(logprobs.token_logprobs?.[0], null, "nothing stands before the first token");
  assert.ok(logprobs.token_logprobs?.slice(1).every((value) => value !== null && value <= 0));
  assert.equal(logprobs.text_offset?.length, logprobs.tokens?.length);
});

serverTest("completions: logprobs without echo", async (server) => {
  const { choices } = await complete(server, { logprobs: 3, max_tokens: 4 });
  const logprobs = choices[0]?.logprobs;
  assert.equal(logprobs?.tokens?.length, 4);
  assert.ok(logprobs?.top_logprobs?.every((top) => Object.keys(top).length >= 3));
});

serverTest("responses: a text, whole and streamed", async (server) => {
  const body = {
    model: "demo",
    input: "Tell me a story about a cat.",
    temperature: 0,
    max_output_tokens: 24,
  };
  const whole = await server.openai().responses.create(body);
  assert.equal(whole.object, "response");
  assert.match(whole.id, /^resp_/);
  assert.ok(whole.output_text.length > 10);
  assert.equal(whole.status, "incomplete");
  assert.equal(whole.incomplete_details?.reason, "max_output_tokens");
  assert.equal(whole.usage?.output_tokens, 24);

  const stream = await server.openai().responses.create({ ...body, stream: true });
  const types: string[] = [];
  let text = "";
  let last: OpenAI.Responses.Response | undefined;
  for await (const event of stream) {
    assert.equal(event.sequence_number, types.length);
    types.push(event.type);
    if (event.type === "response.output_text.delta") text += event.delta;
    if (event.type === "response.completed" || event.type === "response.incomplete") last = event.response;
  }
  assert.equal(text, whole.output_text);
  assert.equal(types[0], "response.created");
  for (const type of ["response.in_progress", "response.output_item.added", "response.content_part.added"]) {
    assert.ok(types.includes(type), `${type} in ${[...new Set(types)].join(" ")}`);
  }
  assert.equal(last?.usage?.output_tokens, 24);
});

serverTest("responses: instructions and a list of messages", async (server) => {
  const chat = await server.openai().chat.completions.create({
    model: "demo",
    temperature: 0,
    max_tokens: 16,
    messages: [
      { role: "system", content: "Be kind." },
      { role: "user", content: "Tell me a story about a dog." },
    ],
  });
  const answer = await server.openai().responses.create({
    model: "demo",
    temperature: 0,
    max_output_tokens: 16,
    instructions: "Be kind.",
    input: [{ role: "user", content: [{ type: "input_text", text: "Tell me a story about a dog." }] }],
  });
  assert.equal(answer.output_text, chat.choices[0]?.message.content);
});

/** The refusal of a chat whose body is this. */
async function refusal(server: RealServer, body: object): Promise<APIError> {
  const messages = [{ role: "user", content: "Hi" }];
  try {
    await server.openai().chat.completions.create({
      model: "demo",
      messages,
      max_tokens: 2,
      ...body,
    } as unknown as OpenAI.ChatCompletionCreateParamsNonStreaming);
  } catch (error) {
    assert.ok(error instanceof APIError, String(error));
    return error;
  }
  return assert.fail(`taken: ${JSON.stringify(body)}`);
}

serverTest("a model that is not there", async (server) => {
  const error = await refusal(server, { model: "gpt-4" });
  assert.ok(error instanceof NotFoundError);
  assert.equal(error.code, "model_not_found");
  assert.match(error.message, /gpt-4/);
  await assert.rejects(server.openai().models.retrieve("gpt-4"), NotFoundError);
});

serverTest("fields that are wrong are named", async (server) => {
  const image = { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } };
  const cases: [object, RegExp][] = [
    [{ temperature: 7 }, /^temperature$/],
    [{ temperature: "hot" }, /^temperature$/],
    [{ top_p: -1 }, /^top_p$/],
    [{ n: 0 }, /^n$/],
    [{ max_tokens: -5 }, /^max_tokens$/],
    [{ messages: [] }, /^messages$/],
    [{ messages: undefined }, /^messages$/],
    [{ messages: [{ role: "wizard", content: "Hi" }] }, /^messages\[0\]\.role$/],
    [{ messages: [{ role: "user", content: [image] }] }, /^messages\[0\]\.content/],
    [{ top_logprobs: 3 }, /^top_logprobs$/],
    [{ stop: [""] }, /^stop/],
    [{ response_format: { type: "yaml" } }, /^response_format/],
    [{ tool_choice: "required" }, /^tool_choice$/],
    [{ seed: 1.5 }, /^seed$/],
    [{ logit_bias: { "999999": 1 } }, /^logit_bias/],
  ];
  for (const [body, param] of cases) {
    const error = await refusal(server, body);
    assert.ok(error instanceof BadRequestError, `${JSON.stringify(body)}: ${error.status}`);
    assert.match(String(error.param), param, JSON.stringify(body));
    assert.equal(error.type, "invalid_request_error");
    assert.ok(error.message.length > 10);
  }
});

serverTest("a prompt that is longer than the model's context", async (server) => {
  const error = await refusal(server, { messages: [{ role: "user", content: "word ".repeat(6000) }] });
  assert.ok(error instanceof BadRequestError);
  assert.equal(error.code, "context_length_exceeded");
});

serverTest("what there is not: embeddings, images, other paths and methods", async (server) => {
  const embeddings = server.openai().embeddings.create({ model: "demo", input: "Hi" });
  await assert.rejects(embeddings, (error) => error instanceof NotFoundError && error.message.length > 10);
  await assert.rejects(server.openai().images.generate({ prompt: "a cat" }), NotFoundError);
  const reply = await fetch(`${server.url}/v1/chat/completions`);
  assert.equal(reply.status, 405);
  const { error } = (await reply.json()) as { error: { message: string; type: string } };
  assert.ok(error.message && error.type);
});

serverTest("bodies that are no JSON", async (server) => {
  for (const body of ["", "{", "[]", "null", '{"messages": [}', "\u0000", `${"[".repeat(5000)}`]) {
    const reply = await fetch(`${server.url}/v1/chat/completions`, { method: "POST", body });
    assert.equal(reply.status, 400, body.slice(0, 20));
    const { error } = (await reply.json()) as { error: { message: string; param: unknown; code: unknown } };
    assert.ok(error.message.length > 5);
    assert.ok("param" in error && "code" in error);
  }
});
