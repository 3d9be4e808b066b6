import assert from "node:assert/strict";
import { test } from "node:test";
import { readChunk } from "../src/api/chat";
import { messageIn, Problem, problemFrom, secondsToWait } from "../src/api/problem";

test("a chunk's text, reasoning, end and usage become events", () => {
  const chunk = {
    choices: [{ delta: { reasoning_content: "hm", content: "Yes" }, finish_reason: "length" }],
    usage: { prompt_tokens: 9, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 8 } },
  };
  assert.deepEqual(readChunk(JSON.stringify(chunk)), [
    { type: "reasoning", text: "hm" },
    { type: "text", text: "Yes" },
    { type: "end", reason: "length" },
    { type: "usage", usage: { promptTokens: 9, answerTokens: 2, reusedTokens: 8 } },
  ]);
});

test("chunks of other shapes are nothing, or a problem, and never a crash", () => {
  for (const empty of [
    "{}",
    "[]",
    "null",
    "7",
    '{"choices":[]}',
    '{"choices":[{"delta":{"content":null}}],"usage":null}',
  ]) {
    assert.deepEqual(readChunk(empty), [], empty);
  }
  assert.throws(() => readChunk("{"), Problem);
  assert.throws(() => readChunk('{"error":{"message":"out of memory"}}'), /out of memory/);
});

test("refusals are told in plain words", () => {
  assert.match(problemFrom(401, "").message, /API key/);
  assert.equal(problemFrom(401, "").kind, "key");
  const busy = problemFrom(429, "queue is full", 7);
  assert.equal(
    busy.message,
    "The server has too much to do right now; please try again in 7 seconds. Queue is full.",
  );
  assert.equal(busy.retryAfter, 7);
  assert.match(problemFrom(503, "", 300).message, /in 5 minutes/);
  assert.match(problemFrom(400, "`top_p` is 3.").message, /did not accept this \(400\)\. `top_p` is 3\.$/);
  assert.match(problemFrom(500, "x".repeat(5000)).message, /^.{0,700}$/);
});

test("Retry-After is a number or a date", () => {
  const now = Date.parse("2025-01-01T00:00:00Z");
  assert.equal(secondsToWait("12", now), 12);
  assert.equal(secondsToWait("Wed, 01 Jan 2025 00:00:30 GMT", now), 30);
  assert.equal(secondsToWait("soon", now), undefined);
  assert.equal(secondsToWait(null, now), undefined);
});

test("an error's message is found in the shapes that servers use", () => {
  assert.equal(messageIn('{"error":{"message":"a"}}'), "a");
  assert.equal(messageIn('{"error":"b"}'), "b");
  assert.equal(messageIn('{"message":"c"}'), "c");
  for (const other of ["", "<html>", "[]", '{"error":{"message":3}}'])
    assert.equal(messageIn(other), "", other);
});
