import type { Signal } from "@preact/signals";
import type { Tab } from "./app";
import { Cairn, MenuIcon, SettingsIcon } from "./icons";
import { listIsOpen, settingsAreOpen } from "./layout";
import { ModelChoice } from "./model_choice";

export function Header({ tabs, chosen }: { tabs: readonly Tab[]; chosen: Signal<Tab> }) {
  return (
    <header class="bar">
      <button
        type="button"
        class="quiet"
        title="Conversations"
        aria-label="Conversations"
        aria-expanded={listIsOpen.value}
        aria-controls="conversations"
        onClick={() => (listIsOpen.value = !listIsOpen.value)}
      >
        <MenuIcon />
      </button>
      <h1>
        <Cairn /> Cairn
      </h1>
      {tabs.length > 1 && <TabBar tabs={tabs} chosen={chosen} />}
      <ModelChoice />
      <button
        type="button"
        class="quiet"
        title="Settings"
        aria-label="Settings"
        aria-expanded={settingsAreOpen.value}
        aria-controls="settings"
        onClick={() => (settingsAreOpen.value = !settingsAreOpen.value)}
      >
        <SettingsIcon />
      </button>
    </header>
  );
}

function TabBar({ tabs, chosen }: { tabs: readonly Tab[]; chosen: Signal<Tab> }) {
  return (
    <nav class="tabs" aria-label="Views">
      {tabs.map((tab) => (
        <button
          key={tab.name}
          type="button"
          aria-current={tab === chosen.value ? "page" : undefined}
          onClick={() => (chosen.value = tab)}
        >
          {tab.name}
        </button>
      ))}
    </nav>
  );
}
