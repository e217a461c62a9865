/** Signs by shape, so that no colour is needed to tell them apart; all are beside a word. */

const circle = "M8 1.5a6.5 6.5 0 1 1 0 13 6.5 6.5 0 1 1 0-13";

/** Paths in a square of 16. */
const shapes = {
  good: `${circle}M5 8.2l2.1 2.1L11 6`,
  critical: "M5.3 1.5h5.4l3.8 3.8v5.4l-3.8 3.8H5.3l-3.8-3.8V5.3zM5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4",
  warning: "M8 1.8 14.8 14H1.2zM8 6.3v3.5M8 11.9v.1",
  info: `${circle}M8 7.3v4M8 4.7v.1`,
  off: `${circle}M4.5 8h7`,
  wait: `${circle}M8 4.5V8l2.5 1.5`,
  overview: "M1.5 8.5h3l2-5 3 9 2-4h3",
  gateway:
    "M1.5 8.5h13v5h-13zM4 11h.1M7 11h5M8 8.5v-3M5 4.8c1.7-2 4.3-2 6 0M3 2.8c3-2.7 7-2.7 10 0",
  device: "M6 9.3V3a2 2 0 0 1 4 0v6.3a3.3 3.3 0 1 1-4 0zM8 6v6",
  alert: "M8 1.5a4 4 0 0 1 4 4c0 4 1.5 5 1.5 5.8h-11c0-.8 1.5-1.8 1.5-5.8a4 4 0 0 1 4-4zM6.5 14h3",
  rule: "M2 4h3M8 4h6M2 8h7M12 8h2M2 12h1M6 12h8M5 2.5v3M9 6.5v3M3 10.5v3",
  dead: "M1.5 4h13v9h-13zM1.5 4.5l6.5 5 6.5-5",
  bell: "M2 2l12 12M5 3.5a4 4 0 0 1 7 2c0 1.8.3 3 .7 3.9M11 11.3H2.5c0-.8 1.5-1.8 1.5-5.3M6.5 14h3",
  right: "M6 3l5 5-5 5",
  up: "M4 9.5l4-4 4 4",
  down: "M4 6.5l4 4 4-4",
  light:
    "M5 8a3 3 0 1 0 6 0 3 3 0 1 0-6 0M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3.1 3.1l1 1M11.9 11.9l1 1M12.9 3.1l-1 1M4.1 11.9l-1 1",
  dark: "M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7z",
  auto: `${circle}M8 1.5v13M10 2v12M12 3.5v9`,
  link: "M1.5 8h4M10.5 8h4M5.5 5.5v5h2v-5zM8.5 5.5v5h2v-5z",
  cut: "M1.5 8h3M11.5 8h3M6 5v6M10 5v6M7 2.5l.5 1.5M9.5 2.5L9 4M7.5 13.5l.5-1.5M9.5 13.5L9 12",
} as const;

export type IconName = keyof typeof shapes;

export function Icon({ name, className = "" }: { name: IconName; className?: string }) {
  return (
    <svg class={`icon ${className}`} viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={shapes[name]} />
    </svg>
  );
}
