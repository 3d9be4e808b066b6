// A text field as high as its text, up to what the style sheet allows.
import type { TextareaHTMLAttributes } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

interface Props extends Omit<TextareaHTMLAttributes<HTMLTextAreaElement>, "onChange"> {
  value: string;
  onText: (text: string) => void;
  /** Takes the focus, the cursor behind the text, when it appears. */
  takesFocus?: boolean;
}

export function TextArea({ value, onText, takesFocus, ...rest }: Props) {
  const area = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => {
    const element = area.current;
    if (element === null) return;
    element.style.height = "auto";
    element.style.height = `${element.scrollHeight + 2}px`; // and its border
  }, [value]);
  useLayoutEffect(() => {
    if (!takesFocus) return;
    area.current?.focus();
    area.current?.setSelectionRange(value.length, value.length);
  }, []);
  return (
    <textarea
      rows={1}
      {...rest}
      ref={area}
      value={value}
      onInput={(event) => onText(event.currentTarget.value)}
    />
  );
}

/** Enter alone: with Shift it is a new line, and within a composition it chooses a word. */
export function isPlainEnter(event: KeyboardEvent): boolean {
  return (
    event.key === "Enter" &&
    !event.shiftKey &&
    !event.altKey &&
    !event.ctrlKey &&
    !event.metaKey &&
    !event.isComposing
  );
}
