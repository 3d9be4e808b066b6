// The whole page: a bar, and below it the tab in view. The chat is the only tab so far; another one is a line here.
import { useSignal } from "@preact/signals";
import type { ComponentType } from "preact";
import { Chat } from "./chat";
import { Header } from "./header";

export interface Tab {
  readonly name: string;
  readonly View: ComponentType;
}

const CHAT: Tab = { name: "Chat", View: Chat };
const TABS: readonly Tab[] = [CHAT];

export function App() {
  const chosen = useSignal(CHAT);
  const { View } = chosen.value;
  return (
    <>
      <Header tabs={TABS} chosen={chosen} />
      <View />
    </>
  );
}
