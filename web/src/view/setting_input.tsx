import { readField, typed, type SettingField } from "../state/settings";

export function SettingInput({ field }: { field: SettingField }) {
  const text = typed.value[field.name];
  const read = readField(field, text);
  const isWrong = typeof read === "string";
  const id = `setting-${field.name}`;
  return (
    <div class="setting">
      <label for={id}>{field.label}</label>
      <input
        id={id}
        type="text"
        inputMode={field.isWhole ? "numeric" : "decimal"}
        autocomplete="off"
        placeholder="—"
        value={text}
        aria-invalid={isWrong}
        aria-describedby={`${id}-hint`}
        onInput={(event) => (typed.value = { ...typed.peek(), [field.name]: event.currentTarget.value })}
      />
      <p class={isWrong ? "hint wrong" : "hint"} id={`${id}-hint`}>
        {isWrong ? read : field.hint}
      </p>
    </div>
  );
}
