import assert from "node:assert/strict";
import { test } from "node:test";
import { endInWords, figuresOf } from "../src/state/figures";
import { FIELDS, NOTHING_TYPED, readField, samplingOf } from "../src/state/settings";
import { messagesOf, newAnswer, newConversation, newQuestion, type Reply } from "../src/state/turns";

function reply(rest: Partial<Reply>): Reply {
  return { text: "", reasoning: "", phase: "done", ...rest };
}

test("what is typed is sent, and nothing that is empty or wrong", () => {
  assert.deepEqual(samplingOf(NOTHING_TYPED), {});
  assert.deepEqual(
    samplingOf({ temperature: " 0,7 ", top_p: "1.5", top_k: "40", min_p: "x", max_tokens: "0", seed: "0" }),
    { temperature: 0.7, top_k: 40, seed: 0 },
  );
});

test("a wrong value is told what to type", () => {
  const [temperature] = FIELDS;
  const seed = FIELDS.find(({ name }) => name === "seed");
  assert.ok(temperature && seed);
  assert.equal(readField(temperature, "-1"), "Please type a number from 0 to 2.");
  for (const text of ["1.5", "1e3", "0x10", "Infinity", "9007199254740993", "--1"]) {
    assert.equal(readField(seed, text), "Please type a whole number, 0 or more.", text);
  }
});

test("the model is shown the system prompt and the texts, not the reasoning, and nothing empty", () => {
  const turns = [
    newQuestion("a"),
    newAnswer(reply({ text: "b", reasoning: "hm" })),
    newQuestion("c"),
    newAnswer(reply({ reasoning: "only thought", phase: "stopped" })),
    newQuestion("d"),
  ];
  assert.deepEqual(messagesOf("Be kind.", turns), [
    { role: "system", content: "Be kind." },
    { role: "user", content: "a" },
    { role: "assistant", content: "b" },
    { role: "user", content: "c" },
    { role: "user", content: "d" },
  ]);
  assert.equal(messagesOf("  ", turns)[0]?.role, "user");
});

test("a conversation is called after its first question", () => {
  assert.equal(newConversation("").title.value, "New chat");
  assert.equal(newConversation("", [newQuestion("  One\nTwo")]).title.value, "One");
  assert.equal(newConversation("", [newQuestion("x".repeat(99))]).title.value.length, 61);
});

test("figures: the first token ends the wait, the others take the time between", () => {
  const timing = { toFirst: 250, writing: 2000, pieces: 50 };
  const usage = { promptTokens: 1310, answerTokens: 101, reusedTokens: 1204 };
  assert.deepEqual(figuresOf(reply({ timing, usage })), [
    "50.0 tokens/s",
    "101 tokens",
    "first after 0.25 s",
    "1,204 of 1,310 prompt tokens reused",
  ]);
  assert.deepEqual(figuresOf(reply({ timing })), [
    "about 24.5 tokens/s",
    "about 50 tokens",
    "first after 0.25 s",
  ]);
  assert.deepEqual(figuresOf(reply({ timing: { toFirst: 1, writing: 0, pieces: 1 } })), [
    "about 1 token",
    "first after 0.00 s",
  ]);
  assert.deepEqual(figuresOf(reply({})), []);
});

test("an unusual end is told", () => {
  assert.equal(endInWords(reply({ end: "stop" })), undefined);
  assert.match(endInWords(reply({ end: "length" })) ?? "", /limit of tokens/);
  assert.match(endInWords(reply({ end: "deadline" })) ?? "", /deadline/);
  assert.equal(endInWords(reply({ phase: "stopped" })), "Stopped.");
});
