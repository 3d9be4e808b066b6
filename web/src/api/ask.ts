// One request to the server that this page came from. Addresses are relative, so that the page also works behind a
// proxy that gives it a folder.
import { apiKey } from "./key";
import { Problem, problemOf, unreachable } from "./problem";

/** A POST where there is a body, else a GET. Throws a Problem unless the server said yes. */
export async function ask(path: string, stop: AbortSignal, body?: object): Promise<Response> {
  const headers = new Headers();
  if (body !== undefined) headers.set("content-type", "application/json");
  if (apiKey.value !== "") headers.set("authorization", headerValue(apiKey.value));
  const request: RequestInit = { method: "GET", headers, signal: stop, cache: "no-store" };
  if (body !== undefined) {
    request.method = "POST";
    request.body = JSON.stringify(body);
  }
  const response = await fetch(path, request).catch((error: unknown) => {
    throw stop.aborted ? error : unreachable();
  });
  if (!response.ok) throw await problemOf(response);
  return response;
}

/** Headers are bytes, and fetch() throws for what is none. */
function headerValue(key: string): string {
  if (!/^[\x21-\x7e]+$/.test(key)) {
    throw new Problem("key", "An API key has only letters, digits and signs, without blanks.");
  }
  return `Bearer ${key}`;
}
