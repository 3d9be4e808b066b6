import { useSignal } from "@preact/signals";
import { apiKey, setApiKey } from "../api/key";
import { refreshServer, serverProblem, wantsKey } from "../state/server";
import { focusComposer } from "./layout";

/** Asks for the API key, once the server has asked for one. */
export function KeyForm() {
  const draft = useSignal("");
  if (!wantsKey.value) return null;
  const use = async (event: Event) => {
    event.preventDefault();
    if (draft.peek().trim() === "") return;
    if (draft.peek().trim() === apiKey.peek()) await refreshServer();
    else setApiKey(draft.peek()); // and the server is asked again
    draft.value = "";
    focusComposer();
  };
  const isWrong = apiKey.value !== "" && serverProblem.value?.kind === "key";
  return (
    <form class="key" onSubmit={use}>
      <label for="key">
        {isWrong ? "The server did not take this API key." : "This server asks for an API key."}
      </label>
      <div class="line">
        <input
          id="key"
          type="password"
          autocomplete="off"
          value={draft.value}
          onInput={(event) => (draft.value = event.currentTarget.value)}
        />
        <button type="submit" class="main">
          Use it
        </button>
      </div>
      <p class="hint">It stays in this tab, and is gone when you close it.</p>
    </form>
  );
}
