import { apiKey, setApiKey } from "../api/key";
import { current } from "../state/conversations";
import { isKept, setKept } from "../state/keeping";
import { FIELDS, hasSettings, NOTHING_TYPED, typed } from "../state/settings";
import { SettingInput } from "./setting_input";
import { SidePanel } from "./side_panel";
import { TextArea } from "./text_area";

export function SettingsPanel() {
  return (
    <SidePanel id="settings" title="Settings">
      <SystemPrompt />
      <Sampling />
      <Privacy />
      <p class="hint">
        <a href="./licenses.txt">Licences</a>
      </p>
    </SidePanel>
  );
}

function SystemPrompt() {
  const { system } = current.value;
  return (
    <section>
      <label for="system">System prompt</label>
      <TextArea
        id="system"
        rows={3}
        placeholder="How the model should answer in this conversation"
        value={system.value}
        onText={(text) => (system.value = text)}
      />
    </section>
  );
}

function Sampling() {
  return (
    <section>
      <h3>Sampling</h3>
      <p class="hint">What is left empty, the server decides.</p>
      {FIELDS.map((field) => (
        <SettingInput key={field.name} field={field} />
      ))}
      {hasSettings.value && (
        <button type="button" onClick={() => (typed.value = NOTHING_TYPED)}>
          Leave all to the server
        </button>
      )}
    </section>
  );
}

function Privacy() {
  return (
    <section>
      <h3>In this browser</h3>
      <label class="check">
        <input
          type="checkbox"
          checked={isKept.value}
          onChange={(event) => setKept(event.currentTarget.checked)}
        />
        Keep conversations and settings
      </label>
      <p class="hint">Otherwise they are gone when the page is closed or loaded again.</p>
      {apiKey.value !== "" && (
        <button type="button" onClick={() => setApiKey("")}>
          Forget the API key
        </button>
      )}
    </section>
  );
}
