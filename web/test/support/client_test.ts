// Tests against a real server: each file has one, which is stopped cleanly at its end.
import { after, before, test } from "node:test";
import { noProgram, RealServer } from "./real_server";

/** A long time: a sanitizer's build of the server may answer. */
const TEST_MS = 240_000;

export function serverTests(
  ...options: string[]
): (name: string, run: (server: RealServer) => Promise<void>, skip?: string | false) => void {
  let server: RealServer | undefined;
  before(async () => {
    if (noProgram === false) server = await RealServer.start(...options);
  });
  after(async () => server?.stop());
  return (name, run, skip = false) =>
    test(name, { skip: noProgram || skip, timeout: TEST_MS }, async () => {
      if (server === undefined) throw new Error("the server did not start");
      await run(server);
    });
}
