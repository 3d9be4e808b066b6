// GET /v1/models: the names of what the server runs.
import { ask } from "./ask";
import { field } from "./problem";

export async function listModels(stop: AbortSignal): Promise<string[]> {
  const response = await ask("v1/models", stop);
  const list = field(await response.json().catch(() => undefined), "data");
  if (!Array.isArray(list)) return [];
  return list.map((model) => field(model, "id")).filter((id) => typeof id === "string");
}
