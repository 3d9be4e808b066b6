import { useEffect, useState } from "preact/hooks";
import { CopyIcon, DoneIcon } from "./icons";

const THANKS_MS = 1500;

export function CopyButton({ text, label }: { text: () => string; label: string }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(false), THANKS_MS);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = async () => setDone(await copyText(text()));
  return (
    <button type="button" class="quiet" title={label} aria-label={done ? "Copied" : label} onClick={copy}>
      {done ? <DoneIcon /> : <CopyIcon />}
    </button>
  );
}

/** The clipboard's own interface exists only over TLS and on loopback; elsewhere the browser's old command serves. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const focused = document.activeElement;
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "offstage";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (focused instanceof HTMLElement) focused.focus();
    return done;
  }
}
