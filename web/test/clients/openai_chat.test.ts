// The official `openai` client, chat completions: whole, streamed, several, stopped, with likelihoods.
import assert from "node:assert/strict";
import type OpenAI from "openai";
import { serverTests } from "../support/client_test";
import { longPrompt, type RealServer } from "../support/real_server";

const serverTest = serverTests();
const STORY: OpenAI.ChatCompletionMessageParam[] = [
  { role: "user", content: "Tell me a story about a cat." },
];

type Body = Omit<OpenAI.ChatCompletionCreateParamsNonStreaming, "messages" | "model"> & {
  messages?: typeof STORY;
};

function chat(server: RealServer, body: Body = {}): Promise<OpenAI.ChatCompletion> {
  return server.openai().chat.completions.create({ model: "demo", messages: STORY, max_tokens: 24, ...body });
}

/** The text of each choice of a stream, and all its chunks. */
async function streamed(server: RealServer, body: Body = {}) {
  const stream = await server.openai().chat.completions.create({
    model: "demo",
    messages: STORY,
    max_tokens: 24,
    ...body,
    stream: true,
    stream_options: { include_usage: true },
  });
  const chunks: OpenAI.ChatCompletionChunk[] = [];
  const texts: string[] = [];
  const ends: (string | null)[] = [];
  for await (const chunk of stream) {
    chunks.push(chunk);
    for (const { index, delta, finish_reason } of chunk.choices) {
      texts[index] = (texts[index] ?? "") + (delta.content ?? "");
      if (finish_reason !== null) ends[index] = finish_reason;
    }
  }
  return { chunks, texts, ends };
}

function textOf(completion: OpenAI.ChatCompletion, index = 0): string {
  return completion.choices[index]?.message.content ?? assert.fail("no content");
}

serverTest("models are listed and found by name", async (server) => {
  const models = [];
  for await (const model of server.openai().models.list()) models.push(model);
  assert.deepEqual(
    models.map(({ id, object }) => [id, object]),
    [["demo", "model"]],
  );
  assert.equal((await server.openai().models.retrieve("demo")).id, "demo");
});

serverTest("a whole answer", async (server) => {
  const answer = await chat(server);
  assert.equal(answer.object, "chat.completion");
  assert.match(answer.id, /^chatcmpl-/);
  assert.equal(answer.model, "demo");
  assert.ok(Math.abs(answer.created - Date.now() / 1000) < 600);
  const [choice] = answer.choices;
  assert.equal(answer.choices.length, 1);
  assert.equal(choice?.index, 0);
  assert.equal(choice?.message.role, "assistant");
  assert.ok(textOf(answer).length > 10);
  assert.equal(choice?.finish_reason, "length");
  assert.equal(answer.usage?.completion_tokens, 24);
  assert.equal(answer.usage?.total_tokens, answer.usage!.prompt_tokens + 24);
});

serverTest("max_completion_tokens is max_tokens", async (server) => {
  const { max_tokens: _, ...body } = { max_tokens: 0, max_completion_tokens: 5 };
  const answer = await server.openai().chat.completions.create({ model: "demo", messages: STORY, ...body });
  assert.equal(answer.usage?.completion_tokens, 5);
});

serverTest("a stream is the whole answer in pieces, and its usage", async (server) => {
  const whole = await chat(server, { seed: 3 });
  const { chunks, texts, ends } = await streamed(server, { seed: 3 });
  assert.equal(texts[0], textOf(whole));
  assert.deepEqual(ends, ["length"]);
  assert.ok(chunks.length > 5, `${chunks.length} chunks`);
  assert.equal(new Set(chunks.map(({ id }) => id)).size, 1);
  assert.ok(chunks.every(({ object }) => object === "chat.completion.chunk"));
  assert.equal(chunks[0]?.choices[0]?.delta.role, "assistant");
  const last = chunks.at(-1);
  assert.deepEqual(last?.choices, []);
  assert.equal(last?.usage?.completion_tokens, 24);
  assert.equal(last?.usage?.prompt_tokens, whole.usage?.prompt_tokens);
  assert.ok(chunks.slice(0, -1).every(({ usage }) => usage === null || usage === undefined));
});

serverTest("the client's own stream helper ends with the same completion", async (server) => {
  const whole = await chat(server, { seed: 4 });
  const runner = server
    .openai()
    .chat.completions.stream({ model: "demo", messages: STORY, max_tokens: 24, seed: 4 });
  assert.equal((await runner.finalChatCompletion()).choices[0]?.message.content, textOf(whole));
});

serverTest("the same seed gives the same answer, whatever else runs", async (server) => {
  const alone = textOf(await chat(server, { seed: 7, max_tokens: 48 }));
  const noise = Array.from({ length: 12 }, (_, at) =>
    chat(server, {
      seed: 100 + at,
      max_tokens: 40,
      messages: [{ role: "user", content: longPrompt(`fox ${at}`) }],
    }),
  );
  const again = await Promise.all([7, 8, 7].map((seed) => chat(server, { seed, max_tokens: 48 })));
  await Promise.all(noise);
  assert.equal(textOf(again[0] as OpenAI.ChatCompletion), alone);
  assert.equal(textOf(again[2] as OpenAI.ChatCompletion), alone);
  assert.notEqual(textOf(again[1] as OpenAI.ChatCompletion), alone);
});

serverTest("temperature 0 needs no seed", async (server) => {
  const [one, two] = await Promise.all([
    chat(server, { temperature: 0 }),
    chat(server, { temperature: 0, seed: 9 }),
  ]);
  assert.equal(textOf(one as OpenAI.ChatCompletion), textOf(two as OpenAI.ChatCompletion));
});

serverTest("n: several answers to one prompt, whole and streamed", async (server) => {
  const whole = await chat(server, { n: 3, seed: 5 });
  assert.deepEqual(
    whole.choices.map(({ index }) => index),
    [0, 1, 2],
  );
  const texts = whole.choices.map((_, index) => textOf(whole, index));
  assert.equal(new Set(texts).size, 3, "all different");
  assert.equal(whole.usage?.completion_tokens, 72);
  assert.deepEqual((await streamed(server, { n: 3, seed: 5 })).texts, texts);
});

serverTest("stop ends the answer before the stop, and is not part of it", async (server) => {
  const text = textOf(await chat(server, { temperature: 0, max_tokens: 40 }));
  const word = text.split(" ")[6];
  assert.ok(word);
  for (const stop of [word, ["no such words here", word]]) {
    const answer = await chat(server, { temperature: 0, max_tokens: 40, stop });
    assert.equal(textOf(answer), text.slice(0, text.indexOf(word)));
    assert.equal(answer.choices[0]?.finish_reason, "stop");
    const stream = await streamed(server, { temperature: 0, max_tokens: 40, stop });
    assert.equal(stream.texts[0], textOf(answer));
    assert.deepEqual(stream.ends, ["stop"]);
  }
});

serverTest("logprobs: one entry a token, and the likeliest beside it", async (server) => {
  const answer = await chat(server, { logprobs: true, top_logprobs: 3, temperature: 0, max_tokens: 12 });
  const entries = answer.choices[0]?.logprobs?.content ?? assert.fail("no logprobs");
  assert.equal(entries.length, 12);
  const bytes = entries.flatMap((entry) => entry.bytes ?? []);
  assert.equal(Buffer.from(bytes).toString().trim(), textOf(answer).trim());
  for (const entry of entries) {
    assert.ok(entry.logprob <= 0 && entry.logprob > -50, String(entry.logprob));
    assert.equal(entry.top_logprobs.length, 3);
    const [first, second] = entry.top_logprobs;
    assert.ok(first && second && first.logprob >= second.logprob);
    assert.equal(first.token, entry.token, "temperature 0 takes the likeliest");
    assert.equal(first.logprob, entry.logprob);
  }
  const { chunks } = await streamed(server, {
    logprobs: true,
    top_logprobs: 3,
    temperature: 0,
    max_tokens: 12,
  });
  const inStream = chunks.flatMap(({ choices }) => choices[0]?.logprobs?.content ?? []);
  assert.deepEqual(inStream, entries);
  assert.deepEqual(
    (await chat(server, { logprobs: true, max_tokens: 1 })).choices[0]?.logprobs?.content?.[0]?.top_logprobs,
    [],
  );
});

serverTest("logit_bias, penalties and the extensions change what is chosen", async (server) => {
  const { tokens } = (await (
    await fetch(`${server.url}/tokenize`, {
      method: "POST",
      body: JSON.stringify({ content: " dragon", add_special: false }),
    })
  ).json()) as { tokens: number[] };
  const forced = await chat(server, {
    logit_bias: { [String(tokens.at(-1))]: 100 },
    max_tokens: 4,
    temperature: 0,
  });
  assert.equal(new Set(textOf(forced).trim().split(/\s+/)).size, 1, textOf(forced));
  const free = textOf(await chat(server, { temperature: 0, max_tokens: 40 }));
  const penalised = await chat(server, {
    temperature: 0,
    max_tokens: 40,
    presence_penalty: 2,
    frequency_penalty: 2,
  });
  assert.notEqual(textOf(penalised), free);
  const extensions = {
    top_k: 1,
    min_p: 0.05,
    repeat_penalty: 1.0,
    cache_salt: "x",
    priority: 1,
    an_unknown_field: [1],
  };
  const likeliest = await chat(server, { ...extensions, temperature: 1, max_tokens: 40 } as Body);
  assert.equal(textOf(likeliest), free);
});

serverTest("a prompt that was there before is reused", async (server) => {
  const body: Body = { messages: [{ role: "user", content: longPrompt("owl") }], max_tokens: 4 };
  const first = await chat(server, body);
  const second = await chat(server, body);
  assert.equal(first.usage?.prompt_tokens_details?.cached_tokens, 0);
  const cached = second.usage?.prompt_tokens_details?.cached_tokens ?? 0;
  assert.ok(cached > 0.8 * (second.usage?.prompt_tokens ?? 0), `${cached} of ${second.usage?.prompt_tokens}`);
});

serverTest("roles and content parts", async (server) => {
  const plain = await chat(server, {
    temperature: 0,
    messages: [{ role: "system", content: "Be kind." }, ...STORY],
  });
  const parts = await chat(server, {
    temperature: 0,
    messages: [
      { role: "developer", content: [{ type: "text", text: "Be kind." }] },
      { role: "user", content: [{ type: "text", text: "Tell me a story about a cat." }] },
    ],
  });
  assert.equal(textOf(parts), textOf(plain));
  assert.equal(parts.usage?.prompt_tokens, plain.usage?.prompt_tokens);
});

/** A text that has no end of its own. */
const ENDLESS = { model: "demo", messages: STORY, max_tokens: 3000, logit_bias: { "2": -100 } };

serverTest("a client that leaves amid a stream frees what it had", async (server) => {
  await server.givesUp(1, 3000, async () => {
    const stream = await server.openai().chat.completions.create({ ...ENDLESS, stream: true });
    let pieces = 0;
    for await (const _ of stream) {
      pieces += 1;
      if (pieces === 5) stream.controller.abort();
    }
    assert.ok(pieces < 200, `${pieces} pieces`);
  });
});

serverTest("a client that leaves before a whole answer frees what it had", async (server) => {
  await server.givesUp(1, 3000, async () => {
    const stop = new AbortController();
    const whole = server.openai().chat.completions.create(ENDLESS, { signal: stop.signal });
    const refused = assert.rejects(whole, /abort/i);
    await server.becomes("running", async () => (await server.metric("cairn_running_requests")) === 1);
    stop.abort();
    await refused;
  });
});
