import { useEffect } from "preact/hooks";
import { Problem } from "../api/problem";
import { cache, watchCache } from "../state/cache";
import type { CacheSection } from "../state/cache_figures";
import { SidePanel } from "./side_panel";

/** Asks the server while it is there. */
export function CachePanel() {
  useEffect(watchCache, []);
  return (
    <SidePanel id="cache" title="Cache">
      <Report />
    </SidePanel>
  );
}

function Report() {
  const report = cache.value;
  if (report === null) return <p class="hint">Asking the server…</p>;
  if (report instanceof Problem) {
    return (
      <p class="problem" role="status">
        {report.message}
      </p>
    );
  }
  return (
    <>
      {report.map((section) => (
        <Section key={section.title} section={section} />
      ))}
      <p class="hint">Counts are since the server started, of all who use it.</p>
    </>
  );
}

/** The bar says nothing that the lines below it do not. */
function Section({ section: { title, bar, rows } }: { section: CacheSection }) {
  const parts = bar.filter(({ amount }) => amount > 0);
  return (
    <section>
      <h3>{title}</h3>
      {parts.length > 0 && (
        <div class="bar-of-parts" aria-hidden="true">
          {parts.map(({ part, amount }) => (
            <span key={part} class={`part ${part}`} style={{ flexGrow: amount }} />
          ))}
        </div>
      )}
      <dl>
        {rows.map(({ label, words, part, isTrouble }) => (
          <div key={label}>
            <dt>
              {part !== undefined && <span class={`part ${part}`} aria-hidden="true" />}
              {label}
            </dt>
            <dd class={isTrouble === true ? "wrong" : undefined}>{words}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
