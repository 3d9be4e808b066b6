// The page's few signs, drawn in the colour of the text around them. They say nothing to a screen reader: the
// buttons that carry them have names.
import type { ComponentChildren } from "preact";

function Icon({ children }: { children: ComponentChildren }) {
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

export const SendIcon = () => (
  <Icon>
    <path d="M10 16V4.5M5 9.2 10 4.2l5 5" />
  </Icon>
);

export const StopIcon = () => (
  <Icon>
    <rect class="solid" x="5.5" y="5.5" width="9" height="9" rx="1.5" />
  </Icon>
);

export const PlusIcon = () => (
  <Icon>
    <path d="M10 4v12M4 10h12" />
  </Icon>
);

export const EditIcon = () => (
  <Icon>
    <path d="m4 16 .8-3.4L13 4.4l2.6 2.6-8.2 8.2zM11.4 6l2.6 2.6" />
  </Icon>
);

export const CopyIcon = () => (
  <Icon>
    <path d="M7.5 7.5V4.8c0-.7.6-1.3 1.3-1.3h6.4c.7 0 1.3.6 1.3 1.3v6.4c0 .7-.6 1.3-1.3 1.3h-2.7" />
    <rect x="3.5" y="7.5" width="9" height="9" rx="1.3" />
  </Icon>
);

export const DoneIcon = () => (
  <Icon>
    <path d="m4.5 10.5 3.7 3.7 7.3-8" />
  </Icon>
);

export const AgainIcon = () => (
  <Icon>
    <path d="M15.8 8.3A6.2 6.2 0 1 0 16 12M16.2 4v4.4h-4.4" />
  </Icon>
);

export const RemoveIcon = () => (
  <Icon>
    <path d="M4 5.8h12M8 5.5V3.8h4v1.7M5.5 5.8l.7 10.4h7.6l.7-10.4M8.5 8.8v4.6M11.5 8.8v4.6" />
  </Icon>
);

export const MenuIcon = () => (
  <Icon>
    <path d="M3.5 6h13M3.5 10h13M3.5 14h13" />
  </Icon>
);

export const SettingsIcon = () => (
  <Icon>
    <path d="M3.5 6h6M14.5 6h2M3.5 14h2M10.5 14h6" />
    <circle cx="12" cy="6" r="2.2" />
    <circle cx="8" cy="14" r="2.2" />
  </Icon>
);

/** Tiers, one below the other. */
export const CacheIcon = () => (
  <Icon>
    <path d="m10 3.5 6.5 3.2L10 10 3.5 6.7zM3.5 10l6.5 3.2 6.5-3.2M3.5 13.3l6.5 3.2 6.5-3.2" />
  </Icon>
);

export const CloseIcon = () => (
  <Icon>
    <path d="m5 5 10 10M15 5 5 15" />
  </Icon>
);

export const DownIcon = () => (
  <Icon>
    <path d="M10 4v11.5M5 10.8l5 5 5-5" />
  </Icon>
);

/** Three stones, one on the other. */
export const Cairn = () => (
  <svg class="cairn" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
    <ellipse cx="16" cy="25.5" rx="12" ry="4.5" />
    <ellipse cx="16.8" cy="16.8" rx="8.6" ry="3.8" opacity=".85" />
    <ellipse cx="15.4" cy="9" rx="5.6" ry="3.3" opacity=".7" />
  </svg>
);
