// What GET /metrics says, as src/server/metrics.cc writes it: a server without tiers, unless told otherwise.

const NAMES: Readonly<Record<string, number>> = {
  cairn_prompt_tokens_total: 1310,
  cairn_reused_tokens_total: 1204,
  'cairn_kv_blocks{state="free"}': 1000,
  'cairn_kv_blocks{state="open"}': 2,
  'cairn_kv_blocks{state="held"}': 12,
  'cairn_kv_blocks{state="idle"}': 34,
  cairn_kv_pool_bytes: 12 << 20,
  cairn_kv_used_bytes: 563_200,
  cairn_kv_evicted_blocks_total: 0,
  'cairn_kv_tier_kept_blocks_total{tier="disk"}': 0,
  'cairn_kv_tier_kept_blocks_total{tier="remote"}': 0,
  'cairn_kv_tier_loaded_blocks_total{tier="disk"}': 0,
  'cairn_kv_tier_loaded_blocks_total{tier="remote"}': 0,
  'cairn_kv_tier_lost_blocks_total{reason="too_fast"}': 0,
  'cairn_kv_tier_lost_blocks_total{reason="disk"}': 0,
  'cairn_kv_tier_lost_blocks_total{reason="remote"}': 0,
  'cairn_kv_tier_bad_blocks_total{tier="disk"}': 0,
  'cairn_kv_tier_bad_blocks_total{tier="remote"}': 0,
  'cairn_kv_tier_loads_total{outcome="whole"}': 0,
  'cairn_kv_tier_loads_total{outcome="cut_short"}': 0,
  'cairn_kv_tier_loads_total{outcome="computed"}': 0,
  'cairn_kv_disk_bytes{state="used"}': 0,
  'cairn_kv_disk_bytes{state="live"}': 0,
  'cairn_kv_disk_bytes{state="limit"}': 0,
  cairn_kv_remote_failures_total: 0,
};

/** Some series with other values. */
export function metricsText(changed: Readonly<Record<string, number>> = {}): string {
  const lines = Object.entries({ ...NAMES, ...changed }).map(([name, value]) => `${name} ${value}\n`);
  return `# HELP cairn_prompt_tokens_total Tokens of prompts\n# TYPE cairn_prompt_tokens_total counter\n${lines.join("")}`;
}

/** A disk and a remote store that have seen something. */
export const TIERS: Readonly<Record<string, number>> = {
  'cairn_kv_tier_kept_blocks_total{tier="disk"}': 120,
  'cairn_kv_tier_kept_blocks_total{tier="remote"}': 1234,
  'cairn_kv_tier_loaded_blocks_total{tier="disk"}': 30,
  'cairn_kv_tier_loaded_blocks_total{tier="remote"}': 41,
  'cairn_kv_tier_lost_blocks_total{reason="too_fast"}': 5,
  'cairn_kv_tier_lost_blocks_total{reason="remote"}': 6,
  'cairn_kv_tier_bad_blocks_total{tier="disk"}': 1,
  'cairn_kv_tier_loads_total{outcome="whole"}': 7,
  'cairn_kv_tier_loads_total{outcome="cut_short"}': 2,
  'cairn_kv_tier_loads_total{outcome="computed"}': 3,
  'cairn_kv_disk_bytes{state="used"}': 1.25 * 2 ** 30,
  'cairn_kv_disk_bytes{state="live"}': 2 ** 30,
  'cairn_kv_disk_bytes{state="limit"}': 50 * 2 ** 30,
  cairn_kv_remote_failures_total: 9,
};
