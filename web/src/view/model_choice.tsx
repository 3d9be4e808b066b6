import { model, models } from "../state/server";

/** The model's name; a choice where the server has several. */
export function ModelChoice() {
  if (models.value.length < 2) return <span class="model">{model.value}</span>;
  return (
    <select
      class="model"
      aria-label="Model"
      value={model.value}
      onChange={(event) => (model.value = event.currentTarget.value)}
    >
      {models.value.map((name) => (
        <option key={name}>{name}</option>
      ))}
    </select>
  );
}
