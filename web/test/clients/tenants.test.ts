// Keys: who may come in, and that tenants learn nothing of each other.
import assert from "node:assert/strict";
import { after } from "node:test";
import { AuthenticationError, RateLimitError } from "openai";
import { serverTests } from "../support/client_test";
import { keysFile, longPrompt, type RealServer } from "../support/real_server";

const keys = keysFile(
  "alice alice-secret-1 weight=2",
  "bob bob-secret-2",
  "carol carol-secret-3 requests=1/h",
);
after(keys.remove);
const serverTest = serverTests("--api-keys", keys.path);

async function cachedTokens(server: RealServer, key: string, subject: string): Promise<number> {
  const answer = await server.openai(key).chat.completions.create({
    model: "demo",
    messages: [{ role: "user", content: longPrompt(subject) }],
    max_tokens: 2,
  });
  return answer.usage?.prompt_tokens_details?.cached_tokens ?? assert.fail("no count");
}

serverTest("without a key, or with a wrong one, nothing answers", async (server) => {
  for (const key of ["wrong", "alice-secret-", "alice-secret-12", "alice"]) {
    await assert.rejects(server.openai(key).models.list(), AuthenticationError, key);
  }
  const ask = { model: "demo", messages: [{ role: "user" as const, content: "Hi" }], max_tokens: 2 };
  await assert.rejects(server.openai("wrong").chat.completions.create(ask), AuthenticationError);
  for (const path of ["/v1/models", "/metrics", "/api/tags", "/api/ps"]) {
    const reply = await fetch(`${server.url}${path}`);
    assert.equal(reply.status, 401, path);
    assert.ok(reply.headers.get("www-authenticate"));
  }
});

serverTest("the page and the health checks need no key", async (server) => {
  for (const path of ["/", "/app.js", "/health", "/ready"]) {
    assert.equal((await fetch(`${server.url}${path}`)).status, 200, path);
  }
});

serverTest("each with its own key; a prompt of one is no hit for the other", async (server) => {
  assert.equal(await cachedTokens(server, "alice-secret-1", "bear"), 0);
  assert.ok((await cachedTokens(server, "alice-secret-1", "bear")) > 0);
  assert.equal(await cachedTokens(server, "bob-secret-2", "bear"), 0);
  assert.ok((await cachedTokens(server, "bob-secret-2", "bear")) > 0);
});

serverTest("both get the same answer for the same seed", async (server) => {
  const ask = {
    model: "demo",
    messages: [{ role: "user" as const, content: "Tell me a story." }],
    max_tokens: 16,
    seed: 4,
  };
  const [alice, bob] = await Promise.all(
    ["alice-secret-1", "bob-secret-2"].map((key) => server.openai(key).chat.completions.create(ask)),
  );
  assert.equal(alice?.choices[0]?.message.content, bob?.choices[0]?.message.content);
});

serverTest("over its rate a tenant waits, and is told how long", async (server) => {
  await cachedTokens(server, "carol-secret-3", "hare");
  await assert.rejects(cachedTokens(server, "carol-secret-3", "hare"), (error) => {
    assert.ok(error instanceof RateLimitError);
    assert.match(error.headers?.get("retry-after") ?? "", /^\d+$/);
    return true;
  });
  await cachedTokens(server, "bob-secret-2", "hare");
});
