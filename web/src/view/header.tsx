import type { Signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import type { Tab } from "./app";
import { CacheIcon, Cairn, MenuIcon, SettingsIcon } from "./icons";
import { listIsOpen, panel, togglePanel, type Panel } from "./layout";
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
      <PanelButton name="cache" title="Cache">
        <CacheIcon />
      </PanelButton>
      <PanelButton name="settings" title="Settings">
        <SettingsIcon />
      </PanelButton>
    </header>
  );
}

function PanelButton({ name, title, children }: { name: Panel; title: string; children: ComponentChildren }) {
  return (
    <button
      type="button"
      class="quiet"
      title={title}
      aria-label={title}
      aria-expanded={panel.value === name}
      aria-controls={name}
      onClick={() => togglePanel(name)}
    >
      {children}
    </button>
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
