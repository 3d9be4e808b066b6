// The chat itself, in a browser: streaming, stopping, and what is done to turns.
import assert from "node:assert/strict";
import { sees } from "./support/browser";
import { gate, messages, pageTest } from "./support/page_test";

pageTest("words appear as they come, then the figures", async ({ server, ask, answers }) => {
  const rest = gate();
  server.answer = async (reply) => {
    reply.begin();
    reply.delta({ content: "One " });
    await rest.passed;
    reply.delta({ content: "two" });
    reply.delta({}, "stop");
    reply.usage(1310, 2, 1204);
    reply.end();
  };
  await ask("Count");
  await sees(answers, "One");
  assert.equal(await answers.getAttribute("aria-busy"), "true");
  rest.open();
  await sees(answers, "One two");
  await sees(answers, "1,204 of 1,310 prompt tokens reused");
  await sees(answers, "tokens/s");
  assert.deepEqual(messages(server.asked[0]), [{ role: "user", content: "Count" }]);
  assert.equal(server.asked[0]?.body["model"], "demo");
  assert.deepEqual(server.asked[0]?.body["stream_options"], { include_usage: true });
});

pageTest("the whole conversation goes with the next question", async ({ server, ask, answers }) => {
  await ask("First");
  await sees(answers.nth(0), "reused");
  await ask("Second");
  await sees(answers.nth(1), "reused");
  assert.deepEqual(messages(server.asked[1]), [
    { role: "user", content: "First" },
    { role: "assistant", content: "Hello there." },
    { role: "user", content: "Second" },
  ]);
});

for (const how of ["button", "key"]) {
  pageTest(
    `an answer is stopped by ${how}, and the server learns of it`,
    async ({ page, server, ask, answers }) => {
      const left = gate();
      server.answer = (reply, _, gone) => {
        gone.addEventListener("abort", left.open);
        reply.begin();
        reply.delta({ content: "Once upon" });
      };
      await ask("Tell");
      await sees(answers, "Once upon");
      if (how === "button") await page.getByLabel("Stop").click();
      else await page.keyboard.press("Escape");
      await left.passed;
      await sees(answers, "Stopped.");
      await sees(answers, "Once upon");
      server.answer = (reply) => reply.say("Fine.");
      await ask("Go on");
      await sees(answers.nth(1), "Fine.");
      assert.deepEqual(messages(server.asked[1]), [
        { role: "user", content: "Tell" },
        { role: "assistant", content: "Once upon" },
        { role: "user", content: "Go on" },
      ]);
    },
  );
}

pageTest("a question is edited and sent again from there; undone, all is as before", async (scene) => {
  const { page, server, ask, answers, questions } = scene;
  for (const [at, text] of ["One", "Two", "Three"].entries()) {
    await ask(text);
    await sees(answers.nth(at), "reused");
  }
  await questions.nth(1).hover();
  await questions.nth(1).getByLabel("Edit").click();
  await page.getByLabel("Your message").fill("Two and a half");
  await page.getByRole("button", { name: "Send", exact: true }).first().click();
  await sees(answers.nth(1), "reused");
  assert.equal(await questions.count(), 2);
  assert.deepEqual(messages(server.asked[3]), [
    { role: "user", content: "One" },
    { role: "assistant", content: "Hello there." },
    { role: "user", content: "Two and a half" },
  ]);
  await sees(page.locator(".notice"), "2 messages after the question removed.");
  await page.getByRole("button", { name: "Undo" }).click();
  await sees(questions.nth(2), "Three");
  assert.equal(await questions.count(), 3);
});

pageTest("an answer is written again, or by hand", async ({ page, server, ask, answers }) => {
  await ask("One");
  await sees(answers, "Hello there.");
  server.answer = (reply) => reply.say("Another answer.");
  await answers.getByLabel("Answer again").click();
  await sees(answers, "Another answer.");
  assert.equal(await answers.count(), 1);
  assert.deepEqual(messages(server.asked[1]), [{ role: "user", content: "One" }]);

  await answers.getByLabel("Edit").click();
  await page.getByLabel("The answer").fill("My answer.");
  await page.getByRole("button", { name: "Save" }).click();
  await sees(answers, "My answer.");
  await ask("Two");
  await sees(answers.nth(1), "Another answer.");
  assert.deepEqual(messages(server.asked[2]), [
    { role: "user", content: "One" },
    { role: "assistant", content: "My answer." },
    { role: "user", content: "Two" },
  ]);
});

pageTest("a question goes with its answer, and comes back", async ({ page, ask, answers, questions }) => {
  await ask("One");
  await sees(answers, "reused");
  await ask("Two");
  await sees(answers.nth(1), "reused");
  await questions.nth(0).hover();
  await questions.nth(0).getByLabel("Delete").click();
  await sees(page.locator(".notice"), "2 messages removed.");
  assert.equal(await answers.count(), 1);
  await sees(questions.nth(0), "Two");
  await page.getByRole("button", { name: "Undo" }).click();
  await sees(questions.nth(0), "One");
  assert.equal(await answers.count(), 2);
});

pageTest(
  "deleting the turn that is being answered stops the answer",
  async ({ server, ask, answers, questions }) => {
    const left = gate();
    server.answer = (reply, _, gone) => {
      gone.addEventListener("abort", left.open);
      reply.begin();
      reply.delta({ content: "Long" });
    };
    await ask("One");
    await sees(answers, "Long");
    await questions.hover();
    await questions.getByLabel("Delete").click();
    await left.passed;
    assert.equal(await answers.count(), 0);
  },
);

pageTest("two conversations are answered at once", async ({ page, server, ask, answers }) => {
  const slow = gate();
  server.answer = async (reply, asked) => {
    if (JSON.stringify(asked.body).includes("Slow")) {
      reply.begin();
      reply.delta({ content: "Begun" });
      await slow.passed;
      reply.delta({ content: " and done" }, "stop");
      reply.end();
    } else {
      reply.say("Quick.");
    }
  };
  await ask("Slow one");
  await sees(answers, "Begun");
  await page.getByRole("button", { name: "New chat" }).first().click();
  await ask("Quick one");
  await sees(answers, "Quick.");
  slow.open();
  await page.getByRole("button", { name: "Slow one", exact: true }).click();
  await sees(answers, "Begun and done");
  assert.equal(await answers.count(), 1);

  await page.getByLabel("Delete “Slow one”").click();
  await sees(answers, "Quick.");
  await page.getByRole("button", { name: "Undo" }).click();
  await sees(answers, "Begun and done");
});

pageTest("reasoning is folded away, and not sent back", async ({ page, server, ask, answers }) => {
  server.answer = (reply) => {
    reply.begin();
    reply.delta({ reasoning_content: "They greet me." });
    reply.delta({ content: "Hello." }, "stop");
    reply.end();
  };
  await ask("Hi");
  await sees(answers, "Hello.");
  assert.equal(await page.getByText("They greet me.").isVisible(), false);
  await page.getByText("Reasoning", { exact: true }).click();
  await page.getByText("They greet me.").waitFor({ state: "visible" });
  await ask("Again");
  await sees(answers.nth(1), "Hello.");
  assert.ok(!JSON.stringify(server.asked[1]?.body).includes("greet"));
});

pageTest("an answer that reaches the limit says so", async ({ server, ask, answers }) => {
  server.answer = (reply) => {
    reply.begin();
    reply.delta({ content: "And then" }, "length");
    reply.end();
  };
  await ask("Tell");
  await sees(answers, "Ended at the limit of tokens.");
});

pageTest(
  "an answer and its code are copied",
  async ({ page, server, ask, answers }) => {
    server.answer = (reply) => reply.say("Do this:\n\n```sh\nls -l\n```");
    await ask("How?");
    await sees(answers, "reused");
    await answers.getByLabel("Copy code").click();
    await answers.getByLabel("Copied").waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "ls -l");
    await answers.getByLabel("Copy", { exact: true }).click();
    await answers.getByLabel("Copied").first().waitFor();
    await page.waitForFunction(async () => (await navigator.clipboard.readText()).startsWith("Do this:"));
  },
  { permissions: ["clipboard-read", "clipboard-write"] },
);
